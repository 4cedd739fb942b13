"""What a session may do, and where: by its token, or by the server's default where none is asked for."""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import Struct

__all__ = ["EVERYTHING", "MEMBER", "Grants", "Permission"]

Permission = Literal["publish", "subscribe", "message", "moderate"]
"""`publish` and `subscribe` are about media, `message` about room messages, `moderate` about other members."""

MEMBER: frozenset[Permission] = frozenset({"publish", "subscribe", "message"})
EVERYTHING: frozenset[Permission] = frozenset(get_args(Permission))


class Grants(Struct, frozen=True):
    """The rights of one session."""

    can: frozenset[Permission] = MEMBER
    rooms: tuple[str, ...] | None = None
    """Room ids, or prefixes that end in `*`; None for every room."""
    subject: str | None = None
    """Whom the token is about (`sub`); the same for all sessions of one person."""
    name: str | None = None
    """The display name it must have; None if it may choose."""
    expires_at: float | None = None
    """Seconds since the Unix epoch; None for never."""

    def admits_to(self, room_id: str) -> bool:
        if self.rooms is None:
            return True
        return any(room_id.startswith(room[:-1]) if room.endswith("*") else room_id == room for room in self.rooms)
