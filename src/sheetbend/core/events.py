"""What happens in a room, and what the server tells a session: frozen values, before any dialect writes them.

Every event of a room carries the room's `offset` after it (PROTOCOL.md, "Room events").
"""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from .messages import Signalling

__all__ = [
    "DialectName",
    "Event",
    "Forwarded",
    "Left",
    "LeftReason",
    "Member",
    "MemberJoined",
    "MemberUpdated",
    "Said",
]

DialectName = Literal["lesson", "sheetbend.v1"]
LeftReason = Literal["leave", "disconnect"]


class Member(Struct, frozen=True, gc=False):
    """A session in a room, as the others see it. `attributes` is a canonical JSON object."""

    user_id: str
    dialect: DialectName
    name: str = ""
    attributes: bytes = b"{}"


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


class Said(Struct, frozen=True, gc=False):
    """A room message. `to` names its readers; None means every member."""

    room_id: str
    offset: int
    sender: str
    data: Raw
    to: tuple[str, ...] | None = None
    ref: str | None = None


Event = MemberJoined | Left | MemberUpdated | Said


class Forwarded(Struct, frozen=True, gc=False):
    """Signalling on its way to another member: the sender's message, stamped by the server."""

    sender: str
    room_id: str
    target: str | None
    """None for everyone else in the room, which only `lesson` can ask for."""
    message: Signalling
