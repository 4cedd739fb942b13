"""What the client asks of a WebRTC engine, and gets from every one alike.

An engine has threads of its own or runs on asyncio's loop; here only coroutines and callbacks on the loop's thread are
seen. The words are W3C's. Two values are the engines' own to say and the caller's to mind: whether an offer can be
rolled back, and whether ICE can be restarted. Where one can't, the caller makes a new peer connection
(`RebuildNeededError` says when).

Leaves to others: when to offer and who gives way (`negotiation`), what is sent (`pair`), where frames come from and go
to (`media`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from .errors import EngineError, RebuildNeededError
from .tracks import LocalTrack, RemoteTrack

__all__ = [
    "Candidate",
    "ChannelPort",
    "ConnectionPort",
    "ConnectionState",
    "DataChannel",
    "Engine",
    "EngineError",
    "IceConfiguration",
    "IceServer",
    "LocalTrack",
    "MediaKind",
    "PeerConnection",
    "RebuildNeededError",
    "RemoteTrack",
    "Sender",
    "SignalingState",
    "Statistics",
]

ConnectionState = Literal["new", "connecting", "connected", "disconnected", "failed", "closed"]
SignalingState = Literal["stable", "have-local-offer", "have-remote-offer", "closed"]
MediaKind = Literal["audio", "video"]
Statistics = dict[str, dict[str, Any]]
"""By id, each with `id`, `type` and `timestamp` (ms since 1970) and whatever of its type the engine knows, under the
names of W3C's Identifiers for WebRTC's Statistics API."""


@dataclass(frozen=True)
class IceServer:
    """W3C's `RTCIceServer`: `urls` are `stun:`, `turn:` or `turns:`; those of TURN need both other values."""

    urls: tuple[str, ...]
    username: str = ""
    credential: str = field(default="", repr=False)


@dataclass(frozen=True)
class IceConfiguration:
    """`transport_policy` "relay": candidates of TURN servers only, so that the other end learns no address of ours."""

    servers: tuple[IceServer, ...] = ()
    transport_policy: Literal["all", "relay"] = "all"


@dataclass(frozen=True)
class Candidate:
    """W3C's `RTCIceCandidateInit`. An empty `candidate` is the end of those of `username_fragment`."""

    candidate: str
    sdp_mid: str | None = None
    sdp_m_line_index: int | None = None
    username_fragment: str | None = None


def _nothing(*_: object) -> None:
    pass


@dataclass
class ConnectionPort:
    """What a peer connection tells its owner: on the loop's thread, in order, never within a call of the owner's, and
    never after `close`. What a callback raises goes to the loop's exception handler, and harms nothing else.

    - `candidate`: one of ours was found; None: that were all of this gathering. Those found are in
      `local_description` as well.
    - `connection_state_changed`: `connection_state` is another. A failure of DTLS is `failed` too, and then
      `PeerConnection.is_beyond_repair` is true.
    - `negotiation_needed`: an offer would change something; comes when `signaling_state` is stable, and again after a
      negotiation that left something out
    - `track`: the other end sends one. `RemoteTrack.frames` ends when it sends it no more.
    - `track_ended`: it doesn't any more
    - `rerouted`: media and data go another way than before. Where an engine can't tell it never comes:
      `Engine.tells_routes`
    """

    candidate: Callable[[Candidate | None], None] = _nothing
    connection_state_changed: Callable[[ConnectionState], None] = _nothing
    negotiation_needed: Callable[[], None] = _nothing
    track: Callable[[RemoteTrack], None] = _nothing
    track_ended: Callable[[RemoteTrack], None] = _nothing
    rerouted: Callable[[], None] = _nothing


@dataclass
class ChannelPort:
    """What a data channel tells its owner, as `ConnectionPort` does. `buffered_amount_low`: `buffered_amount` has
    fallen to the threshold or below."""

    opened: Callable[[], None] = _nothing
    message: Callable[[bytes], None] = _nothing
    buffered_amount_low: Callable[[], None] = _nothing
    closed: Callable[[], None] = _nothing


class DataChannel(Protocol):
    """A negotiated data channel: the other end makes the same one, and none tells the other of it."""

    @property
    def label(self) -> str: ...
    @property
    def id(self) -> int: ...
    @property
    def ready_state(self) -> Literal["connecting", "open", "closing", "closed"]: ...
    @property
    def buffered_amount(self) -> int:
        """Bytes given to `send` that haven't left yet."""
        ...

    @property
    def max_message_bytes(self) -> int:
        """What the two ends agreed on, or this end's own bound until they have."""
        ...

    def send(self, data: bytes) -> None:
        """Never waits.

        Raises `EngineError`: `channel_closed` if it isn't open, `message_too_large`, `channel_full` (8 MiB or more
        wait).
        """
        ...

    def close(self) -> None: ...


