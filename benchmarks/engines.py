"""`engine-bulk`, `engine-round-trip` and `engine-video`: what WebRTC engines of Python carry, and what they cost.

Both ends are processes of their own (`engine_peer.py`), one on each core, and speak over loopback. An engine by its own
API stands beside the same one by `sheetbend.client.engines`, so that what lies between shows.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from . import servers
from .scenarios import Bench, Contestant, Measurement, Scenario, Settings
from .servers import Command, Cores, running

__all__ = ["ENGINES", "EngineBulk", "EngineRoundTrip", "EngineVideo"]

_ROOT = Path(__file__).resolve().parents[1]
_ORDER_TIMEOUT_S = 60.0

WRTC = Contestant("wrtc", "wrtc by the interface")
WRTC_BARE = Contestant("wrtc-bare", "wrtc, bare")
WRTC_LINK = Contestant("wrtc-link", "a link on wrtc")
AIORTC = Contestant("aiortc", "aiortc by the interface")
AIORTC_BARE = Contestant("aiortc-bare", "aiortc, bare")
AIORTC_LINK = Contestant("aiortc-link", "a link on aiortc")
RELAY_LINK = Contestant("relay-link", "a link on the relay")
RELAY_BARE = Contestant("relay-bare", "bare WebSocket, Node ws")
ENGINES = (WRTC_LINK, WRTC, WRTC_BARE, AIORTC_LINK, AIORTC, AIORTC_BARE, RELAY_LINK, RELAY_BARE)
"""Each is one of `engine_peer.PEERS`."""
_SERVERS: dict[Contestant, Command] = {
    WRTC_LINK: servers.SHEETBEND,
    AIORTC_LINK: servers.SHEETBEND,
    RELAY_LINK: servers.SHEETBEND,
    RELAY_BARE: servers.RELAY_WITH_BUFFERUTIL,
}
"""Of those that need one."""
_BIT_RATE = "x-google-start-bitrate=3000;x-google-min-bitrate=2000"
"""libwebrtc's own words for kbit/s. As it comes it begins at 300 with a small picture, and takes half a minute."""


class _Peer:
    """A process that takes orders."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def order(self, do: str, **options: Any) -> Any:
        """Raises RuntimeError with what went wrong there."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode({"do": do, **options}) + b"\n")
        async with asyncio.timeout(_ORDER_TIMEOUT_S):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a peer ended with {await self._process.wait()}")
        answer = msgspec.json.decode(line)
        if "error" in answer:
            raise RuntimeError(f"{do}: {answer['error']}")
        return answer["result"]


@asynccontextmanager
async def _peer(name: str, core: int) -> AsyncIterator[_Peer]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.engine_peer", name),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
        cwd=_ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        yield _Peer(process)
    finally:
        if process.returncode is None:
            process.kill()  # Ends are not said goodbye to: what that takes is no part of what is measured.
        await process.wait()


@asynccontextmanager
async def _call(offerer: str, answerer: str, cores: Cores) -> AsyncIterator[tuple[_Peer, _Peer]]:
    """Two processes with an open data channel between them. The answerer has the core of servers."""
    async with _peer(offerer, cores.generator) as one, _peer(answerer, cores.server) as other:
        await _negotiate(one, other)
        await asyncio.gather(one.order("opened"), other.order("opened"))
        yield one, other


@asynccontextmanager
async def _pair(contestant: Contestant, cores: Cores) -> AsyncIterator[tuple[_Peer, _Peer]]:
    """Two processes that can say something to each other, on the path that the contestant is about."""
    command = _SERVERS.get(contestant)
    if command is None:
        async with _call(contestant.name, contestant.name, cores) as pair:
            yield pair
        return
    name = contestant.name
    async with (
        running(command, cores.server) as server,
        _peer(name, cores.generator) as one,
        _peer(name, cores.server) as other,
    ):
        if contestant is RELAY_BARE:
            ids = [await peer.order("enter", port=server.port) for peer in (one, other)]
            await asyncio.gather(one.order("meet", other=ids[1]), other.order("meet", other=ids[0]))
        else:
            url = f"http://127.0.0.1:{server.port}/r/bench"
            await asyncio.gather(one.order("join", url=url), other.order("join", url=url))
        await asyncio.gather(one.order("opened"), other.order("opened"))
        yield one, other


async def _negotiate(one: _Peer, other: _Peer) -> None:
    offer = await one.order("offer")
    answer = await other.order("answer", offer=offer)
    answer = re.sub(r"^(a=rtpmap:(\d+) VP8/90000\r\n)", rf"\1a=fmtp:\2 {_BIT_RATE}\r\n", answer, flags=re.MULTILINE)
    await one.order("accept", answer=answer)


class _EngineScenario(Scenario[Contestant]):
    contestants: Sequence[Contestant] = ENGINES

    def rounds(self, settings: Settings) -> int:
        return min(settings.rounds, settings.slow_rounds_max)


class EngineBulk(_EngineScenario):
    """Messages of 16,000 bytes on a reliable channel, at most 1 MiB of them waiting."""

    name = "engine-bulk"

    @asynccontextmanager
    async def bench(self, contestant: Contestant, cores: Cores, settings: Settings) -> AsyncIterator[Bench]:
        async with _pair(contestant, cores) as (sender, receiver):

            async def measure() -> list[Measurement]:
                await sender.order("start")
                counted = await receiver.order("count", warm_up_s=settings.bulk_warm_up_s, seconds=settings.bulk_s)
                await sender.order("stop")
                mb = counted["bytes"] / 1e6
                if not mb:
                    raise RuntimeError("nothing came")
                metrics = {
                    "mb_per_s": mb / counted["seconds"],
                    "ms_per_mb": counted["seconds"] * 1e3 / mb,
                    "receiver_cpu_ms_per_mb": counted["cpu_s"] * 1e3 / mb,
                    "held_up_ms": counted["held_up_s"] * 1e3,
                }
                return [(self.name, metrics, counted["faults"])]

            await measure()  # warm up
            yield measure


class EngineRoundTrip(_EngineScenario):
    """100 bytes there and back, one message at a time."""

    name = "engine-round-trip"

    @asynccontextmanager
    async def bench(self, contestant: Contestant, cores: Cores, settings: Settings) -> AsyncIterator[Bench]:
        async with _pair(contestant, cores) as (one, other):
            await other.order("echo")

            async def measure() -> list[Measurement]:
                took = await one.order("round_trip", times=settings.round_trips)
                took_us = sorted(seconds * 1e6 for seconds in took)
                metrics = {"us": statistics.median(took_us), "p99_us": took_us[int(len(took_us) * 0.99)]}
                return [(self.name, metrics, [])]

            yield measure


class EngineVideo(_EngineScenario):
    """One stream of 720p30, VP8, taken as frames. The same engine sends to each, so that all get the same."""

    name = "engine-video"
    contestants = (WRTC, AIORTC)

    @asynccontextmanager
    async def bench(self, contestant: Contestant, cores: Cores, settings: Settings) -> AsyncIterator[Bench]:
        async def measure() -> list[Measurement]:
            async with _call(WRTC.name, contestant.name, cores) as (sender, receiver):
                await sender.order("show")
                await _negotiate(sender, receiver)
                metrics = await receiver.order("watch", seconds=settings.bulk_s)
                return [(self.name, metrics, [])]

        yield measure
