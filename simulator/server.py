"""The real hub, broker, sessions and dialects, with simulated connections around them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import count
from random import Random
from typing import Any

from sheetbend.brokers.memory import MemoryBroker
from sheetbend.core.close_codes import CloseCode
from sheetbend.core.events import DialectName
from sheetbend.core.limits import Limits
from sheetbend.core.liveness import Liveness, Verdict
from sheetbend.core.rate_limits import Rate
from sheetbend.server.admission import Admission, TooMany
from sheetbend.server.clients import Client, Text
from sheetbend.server.greeter import Verifier
from sheetbend.server.hub import Hub

from .network import Item, Link
from .scheduler import Scheduler

__all__ = ["LIMITS", "ServerConnection", "SimulatedServer"]

LIMITS = Limits(
    resume_grace_s=8,
    resume_messages_max=60,
    resume_bytes_max=30_000,
    message_ids_max=128,
    history_messages_max=25,
    history_bytes_max=20_000,
    history_age_s=60,
    outbox_bytes_max=12_000,
    empty_room_s=20,
    members_per_room_max=12,
    ping_interval_s=6,
    liveness_timeout_s=12,
    message_rate=Rate(per_s=20, burst=60),
    join_rate=Rate(per_s=2, burst=20),
    drain_timeout_s=3,
)
"""Small enough that every bound is met in many runs."""

PING = (0, "ping")
PONG = (0, "pong")


class ServerConnection:
    """The server's end of a connection: an `Outbox`, and what `server.connection` does about liveness."""

    def __init__(self, server: SimulatedServer) -> None:
        self._server = server
        self._heard = True
        self._liveness = Liveness(LIMITS)
        self._is_closed = False
        self.client: Client
        self.link: Link
        self.stuck_since: float | None = None
        """Since when nothing of the client's has arrived, for a check."""

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    # What the hub calls.

    def belongs_to(self, client: Client) -> None:
        self.client = client

    def send(self, text: Text) -> None:
        if not self._is_closed:
            self.link.to_client.push(text)
            if self.link.to_client.waiting_bytes > LIMITS.outbox_bytes_max:
                self._server.scheduler.after(0, lambda: self.close(CloseCode.SLOW_CONSUMER, "slow"))

    def send_many(self, texts: Iterable[Text]) -> None:
        for text in texts:
            self.send(text)

    def relay(self, frame: bytearray) -> None:
        raise NotImplementedError("no simulated client has the feature")

    def close(self, code: int, reason: str) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.link.to_client.push((int(code), reason))
            self._server.gone(self)

    # What the network brings.

    def receive(self, item: Item) -> None:
        if self._is_closed:
            return
        self._heard = True
        if isinstance(item, bytes):
            self._server.hub.receive(self.client, item)
        elif item == PONG:
            pass
        else:
            self.vanish()

    def vanish(self) -> None:
        """The system says that the connection is gone."""
        if not self._is_closed:
            self._is_closed = True
            self._server.gone(self)

    def tick(self) -> None:
        self._server.hub.tick(self.client)
        verdict = self._liveness.tick(1.0, heard=self._heard)
        self._heard = False
        match verdict:
            case Verdict.DEAD:
                self.close(CloseCode.NOT_RESPONDING, "quiet")
            case Verdict.QUIET:
                self.link.to_client.push(PING)


class SimulatedServer:
    """One node that can be restarted. Ids count up, so that traces don't depend on anything but the seed."""

    def __init__(self, scheduler: Scheduler, random: Random, verifier: Verifier | None) -> None:
        self.scheduler = scheduler
        self._random = random
        self._verifier = verifier
        self._ids = count(1)
        self.connections: dict[ServerConnection, None] = {}
        self.hub: Hub
        self.broker: MemoryBroker
        self.is_up = False
        self.on_checked: Callable[[], None] = lambda: None
        self.start()

    def start(self) -> None:
        """Come up with nothing in memory; nothing if it is up."""
        if self.is_up:
            return
        self.broker = MemoryBroker(
            LIMITS,
            new_epoch=lambda: f"epoch{next(self._ids)}",
            clock=lambda: self.scheduler.now,
            time_ms=lambda: int(self.scheduler.now * 1000),
            elects=self._verifier is None,
        )
        self.hub = Hub(
            self.broker,
            LIMITS,
            new_user_id=lambda: f"{next(self._ids):032x}",
            new_secret=lambda: f"{self._random.getrandbits(256):064x}",
            clock=lambda: self.scheduler.now,
            verifier=self._verifier,
        )
        self._admission = Admission(LIMITS, (), lambda: self.scheduler.now)
        self.is_up = True
        self._tick(self.hub)

    def crash(self) -> None:
        """Everything in memory is gone, and every connection with it, whether its client hears of that or not."""
        self.is_up = False
        self.hub.end()
        for connection in list(self.connections):
            connection.vanish()
            connection.link.to_client.push((1006, "reset"))
        self.connections.clear()

    def drain(self) -> None:
        """End as after SIGTERM."""
        self.hub.drain(LIMITS.drain_timeout_s)
        self.is_up = False
        for connection in list(self.connections):
            connection.close(CloseCode.SHUTTING_DOWN, "draining")
        self.hub.end()

    def accept(self, connection: ServerConnection, address: str, dialect: DialectName = "sheetbend.v1") -> bool:
        """Returns whether there is a place for it."""
        lease = self._admission.admit(address)
        if isinstance(lease, TooMany):
            return False
        self.connections[connection] = None
        self.hub.connect(dialect, connection, lease)
        return True

    def gone(self, connection: ServerConnection) -> None:
        self.connections.pop(connection, None)
        self.hub.disconnect(connection.client, connection)

    def _tick(self, hub: Hub) -> None:
        if hub is not self.hub or not self.is_up:
            return
        self._admission.tick()
        hub.expire(self.scheduler.now)
        for connection in list(self.connections):
            connection.tick()
        self.on_checked()
        self.scheduler.after(1.0, lambda: self._tick(hub))


def parse(item: bytes) -> dict[str, Any]:
    """Read a message as a client does."""
    message: dict[str, Any] = json.loads(item)
    return message
