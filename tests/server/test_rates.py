"""Rates: what is too much is refused and says when to try again; nothing is lost by it, and nobody else feels it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from sheetbend.core.limits import Limits
from sheetbend.core.rate_limits import Rate
from tests.support.clients import SUBPROTOCOL, Client, Message, native, room_of, settled
from tests.support.frames import CLOSE, PING, PONG, RawWebSocket, frame, text
from tests.support.in_process import asynchronous, serving
from tests.support.protocol import CLOSE_CODES

FEW = Rate(per_s=0.001, burst=3)
"""So many at once, and then none for as long as a test lasts."""
SOON = Rate(per_s=20, burst=5)


def codes(received: list[Message]) -> list[str]:
    return [str(message.get("code", message["type"])) for message in received]


@asynchronous
async def test_messages_of_a_session_have_a_rate() -> None:
    """The clock is read late: up to two bursts get through at once (`TokenBucket`)."""
    limits = Limits(message_rate=Rate(per_s=0.001, burst=20))
    async with serving(limits) as server, await native(server.websocket_url) as alice:
        for number in range(60):
            await alice.send("leave", roomId="x", ref=f"{number}")
        answers = await alice.receive_many(60)
        assert [answer["ref"] for answer in answers] == [f"{number}" for number in range(60)]
        allowed = codes(answers).index("rate_limited")
        assert 19 <= allowed <= 40, "hello was one"
        for answer in answers[allowed:]:
            assert (answer["code"], answer["retryable"]) == ("rate_limited", True)
            assert 1 <= answer["retryAfterS"] <= 1000
        async with await native(server.websocket_url) as bob:
            assert (await bob.refusal("leave", roomId="x"))["code"] == "not_in_room", "the rate is of a session"


@asynchronous
async def test_a_refused_message_may_come_again_when_it_was_said() -> None:
    async with serving(Limits(message_rate=SOON)) as server, await native(server.websocket_url) as alice:
        waits_s = 0.0
        while not waits_s:
            answer = await alice.refusal("leave", roomId="x")
            waits_s = answer.get("retryAfterS", 0.0)
        assert waits_s <= 1.5 / SOON.per_s
        await asyncio.sleep(waits_s + 0.002)  # a timer of uvloop may come a millisecond early
        assert (await alice.refusal("leave", roomId="x"))["code"] == "not_in_room"


@asynchronous
async def test_refused_messages_count_and_are_not_done_later() -> None:
    limits = Limits(message_rate=Rate(per_s=0.001, burst=10))
    async with serving(limits) as server, room_of(server.websocket_url, "room", "nn") as (alice, bob):
        for number in range(40):
            await alice.send("message", roomId="room", data=number)
        received = await alice.receive_many(40)
        said = [message["data"] for message in received if message["type"] == "message"]
        assert said == list(range(len(said)))
        assert len(said) < 25
        await alice.lose_connection()
        welcome = await alice.resume(server.websocket_url)
        assert (welcome["recovered"], welcome["received"]) == (True, len(alice.sent)), "refused ones count"
        assert (await alice.refusal("leave", roomId="room", ref="r"))["code"] == "rate_limited", "and the debt stays"
        assert [message["data"] for message in await bob.unread()] == said


@pytest.mark.parametrize("kind", ["ack", "ping"])
@asynchronous
async def test_what_keeps_the_session_going_is_never_refused(kind: str) -> None:
    limits = Limits(message_rate=Rate(per_s=0.001, burst=5))
    async with serving(limits) as server, await native(server.websocket_url) as alice:
        while (await alice.refusal("leave", roomId="x"))["code"] != "rate_limited":
            pass
        received = alice.received
        if kind == "ping":
            await alice.send("ping", note="x" * 2000)
            assert await alice.receive("pong") == {"type": "pong"}
            return
        await alice.send("ack", received=received)
        assert (await alice.refusal("leave", roomId="x"))["code"] == "rate_limited"
        await alice.lose_connection()
        assert (await alice.resume(server.websocket_url, received=received - 1))["recovered"] is False, "it was taken"


@asynchronous
async def test_bytes_of_a_session_have_a_rate() -> None:
    limits = Limits(byte_rate=Rate(per_s=0.001, burst=10_000))
    async with serving(limits) as server, room_of(server.websocket_url, "room", "nn") as (alice, bob):
        for size in (9000, 9000, 9000):
            await alice.send("message", roomId="room", data="x" * size, ref=f"{size}")
        await alice.send("message", roomId="room", data="small")
        assert codes(await alice.unread()) == ["message", "accepted", "rate_limited", "rate_limited", "message"]
        assert [len(message["data"]) for message in await bob.unread()] == [9000, 5]
        await bob.send("message", roomId="room", data="y" * 9000)
        assert codes(await bob.unread()) == ["message"]


@asynchronous
async def test_a_message_to_many_costs_more() -> None:
    """One token more for every 50 readers."""
    limits = Limits(message_rate=Rate(per_s=0.001, burst=40))

    async def sent_until_refused(clients: list[Client], room_id: str) -> int:
        for number in range(200):
            await clients[0].send("message", roomId=room_id, data=number)
            if (await clients[0].receive())["type"] == "error":
                return number
        raise AssertionError("never refused")

    async with serving(limits) as server:
        members = [await native(server.websocket_url) for _ in range(101)]
        for member in members:
            await member.join("many")
        await members[0].unread()
        many = await sent_until_refused(members, "many")
        async with await native(server.websocket_url) as alone:
            await alone.join("few")
            few = await sent_until_refused([alone], "few")
        assert few / 4 < many < few / 2.5
        for member in members:
            member.connection.transport.abort()


@asynchronous
async def test_joins_of_a_session_have_a_rate() -> None:
    async with serving(Limits(join_rate=FEW)) as server, await native(server.websocket_url) as alice:
        for number in range(3):
            await alice.join(f"room {number}")
        error = await alice.refusal("join", roomId="room 3", ref="j")
        assert (error["code"], error["ref"]) == ("rate_limited", "j")
        assert error["retryAfterS"] > 1
        await alice.send("message", roomId="room 0", data=1)
        assert codes(await alice.unread()) == ["message"]
        async with await native(server.websocket_url) as bob:
            await bob.join("room 3")


@asynchronous
async def test_joins_of_an_address_have_a_rate() -> None:
    async with serving(Limits(address_join_rate=FEW)) as server:
        for number in range(5):
            async with await native(server.websocket_url) as client:
                await client.send("join", roomId="room", ref="j")
                answer = await client.receive()
                assert answer.get("code") == (None if number < 3 else "rate_limited")
                assert answer["ref"] == "j"
                assert number < 3 or answer["retryAfterS"] > 0


@asynchronous
async def test_hellos_of_an_address_have_a_rate() -> None:
    async with serving(Limits(address_hello_rate=FEW)) as server:
        clients = [await native(server.websocket_url) for _ in range(3)]
        async with await native(server.websocket_url, hello=False) as late:
            error = await late.refusal("hello", ref="h")
            assert (error["code"], error["ref"], error["retryable"]) == ("rate_limited", "h", True)
            assert error["retryAfterS"] > 0
            assert await late.close_code() == CLOSE_CODES["rate_limited"]
        for client in clients:
            assert await client.unread() == []
            await client.connection.close()


@pytest.mark.parametrize(
    "flood",
    [frame(PING), frame(PONG), text("ping"), text("ack", received=0), frame(0x1, fin=False) + frame(0x0)],
    ids=str,
)
@asynchronous
async def test_frames_of_a_connection_have_a_rate(flood: bytes) -> None:
    few = Rate(per_s=0.001, burst=20)
    limits = Limits(frame_rate=Rate(per_s=0.001, burst=50), message_rate=few, resume_grace_s=0.5)
    async with serving(limits) as server, room_of(server.websocket_url, "room", "n") as (alice,):

        def drown() -> None:
            with RawWebSocket.open(server.port, subprotocol=SUBPROTOCOL) as raw:
                raw.send(text("hello"), text("join", roomId="room"), flood * 200)
                while (received := raw.read_frame()).opcode != CLOSE:
                    pass
                assert int.from_bytes(received.payload[:2], "big") == CLOSE_CODES["rate_limited"]

        await asyncio.to_thread(drown)
        assert [(await alice.receive())["type"] for _ in range(2)] == ["user-joined", "user-left"]


@asynchronous
async def test_a_flood_delays_nobody() -> None:
    limits = Limits(message_rate=Rate(per_s=100, burst=100))
    async with serving(limits) as server, room_of(server.websocket_url, "room", "nn") as (alice, bob):
        eve = await native(server.websocket_url)

        async def flood() -> None:
            await eve.join("elsewhere")
            for number in range(3000):
                await eve.send("message", roomId="elsewhere", data=number)

        flooding = asyncio.create_task(flood())
        slowest = 0.0
        for number in range(50):
            began = time.monotonic()
            await alice.send("message", roomId="room", data=number)
            assert (await bob.receive())["data"] == number
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.sleep(0.005)
        flooding.cancel()
        eve.abort()
        await asyncio.gather(flooding, return_exceptions=True)
        assert slowest < 1
        assert len(await alice.unread()) == 50


@asynchronous
async def test_ordinary_use_is_far_from_every_rate() -> None:
    """With the default limits: 60 joins, 2000 candidates and 300 messages at once."""
    async with serving(Limits()) as server, room_of(server.websocket_url, "room 0", "nn") as (alice, bob):
        for number in range(1, 60):
            await alice.join(f"room {number}")
        for number in range(2000):
            await alice.send("ice-candidate", roomId="room 0", target=bob.user_id, candidate=number)
        for number in range(300):
            await alice.send("message", roomId="room 0", data=number)
        mine, theirs = await settled(alice, bob)
        assert (len(mine), len(theirs)) == (300, 2300)


@pytest.mark.parametrize("setting", ["message_rate", "byte_rate", "join_rate"])
@asynchronous
async def test_a_lesson_client_has_the_same_rates(setting: str) -> None:
    limits: dict[str, Any] = {setting: Rate(per_s=0.001, burst=3000 if setting == "byte_rate" else 3)}
    async with serving(Limits(**limits)) as server:

        def drown() -> None:
            with RawWebSocket.open(server.port) as raw:
                refusals = set()
                for number in range(20):
                    raw.send(text("join", roomId=f"{setting} {number}", pad="x" * 600))
                raw.send(text("marker"))
                for _ in range(20):
                    message = raw.read_message()
                    refusals.add(message["code"])
                    if "rate_limited" in refusals:
                        break
                assert "rate_limited" in refusals

        await asyncio.to_thread(drown)
