"""What a session wants done after a message: the caller does every effect, in order."""

from __future__ import annotations

from msgspec import Raw, Struct

from ..errors import RefusedError
from .events import Forwarded, LeftReason

__all__ = ["Close", "Effect", "EnterRoom", "LeaveRoom", "Refuse", "Say", "UpdateMember", "Welcome"]


class Welcome(Struct, frozen=True):
    """Tell the client that its session is open."""

    features: tuple[str, ...]
    ref: str | None


class Refuse(Struct, frozen=True):
    """Tell the client what was not done."""

    error: RefusedError


class EnterRoom(Struct, frozen=True):
    room_id: str
    name: str
    attributes: bytes
    ref: str | None


class LeaveRoom(Struct, frozen=True):
    room_id: str
    reason: LeftReason
    ref: str | None


class UpdateMember(Struct, frozen=True):
    room_id: str
    name: str | None
    attributes: bytes | None
    ref: str | None


class Say(Struct, frozen=True):
    room_id: str
    data: Raw
    to: tuple[str, ...] | None
    ref: str | None


class Close(Struct, frozen=True):
    """End the connection with this WebSocket close code."""

    code: int
    reason: str


Effect = Welcome | Refuse | EnterRoom | LeaveRoom | UpdateMember | Say | Forwarded | Close
"""`Forwarded` is to be brought to its target, or without one to everyone else in its room."""
