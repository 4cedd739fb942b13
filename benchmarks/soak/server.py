"""The server under soak, in a process of its own: answers each line on standard input with what its tables hold.

The product has no hook for this. So what is to be counted is looked for among the objects of the process, once.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import TypeVar

import msgspec
import uvloop

from sheetbend.brokers.memory import MemoryBroker
from sheetbend.core.limits import Limits
from sheetbend.server.admission import Admission
from sheetbend.server.app import Server
from sheetbend.server.config import ServerConfig
from sheetbend.server.gate import Gate
from sheetbend.server.hub import Hub
from sheetbend.server.logs import configure_logs

__all__ = ["EMPTY_ROOM_S", "LIMITS", "RESUME_GRACE_S", "Counts"]

RESUME_GRACE_S = 3.0
EMPTY_ROOM_S = 3.0
LIMITS = Limits(resume_grace_s=RESUME_GRACE_S, empty_room_s=EMPTY_ROOM_S)
"""As they come, but for the times after which something is forgotten: there shall be much of that."""

Found = TypeVar("Found")


class Counts(msgspec.Struct, frozen=True):
    """How much there is of what may not grow."""

    sessions: int
    away: int
    rooms: int
    connections: int
    addresses: int
    expiries: int
    tasks: int
    history_bytes: int
    objects: int
    """All that Python's collector knows of."""


class _Counter:
    def __init__(self) -> None:
        self._hub = _find(Hub)
        self._broker = _find(MemoryBroker)
        self._gate = _find(Gate)
        self._admission = _find(Admission)

    def count(self) -> Counts:
        return Counts(
            sessions=len(self._hub.clients),
            away=len(self._hub._away),
            rooms=self._broker.rooms_count,
            connections=len(self._gate.connections),
            addresses=len(self._admission),
            expiries=len(self._hub._greeter._expiries),
            tasks=len(asyncio.all_tasks()),
            history_bytes=LIMITS.history_total_bytes_max - self._broker._budget.bytes_left,
            objects=len(gc.get_objects()),
        )


def _find(kind: type[Found]) -> Found:
    """Return the one object of a type."""
    (found,) = (each for each in gc.get_objects() if type(each) is kind)
    assert isinstance(found, kind)
    return found


async def _serve() -> None:
    server = Server(ServerConfig(port=0, log_level="warning", limits=LIMITS))

    def ready() -> None:
        asyncio.get_running_loop().add_reader(0, _answer, _Counter(), server)
        _say({"port": server.port})

    await server.run(ready)


def _answer(counter: _Counter, server: Server) -> None:
    if os.read(0, 64):
        _say(counter.count())
    else:  # whoever asked is gone
        asyncio.get_running_loop().remove_reader(0)
        server.stop()


def _say(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    configure_logs("warning", "text")
    uvloop.run(_serve())
