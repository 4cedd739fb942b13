"""What is measured of servers: relay between pairs, fan-out in a room, idle connections, a storm of joins.

A scenario opens one bench a contestant, and a bench measures as often as it is asked to, so that contestants can take
turns. Servers live as long as their bench, as a server does; only idle memory needs a fresh one each time.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from picows import WSError

from . import servers
from .load import Traffic, Window
from .measure import Memory, cpu_s, memory, until_quiet
from .protocols import V1, Connection, Floor, Lesson, PeerServer, Protocol, SocketIo, V1WithTokens
from .rooms import Storm, close_all, connect_all, join_all
from .servers import Command, Cores, Server, running

__all__ = [
    "BROKEN",
    "SCENARIOS",
    "SERVERS",
    "Bench",
    "Contestant",
    "Measurement",
    "Sample",
    "Scenario",
    "ServerContestant",
    "Settings",
    "run",
    "window_metrics",
]


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who is measured. `name` is what `--servers` takes."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class ServerContestant(Contestant):
    """A server and the protocol it is spoken to in."""

    command: Command
    protocol: Protocol


LESSON = ServerContestant("lesson", "Sheetbend, lesson", servers.SHEETBEND, Lesson())
V1_DIALECT = ServerContestant("v1", "Sheetbend, sheetbend.v1", servers.SHEETBEND, V1())
assert servers.SHEETBEND_WITH_TOKENS.secret is not None
V1_WITH_TOKENS = ServerContestant(
    "v1-tokens",
    "sheetbend.v1 with tokens",
    servers.SHEETBEND_WITH_TOKENS,
    V1WithTokens(servers.SHEETBEND_WITH_TOKENS.secret),
)
PLAIN = ServerContestant("plain", "Node ws, plain", servers.PLAIN, Lesson())
SOCKET_IO = ServerContestant("socketio", "Socket.IO", servers.SOCKET_IO, SocketIo())
PEERSERVER = ServerContestant("peer", "PeerServer", servers.PEERSERVER, PeerServer())
FLOOR = ServerContestant("floor", "floor (no parsing)", servers.FLOOR, Floor())
SERVERS = (LESSON, PLAIN, V1_DIALECT, V1_WITH_TOKENS, SOCKET_IO, PEERSERVER, FLOOR)
_WITHOUT_TOKENS = (LESSON, PLAIN, V1_DIALECT, SOCKET_IO, PEERSERVER, FLOOR)
"""A token matters once a session, so that of the scenarios without traffic only joins could show one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How much of everything."""

    rounds: int = 5
    window_s: float = 1.25
    warm_up_s: float = 2.0
    few_pairs: int = 50
    few_messages_per_s: float = 30_000
    """About half of what the slowest contestant can do; so is the next."""
    many_pairs: int = 500
    many_messages_per_s: float = 15_000
    fanout_members: int = 500
    fanout_messages_per_s: float = 100
    fanout_under_way: int = 8
    """Enough that the server never waits for the load generator."""
    idle_first: int = 1_000
    """Already there when counting begins: V8's heap takes its first megabytes in steps, whatever they are for."""
    idle_connections: int = 2_000
    storm_members: int = 500
    slow_rounds_max: int = 3
    """Of idle and joins: thousands of new connections a round take time, and the differences are large. Of what moves
    megabytes too."""
    frame_sizes: tuple[int, ...] = (16_000, 1_000)
    """The largest record of a link, and a small one."""
    frame_pairs: int = 25
    """More than may send as much as they can: a session's relay frames are limited to 32 MiB a second."""
    frames_under_way: int = 4
    """Of each stream. Few enough that nothing is dropped."""
    first_messages: int = 20
    far_ms: float = 50
    """A round trip, to the server and to each other, as over a network."""
    bulk_first_s: float = 4.0
    """Of a connection, and not counted. In slow start a data channel may lose so much that it takes 3 s to recover."""
    bulk_warm_up_s: float = 0.5
    bulk_s: float = 3.0
    round_trips: int = 2_000


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement: of one contestant, in one round."""

    scenario: str
    contestant: str
    round: int
    metrics: dict[str, float]
    faults: list[str]


BROKEN = (OSError, RuntimeError, TimeoutError, ValueError, WSError)
"""What a server that doesn't do as it must brings about here."""

Measurement = tuple[str, dict[str, float], list[str]]
"""A scenario's name, metrics and faults."""
Bench = Callable[[], Awaitable[list[Measurement]]]


AnyContestant = TypeVar("AnyContestant", bound=Contestant)


class Scenario(ABC, Generic[AnyContestant]):
    """One kind of load. `name` is what `--only` takes."""

    name: str
    contestants: Sequence[AnyContestant]

    @asynccontextmanager
    async def stage(self, cores: Cores) -> AsyncIterator[None]:
        """Have ready what the contestants share."""
        yield

    @abstractmethod
    def bench(self, contestant: AnyContestant, cores: Cores, settings: Settings) -> AbstractAsyncContextManager[Bench]:
        """Make everything ready to measure one contestant."""

    def rounds(self, settings: Settings) -> int:
        return settings.rounds


