"""The hub of a node: takes what clients send to their sessions, and what the broker answers to their connections.

Everything here runs in the callback that brought a frame in: decode, session, broker, encode, send. An event is encoded
once a dialect, however many members it goes to. Who may have a session is `greeter`'s affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from ..brokers.base import Broker
from ..core.close_codes import CloseCode
from ..core.dialects import Dialect, LessonDialect, V1Dialect
from ..core.effects import (
    Close,
    Effect,
    EnterRoom,
    Greet,
    LeaveRoom,
    Moderate,
    Pong,
    Refuse,
    Renew,
    Say,
    UpdateMember,
)
from ..core.events import DialectName, Entry, Event, Forwarded, Left, LeftReason, Member, MemberJoined, Notice, Said
from ..core.grants import Grants
from ..core.limits import Limits
from ..core.rate_limits import TokenBucket
from ..core.relay import HEADER_BYTES, MEMBER_AT
from ..core.room import Room
from ..core.session import Session, State
from ..core.strict_json import InvalidUtf8Error
from ..errors import RefusedError
from .clients import RELAY_ROOM_BYTES, Address, Client, Outbox, Text
from .greeter import Greeter, Verifier
from .ice_servers import IceServers

__all__ = ["Hub"]

_SMALL_MESSAGE_BYTES = 512
"""Up to here a message counts as one and its bytes don't: `Limits.message_rate` bounds them too."""
_LARGE_MESSAGE_BYTES = 1024
"""From here on each message is a reason to look at how much is kept; smaller ones are looked at once a second. And from
here on it is cheaper to hand the socket a reference than a copy."""
_READERS_PER_TOKEN = 50
"""A room message costs its sender one token of the message rate, and one more for so many readers."""
_ROSTER_COST = 5
"""To write a member into a roster takes as long as so many deliveries."""

log = structlog.get_logger("sheetbend")


