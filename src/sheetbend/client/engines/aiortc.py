"""WebRTC all in Python, by the package aiortc: every packet passes asyncio's loop, and needs no native code but codecs.

It is the slower engine (a tenth of libwebrtc's throughput) and lacks some of what `base` asks for:

- It forgets which numbers of codecs and header extensions were agreed on when it makes an offer; they are put back.
- It can't roll back an offer and can't restart ICE: `RebuildNeededError`, also where the other end does so.
- It finds candidates after its description has been handed out, all at once; STUN servers that don't answer cost 5 s
  until a connection comes about.
- `disconnected` is unknown to it: it takes half a minute without an answer for it to say `failed`.
- It knows nothing of places of the description that are rejected and used again; it is shown idle ones instead.
- Its own such places aren't used again: after very many tracks that came and went the description is long.
- It can't follow when the first of the description's places is given up and used again, which moves all to another
  transport: `RebuildNeededError`. It is that of the data channels if they were negotiated before any track.
- Everything goes over one transport (RFC 9143); who can't bundle can't be talked to.
- Names of mDNS are resolved by it, within a second or not at all; nothing waits for that.
- Its queue before a decoder has no end: it gets one that has (`Undecoded`).
"""

from __future__ import annotations

import asyncio
import queue
import re
import threading
import time
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, cast

import aiortc
import av
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.sdp import candidate_from_sdp, candidate_to_sdp

from .base import (
    Candidate,
    ChannelPort,
    ConnectionPort,
    ConnectionState,
    EngineError,
    IceConfiguration,
    MediaKind,
    RebuildNeededError,
    SignalingState,
    Statistics,
)
from .descriptions import (
    CANDIDATES_MAX,
    Section,
    candidates_of,
    ice_fragment,
    ice_fragments,
    is_reachable,
    max_message_bytes,
    may_send,
    read_sections,
    require_name,
    with_agreed_numbers,
    with_candidates,
    with_rejected,
    with_streams,
    without_candidates,
    without_rejected,
)
from .sound import RATE, Resampling
from .tracks import AUDIO_FRAMES_MAX, VIDEO_FRAMES_MAX, FrameQueue, LocalTrack, RemoteTrack

if TYPE_CHECKING:
    from .tracks import Frame

__all__ = ["AiortcEngine"]

MESSAGE_BYTES_MAX = 1 << 18
"""What is announced; aiortc itself would take any."""
BUFFER_BYTES_MAX = 1 << 24
"""What may wait to be sent on a channel."""
UNSENT_FRAMES_MAX = {"audio": 50, "video": 2}
"""Frames that wait for the encoder; the oldest is dropped for a newer one."""
UNDECODED_FRAMES_MAX = 60
"""Frames that wait for the decoder: two seconds of video, one of audio."""
VIDEO_RATE = 90_000
GAP_US = 5_000_000
"""A picture so much later than the one before is of another clock."""
_URL = re.compile(r"(?:stuns?:[^?:]+(?::\d+)?|(turns?):[^?:]+(?::\d+)?(?:\?transport=(?:udp|tcp))?)")


class AiortcEngine:
    """`base.Engine`."""

    name = "aiortc"
    can_roll_back = False
    can_restart_ice = False
    can_reconfigure = False
    has_lossy_channels = True
    tells_routes = False

    def __init__(self) -> None:
        self._connections: weakref.WeakSet[AiortcConnection] = weakref.WeakSet()

    def create(self, configuration: IceConfiguration, port: ConnectionPort) -> AiortcConnection:
        connection = AiortcConnection(configuration, port)
        self._connections.add(connection)
        return connection

    def close(self) -> None:
        for connection in list(self._connections):
            connection.close()


