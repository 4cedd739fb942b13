"""`half-open`: thousands of TCP connections that never send their request, and somebody who wants to join."""

from __future__ import annotations

import asyncio
import itertools
import socket
import statistics
import time

from ..measure import cpu_s, until_quiet
from ..protocols import V1, Connection
from ..rooms import close_all
from ..servers import Cores, Server, running, sheetbend
from .base import Figure, Outcome, Trial, TrialSettings, percentile

__all__ = ["HalfOpen"]

_ROOM = "lobby"
_RESIDENTS = 10
_BATCH = 200
_BATCH_PAUSE_S = 0.01
_RATIO_MAX = 1.2
_HANDSHAKE_TIMEOUT_S = 10
"""The server's (`core/limits.py`): then it must have closed them."""
_TOLERANCE_S = 5.0
_POLL_S = 0.1


class HalfOpen(Trial):
    """Joins are timed from connecting to the roster, one after the other, before and while they are there."""

    name = "half-open"

    async def run(self, cores: Cores, settings: TrialSettings) -> Outcome:
        faults: list[str] = []
        before: list[list[float]] = []
        during: list[list[float]] = []
        opening_cpu_s = 0.0
        numbers = itertools.count()
        async with running(sheetbend(), cores.server) as server:
            residents = [(await _join(server, next(numbers)))[0] for _ in range(_RESIDENTS)]
            await _time_joins(server, numbers, settings.joins)  # warm up
            for _ in range(settings.half_open_rounds):
                await until_quiet(server.pid)
                before.append(await _time_joins(server, numbers, settings.joins))
                await until_quiet(server.pid)
                used_s = cpu_s(server.pid)
                sockets = await _open_half(server.port, settings.half_open)
                await until_quiet(server.pid)
                opening_cpu_s = cpu_s(server.pid) - used_s
                during.append(await _time_joins(server, numbers, settings.joins))
                if closed := sum(map(_is_closed, sockets)):
                    faults.append(f"{closed} of them were gone before the last join: the machine was too slow")
                faults += await _wait_closed(sockets)
            await close_all(residents)
        return Outcome(
            trial=self.name,
            title=f"{settings.half_open:,} TCP connections send nothing, and {settings.joins} join a room of "
            f"{_RESIDENTS} one after the other; median of {settings.half_open_rounds} rounds",
            figures=[
                *_figures("p50", 0.50, before, during),
                *_figures("p99", 0.99, before, during),
                Figure(name="server CPU for one of them", value=opening_cpu_s / settings.half_open * 1e6, unit="us"),
            ],
            faults=faults,
        )


def _figures(name: str, share: float, before: list[list[float]], during: list[list[float]]) -> list[Figure]:
    earlier = [percentile(values, share) * 1e3 for values in before]
    later = [percentile(values, share) * 1e3 for values in during]
    ratio = statistics.median(later) / statistics.median(earlier)
    return [
        Figure(name=f"join {name} before", value=statistics.median(earlier), unit="ms"),
        Figure(name=f"join {name} during", value=statistics.median(later), unit="ms"),
        Figure(name=f"join {name} during / before", value=ratio, unit="x", at_most=_RATIO_MAX),
    ]


async def _time_joins(server: Server, numbers: itertools.count[int], joins: int) -> list[float]:
    """Each leaves before the next comes."""
    taken_s = []
    for _ in range(joins):
        connection, seconds = await _join(server, next(numbers))
        taken_s.append(seconds)
        await close_all([connection])
    return taken_s


async def _join(server: Server, number: int) -> tuple[Connection, float]:
    """Connect and send hello and join at once; it is in when the roster is there."""
    start = time.perf_counter()
    connection = await V1().connect(server.port, _ROOM, f"{number:032x}")
    connection.send(V1().join(_ROOM))
    answer = await connection.next_text()
    taken_s = time.perf_counter() - start
    if not answer.startswith(b'{"type":"roster"'):
        raise RuntimeError(V1().describe(answer))
    connection.receive = _ignore
    return connection, taken_s


async def _open_half(port: int, count: int) -> list[socket.socket]:
    """In batches, so that the server's backlog holds: what is refused there would come back a second later."""
    sockets = []
    for number in range(count):
        opened = socket.create_connection(("127.0.0.1", port))
        opened.setblocking(False)
        sockets.append(opened)
        if number % _BATCH == _BATCH - 1:
            await asyncio.sleep(_BATCH_PAUSE_S)
    return sockets


async def _wait_closed(sockets: list[socket.socket]) -> list[str]:
    """The server must end each of them at its time limit. Closes ours."""
    deadline = time.monotonic() + _HANDSHAKE_TIMEOUT_S + _TOLERANCE_S
    left = sockets
    while left and time.monotonic() < deadline:
        left = [opened for opened in left if not _is_closed(opened)]
        await asyncio.sleep(_POLL_S)
    for opened in sockets:
        opened.close()
    return [f"{len(left)} of them were still open {_TOLERANCE_S:g} s after the time limit"] if left else []


def _is_closed(opened: socket.socket) -> bool:
    try:
        return opened.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def _ignore(payload: bytes) -> None:
    pass
