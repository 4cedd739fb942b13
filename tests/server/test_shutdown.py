"""Ending the process: everyone is told to come back, and the exit status says that all is well."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
from websockets.exceptions import ConnectionClosed

from sheetbend.core.limits import Limits
from tests.support.clients import SUBPROTOCOL, Client, lesson, native, room_of
from tests.support.frames import CLOSE, RawWebSocket, text, upgrade_request
from tests.support.http import get, request
from tests.support.in_process import asynchronous, serving
from tests.support.process import ServerProcess
from tests.support.protocol import CLOSE_CODES


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@asynchronous
async def test_a_signal_closes_every_connection_with_a_code_that_says_reconnect(number: signal.Signals) -> None:
    with ServerProcess() as server:
        clients = [await lesson(server.websocket_url), await native(server.websocket_url)]
        clients.append(await native(server.websocket_url, hello=False))
        for client in clients[:2]:
            await client.send("join", roomId="room")
        server.signal(number)
        assert [await client.close_code() for client in clients] == [CLOSE_CODES["shutting_down"]] * 3
        assert server.wait() == 0
        assert server.log[-1]["event"] == "node_stopped"
        assert "Traceback" not in server.errors


@asynchronous
async def test_a_shutdown_is_no_departure() -> None:
    """All reconnect soon, and N members telling N others would be N² messages when time is short."""
    with ServerProcess() as server:
        async with room_of(server.websocket_url, "room", "nlnl") as members:
            server.signal(signal.SIGTERM)
            for member in members:
                with pytest.raises(ConnectionClosed):
                    await member.receive()
        assert server.wait() == 0


def test_clients_that_do_not_answer_cannot_keep_the_server() -> None:
    with ServerProcess() as server, RawWebSocket.open(server.port) as deaf, RawWebSocket(server.port) as half_open:
        half_open.send(b"GET / HTTP/1.1\r\n")
        deaf.send(text("join", roomId="room"))
        server.signal(signal.SIGTERM)
        opcode, payload = deaf.read_frame()
        assert (opcode, int.from_bytes(payload[:2], "big")) == (CLOSE, CLOSE_CODES["shutting_down"])
        deaf.send(text("join", roomId="another"))
        assert deaf.read_rest() == b""
        assert server.wait() == 0


def test_a_server_without_clients_ends_at_once() -> None:
    with ServerProcess() as server:
        assert server.stop() == 0
        assert server.errors.count("\n") == 2


# Draining.


@asynchronous
async def test_clients_are_told_when_to_come_back_before_they_are_closed() -> None:
    with ServerProcess(["--drain-timeout", "7"]) as server:
        async with await native(server.websocket_url) as client, await lesson(server.websocket_url) as old:
            await client.join("room")
            received = client.received
            server.signal(signal.SIGTERM)
            assert await client.receive("draining") == {"type": "draining", "withinS": 7}
            assert client.received == received, "it doesn't count"
            with pytest.raises(ConnectionClosed) as closed:
                await client.receive()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == CLOSE_CODES["shutting_down"]
            with pytest.raises(ConnectionClosed):
                await old.receive()
        assert server.wait() == 0


async def crowd(url: str, number: int) -> list[Client]:
    return [client for _ in range(number // 20) for client in await asyncio.gather(*(native(url) for _ in range(20)))]


async def closing_times(clients: list[Client]) -> list[float]:
    """When each was closed, in order; all with the code that says reconnect."""

    async def closing_time(client: Client) -> float:
        assert await client.close_code() == CLOSE_CODES["shutting_down"]
        return time.monotonic()

    return sorted(await asyncio.gather(*map(closing_time, clients)))


@asynchronous
async def test_many_are_closed_in_batches() -> None:
    async with serving(Limits(drain_timeout_s=1)) as server:
        clients = await crowd(server.websocket_url, 300)
        closing = asyncio.create_task(closing_times(clients))
        await server.stop()
        times = await closing
        assert times[-1] - times[0] >= 0.4, "not all at once"
        assert max(sum(0 <= other - at < 0.05 for other in times) for at in times) <= 150, "not all at once"


@asynchronous
async def test_nobody_new_comes_in_while_many_are_closed() -> None:
    async with serving(Limits(drain_timeout_s=60)) as server:
        clients = await crowd(server.websocket_url, 300)
        closing = asyncio.create_task(closing_times(clients))
        stopping = asyncio.create_task(server.stop())
        await clients[0].connection.wait_closed()
        refusals = [
            await asyncio.to_thread(request, server.port, upgrade_request(subprotocol=SUBPROTOCOL)),
            await asyncio.to_thread(get, server.port, "/healthz"),
        ]
        assert [refusal.status for refusal in refusals] == [503, 503]
        assert not closing.done()
        await asyncio.gather(server.stop(), stopping, closing)


@asynchronous
async def test_a_second_signal_ends_the_pacing() -> None:
    async with serving(Limits(drain_timeout_s=60)) as server:
        clients = await crowd(server.websocket_url, 400)
        closing = asyncio.create_task(closing_times(clients))
        first, second = asyncio.create_task(server.stop()), asyncio.create_task(server.stop())
        times = await closing
        await asyncio.gather(first, second)
        assert times[-1] - times[0] < 0.4, "paced, it would take 0.7 s"


@pytest.mark.parametrize("is_paced", [True, False])
@asynchronous
async def test_a_second_signal_ends_the_wait_for_those_that_do_not_answer(is_paced: bool) -> None:
    """Whether it comes while connections are being closed or when all are; those who listen still get the code."""
    async with serving(Limits(drain_timeout_s=60, close_timeout_s=60)) as server:
        clients = await crowd(server.websocket_url, 400 if is_paced else 40)
        with await asyncio.to_thread(RawWebSocket.open, server.port) as deaf:
            began = time.monotonic()
            first = asyncio.create_task(server.stop())
            await clients[0].connection.wait_closed()
            async with asyncio.timeout(10):
                await asyncio.gather(first, server.stop())
            assert time.monotonic() - began < 2
            assert await asyncio.gather(*(client.close_code() for client in clients)) == [4501] * len(clients)
            assert deaf.read_close() == CLOSE_CODES["shutting_down"]
            assert deaf.read_rest() == b""


@asynchronous
async def test_those_that_do_not_answer_are_cut_off_at_the_deadline() -> None:
    limits = Limits(drain_timeout_s=0.2, close_timeout_s=0.5)
    async with serving(limits) as server, await native(server.websocket_url) as client:
        with await asyncio.to_thread(RawWebSocket.open, server.port) as deaf:
            began = time.monotonic()
            await asyncio.gather(server.stop(), client.close_code())
            assert 0.5 <= time.monotonic() - began < 2
            assert deaf.read_close() == CLOSE_CODES["shutting_down"]
            assert deaf.read_rest() == b""


@asynchronous
async def test_a_session_does_not_outlive_its_server() -> None:
    """Whoever comes back to the next one is told so, and guesses nothing by it."""
    async with serving(Limits()) as server:
        client = await native(server.websocket_url)
        await client.join("room")
        await server.stop()
        await client.connection.wait_closed()
    async with serving(Limits()) as server:
        welcome = await client.resume(server.websocket_url)
        assert welcome["recovered"] is False
        assert (await client.join("room", since={"epoch": "old", "offset": 5}))["complete"] is False
        await client.connection.close()
