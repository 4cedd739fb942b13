"""A server inside the test's own event loop, where its limits can be small."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, ParamSpec

import uvloop

from sheetbend.core.limits import Limits
from sheetbend.server.app import Server
from sheetbend.server.config import ServerConfig

__all__ = ["RunningServer", "asynchronous", "serving"]

P = ParamSpec("P")


class RunningServer:
    """Where to reach it, and how to end it."""

    def __init__(self, server: Server, running: asyncio.Task[None]) -> None:
        self.port = server.port
        self.websocket_url = f"ws://127.0.0.1:{server.port}/ws"
        self._server = server
        self._running = running

    async def stop(self) -> None:
        self._server.stop()
        await self._running


@asynccontextmanager
async def serving(limits: Limits, **settings: Any) -> AsyncIterator[RunningServer]:
    """Serve with `limits` and other settings of ServerConfig."""
    server = Server(ServerConfig(port=0, limits=limits, **settings))
    ready = asyncio.Event()
    running = RunningServer(server, asyncio.create_task(server.run(ready.set)))
    await ready.wait()
    try:
        yield running
    finally:
        await running.stop()


def asynchronous(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Let a test be a coroutine; it runs on the kind of loop that the server runs on.

    A test that fails leaves connections open. uvloop warns of each as it closes the loop, and hangs if that raises.
    """

    @wraps(test)
    def synchronous(*args: P.args, **kwargs: P.kwargs) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            uvloop.run(test(*args, **kwargs))

    return synchronous
