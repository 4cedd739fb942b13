"""What the server does when time passes, or when a peer stops reading: with small limits, in this process."""

from __future__ import annotations

import asyncio
import socket
from itertools import count

from sheetbend.core.limits import Limits
from sheetbend.core.rate_limits import Rate
from tests.support.clients import SUBPROTOCOL, native, room_of, settled
from tests.support.frames import CLOSE, PING, PONG, RawWebSocket, frame, text
from tests.support.in_process import RunningServer, asynchronous, serving
from tests.support.protocol import CLOSE_CODES

SMALL = Limits(
    hello_timeout_s=1,
    ping_interval_s=1,
    liveness_timeout_s=2,
    handshake_timeout_s=1,
    close_timeout_s=1,
)
BIG = "x" * 60_000
UNREAD_MESSAGES = 50
"""Of BIG: more than the kernel's buffers take (2.6 MB on a loop-back), less than outbox_bytes_max on top."""


async def one_that_never_greets_is_closed(server: RunningServer) -> None:
    async with await native(server.websocket_url, hello=False) as client:
        assert await client.close_code() == CLOSE_CODES["hello_timeout"]


async def a_refused_message_is_no_greeting(server: RunningServer) -> None:
    async with await native(server.websocket_url, hello=False) as client:
        await client.refusal("join", roomId="x")
        assert await client.close_code() == CLOSE_CODES["hello_timeout"]


async def those_that_greeted_and_answer_pings_stay(server: RunningServer) -> None:
    async with room_of(server.websocket_url, "quiet", "nl") as members:
        await asyncio.sleep(SMALL.liveness_timeout_s + 2)  # they answer pings, and do nothing else
        assert await settled(*members) == [[], []]


async def one_that_answers_no_ping_is_closed(server: RunningServer) -> None:
    def deaf() -> None:
        with RawWebSocket.open(server.port) as raw:
            raw.send(text("join", roomId="deaf"))
            pings = 0
            while (received := raw.read_frame()).opcode == PING:
                pings += 1
            assert received.opcode == CLOSE
            assert int.from_bytes(received.payload[:2], "big") == CLOSE_CODES["not_responding"]
            assert pings >= 1
            assert raw.read_rest() == b""

    await asyncio.to_thread(deaf)


async def a_pong_is_a_sign_of_life(server: RunningServer) -> None:
    def quiet() -> None:
        with RawWebSocket.open(server.port) as raw:
            for _ in range(2):
                assert raw.read_frame() == (PING, b"")
                raw.send(frame(PONG))
            raw.send(text("marker"))
            assert raw.read_message()["code"] == "unknown_type"

    await asyncio.to_thread(quiet)


async def a_request_that_never_ends_is_cut_off(server: RunningServer) -> None:
    def slow() -> None:
        for request in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n"):
            with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
                connection.sendall(request)
                assert connection.recv(1) == b""

    await asyncio.to_thread(slow)


async def one_that_does_not_answer_our_close_is_dropped(server: RunningServer) -> None:
    def stubborn() -> None:
        with RawWebSocket.open(server.port, subprotocol=SUBPROTOCOL) as raw:
            raw.send(text("hello"), text("bye"))
            raw.read_message()
            assert raw.read_close() == 1000
            assert raw.read_rest() == b""

    await asyncio.to_thread(stubborn)


@asynchronous
async def test_time_limits() -> None:
    """All at once, as most of it is waiting for the clock."""
    async with serving(SMALL) as server, asyncio.timeout(20), asyncio.TaskGroup() as checks:
        for check in (
            one_that_never_greets_is_closed,
            a_refused_message_is_no_greeting,
            those_that_greeted_and_answer_pings_stay,
            one_that_answers_no_ping_is_closed,
            a_pong_is_a_sign_of_life,
            a_request_that_never_ends_is_cut_off,
            one_that_does_not_answer_our_close_is_dropped,
        ):
            checks.create_task(check(server))


@asynchronous
async def test_a_reader_that_stops_is_closed_and_delays_nobody() -> None:
    plenty = Rate(per_s=1e9, burst=1e9)
    limits = Limits(outbox_bytes_max=500_000, close_timeout_s=1, resume_grace_s=0.5, byte_rate=plenty)
    async with serving(limits) as server, room_of(server.websocket_url, "room", "nnn") as (alice, bob, stuck):
        stuck.connection.transport.pause_reading()
        for number in count():
            await alice.send("message", roomId="room", data=[number, BIG])
            seen_by_alice, seen_by_bob = await alice.receive(), await bob.receive()
            assert seen_by_alice == seen_by_bob
            if seen_by_alice["type"] == "user-left":
                break
            assert seen_by_alice["data"][0] == number
        assert (seen_by_alice["userId"], seen_by_alice["reason"]) == (stuck.user_id, "disconnect")
        stuck.abort()


@asynchronous
async def test_a_slow_consumer_is_told_so_when_it_reads_again() -> None:
    limits = Limits(outbox_bytes_max=500_000, close_timeout_s=10)
    async with serving(limits) as server, room_of(server.websocket_url, "room", "ln") as (alice, stuck):
        stuck.connection.transport.pause_reading()
        for _ in range(UNREAD_MESSAGES * 3):
            await alice.send("offer", sdp=BIG)
        await alice.unread()
        stuck.connection.transport.resume_reading()
        assert await stuck.close_code() == CLOSE_CODES["slow_consumer"]


@asynchronous
async def test_a_reader_that_pauses_below_the_bound_misses_nothing() -> None:
    sizes = [1, 100, 8000, 8150, 8192, 8193, 9000, 60_000] * 8
    async with serving(Limits()) as server, room_of(server.websocket_url, "room", "nn") as (alice, slow):
        slow.connection.transport.pause_reading()
        expected = [f"{number}:{chr(97 + number % 26) * size}" for number, size in enumerate(sizes * 4)]
        for data in expected:
            await alice.send("message", roomId="room", data=data)
        await alice.unread()
        slow.connection.transport.resume_reading()
        assert [message["data"] for message in await slow.receive_many(len(expected))] == expected
