"""The load: numbered candidates from senders to receivers, as fast as they arrive or at a fixed rate.

Every delivery is checked as it arrives (its number must be the next), the first of each receiver in whole. What went
wrong is kept in `Traffic`; a run with faults has failed.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from .measure import cpu_s
from .protocols import Connection, Protocol, Template, candidate, number_in
from .rooms import close_all

__all__ = ["Stream", "Traffic", "Window"]

_ARRIVAL_TIMEOUT_S = 10.0
_FAULTS_KEPT = 20
_PACED_TRIES = 3
_UNDISTURBED_SHARE = 0.95
_NEVER = -1
_clock = time.perf_counter


@dataclass(frozen=True, slots=True)
class Window:
    """What happened in one measured stretch of time, every delivery awaited."""

    deliveries: int
    seconds: float
    server_cpu_s: float
    generator_cpu_s: float
    latencies_s: Sequence[float]
    """Sorted."""


class Stream:
    """The candidates of one sender. The next is sent as soon as no more than `refill_at` deliveries are awaited."""

    __slots__ = ("_after", "_before", "awaited", "receivers", "refill_at", "sender", "sent_at")

    def __init__(self, sender: Connection, template: Template, receivers: int) -> None:
        self.sender = sender
        self.receivers = receivers
        self.sent_at: list[float] = []
        self.awaited = 0
        self.refill_at = _NEVER
        self._before, self._after = template

    def send(self) -> None:
        payload = b"%b%08d%b" % (self._before, len(self.sent_at), self._after)
        self.awaited += self.receivers
        self.sent_at.append(_clock())
        self.sender.send(payload)


class _Receiver:
    """One member's end of a stream."""

    __slots__ = ("_connection", "_latencies", "_stream", "_traffic", "next")

    def __init__(self, traffic: Traffic, stream: Stream, connection: Connection) -> None:
        self.next = 0
        self._traffic = traffic
        self._stream = stream
        self._connection = connection
        self._latencies = traffic.latencies_s

    def __call__(self, payload: bytes) -> None:
        now = _clock()
        try:
            number = number_in(payload)
        except ValueError:
            self._traffic.take_other(self._connection, payload)
            return
        stream = self._stream
        if number != self.next or number >= len(stream.sent_at):
            self._traffic.fault(f"number {number} came where {self.next} was due")
            return
        if number == 0:
            self._traffic.check(stream, payload)
        self.next = number + 1
        self._latencies.append(now - stream.sent_at[number])
        stream.awaited -= 1
        if stream.awaited <= stream.refill_at:
            stream.send()


class Traffic:
    """All streams to one server."""

    def __init__(self, protocol: Protocol, pid: int) -> None:
        self._faults: list[str] = []
        self.latencies_s = array("d")
        self._protocol = protocol
        self._pid = pid
        self._streams: list[Stream] = []
        self._receivers: list[_Receiver] = []
        self._connections: dict[Connection, None] = {}

    def add(self, sender: Connection, template: Template, receivers: Sequence[Connection]) -> None:
        """Add a stream. A connection receives from one stream at most."""
        stream = Stream(sender, template, len(receivers))
        self._streams.append(stream)
        for connection in receivers:
            receiver = _Receiver(self, stream, connection)
            connection.receive = receiver
            self._receivers.append(receiver)
        self._connections.update(dict.fromkeys([sender, *receivers]))

    def take_faults(self) -> list[str]:
        """Return what went wrong since this was last asked."""
        faults = self._faults.copy()
        self._faults.clear()
        return faults

    async def flood(self, seconds: float, under_way: int = 1) -> Window:
        """Keep `under_way` messages of each stream under way: how much the server can do."""
        self._reset()
        start = self._start()
        for stream in self._streams:
            stream.refill_at = (under_way - 1) * stream.receivers
            for _ in range(under_way):
                stream.send()
        await asyncio.sleep(seconds)
        for stream in self._streams:
            stream.refill_at = _NEVER
        return await self._finish(start)

    async def pace(self, seconds: float, messages_per_s: float) -> Window:
        """Send at a fixed rate whether or not anything arrives, from one sender after the other.

        It spins, so that messages leave one by one and not in the bursts that a timer of milliseconds makes. A window
        in which others took the core from it is measured again.
        """
        for _ in range(_PACED_TRIES):
            window = await self._pace(seconds, messages_per_s)
            if window.generator_cpu_s >= _UNDISTURBED_SHARE * window.seconds:
                break
        return window

    async def close(self) -> None:
        """End every connection."""
        await close_all(list(self._connections))

    def check(self, stream: Stream, payload: bytes) -> None:
        """Compare a first delivery with what was sent."""
        sender, content = self._protocol.read(payload)
        if sender not in (stream.sender.user_id, None) or content != candidate(0):
            self.fault(f"not what {stream.sender.user_id} sent: {payload!r}")

    def take_other(self, connection: Connection, payload: bytes) -> None:
        """Take what is not a delivery."""
        if not self._protocol.is_housekeeping(connection, payload):
            self.fault(self._protocol.describe(payload))

    def fault(self, what: str) -> None:
        if len(self._faults) < _FAULTS_KEPT:
            self._faults.append(what)

    def _reset(self) -> None:
        del self.latencies_s[:]
        for stream in self._streams:
            stream.sent_at.clear()
            stream.awaited = 0
        for receiver in self._receivers:
            receiver.next = 0

    async def _pace(self, seconds: float, messages_per_s: float) -> Window:
        self._reset()
        start = self._start()
        total, sent = int(seconds * messages_per_s), 0
        turns = itertools.cycle(self._streams)
        while sent < total:
            await asyncio.sleep(0)
            due = min(total, int((_clock() - start.at) * messages_per_s))
            for _ in range(due - sent):
                next(turns).send()
            sent = due
        return await self._finish(start)

    def _start(self) -> _Start:
        return _Start(cpu_s(self._pid), time.process_time(), _clock())

    async def _finish(self, start: _Start) -> Window:
        """Wait for what is under way, then read the clocks."""
        deadline = _clock() + _ARRIVAL_TIMEOUT_S
        while any(stream.awaited for stream in self._streams) and _clock() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        seconds = _clock() - start.at
        server_s, generator_s = cpu_s(self._pid) - start.server_s, time.process_time() - start.generator_s
        missing = sum(stream.awaited for stream in self._streams)
        if missing:
            self.fault(f"{missing} deliveries never came")
        if closed := [connection.close_code for connection in self._connections if connection.is_closed]:
            self.fault(f"{len(closed)} connections were closed by the server, with {set(closed)}")
        return Window(len(self.latencies_s), seconds, server_s, generator_s, sorted(self.latencies_s))


@dataclass(frozen=True, slots=True)
class _Start:
    server_s: float
    generator_s: float
    at: float
