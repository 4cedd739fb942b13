"""One end of a call between two processes, on one of the WebRTC engines: `python -m benchmarks.engine_peer NAME`.

It reads orders from standard input and answers on standard output, each a line of JSON; `engines.py` is at the other
end of both. An end by the engine's own API does as little as that API lets it, and one by the interface of
`sheetbend.client.engines` what `Pair` does; both then run the same loops. `LinkPeer` gets the same orders and obeys
them by `sheetbend.connect`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from sheetbend.errors import SheetbendError

if TYPE_CHECKING:
    from sheetbend.client import Member, MemberStream

__all__ = ["PEERS"]

_MESSAGE_BYTES = 16_000
"""Of `bulk`: the largest record of a link."""
_HIGH_BYTES = 1 << 20
_LOW_BYTES = 1 << 18
_SHORT_BYTES = 100
"""Of `round_trip`."""
_ID_BYTES = 16
_TAKEN_BYTES = 8
_WIDTH, _HEIGHT, _PER_S = 1280, 720, 30
_PICTURES = 60
_FULL_SPEED_S = 15.0
"""How long a stream may take until it is as large and as fast as it is sent."""


class End(Protocol):
    """A negotiated, reliable data channel and what leads to it. Descriptions have all their candidates."""

    received: Callable[[bytes], None]
    opened: asyncio.Event
    low: asyncio.Event

    async def offer(self) -> str: ...
    async def answer(self, offer: str) -> str: ...
    async def accept(self, answer: str) -> None: ...
    def send(self, data: bytes) -> None: ...
    @property
    def buffered_amount(self) -> int: ...


class _Base:
    def __init__(self) -> None:
        self.received: Callable[[bytes], None] = _ignore
        self.opened = asyncio.Event()
        self.low = asyncio.Event()

    def _receive(self, data: bytes) -> None:
        self.received(data)


def _ignore(_: object) -> None:
    pass


class InterfaceEnd(_Base):
    """By `sheetbend.client.engines`."""

    def __init__(self, name: str) -> None:
        super().__init__()
        from sheetbend.client.engines import load_engine
        from sheetbend.client.engines.base import ChannelPort, ConnectionPort, IceConfiguration, RemoteTrack

        self._gathered = asyncio.Event()
        self.tracks: asyncio.Queue[RemoteTrack] = asyncio.Queue()
        port = ConnectionPort(
            candidate=lambda candidate: self._gathered.set() if candidate is None else None,
            track=self.tracks.put_nowait,
        )
        self.connection = load_engine(name).create(IceConfiguration(), port)
        channel = ChannelPort(self.opened.set, self._receive, self.low.set)
        self._channel = self.connection.create_data_channel("bench", channel, id=1, low_bytes=_LOW_BYTES)
        self.send = self._channel.send

    @property
    def buffered_amount(self) -> int:
        return self._channel.buffered_amount

    async def offer(self) -> str:
        await self.connection.offer()
        return await self._described()

    async def answer(self, offer: str) -> str:
        await self.connection.accept_offer(offer)
        return await self._described()

    async def accept(self, answer: str) -> None:
        await self.connection.accept_answer(answer)

    async def _described(self) -> str:
        await self._gathered.wait()
        description = self.connection.local_description
        assert description is not None
        return description


class BareWrtcEnd(_Base):
    """By wrtc's own API."""

    def __init__(self) -> None:
        super().__init__()
        import webrtc

        self._init = webrtc.RTCSessionDescriptionInit
        self._gathered = asyncio.Event()
        self._connection = webrtc.RTCPeerConnection()
        self._connection.on("icecandidate", lambda event: self._gathered.set() if event.candidate is None else None)
        init = webrtc.RTCDataChannelInit(negotiated=True, id=1)
        self._channel = self._connection.create_data_channel("bench", init)
        self._channel.buffered_amount_low_threshold = _LOW_BYTES
        self._channel.on("open", lambda _: self.opened.set())
        self._channel.on("bufferedamountlow", lambda _: self.low.set())
        self._channel.on("message", lambda event: self._receive(cast(bytes, event.data)))
        self.send: Callable[[bytes], None] = self._channel.send

    @property
    def buffered_amount(self) -> int:
        return self._channel.buffered_amount

    async def offer(self) -> str:
        await self._connection.set_local_description()
        return await self._described()

    async def answer(self, offer: str) -> str:
        await self._connection.set_remote_description(self._init("offer", offer))
        await self._connection.set_local_description()
        return await self._described()

    async def accept(self, answer: str) -> None:
        await self._connection.set_remote_description(self._init("answer", answer))

    async def _described(self) -> str:
        await self._gathered.wait()
        description = self._connection.local_description
        assert description is not None
        return description.sdp


