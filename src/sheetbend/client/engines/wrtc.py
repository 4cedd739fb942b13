"""libwebrtc with W3C's API, by the package wrtc: ICE, DTLS, SCTP and codecs run on threads of their own.

It has all that `base` asks for. What is done here besides translating:

- The names of streams and tracks are ours to choose: they are put into the descriptions that are handed out.
- What neither side uses any more is stopped, so that its place in the description can be used again.
- Pictures in other formats than yuv420p are converted on a thread, and large ones copied there.
- Candidates with names are taken out of descriptions unless they are of mDNS and may be looked up.

Names of mDNS are asked of the system's resolver, on a thread of libwebrtc's; one that isn't found is dropped.
"""

from __future__ import annotations

import asyncio
import atexit
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import av
import numpy as np
import numpy.typing as npt
import webrtc

from .base import (
    Candidate,
    ChannelPort,
    ConnectionPort,
    ConnectionState,
    EngineError,
    IceConfiguration,
    MediaKind,
    SignalingState,
    Statistics,
)
from .descriptions import (
    CANDIDATES_MAX,
    Section,
    candidates_of,
    is_reachable,
    read_sections,
    require_name,
    with_reachable_candidates,
    with_streams,
)
from .sound import Resampling
from .tracks import AUDIO_FRAMES_MAX, VIDEO_FRAMES_MAX, LocalTrack, RemoteTrack

if TYPE_CHECKING:
    from .tracks import Frame

__all__ = ["WrtcEngine"]

Result = TypeVar("Result")

PIXELS_AT_ONCE_MAX = 1920 * 1088
"""Of a picture that is handed over in the call that brings it, which takes 1 ms; a larger one is on the thread."""
MICROSECONDS = Fraction(1, 1_000_000)
_FORMATS = {
    "I420": "yuv420p",
    "I422": "yuv422p",
    "I444": "yuv444p",
    "NV12": "nv12",
    "I420P10": "yuv420p10le",
    "I422P10": "yuv422p10le",
    "I444P10": "yuv444p10le",
}
_REFUSALS = (webrtc.PythonWebRTCException, TypeError, ValueError)


