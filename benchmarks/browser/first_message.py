"""`first-message`: how soon after a call of connect or join a member has the first message of another.

The other is there already, and sends as soon as it can. Each time is of one newcomer, by the clock of its page.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

from playwright.async_api import Page

from .. import servers
from ..scenarios import Bench, Contestant, Measurement, Settings
from ..servers import Command, Cores, running
from .chromium import PageScenario, call, two_pages
from .contestants import PEERJS, SDK, SIMPLE_PEER, WEBSOCKET
from .distance import at_distance

__all__ = ["FirstMessage"]

_WARM_UPS = 3
_SETTLE_S = 0.1
"""What the last newcomer leaves behind is done by then."""


class FirstMessage(PageScenario):
    """On this machine (`near`), and with a distance between all three, page, page and server (`far`)."""

    name = "first-message"
    contestants = (SDK, PEERJS, SIMPLE_PEER, WEBSOCKET)
    _servers: ClassVar[dict[Contestant, Command]] = {
        SDK: servers.SHEETBEND,
        PEERJS: servers.PEERSERVER,
        SIMPLE_PEER: servers.PLAIN,
        WEBSOCKET: servers.PLAIN,
    }

    def rounds(self, settings: Settings) -> int:
        return settings.first_messages

    @asynccontextmanager
    async def bench(self, contestant: Contestant, cores: Cores, settings: Settings) -> AsyncIterator[Bench]:
        module = f"first/{contestant.name}"
        async with running(self._servers[contestant], cores.server) as server, AsyncExitStack() as stack:
            far_s = settings.far_ms / 1e3
            far = await stack.enter_async_context(at_distance(server.port, far_s))
            newcomers: dict[str, tuple[Page, dict[str, Any]]] = {}
            for place, port, round_trip_s in (("near", server.port, 0.0), ("far", far, far_s)):
                resident, newcomer = await stack.enter_async_context(two_pages(self._browser, port, round_trip_s))
                options = {"port": port, "room": f"first-{place}"}
                await call(resident, module, "reside", **options)
                newcomers[place] = newcomer, options
                for _ in range(_WARM_UPS):
                    await call(newcomer, module, "enter", **options)
                    await asyncio.sleep(_SETTLE_S)

            async def measure() -> list[Measurement]:
                measured: list[Measurement] = []
                for place, (page, options) in newcomers.items():
                    ms = await call(page, module, "enter", **options)
                    measured.append((f"{self.name}/{place}", {"ms": ms}, []))
                    await asyncio.sleep(_SETTLE_S)
                return measured

            yield measure