class _TrafficScenario(Scenario[ServerContestant]):
    """Candidates, as many as possible and at a fixed rate."""

    @abstractmethod
    def under_way(self, settings: Settings) -> int:
        """How many messages of a stream may be on their way when it is as many as possible."""

    @abstractmethod
    async def prepare(self, traffic: Traffic, contestant: ServerContestant, server: Server, settings: Settings) -> None:
        """Connect, join and add the streams."""

    @abstractmethod
    def messages_per_s(self, settings: Settings) -> float:
        """The fixed rate, in messages sent."""

    @asynccontextmanager
    async def bench(self, contestant: ServerContestant, cores: Cores, settings: Settings) -> AsyncIterator[Bench]:
        async with running(contestant.command, cores.server) as server:
            traffic = Traffic(contestant.protocol, server.pid)
            await self.prepare(traffic, contestant, server, settings)
            under_way = self.under_way(settings)
            await traffic.flood(settings.warm_up_s, under_way)

            async def measure() -> list[Measurement]:
                full = await traffic.flood(settings.window_s, under_way)
                full_faults = traffic.take_faults()
                paced = await traffic.pace(settings.window_s, self.messages_per_s(settings))
                return [
                    (f"{self.name}/full", window_metrics(full), full_faults),
                    (f"{self.name}/paced", window_metrics(paced), traffic.take_faults()),
                ]

            try:
                yield measure
            finally:
                await traffic.close()


class _Relay(_TrafficScenario):
    """Pairs whose members send each other candidates."""

    contestants = SERVERS

    @abstractmethod
    def pairs(self, settings: Settings) -> int:
        """How many."""

    def under_way(self, settings: Settings) -> int:
        return 1

    async def prepare(self, traffic: Traffic, contestant: ServerContestant, server: Server, settings: Settings) -> None:
        protocol = contestant.protocol
        connections = await _connect_pairs(protocol, server, range(2 * self.pairs(settings)))
        for number in range(0, len(connections), 2):
            one, other = connections[number : number + 2]
            room = _pair_room(number)
            traffic.add(one, protocol.to_member(room, other.user_id), [other])
            traffic.add(other, protocol.to_member(room, one.user_id), [one])


class RelayFew(_Relay):
    """Everything a server touches fits its core's cache."""

    name = "relay-few"

    def pairs(self, settings: Settings) -> int:
        return settings.few_pairs

    def messages_per_s(self, settings: Settings) -> float:
        return settings.few_messages_per_s


class RelayMany(_Relay):
    """As a server is used: a message costs more the more connections there are."""

    name = "relay-many"

    def pairs(self, settings: Settings) -> int:
        return settings.many_pairs

    def messages_per_s(self, settings: Settings) -> float:
        return settings.many_messages_per_s


class Fanout(_TrafficScenario):
    """One sender, and a room full of receivers. PeerServer has no rooms."""

    name = "fanout"
    contestants = (LESSON, PLAIN, V1_DIALECT, V1_WITH_TOKENS, SOCKET_IO, FLOOR)

    def under_way(self, settings: Settings) -> int:
        return settings.fanout_under_way

    def messages_per_s(self, settings: Settings) -> float:
        return settings.fanout_messages_per_s

    async def prepare(self, traffic: Traffic, contestant: ServerContestant, server: Server, settings: Settings) -> None:
        protocol = contestant.protocol
        connections = await connect_all(protocol, server.port, range(settings.fanout_members), lambda _: "hall")
        await join_all(protocol, {"hall": connections})
        sender = connections[0]
        receivers = connections if protocol.echoes else connections[1:]
        traffic.add(sender, protocol.to_room("hall"), receivers)


class Idle(Scenario[ServerContestant]):
    """Memory of connections that are in rooms of two and say nothing."""

    name = "idle"
    contestants = _WITHOUT_TOKENS

    def rounds(self, settings: Settings) -> int:
        return min(settings.rounds, settings.slow_rounds_max)

    @asynccontextmanager
    async def bench(self, contestant: ServerContestant, cores: Cores, settings: Settings) -> AsyncIterator[Bench]:
        async def measure() -> list[Measurement]:
            async with running(contestant.command, cores.server) as server:
                first = range(settings.idle_first)
                counted = range(settings.idle_first, settings.idle_first + settings.idle_connections)
                connections = await _connect_pairs(contestant.protocol, server, first)
                before = await _settled_memory(server)
                connections += await _connect_pairs(contestant.protocol, server, counted)
                after = await _settled_memory(server)
                closed = sum(connection.is_closed for connection in connections)
                await close_all(connections)
            faults = [f"{closed} connections were closed by the server"] if closed else []
            return [(self.name, _memory_metrics(before, after, settings.idle_connections), faults)]

        yield measure


