"""Storms: thousands of clients lose their connections at once, and must all be back soon, in rooms that agree.

`storm-cut` cuts every connection while the server lives: each session must be resumed, and what was said meanwhile
arrive. `storm-restart` kills the server and starts it again on the same port: nobody can resume, and everybody must be
told so and join again. The clients are real ones (`participant`), with the SDK's full jitter.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from random import Random

from sheetbend.core.client.effects import Ended, Lost, Welcomed
from sheetbend.core.client.room import Entered, Event

from ..measure import cpu_s, until_quiet
from ..participant import Participant
from ..servers import Cores, Server, running, sheetbend
from ..witness import Chronicle, differences
from .base import Figure, Outcome, Trial, TrialSettings, percentile

__all__ = ["CutStorm", "RestartStorm"]

_BATCH = 100
_ENTER_TIMEOUT_S = 60.0
_GIVE_UP_S = 90.0
_POLL_S = 0.05
_clock = time.perf_counter


class _Crowd:
    """All clients, and when each was back."""

    def __init__(self, settings: TrialSettings, port: int) -> None:
        self.chronicle = Chronicle()
        self.rooms: dict[str, list[Participant]] = {}
        self.back_at: dict[Participant, float] = {}
        """When each was in its room again, by its own session or another."""
        self.resumed = 0
        self.ended: list[str] = []
        self.everybody: list[Participant] = []
        for number in range(settings.storm_clients):
            room_id = f"room-{number // settings.storm_room_members}"
            client = Participant(number, room_id, port=port, random=Random(number), tell=self._tell)
            self.everybody.append(client)
            self.rooms.setdefault(room_id, []).append(client)

    @property
    def attempts(self) -> int:
        return sum(client.attempts for client in self.everybody)

    async def enter(self) -> None:
        """Everybody comes for the first time, `_BATCH` at a time."""
        async with asyncio.timeout(_ENTER_TIMEOUT_S):
            for start in range(0, len(self.everybody), _BATCH):
                batch = self.everybody[start : start + _BATCH]
                for client in batch:
                    client.start()
                await self.until_settled(batch)

    async def until_settled(self, clients: Sequence[Participant]) -> None:
        while not all(client.is_settled for client in clients):
            if self.ended:
                raise RuntimeError(f"a client gave up: {self.ended[0]}")
            await asyncio.sleep(_POLL_S)

    async def until_consistent(self) -> float | None:
        """Return when all are back and agree on everything, None if that doesn't happen."""
        deadline = _clock() + _GIVE_UP_S
        while _clock() < deadline and not self.ended:
            if all(client.is_settled for client in self.everybody) and not differences(self.rooms):
                return _clock()
            await asyncio.sleep(_POLL_S)
        return None

    def speak(self, text: str) -> None:
        """One member of each room says something."""
        for members in self.rooms.values():
            self.chronicle.said(members[0], members[0].say(text))

    def forget_returns(self) -> None:
        self.back_at.clear()
        self.resumed = 0

    def faults(self) -> list[str]:
        """What is wrong when all are at rest."""
        self.chronicle.check(self.everybody)
        return [*self.ended[:5], *differences(self.rooms)[:5], *self.chronicle.faults]

    async def leave(self) -> None:
        for client in self.everybody:
            client.leave()
        for client in self.everybody:
            await client.wait_closed()

    def _tell(self, client: Participant, event: Event | Welcomed | Lost | Ended) -> None:
        self.chronicle.tell(client, event)
        match event:
            case Welcomed(recovered=True):
                self.resumed += 1
                self.back_at[client] = _clock()
            case Entered():
                self.back_at[client] = _clock()
            case Ended():
                self.ended.append(f"{client.name}: {event.code} {event.error}")


