"""The hub of a node: takes what clients send to their sessions, and what the broker answers to their connections.

Everything here runs in the callback that brought a frame in: decode, session, broker, encode, send. An event is encoded
once a dialect, however many members it goes to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import structlog

from .. import __version__
from ..brokers.base import Broker
from ..core.close_codes import CloseCode
from ..core.dialects import Dialect, LessonDialect, V1Dialect
from ..core.effects import (
    Close,
    Effect,
    EnterRoom,
    LeaveRoom,
    Refuse,
    Say,
    UpdateMember,
    Welcome,
)
from ..core.events import DialectName, Event, Forwarded, Left, Member, MemberJoined, Said
from ..core.limits import Limits
from ..core.room import Room
from ..core.session import Session
from ..core.strict_json import InvalidUtf8Error
from ..errors import RefusedError

__all__ = ["Client", "Hub", "Outbox", "Text", "frame_text"]

SERVER = f"sheetbend/{__version__}"
FRAME_HEADER_ROOM = 14
"""Bytes a WebSocket frame header can take; picows writes it in front of the payload, in place."""
SMALL_BYTES_MAX = 8192

Text = bytes | bytearray
"""A message ready to send: bytes, or past SMALL_BYTES_MAX a bytearray with FRAME_HEADER_ROOM bytes in front.

