"""Rooms in the memory of this process: every answer comes within the call that asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Raw

from ..core.effects import Moderation
from ..core.events import Entry, Forwarded, LeftReason, Member, Waits
from ..core.grants import Permission
from ..core.history import Budget
from ..core.limits import Limits
from ..core.room import Entered, LeftLobby, NotAdmitted, Outcome, Room, Told
from ..errors import RefusedError
from .base import Node

__all__ = ["MemoryBroker"]

_SWEEP_INTERVAL_S = 60.0
"""How often all histories are looked through for what is too old."""


class MemoryBroker:
    """Keeps a room from its first member until `empty_room_s` after its last.

    `new_epoch` returns a fresh random string, `clock` seconds on a monotonic clock, `time_ms` milliseconds since the
    Unix epoch. Where `elects` is true the rooms choose their own moderators (PROTOCOL.md, "Tokens").
    """

    def __init__(
        self,
        limits: Limits,
        *,
        new_epoch: Callable[[], str],
        clock: Callable[[], float],
        time_ms: Callable[[], int],
        elects: bool = True,
    ) -> None:
        self._limits = limits
        self._new_epoch = new_epoch
        self._clock = clock
        self._time_ms = time_ms
        self._elects = elects
        self._budget = Budget(limits.history_total_bytes_max)
        self._rooms: dict[str, Room] = {}
        self._empty_since: dict[str, float] = {}
        """Rooms that everybody has left, in that order."""
        self._swept_at = clock()
        self._node: Node

    @property
    def rooms_count(self) -> int:
        """How many rooms there are, empty ones included."""
        return len(self._rooms)

    def attach(self, node: Node) -> None:
        self._node = node

    def enter(self, room_id: str, member: Member, entry: Entry) -> None:
        try:
            room = self._rooms.get(room_id) or self._open(room_id)
            outcomes = room.enter(member, entry)
        except RefusedError as error:
            self._refuse(member.user_id, error, entry.ref)
            return
        self._empty_since.pop(room_id, None)
        self._report(room, outcomes)

    def leave(self, room_id: str, user_id: str, reason: LeftReason, ref: str | None) -> None:
        self._change(room_id, user_id, ref, lambda room: room.leave(user_id, reason, ref))

    def update(
        self,
        room_id: str,
        user_id: str,
        name: str | None,
        attributes: bytes | None,
        can: frozenset[Permission] | None,
        ref: str | None,
    ) -> None:
        self._change(room_id, user_id, ref, lambda room: room.update(user_id, name, attributes, can, ref))

    def say(
        self,
        room_id: str,
        sender: str,
        data: Raw,
        to: tuple[str, ...] | None,
        message_id: str | None,
        ref: str | None,
    ) -> None:
        try:
            room = self._require(room_id)
            while self._budget.bytes_left < self._limits.message_bytes_max and self._empty_since:
                self._forget(next(iter(self._empty_since)))  # rather than what living rooms remember
            said, accepted = room.say(sender, data, to, message_id, ref, self._clock(), self._time_ms())
        except RefusedError as error:
            self._refuse(sender, error, ref)
            return
        if said is not None:
            self._node.happened(room, said)
        if message_id is not None or ref is not None:
            self._node.told((sender,), accepted)

    def moderate(self, user_id: str, verb: Moderation, ref: str | None) -> None:
        self._change(verb.room_id, user_id, ref, lambda room: room.moderate(user_id, verb, ref))

    def forward(self, forwarded: Forwarded) -> None:
        if forwarded.target is not None:
            self._node.forwarded(forwarded.target, forwarded)
        elif (room := self._rooms.get(forwarded.room_id)) is not None:
            self._node.forwarded_to_room(room, forwarded)

    def relay(self, target: str, frame: bytearray) -> None:
        self._node.relayed(target, frame)

    def expire(self, now: float) -> None:
        for room_id, since in list(self._empty_since.items()):
            if now - since < self._limits.empty_room_s and len(self._empty_since) <= self._limits.empty_rooms_max:
                break
            self._forget(room_id)
        if now - self._swept_at >= _SWEEP_INTERVAL_S:
            self._swept_at = now
            for room in self._rooms.values():
                room.history.forget_old(now)

    def _open(self, room_id: str) -> Room:
        if len(self._rooms) >= self._limits.rooms_max:
            if not self._empty_since:
                raise RefusedError("server_full", f"The server has its {self._limits.rooms_max} rooms.")
            self._forget(next(iter(self._empty_since)))
        room = Room(room_id, self._new_epoch(), self._limits, self._budget, elects=self._elects)
        self._rooms[room_id] = room
        self._empty_since[room_id] = self._clock()
        return room

    def _require(self, room_id: str) -> Room:
        room = self._rooms.get(room_id)
        if room is None:
            raise RefusedError("not_in_room", "You are not in this room.")
        return room

    def _change(self, room_id: str, user_id: str, ref: str | None, verb: Callable[[Room], Iterable[Outcome]]) -> None:
        try:
            room = self._require(room_id)
            outcomes = verb(room)
        except RefusedError as error:
            self._refuse(user_id, error, ref)
            return
        self._report(room, outcomes)
        if not room.members:
            self._emptied(room)

    def _emptied(self, room: Room) -> None:
        self._empty_since.setdefault(room.id, self._clock())
        if room.access != "open" or len(room.history) == 0:
            self._forget(room.id)

    def _forget(self, room_id: str) -> None:
        self._rooms.pop(room_id).history.forget_all()
        del self._empty_since[room_id]

    def _report(self, room: Room, outcomes: Iterable[Outcome]) -> None:
        node = self._node
        for outcome in outcomes:
            match outcome:
                case Entered():
                    node.entered(outcome.user_id, room, outcome.entry)
                case LeftLobby():
                    node.left_lobby(outcome.user_id, room)
                case NotAdmitted():
                    node.not_admitted(outcome.user_id, room, outcome.ref)
                case Told():
                    if type(outcome.notice) is Waits:
                        node.waits(outcome.user_ids[0], room)
                    node.told(outcome.user_ids, outcome.notice)
                case _:
                    node.happened(room, outcome)

    def _refuse(self, user_id: str, error: RefusedError, ref: str | None) -> None:
        error.ref = ref
        self._node.refused(user_id, error)