class WrtcEngine:
    """`base.Engine`. libwebrtc's threads begin with the first connection of the process."""

    name = "wrtc"
    can_roll_back = True
    can_restart_ice = True
    can_reconfigure = True
    has_lossy_channels = True
    tells_routes = True

    def __init__(self) -> None:
        self._connections: weakref.WeakSet[WrtcConnection] = weakref.WeakSet()
        self._sources: dict[LocalTrack, Source] = {}
        self._worker: ThreadPoolExecutor | None = None
        atexit.register(self.close)

    def create(self, configuration: IceConfiguration, port: ConnectionPort) -> WrtcConnection:
        connection = WrtcConnection(self, configuration, port)
        self._connections.add(connection)
        return connection

    def close(self) -> None:
        atexit.unregister(self.close)
        for connection in list(self._connections):
            connection.close()
        if self._worker is not None:
            self._worker.shutdown(wait=False, cancel_futures=True)
            self._worker = None

    def take_source(self, track: LocalTrack) -> Source:
        """One for all senders of the track; `drop_source` when one sends it no more."""
        source = self._sources.get(track)
        if source is None:
            source = self._sources[track] = (AudioSource if track.kind == "audio" else VideoSource)(self, track)
        source.users += 1
        return source

    def drop_source(self, source: Source) -> None:
        source.users -= 1
        if source.users == 0:
            self._sources.pop(source.track, None)
            source.end()

    def convert(self, work: Callable[[], None]) -> None:
        """On the one thread that converts pictures."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._worker.submit(work)


class Source:
    """A `LocalTrack` as libwebrtc sees it."""

    kind: MediaKind

    def __init__(self, engine: WrtcEngine, track: LocalTrack) -> None:
        self.engine = engine
        self.track = track
        self.users = 0
        self.native = webrtc.MediaStreamTrackGenerator(self.kind)
        self._writer = self.native.writable.get_writer()
        self._loop = asyncio.get_running_loop()
        track.attach(self.take)

    def take(self, frame: Frame) -> None:
        raise NotImplementedError

    def end(self) -> None:
        self.track.detach(self.take)
        self.native.stop()

    def _write(self, chunk: webrtc.VideoFrame | webrtc.AudioData) -> None:
        self._writer.write(chunk).add_done_callback(_look)

    def _time_us(self, frame: Frame) -> int:
        if frame.pts is None or frame.time_base is None:
            return int(self._loop.time() * 1_000_000)
        return int(frame.pts * Fraction(frame.time_base.numerator, frame.time_base.denominator) / MICROSECONDS)


class AudioSource(Source):
    kind = "audio"

    def __init__(self, engine: WrtcEngine, track: LocalTrack) -> None:
        super().__init__(engine, track)
        self._resampling = Resampling()

    def take(self, frame: Frame) -> None:
        for part in self._resampling.frames(cast(av.AudioFrame, frame)):
            channels = part.layout.nb_channels
            init = webrtc.AudioDataInit(
                format="s16",
                sample_rate=part.sample_rate,
                number_of_frames=part.samples,
                number_of_channels=channels,
                timestamp=self._time_us(part),
                data=bytes(part.planes[0])[: part.samples * channels * 2],
            )
            self._write(webrtc.AudioData(init))


class VideoSource(Source):
    kind = "video"

    def __init__(self, engine: WrtcEngine, track: LocalTrack) -> None:
        super().__init__(engine, track)
        self._next: tuple[av.VideoFrame, int] | None = None
        """What waits while another one is on the thread; it is dropped for a newer one."""
        self._is_converting = False

    def take(self, frame: Frame) -> None:
        picture = cast(av.VideoFrame, frame)
        time_us = self._time_us(picture)
        if self._is_converting:
            self._next = picture, time_us
        elif picture.format.name == "yuv420p" and picture.width * picture.height <= PIXELS_AT_ONCE_MAX:
            self._write(_chunk(picture, time_us))
        else:
            self._convert_soon(picture, time_us)

    def _convert_soon(self, picture: av.VideoFrame, time_us: int) -> None:
        self._is_converting = True
        self.engine.convert(lambda: self._convert(picture, time_us))

    def _convert(self, picture: av.VideoFrame, time_us: int) -> None:
        """On the thread."""
        chunk = None
        try:
            chunk = _chunk(picture.reformat(format="yuv420p"), time_us)
        finally:
            try:
                self._loop.call_soon_threadsafe(self._converted, chunk)
            except RuntimeError:  # The loop is closed.
                if chunk is not None:
                    chunk.close()

    def _converted(self, chunk: webrtc.VideoFrame | None) -> None:
        self._is_converting = False
        waiting, self._next = self._next, None
        if not self.users:
            if chunk is not None:
                chunk.close()
            return
        if chunk is not None:
            self._write(chunk)
        if waiting is not None:
            self._convert_soon(*waiting)


def _chunk(picture: av.VideoFrame, time_us: int) -> webrtc.VideoFrame:
    layout = []
    at = 0
    for plane in picture.planes:
        layout.append(webrtc.PlaneLayout(at, plane.line_size))
        at += plane.buffer_size
    init = webrtc.VideoFrameBufferInit(
        format="I420", coded_width=picture.width, coded_height=picture.height, timestamp=time_us, layout=layout
    )
    return webrtc.VideoFrame(b"".join(map(memoryview, picture.planes)), init)


class ProcessorFrames:
    """`Frames`: libwebrtc keeps the newest and drops the oldest; only what is read is made an `av` frame."""

    def __init__(self, track: webrtc.MediaStreamTrack) -> None:
        self.frames_max = AUDIO_FRAMES_MAX if track.kind == webrtc.MediaType.audio else VIDEO_FRAMES_MAX
        self._processor = webrtc.MediaStreamTrackProcessor(webrtc.MediaStreamTrackProcessorInit(track, self.frames_max))
        self._reader = self._processor.readable.get_reader()
        self._ended = False
        self._ready: deque[Frame] = deque()
        """Made of what was read already; resampling may make several of one."""
        self._resampling = Resampling()

    @property
    def dropped(self) -> int:
        return self._processor.discarded_frames

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self

    async def __anext__(self) -> Frame:
        while not self._ready:
            if self._ended:
                raise StopAsyncIteration
            result = await self._reader.read()
            media = result.value
            if result.done or media is None:
                raise StopAsyncIteration
            with media:
                if isinstance(media, webrtc.AudioData):
                    self._ready.extend(self._resampling.frames(_sound(media)))
                else:
                    self._ready.append(await _picture(media))
        return self._ready.popleft()

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._reader.cancel().add_done_callback(_look)


async def _picture(media: webrtc.VideoFrame) -> av.VideoFrame:
    width, height = media.coded_width, media.coded_height
    name = _FORMATS[str(media.format.value if media.format else "")]
    data = np.empty(media.allocation_size(), np.uint8)
    planes = await media.copy_to(memoryview(data.data))
    if name == "yuv420p" and width % 2 == 0 and height % 2 == 0:
        picture = av.VideoFrame.from_numpy_buffer(data.reshape(height * 3 // 2, width), "yuv420p")
    else:
        picture = await asyncio.to_thread(_repacked, data, planes, width, height, name)
    picture.pts, picture.time_base = media.timestamp, MICROSECONDS
    return picture


def _repacked(
    data: npt.NDArray[np.uint8], planes: list[webrtc.PlaneLayout], width: int, height: int, name: str
) -> av.VideoFrame:
    picture = av.VideoFrame(width, height, name)
    for plane, place in zip(picture.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        stride = place.stride
        source = data[place.offset : place.offset + stride * plane.height].reshape(plane.height, stride)
        rows[:, :stride] = source
        plane.update(rows.tobytes())
    return picture.reformat(format="yuv420p")


def _sound(media: webrtc.AudioData) -> av.AudioFrame:
    frame = av.AudioFrame("s16", "mono" if media.number_of_channels == 1 else "stereo", media.number_of_frames)
    options = webrtc.AudioDataCopyToOptions(plane_index=0, format="s16")
    media.copy_to(memoryview(frame.planes[0]), options)
    rate = int(media.sample_rate)
    frame.sample_rate, frame.pts, frame.time_base = rate, round(media.timestamp * rate / 1_000_000), Fraction(1, rate)
    return frame


class WrtcChannel:
    """`base.DataChannel`."""

    def __init__(self, connection: WrtcConnection, native: webrtc.RTCDataChannel, id: int, port: ChannelPort) -> None:  # noqa: A002
        self.label = native.label
        self.id = id
        self._connection = connection
        self._native = native
        self._port = port
        native.on("open", lambda _: connection.tell(port.opened))
        native.on("message", self._receive)
        native.on("bufferedamountlow", lambda _: connection.tell(port.buffered_amount_low))
        native.on("close", lambda _: connection.tell(port.closed))

    @property
    def ready_state(self) -> Literal["connecting", "open", "closing", "closed"]:
        return "closed" if self._connection.is_closed else self._native.ready_state.value

    @property
    def buffered_amount(self) -> int:
        return self._native.buffered_amount

    @property
    def max_message_bytes(self) -> int:
        return self._connection.max_message_bytes

    def send(self, data: bytes) -> None:
        try:
            self._native.send(data)
        except webrtc.InvalidStateError as error:
            raise EngineError("channel_closed", "The data channel isn't open.") from error
        except webrtc.OperationError as error:
            raise EngineError("channel_full", "Too much waits to be sent.") from error
        except TypeError as error:
            raise EngineError("message_too_large", f"The other end takes {self.max_message_bytes} bytes.") from error

    def close(self) -> None:
        self._native.close()

    def _receive(self, event: webrtc.MessageEvent) -> None:
        if isinstance(event.data, bytes) and not self._connection.is_closed:
            self._port.message(event.data)


class WrtcSender:
    """`base.Sender`."""

    def __init__(self, connection: WrtcConnection, track: LocalTrack, stream_id: str) -> None:
        self.track: LocalTrack | None = track
        self.stream_id = require_name(stream_id)
        self.track_id = track.id
        """The first one's: the name stays when the track is replaced."""
        self.source: Source | None = connection.engine.take_source(track)
        self.native: webrtc.RTCRtpSender | None = None
        self._kind = track.kind
        self._connection = connection

    async def replace(self, track: LocalTrack | None) -> None:
        if self.native is None:
            raise EngineError("wrong_state", "This sender was stopped.")
        if track is not None and track.kind != self._kind:
            raise EngineError("frame_invalid", f"This sends {self._kind}, not {track.kind}.")
        before, self.track = self.source, track
        self.source = None if track is None else self._connection.engine.take_source(track)
        try:
            await self._connection.done(self.native.replace_track(None if self.source is None else self.source.native))
        except webrtc.InvalidStateError as error:
            raise EngineError("wrong_state", "This sender was stopped.") from error
        finally:
            if before is not None:
                self._connection.engine.drop_source(before)

    def stop(self) -> None:
        self._connection.remove(self)

    def let_go(self) -> webrtc.RTCRtpSender | None:
        native, self.native, self.track = self.native, None, None
        source, self.source = self.source, None
        if source is not None:
            self._connection.engine.drop_source(source)
        return native


