"""What a session wants done after a message: the caller does every effect, in order."""

from __future__ import annotations

from msgspec import Raw, Struct

from ..errors import RefusedError
from .events import Forwarded, LeftReason

__all__ = [
    "Broadcast",
    "Close",
    "Effect",
    "EnterRoom",
    "Forward",
    "LeaveRoom",
    "Refuse",
    "Say",
    "UpdateMember",
    "Welcome",
]


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


class Forward(Struct, frozen=True, gc=False):
    """Hand signalling to the member `target`."""

    target: str
    forwarded: Forwarded


class Broadcast(Struct, frozen=True, gc=False):
    """Hand signalling to everyone else in its room (`lesson` without a target)."""

    forwarded: Forwarded


class Close(Struct, frozen=True):
    """End the connection with this WebSocket close code."""

    code: int
    reason: str


Effect = Welcome | Refuse | EnterRoom | LeaveRoom | UpdateMember | Say | Forward | Broadcast | Close
