"""A session: what one participant may do, message by message, over as many connections as it takes.

    GREETING ──open──> READY ──bye, end──> CLOSED        (`lesson` starts in READY)

`receive` answers with effects, and the caller owes each of them, in order. What the broker answers comes back through
`entered` and `left`. Leaves to others: text (`dialects`), the order of events and who moderates (`room`), who somebody
is and delivery (`server.hub`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from hmac import compare_digest
from typing import Any

from ..errors import RefusedError
from .addresses import tells_address
from .close_codes import CloseCode
from .effects import (
    Close,
    Effect,
    EnterRoom,
    Greet,
    LeaveRoom,
    Moderate,
    Moderation,
    Pong,
    Refuse,
    Renew,
    Say,
    UpdateMember,
)
from .events import DialectName, Entry, Forwarded, LeftReason
from .grants import Grants, Permission
from .limits import Limits
from .messages import (
    Ack,
    Admit,
    Answer,
    Authorize,
    Bye,
    Hello,
    IceCandidate,
    Join,
    Leave,
    Message,
    Mute,
    Offer,
    Ping,
    Reject,
    Remove,
    RoomMessage,
    SetAccess,
    Signalling,
    Update,
)
from .rate_limits import TokenBucket
from .relay import HEADER_BYTES, KIND_KEPT, KIND_LOSSY, MEMBER_AT, ROOM_AT, room_tag
from .room import Room
from .stream import Stream

__all__ = ["FEATURES", "RIGHTS", "Session", "State", "handled_messages"]

FEATURES: frozenset[str] = frozenset({"relay"})
"""The optional features of the protocol that this server has."""

RIGHTS: dict[type[Message], frozenset[Permission]] = {
    Hello: frozenset(),
    Authorize: frozenset(),
    Join: frozenset(),  # the token's rooms are checked instead
    Leave: frozenset(),
    Update: frozenset(),
    RoomMessage: frozenset({"message"}),
    Offer: frozenset({"publish", "subscribe"}),
    Answer: frozenset({"publish", "subscribe"}),
    IceCandidate: frozenset({"publish", "subscribe"}),
    SetAccess: frozenset({"moderate"}),
    Admit: frozenset({"moderate"}),
    Reject: frozenset({"moderate"}),
    Mute: frozenset({"moderate"}),
    Remove: frozenset({"moderate"}),
    Ack: frozenset(),
    Ping: frozenset(),
    Bye: frozenset(),
}
"""The rights of which a sender needs one. Those over a room's messages and other members are checked by `room`, where
they may also come from the room itself."""

Effects = tuple[Effect, ...]


class State(Enum):
    GREETING = auto()
    READY = auto()
    CLOSED = auto()


class Session:
    """One participant. `user_id` is 32 hexadecimal digits, unique, and hard to guess."""

    __slots__ = (
        "_awaits_proof",
        "_handlers",
        "_hello_deadline",
        "_limits",
        "_may_signal",
        "_rooms_by_tag",
        "_state",
        "_tokens",
        "bytes_left",
        "dialect",
        "features",
        "grants",
        "is_relay_only",
        "joins_left",
        "messages_left",
        "rooms",
        "stream",
        "user_id",
    )

    def __init__(self, user_id: str, dialect: DialectName, limits: Limits, now: float) -> None:
        self.user_id = user_id
        self.dialect = dialect
        self.rooms: dict[str, Room] = {}
        """The rooms it is in, by id. A view: the broker changes them."""
        self.stream: Stream = Stream(limits.resume_messages_max, limits.resume_bytes_max)
        """Its messages both ways; `lesson` only counts what came."""
        self._rooms_by_tag: dict[bytes, Room] | None = None
        """Made when it is needed."""
        self.features: tuple[str, ...] = ()
        """What the client and the server both know besides."""
        self.grants = Grants()
        self.is_relay_only = False
        """Whether signalling that tells an address of its own is refused."""
        self.messages_left = TokenBucket(limits.message_rate, now)
        self.bytes_left = TokenBucket(limits.byte_rate, now)
        self.joins_left = TokenBucket(limits.join_rate, now)
        self._limits = limits
        self._may_signal = True
        self._tokens: tuple[str, ...] = ()
        """The resume tokens that are good now, the newest last."""
        self._awaits_proof = False
        self._enter(State.READY if dialect == "lesson" else State.GREETING)
        self._hello_deadline = now + limits.hello_timeout_s

    @property
    def state(self) -> State:
        return self._state

    def receive(self, message: Message, ref: str | None = None) -> Effects:
        """Return what `message` brings about; a refusal is an effect too. Counts it."""
        self.stream.received += 1
        if self._awaits_proof:
            self._confirm()
        try:
            return self._handlers[type(message)](self, message, ref)
        except RefusedError as error:
            error.ref = ref
            return (Refuse(error),)

    def refuse(self, error: RefusedError) -> None:
        """Count a message that could not be read or was too much."""
        if self._awaits_proof:
            self._confirm()
        if error.is_counted:
            self.stream.received += 1

    def open(self, grants: Grants, resume_token: str) -> None:
        """The hello was good: be ready, counts at zero."""
        self._enter(State.READY)
        self.stream = Stream(self._limits.resume_messages_max, self._limits.resume_bytes_max)
        self.authorize(grants)
        self._tokens = (resume_token,)

    def authorize(self, grants: Grants) -> Effects:
        """Take new rights, and let the rooms know where they differ."""
        before, self.grants = self.grants, grants
        self._may_signal = not RIGHTS[Offer].isdisjoint(grants.can)
        if (before.can, before.name) == (grants.can, grants.name):
            return ()
        return tuple(UpdateMember(room_id, grants.name, None, grants.can, None) for room_id in self.rooms)

    def covers(self, grants: Grants) -> bool:
        """Whether a token with `grants` is good for this session."""
        return grants.subject == self.grants.subject and all(map(grants.admits_to, self.rooms))

    def is_resumed_by(self, token: str) -> bool:
        """Whether `token` is its own; takes the same time however wrong it is."""
        given = token.encode()
        return sum(compare_digest(given, good.encode()) for good in self._tokens) > 0

    def resume(self, resume_token: str) -> None:
        """Give out the next token. The one before stays good until the client shows that it has this one."""
        self._tokens = (*self._tokens[-1:], resume_token)
        self._awaits_proof = True

    def relays_to(self, header: bytes, size: int) -> str | None:
        """Return whom a relay frame of `size` bytes is for, None if nobody. Raises RefusedError, uncounted."""
        try:
            if "relay" not in self.features:
                raise RefusedError("binary_not_supported", "Binary messages need the feature relay.")
            if len(header) < HEADER_BYTES or header[0] not in (KIND_KEPT, KIND_LOSSY):
                raise RefusedError("invalid_message", "A binary message is a relay frame, with its whole header.")
            if size > (most := self._limits.relay_frame_bytes_max):
                raise RefusedError("message_too_big", f"A relay frame has at most {most} bytes.")
            if self._rooms_by_tag is None:
                self._rooms_by_tag = {room_tag(room_id): room for room_id, room in self.rooms.items()}
            room = self._rooms_by_tag.get(header[ROOM_AT:MEMBER_AT])
            sender = None if room is None else room.members.get(self.user_id)
            if room is None or sender is None:
                return None
            if "message" not in sender.can:
                raise RefusedError("not_allowed", "You may not send messages.")
            if sender.muted:
                raise RefusedError("muted", "A moderator has muted you.")
        except RefusedError as error:
            error.is_counted = False
            raise
        target = header[MEMBER_AT:HEADER_BYTES].hex()
        return target if target in room.members and target != self.user_id else None

    def expire(self, now: float) -> Effects:
        """Close a connection that never greeted."""
        if self._state is State.GREETING and now >= self._hello_deadline:
            self._enter(State.CLOSED)
            return (Close(CloseCode.HELLO_TIMEOUT, "no hello came in time"),)
        return ()

    def entered(self, room: Room) -> None:
        """The broker let it in, or into the lobby."""
        self.rooms[room.id] = room
        self._rooms_by_tag = None

    def left(self, room_id: str) -> None:
        """The broker let it out."""
        self.rooms.pop(room_id, None)
        self._rooms_by_tag = None

    def end(self, reason: LeftReason = "disconnect") -> Effects:
        """Leave every room; nothing more can be done."""
        self._enter(State.CLOSED)
        return tuple(LeaveRoom(room_id, reason, None) for room_id in self.rooms)

    def _confirm(self) -> None:
        """The client has the newest token: it wrote after the welcome with it."""
        self._tokens = self._tokens[-1:]
        self._awaits_proof = False

    def _enter(self, state: State) -> None:
        self._state = state
        self._handlers = _TABLE[state]

    def _hello(self, message: Hello, ref: str | None) -> Effects:
        features = tuple(name for name in message.features or () if name in FEATURES)
        return (Greet(features, message.token, message.resume, bool(message.relay_only), ref),)

    def _renew(self, message: Authorize, ref: str | None) -> Effects:
        return (Renew(message.token, ref),)

    def _join(self, message: Join, ref: str | None) -> Effects:
        if message.room_id in self.rooms:
            raise RefusedError("already_in_room", "You are in this room already.")
        if not self.grants.admits_to(message.room_id):
            raise RefusedError("not_allowed", "Your token is not for this room.")
        if len(self.rooms) >= self._limits.rooms_per_session_max:
            raise RefusedError(
                "too_many_rooms", f"You are in {self._limits.rooms_per_session_max} rooms: leave one first."
            )
        name = (message.name or "") if self.grants.name is None else self.grants.name
        entry = Entry(ref, message.since)
        return (EnterRoom(message.room_id, name, bytes(message.attributes), message.key, entry),)

    def _leave(self, message: Leave, ref: str | None) -> Effects:
        return (LeaveRoom(self._room(message.room_id).id, "leave", ref),)

    def _update(self, message: Update, ref: str | None) -> Effects:
        if message.name not in (None, self.grants.name) and self.grants.name is not None:
            raise RefusedError("not_allowed", "Your token prescribes your name.")
        attributes = bytes(message.attributes) or None
        return (UpdateMember(self._room(message.room_id).id, message.name, attributes, None, ref),)

    def _say(self, message: RoomMessage, ref: str | None) -> Effects:
        return (Say(self._room(message.room_id).id, message.data, message.to, message.id, ref),)

    def _signal(self, message: Signalling, ref: str | None) -> Effects:
        if not self._may_signal:
            raise RefusedError("not_allowed", "You may neither publish nor subscribe.")
        if self.is_relay_only and tells_address(
            message.candidate if isinstance(message, IceCandidate) else message.sdp
        ):
            raise RefusedError("address_not_allowed", "Relay-only: candidates are relayed ones, without raddr.")
        target = message.target
        if target is None:
            room = self._only_room() if message.room_id is None else self._room(message.room_id)
            if self.user_id not in room.members:
                raise RefusedError("not_in_room", "You are in the lobby of this room.")
            return (Forwarded(self.user_id, room.id, None, message),)
        if target == self.user_id:
            raise RefusedError("target_is_self", "The target is you: name another member.")
        room_id = message.room_id
        named = None if room_id is None else self.rooms.get(room_id)
        if named is None or target not in named.members or self.user_id not in named.members:
            named = self._room_shared_with(target, room_id)
        return (Forwarded(self.user_id, named.id, target, message),)

    def _moderate(self, message: Moderation, ref: str | None) -> Effects:
        self._room(message.room_id)
        return (Moderate(message, ref),)

    def _acknowledge(self, message: Ack, ref: str | None) -> Effects:
        self.stream.received -= 1  # not counted
        if not self.stream.acknowledge(message.received):
            raise RefusedError("invalid_ack", f"{message.received} can't be: {self.stream.sent} were sent.")
        return ()

    def _ping(self, message: Ping, ref: str | None) -> Effects:
        self.stream.received -= 1  # not counted
        return (Pong(),)

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
            if target in room.members and self.user_id in room.members:
                return room
        raise RefusedError("target_not_found", "Nobody with this id shares the room with you.")

    def _refuse_before_hello(self, message: Message, ref: str | None) -> Effects:
        raise RefusedError("hello_required", "The first message must be hello.")

    def _refuse_second_hello(self, message: Hello, ref: str | None) -> Effects:
        self.stream.received -= 1  # not counted
        raise RefusedError("unexpected_hello", "This session is open already.")

    def _ignore(self, message: Message, ref: str | None) -> Effects:
        return ()


_Handler = Callable[[Session, Any, str | None], Effects]

_READY: dict[type[Message], _Handler] = {
    Hello: Session._refuse_second_hello,
    Authorize: Session._renew,
    Join: Session._join,
    Leave: Session._leave,
    Update: Session._update,
    RoomMessage: Session._say,
    Offer: Session._signal,
    Answer: Session._signal,
    IceCandidate: Session._signal,
    SetAccess: Session._moderate,
    Admit: Session._moderate,
    Reject: Session._moderate,
    Mute: Session._moderate,
    Remove: Session._moderate,
    Ack: Session._acknowledge,
    Ping: Session._ping,
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
