"""A room: who is in it, who may enter, and the one order of its events.

    open ──set-access──> lobby, locked ──set-access──> open
                           ├── nobody is left who could open it ──> open
                           └── the last member leaves ──> over

Promises: every event takes the next offset; a verb either raises RefusedError and has changed nothing, or answers with
what happens. The caller takes one outcome after the other, to the last: the room is as each says only until the next
is asked for. Where `elects` is true a room always has a moderator while somebody is in it who can be one. Leaves to
others: delivery (`server.hub`), when to forget an empty room (`brokers`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ..errors import RefusedError
from .effects import Moderation
from .events import (
    Accepted,
    Entry,
    Event,
    Knocked,
    KnockEnded,
    Left,
    LeftReason,
    Member,
    MemberJoined,
    MemberUpdated,
    MuteRequested,
    Notice,
    RoomUpdated,
    Said,
    Waits,
)
from .grants import Permission
from .history import Budget, History
from .limits import Limits
from .messages import Access, Admit, Mute, Reject, Remove, SetAccess

__all__ = ["Entered", "LeftLobby", "NotAdmitted", "Outcome", "Room", "Told"]

_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


class Entered(Struct, frozen=True):
    """Somebody is in. Comes before the event of it."""

    user_id: str
    entry: Entry


class LeftLobby(Struct, frozen=True):
    """Somebody doesn't wait any longer."""

    user_id: str


class NotAdmitted(Struct, frozen=True):
    """Somebody waited in vain."""

    user_id: str
    ref: str | None


class Told(Struct, frozen=True):
    """A notice for some."""

    user_ids: tuple[str, ...]
    notice: Notice


Outcome = Event | Entered | LeftLobby | NotAdmitted | Told
"""What a verb brought about, to be reported in order."""


class _Waiting(Struct, frozen=True):
    member: Member
    entry: Entry


