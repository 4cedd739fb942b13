"""Rooms in the memory of this process: every answer comes within the call that asked."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Raw

from ..core.events import Event, Forwarded, LeftReason, Member
from ..core.limits import Limits
from ..core.room import Room
from ..errors import RefusedError
from .base import Node

__all__ = ["MemoryBroker"]


class MemoryBroker:
    """Keeps a room from its first member to its last. `new_epoch` returns a fresh random string."""

    def __init__(self, limits: Limits, new_epoch: Callable[[], str]) -> None:
        self._limits = limits
        self._new_epoch = new_epoch
        self._rooms: dict[str, Room] = {}
        self._node: Node

    @property
    def rooms_count(self) -> int:
        return len(self._rooms)

    def attach(self, node: Node) -> None:
        self._node = node

    def enter(self, room_id: str, member: Member, ref: str | None) -> None:
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = Room(room_id, self._new_epoch(), self._limits)
        try:
            event = room.enter(member)
        except RefusedError as error:
            self._refuse(member.user_id, error, ref)
        else:
            self._node.entered(member.user_id, room, ref)
            self._node.happened(room, event)

    def leave(self, room_id: str, user_id: str, reason: LeftReason, ref: str | None) -> None:
        self._change(room_id, user_id, ref, lambda room: room.leave(user_id, reason, ref))
        if room_id in self._rooms and not self._rooms[room_id].members:
            del self._rooms[room_id]

    def update(self, room_id: str, user_id: str, name: str | None, attributes: bytes | None, ref: str | None) -> None:
        self._change(room_id, user_id, ref, lambda room: room.update(user_id, name, attributes, ref))

    def say(self, room_id: str, sender: str, data: Raw, to: tuple[str, ...] | None, ref: str | None) -> None:
        self._change(room_id, sender, ref, lambda room: room.say(sender, data, to, ref))

    def forward(self, forwarded: Forwarded) -> None:
        if forwarded.target is not None:
            self._node.forwarded(forwarded.target, forwarded)
        elif (room := self._rooms.get(forwarded.room_id)) is not None:
            self._node.forwarded_to_room(room, forwarded)

    def _change(self, room_id: str, user_id: str, ref: str | None, verb: Callable[[Room], Event]) -> None:
        try:
            room = self._rooms.get(room_id)
            if room is None:
                raise RefusedError("not_in_room", "You are not in this room.")
            event = verb(room)
        except RefusedError as error:
            self._refuse(user_id, error, ref)
        else:
            self._node.happened(room, event)

    def _refuse(self, user_id: str, error: RefusedError, ref: str | None) -> None:
        error.ref = ref
        self._node.refused(user_id, error)