class Pipe(MediaStreamTrack):
    """What aiortc sends in one place, whichever `LocalTrack` it comes from."""

    def __init__(self, kind: MediaKind) -> None:
        super().__init__()
        self.kind = kind
        self._frames: deque[tuple[Frame, int]] = deque(maxlen=UNSENT_FRAMES_MAX[kind])
        """Each with its time: of audio in samples, of video in µs."""
        self._waiter: asyncio.Future[None] | None = None
        self._samples = 0
        self._resampling = Resampling(("stereo",))
        self._offset_us: int | None = None
        self._last_us = 0
        self._pushed_at = 0.0

    async def recv(self) -> Frame:
        while True:
            while not self._frames:
                if self.readyState != "live":
                    raise MediaStreamError
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            frame, at = self._frames.popleft()
            if isinstance(frame, av.AudioFrame):
                return _sound(frame, at)
            with suppress(av.FFmpegError, ValueError):  # It can't be converted.
                return await asyncio.to_thread(_picture, frame, at)

    def stop(self) -> None:
        super().stop()
        self._wake()

    def take(self, frame: Frame) -> None:
        if isinstance(frame, av.AudioFrame):
            for part in self._resampling.frames(frame):
                self._frames.append((part, self._samples))
                self._samples += part.samples
        else:
            self._frames.append((frame, self._time_us(frame)))
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _time_us(self, frame: av.VideoFrame) -> int:
        """That never goes back, whatever clocks the frames are of."""
        now = time.monotonic()
        at = int(now * 1_000_000)
        if frame.pts is not None and frame.time_base is not None:
            at = int(frame.pts * 1_000_000 * Fraction(frame.time_base.numerator, frame.time_base.denominator))
        if self._offset_us is None:
            self._offset_us = -at
        elif not self._last_us < at + self._offset_us < self._last_us + GAP_US:
            self._offset_us = self._last_us + max(1, int((now - self._pushed_at) * 1_000_000)) - at
        self._last_us, self._pushed_at = at + self._offset_us, now
        return self._last_us


def _sound(frame: av.AudioFrame, at: int) -> av.AudioFrame:
    """A copy, whose time goes on evenly: the encoder takes no other."""
    copy = av.AudioFrame.from_ndarray(frame.to_ndarray(), frame.format.name, frame.layout.name)
    copy.sample_rate, copy.pts, copy.time_base = RATE, at, Fraction(1, RATE)
    return copy


def _picture(frame: av.VideoFrame, time_us: int) -> av.VideoFrame:
    """A copy: the time and the kind of picture are set in it."""
    picture = frame.reformat(width=frame.width & ~1, height=frame.height & ~1, format="yuv420p")
    if picture is frame:
        picture = av.VideoFrame.from_ndarray(frame.to_ndarray(), "yuv420p")
    picture.pts, picture.time_base = time_us, Fraction(1, 1_000_000)
    return picture


class Undecoded(queue.Queue[Any]):
    """What waits for a decoder. If that is too slow, the newest is dropped and a picture asked for that needs none of
    those before."""

    def __init__(self, incomplete: threading.Event) -> None:
        super().__init__()
        self._incomplete = incomplete

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        if item is not None and self.qsize() >= UNDECODED_FRAMES_MAX:
            self._incomplete.set()
        else:
            super().put(item, block, timeout)


class AiortcChannel:
    """`base.DataChannel`."""

    def __init__(self, connection: AiortcConnection, native: aiortc.RTCDataChannel, port: ChannelPort) -> None:
        self.label = native.label
        self.id = cast(int, native.id)
        self.sent = [0, 0]
        """Messages and bytes."""
        self.received = [0, 0]
        self.native = native
        self._connection = connection
        self._port = port
        native.on("open", lambda: connection.tell(port.opened))
        native.on("message", self._receive)
        native.on("bufferedamountlow", lambda: connection.tell(port.buffered_amount_low))
        native.on("close", lambda: connection.tell(port.closed))

    @property
    def ready_state(self) -> Literal["connecting", "open", "closing", "closed"]:
        if self._connection.is_closed:
            return "closed"
        return cast(Literal["connecting", "open", "closing", "closed"], self.native.readyState)

    @property
    def buffered_amount(self) -> int:
        return self.native.bufferedAmount

    @property
    def max_message_bytes(self) -> int:
        return self._connection.max_message_bytes

    def send(self, data: bytes) -> None:
        if self.ready_state != "open":
            raise EngineError("channel_closed", "The data channel isn't open.")
        if len(data) > self.max_message_bytes:
            raise EngineError("message_too_large", f"The other end takes {self.max_message_bytes} bytes.")
        if self.buffered_amount + len(data) > BUFFER_BYTES_MAX:
            raise EngineError("channel_full", "Too much waits to be sent.")
        self.native.send(data)
        self.sent[0] += 1
        self.sent[1] += len(data)

    def close(self) -> None:
        if self.ready_state in ("connecting", "open"):
            self.native.close()

    def _receive(self, data: str | bytes) -> None:
        if isinstance(data, bytes) and not self._connection.is_closed:
            self.received[0] += 1
            self.received[1] += len(data)
            self._connection.tell(lambda: self._port.message(data))


