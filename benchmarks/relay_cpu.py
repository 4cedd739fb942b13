"""`relay-cpu`: what the server takes for each megabyte that it carries from one member to another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from . import servers
from .frames import FloorFrames, PlainFrames, V1Frames
from .load import Traffic
from .protocols import Protocol
from .rooms import connect_all, join_all
from .scenarios import Bench, Contestant, Measurement, Scenario, Settings, window_metrics
from .servers import Command, Cores, Server, running

__all__ = ["FRAMES_ONLY", "RelayCpu"]


@dataclass(frozen=True, slots=True)
class _FrameContestant(Contestant):
    command: Command
    protocol: Callable[[int], Protocol]
    """For messages of so many bytes."""


FRAMES_ONLY = _FrameContestant("plain-native", "Node ws with bufferutil", servers.RELAY_WITH_BUFFERUTIL, PlainFrames)
"""Not elsewhere: for candidates of 300 bytes it makes no difference (12.0 us a message beside 11.8)."""


class RelayCpu(Scenario[_FrameContestant]):
    """Pairs send each other binary messages, large ones and small ones in turn."""

    name = "relay-cpu"
    contestants = (
        _FrameContestant("v1", "Sheetbend, sheetbend.v1", servers.SHEETBEND, V1Frames),
        _FrameContestant("plain", "Node ws, plain", servers.RELAY, PlainFrames),
        FRAMES_ONLY,
        _FrameContestant("floor", "floor (no parsing)", servers.FLOOR, FloorFrames),
    )

    def rounds(self, settings: Settings) -> int:
        return min(settings.rounds, settings.slow_rounds_max)

    @asynccontextmanager
    async def bench(self, contestant: _FrameContestant, cores: Cores, settings: Settings) -> AsyncIterator[Bench]:
        async with running(contestant.command, cores.server) as server, AsyncExitStack() as stack:
            traffics: dict[int, Traffic] = {}
            for size in settings.frame_sizes:
                traffics[size] = await _pairs(contestant.protocol(size), server, settings.frame_pairs, f"pair-{size}")
                stack.push_async_callback(traffics[size].close)
                await traffics[size].flood(settings.warm_up_s / len(settings.frame_sizes), settings.frames_under_way)

            async def measure() -> list[Measurement]:
                measured: list[Measurement] = []
                for size, traffic in traffics.items():
                    window = await traffic.flood(settings.window_s, settings.frames_under_way)
                    megabytes = max(1, window.deliveries) * size / 1e6
                    metrics = {
                        **window_metrics(window),
                        "cpu_ms_per_mb": window.server_cpu_s * 1e3 / megabytes,
                        "mb_per_s": megabytes / window.seconds,
                    }
                    measured.append((f"{self.name}/{size}", metrics, traffic.take_faults()))
                return measured

            yield measure


async def _pairs(protocol: Protocol, server: Server, count: int, prefix: str) -> Traffic:
    """Open connections in rooms of two, whose members send to each other."""
    numbers = range(2 * count)
    connections = await connect_all(protocol, server.port, numbers, lambda number: f"{prefix}-{number // 2}")
    rooms = {f"{prefix}-{number}": connections[2 * number : 2 * number + 2] for number in range(count)}
    await join_all(protocol, rooms)
    traffic = Traffic(protocol, server.pid)
    for room, (one, other) in rooms.items():
        traffic.add(one, protocol.to_member(room, other.user_id), [other])
        traffic.add(other, protocol.to_member(room, one.user_id), [one])
    return traffic