class Room:
    """The life of one room, from its first member on."""

    __slots__ = (
        "_attributes_bytes",
        "_bans",
        "_elects",
        "_ids",
        "_limits",
        "_muted",
        "access",
        "epoch",
        "history",
        "id",
        "members",
        "moderators",
        "offset",
        "waiting",
    )

    def __init__(self, room_id: str, epoch: str, limits: Limits, budget: Budget, *, elects: bool) -> None:
        self.id = room_id
        self.epoch = epoch
        """A random string that no other life of a room of this name has."""
        self.offset = 0
        self.access: Access = "open"
        self.members: dict[str, Member] = {}
        """By user id, in order of entering."""
        self.moderators: dict[str, None] = {}
        """The user ids of those members who may moderate."""
        self.waiting: dict[str, _Waiting] = {}
        """The lobby, in order of coming."""
        self.history = History(limits, budget)
        self._limits = limits
        self._elects = elects
        self._attributes_bytes = 0
        self._ids: dict[str, dict[str, int]] = {}
        """The offsets of each member's latest messages, by the ids that it chose."""
        self._muted: dict[str, None] = {}
        self._bans: dict[str, None] = {}

    # Members.

    def enter(self, member: Member, entry: Entry) -> list[Outcome]:
        if member.user_id in self.members or member.user_id in self.waiting:
            raise RefusedError("already_in_room", "You are in this room already.")
        if any(name in self._bans for name in _names(member)):
            raise RefusedError("banned", "A moderator has removed you from this room.")
        if self.access == "open" or "moderate" in member.can:
            return self._let_in(member, entry)
        if self.access == "locked" or member.dialect == "lesson":
            raise RefusedError("room_locked", "The room takes no newcomers now.")
        if len(self.waiting) >= self._limits.waiting_per_room_max:
            raise RefusedError("room_full", f"{self._limits.waiting_per_room_max} wait in the lobby already.")
        self.waiting[member.user_id] = _Waiting(member, entry)
        return [
            Told((member.user_id,), Waits(self.id, entry.ref)),
            Told(tuple(self.moderators), Knocked(self.id, member)),
        ]

    def leave(self, user_id: str, reason: LeftReason, ref: str | None = None) -> Iterable[Outcome]:
        if self.waiting.pop(user_id, None) is not None:
            return [LeftLobby(user_id), Told((user_id, *self.moderators), KnockEnded(self.id, user_id, ref))]
        return self._let_out(self._require(user_id), reason, ref)

    def update(
        self,
        user_id: str,
        name: str | None,
        attributes: bytes | None,
        can: frozenset[Permission] | None,
        ref: str | None,
    ) -> Iterable[Outcome]:
        """Replace the name and the rights, merge the attributes key by key; a value of null removes its key.

        Somebody in the lobby can only be given other rights, of which nobody is told.
        """
        if can is not None and (waiting := self.waiting.get(user_id)) is not None:
            member = replace(waiting.member, name=waiting.member.name if name is None else name, can=can)
            self.waiting[user_id] = _Waiting(member, waiting.entry)
            return []
        before = self._require(user_id)
        merged = before.attributes if attributes is None else self._merge(before.attributes, attributes)
        self._count_attributes(len(merged) - len(before.attributes))
        changed = replace(
            before,
            name=before.name if name is None else name,
            attributes=merged,
            can=before.can if can is None else can,
        )
        return chain([self._change(changed, ref)], self._elect())

    # Messages.

    def say(
        self,
        sender: str,
        data: Raw,
        to: tuple[str, ...] | None,
        message_id: str | None,
        ref: str | None,
        now: float,
        time: int,
    ) -> tuple[Said | None, Accepted]:
        """Give a message its place; no event if the sender has said it before. `time` is in ms since the epoch."""
        member = self._require(sender)
        if message_id is not None and (offset := self._ids.get(sender, {}).get(message_id)) is not None:
            return None, Accepted(self.id, self.epoch, offset, message_id, ref)
        if "message" not in member.can:
            raise RefusedError("not_allowed", "You may not send room messages.")
        if member.muted:
            raise RefusedError("muted", "A moderator has muted you.")
        missing = [user_id for user_id in to or () if user_id not in self.members]
        if missing:
            raise RefusedError("target_not_found", f"Not in this room: {', '.join(missing)}.")
        said = Said(self.id, self._next_offset(), sender, data, time, to, message_id, ref)
        if message_id is not None:
            self._note_id(sender, message_id, said.offset)
        if to is None:
            self.history.remember(said, member.name, now)
        return said, Accepted(self.id, self.epoch, said.offset, message_id, ref)

    # Moderation.

    def moderate(self, user_id: str, verb: Moderation, ref: str | None) -> Iterable[Outcome]:
        if "moderate" not in self._require(user_id).can:
            raise RefusedError("not_allowed", "You may not moderate this room.")
        match verb:
            case SetAccess():
                return self._set_access(verb.access, ref)
            case Admit():
                waiting = self._take_waiting(verb.user_id)
                return [
                    *self._let_in_waiting(waiting),
                    Told(tuple(self.moderators), KnockEnded(self.id, verb.user_id, ref)),
                ]
            case Reject():
                waiting = self._take_waiting(verb.user_id)
                return [
                    NotAdmitted(verb.user_id, waiting.entry.ref),
                    Told(tuple(self.moderators), KnockEnded(self.id, verb.user_id, ref)),
                ]
            case Mute():
                return self._mute(user_id, self._target(verb.user_id), verb, ref)
            case Remove():
                return self._remove(self._target(verb.user_id), ref)

    def _set_access(self, access: Access, ref: str | None = None) -> Iterator[Outcome]:
        self.access = access
        yield RoomUpdated(self.id, self._next_offset(), access, ref)
        while access == "open" and self.waiting:
            waiting = self.waiting.pop(next(iter(self.waiting)))
            told = tuple(self.moderators)  # without the newcomer, who may become one
            yield from self._let_in_waiting(waiting)
            yield Told(told, KnockEnded(self.id, waiting.member.user_id))

    def _mute(self, sender: str, target: Member, verb: Mute, ref: str | None) -> Iterator[Outcome]:
        members = self._alike(target, self.members.values())
        if verb.messages is not None:
            names = _names(target)
            for name in names:
                self._muted.pop(name, None)
            if verb.messages:
                self._remember(names, self._muted)
            for member in members:
                yield self._change(replace(member, muted=verb.messages), ref)
        if verb.media:
            yield Told(tuple(member.user_id for member in members), MuteRequested(self.id, sender, verb.media))

    def _remove(self, target: Member, ref: str | None) -> Iterator[Outcome]:
        self._remember(_names(target), self._bans)
        for waiter in self._alike(target, [waiting.member for waiting in self.waiting.values()]):
            yield NotAdmitted(waiter.user_id, self.waiting.pop(waiter.user_id).entry.ref)
            yield Told(tuple(self.moderators), KnockEnded(self.id, waiter.user_id, ref))
        for member in self._alike(target, self.members.values()):
            yield from self._let_out(member, "removed", ref)

    def _alike(self, target: Member, members: Iterable[Member]) -> list[Member]:
        """The sessions of whom `target` is one: those with the same subject."""
        subject = target.subject
        return [each for each in members if each is target or (subject is not None and each.subject == subject)]

    def _remember(self, names: Iterable[str], among: dict[str, None]) -> None:
        among.update(dict.fromkeys(names))
        while len(among) > self._limits.bans_per_room_max:
            del among[next(iter(among))]

    def _target(self, user_id: str) -> Member:
        member = self.members.get(user_id)
        if member is None:
            raise RefusedError("target_not_found", "Nobody with this id is in the room.")
        return member

    def _take_waiting(self, user_id: str) -> _Waiting:
        waiting = self.waiting.pop(user_id, None)
        if waiting is None:
            raise RefusedError("not_waiting", "Nobody with this id is in the lobby.")
        return waiting

    def _let_in_waiting(self, waiting: _Waiting) -> list[Outcome]:
        try:
            return self._let_in(waiting.member, waiting.entry)
        except RefusedError:
            return [NotAdmitted(waiting.member.user_id, waiting.entry.ref)]

    # The parts.

    def _let_in(self, member: Member, entry: Entry) -> list[Outcome]:
        if len(self.members) >= self._limits.members_per_room_max:
            raise RefusedError("room_full", f"The room has its {self._limits.members_per_room_max} members.")
        self._count_attributes(len(member.attributes))
        if any(name in self._muted for name in _names(member)):
            member = replace(member, muted=True)
        if self._elects and member.dialect != "lesson" and not self.moderators:
            member = replace(member, can=member.can | {"moderate"})
        self._put(member)
        joined = MemberJoined(self.id, self._next_offset(), member)
        return [Entered(member.user_id, entry), joined]

    def _let_out(self, member: Member, reason: LeftReason, ref: str | None) -> Iterator[Outcome]:
        self._attributes_bytes -= len(member.attributes)
        del self.members[member.user_id]
        self.moderators.pop(member.user_id, None)
        self._ids.pop(member.user_id, None)
        yield Left(self.id, self._next_offset(), member.user_id, reason, ref)
        if not self.members and self.access != "open":
            turned_away = list(self.waiting.values())
            self.waiting.clear()
            for waiting in turned_away:
                yield NotAdmitted(waiting.member.user_id, waiting.entry.ref)
        yield from self._elect()

    def _elect(self) -> Iterator[Outcome]:
        """Give a room without a moderator one: whoever has been in it for longest."""
        if not self._elects or self.moderators or not self.members:
            return
        eldest = next((member for member in self.members.values() if member.dialect != "lesson"), None)
        if eldest is not None:
            yield self._change(replace(eldest, can=eldest.can | {"moderate"}), None)
            for waiting in list(self.waiting.values()):
                yield Told((eldest.user_id,), Knocked(self.id, waiting.member))
        elif self.access != "open":  # or those outside would wait for whoever is left, who can let nobody in
            yield from self._set_access("open")

    def _change(self, member: Member, ref: str | None) -> MemberUpdated:
        self._put(member)
        return MemberUpdated(self.id, self._next_offset(), member, ref)

    def _put(self, member: Member) -> None:
        self.members[member.user_id] = member
        if "moderate" in member.can:
            self.moderators[member.user_id] = None
        else:
            self.moderators.pop(member.user_id, None)

    def _note_id(self, sender: str, message_id: str, offset: int) -> None:
        ids = self._ids.setdefault(sender, {})
        ids[message_id] = offset
        if len(ids) > self._limits.message_ids_max:
            del ids[next(iter(ids))]

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


def _names(member: Member) -> Iterable[str]:
    """Under which a ban or a mute is remembered: the session, and whom its token is about."""
    return (member.user_id,) if member.subject is None else (member.user_id, f"subject:{member.subject}")
