"""Two ends of a call in one loop: real engines over loopback, with signalling that keeps its order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np

from sheetbend.client.engines import load_engine
from sheetbend.client.engines.base import (
    Candidate,
    ChannelPort,
    ConnectionPort,
    DataChannel,
    Engine,
    EngineError,
    IceConfiguration,
    PeerConnection,
    RemoteTrack,
)

__all__ = ["PAIRS", "Channel", "End", "calling", "picture", "shade", "tone", "until"]

ENGINES = ["wrtc", "aiortc"]
PAIRS = [(one, other) for one in ENGINES for other in ENGINES]
WAIT_S = 15.0
RATE = 48_000


class Channel:
    """A data channel and what it told."""

    def __init__(self, connection: PeerConnection, id: int = 1, **options: Any) -> None:  # noqa: A002
        self.messages: list[bytes] = []
        self.received = 0
        self.keeps = True
        self.is_open = self.is_closed = False
        self.lows: list[int] = []
        """What waited each time that was told."""
        self.changed = asyncio.Event()
        port = ChannelPort(self._opened, self._message, self._low, self._closed)
        self.native: DataChannel = connection.create_data_channel(f"channel {id}", port, id=id, **options)

    def _opened(self) -> None:
        self.is_open = True
        self.changed.set()

    def _message(self, data: bytes) -> None:
        self.received += len(data)
        if self.keeps:
            self.messages.append(data)
        self.changed.set()

    def _low(self) -> None:
        self.lows.append(self.native.buffered_amount)
        self.changed.set()

    def _closed(self) -> None:
        self.is_closed = True
        self.changed.set()

    async def until(self, holds: Callable[[Channel], object]) -> None:
        await until(lambda: holds(self), self.changed)


class End:
    """One end: W3C's perfect negotiation, and notes of all that was called back."""

    def __init__(self, engine: Engine, polite: bool) -> None:
        self.engine = engine
        self.polite = polite
        self.negotiates = not polite or engine.can_roll_back
        """Who can't give way leaves the first offer to the other end."""
        self.calls: list[str] = []
        self.states: list[str] = []
        self.candidates: list[Candidate | None] = []
        self.tracks: list[RemoteTrack] = []
        self.ended: list[RemoteTrack] = []
        self.changed = asyncio.Event()
        self.errors: list[EngineError] = []
        self.out: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._early: list[Candidate | None] = []
        self._ignores = False
        self._is_offering = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.connection = engine.create(
            IceConfiguration(),
            ConnectionPort(
                candidate=self._candidate,
                connection_state_changed=self._state,
                negotiation_needed=self._needed,
                track=self._track,
                track_ended=self._track_ended,
                rerouted=lambda: self._note("rerouted"),
            ),
        )

    async def until(self, holds: Callable[[End], object]) -> None:
        await until(lambda: holds(self), self.changed)

    async def connected(self) -> None:
        await self.until(lambda end: end.connection.connection_state == "connected")

    def start_offer(self, **options: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._offer(**options))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def receive(self, kind: str, content: Any) -> None:
        if kind == "candidate":
            await self._add(content)
        elif kind == "offer":
            await self._answer(content)
        else:
            self._ignores = False
            await self.connection.accept_answer(content)
            await self._add_early()
        self._note("negotiated")

    def _note(self, name: str) -> None:
        self.calls.append(name)
        self.changed.set()

    def _candidate(self, candidate: Candidate | None) -> None:
        self.candidates.append(candidate)
        self.out.put_nowait(("candidate", candidate))
        self._note("candidate")

    def _state(self, state: str) -> None:
        self.states.append(state)
        self._note("state")

    def _needed(self) -> None:
        self._note("needed")
        if self.negotiates:
            self.start_offer()

    def _track(self, track: RemoteTrack) -> None:
        self.tracks.append(track)
        self._note("track")

    def _track_ended(self, track: RemoteTrack) -> None:
        self.tracks.remove(track)
        self.ended.append(track)
        self._note("track ended")

    async def _offer(self, **options: Any) -> None:
        self._is_offering = True
        try:
            self.out.put_nowait(("offer", await self.connection.offer(**options)))
        except EngineError as error:
            self.errors.append(error)
        finally:
            self._is_offering = False

    async def _answer(self, sdp: str) -> None:
        collides = self._is_offering or self.connection.signaling_state != "stable"
        self._ignores = collides and not self.polite
        if self._ignores:
            return
        try:
            self.out.put_nowait(("answer", await self.connection.accept_offer(sdp)))
        except EngineError as error:
            self.errors.append(error)
            return
        self.negotiates = True
        await self._add_early()

    async def _add(self, candidate: Candidate | None) -> None:
        if self.connection.remote_description is None:
            self._early.append(candidate)
            return
        with suppress(EngineError):  # Of an offer that was ignored.
            await self.connection.add_candidate(candidate)

    async def _add_early(self) -> None:
        early, self._early = self._early, []
        for candidate in early:
            await self._add(candidate)


@asynccontextmanager
async def calling(pair: tuple[str, str]) -> AsyncIterator[tuple[End, End]]:
    """The first is impolite. Nothing is negotiated until something is to be."""
    engines = [load_engine(name) for name in pair]
    ends = End(engines[0], polite=False), End(engines[1], polite=True)
    pumps = [asyncio.create_task(_pump(ends[0], ends[1])), asyncio.create_task(_pump(ends[1], ends[0]))]
    try:
        yield ends
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for end in ends:
            end.connection.close()
        for engine in engines:
            engine.close()


async def _pump(source: End, target: End) -> None:
    while True:
        kind, content = await source.out.get()
        await target.receive(kind, content)


async def until(holds: Callable[[], object], changed: asyncio.Event) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():
            changed.clear()
            await changed.wait()


def tone(number: int, hertz: float = 440.0, channels: int = 1, rate: int = RATE) -> av.AudioFrame:
    """The `number`th 20 ms of a sine."""
    samples = rate // 50
    at = (np.arange(samples) + number * samples) / rate
    wave = (np.sin(2 * np.pi * hertz * at) * 12_000).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(
        np.repeat(wave, channels).reshape(1, -1), "s16", "mono" if channels == 1 else "stereo"
    )
    frame.sample_rate, frame.pts, frame.time_base = rate, number * samples, Fraction(1, rate)
    return frame


def picture(shade: int, width: int = 320, height: int = 240, format: str = "yuv420p") -> av.VideoFrame:  # noqa: A002
    """A left half of one shade of grey, the rest the reverse, which survives any encoder."""
    grey = np.full((height, width), 255 - shade, np.uint8)
    grey[:, : width // 2] = shade
    return av.VideoFrame.from_ndarray(np.repeat(grey[:, :, None], 3, axis=2), "rgb24").reformat(format=format)


def shade(frame: av.VideoFrame) -> int:
    """The grey of the left half, if the right one is its reverse; else -1."""
    rgb = frame.to_ndarray(format="rgb24")
    width = rgb.shape[1]
    left, right = rgb[:, : width // 2 - 16].mean(), rgb[:, width // 2 + 16 :].mean()
    return round(left) if abs(left + right - 255) < 25 else -1
