"""`slow-readers`: a tenth of a room stops reading its sockets. Neither the others nor the memory may suffer.

One member sends broadcasts at a steady rate, and another large messages to those who will stop, so that they are past
their bounds within seconds and nothing else weighs on the room. A round is a stretch in which all read, and one from
when some stop until the server has got rid of them; the good readers' p99 of the two is compared. Those who stop send
`ping` all the while, so that they are slow and not dead, and their receive buffers are small. Some of them read on
as soon as the server's log says that they are closed: what they get last must be CLOSE with 4500. Then all come back
with their resume tokens, and those who missed more than is kept must be told so.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import time
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from picows import ws_connect

from ..measure import cpu_s, rss_bytes, until_quiet
from ..protocols import V1, V1Connection
from ..rooms import close_all
from ..servers import Cores, Server, running, sheetbend
from .base import Figure, Outcome, Trial, TrialSettings, percentile

__all__ = ["SlowReaders"]

_ROOM = "hall"
_RATIO_MAX = 1.2
_OUTBOX_BYTES = 4_194_304
_RESUME_BYTES = 1_048_576
"""The server's bounds (`core/limits.py`)."""
_SLACK_BYTES = 16_777_216
"""What the allocator keeps, and the good readers haven't acknowledged yet."""
_SLOW_CONSUMER = 4500
_RECEIVE_BUFFER_BYTES = 32_768
"""Set before connecting: a window that shrinks makes the kernel take what it promised to take for lost."""
_PROBES = 5
_PING_S = 3.0
_CLOSED_TIMEOUT_S = 28.0
"""Less than `livenessTimeoutS`, at which they would be closed for another reason if their pings didn't arrive."""
_AFTERWARDS_S = 4.0
"""For the server to end the sockets of those who don't answer its CLOSE (`close_timeout_s`)."""
_ENTER_TIMEOUT_S = 30.0
_POLL_S = 0.05
_CLOSED_LINE = "code=4500"
_NUMBER = b'"number":'
_FILL = "x" * 200
_clock = time.perf_counter


class SlowReaders(Trial):
    name = "slow-readers"

    async def run(self, cores: Cores, settings: TrialSettings) -> Outcome:
        async with running(sheetbend("--log-level", "debug"), cores.server) as server:
            room = _Room(server, settings)
            rounds = await room.run()
        before = [percentile(each.before_s, 0.99) * 1e3 for each in rounds]
        during = [percentile(each.during_s, 0.99) * 1e3 for each in rounds]
        before_busy = statistics.median(each.before_busy for each in rounds)
        during_busy = statistics.median(each.during_busy for each in rounds)
        growth = max(each.growth_bytes for each in rounds)
        bound = room.slow_count * (_OUTBOX_BYTES + _RESUME_BYTES) + _SLACK_BYTES
        ratios = [later / earlier for earlier, later in zip(before, during, strict=True)]
        return Outcome(
            trial=self.name,
            title=f"{room.slow_count} of {settings.readers} stop reading; {settings.broadcasts_per_s:g} broadcasts a "
            f"second, and as many of {settings.bulk_bytes / 1000:.0f} kB to those; median of {len(rounds)} rounds",
            figures=[
                Figure(name="p50 of the others before", value=_p50_ms(each.before_s for each in rounds), unit="ms"),
                Figure(name="p50 of the others during", value=_p50_ms(each.during_s for each in rounds), unit="ms"),
                Figure(name="p99 of the others before", value=statistics.median(before), unit="ms"),
                Figure(name="p99 of the others during", value=statistics.median(during), unit="ms"),
                Figure(name="p99 during / before", value=statistics.median(ratios), unit="x", at_most=_RATIO_MAX),
                Figure(name="server busy before", value=before_busy * 100, unit="%"),
                Figure(name="server busy during", value=during_busy * 100, unit="%"),
                Figure(name="until closed", value=statistics.median(each.closed_s for each in rounds), unit="s"),
                Figure(
                    name="RSS growth, at most stopped x (outboxBytes + resumeBytes) + 16 MiB",
                    value=growth / 1e6,
                    unit="MB",
                    at_most=bound / 1e6,
                ),
            ],
            faults=room.faults,
        )