class Hub:
    """One node.

    `new_user_id` and `new_secret` return fresh random hexadecimal digits (32 and 64), `clock` seconds on a monotonic
    clock. Without a `verifier` no tokens are asked for.
    """

    def __init__(
        self,
        broker: Broker,
        limits: Limits,
        *,
        new_user_id: Callable[[], str],
        new_secret: Callable[[], str],
        clock: Callable[[], float],
        verifier: Verifier | None = None,
        ice_servers: IceServers | None = None,
        relay_only: bool = False,
    ) -> None:
        """`relay_only`: nobody's own addresses are passed on."""
        self._broker = broker
        self._relay_only = relay_only
        self._limits = limits
        self._new_user_id = new_user_id
        self._clock = clock
        self._v1 = V1Dialect(limits)
        self._dialects: dict[DialectName, Dialect] = {
            "lesson": LessonDialect(limits),
            "sheetbend.v1": self._v1,
        }
        self._pong = self._v1.encode_pong()
        self.clients: dict[str, Client] = {}
        """By user id: the open sessions of this node, those without a connection included."""
        self._is_draining = False
        self._away: dict[str, float] = {}
        """When the sessions without a connection lost theirs, in that order."""
        self._greeter = Greeter(self, limits, self._v1, verifier, new_secret, clock, ice_servers or IceServers())
        broker.attach(self)

    # What connections call.

    def connect(self, dialect: DialectName, outbox: Outbox, address: Address) -> None:
        """Take a new connection: what comes in on it `belongs_to` a client from now on."""
        session = Session(self._new_user_id(), dialect, self._limits, self._clock())
        session.is_relay_only = self._relay_only
        client = Client(session, self._dialects[dialect], outbox, address)
        outbox.belongs_to(client)
        if dialect == "lesson":
            self._greeter.take(client)

    def disconnect(self, client: Client, outbox: Outbox) -> None:
        """`outbox` is closed: the session waits for another connection, or ends."""
        if client.outbox is not outbox:
            return  # the session has gone on over another
        client.outbox = None
        if client.session.user_id not in self.clients:
            client.address.release()
        elif self._is_draining:
            pass  # all reconnect soon, and N members that tell N others would be N² messages when time is short
        elif client.session.dialect == "lesson":
            self.end_session(client, "disconnect")
        else:
            self._away[client.session.user_id] = self._clock()
            client.session.stream.bound()
            log.debug("session_away", user_id=client.session.user_id)

    def receive(self, client: Client, text: bytes) -> None:
        """Take one text message."""
        session = client.session
        bucket = session.messages_left
        bucket.tokens -= 1.0
        if (bucket.tokens < 0 or len(text) > _SMALL_MESSAGE_BYTES) and not self._may_pass(client, text):
            return
        try:
            message, ref = client.dialect.decode(text)
        except RefusedError as error:
            session.refuse(error)
            self.refuse(client, error)
        except InvalidUtf8Error:
            if client.outbox is not None:
                client.outbox.close(CloseCode.INVALID_TEXT, "a text message was not UTF-8")
        else:
            for effect in session.receive(message, ref):
                if type(effect) is Forwarded and effect.target is not None:  # nearly always
                    self._broker.forward(effect)
                else:
                    self._perform(client, effect)

    def receive_relayed(self, client: Client, payload: memoryview) -> None:
        """Take one binary message. `payload` is good for this call only."""
        try:
            target = client.session.relays_to(bytes(payload[:HEADER_BYTES]), len(payload))
        except RefusedError as error:
            self.refuse_unread(client, error)
            return
        if target is not None:
            frame = bytearray(RELAY_ROOM_BYTES)
            frame += payload
            frame[RELAY_ROOM_BYTES + MEMBER_AT : RELAY_ROOM_BYTES + HEADER_BYTES] = bytes.fromhex(
                client.session.user_id
            )
            self._broker.relay(target, frame)

    def refuse_unread(self, client: Client, error: RefusedError) -> None:
        """Answer a text message that was not handed to `receive`, such as one that is too big."""
        client.session.refuse(error)
        self.refuse(client, error)

    def tick(self, client: Client) -> None:
        """Let time pass for a connection: to be called about once a second."""
        session = client.session
        if session.state is State.GREETING:
            for effect in session.expire(self._clock()):
                self._perform(client, effect)
        elif client.dialect is self._v1:
            self._acknowledge(client)
            self._forget_unacknowledged(client)

    # What the server calls.

    def expire(self, now: float) -> None:
        """End the sessions whose time is over, and let the broker do the same: to be called about once a second."""
        for user_id, since in list(self._away.items()):
            if now - since < self._limits.resume_grace_s:
                break
            self.end_session(self.clients[user_id], "disconnect")
        self._greeter.expire(now)
        self._greeter.renew_ice_servers(now)
        self._broker.expire(now)
        self._keep_within_bound()

    def drain(self, within_s: float) -> None:
        """Tell clients that they will have to connect again. No session ends by a lost connection from now on."""
        self._is_draining = True
        text = self._v1.encode_draining(within_s)
        for client in self.clients.values():
            if client.outbox is not None and client.dialect is self._v1:
                client.outbox.send(text)

    def end(self) -> None:
        """Forget every session without telling anybody: the process is about to end."""
        self.clients.clear()
        self._away.clear()

    # What the greeter calls.

    def register(self, client: Client) -> None:
        """The session of `client` is open."""
        self.clients[client.session.user_id] = client
        log.info("session_opened", user_id=client.session.user_id, dialect=client.session.dialect)

    def move(self, client: Client, newcomer: Client) -> None:
        """Go on with the session of `client` over the connection of `newcomer`, whose own session is void."""
        old, outbox = client.outbox, newcomer.outbox
        client.outbox, newcomer.outbox = outbox, None
        client.address.release()
        client.address = newcomer.address
        self._away.pop(client.session.user_id, None)
        if old is not None:
            old.close(CloseCode.SESSION_TAKEN, "the session has gone on over another connection")
        if outbox is not None:
            outbox.belongs_to(client)

    def end_session(self, client: Client, reason: LeftReason) -> None:
        """Leave all rooms and forget the session. The connection, if there is one, is the caller's to close."""
        if self.clients.pop(client.session.user_id, None) is None:
            return
        self._away.pop(client.session.user_id, None)
        for effect in client.session.end(reason):
            self._perform(client, effect)
        client.address.release()
        log.info("session_closed", user_id=client.session.user_id, reason=reason)

    def authorize(self, client: Client, grants: Grants) -> None:
        """Give a session new rights, in its rooms too."""
        for effect in client.session.authorize(grants):
            self._perform(client, effect)

    def refuse(self, client: Client, error: RefusedError) -> None:
        """Tell a client what was not done."""
        log.debug("refused", user_id=client.session.user_id, code=error.code)
        self.send(client, client.dialect.encode_error(error))

    def send(self, client: Client, text: Text) -> None:
        """Send a counted message, now or when the client is back."""
        if client.keep is not None:
            client.keep(text)
            client.session.stream.bound()
        if client.outbox is not None:
            client.outbox.send(text)

    # What the broker calls back.

    def entered(self, user_id: str, room: Room, entry: Entry) -> None:
        client = self.clients.get(user_id)
        if client is None:
            return
        client.session.entered(room)
        room.history.forget_old(self._clock())
        history, complete = room.history.since(entry.since, room.epoch)
        texts = client.dialect.encode_roster(room, user_id, entry, history, complete)
        if client.keep is not None:
            for text in texts:
                client.keep(text)
            client.session.stream.bound()
        if client.outbox is not None:
            client.outbox.send_many(texts)
        if len(room.members) == 1:
            log.info("room_opened", room_id=room.id)
        log.debug("member_joined", user_id=user_id, room_id=room.id)

    def waits(self, user_id: str, room: Room) -> None:
        client = self.clients.get(user_id)
        if client is not None:
            client.session.entered(room)

    def left_lobby(self, user_id: str, room: Room) -> None:
        client = self.clients.get(user_id)
        if client is not None:
            client.session.left(room.id)

    def not_admitted(self, user_id: str, room: Room, ref: str | None) -> None:
        client = self.clients.get(user_id)
        if client is not None:
            client.session.left(room.id)
            self.refuse(client, RefusedError("not_admitted", "You were not let into the room.", ref))

    def refused(self, user_id: str, error: RefusedError) -> None:
        client = self.clients.get(user_id)
        if client is not None:
            self.refuse(client, error)

    def happened(self, room: Room, event: Event) -> None:
        match event:
            case Said() if event.to is not None:
                self._deliver(dict.fromkeys((*event.to, event.sender)), lambda d: d.encode_event(event))
            case MemberJoined():
                self._deliver(room.members, lambda d: d.encode_event(event), without=event.member.user_id)
            case Left():
                self._left(room, event)
            case _:
                self._deliver(room.members, lambda d: d.encode_event(event))

    def told(self, user_ids: Iterable[str], notice: Notice) -> None:
        self._deliver(user_ids, lambda d: d.encode_notice(notice))

    def forwarded(self, target: str, forwarded: Forwarded) -> None:
        client = self.clients.get(target)
        if client is not None:
            text = client.dialect.encode_forwarded(forwarded)
            if len(text) > _LARGE_MESSAGE_BYTES:
                self._send_large(client, text)
                return
            if (keep := client.keep) is not None:
                keep(text)
            if (outbox := client.outbox) is not None:
                outbox.send(text)

    def relayed(self, target: str, frame: bytearray) -> None:
        client = self.clients.get(target)
        if client is not None and client.outbox is not None and "relay" in client.session.features:
            client.outbox.relay(frame)

    def forwarded_to_room(self, room: Room, forwarded: Forwarded) -> None:
        self._deliver(room.members, lambda dialect: dialect.encode_forwarded(forwarded), forwarded.sender)

    # The parts.

    def _keep_within_bound(self) -> None:
        """Bound what is kept for sessions in all: those that left first end first."""
        kept_bytes = 0
        for client in self.clients.values():
            client.session.stream.bound()
            kept_bytes += client.session.stream.kept_bytes
        if kept_bytes <= self._limits.resume_total_bytes_max:
            return
        away = [self.clients[user_id] for user_id in self._away]
        here = [client for client in self.clients.values() if client.outbox is not None]
        here.sort(key=lambda client: client.session.stream.kept_bytes, reverse=True)
        for client in (*away, *here):
            kept_bytes -= client.session.stream.kept_bytes
            if client.outbox is None:
                self.end_session(client, "disconnect")
            else:
                client.session.stream.forget()
            if kept_bytes <= self._limits.resume_total_bytes_max:
                return

    def _acknowledge(self, client: Client) -> None:
        received = client.session.stream.received
        if received != client.told and client.outbox is not None:
            client.told = received
            client.outbox.send(self._v1.encode_ack(received))

    def _forget_unacknowledged(self, client: Client) -> None:
        """Don't keep for ever what is sent to somebody who never acknowledges."""
        stream = client.session.stream
        is_stuck = stream.kept_count > 0 and stream.oldest == client.oldest
        client.oldest = stream.oldest
        client.silent_s = client.silent_s + 1 if is_stuck else 0
        if client.silent_s > max(self._limits.resume_grace_s, self._limits.acknowledgement_timeout_s):
            stream.forget()

    def _left(self, room: Room, event: Left) -> None:
        readers: list[str] = list(room.members)
        client = self.clients.get(event.user_id)
        if client is not None:
            client.session.left(room.id)
            if client.session.dialect != "lesson":
                readers.append(event.user_id)
            elif event.reason == "removed":
                self.refuse(client, RefusedError("removed", "A moderator has put you out of the room."))
        self._deliver(readers, lambda d: d.encode_event(event))
        if not room.members:
            log.info("room_closed", room_id=room.id)

    def _deliver(
        self, user_ids: Iterable[str], encode: Callable[[Dialect], bytes | None], without: str | None = None
    ) -> None:
        """Send to those of `user_ids` that are of this node; `encode` is called once a dialect."""
        texts: dict[Dialect, Text | None] = {}
        dialect: Dialect | None = None
        text: Text | None = None
        clients = self.clients
        for user_id in user_ids:
            client = clients.get(user_id)
            if client is None or user_id == without:
                continue
            if client.dialect is not dialect:
                dialect = client.dialect
                text = texts[dialect] if dialect in texts else texts.setdefault(dialect, encode(dialect))
                is_large = text is not None and len(text) > _LARGE_MESSAGE_BYTES
            if text is None:
                continue
            if is_large:
                self._send_large(client, text)
                continue
            if (keep := client.keep) is not None:
                keep(text)
            if (outbox := client.outbox) is not None:
                outbox.send(text)

    def _send_large(self, client: Client, text: Text) -> None:
        if client.keep is not None:
            client.keep(text)
            client.session.stream.bound()
        if client.outbox is not None:
            client.outbox.send_many((text,))

    def _may_pass(self, client: Client, text: bytes) -> bool:
        """Look closer at a message that is large, or may be one too many. If it is, refuse it unread."""
        session, now = client.session, self._clock()
        messages, octets = session.messages_left, session.bytes_left
        size = len(text) if len(text) > _SMALL_MESSAGE_BYTES else 0
        has_place = messages.tokens >= 0 or messages.settle(1, now)
        if has_place and (octets.spend(size) or octets.settle(size, now)):
            return True
        excess = client.excess = client.excess or TokenBucket(self._limits.frame_rate, now)
        if not (excess.spend(1) or excess.settle(1, now)):
            if client.outbox is not None:
                client.outbox.close(CloseCode.RATE_LIMITED, "too many messages over the rate")
            return False
        ref, is_counted = client.dialect.peek(text)
        if not is_counted:
            return True  # it keeps the session going
        waits_s = max(messages.wait_s(1, now), octets.wait_s(size, now))
        sentence = f"That is more than is allowed: try again in {waits_s:.3g} s."
        self.refuse_unread(client, RefusedError("rate_limited", sentence, ref, retry_after_s=round(waits_s + 0.001, 3)))
        return False

    def _perform(self, client: Client, effect: Effect) -> None:
        user_id = client.session.user_id
        match effect:
            case Forwarded():
                self._broker.forward(effect)
                if effect.target is None:
                    self._charge(client, effect.room_id)
            case Say():
                self._broker.say(effect.room_id, user_id, effect.data, effect.to, effect.id, effect.ref)
                self._charge(client, effect.room_id)
            case Refuse():
                self.refuse(client, effect.error)
            case EnterRoom():
                self._enter(client, effect)
            case UpdateMember():
                self._broker.update(effect.room_id, user_id, effect.name, effect.attributes, effect.can, effect.ref)
                self._charge(client, effect.room_id)
            case LeaveRoom():
                self._charge(client, effect.room_id)
                self._broker.leave(effect.room_id, user_id, effect.reason, effect.ref)
            case Moderate():
                self._broker.moderate(user_id, effect.verb, effect.ref)
                self._charge(client, effect.verb.room_id)
            case Pong():
                if client.outbox is not None:
                    client.outbox.send(self._pong)
            case Greet():
                self._greeter.greet(client, effect)
            case Renew():
                self._greeter.renew(client, effect)
            case Close():
                self._close(client, effect)

    def _enter(self, client: Client, effect: EnterRoom) -> None:
        session, now = client.session, self._clock()
        if not session.joins_left.take(1, now):
            waits_s = session.joins_left.wait_s(1, now)
        elif not client.address.take_join(now):
            waits_s = 1.0
        else:
            member = Member(
                session.user_id,
                session.dialect,
                effect.name,
                effect.attributes,
                session.grants.can,
                subject=session.grants.subject,
                key=effect.key,
            )
            self._broker.enter(effect.room_id, member, effect.entry)
            self._charge(client, effect.room_id, _ROSTER_COST)
            return
        sentence = f"You join too often: try again in {waits_s:.3g} s."
        retry_after_s = round(waits_s + 0.001, 3)
        self.refuse(client, RefusedError("rate_limited", sentence, effect.entry.ref, retry_after_s=retry_after_s))

    def _charge(self, client: Client, room_id: str, times: int = 1) -> None:
        """Something went to a whole room: it costs its sender more."""
        room = client.session.rooms.get(room_id)
        if room is not None:
            client.session.messages_left.tokens -= times * len(room.members) / _READERS_PER_TOKEN

    def _close(self, client: Client, effect: Close) -> None:
        """The session has ended itself, its rooms included; the rest follows from the end of its connection."""
        if self.clients.pop(client.session.user_id, None) is not None:
            log.info("session_closed", user_id=client.session.user_id, reason=effect.reason)
        if client.outbox is not None:
            client.outbox.close(effect.code, effect.reason)
