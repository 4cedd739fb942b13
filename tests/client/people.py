"""Programs in a room, as tests drive them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

from sheetbend.client import Event, Member, MemberJoined, PathChanged, Room, connect
from sheetbend.server.app import Server
from sheetbend.server.config import ServerConfig
from tests.support.in_process import RunningServer

__all__ = ["TIMEOUT_S", "companions", "entered", "every", "meet", "next_of", "on_path", "serving_at", "unread"]

TIMEOUT_S = 10

_Event = TypeVar("_Event")


@asynccontextmanager
async def entered(url: str, *names: str, room: str = "demo", **options: Any) -> AsyncIterator[list[Room]]:
    """Have programs of these names enter, one after the other; without WebRTC unless `engine` says so."""
    async with AsyncExitStack() as stack:
        options = {"engine": None, **options}
        yield [await stack.enter_async_context(connect(url, room=room, name=name, **options)) for name in names]


@asynccontextmanager
async def serving_at(port: int) -> AsyncIterator[RunningServer]:
    """Serve where another server did."""
    server = Server(ServerConfig(port=port))
    ready = asyncio.Event()
    running = RunningServer(server, asyncio.create_task(server.run(ready.set)))
    await ready.wait()
    try:
        yield running
    finally:
        await running.stop()


async def next_of(room: Room, kind: type[_Event], condition: Callable[[_Event], bool] = lambda _: True) -> _Event:
    """Read events up to the next of this kind for which the condition holds."""
    async with asyncio.timeout(TIMEOUT_S):
        async for event in room:
            if isinstance(event, kind) and condition(event):
                return event
    raise AssertionError(f"the room ended without {kind.__name__}")


async def meet(room: Room) -> Member:
    """The member that is met next."""
    return (await next_of(room, MemberJoined)).member


async def companions(*rooms: Room) -> list[Member]:
    """What each of these takes its only companion for."""
    return [await meet(room) for room in rooms]


async def on_path(room: Room, path: str | None) -> Member:
    """Read events until what is sent to a member goes this way."""
    return (await next_of(room, PathChanged, lambda event: event.path == path)).member


async def every(room: Room, kind: type[_Event], count: int) -> list[_Event]:
    """Read events until there were so many of this kind; return those."""
    return [await next_of(room, kind) for _ in range(count)]


async def unread(room: Room) -> list[Event]:
    """All events up to the room's end."""
    async with asyncio.timeout(TIMEOUT_S):
        return [event async for event in room]