class Place:
    """A transceiver: at most one track of ours and one of the other end's."""

    def __init__(self, native: aiortc.RTCRtpTransceiver) -> None:
        self.native = native
        self.kind = cast(MediaKind, native.kind)
        self.pipe: Pipe | None = None
        self.sender: AiortcSender | None = None
        self.remote: RemoteTrack | None = None
        self.reader: asyncio.Task[None] | None = None

    def wanted(self, receives: bool) -> str:
        if receives:
            return "sendrecv" if self.sender else "recvonly"
        return "sendonly" if self.sender else "inactive"


class AiortcSender:
    """`base.Sender`."""

    def __init__(self, connection: AiortcConnection, place: Place, track: LocalTrack, stream_id: str) -> None:
        self.track: LocalTrack | None = track
        self.stream_id = stream_id
        self.track_id = track.id
        """The first one's: the name stays when the track is replaced."""
        self._connection = connection
        self._place: Place | None = place
        if place.pipe is not None:
            track.attach(place.pipe.take)

    async def replace(self, track: LocalTrack | None) -> None:
        place = self._place
        if place is None or place.pipe is None:
            raise EngineError("wrong_state", "This sender was stopped.")
        if track is not None and track.kind != place.kind:
            raise EngineError("frame_invalid", f"This sends {place.kind}, not {track.kind}.")
        if self.track is not None:
            self.track.detach(place.pipe.take)
        self.track = track
        if track is not None:
            track.attach(place.pipe.take)

    def move(self, place: Place) -> None:
        """The other end stopped the place that it was in."""
        track, self.track = self.track, None
        before, self._place = self._place, place
        if before is not None:
            before.sender = None
        place.sender = self
        if track is not None and before is not None and before.pipe is not None and place.pipe is not None:
            track.detach(before.pipe.take)
            track.attach(place.pipe.take)
        self.track = track

    def stop(self) -> None:
        place, self._place = self._place, None
        if place is None:
            return
        if self.track is not None and place.pipe is not None:
            self.track.detach(place.pipe.take)
        self.track = place.sender = None
        self._connection.check()