class BareAiortcEnd(_Base):
    """By aiortc's own API."""

    def __init__(self) -> None:
        super().__init__()
        import aiortc

        self._description = aiortc.RTCSessionDescription
        self._connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration([]))
        self._channel = self._connection.createDataChannel("bench", negotiated=True, id=1)
        self._channel.bufferedAmountLowThreshold = _LOW_BYTES
        self._channel.on("open", self.opened.set)
        self._channel.on("bufferedamountlow", self.low.set)
        self._channel.on("message", self._receive)
        self.send: Callable[[bytes], None] = self._channel.send

    @property
    def buffered_amount(self) -> int:
        return self._channel.bufferedAmount

    async def offer(self) -> str:
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._connection.localDescription.sdp

    async def answer(self, offer: str) -> str:
        await self._connection.setRemoteDescription(self._description(offer, "offer"))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return self._connection.localDescription.sdp

    async def accept(self, answer: str) -> None:
        await self._connection.setRemoteDescription(self._description(answer, "answer"))


class BareWebSocketEnd(_Base):
    """By picows alone, through `node/relay.mjs`: 16 bytes that say for whom stand before each message.

    A relay bounds nothing: what may be on its way is counted by both ends, as a data channel does by itself.
    """

    async def offer(self) -> str:
        raise NotImplementedError

    async def answer(self, offer: str) -> str:
        raise NotImplementedError

    async def accept(self, answer: str) -> None:
        raise NotImplementedError

    async def enter(self, port: int) -> str:
        """Connect, and return who we are."""
        self._socket = _RelaySocket(self._came)
        await ws_connect(lambda: self._socket, f"ws://127.0.0.1:{port}/")
        self._sent = self._taken = self._unsaid = 0
        return (await self._socket.name).decode()

    def meet(self, other: str) -> None:
        self._target = bytes.fromhex(other)
        self.opened.set()

    def send(self, data: bytes) -> None:
        self._sent += len(data)
        self._socket.send(self._target + data)

    @property
    def buffered_amount(self) -> int:
        return self._sent - self._taken

    def _came(self, frame: bytes) -> None:
        data = frame[_ID_BYTES:]
        if len(data) == _TAKEN_BYTES:
            self._taken += int.from_bytes(data, "big")
            self.low.set()
            return
        if not self._unsaid:
            asyncio.get_running_loop().call_soon(self._say_taken)
        self._unsaid += len(data)
        self._receive(data)

    def _say_taken(self) -> None:
        self._socket.send(self._target + self._unsaid.to_bytes(_TAKEN_BYTES, "big"))
        self._unsaid = 0