class Joins(Scenario[ServerContestant]):
    """Everybody enters one room at once. PeerServer has no rooms, and the floor tells nobody of anybody."""

    name = "joins"
    contestants = (LESSON, PLAIN, V1_DIALECT, SOCKET_IO)

    def rounds(self, settings: Settings) -> int:
        return min(settings.rounds, settings.slow_rounds_max)

    @asynccontextmanager
    async def bench(self, contestant: ServerContestant, cores: Cores, settings: Settings) -> AsyncIterator[Bench]:
        async with running(contestant.command, cores.server) as server:

            async def measure() -> list[Measurement]:
                protocol = contestant.protocol
                connections = await connect_all(protocol, server.port, range(settings.storm_members), lambda _: "hall")
                await until_quiet(server.pid)
                used_s, start = cpu_s(server.pid), time.perf_counter()
                storm = Storm(protocol, "hall", connections)
                storm.start()
                await storm.finish()
                used_s, seconds = cpu_s(server.pid) - used_s, time.perf_counter() - start
                await until_quiet(server.pid)
                storm.check()
                await close_all(connections)
                await until_quiet(server.pid)
                return [(self.name, _storm_metrics(storm, used_s, seconds, settings.storm_members), storm.faults)]

            await measure()  # warm up
            yield measure


SCENARIOS: tuple[Scenario[Any], ...] = (RelayFew(), RelayMany(), Fanout(), Idle(), Joins())


async def run(
    scenario: Scenario[Any], contestants: Sequence[Contestant], cores: Cores, settings: Settings
) -> list[Sample]:
    """Measure the contestants in turn, A B A B, forwards and backwards. One that breaks is left out from then on."""
    samples: list[Sample] = []
    names = {contestant.name for contestant in contestants}
    taking_part = [contestant for contestant in scenario.contestants if contestant.name in names]
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(scenario.stage(cores))
        except BROKEN as error:
            return [_broken(scenario, contestant, 0, error) for contestant in taking_part]
        benches: dict[Contestant, Bench] = {}
        for contestant in taking_part:
            try:
                bench = scenario.bench(contestant, cores, settings)
                benches[contestant] = await stack.enter_async_context(bench)
            except BROKEN as error:
                samples.append(_broken(scenario, contestant, 0, error))
        for number in range(scenario.rounds(settings)):
            for contestant in list(benches) if number % 2 == 0 else list(reversed(benches)):
                try:
                    measured = await benches[contestant]()
                except BROKEN as error:
                    samples.append(_broken(scenario, contestant, number, error))
                    del benches[contestant]
                else:
                    samples += (_sample(contestant, number, *measurement) for measurement in measured)
    return samples


def _sample(contestant: Contestant, number: int, scenario: str, metrics: dict[str, float], faults: list[str]) -> Sample:
    return Sample(scenario=scenario, contestant=contestant.name, round=number, metrics=metrics, faults=faults)


def _broken(scenario: Scenario[Any], contestant: Contestant, number: int, error: Exception) -> Sample:
    return _sample(contestant, number, scenario.name, {}, [f"{type(error).__name__}: {error}"])


def _pair_room(number: int) -> str:
    return f"pair-{number // 2}"


async def _connect_pairs(protocol: Protocol, server: Server, numbers: range) -> list[Connection]:
    """Open connections and bring them into rooms of two; partners stand side by side."""
    connections = await connect_all(protocol, server.port, numbers, _pair_room)
    pairs = zip(numbers[::2], connections[::2], connections[1::2], strict=True)
    await join_all(protocol, {_pair_room(number): [one, other] for number, one, other in pairs})
    return connections


async def _settled_memory(server: Server) -> Memory:
    """Memory when the work of connecting is done, and a Node server's garbage is gone."""
    await until_quiet(server.pid)
    server.collect_garbage()
    await until_quiet(server.pid)
    return memory(server.pid)


def window_metrics(window: Window) -> dict[str, float]:
    deliveries = max(1, window.deliveries)
    return {
        "deliveries": window.deliveries,
        "cpu_us_per_message": window.server_cpu_s / deliveries * 1e6,
        "messages_per_s": window.deliveries / window.seconds,
        "latency_p50_ms": _percentile(window.latencies_s, 0.50) * 1e3,
        "latency_p99_ms": _percentile(window.latencies_s, 0.99) * 1e3,
        "server_busy": window.server_cpu_s / window.seconds,
        "generator_busy": window.generator_cpu_s / window.seconds,
    }


def _memory_metrics(before: Memory, after: Memory, connections: int) -> dict[str, float]:
    return {
        "own_bytes_per_connection": (after.anonymous_bytes - before.anonymous_bytes) / connections,
        "rss_bytes_per_connection": (after.rss_bytes - before.rss_bytes) / connections,
        "rss_bytes_before": before.rss_bytes,
        "rss_bytes_after": after.rss_bytes,
    }


def _storm_metrics(storm: Storm, used_s: float, seconds: float, joins: int) -> dict[str, float]:
    return {
        "cpu_ms_per_join": used_s / joins * 1e3,
        "seconds": seconds,
        "messages_to_server": joins,
        "bytes_to_server": storm.bytes_sent,
        "messages_from_server": storm.messages_received,
        "bytes_from_server": storm.bytes_received,
    }


def _percentile(values: Sequence[float], share: float) -> float:
    """Of sorted values; 0 if there are none."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0