class WrtcConnection:
    """`base.PeerConnection`."""

    def __init__(self, engine: WrtcEngine, configuration: IceConfiguration, port: ConnectionPort) -> None:
        self.engine = engine
        self.is_closed = False
        self._port = port
        self._chain = asyncio.Lock()
        self._senders: list[WrtcSender] = []
        self._remote: dict[webrtc.RTCRtpTransceiver, RemoteTrack] = {}
        self._refused: set[webrtc.RTCRtpTransceiver] = set()
        """Whose direction was narrowed because nothing is to be received."""
        self._expected: set[webrtc.RTCRtpTransceiver] = set()
        self._receives = True
        self._has_route = False
        self._by_name = configuration.transport_policy == "all"
        self._candidates = 0
        """How many of the other end's came after its newest description."""
        self._sections: dict[str, Section] = {}
        """Of its newest description, by mid."""
        try:
            self._native = webrtc.RTCPeerConnection(_configuration(configuration))
        except _REFUSALS as error:
            raise EngineError("configuration_invalid", f"The engine refuses the ICE servers: {error}") from error
        self._native.on("icecandidate", self._on_candidate)
        self._native.on("connectionstatechange", self._on_state)
        self._native.on("signalingstatechange", self._on_signaling)
        self._native.on("negotiationneeded", lambda _: self.tell(port.negotiation_needed))
        self._native.on("track", self._on_track)

    @property
    def signaling_state(self) -> SignalingState:
        return cast(SignalingState, self._native.signaling_state.value)

    @property
    def connection_state(self) -> ConnectionState:
        return self._native.connection_state.value

    @property
    def is_beyond_repair(self) -> bool:
        transport = self._transport()
        return transport is not None and transport.state == webrtc.RTCDtlsTransportState.failed

    @property
    def local_description(self) -> str | None:
        description = self._native.local_description
        return None if description is None else self._named(description.sdp)

    @property
    def remote_description(self) -> str | None:
        description = self._native.remote_description
        return None if description is None else description.sdp

    @property
    def max_message_bytes(self) -> int:
        size = self._native.sctp.max_message_size if self._native.sctp is not None else None
        return 1 << 18 if size is None else int(min(size, 1 << 30))

    async def offer(self, *, restart_ice: bool = False) -> str:
        async with self._chain:
            self._require("stable")
            if restart_ice:
                self._native.restart_ice()
            return await self._set_local()

    async def accept_offer(self, sdp: str) -> str:
        async with self._chain:
            self._require("stable", "have-local-offer")
            await self._set_remote("offer", sdp)
            try:
                return await self._set_local()
            except EngineError:
                await self._set_remote("rollback", "")
                raise

    async def accept_answer(self, sdp: str) -> None:
        async with self._chain:
            self._require("have-local-offer")
            await self._set_remote("answer", sdp)

    async def add_candidate(self, candidate: Candidate | None) -> None:
        self._require("stable", "have-local-offer", "have-remote-offer")
        init = None
        if candidate is not None and candidate.candidate:
            self._candidates += 1
            if self._candidates > CANDIDATES_MAX or not is_reachable(candidate.candidate, by_name=self._by_name):
                return
        if candidate is not None:
            init = webrtc.RTCIceCandidateInit(
                candidate.candidate, candidate.sdp_mid, candidate.sdp_m_line_index, candidate.username_fragment
            )
        try:
            await self.done(self._native.add_ice_candidate(init))
        except webrtc.InvalidStateError as error:
            raise EngineError("wrong_state", "A candidate came before any description.") from error
        except _REFUSALS as error:
            raise EngineError("candidate_invalid", f"The engine refuses the candidate: {error}") from error

    def restart_ice(self) -> None:
        self._native.restart_ice()

    def set_configuration(self, configuration: IceConfiguration) -> None:
        try:
            self._native.set_configuration(_configuration(configuration))
        except webrtc.InvalidStateError as error:
            raise EngineError("wrong_state", "The peer connection is closed.") from error
        except _REFUSALS as error:
            raise EngineError("configuration_invalid", f"The engine refuses the ICE servers: {error}") from error
        self._by_name = configuration.transport_policy == "all"

    def create_data_channel(
        self,
        label: str,
        port: ChannelPort,
        *,
        id: int,  # noqa: A002
        ordered: bool = True,
        max_retransmits: int | None = None,
        low_bytes: int = 0,
    ) -> WrtcChannel:
        init = webrtc.RTCDataChannelInit(ordered=ordered, max_retransmits=max_retransmits, negotiated=True, id=id)
        try:
            native = self._native.create_data_channel(label, init)
        except _REFUSALS as error:
            raise EngineError("wrong_state", f"There can't be such a data channel: {error}") from error
        native.buffered_amount_low_threshold = low_bytes
        return WrtcChannel(self, native, id, port)

    def add_track(self, track: LocalTrack, stream_id: str) -> WrtcSender:
        self._require("stable", "have-local-offer", "have-remote-offer")
        sender = WrtcSender(self, track, stream_id)
        self._senders.append(sender)
        self._send(sender)
        return sender

    def expect(self, kind: MediaKind) -> None:
        self._require("stable", "have-local-offer", "have-remote-offer")
        self._expected.add(self._native.add_transceiver(kind, webrtc.RTCRtpTransceiverInit(direction="recvonly")))

    def set_receiving(self, receives: bool) -> None:
        if self.is_closed or self._receives == receives:
            return
        self._receives = receives
        if not receives:
            for transceiver in self._native.get_transceivers():
                self._refuse(transceiver)
            return
        for transceiver in self._refused:
            if transceiver.direction == webrtc.RTCRtpTransceiverDirection.sendonly:
                transceiver.direction = "sendrecv"
            elif transceiver.direction == webrtc.RTCRtpTransceiverDirection.inactive:
                transceiver.direction = "recvonly"
        self._refused.clear()

    async def get_stats(self) -> Statistics:
        self._require("stable", "have-local-offer", "have-remote-offer")
        report = await self.done(self._native.get_stats())
        return {id: stats.to_json() for id, stats in report.items()}  # noqa: A001

    async def is_turned(self) -> bool:
        stats = await self.get_stats()
        selected = [stats.get(one.get("selectedCandidatePairId", "")) for one in stats.values()]
        ids = [pair[end] for pair in selected if pair for end in ("localCandidateId", "remoteCandidateId")]
        return any(stats.get(id, {}).get("candidateType") == "relay" for id in ids)  # noqa: A001

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        self._native.close()
        for track in self._remote.values():
            track.end()
        for sender in self._senders:
            sender.let_go()
        self._remote.clear()
        self._senders.clear()
        self._refused.clear()
        self._expected.clear()

    # For channels and senders

    def tell(self, callback: Callable[[], None]) -> None:
        if not self.is_closed:
            callback()

    async def done(self, work: Awaitable[Result]) -> Result:
        """What is under way as the connection is closed is cancelled; whoever waits for it isn't, and gets an error."""
        future = asyncio.ensure_future(work)
        future.add_done_callback(_look)
        await asyncio.wait([future])
        if future.cancelled():
            raise EngineError("wrong_state", "The peer connection was closed meanwhile.")
        return future.result()

    def remove(self, sender: WrtcSender) -> None:
        native = sender.let_go()
        if native is None or self.is_closed:
            return
        self._senders.remove(sender)
        transceiver = self._transceiver_of(native)
        self._native.remove_track(native)
        if transceiver is not None and transceiver.current_direction == webrtc.RTCRtpTransceiverDirection.sendonly:
            transceiver.stop()

    # Inside

    def _require(self, *states: SignalingState) -> None:
        if self.is_closed:
            raise EngineError("wrong_state", "The peer connection is closed.")
        if self.signaling_state not in states:
            raise EngineError("wrong_state", f"This can't be done while {self.signaling_state}.")

    async def _set_local(self) -> str:
        try:
            await self.done(self._native.set_local_description())
        except _REFUSALS as error:
            self._require("stable", "have-local-offer", "have-remote-offer")
            raise EngineError("wrong_state", f"The engine can't describe itself: {error}") from error
        self._require("stable", "have-local-offer")
        description = self.local_description
        assert description is not None  # noqa: S101 - it was set
        return description

    async def _set_remote(self, kind: Literal["offer", "answer", "rollback"], sdp: str) -> None:
        sdp = with_reachable_candidates(sdp, by_name=self._by_name)
        before = self._sections
        if kind != "rollback":
            self._sections = {section.mid: section for section in read_sections(sdp)}
        try:
            await self.done(self._native.set_remote_description(webrtc.RTCSessionDescriptionInit(kind, sdp)))
            self._candidates = len(candidates_of(sdp))
        except _REFUSALS as error:
            self._sections = before
            self._require("stable", "have-local-offer", "have-remote-offer")
            raise EngineError("description_invalid", f"The engine refuses the description: {error}") from error
        self._require("stable", "have-local-offer", "have-remote-offer")

    def _transport(self) -> webrtc.RTCDtlsTransport | None:
        """All have the same one; who has no data channels has it with the media."""
        if self._native.sctp is not None:
            return self._native.sctp.transport
        return next((one.sender.transport for one in self._native.get_transceivers() if one.sender.transport), None)

    def _named(self, sdp: str) -> str:
        names = {}
        for sender in self._senders:
            transceiver = sender.native and self._transceiver_of(sender.native)
            if transceiver and transceiver.mid is not None:
                names[transceiver.mid] = (sender.stream_id, sender.track_id)
        return with_streams(sdp, names)

    def _send(self, sender: WrtcSender) -> None:
        track = sender.source.native if sender.source is not None else None
        assert track is not None  # noqa: S101 - a sender is added with a track
        streams = [webrtc.MediaStream()]
        try:
            sender.native = self._native.add_track(track, *streams)
        except _REFUSALS:
            # libwebrtc would use an idle transceiver again, finds that it is being stopped, and gives up.
            init = webrtc.RTCRtpTransceiverInit(streams=streams)
            sender.native = self._native.add_transceiver(track, init).sender
        if not self._receives and (transceiver := self._transceiver_of(sender.native)) is not None:
            self._refuse(transceiver)

    def _transceiver_of(self, sender: webrtc.RTCRtpSender) -> webrtc.RTCRtpTransceiver | None:
        return next((one for one in self._native.get_transceivers() if one.sender == sender), None)

    def _refuse(self, transceiver: webrtc.RTCRtpTransceiver) -> None:
        if transceiver.direction == webrtc.RTCRtpTransceiverDirection.sendrecv:
            transceiver.direction = "sendonly"
        elif transceiver.direction == webrtc.RTCRtpTransceiverDirection.recvonly:
            transceiver.direction = "inactive"
        else:
            return
        self._refused.add(transceiver)
        self._end_track(transceiver)

    def _end_track(self, transceiver: webrtc.RTCRtpTransceiver) -> None:
        track = self._remote.pop(transceiver, None)
        if track is not None:
            track.end()
            asyncio.get_running_loop().call_soon(self.tell, lambda: self._port.track_ended(track))

    def _on_candidate(self, event: webrtc.RTCPeerConnectionIceEvent) -> None:
        if self.is_closed:
            return
        found = event.candidate
        if found is None:
            self._port.candidate(None)
        elif found.candidate:
            self._port.candidate(
                Candidate(found.candidate, found.sdp_mid, found.sdp_m_line_index, found.username_fragment)
            )

    def _on_state(self, _: webrtc.Event) -> None:
        if self.is_closed:
            return
        if not self._has_route and (transport := self._transport()) is not None:
            self._has_route = True
            transport.ice_transport.on("selectedcandidatepairchange", lambda _: self.tell(self._port.rerouted))
        self._port.connection_state_changed(self.connection_state)

    def _on_track(self, event: webrtc.RTCTrackEvent) -> None:
        if self.is_closed:
            return
        transceiver = event.transceiver
        if transceiver.direction == webrtc.RTCRtpTransceiverDirection.stopped:
            return  # The other end began to use it again in the moment in which it was stopped here.
        if not self._receives:
            self._refuse(transceiver)
            return
        self._end_track(transceiver)
        section = self._sections.get(transceiver.mid or "")
        kind: MediaKind = "audio" if event.track.kind == webrtc.MediaType.audio else "video"
        track = RemoteTrack(
            kind,
            section.track_id if section else event.track.id,
            tuple(stream.id for stream in event.streams),
            ProcessorFrames(event.track),
        )
        self._remote[transceiver] = track
        self._port.track(track)

    def _on_signaling(self, _: webrtc.Event) -> None:
        if self.is_closed or self.signaling_state != "stable":
            return
        for transceiver in list(self._remote):
            is_stopped = transceiver.direction == webrtc.RTCRtpTransceiverDirection.stopped
            if is_stopped or transceiver.current_direction not in ("sendrecv", "recvonly"):
                self._end_track(transceiver)
        self._tidy()

    def _tidy(self) -> None:
        """Stops what neither side uses any more, so that its place in the description can be used again: a video takes
        5 kB of it."""
        transceivers = self._native.get_transceivers()
        for transceiver in transceivers:
            is_idle = transceiver.current_direction == "inactive" and transceiver.sender.track is None
            if is_idle and transceiver not in self._refused and transceiver not in self._expected:
                transceiver.stop()
        # The other end may have stopped one in the moment in which we began to use it.
        live = [one.sender for one in transceivers if one.direction != webrtc.RTCRtpTransceiverDirection.stopped]
        for sender in self._senders:
            if sender.source is not None and sender.native not in live:
                self._send(sender)


def _configuration(configuration: IceConfiguration) -> webrtc.RTCConfiguration:
    servers = [
        webrtc.RTCIceServer(list(server.urls), server.username or None, server.credential or None)
        for server in configuration.servers
    ]
    return webrtc.RTCConfiguration(servers, configuration.transport_policy)


def _look(future: asyncio.Future[Any]) -> None:
    """So that nobody complains that its exception was never seen: the track or the connection ended."""
    if not future.cancelled():
        future.exception()
