"""A room: its members and the one order of its events.

Promises: each change takes the next offset; members stand in order of entering. Leaves to others: who may do what
(`session`), where rooms are kept (`brokers`), who is told (`server.hub`).
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from ..errors import RefusedError
from .events import Left, LeftReason, Member, MemberJoined, MemberUpdated, Said
from .limits import Limits

__all__ = ["Room"]

_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


class Room:
    """One room. Every verb returns the event that members are to see, or raises RefusedError and changes nothing."""

    __slots__ = ("_attributes_bytes", "_limits", "epoch", "id", "members", "offset")

    def __init__(self, room_id: str, epoch: str, limits: Limits) -> None:
        self.id = room_id
        self.epoch = epoch
        """A random string that no other life of a room of this name has."""
        self.offset = 0
        self.members: dict[str, Member] = {}
        """By user id, in order of entering."""
        self._limits = limits
        self._attributes_bytes = 0

    def enter(self, member: Member) -> MemberJoined:
        if member.user_id in self.members:
            raise RefusedError("already_in_room", "You are in this room already.")
        if len(self.members) >= self._limits.members_per_room_max:
            raise RefusedError("room_full", f"The room has its {self._limits.members_per_room_max} members.")
        self._count_attributes(len(member.attributes))
        self.members[member.user_id] = member
        return MemberJoined(self.id, self._next_offset(), member)

    def leave(self, user_id: str, reason: LeftReason, ref: str | None = None) -> Left:
        self._attributes_bytes -= len(self._require(user_id).attributes)
        del self.members[user_id]
        return Left(self.id, self._next_offset(), user_id, reason, ref)

    def update(self, user_id: str, name: str | None, attributes: bytes | None, ref: str | None) -> MemberUpdated:
        """Replace the name, merge the attributes key by key; a value of null removes its key."""
        before = self._require(user_id)
        merged = before.attributes if attributes is None else self._merge(before.attributes, attributes)
        self._count_attributes(len(merged) - len(before.attributes))
        after = Member(user_id, before.dialect, before.name if name is None else name, merged)
        self.members[user_id] = after
        return MemberUpdated(self.id, self._next_offset(), after, ref)

    def say(self, sender: str, data: Raw, to: tuple[str, ...] | None, ref: str | None) -> Said:
        self._require(sender)
        missing = [user_id for user_id in to or () if user_id not in self.members]
        if missing:
            raise RefusedError("target_not_found", f"Not in this room: {', '.join(missing)}.")
        return Said(self.id, self._next_offset(), sender, data, to, ref)

    def _require(self, user_id: str) -> Member:
        member = self.members.get(user_id)
        if member is None:
            raise RefusedError("not_in_room", "You are not in this room.")
        return member

    def _next_offset(self) -> int:
        self.offset += 1
        return self.offset

    def _count_attributes(self, growth: int) -> None:
        """Keep a roster within what one connection may have waiting."""
        if growth > 0 and self._attributes_bytes + growth > self._limits.room_attributes_bytes_max:
            raise RefusedError(
                "room_full", f"The room's attributes come to {self._limits.room_attributes_bytes_max} bytes already."
            )
        self._attributes_bytes += growth

    def _merge(self, before: bytes, change: bytes) -> bytes:
        changes = _decode_object(change)
        kept = {key: value for key, value in _decode_object(before).items() if key not in changes}
        after = _encode(kept | {key: value for key, value in changes.items() if bytes(value) != b"null"})
        if len(after) > self._limits.attributes_bytes_max:
            raise RefusedError(
                "invalid_attributes",
                f"The attributes come to more than {self._limits.attributes_bytes_max} bytes.",
            )
        return after