class _Usage:
    """CPU time from here to `stop`. Where the generator's is much of the time, it is the clients who are slow."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.server_s = -cpu_s(pid)
        self.generator_s = -time.process_time()

    def stop(self) -> None:
        self.server_s += cpu_s(self._pid)
        self.generator_s += time.process_time()


class CutStorm(Trial):
    """The server lives on."""

    name = "storm-cut"

    async def run(self, cores: Cores, settings: TrialSettings) -> Outcome:
        async with running(sheetbend(), cores.server) as server:
            crowd = _Crowd(settings, server.port)
            await _settle(crowd, server)
            usage = _Usage(server.pid)
            attempts, start = crowd.attempts, _clock()
            for client in crowd.everybody:
                client.cut()
            crowd.speak("while nobody is connected")
            consistent_at = await crowd.until_consistent()
            usage.stop()
            faults = crowd.faults()
            if crowd.resumed < settings.storm_clients:
                faults.append(f"{crowd.resumed} of {settings.storm_clients} sessions were resumed")
            figures = _figures(crowd, start, consistent_at, usage, attempts, settings)
            await crowd.leave()
        title = f"{settings.storm_clients:,} clients in rooms of {settings.storm_room_members} lose their connections"
        return Outcome(trial=self.name, title=f"{title} at once; the server lives on", figures=figures, faults=faults)


class RestartStorm(Trial):
    """The server is killed, and comes back with empty hands."""

    name = "storm-restart"

    async def run(self, cores: Cores, settings: TrialSettings) -> Outcome:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(running(sheetbend(), cores.server))
            crowd = _Crowd(settings, first.port)
            await _settle(crowd, first)
            before = {client: client.room.user_id for client in crowd.everybody}
            os.kill(first.pid, signal.SIGKILL)
            await asyncio.sleep(settings.downtime_s / 2)
            crowd.speak("while the server is away")
            await asyncio.sleep(settings.downtime_s / 2)
            attempts = crowd.attempts
            second = await stack.enter_async_context(running(sheetbend(port=first.port), cores.server))
            usage, start = _Usage(second.pid), _clock()
            consistent_at = await crowd.until_consistent()
            usage.stop()
            faults = crowd.faults()
            if kept := sum(client.room.user_id == before[client] for client in crowd.everybody):
                faults.append(f"{kept} sessions outlived the server's memory of them")
            if crowd.chronicle.gaps < settings.storm_clients:
                faults.append(f"{crowd.chronicle.gaps} of {settings.storm_clients} clients were told of a gap")
            figures = _figures(crowd, start, consistent_at, usage, attempts, settings)
            await crowd.leave()
        title = (
            f"{settings.storm_clients:,} clients in rooms of {settings.storm_room_members}, and the server is killed"
        )
        return Outcome(
            trial=self.name,
            title=f"{title}; from its return after {settings.downtime_s:g} s",
            figures=figures,
            faults=faults,
        )


async def _settle(crowd: _Crowd, server: Server) -> None:
    """Everybody is in and has heard something."""
    await crowd.enter()
    crowd.speak("before")
    await crowd.until_settled(crowd.everybody)
    await until_quiet(server.pid)
    if wrong := crowd.faults():
        raise RuntimeError(f"even before the storm: {wrong[0]}")
    crowd.forget_returns()


def _figures(
    crowd: _Crowd, start: float, consistent_at: float | None, usage: _Usage, attempts: int, settings: TrialSettings
) -> list[Figure]:
    taken_s = [at - start for at in crowd.back_at.values()]
    missing = settings.storm_clients - len(taken_s)
    taken_s += [_GIVE_UP_S] * missing
    consistent_s = _GIVE_UP_S if consistent_at is None else consistent_at - start
    tries = (crowd.attempts - attempts) / settings.storm_clients
    return [
        Figure(name="back: 50%", value=percentile(taken_s, 0.5), unit="s"),
        Figure(name="back: 99%", value=percentile(taken_s, 0.99), unit="s"),
        Figure(name="back: 100%", value=max(taken_s), unit="s"),
        Figure(name="all back and consistent", value=consistent_s, unit="s", at_most=settings.storm_within_s),
        Figure(name="server CPU", value=usage.server_s, unit="s"),
        Figure(name="server CPU a client", value=usage.server_s / settings.storm_clients * 1e6, unit="us"),
        Figure(name="load generator CPU", value=usage.generator_s, unit="s"),
        Figure(name="attempts a client", value=tries, unit=""),
    ]
