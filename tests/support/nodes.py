"""A node without sockets: the real hub, broker and sessions on a clock that the test moves."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

from sheetbend.brokers.memory import MemoryBroker
from sheetbend.core.events import DialectName
from sheetbend.core.limits import Limits
from sheetbend.server.clients import RELAY_ROOM_BYTES, Client, Text
from sheetbend.server.hub import Hub
from tests.support.clients import UNCOUNTED, Message

__all__ = ["TIME_MS", "Anywhere", "Node", "Wire"]

TIME_MS = 1_767_225_600_000


class Anywhere:
    """An address that may do everything."""

    def __init__(self) -> None:
        self.failures_count = 0
        self.is_released = False

    def take_hello(self, now: float) -> bool:
        return True

    take_join = has_failures_left = take_hello

    def count_failure(self, now: float) -> None:
        self.failures_count += 1

    def release(self) -> None:
        self.is_released = True


class Node:
    """One server; `now` is its clock."""

    def __init__(self, limits: Limits) -> None:
        self.now = 0.0
        ids, secrets, epochs = itertools.count(1), itertools.count(1), itertools.count(1)
        self.broker = MemoryBroker(
            limits, new_epoch=lambda: f"{next(epochs)}", clock=lambda: self.now, time_ms=lambda: TIME_MS
        )
        self.hub = Hub(
            self.broker,
            limits,
            new_user_id=lambda: f"{next(ids):032x}",
            new_secret=lambda: f"{next(secrets)}",
            clock=lambda: self.now,
        )

    def let_pass(self, seconds: int) -> None:
        """Let time pass, second by second, as a server does."""
        for _ in range(seconds):
            self.now += 1
            self.hub.expire(self.now)
            for client in list(self.hub.clients.values()):
                if client.outbox is not None:
                    self.hub.tick(client)


class Wire:
    """A client's connection. One that is stuck brings nothing more, and neither end knows."""

    def __init__(self, node: Node, dialect: DialectName = "sheetbend.v1") -> None:
        self.is_stuck = False
        self.closed_with: int | None = None
        self.inbox: list[Message] = []
        self.relayed: list[bytes] = []
        """Relay frames."""
        self.received = 0
        self.resume_token = ""
        self.address = Anywhere()
        self.client: Client
        self._hub = node.hub
        node.hub.connect(dialect, self, self.address)

    def say(self, kind: str, **fields: Any) -> list[Message]:
        """Send a message; return what came back on this connection."""
        self.inbox.clear()
        self._hub.receive(self.client, json.dumps({"type": kind, **fields}).encode())
        return self.inbox

    def take(self) -> list[Message]:
        inbox, self.inbox = self.inbox, []
        return inbox

    def hear(self, message: Message) -> None:
        self.received += message["type"] not in UNCOUNTED
        self.inbox.append(message)

    # What the hub calls.

    def send(self, text: Text) -> None:
        assert self.closed_with is None, "nothing is sent after CLOSE"
        if not self.is_stuck:
            self.hear(json.loads(text))

    def send_many(self, texts: Iterable[Text]) -> None:
        for text in texts:
            self.send(text)

    def relay(self, frame: bytearray) -> None:
        assert self.closed_with is None
        self.relayed.append(bytes(frame[RELAY_ROOM_BYTES:]))

    def close(self, code: int, reason: str) -> None:
        assert self.closed_with is None
        self.closed_with = code
        self._hub.disconnect(self.client, self)

    def belongs_to(self, client: Client) -> None:
        self.client = client