class AiortcConnection:
    """`base.PeerConnection`."""

    def __init__(self, configuration: IceConfiguration, port: ConnectionPort) -> None:
        self.is_closed = False
        self._loop = asyncio.get_running_loop()
        self._port = port
        self._chain = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._describing: asyncio.Task[None] | None = None
        self._places: list[Place] = []
        self._channels: list[AiortcChannel] = []
        self._receives = True
        self._is_checking = self._has_said = False
        """`negotiation_needed` was called, and nothing has been negotiated since."""
        self._state: ConnectionState = "new"
        self._local: str | None = None
        self._remote: str | None = None
        self._negotiated: tuple[Literal["offer", "answer"], str] | None = None
        """The newest description of ours that both ends agreed on."""
        self._rejected: set[str] = set()
        self._message_bytes_max = MESSAGE_BYTES_MAX
        self._by_name = configuration.transport_policy == "all"
        self._candidates = 0
        """How many of the other end's came after its newest description."""
        self._found: list[str] = []
        self._found_all = False
        self._native = aiortc.RTCPeerConnection(_configuration(configuration))
        self._native.on("connectionstatechange", self._on_state)

    @property
    def signaling_state(self) -> SignalingState:
        return "closed" if self.is_closed else cast(SignalingState, self._native.signalingState)

    @property
    def connection_state(self) -> ConnectionState:
        return self._state

    @property
    def is_beyond_repair(self) -> bool:
        return self._state == "failed"

    @property
    def local_description(self) -> str | None:
        if self._local is None:
            return None
        found = {self._candidate_section(self._local)[0]: self._found}
        return with_candidates(self._local, found, complete=self._found_all)

    @property
    def remote_description(self) -> str | None:
        return self._remote

    @property
    def max_message_bytes(self) -> int:
        return self._message_bytes_max

    async def offer(self, *, restart_ice: bool = False) -> str:
        if restart_ice:
            self.restart_ice()
        async with self._operation("stable"):
            self._has_said = True
            self._prepare()
            description = await self._native.createOffer()
            return self._set_local("offer", description)

    async def accept_offer(self, sdp: str) -> str:
        async with self._operation("stable", "have-local-offer"):
            sections = self._read(sdp)
            if self._native.signalingState != "stable":
                raise RebuildNeededError("This engine can't take its offer back.")
            if self._remote is not None and not ice_fragments(sdp) <= ice_fragments(self._remote):
                raise RebuildNeededError("This engine can't follow a restart of ICE or to another transport.")
            await self._recycle(sections)
            await self._set_remote("offer", sdp, sections)
            self._prepare()
            answer = self._set_local("answer", await self._native.createAnswer())
            self._negotiated = "answer", answer
            self._has_said = False
            return answer

    async def accept_answer(self, sdp: str) -> None:
        async with self._operation("have-local-offer"):
            await self._set_remote("answer", sdp, self._read(sdp))
            self._negotiated = "offer", self._local or ""
            self._has_said = False

    async def add_candidate(self, candidate: Candidate | None) -> None:
        self._require("stable", "have-local-offer", "have-remote-offer")
        if self._remote is None:
            raise EngineError("wrong_state", "A candidate came before any description.")
        text = candidate.candidate if candidate is not None else ""
        native = None
        if text:
            try:
                native = candidate_from_sdp(text.removeprefix("candidate:"))
            except (AssertionError, ValueError, IndexError) as error:
                raise EngineError("candidate_invalid", "That is no candidate.") from error
        if native is not None:
            self._candidates += 1
            if native.protocol.lower() != "udp":  # aiortc has no others
                return
            if self._candidates > CANDIDATES_MAX or not is_reachable(text, by_name=self._by_name):
                return
        self._spawn(self._try_candidate(native))

    def restart_ice(self) -> None:
        raise RebuildNeededError("This engine can't restart ICE.")

    def set_configuration(self, configuration: IceConfiguration) -> None:
        """Has no effect: only a restart of ICE would use it."""

    def create_data_channel(
        self,
        label: str,
        port: ChannelPort,
        *,
        id: int,  # noqa: A002
        ordered: bool = True,
        max_retransmits: int | None = None,
        low_bytes: int = 0,
    ) -> AiortcChannel:
        self._require("stable", "have-local-offer", "have-remote-offer")
        try:
            native = self._native.createDataChannel(
                label, maxRetransmits=max_retransmits, ordered=ordered, negotiated=True, id=id
            )
        except ValueError as error:
            raise EngineError("wrong_state", f"There can't be such a data channel: {error}") from error
        native.bufferedAmountLowThreshold = low_bytes
        channel = AiortcChannel(self, native, port)
        self._channels.append(channel)
        self.check()
        return channel

    def add_track(self, track: LocalTrack, stream_id: str) -> AiortcSender:
        self._require("stable", "have-local-offer", "have-remote-offer")
        place = self._free_place(track.kind)
        place.sender = AiortcSender(self, place, track, require_name(stream_id))
        self.check()
        return place.sender

    def expect(self, kind: MediaKind) -> None:
        self._require("stable", "have-local-offer", "have-remote-offer")
        self._places.append(self._place(self._native.addTransceiver(kind, "recvonly")))
        self.check()

    def set_receiving(self, receives: bool) -> None:
        if self.is_closed or self._receives == receives:
            return
        self._receives = receives
        if not receives:
            for place in self._places:
                self._end_track(place)
        self.check()

    async def get_stats(self) -> Statistics:
        self._require("stable", "have-local-offer", "have-remote-offer")
        stats = _transport_statistics(self._transport())
        for entry in (await self._native.getStats()).values():
            found = _statistics(entry)
            if found["type"] != "transport":
                stats[found["id"]] = found | {"transportId": "T"}
        for channel in self._channels:
            stats[f"D{channel.id}"] = _channel_statistics(channel)
        return stats

    async def is_turned(self) -> bool:
        pair = _selected_pair(self._transport())
        return pair is not None and "relay" in (pair.local_candidate.type, pair.remote_candidate.type)

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        self._state = "closed"
        for place in self._places:
            if place.remote is not None:
                place.remote.end()
            if place.sender is not None:
                place.sender.stop()
            if place.pipe is not None:
                place.pipe.stop()
        for task in self._tasks:
            task.cancel()
        self._end_threads()
        self._spawn(self._finish())

    async def _finish(self) -> None:
        try:
            await self._native.close()
        except asyncio.CancelledError:  # The loop ends; at least no socket is left open.
            transport = self._transport()
            if transport is not None:
                await cast(Any, transport.transport)._connection.close()
            raise
        finally:
            self._end_threads()

    def _end_threads(self) -> None:
        """Those of decoders, for which Python waits at its end: the loop may be closed before `_finish` gets to it."""
        for transceiver in self._native.getTransceivers():
            transceiver.receiver._handle_disconnect()

    # For channels and senders

    def tell(self, callback: Callable[[], None]) -> None:
        if self.is_closed:
            return
        try:
            callback()
        except Exception as error:  # aiortc would end the connection.
            message = f"Exception in {callback!r}"
            self._loop.call_exception_handler({"message": message, "exception": error})

    def check(self) -> None:
        """Says soon that negotiation is needed, if it still is then."""
        if not self._is_checking and not self.is_closed:
            self._is_checking = True
            self._loop.call_soon(self._say_if_needed)

    # Inside

    @asynccontextmanager
    async def _operation(self, *states: SignalingState) -> AsyncIterator[None]:
        async with self._chain:
            if self._describing is not None:
                await asyncio.wait([self._describing])  # It is cancelled by `close`, but whoever waits for it isn't.
            self._require(*states)
            try:
                yield
                self._require("stable", "have-local-offer", "have-remote-offer")
            except EngineError:
                raise
            except Exception as error:  # aiortc parses with assertions, and takes what it is given for granted.
                self._require("stable", "have-local-offer", "have-remote-offer")
                raise EngineError("description_invalid", f"The engine refuses the description: {error!r}") from error
            finally:
                self.check()

    def _require(self, *states: SignalingState) -> None:
        if self.is_closed:
            raise EngineError("wrong_state", "The peer connection is closed.")
        if self.signaling_state not in states:
            raise EngineError("wrong_state", f"This can't be done while {self.signaling_state}.")

    @staticmethod
    def _read(sdp: str) -> list[Section]:
        sections = read_sections(sdp) if sdp.startswith("v=0") else []
        if not sections or not ice_fragment(sdp) or "a=ice-pwd:" not in sdp or "a=fingerprint:" not in sdp:
            raise EngineError("description_invalid", "That is no session description.")
        return sections

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _set_local(self, kind: Literal["offer", "answer"], description: aiortc.RTCSessionDescription) -> str:
        """Hands the description out at once, and lets aiortc find its candidates meanwhile."""
        self._describing = self._spawn(self._describe(description))
        sdp = re.sub(r"^a=max-message-size:\d+", f"a=max-message-size:{MESSAGE_BYTES_MAX}", description.sdp, flags=re.M)
        if kind == "offer" and self._negotiated is not None:
            sdp = with_agreed_numbers(sdp, self._negotiated[1])
        # In the order of the sections: whose mid is what, aiortc settles only as it sets the description.
        names = {}
        for section, place in zip(read_sections(sdp), self._by_section(sdp), strict=True):
            if place is not None and place.sender is not None:
                names[section.mid] = (place.sender.stream_id, place.sender.track_id)
        sdp = with_rejected(with_streams(without_candidates(sdp), names), self._rejected)
        self._local = sdp
        return sdp

    def _by_section(self, sdp: str) -> list[Place | None]:
        """Of each section, in order."""
        places: list[Place | None] = []
        fresh = [place for place in self._places if place.native.mid is None]
        by_mid = {place.native.mid: place for place in self._places}
        for section in read_sections(sdp):
            if section.kind == "application":
                places.append(None)
            else:
                places.append(by_mid.get(section.mid) or (fresh.pop(0) if fresh else None))
        return places

    async def _describe(self, description: aiortc.RTCSessionDescription) -> None:
        try:
            await self._native.setLocalDescription(description)
        except Exception:
            self._set_state("failed")  # It is neither here nor there.
            return
        transport = self._transport()
        if self.is_closed or self._local is None or transport is None or self._found_all:
            return
        mid, index = self._candidate_section(self._local)
        fragment = ice_fragment(self._local)
        for found in transport.transport.iceGatherer.getLocalCandidates():
            text = f"candidate:{candidate_to_sdp(found)}"
            self._found.append(text)
            self._loop.call_soon(
                self.tell, lambda text=text: self._port.candidate(Candidate(text, mid, index, fragment))
            )
        self._found_all = True
        self._loop.call_soon(self.tell, lambda: self._port.candidate(None))

    def _candidate_section(self, sdp: str) -> tuple[str, int]:
        """Mid and index of the first section that isn't rejected: all share its transport."""
        sections = list(enumerate(read_sections(sdp)))
        index, section = next(((index, one) for index, one in sections if not one.rejected), sections[0])
        return section.mid, index

    async def _set_remote(self, kind: Literal["offer", "answer"], sdp: str, sections: list[Section]) -> None:
        self._mark_bundled()
        shown = without_rejected(without_candidates(sdp), self._remote or "", self._local or "")
        try:
            await self._native.setRemoteDescription(aiortc.RTCSessionDescription(shown, kind))
        except Exception:
            if self._native.signalingState == "have-remote-offer":
                raise RebuildNeededError("This engine can't go back to where it was before that offer.") from None
            raise
        self._remote = sdp
        self._message_bytes_max = max_message_bytes(sdp)
        self._candidates = 0
        self._rejected = {section.mid for section in sections if section.rejected}
        self._follow(sections)
        for line in candidates_of(sdp):
            with suppress(EngineError):
                await self.add_candidate(Candidate(line))
        if "a=end-of-candidates" in sdp:
            await self.add_candidate(None)

    def _mark_bundled(self) -> None:
        """All have one transport from the beginning; aiortc would close it in the belief that it is another's."""
        for one in (*self._native.getTransceivers(), self._native.sctp):
            if one is not None:
                one._bundled = True

    async def _recycle(self, sections: list[Section]) -> None:
        """Takes away those whose place the other end uses for another one."""
        old = read_sections(self._remote) if self._remote else []
        for before, now in zip(old, sections, strict=False):
            place = next((place for place in self._places if place.native.mid == before.mid), None)
            if before.mid != now.mid and place is not None:
                self._end_place(place)
                await place.native.stop()
                cast(Any, self._native)._RTCPeerConnection__transceivers.remove(place.native)

    def _end_place(self, place: Place) -> None:
        self._end_track(place)
        self._places.remove(place)
        if place.reader is not None:
            place.reader.cancel()
        if place.sender is not None:
            place.sender.move(self._free_place(place.kind))
        if place.pipe is not None:
            place.pipe.stop()

    def _free_place(self, kind: MediaKind) -> Place:
        for place in self._places:
            if place.kind == kind and place.sender is None and place.native.mid not in self._rejected:
                break
        else:
            pipe = Pipe(kind)
            place = self._place(self._native.addTransceiver(pipe, "sendrecv"))
            place.pipe = pipe
            self._places.append(place)
        if place.pipe is None:
            place.pipe = Pipe(kind)
            place.native.sender.replaceTrack(place.pipe)
        return place

    @staticmethod
    def _place(native: aiortc.RTCRtpTransceiver) -> Place:
        """Before its decoder begins, which is when the connection does."""
        receiver = cast(Any, native.receiver)
        if receiver._RTCRtpReceiver__decoder_thread is None:
            receiver._RTCRtpReceiver__decoder_queue = Undecoded(receiver._RTCRtpReceiver__decoder_error)
        return Place(native)

    def _prepare(self) -> None:
        for place in self._places:
            place.native.direction = place.wanted(self._receives)
            if place.native._offerDirection is None:  # aiortc stumbles over one that isn't in the offer.
                place.native._offerDirection = "inactive"

    def _follow(self, sections: list[Section]) -> None:
        """Tells of the tracks that began and ended with the other end's description."""
        known = {place.native: place for place in self._places}
        for native in self._native.getTransceivers():
            if native not in known:
                known[native] = self._place(native)
                self._places.append(known[native])
        by_mid = {place.native.mid: place for place in self._places}
        for section in sections:
            place = by_mid.get(section.mid)
            if place is None:
                continue
            names = place.remote and (place.remote.stream_ids, place.remote.id)
            sends = may_send(section)
            if not sends or (names and names != (section.stream_ids, section.track_id)):
                self._end_track(place)
            # aiortc has no track where it reads the section as one that sends nothing.
            if sends and self._receives and place.remote is None and place.native.receiver.track is not None:
                self._begin_track(place, section)
            if section.rejected and place.sender is not None:
                place.sender.move(self._free_place(place.kind))

    def _begin_track(self, place: Place, section: Section) -> None:
        frames = FrameQueue(AUDIO_FRAMES_MAX // 2 if place.kind == "audio" else VIDEO_FRAMES_MAX)
        track = place.remote = RemoteTrack(place.kind, section.track_id, section.stream_ids, frames)
        if place.reader is None:
            place.reader = self._spawn(self._read_frames(place))
        self._loop.call_soon(self.tell, lambda: self._port.track(track))

    def _end_track(self, place: Place) -> None:
        track, place.remote = place.remote, None
        if track is not None:
            track.end()
            self._loop.call_soon(self.tell, lambda: self._port.track_ended(track))

    @staticmethod
    async def _read_frames(place: Place) -> None:
        """For as long as the place lives, whether somebody listens or not: aiortc's own queue has no bound."""
        track = place.native.receiver.track
        resampling = Resampling()
        with suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if place.remote is not None:
                    frames = resampling.frames(frame) if isinstance(frame, av.AudioFrame) else [frame]
                    for one in frames:
                        cast(FrameQueue, place.remote.frames).put(cast("Frame", one))

    async def _try_candidate(self, candidate: aiortc.RTCIceCandidate | None) -> None:
        transport = self._transport()
        if transport is None:
            return
        # Without a network for multicast there are no names of mDNS; a closed transport takes none.
        with suppress(OSError, ValueError, ConnectionError):
            await transport.transport.addRemoteCandidate(candidate)

    def _transport(self) -> aiortc.RTCDtlsTransport | None:
        if self._native.sctp is not None:
            return self._native.sctp.transport
        return next((one.receiver.transport for one in self._native.getTransceivers()), None)

    def _on_state(self) -> None:
        state = cast(ConnectionState, self._native.connectionState)
        if state == "closed":
            state = "failed"  # The other end said goodbye; only we close.
        self._set_state(state)

    def _set_state(self, state: ConnectionState) -> None:
        if state != self._state and not self.is_closed:
            self._state = state
            self.tell(lambda: self._port.connection_state_changed(state))

    def _say_if_needed(self) -> None:
        self._is_checking = False
        if self._has_said or self._chain.locked() or self.signaling_state != "stable":
            return  # Asked again after whatever is under way.
        if self._is_needed():
            self._has_said = True
            self._port.negotiation_needed()

    def _is_needed(self) -> bool:
        """As W3C's "check if negotiation is needed"."""
        kind, sdp = self._negotiated or ("offer", "")
        ours = {section.mid: section for section in read_sections(sdp)}
        theirs = {section.mid: section for section in read_sections(self._remote or "")}
        if self._channels and all(section.kind != "application" for section in ours.values()):
            return True
        for place in self._places:
            mid = place.native.mid or ""
            section, other = ours.get(mid), theirs.get(mid)
            wanted = place.wanted(self._receives)
            if section is None or other is None:
                return True
            if section.rejected or other.rejected:
                continue
            if place.sender is not None and may_send(section) and section.stream_ids != (place.sender.stream_id,):
                return True
            if kind == "offer" and wanted not in (section.direction, _reversed(other.direction)):
                return True
            if kind == "answer" and section.direction != _common(wanted, _reversed(other.direction)):
                return True
        return False


def _configuration(configuration: IceConfiguration) -> aiortc.RTCConfiguration:
    servers = []
    for server in configuration.servers:
        for url in server.urls:
            found = _URL.fullmatch(url)
            if found is None or (found[1] and not (server.username and server.credential)):
                raise EngineError("configuration_invalid", f"The engine refuses the ICE server {url}.")
        servers.append(aiortc.RTCIceServer(list(server.urls), server.username or None, server.credential or None))
    return aiortc.RTCConfiguration(
        servers, aiortc.RTCIceTransportPolicy(configuration.transport_policy), aiortc.RTCBundlePolicy.MAX_BUNDLE
    )


def _reversed(direction: str) -> str:
    return {"sendonly": "recvonly", "recvonly": "sendonly"}.get(direction, direction)


def _common(one: str, other: str) -> str:
    sends = all(direction in ("sendrecv", "sendonly") for direction in (one, other))
    receives = all(direction in ("sendrecv", "recvonly") for direction in (one, other))
    return {(True, True): "sendrecv", (True, False): "sendonly", (False, True): "recvonly"}.get(
        (sends, receives), "inactive"
    )


def _selected_pair(transport: aiortc.RTCDtlsTransport | None) -> Any:
    """The pair of candidates in use, which aioice tells nobody."""
    return None if transport is None else cast(Any, transport.transport)._connection._nominated.get(1)


def _transport_statistics(transport: aiortc.RTCDtlsTransport | None) -> Statistics:
    if transport is None:
        return {}
    now = time.time() * 1000
    [own] = cast(Any, transport)._get_stats().values()
    stats: Statistics = {"T": _statistics(own) | {"id": "T"}}
    pair = _selected_pair(transport)
    if pair is not None:
        stats["T"]["selectedCandidatePairId"] = "P"
        stats["P"] = {
            "id": "P",
            "type": "candidate-pair",
            "timestamp": now,
            "transportId": "T",
            "localCandidateId": "L",
            "remoteCandidateId": "R",
            "state": "succeeded",
            "nominated": True,
        }
        for id, side, candidate in (  # noqa: A001
            ("L", "local", pair.local_candidate),
            ("R", "remote", pair.remote_candidate),
        ):
            stats[id] = {
                "id": id,
                "type": f"{side}-candidate",
                "timestamp": now,
                "transportId": "T",
                "address": candidate.host,
                "port": candidate.port,
                "protocol": candidate.transport,
                "candidateType": candidate.type,
                "priority": candidate.priority,
            }
    return stats


def _statistics(entry: Any) -> dict[str, Any]:
    """Times in ms and jitter in seconds, as W3C has them."""
    found = {name: value for name, value in asdict(entry).items() if value is not None}
    for name, value in found.items():
        if isinstance(value, datetime):
            found[name] = value.timestamp() * 1000
    if "jitter" in found:
        found["jitter"] /= RATE if found["kind"] == "audio" else VIDEO_RATE
    return found


def _channel_statistics(channel: AiortcChannel) -> dict[str, Any]:
    return {
        "id": f"D{channel.id}",
        "type": "data-channel",
        "timestamp": time.time() * 1000,
        "label": channel.label,
        "dataChannelIdentifier": channel.id,
        "state": channel.ready_state,
        "messagesSent": channel.sent[0],
        "bytesSent": channel.sent[1],
        "messagesReceived": channel.received[0],
        "bytesReceived": channel.received[1],
    }