class Sender(Protocol):
    """A place of the session description in which a track of ours is sent, until `stop`."""

    @property
    def track(self) -> LocalTrack | None: ...

    async def replace(self, track: LocalTrack | None) -> None:
        """Sends another track of the same kind in the same place, without negotiation; None: nothing for now."""
        ...

    def stop(self) -> None:
        """Sends nothing here any more; the other end learns of it with the next negotiation."""
        ...


class PeerConnection(Protocol):
    """One connection with one other end. What is asked of it while something else is under way waits for that."""

    @property
    def signaling_state(self) -> SignalingState: ...
    @property
    def connection_state(self) -> ConnectionState: ...
    @property
    def is_beyond_repair(self) -> bool:
        """Whether what failed is DTLS, which no restart of ICE mends."""
        ...

    @property
    def local_description(self) -> str | None:
        """The newest offer or answer of ours, with all candidates found since."""
        ...

    @property
    def remote_description(self) -> str | None: ...

    async def offer(self, *, restart_ice: bool = False) -> str:
        """Makes an offer and sets it: `signaling_state` is `have-local-offer`, and candidates begin to be found.

        Raises `EngineError` `wrong_state` unless `stable`, and `RebuildNeededError` for `restart_ice` where the engine
        can't.
        """
        ...

    async def accept_offer(self, sdp: str) -> str:
        """Sets the other end's offer, an offer of ours being rolled back first, and returns our answer, which is set.

        Raises `RebuildNeededError` where the engine can't roll back (or the other end restarts ICE and the engine can't
        follow), and `EngineError` `description_invalid`, after which all is as it was but for the offer rolled back.
        """
        ...

    async def accept_answer(self, sdp: str) -> None:
        """Raises `EngineError`: `wrong_state` where there is no offer of ours, `description_invalid`."""
        ...

    async def add_candidate(self, candidate: Candidate | None) -> None:
        """One of the other end's; needs its description first. None or an empty one: there will be no more.

        A name of mDNS (`….local`) is resolved where the engine does so, and dropped where it doesn't and where only
        relays are to be used; nothing waits for it. Other names are dropped, and what is more than 256 after one
        description.
        Raises `EngineError`: `candidate_invalid`, `wrong_state`.
        """
        ...

    def restart_ice(self) -> None:
        """The next offer restarts ICE; `negotiation_needed` comes when it can be made (W3C's `restartIce`).

        Raises `RebuildNeededError` where the engine can't.
        """
        ...

    def set_configuration(self, configuration: IceConfiguration) -> None:
        """Uses other ICE servers from the next restart on; where `Engine.can_reconfigure` is false, it has no effect on
        this connection."""
        ...

    def create_data_channel(
        self,
        label: str,
        port: ChannelPort,
        *,
        id: int,  # noqa: A002
        ordered: bool = True,
        max_retransmits: int | None = None,
        low_bytes: int = 0,
    ) -> DataChannel:
        """`id` is agreed beforehand, below 1024; `low_bytes` is the threshold of `ChannelPort.buffered_amount_low`.

        Where `Engine.has_lossy_channels` is false, `ordered` and `max_retransmits` are wishes.
        """
        ...

    def add_track(self, track: LocalTrack, stream_id: str) -> Sender:
        """Sends a track from the next negotiation on; `stream_id` is what the other end finds it under: 1 to 64
        letters, digits and `-_.`, else ValueError.

        A place that is used no more is used again, so that the description stays small.
        """
        ...

    def expect(self, kind: MediaKind) -> None:
        """Makes room for one track of the other end's, who answers but doesn't offer: W3C's `recvonly` transceiver."""
        ...

    def set_receiving(self, receives: bool) -> None:
        """Whether the other end's tracks are taken, those to come included. What isn't is negotiated away, so that it
        isn't sent either; its tracks end, and new ones come when it is taken again."""
        ...

    async def get_stats(self) -> Statistics: ...

    async def is_turned(self) -> bool:
        """Whether the path in use goes through a TURN server, of either end."""
        ...

    def close(self) -> None:
        """May be called at any time and often; nothing is called back afterwards. Tracks and channels end with it."""
        ...


class Engine(Protocol):
    """Makes peer connections. One may serve many, and others' too: `close` closes those that are left."""

    name: str
    can_roll_back: bool
    can_restart_ice: bool
    can_reconfigure: bool
    """Whether `set_configuration` works."""
    has_lossy_channels: bool
    """Whether `max_retransmits` and `ordered=False` do what they say."""
    tells_routes: bool
    """Whether `ConnectionPort.rerouted` is called."""

    def create(self, configuration: IceConfiguration, port: ConnectionPort) -> PeerConnection:
        """On the running loop. Raises `EngineError` `configuration_invalid`."""
        ...

    def close(self) -> None: ...
