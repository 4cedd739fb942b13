"""A session: what one participant may do, message by message.

    GREETING ──hello──> READY ──bye, end──> CLOSED        (`lesson` starts in READY)

`receive` answers with effects, and the caller owes each of them, in order. What the broker answers comes back through
`entered` and `left`. Leaves to others: text (`dialects`), the order of events (`room`), delivery (`server.hub`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from ..errors import RefusedError
from .close_codes import CloseCode
from .effects import (
    Close,
    Effect,
    EnterRoom,
    LeaveRoom,
    Refuse,
    Say,
    UpdateMember,
    Welcome,
)
from .events import DialectName, Forwarded, LeftReason
from .limits import Limits
from .messages import (
    Answer,
    Bye,
    Hello,
    IceCandidate,
    Join,
    Leave,
    Message,
    Offer,
    RoomMessage,
    Signalling,
    Update,
)
from .room import Room

__all__ = ["FEATURES", "Session", "State", "handled_messages"]

FEATURES: frozenset[str] = frozenset()
"""The optional features of the protocol that this server has."""

Effects = tuple[Effect, ...]


class State(Enum):
    GREETING = auto()
    READY = auto()
    CLOSED = auto()


class Session:
    """One participant. `user_id` is 32 hexadecimal digits, unique, and hard to guess."""

    __slots__ = ("_handlers", "_hello_deadline", "_limits", "_state", "dialect", "rooms", "user_id")

    def __init__(self, user_id: str, dialect: DialectName, limits: Limits, now: float) -> None:
        self.user_id = user_id
        self.dialect = dialect
        self.rooms: dict[str, Room] = {}
        """The rooms it is in, by id. A view: the broker changes them."""
        self._limits = limits
        self._enter(State.READY if dialect == "lesson" else State.GREETING)
        self._hello_deadline = now + limits.hello_timeout_s

    @property
    def state(self) -> State:
        return self._state

    def receive(self, message: Message, ref: str | None = None) -> Effects:
        """Return what `message` brings about; a refusal is an effect too."""
        try:
            return self._handlers[type(message)](self, message, ref)
        except RefusedError as error:
            error.ref = ref
            return (Refuse(error),)

    def next_deadline(self) -> float | None:
        """When to call `expire`, on the clock that `now` came from; None if never."""
        return self._hello_deadline if self._state is State.GREETING else None

    def expire(self, now: float) -> Effects:
        """Close a connection that never greeted."""
        if self._state is State.GREETING and now >= self._hello_deadline:
            self._enter(State.CLOSED)
            return (Close(CloseCode.HELLO_TIMEOUT, "no hello came in time"),)
        return ()

    def entered(self, room: Room) -> None:
        """The broker let it in."""
        self.rooms[room.id] = room

    def left(self, room_id: str) -> None:
        """The broker let it out."""
        self.rooms.pop(room_id, None)

    def end(self, reason: LeftReason = "disconnect") -> Effects:
        """Leave every room; the connection is gone."""
        self._enter(State.CLOSED)
        return tuple(LeaveRoom(room_id, reason, None) for room_id in self.rooms)

    def _enter(self, state: State) -> None:
        self._state = state
        self._handlers = _TABLE[state]

    def _hello(self, message: Hello, ref: str | None) -> Effects:
        self._enter(State.READY)
        return (Welcome(tuple(name for name in message.features if name in FEATURES), ref),)

    def _join(self, message: Join, ref: str | None) -> Effects:
        if message.room_id in self.rooms:
            raise RefusedError("already_in_room", "You are in this room already.")
        if len(self.rooms) >= self._limits.rooms_per_session_max:
            raise RefusedError(
                "too_many_rooms", f"You are in {self._limits.rooms_per_session_max} rooms: leave one first."
            )
        return (EnterRoom(message.room_id, message.name, bytes(message.attributes), ref),)

    def _leave(self, message: Leave, ref: str | None) -> Effects:
        return (LeaveRoom(self._room(message.room_id).id, "leave", ref),)

    def _update(self, message: Update, ref: str | None) -> Effects:
        attributes = bytes(message.attributes) or None
        return (UpdateMember(self._room(message.room_id).id, message.name, attributes, ref),)

    def _say(self, message: RoomMessage, ref: str | None) -> Effects:
        return (Say(self._room(message.room_id).id, message.data, message.to, ref),)

    def _signal(self, message: Signalling, ref: str | None) -> Effects:
        target = message.target
        if target is None:
            room = self._only_room() if message.room_id is None else self._room(message.room_id)
            return (Forwarded(self.user_id, room.id, None, message),)
        if target == self.user_id:
            raise RefusedError("target_is_self", "The target is you: name another member.")
        named = None if message.room_id is None else self.rooms.get(message.room_id)
        shared = named if named and target in named.members else self._room_shared_with(target, message.room_id)
        return (Forwarded(self.user_id, shared.id, target, message),)

    def _bye(self, message: Bye, ref: str | None) -> Effects:
        return (*self.end("leave"), Close(CloseCode.NORMAL, "bye"))

    def _room(self, room_id: str) -> Room:
        room = self.rooms.get(room_id)
        if room is None:
            raise RefusedError("not_in_room", "You are not in this room: join it first.")
        return room

    def _only_room(self) -> Room:
        if len(self.rooms) != 1:
            raise RefusedError("room_required", f"You are in {len(self.rooms)} rooms: give a target or a roomId.")
        return next(iter(self.rooms.values()))

    def _room_shared_with(self, target: str, room_id: str | None) -> Room:
        candidates = self.rooms.values() if room_id is None else (self._room(room_id),)
        for room in candidates:
            if target in room.members:
                return room
        raise RefusedError("target_not_found", "Nobody with this id shares the room with you.")

    def _refuse_before_hello(self, message: Message, ref: str | None) -> Effects:
        raise RefusedError("hello_required", "The first message must be hello.")

    def _refuse_second_hello(self, message: Hello, ref: str | None) -> Effects:
        raise RefusedError("unexpected_hello", "This session is open already.")

    def _ignore(self, message: Message, ref: str | None) -> Effects:
        return ()


_Handler = Callable[[Session, Any, str | None], Effects]

_READY: dict[type[Message], _Handler] = {
    Hello: Session._refuse_second_hello,
    Join: Session._join,
    Leave: Session._leave,
    Update: Session._update,
    RoomMessage: Session._say,
    Offer: Session._signal,
    Answer: Session._signal,
    IceCandidate: Session._signal,
    Bye: Session._bye,
}

_TABLE: dict[State, dict[type[Message], _Handler]] = {
    State.GREETING: {**dict.fromkeys(_READY, Session._refuse_before_hello), Hello: Session._hello},
    State.READY: _READY,
    State.CLOSED: dict.fromkeys(_READY, Session._ignore),
}


def handled_messages(state: State) -> set[type[Message]]:
    """The message types that have an answer in `state`: all of them, which a test checks."""
    return set(_TABLE[state])
