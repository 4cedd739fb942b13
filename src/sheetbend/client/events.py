"""What happens in a room, in the order in which it happened: what `async for event in room` gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..core.messages import Access, MediaKind
from ..errors import SheetbendError
from .files import FileOffer
from .member import Attributes, Member, Path, Permission
from .member_stream import MemberStream
from .requests import Request

if TYPE_CHECKING:
    from .engines.tracks import RemoteTrack
    from .pair import MemberConnection

__all__ = [
    "AccessChanged",
    "CloseReason",
    "ConnectionChanged",
    "ErrorOccurred",
    "Event",
    "FileOffered",
    "FormerMember",
    "GapOccurred",
    "History",
    "KnockEnded",
    "KnockReceived",
    "LeftReason",
    "Me",
    "MemberJoined",
    "MemberLeft",
    "MemberUpdated",
    "MessageReceived",
    "MuteRequested",
    "PathChanged",
    "Place",
    "RequestReceived",
    "RoomClosed",
    "RoomMessage",
    "RoomMessageReceived",
    "RoomState",
    "SafetyWordsReady",
    "SelfChanged",
    "StateChanged",
    "StreamOpened",
    "TrackEnded",
    "TrackReceived",
    "WaitingMember",
]

RoomState = Literal["connected", "reconnecting", "closed"]
"""`reconnecting`: the server can't be reached right now; what goes directly to members goes on all the same."""
LeftReason: TypeAlias = str
"""`leave`: said goodbye; `disconnect`: was lost; `removed`: put out by a moderator; `expired`: its token ran out."""


@dataclass(frozen=True)
class Me:
    """You, in a room."""

    user_id: str
    """32 hexadecimal digits, chosen by the server; another after a reconnect that came with `GapOccurred`."""
    name: str
    """As asked for, or as the token prescribes."""
    attributes: Attributes
    can: frozenset[Permission] = frozenset()
    """What you may do."""
    muted: bool = False
    """Whether a moderator has your room messages refused."""
    subject: str | None = None
    """Whom your token is about; None without one."""


@dataclass(frozen=True)
class FormerMember:
    """The sender of a message who wasn't in the room any more when the message came."""

    user_id: str
    name: str
    """What it was called then."""


@dataclass(frozen=True)
class WaitingMember:
    """Somebody in the lobby."""

    user_id: str
    name: str
    attributes: Attributes
    subject: str | None = None


@dataclass(frozen=True)
class Place:
    """The place of something in the room's order. Offsets grow, with gaps; those of different epochs can't be compared:
    a room begins another when it is made anew."""

    offset: int
    epoch: str


@dataclass(frozen=True)
class RoomMessage:
    """Something said in the room, in the room's order."""

    sender: Member | Me | FormerMember
    data: Any
    """Any value of JSON."""
    place: Place
    time: float
    """When the server took it, in seconds since 1970."""
    is_own: bool
    """Whether it was sent from here."""
    to: tuple[Member | Me, ...] | None = None
    """Who it was for, as far as they are known here; None if it was for everybody."""


@dataclass(frozen=True)
class History:
    """The latest messages to everybody from before you came."""

    messages: tuple[RoomMessage, ...] = ()
    complete: bool = False
    """Whether these are all there ever were; a server keeps 200 or so, for a day or so."""


@dataclass(frozen=True)
class CloseReason:
    """How a room ended."""

    code: int
    """WebSocket close code; 1000 after `leave()`."""
    reason: str
    error: SheetbendError | None = None
    """None after `leave()`. Its code is `removed` if a moderator put you out."""


@dataclass(frozen=True)
class MemberJoined:
    """Somebody is there. Comes for those found on arrival too."""

    member: Member


@dataclass(frozen=True)
class MemberLeft:
    """Somebody is gone. Doesn't come when the room closes."""

    member: Member
    reason: LeftReason


@dataclass(frozen=True)
class MemberUpdated:
    """Name, attributes, rights, muted or user id changed."""

    member: Member


@dataclass(frozen=True)
class MessageReceived:
    """Of `Member.send` at the other side: text as text, bytes as bytes."""

    member: Member
    data: str | bytes
    reliable: bool = True


@dataclass(frozen=True)
class RoomMessageReceived:
    """Each message once and in order, whatever the connection did; see `GapOccurred`. Those from before you came are in
    `Room.history`."""

    message: RoomMessage


@dataclass(frozen=True)
class StreamOpened:
    """The member opened a stream. Read it, or `stop` it: unread it makes its writer wait."""

    member: Member
    stream: MemberStream


@dataclass(frozen=True)
class FileOffered:
    """The member wants to send a file: `accept` or `decline` it."""

    member: Member
    offer: FileOffer


@dataclass(frozen=True)
class RequestReceived:
    """The member asks something: `reply` or `refuse`."""

    member: Member
    request: Request


@dataclass(frozen=True)
class PathChanged:
    """What is sent to the member goes another way now; None while it goes none."""

    member: Member
    path: Path | None


@dataclass(frozen=True)
class ConnectionChanged:
    """How the peer connection does; None where there is none."""

    member: Member
    connection: MemberConnection | None


@dataclass(frozen=True)
class SafetyWordsReady:
    """See `Member.safety_words`."""

    member: Member
    words: tuple[int, ...]


@dataclass(frozen=True)
class TrackReceived:
    """The member sends a track, in a stream of this label: `camera`, `screen` or a word of its own."""

    member: Member
    track: RemoteTrack
    label: str = "camera"


@dataclass(frozen=True)
class TrackEnded:
    """And doesn't any more."""

    member: Member
    track: RemoteTrack


@dataclass(frozen=True)
class GapOccurred:
    """The server couldn't be reached for longer than it keeps a session (half a minute or so), or was restarted.

    You are back under a new `user_id`. Shorter losses of connection go by without a word. If `complete`, every message
    to everybody is accounted for: those you missed follow. Else some are lost. Messages to some members only are lost
    either way.
    """

    complete: bool


@dataclass(frozen=True)
class SelfChanged:
    """You changed: name, attributes, rights, muted or user id."""

    me: Me


@dataclass(frozen=True)
class AccessChanged:
    """Who may enter has changed."""

    access: Access


@dataclass(frozen=True)
class KnockReceived:
    """Somebody waits in the lobby. Comes to moderators only."""

    member: WaitingMember


@dataclass(frozen=True)
class KnockEnded:
    """And doesn't any more: was let in, sent away, or gave up."""

    member: WaitingMember


@dataclass(frozen=True)
class MuteRequested:
    """A moderator asks you to stop sending these. Nothing is done about it but what you do."""

    media: tuple[MediaKind, ...]
    moderator: Member


@dataclass(frozen=True)
class StateChanged:
    state: RoomState


@dataclass(frozen=True)
class ErrorOccurred:
    """Something was refused that nobody waits for; with `member`, what came in this member's name isn't sealed as the
    two have agreed: it has another secret, or somebody stands in between."""

    error: SheetbendError
    member: Member | None = None


@dataclass(frozen=True)
class RoomClosed:
    """The room has ended; the last event."""

    reason: CloseReason


Event: TypeAlias = (
    MemberJoined
    | MemberLeft
    | MemberUpdated
    | MessageReceived
    | RoomMessageReceived
    | StreamOpened
    | FileOffered
    | RequestReceived
    | PathChanged
    | ConnectionChanged
    | SafetyWordsReady
    | TrackReceived
    | TrackEnded
    | GapOccurred
    | SelfChanged
    | AccessChanged
    | KnockReceived
    | KnockEnded
    | MuteRequested
    | StateChanged
    | ErrorOccurred
    | RoomClosed
)
