"""What happens in a room, and what the server tells a session: frozen values, before any dialect writes them.

Every event of a room carries the room's `offset` after it (PROTOCOL.md, "Room events").
"""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from .grants import MEMBER, Permission
from .messages import Access, MediaKind, Signalling, Since

__all__ = [
    "Accepted",
    "DialectName",
    "Entry",
    "Event",
    "Forwarded",
    "KnockEnded",
    "Knocked",
    "Left",
    "LeftReason",
    "Member",
    "MemberJoined",
    "MemberUpdated",
    "MuteRequested",
    "Notice",
    "RoomUpdated",
    "Said",
    "Waits",
]

DialectName = Literal["lesson", "sheetbend.v1"]
LeftReason = Literal["leave", "disconnect", "removed", "expired"]


class Member(Struct, frozen=True, gc=False):
    """A session in a room, as the others see it. `attributes` is a canonical JSON object."""

    user_id: str
    dialect: DialectName
    name: str = ""
    attributes: bytes = b"{}"
    can: frozenset[Permission] = MEMBER
    muted: bool = False
    subject: str | None = None
    key: str | None = None
    """Its public key, as it gave it: what seals its links."""


class MemberJoined(Struct, frozen=True, gc=False):
    room_id: str
    offset: int
    member: Member


class Left(Struct, frozen=True, gc=False):
    room_id: str
    offset: int
    user_id: str
    reason: LeftReason
    ref: str | None = None


class MemberUpdated(Struct, frozen=True, gc=False):
    room_id: str
    offset: int
    member: Member
    ref: str | None = None


class RoomUpdated(Struct, frozen=True, gc=False):
    room_id: str
    offset: int
    access: Access
    ref: str | None = None


class Said(Struct, frozen=True, gc=False):
    """A room message. `to` names its readers; None means every member."""

    room_id: str
    offset: int
    sender: str
    data: Raw
    time: int
    """Milliseconds since the Unix epoch."""
    to: tuple[str, ...] | None = None
    id: str | None = None
    ref: str | None = None


Event = MemberJoined | Left | MemberUpdated | RoomUpdated | Said


class Forwarded(Struct, frozen=True, gc=False):
    """Signalling on its way to another member: the sender's message, stamped by the server."""

    sender: str
    room_id: str
    target: str | None
    """None for everyone else in the room, which only `lesson` can ask for."""
    message: Signalling


class Entry(Struct, frozen=True, gc=False):
    """How a session asked to enter a room."""

    ref: str | None = None
    since: Since | None = None


class Waits(Struct, frozen=True, gc=False):
    """To a newcomer: it is in the lobby."""

    room_id: str
    ref: str | None = None


class Knocked(Struct, frozen=True, gc=False):
    """To moderators: somebody is in the lobby."""

    room_id: str
    member: Member


class KnockEnded(Struct, frozen=True, gc=False):
    """To moderators: and isn't any more."""

    room_id: str
    user_id: str
    ref: str | None = None


class MuteRequested(Struct, frozen=True, gc=False):
    """To a member: a moderator asks it to stop sending media."""

    room_id: str
    sender: str
    media: tuple[MediaKind, ...]


class Accepted(Struct, frozen=True, gc=False):
    """To the sender of a room message: it has its place."""

    room_id: str
    epoch: str
    offset: int
    id: str | None = None
    ref: str | None = None


Notice = Waits | Knocked | KnockEnded | MuteRequested | Accepted
"""What concerns some sessions alone and has no place in the room's order."""
