"""Tracks as sources push them and sinks read them, whatever the engine.

A `LocalTrack` belongs to no engine and no connection: a source pushes frames, and every sender of the track takes
them. A `RemoteTrack` keeps the newest frames for whoever reads them and counts what it had to drop.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from .descriptions import require_name
from .errors import EngineError

if TYPE_CHECKING:
    from av import AudioFrame, VideoFrame

    Frame: TypeAlias = AudioFrame | VideoFrame

__all__ = ["AUDIO_FRAMES_MAX", "VIDEO_FRAMES_MAX", "FrameQueue", "Frames", "LocalTrack", "RemoteTrack"]

AUDIO_FRAMES_MAX = 100
"""One second of frames of 10 ms; aiortc's are of 20 ms."""
VIDEO_FRAMES_MAX = 4
"""720p takes 1.4 MB a frame."""


class Frames(Protocol):
    """The newest `frames_max` of a track; the oldest is dropped for a newer one, and counted in `dropped`.

    An async iterator for one reader at a time, which ends when the track does.
    """

    frames_max: int

    @property
    def dropped(self) -> int:
        """How many frames nobody read in time."""
        ...

    def __aiter__(self) -> AsyncIterator[Frame]: ...
    async def __anext__(self) -> Frame: ...
    def end(self) -> None:
        """The engine's to call."""
        ...


class FrameQueue:
    """`Frames` of an engine that gives each frame by itself. What was there when the track ended can still be read."""

    def __init__(self, frames_max: int) -> None:
        self.frames_max = frames_max
        self.dropped = 0
        self._frames: deque[Frame] = deque()
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self

    async def __anext__(self) -> Frame:
        while not self._frames:
            if self._ended:
                raise StopAsyncIteration
            if self._waiter is not None:
                raise RuntimeError("Somebody else reads these frames.")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._frames.popleft()

    def put(self, frame: Frame) -> None:
        """On the reader's loop; does nothing after `end`."""
        if self._ended:
            return
        if len(self._frames) >= self.frames_max:
            self._frames.popleft()
            self.dropped += 1
        self._frames.append(frame)
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class RemoteTrack:
    """One that the other end sends.

        async for frame in track:
            picture = frame.to_ndarray(format="rgb24")

    `frames` are `av.VideoFrame` (yuv420p) or `av.AudioFrame` (s16, packed, 48 kHz; `frame.sample_rate` and
    `frame.layout.nb_channels` say so), each with `pts` and `time_base`, which begin anywhere and go on evenly;
    `to_ndarray` makes numpy arrays of them.
    """

    def __init__(self, kind: Literal["audio", "video"], id: str, stream_ids: tuple[str, ...], frames: Frames) -> None:  # noqa: A002
        self.kind = kind
        self.id = id
        """As the other end named it, for people: not unique."""
        self.stream_ids = stream_ids
        self.frames = frames
        self.is_ended = False

    def __aiter__(self) -> AsyncIterator[Any]:
        """The same as `frames`, of the type that `kind` says."""
        return aiter(self.frames)

    def end(self) -> None:
        """The engine's to call."""
        self.is_ended = True
        self.frames.end()


class LocalTrack:
    """One that is sent by whoever it is added to (`PeerConnection.add_track`).

        track = LocalTrack("video")
        await room.publish(track)
        track.push(frame)

    `push` is for a source, on the loop's thread. Nothing is paced: audio must come as fast as it plays, silence
    included, for what isn't pushed takes no time at the other end; video is sent as it comes. The time of a frame is
    its `pts` times its `time_base`, if it has both, on one clock for all tracks that belong together; else that of the
    push.
    """

    def __init__(self, kind: Literal["audio", "video"], id: str | None = None) -> None:  # noqa: A002
        self.kind = kind
        self.id = require_name(id or str(uuid.uuid4()))
        self._takers: list[Callable[[Frame], None]] = []

    def push(self, frame: Frame) -> None:
        """Give it a frame.

            track.push(av.VideoFrame.from_ndarray(picture, format="rgb24"))

        Video of any format that PyAV can make yuv420p of; audio of any format, rate and layout (`s16`, 48 kHz,
        mono or stereo costs least).

        A frame isn't to be changed afterwards: it may be converted on a thread. One that PyAV can't convert is dropped.
        Raises `EngineError` `frame_invalid` for a frame of another kind, and for an empty one.
        """
        if (type(frame).__name__ == "AudioFrame") != (self.kind == "audio"):  # PyAV isn't imported for this.
            raise EngineError("frame_invalid", f"A track of {self.kind} takes no {type(frame).__name__}.")
        if not frame.planes:
            raise EngineError("frame_invalid", "There is nothing in that frame.")
        for take in tuple(self._takers):
            take(frame)

    def attach(self, take: Callable[[Frame], None]) -> None:
        """The engine's to call: `take` gets every frame from now on."""
        self._takers.append(take)

    def detach(self, take: Callable[[Frame], None]) -> None:
        if take in self._takers:
            self._takers.remove(take)
