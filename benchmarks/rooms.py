"""Connections and how they get into rooms: opened in batches, joined all at once, every announcement counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from .protocols import Connection, Protocol

__all__ = ["Storm", "close_all", "connect_all", "join_all"]

_BATCH = 50
_JOIN_TIMEOUT_S = 60.0
_CLOSE_TIMEOUT_S = 30.0
_FAULTS_KEPT = 10


async def connect_all(
    protocol: Protocol, port: int, numbers: Sequence[int], room_of: Callable[[int], str]
) -> list[Connection]:
    """Open and greet a connection for each number, `_BATCH` at a time."""
    connections: list[Connection] = []
    for start in range(0, len(numbers), _BATCH):
        batch = numbers[start : start + _BATCH]
        opening = (protocol.connect(port, room_of(number), f"{number:032x}") for number in batch)
        connections += await asyncio.gather(*opening)
    return connections


async def close_all(connections: Sequence[Connection]) -> None:
    """End the sessions and wait until the sockets are gone.

    `_BATCH` at a time, the last that came first: in a room all who are still there are told of each that leaves, and
    of who moderates after it.
    """
    for connection in connections:
        connection.receive = _ignore
    for start in range(len(connections), 0, -_BATCH):
        batch = connections[max(0, start - _BATCH) : start]
        for connection in batch:
            if connection.farewell is None or connection.is_closed:
                connection.transport.disconnect(False)
            else:
                connection.send(connection.farewell)
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await asyncio.gather(*(connection.transport.wait_disconnected() for connection in batch))


async def join_all(protocol: Protocol, rooms: dict[str, list[Connection]]) -> None:
    """Bring all connections into their rooms, and learn every `user_id`."""
    if not protocol.has_rooms:
        return
    storms = [Storm(protocol, room, members) for room, members in rooms.items()]
    for storm in storms:
        storm.start()
    for storm in storms:
        await storm.finish()
        if storm.faults:
            raise RuntimeError(f"joining failed: {storm.faults}")


class Storm:
    """Everyone joins one room at once. It is over when each knows of each."""

    def __init__(self, protocol: Protocol, room: str, members: Sequence[Connection]) -> None:
        self.faults: list[str] = []
        self.messages_received = 0
        self.bytes_received = 0
        self._protocol = protocol
        self._members = members
        self._join = protocol.join(room)
        self._known: list[list[str]] = [[] for _ in members]
        self._awaited = len(members) * (len(members) - 1)
        self._over = asyncio.get_running_loop().create_future()

    @property
    def bytes_sent(self) -> int:
        return len(self._join) * len(self._members)

    def start(self) -> None:
        for known, connection in zip(self._known, self._members, strict=True):
            connection.receive = self._receiver(connection, known)
        for connection in self._members:
            connection.send(self._join)

    async def finish(self) -> None:
        """Wait for the last announcement, then see who is who."""
        try:
            async with asyncio.timeout(_JOIN_TIMEOUT_S):
                await self._over
        except TimeoutError:
            self.faults.append(f"{self._awaited} announcements never came")
        if not self.faults:
            self._identify()

    def check(self) -> None:
        """Once the server is quiet: everybody was told of everybody once, in as many messages as the dialect says."""
        size = len(self._members)
        for known in self._known:
            if len(known) != size - 1 or len(set(known)) != size - 1:
                self._fail(f"a member was told of {len(known)} others, {len(set(known))} of them different")
        if self.messages_received != self._protocol.join_messages(size):
            expected = self._protocol.join_messages(size)
            self.faults.append(f"{self.messages_received} messages came for {size} joins, not {expected}")

    def _receiver(self, connection: Connection, known: list[str]) -> Callable[[bytes], None]:
        def receive(payload: bytes) -> None:
            if self._protocol.is_housekeeping(connection, payload):
                return
            try:
                members = self._protocol.members_in(payload)
            except (ValueError, KeyError):
                self._fail(self._protocol.describe(payload))
                return
            known.extend(members)
            self.messages_received += 1
            self.bytes_received += len(payload)
            self._awaited -= len(members)
            if not self._awaited and not self._over.done():
                self._over.set_result(None)

        return receive

    def _fail(self, what: str) -> None:
        if len(self.faults) < _FAULTS_KEPT:
            self.faults.append(what)
        if not self._over.done():
            self._over.set_result(None)

    def _identify(self) -> None:
        """Nobody is told its own id: it is the one that only the others know."""
        everyone = set(self._known[0]).union(self._known[-1])
        for known, connection in zip(self._known, self._members, strict=True):
            own = everyone.difference(known)
            if len(own) != 1:
                self.faults.append(f"{len(own)} ids could be those of one member")
                return
            connection.user_id = own.pop()


def _ignore(payload: bytes) -> None:
    pass