picows copies small messages into its write buffer; large ones it would hand on beside a pointer into that buffer,
which the next send overwrites, unless they come with room for their header.
"""

log = structlog.get_logger("sheetbend")


def frame_text(payload: bytes) -> Text:
    """Return `payload` in the form that `Outbox.send` takes."""
    return payload if len(payload) <= SMALL_BYTES_MAX else bytearray(FRAME_HEADER_ROOM) + payload


class Outbox(Protocol):
    """The sending side of a connection. None of these raises; after a close they do nothing."""

    def send(self, text: Text) -> None: ...

    def send_many(self, payloads: Sequence[bytes]) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


class Client:
    """A session, the dialect it speaks and the connection it speaks on."""

    __slots__ = ("dialect", "outbox", "session")

    def __init__(self, session: Session, dialect: Dialect, outbox: Outbox) -> None:
        self.session = session
        self.dialect = dialect
        self.outbox = outbox


class Hub:
    """One node. `new_user_id` returns 32 fresh random hexadecimal digits, `clock` seconds on a monotonic clock."""

    def __init__(
        self,
        broker: Broker,
        limits: Limits,
        *,
        new_user_id: Callable[[], str],
        clock: Callable[[], float],
        ice_servers: Sequence[dict[str, Any]] = (),
    ) -> None:
        self._broker = broker
        self._limits = limits
        self._new_user_id = new_user_id
        self._clock = clock
        self._ice_servers = ice_servers
        self._v1 = V1Dialect(limits)
        self._dialects: dict[DialectName, Dialect] = {
            "lesson": LessonDialect(limits),
            "sheetbend.v1": self._v1,
        }
        self.clients: dict[str, Client] = {}
        """By user id: the sessions of this node."""
        broker.attach(self)

    def connect(self, dialect: DialectName, outbox: Outbox) -> Client:
        """Open a session for a new connection."""
        session = Session(self._new_user_id(), dialect, self._limits, self._clock())
        client = self.clients[session.user_id] = Client(session, self._dialects[dialect], outbox)
        log.info("session_opened", user_id=session.user_id, dialect=dialect)
        return client

    def disconnect(self, client: Client) -> None:
        """The connection is gone: its session ends."""
        if self.clients.pop(client.session.user_id, None) is None:
            return
        self._perform(client, client.session.end())
        log.info("session_closed", user_id=client.session.user_id)

    def end(self) -> None:
        """Forget every session without telling anybody: all connections are about to be closed."""
        self.clients.clear()

    def receive(self, client: Client, text: bytes) -> None:
        """Take one text message."""
        try:
            message, ref = client.dialect.decode(text)
        except RefusedError as error:
            self.refuse(client, error)
        except InvalidUtf8Error:
            client.outbox.close(CloseCode.INVALID_TEXT, "a text message was not UTF-8")
        else:
            self._perform(client, client.session.receive(message, ref))

    def refuse(self, client: Client, error: RefusedError) -> None:
        """Tell a client what was not done."""
        log.debug("refused", user_id=client.session.user_id, code=error.code)
        client.outbox.send(frame_text(client.dialect.encode_error(error)))

    def expire(self, client: Client) -> None:
        """Let time pass for a session."""
        self._perform(client, client.session.expire(self._clock()))

    # What the broker calls back.

    def entered(self, user_id: str, room: Room, ref: str | None) -> None:
        client = self.clients.get(user_id)
        if client is None:
            return
        client.session.entered(room)
        client.outbox.send_many(client.dialect.encode_roster(room, user_id, ref))
        if len(room.members) == 1:
            log.info("room_opened", room_id=room.id)
        log.debug("member_joined", user_id=user_id, room_id=room.id)

    def refused(self, user_id: str, error: RefusedError) -> None:
        client = self.clients.get(user_id)
        if client is not None:
            self.refuse(client, error)

    def happened(self, room: Room, event: Event) -> None:
        match event:
            case MemberJoined():
                self._deliver(room.members, lambda d: d.encode_event(event), without=event.member.user_id)
            case Left():
                self._left(room, event)
            case Said() if event.to is not None:
                self._deliver({*event.to, event.sender}, lambda d: d.encode_event(event))
            case _:
                self._deliver(room.members, lambda d: d.encode_event(event))

    def forwarded(self, target: str, forwarded: Forwarded) -> None:
        client = self.clients.get(target)
        if client is not None:
            payload = client.dialect.encode_forwarded(forwarded)
            client.outbox.send(payload if len(payload) <= SMALL_BYTES_MAX else frame_text(payload))

    def forwarded_to_room(self, room: Room, forwarded: Forwarded) -> None:
        self._deliver(room.members, lambda dialect: dialect.encode_forwarded(forwarded), forwarded.sender)

    def _left(self, room: Room, event: Left) -> None:
        readers: list[str] = list(room.members)
        client = self.clients.get(event.user_id)
        if client is not None:
            client.session.left(room.id)
            if client.session.dialect != "lesson":
                readers.append(event.user_id)
        self._deliver(readers, lambda d: d.encode_event(event))
        if not room.members:
            log.info("room_closed", room_id=room.id)

    def _deliver(
        self, user_ids: Iterable[str], encode: Callable[[Dialect], bytes | None], without: str | None = None
    ) -> None:
        """Send to those of `user_ids` that are of this node; `encode` is called once a dialect."""
        texts: dict[Dialect, Text | None] = {}
        clients = self.clients
        for user_id in user_ids:
            client = clients.get(user_id)
            if client is None or user_id == without:
                continue
            dialect = client.dialect
            if dialect in texts:
                text = texts[dialect]
            else:
                payload = encode(dialect)
                text = texts[dialect] = None if payload is None else frame_text(payload)
            if text is not None:
                client.outbox.send(text)

    def _perform(self, client: Client, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if type(effect) is Forwarded:  # nearly always
                self._broker.forward(effect)
                continue
            user_id = client.session.user_id
            match effect:
                case Say():
                    self._broker.say(effect.room_id, user_id, effect.data, effect.to, effect.ref)
                case Refuse():
                    self.refuse(client, effect.error)
                case EnterRoom():
                    member = Member(user_id, client.session.dialect, effect.name, effect.attributes)
                    self._broker.enter(effect.room_id, member, effect.ref)
                case UpdateMember():
                    self._broker.update(effect.room_id, user_id, effect.name, effect.attributes, effect.ref)
                case LeaveRoom():
                    self._broker.leave(effect.room_id, user_id, effect.reason, effect.ref)
                case Welcome():
                    self._welcome(client, effect)
                case Close():
                    client.outbox.close(effect.code, effect.reason)

    def _welcome(self, client: Client, effect: Welcome) -> None:
        text = self._v1.encode_welcome(client.session.user_id, SERVER, effect.features, self._ice_servers, effect.ref)
        client.outbox.send(frame_text(text))
