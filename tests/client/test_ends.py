"""However a program leaves a room, or fails to enter it: nothing stays behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sheetbend.client import ClientError, Member, MemberLeft, Room, RoomClosed, connect
from sheetbend.core.limits import Limits
from tests.client.people import TIMEOUT_S, companions, entered, meet, next_of, on_path
from tests.client.strangers import Stranger
from tests.support.clients import native
from tests.support.forwarder import Forwarder
from tests.support.in_process import asynchronous, serving


class Kept:
    """What this process holds: tasks, descriptors, and threads besides those of the loop's own bounded pool."""

    def __init__(self) -> None:
        gc.collect()
        self.tasks = {task for task in asyncio.all_tasks() if not task.done()}
        self.descriptors_count = len(list(Path("/proc/self/fd").iterdir()))
        pool = [thread for thread in threading.enumerate() if thread.name.startswith(("asyncio_", "uvloop_"))]
        self.threads_count = len(list(Path("/proc/self/task").iterdir())) - len(pool)

    def assert_no_more_tasks(self) -> None:
        assert Kept().tasks <= self.tasks

    async def assert_no_more(self) -> None:
        """The server's end of a socket closes a moment later, and what is an engine's own: nothing tells of it."""
        ends_at = asyncio.get_running_loop().time() + TIMEOUT_S
        while more := self._more(Kept()):
            assert asyncio.get_running_loop().time() < ends_at, more
            await asyncio.sleep(0.01)

    def _more(self, now: Kept) -> list[str]:
        return [
            *(f"{task}" for task in now.tasks - self.tasks),
            *(["descriptors"] * (now.descriptors_count - self.descriptors_count)),
            *(["threads"] * (now.threads_count - self.threads_count)),
        ]


async def come_and_go(url: str, companion: Room) -> None:
    async with entered(url, "Bob") as [bob]:
        to_companion = await meet(bob)
        await to_companion.send("hello")
        await bob.send("hello all")
    left = await next_of(companion, MemberLeft)
    assert left.reason == "leave"


@asynchronous
async def test_a_hundred_joins_and_leaves_leave_nothing_behind() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada") as [ada]:
        await come_and_go(server.websocket_url, ada)
        before = Kept()
        for _ in range(100):
            await come_and_go(server.websocket_url, ada)
        before.assert_no_more_tasks()
        await before.assert_no_more()
        assert not ada.members


@pytest.mark.parametrize("engine", ["wrtc", "aiortc"])
def test_thirty_joins_and_leaves_with_peer_connections_leave_nothing_behind(engine: str) -> None:
    @asynchronous
    async def test() -> None:
        async with serving(Limits()) as server, entered(server.websocket_url, "Ada", engine=engine) as [ada]:

            async def come_directly() -> None:
                async with entered(server.websocket_url, "Bob", engine=engine) as [bob]:
                    await on_path(bob, "direct")
                await next_of(ada, MemberLeft)

            for _ in range(3):
                await come_directly()
            before = Kept()
            for _ in range(30):
                await come_directly()
            await before.assert_no_more()

    test()


async def unreachable(url: str) -> None:
    with pytest.raises(ClientError):
        await connect("ws://127.0.0.1:9/ws", room="demo", engine=None)


async def refused(url: str) -> None:
    with pytest.raises(ClientError):
        await connect(url, room="x" * 200, engine="wrtc")


async def cancelled_at_once(url: str) -> None:
    entering = asyncio.ensure_future(connect(url, room="demo", engine=None)._open())
    await asyncio.sleep(0)
    entering.cancel()
    await asyncio.gather(entering, return_exceptions=True)


async def cancelled_on_the_way(url: str) -> None:
    """Where the server takes the connection and says nothing."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await connect(f"ws://127.0.0.1:{port}/ws", room="demo", engine=None)
    silent.close()
    await silent.wait_closed()


async def cancelled_while_a_token_is_fetched(url: str) -> None:
    async def get() -> str:
        await asyncio.sleep(3600)
        return ""

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await connect(url, room="demo", engine=None, token=get)


async def cancelled_while_leaving(url: str) -> None:
    """A member acknowledges nothing, and whoever leaves doesn't wait so long."""
    room = await connect(url, room="demo", engine=None)
    async with await Stranger.enter(url):
        sending = asyncio.ensure_future((await meet(room)).send("never acknowledged"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await room.leave()
        assert room.state == "closed"
        await asyncio.gather(sending, return_exceptions=True)
    await room.leave()


async def raising(url: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with connect(url, room="demo", engine=None) as room:
            await room.send(1)
            raise ZeroDivisionError


async def cancelled_inside(url: str) -> None:
    async def be_there() -> None:
        async with connect(url, room="demo", engine=None) as room:
            async for _ in room:
                pass

    being_there = asyncio.create_task(be_there())
    async with await native(url) as client:
        await client.join("demo")
        being_there.cancel()
        await asyncio.gather(being_there, return_exceptions=True)


async def with_everything_open(url: str) -> None:
    """Streams being written and read, requests, a send to a member who takes nothing."""
    async with connect(url, room="demo", engine=None, name="Ada") as ada:
        async with connect(url, room="demo", engine=None, name="Bob") as bob:
            to_bob, _ = await companions(ada, bob)
            open_ends = [
                asyncio.ensure_future(to_bob.request("?", timeout_s=60)),
                asyncio.ensure_future(_fill(to_bob)),
                asyncio.ensure_future(anext(to_bob.stream("read"))),
            ]
            await to_bob.send("so that all is on its way")
        codes = {getattr(error, "code", error) for error in await asyncio.gather(*open_ends, return_exceptions=True)}
        assert codes == {"delivery_unknown"}


async def _fill(member: Member) -> None:
    stream = member.stream("written")
    while True:
        await stream.write(b"x" * 100_000)


async def cut_off(url: str) -> None:
    """The network goes, and one gives up."""
    port = int(url.split(":")[2].split("/")[0])
    with Forwarder(port) as between:
        async with connect(between.url.replace("http", "ws") + "ws", room="demo", engine=None) as room:
            with between.cut():
                await anext(room)
                sending = asyncio.ensure_future(room.send("x"))
                await room.leave()
                with pytest.raises(ClientError):
                    await sending


@pytest.mark.parametrize(
    "way",
    [
        unreachable,
        refused,
        cancelled_at_once,
        cancelled_on_the_way,
        cancelled_while_a_token_is_fetched,
        cancelled_while_leaving,
        raising,
        cancelled_inside,
        with_everything_open,
        cut_off,
    ],
)
def test_every_way_out_leaves_nothing_behind(way: Callable[[str], Awaitable[None]]) -> None:
    @asynchronous
    async def test() -> None:
        async with serving(Limits()) as server:
            await way(server.websocket_url)
            before = Kept()
            for _ in range(3):
                await way(server.websocket_url)
            before.assert_no_more_tasks()
            await before.assert_no_more()

    test()


@asynchronous
async def test_a_dead_server_does_not_hold_up_who_leaves() -> None:
    async with serving(Limits()) as server:
        with Forwarder(server.port) as between:
            async with connect(between.url.replace("http", "ws") + "ws", room="demo", engine=None) as room:
                with between.cut():
                    await anext(room)
                    await asyncio.wait_for(room.leave(), 2.5)
                    *_, last = [event async for event in room]
                    assert isinstance(last, RoomClosed)
