"""What a session wants done after a message: the caller does every effect, in order."""

from __future__ import annotations

from msgspec import Raw, Struct

from ..errors import RefusedError
from .events import Entry, Forwarded, LeftReason
from .grants import Permission
from .messages import Admit, Mute, Reject, Remove, Resume, SetAccess

__all__ = [
    "Close",
    "Effect",
    "EnterRoom",
    "Greet",
    "LeaveRoom",
    "Moderate",
    "Moderation",
    "Pong",
    "Refuse",
    "Renew",
    "Say",
    "UpdateMember",
]

Moderation = SetAccess | Admit | Reject | Mute | Remove


class Greet(Struct, frozen=True):
    """Check who this is; then open this session, or go on with the one that `resume` names."""

    features: tuple[str, ...]
    token: str | None
    resume: Resume | None
    relay_only: bool
    """No address of the client's own may be passed on."""
    ref: str | None


class Renew(Struct, frozen=True):
    """Check a fresh token for an open session."""

    token: str
    ref: str | None


class Pong(Struct, frozen=True):
    """Show the client that the server lives."""


class Refuse(Struct, frozen=True):
    """Tell the client what was not done."""

    error: RefusedError


class EnterRoom(Struct, frozen=True):
    room_id: str
    name: str
    attributes: bytes
    key: str | None
    entry: Entry


class LeaveRoom(Struct, frozen=True):
    room_id: str
    reason: LeftReason
    ref: str | None


class UpdateMember(Struct, frozen=True):
    """What is None stays."""

    room_id: str
    name: str | None
    attributes: bytes | None
    can: frozenset[Permission] | None
    ref: str | None


class Say(Struct, frozen=True):
    room_id: str
    data: Raw
    to: tuple[str, ...] | None
    id: str | None
    ref: str | None


class Moderate(Struct, frozen=True):
    """Do what a member asked for, if the room says that it may."""

    verb: Moderation
    ref: str | None


class Close(Struct, frozen=True):
    """End the connection with this WebSocket close code."""

    code: int
    reason: str


Effect = Greet | Renew | Pong | Refuse | EnterRoom | LeaveRoom | UpdateMember | Say | Forwarded | Moderate | Close
"""`Forwarded` is to be brought to its target, or without one to everyone else in its room."""