@dataclass(slots=True)
class _Round:
    before_s: array[float] = field(default_factory=lambda: array("d"))
    during_s: array[float] = field(default_factory=lambda: array("d"))
    before_busy: float = 0.0
    during_busy: float = 0.0
    growth_bytes: int = 0
    closed_s: float = 0.0


class _Room:
    """The room, its sender, and who stops."""

    def __init__(self, server: Server, settings: TrialSettings) -> None:
        self.faults: list[str] = []
        self.slow_count = round(settings.readers * settings.stopped_share)
        self._server = server
        self._settings = settings
        self._good: list[_Reader] = []
        self._slow: list[_Reader] = []
        self._sent_at: list[float] = []
        self._closed_count = 0
        self._has_bulk = True

    async def run(self) -> list[_Round]:
        every = self._settings.readers // self.slow_count
        for number in range(self._settings.readers):  # the slow ones stand all over the room
            is_slow = number % every == every - 1 and len(self._slow) < self.slow_count
            (self._slow if is_slow else self._good).append(await self._connect(is_slow))
        sending = asyncio.create_task(self._send())
        try:
            await self._stretch(array("d"), self._settings.reading_s / 2)  # warm up
            rounds = [await self._round() for _ in range(self._settings.reading_rounds)]
        finally:
            sending.cancel()
        await until_quiet(self._server.pid)
        for reader in self._good:
            if reader.is_closed or reader.next_number != len(self._sent_at):
                self._fault(f"a good reader got {reader.next_number} of {len(self._sent_at)} broadcasts")
        await close_all([*self._good, *self._slow])
        return rounds

    async def _round(self) -> _Round:
        measured = _Round()
        used_s, start = cpu_s(self._server.pid), _clock()
        await self._stretch(measured.before_s, self._settings.reading_s)
        measured.before_busy = (cpu_s(self._server.pid) - used_s) / (_clock() - start)
        rss_before, used_s, start = rss_bytes(self._server.pid), cpu_s(self._server.pid), _clock()
        for reader in self._slow:
            reader.stop()
        self._measure(measured.during_s)
        while not self._are_closed() and _clock() < start + _CLOSED_TIMEOUT_S:
            measured.growth_bytes = max(measured.growth_bytes, rss_bytes(self._server.pid) - rss_before)
            await asyncio.sleep(_POLL_S)
        measured.closed_s = _clock() - start
        measured.during_busy = (cpu_s(self._server.pid) - used_s) / measured.closed_s
        for probe in self._slow[:_PROBES]:
            probe.was_probed = True
            probe.go_on()
        await asyncio.sleep(_AFTERWARDS_S)
        self._measure(None)
        await self._return()
        return measured

    def _are_closed(self) -> bool:
        """Whether the log says that the server has closed all who are slow."""
        count = self._server.log.read_text().count(_CLOSED_LINE)
        return count >= self._closed_count + self.slow_count

    async def _return(self) -> None:
        """Look how each slow one was closed, and bring it back."""
        closed = self._server.log.read_text().count(_CLOSED_LINE) - self._closed_count
        self._closed_count += closed
        if closed != self.slow_count:
            self._fault(f"the server closed {closed} of {self.slow_count} slow readers with {_SLOW_CONSUMER}")
        self._has_bulk = False
        for number, reader in enumerate(self._slow):
            reader.go_on()
            async with asyncio.timeout(_ENTER_TIMEOUT_S):
                await reader.transport.wait_disconnected()
            if number < _PROBES and reader.close_code != _SLOW_CONSUMER:
                self._fault(f"a slow reader that read on got the code {reader.close_code}")
            self._slow[number] = await self._connect(True, reader)
        self._has_bulk = True

    async def _stretch(self, latencies_s: array[float], seconds: float) -> None:
        self._measure(latencies_s)
        await asyncio.sleep(seconds)
        self._measure(None)

    def _measure(self, latencies_s: array[float] | None) -> None:
        """Only the good readers count, before as well."""
        for reader in self._good:
            reader.latencies_s = latencies_s

    async def _connect(self, is_slow: bool, before: _Reader | None = None) -> _Reader:
        reader = _Reader(self._sent_at, is_slow)
        await ws_connect(
            lambda: reader,
            f"ws://127.0.0.1:{self._server.port}/ws",
            extra_headers=dict(V1.headers),
            socket_factory=(lambda _: _small_socket()) if is_slow else None,
            websocket_handshake_timeout=_ENTER_TIMEOUT_S,
            use_aiofastnet=False,
        )
        async with asyncio.timeout(_ENTER_TIMEOUT_S):
            is_resumed = await reader.greet(before)
            if before is not None and is_resumed and not before.was_probed:
                self._fault("a slow reader could resume, though it missed more than is kept")
            if not is_resumed:
                await reader.enter(_ROOM)
        return reader

    async def _send(self) -> None:
        """Broadcast at a steady rate for ever; half way between two broadcasts goes what is for the slow ones."""
        bulk = "x" * self._settings.bulk_bytes
        interval_s = 1 / self._settings.broadcasts_per_s
        start = _clock()
        while True:
            number = len(self._sent_at)
            await asyncio.sleep(max(0.0, start + number * interval_s - _clock()))
            self._sent_at.append(_clock())
            self._good[0].send(_message({"number": number, "fill": _FILL}))
            await asyncio.sleep(interval_s / 2)
            if self._has_bulk:
                self._good[1].send(_message(bulk, [reader.user_id for reader in self._slow]))

    def _fault(self, what: str) -> None:
        if len(self.faults) < 10:
            self.faults.append(what)


