"""A member with what the program doesn't see: the link with it, and what its current peer connection says.

`web/sdk/src/peer.ts` is its twin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.link.effects import PathName
from ..errors import SheetbendError
from .engines.errors import EngineError
from .events import (
    ConnectionChanged,
    Event,
    FileOffered,
    MemberUpdated,
    MessageReceived,
    PathChanged,
    RequestReceived,
    SafetyWordsReady,
    StreamOpened,
    TrackEnded,
    TrackReceived,
)
from .files import FILE_LABEL, FileOffer
from .member import Member, Path, Sealing, permissions
from .member_link import MemberLink, MemberLinkPort
from .member_stream import MemberStream
from .peer_messages import STREAMS_MAX
from .requests import REQUEST_LABEL, Request
from .sealing import SafetyWords

if TYPE_CHECKING:
    from .engines.tracks import RemoteTrack
    from .pair import MemberConnection, Pair

__all__ = ["LinkPort", "Peer"]

_FORMER_IDS_MAX = 16
"""Enough for messages of the history that are still to be delivered."""
_LOOK_AGAIN_S = 1.0
"""A TURN server at the other end is known by its candidate, which may come after the path is there."""

Tell = Callable[[Event, int], None]


@dataclass(frozen=True)
class LinkPort:
    """What the link with a member needs of the mesh. `is_first`: our key is the smaller one."""

    is_first: bool
    sealing: Sealing
    safety_words: Callable[[Peer], SafetyWords | None]
    relay: Callable[[Peer, bytes, bool], None]
    is_relay_ready: Callable[[], bool]
    suspect_relay: Callable[[], None]


class Peer(Member):
    """`port` is None without keys. `tell` takes events, each with the bytes in it."""

    def __init__(
        self, key: str, record: Mapping[str, Any], tell: Tell, port: LinkPort | None, *, has_engine: bool
    ) -> None:
        super().__init__(key, record)
        self.public_key: str | None = record.get("key")
        """What it shows to the room, if it has one."""
        self.timer: asyncio.TimerHandle | None = None
        """Runs while something must happen by a time: once gone from the room, coming back."""
        self.former_ids: tuple[str, ...] = ()
        """The ids it had before, latest first."""
        self.is_polite = bool(record.get("polite", False))
        """Whether we are the polite one towards it."""
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._is_refused = False
        self._unconnected: MemberConnection | None = "failed" if has_engine else None
        self._tracks: dict[RemoteTrack, str] = {}
        """With the ids of their streams."""
        self._look_timer: asyncio.TimerHandle | None = None
        self._looking: set[asyncio.Task[None]] = set()
        self._reading: set[asyncio.Task[None]] = set()
        self.connection = "connecting" if has_engine else None
        self.sealing = None if port is None else port.sealing
        self._link = None if port is None else self._make_link(port)

    @property
    def link(self) -> MemberLink | None:
        """None without keys."""
        return self._link

    @property
    def pair(self) -> Pair | None:
        """Its peer connection; another one may take its place."""
        return self._pair

    @pair.setter
    def pair(self, pair: Pair) -> None:
        self._pair = pair

    def describe(self, record: Mapping[str, Any]) -> None:
        """Take what the server says about it."""
        before, self._record = self._record, record
        self.is_polite = bool(record.get("polite", self.is_polite))
        if _shown(before) == _shown(record):
            return
        if before["userId"] != record["userId"]:
            self.former_ids = (before["userId"], *self.former_ids)[:_FORMER_IDS_MAX]
        self._can = permissions(record)
        self.enforce_rights()
        self._tell(MemberUpdated(self), 0)

    def enforce_rights(self) -> None:
        """Take its tracks, or have its peer connection refuse them."""
        may_publish = "publish" in self._can
        if self._pair is not None:
            self._pair.set_receiving(may_publish)
        if not may_publish:
            self._end_tracks()

    def receive_track(self, track: RemoteTrack, stream_id: str, label: str) -> None:
        """Tracks in streams beyond 16 a member are left out."""
        streams = set(self._tracks.values())
        if track in self._tracks or (stream_id not in streams and len(streams) >= STREAMS_MAX):
            return
        self._tracks[track] = stream_id
        self._tell(TrackReceived(self, track, label), 0)

    def track_ended(self, track: RemoteTrack) -> None:
        if self._tracks.pop(track, None) is not None:
            self._tell(TrackEnded(self, track), 0)

    def disconnect(self) -> None:
        """End its peer connection, and with it its tracks."""
        self._stop_looking()
        pair, self._pair = self._pair, None
        if pair is not None:
            pair.close()
        if self._link is not None:
            self._link.path_down("direct")
        self._end_tracks()

    def refuse(self, is_refused: bool) -> None:
        """What comes isn't sealed as agreed, until there is another agreement."""
        if self._is_refused == is_refused:
            return
        self._is_refused = is_refused
        self.report(self._unconnected if self._pair is None else self._pair.state)
        self._moved(None if self._link is None else self._link.path)

    def stop_timer(self) -> None:
        """Do nothing by a time any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def report(self, connection: MemberConnection | None) -> None:
        """Say how the connection does, if that is news."""
        state = "failed" if self._is_refused else connection
        if self.connection != state:
            self.connection = state
            self._tell(ConnectionChanged(self, state), 0)

    def look(self) -> None:
        """Look whether the direct path is one through a TURN server."""
        if self._link is None or self._link.path != "direct":
            return
        self._stop_looking()
        self._look_now()
        self._look_timer = self._loop.call_later(_LOOK_AGAIN_S, self._look_now)

    # The parts.

    def _make_link(self, port: LinkPort) -> MemberLink:
        def transmit(path: PathName, frame: bytes, lossy: bool) -> None:
            if path == "relay":
                port.relay(self, frame, lossy)
            elif self._pair is not None:
                self._pair.send(frame, lossy=lossy)

        def is_ready(path: PathName) -> bool:
            return port.is_relay_ready() if path == "relay" else self._pair is not None and self._pair.is_ready

        def silent(path: PathName, is_silent: bool) -> None:
            if path == "relay":
                if is_silent:
                    port.suspect_relay()
            elif self._pair is not None:
                self._pair.silent(is_silent)

        return MemberLink(
            is_first=port.is_first,
            port=MemberLinkPort(
                transmit=transmit,
                is_ready=is_ready,
                message=lambda data, reliable: self._tell(MessageReceived(self, data, reliable), len(data)),
                stream=self._stream_opened,
                moved=self._moved,
                silent=silent,
                safety_words=lambda: port.safety_words(self),
                words=self._words_ready,
            ),
        )

    def _stream_opened(self, stream: MemberStream) -> None:
        if stream.label in (FILE_LABEL, REQUEST_LABEL):
            task = self._loop.create_task(self._read(stream), name=f"sheetbend {stream.label}")
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)
        else:
            self._tell(StreamOpened(self, stream), 0)

    async def _read(self, stream: MemberStream) -> None:
        """What the stream begins with. It ends with the link at the latest, which fails its streams."""
        with suppress(SheetbendError):  # taken back, or of another protocol
            if stream.label == FILE_LABEL:
                self._tell(FileOffered(self, await FileOffer.read(stream)), 0)
            else:
                request = await Request.read(stream)
                self._tell(RequestReceived(self, request), len(request.data))

    def _words_ready(self, words: tuple[int, ...]) -> None:
        self.safety_words = words
        self._tell(SafetyWordsReady(self, words), 0)

    def _end_tracks(self) -> None:
        for track in list(self._tracks):
            self.track_ended(track)

    def _moved(self, path: PathName | None) -> None:
        self._stop_looking()
        if path == "direct":
            self.look()
        else:
            self._set_path(path)

    def _look_now(self) -> None:
        task = self._loop.create_task(self._set_direct_path(), name="sheetbend path")
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    def _stop_looking(self) -> None:
        if self._look_timer is not None:
            self._look_timer.cancel()
        for task in self._looking:
            task.cancel()

    async def _set_direct_path(self) -> None:
        pair = self._pair
        try:
            is_turned = pair is not None and await pair.is_turned()
        except EngineError:
            is_turned = False
        if self._link is not None and self._link.path == "direct" and self._pair is pair:
            self._set_path("turn" if is_turned else "direct")

    def _set_path(self, way: Path | None) -> None:
        path = None if self._is_refused else way
        if self.path != path:
            self.path = path
            self._tell(PathChanged(self, path), 0)


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    """All that the program can see of a record."""
    return {name: value for name, value in record.items() if name != "polite"}
