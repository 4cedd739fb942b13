"""`bulk-direct` and `bulk-relay`: how much goes from one page to another, by a data channel and through the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar

from .. import servers
from ..scenarios import Bench, Contestant, Measurement, Settings
from ..servers import Command, Cores, running
from .chromium import PageScenario, call, two_pages
from .contestants import DATA_CHANNEL, SDK, WEBSOCKET

__all__ = ["BulkDirect", "BulkRelay"]

_SETTLE_S = 0.5
"""What is on its way arrives, and the next contestant has the machine to itself."""


class _Bulk(PageScenario):
    """Messages of 16,000 bytes, which the receiver counts for a while, having seen that each is the next."""

    relay_only: ClassVar[bool]
    _servers: ClassVar[Mapping[Contestant, Command]]

    def rounds(self, settings: Settings) -> int:
        return min(settings.rounds, settings.slow_rounds_max)

    @asynccontextmanager
    async def bench(self, contestant: Contestant, cores: Cores, settings: Settings) -> AsyncIterator[Bench]:
        module = f"bulk/{contestant.name}"
        async with (
            running(self._servers[contestant], cores.server) as server,
            two_pages(self._browser, server.port) as (sender, receiver),
        ):
            options = {"port": server.port, "room": self.name, "relayOnly": self.relay_only}
            await asyncio.gather(
                call(receiver, module, "open", receives=True, **options),
                call(sender, module, "open", receives=False, **options),
            )

            await call(sender, module, "start")
            await asyncio.sleep(settings.bulk_first_s)
            await call(sender, module, "stop")

            async def measure() -> list[Measurement]:
                await call(sender, module, "start")
                counted = await call(
                    receiver, module, "count", warmUpS=settings.bulk_warm_up_s, seconds=settings.bulk_s
                )
                faults = await call(sender, module, "stop")
                await asyncio.sleep(_SETTLE_S)
                mb_per_s = counted["bytes"] / 1e6 / counted["seconds"]
                if not mb_per_s:
                    raise RuntimeError("nothing came")
                metrics = {"mb_per_s": mb_per_s, "ms_per_mb": 1e3 / mb_per_s}
                return [(self.name, metrics, [*counted["faults"], *faults])]

            yield measure


class BulkDirect(_Bulk):
    """A stream of the SDK beside a data channel with nothing around it."""

    name = "bulk-direct"
    contestants = (SDK, DATA_CHANNEL)
    relay_only = False
    # A bare channel needs no server: its two pages signal to each other within the browser. They need an origin.
    _servers: ClassVar[Mapping[Contestant, Command]] = {
        SDK: servers.SHEETBEND,
        DATA_CHANNEL: servers.RELAY_WITH_BUFFERUTIL,
    }


class BulkRelay(_Bulk):
    """A stream of the SDK, sealed, beside WebSockets and a plain relay, unsealed."""

    name = "bulk-relay"
    contestants = (SDK, WEBSOCKET)
    relay_only = True
    _servers: ClassVar[Mapping[Contestant, Command]] = {
        SDK: servers.SHEETBEND,
        WEBSOCKET: servers.RELAY_WITH_BUFFERUTIL,
    }