class _RelaySocket(WSListener):
    def __init__(self, came: Callable[[bytes], None]) -> None:
        super().__init__()
        self.name: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._came = came
        self._transport: WSTransport

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self.name.set_result(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.BINARY:
            self._came(frame.get_payload_as_bytes())

    def send(self, data: bytes) -> None:
        self._transport.send(WSMsgType.BINARY, data)


class Peer:
    """Does what is ordered. Each method is an order, and what it returns the answer."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._sending: asyncio.Task[None] | None = None
        self._numbers = itertools.count()
        """Of messages; they go on when sending begins again, for some may still be on their way."""

    async def offer(self) -> str:
        return await self._end.offer()

    async def answer(self, offer: str) -> str:
        return await self._end.answer(offer)

    async def accept(self, answer: str) -> None:
        await self._end.accept(answer)

    async def enter(self, port: int) -> str:
        return await cast(BareWebSocketEnd, self._end).enter(port)

    async def meet(self, other: str) -> None:
        cast(BareWebSocketEnd, self._end).meet(other)

    async def opened(self) -> None:
        await self._end.opened.wait()

    async def start(self) -> None:
        """Sends as much as goes through."""
        self._sending = asyncio.get_running_loop().create_task(self._send_all())

    async def stop(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        while self._end.buffered_amount:  # noqa: ASYNC110 - no end tells of its last byte
            await asyncio.sleep(0.01)

    async def _send_all(self) -> None:
        end, rest = self._end, bytes(_MESSAGE_BYTES - 4)
        while True:
            if end.buffered_amount > _HIGH_BYTES:
                end.low.clear()
                while end.buffered_amount > _LOW_BYTES:
                    await end.low.wait()
                    end.low.clear()
            end.send(next(self._numbers).to_bytes(4, "big") + rest)

    async def count(self, warm_up_s: float, seconds: float) -> dict[str, Any]:
        """Bytes that come in a while, each message's number being the next; what the loop was held up at most."""
        loop = asyncio.get_running_loop()
        counted, expected, out_of_order = 0, -1, 0

        def take(data: bytes) -> None:
            nonlocal counted, expected, out_of_order
            number = int.from_bytes(data[:4], "big")
            out_of_order += number != expected and expected != -1
            expected = number + 1
            counted += len(data)

        self._end.received = take
        await asyncio.sleep(warm_up_s)
        counted, start, used_s = 0, loop.time(), time.process_time()
        held_up_s = await _watch_loop(seconds)
        took_s = loop.time() - start
        self._end.received = _ignore
        return {
            "bytes": counted,
            "seconds": took_s,
            "cpu_s": time.process_time() - used_s,
            "held_up_s": held_up_s,
            "faults": [f"{out_of_order} messages were out of order"] if out_of_order else [],
        }

    async def echo(self) -> None:
        self._end.received = self._end.send

    async def round_trip(self, times: int) -> list[float]:
        """Seconds, one after the other."""
        loop = asyncio.get_running_loop()
        took = []
        for number in range(times + times // 5):
            message = number.to_bytes(4, "big").ljust(_SHORT_BYTES)
            came: asyncio.Future[bytes] = loop.create_future()
            self._end.received = came.set_result
            start = time.perf_counter()
            self._end.send(message)
            if await came != message:
                raise ValueError("another message came back")
            took.append(time.perf_counter() - start)
        return took[times // 5 :]

    async def show(self) -> None:
        """Sends a moving picture from now on; only by the interface."""
        from fractions import Fraction

        import av
        import numpy as np

        from sheetbend.client.engines.base import LocalTrack

        track = LocalTrack("video")
        cast(InterfaceEnd, self._end).connection.add_track(track, "camera")
        scene = np.random.default_rng(1).integers(64, 192, (_HEIGHT // 80, _WIDTH // 40), np.uint8)
        scene = scene.repeat(80, axis=0).repeat(80, axis=1)
        frames = []
        for number in range(_PICTURES):
            grey = np.ascontiguousarray(scene[:, number * 8 : number * 8 + _WIDTH])
            frames.append(av.VideoFrame.from_ndarray(grey, "gray").reformat(format="yuv420p"))

        async def play() -> None:
            loop = asyncio.get_running_loop()
            start = loop.time()
            for number in itertools.count():
                frame = frames[abs(number % (2 * _PICTURES) - _PICTURES) % _PICTURES]
                frame.pts, frame.time_base = number, Fraction(1, _PER_S)
                track.push(frame)
                await asyncio.sleep(start + (number + 1) / _PER_S - loop.time())

        self._sending = asyncio.get_running_loop().create_task(play())

    async def watch(self, seconds: float) -> dict[str, float]:
        """CPU of receiving pictures, once they come at full size and speed."""
        track = await cast(InterfaceEnd, self._end).tracks.get()
        times: list[float] = []
        begun_s = time.perf_counter()
        start_s = used_s = None
        frames = small = 0
        async for frame in track.frames:
            now = time.perf_counter()
            is_full = (frame.width, frame.height) == (_WIDTH, _HEIGHT)  # type: ignore[union-attr]
            if start_s is None:
                times = [*times, now][-_PER_S:] if is_full else []
                if len(times) == _PER_S and statistics.mean(_intervals(times)) < 1.1 / _PER_S:
                    start_s, used_s, dropped = now, time.process_time(), track.frames.dropped
                elif now - begun_s > _FULL_SPEED_S:
                    raise TimeoutError(f"The stream has {frame.width} pixels a row and isn't fast enough.")  # type: ignore[union-attr]
                continue
            frames += 1
            small += not is_full
            if now - start_s >= seconds:
                break
        assert start_s is not None
        assert used_s is not None
        took_s = time.perf_counter() - start_s
        return {
            "cpu_s_per_s": (time.process_time() - used_s) / took_s,
            "frames_per_s": frames / took_s,
            "small_frames": small,
            "dropped_frames": track.frames.dropped - dropped,
        }


class LinkPeer(Peer):
    """By `sheetbend.connect`: a stream for what is much, messages for what is short."""

    def __init__(self, engine: Literal["wrtc", "aiortc"] | None) -> None:
        self._engine = engine
        self._numbers = itertools.count()
        self._sending = None
        self._member: asyncio.Future[Member] = asyncio.get_running_loop().create_future()
        self._bytes = self._out_of_order = self._expected = 0
        self._heard: Callable[[bytes], None] = _ignore
        self._work: set[asyncio.Task[None]] = set()

    async def join(self, url: str) -> None:
        from sheetbend.client import connect

        self._room = await connect(url, engine=self._engine)
        self._begin(self._watch_room())

    async def opened(self) -> None:
        await asyncio.shield(self._member)

    async def stop(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _send_all(self) -> None:
        rest = bytes(_MESSAGE_BYTES - 4)
        stream = (await self._member).stream("bulk")
        try:
            while True:
                numbers = itertools.islice(self._numbers, 16)
                await stream.write(b"".join([number.to_bytes(4, "big") + rest for number in numbers]))
        finally:
            stream.reset()

    async def count(self, warm_up_s: float, seconds: float) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(warm_up_s)
        before, start, used_s = self._bytes, loop.time(), time.process_time()
        held_up_s = await _watch_loop(seconds)
        faults = [f"{self._out_of_order} messages were out of order"] if self._out_of_order else []
        return {
            "bytes": self._bytes - before,
            "seconds": loop.time() - start,
            "cpu_s": time.process_time() - used_s,
            "held_up_s": held_up_s,
            "faults": faults,
        }

    async def echo(self) -> None:
        self._heard = self._say

    async def round_trip(self, times: int) -> list[float]:
        loop = asyncio.get_running_loop()
        took = []
        for number in range(times + times // 5):
            message = number.to_bytes(4, "big").ljust(_SHORT_BYTES)
            came: asyncio.Future[bytes] = loop.create_future()
            self._heard = came.set_result
            start = time.perf_counter()
            self._say(message)
            if await came != message:
                raise ValueError("another message came back")
            took.append(time.perf_counter() - start)
        return took[times // 5 :]

    def _say(self, message: bytes) -> None:
        self._begin(self._member.result().send(message))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _watch_room(self) -> None:
        from sheetbend.client import MessageReceived, PathChanged, StreamOpened

        path = "relay" if self._engine is None else "direct"
        async for event in self._room:
            match event:
                case PathChanged(member, now) if now == path and not self._member.done():
                    self._member.set_result(member)
                case MessageReceived(_, bytes(data)):
                    self._heard(data)
                case StreamOpened(_, stream):
                    self._begin(self._read(stream))

    async def _read(self, stream: MemberStream) -> None:
        """Numbers go on from one stream to the next, but for those that were on their way when it was given up."""
        at, expected = 0, -1
        with contextlib.suppress(SheetbendError):
            async for chunk in stream:
                for start in range(-at % _MESSAGE_BYTES, len(chunk) - 3, _MESSAGE_BYTES):
                    number = int.from_bytes(chunk[start : start + 4], "big")
                    self._out_of_order += number != expected and expected != -1
                    expected = number + 1
                at += len(chunk)
                self._bytes += len(chunk)


PEERS: dict[str, Callable[[], Peer]] = {
    "wrtc": lambda: Peer(InterfaceEnd("wrtc")),
    "wrtc-bare": lambda: Peer(BareWrtcEnd()),
    "wrtc-link": lambda: LinkPeer("wrtc"),
    "aiortc": lambda: Peer(InterfaceEnd("aiortc")),
    "aiortc-bare": lambda: Peer(BareAiortcEnd()),
    "aiortc-link": lambda: LinkPeer("aiortc"),
    "relay-link": lambda: LinkPeer(None),
    "relay-bare": lambda: Peer(BareWebSocketEnd()),
}


async def _watch_loop(seconds: float) -> float:
    """How long it was held up at most, in a while."""
    loop = asyncio.get_running_loop()
    start, held_up_s = loop.time(), 0.0
    while (at := loop.time()) < start + seconds:
        await asyncio.sleep(0.001)
        held_up_s = max(held_up_s, loop.time() - at - 0.001)
    return held_up_s


def _intervals(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


async def _main(name: str) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    peer = PEERS[name]()
    while line := await reader.readline():
        order = msgspec.json.decode(line)
        try:
            answer = {"result": await getattr(peer, order.pop("do"))(**order)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1]))
