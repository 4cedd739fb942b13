"""A node without sockets, and with a clock that stands still until it is moved.

The only module here that knows how the hub, its broker and its connections fit together.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from sheetbend.brokers.memory import MemoryBroker
from sheetbend.core.events import DialectName
from sheetbend.core.limits import Limits
from sheetbend.core.relay import HEADER_BYTES
from sheetbend.errors import RefusedError
from sheetbend.server.admission import Admission, Lease
from sheetbend.server.clients import RELAY_ROOM_BYTES, Client, Text
from sheetbend.server.hub import Hub

__all__ = ["Connection", "Node"]

_EPOCH_MS = 1_700_000_000_000
_ADDRESS = "192.0.2.1"


class Connection:
    """The outbox of one client, which keeps what it is given. `user_id` is that of the session it goes on with."""

    def __init__(self, hub: Hub, dialect: DialectName) -> None:
        self.dialect = dialect
        self.sent: list[bytes] = []
        self.close_code: int | None = None
        self._hub = hub
        self._client: Client

    @property
    def is_open(self) -> bool:
        return self.close_code is None

    @property
    def user_id(self) -> str:
        return self._client.session.user_id

    # What the hub calls.

    def send(self, text: Text) -> None:
        if self.is_open:
            self.sent.append(text)

    def send_many(self, texts: Iterable[Text]) -> None:
        for text in texts:
            self.send(text)

    def relay(self, frame: bytearray) -> None:
        assert len(frame) >= RELAY_ROOM_BYTES + HEADER_BYTES

    def close(self, code: int, reason: str) -> None:
        if self.is_open:
            assert len(reason.encode()) <= 123, "RFC 6455 section 5.5: it has to fit a control frame"
            self.close_code = code
            self._hub.disconnect(self._client, self)

    def belongs_to(self, client: Client) -> None:
        self._client = client

    # What a socket would do.

    def receive(self, text: bytes) -> None:
        if self.is_open:
            self._hub.receive(self._client, text)

    def refuse_unread(self) -> None:
        """As for a message that is too big to be looked at."""
        if self.is_open:
            self._hub.refuse_unread(self._client, RefusedError("message_too_big", "It is too big."))

    def vanish(self) -> None:
        """The socket breaks."""
        if self.is_open:
            self.close_code = 1006
            self._hub.disconnect(self._client, self)

    def tick(self) -> None:
        if self.is_open:
            self._hub.tick(self._client)


class Node:
    """A hub with a memory broker. User ids count up from 1."""

    def __init__(self, limits: Limits) -> None:
        ids, secrets, epochs = count(1), count(1), count(1)
        self._limits = limits
        self._now = 0.0
        self._admission = Admission(limits, (), self._clock)
        self._broker = MemoryBroker(
            limits,
            new_epoch=lambda: f"epoch-{next(epochs)}",
            clock=self._clock,
            time_ms=lambda: _EPOCH_MS + int(self._now * 1000),
        )
        self._hub = Hub(
            self._broker,
            limits,
            new_user_id=lambda: f"{next(ids):032x}",
            new_secret=lambda: f"{next(secrets):064x}",
            clock=self._clock,
        )
        self.connections: list[Connection] = []

    def connect(self, dialect: DialectName) -> Connection:
        connection = Connection(self._hub, dialect)
        self.connections.append(connection)
        lease = self._admission.admit(_ADDRESS)
        assert isinstance(lease, Lease)
        self._address = lease.record
        self._hub.connect(dialect, connection, lease)
        return connection

    def advance(self, seconds: float) -> None:
        """Let time pass, and everybody notice."""
        self._now += seconds
        self._hub.expire(self._now)
        for connection in self.connections:
            connection.tick()

    @property
    def leases_count(self) -> int:
        """How many connections and sessions their address answers for."""
        return self._address.held

    @property
    def sessions_count(self) -> int:
        return len(self._hub.clients)

    @property
    def rooms_count(self) -> int:
        return self._broker.rooms_count

    def check_bounds(self) -> None:
        """Nothing that is kept is more than its bound."""
        limits = self._limits
        assert self.rooms_count <= limits.rooms_max
        for client in self._hub.clients.values():
            session = client.session
            assert len(session.rooms) <= limits.rooms_per_session_max
            session.stream.bound()  # as the hub does once a second
            assert session.stream.kept_count <= limits.resume_messages_max
            assert session.stream.kept_bytes <= limits.resume_bytes_max
            for room in session.rooms.values():
                assert len(room.members) <= limits.members_per_room_max
                assert len(room.waiting) <= limits.waiting_per_room_max
                assert len(room.history) <= limits.history_messages_max
                assert room.history.kept_bytes <= limits.history_bytes_max
                assert room.moderators.keys() <= room.members.keys()
                assert not room.waiting.keys() & room.members.keys()
                attributes = sum(len(member.attributes) for member in room.members.values())
                assert attributes <= limits.room_attributes_bytes_max + 2 * len(room.members)

    def _clock(self) -> float:
        return self._now