class _Reader(V1Connection):
    """A member that takes the time of each broadcast, and may stop reading."""

    def __init__(self, sent_at: list[float], is_slow: bool) -> None:
        super().__init__()
        self.latencies_s: array[float] | None = None
        """Where to put them; None for nowhere."""
        self.next_number = -1
        self.was_probed = False
        """It read on before it was looked at, so that it may have missed little."""
        self._sent_at = sent_at
        self._is_slow = is_slow
        self._resume_token = ""
        self._pinging: asyncio.Task[None] | None = None
        self._entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def greet(self, before: _Reader | None) -> bool:
        """Say hello, as whoever comes back if there is `before`. Returns whether its session goes on."""
        hello: dict[str, object] = {"type": "hello", "client": "benchmark"}
        if before is not None:
            hello["resume"] = {"token": before._resume_token, "received": before.received}
            self.received = before.received
        self.send(_json(hello))
        welcome = msgspec.json.decode(await self.next_text())
        if welcome["type"] != "welcome":
            raise RuntimeError(f"no welcome: {welcome}")
        self._resume_token = welcome["resumeToken"]
        self.user_id = welcome["userId"]
        self.receive = self._take
        is_resumed = bool(welcome.get("recovered"))
        if before is not None and not is_resumed:
            self.received = 0
        return is_resumed

    async def enter(self, room: str) -> None:
        self.send(V1().join(room))
        await self._entered

    def stop(self) -> None:
        """Read nothing more, but go on writing."""
        self.transport.underlying_transport.pause_reading()
        self._pinging = asyncio.get_running_loop().create_task(self._ping())

    def go_on(self) -> None:
        if self._pinging is not None:
            self._pinging.cancel()
            self._pinging = None
            if not self.is_closed:
                self.transport.underlying_transport.resume_reading()

    async def _ping(self) -> None:
        while True:
            self.send(b'{"type":"ping"}')
            await asyncio.sleep(_PING_S)

    def _take(self, payload: bytes) -> None:
        now = _clock()
        at = payload.find(_NUMBER, 0, 256)
        if at < 0:
            if payload.startswith(b'{"type":"roster"') and not self._entered.done():
                self._entered.set_result(None)
            elif payload.startswith(b'{"type":"error"'):
                raise RuntimeError(V1().describe(payload))
            return
        number = int(payload[at + len(_NUMBER) : payload.index(b",", at)])
        if self.latencies_s is not None:
            self.latencies_s.append(now - self._sent_at[number])
        if self.next_number in (-1, number):
            self.next_number = number + 1
        elif not self._is_slow:
            self.next_number = -2  # for good: it is not what was sent


def _p50_ms(stretches: Iterable[array[float]]) -> float:
    return statistics.median(percentile(stretch, 0.5) for stretch in stretches) * 1e3


def _small_socket() -> socket.socket:
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    return small


def _message(data: object, to: list[str] | None = None) -> bytes:
    return _json({"type": "message", "roomId": _ROOM, "data": data, **({} if to is None else {"to": to})})


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)
