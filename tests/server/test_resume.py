"""Sessions that outlive their connections: nothing lost, nothing twice, and where that can't be, it is said."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sheetbend.core.limits import Limits
from sheetbend.core.rate_limits import Rate
from tests.support.clients import SUBPROTOCOL, Client, Message, native, room_of, settled
from tests.support.frames import BINARY, RawWebSocket, frame, text
from tests.support.in_process import RunningServer, asynchronous, serving
from tests.support.nodes import Node, Wire
from tests.support.process import ServerProcess
from tests.support.protocol import CLOSE_CODES, LIMITS
from tests.support.tokens import CLAIMS, SECRET, forged

PLENTY = Rate(per_s=1e9, burst=1e9)
NEVER = Rate(per_s=0.001, burst=3)
"""Three at once, and then none for as long as a test lasts."""


async def say(client: Client, room_id: str, *numbers: int) -> None:
    for number in numbers:
        await client.send("message", roomId=room_id, data=number)


def data_of(messages: list[Message]) -> list[Any]:
    return [message["data"] for message in messages if message["type"] == "message"]


# Nothing lost, nothing twice.


@pytest.mark.parametrize("how", ["reset", "closed", "half a frame"])
@asynchronous
async def test_what_was_missed_is_replayed_and_nobody_notices(server: ServerProcess, room_id: str, how: str) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        user_id, before = bob.user_id, bob.received
        await say(bob, room_id, 1, 2)
        await settled(alice, bob)
        if how == "closed":
            await bob.connection.close()
        else:
            if how == "half a frame":
                bob.connection.transport.write(b"\x81\xfe\x01")
            await bob.lose_connection()
        await say(alice, room_id, 3, 4)
        await alice.send("offer", roomId=room_id, target=user_id, sdp="v=0")
        await alice.send("update", roomId=room_id, name="A")
        await alice.send("message", roomId=room_id, data=5, to=[user_id])
        seen = await alice.unread()
        welcome = await bob.resume(server.websocket_url)
        assert (welcome["recovered"], welcome["userId"]) == (True, user_id)
        assert welcome["received"] == len(bob.sent)
        missed = await bob.receive_many(5)
        assert [message["type"] for message in missed] == ["message", "message", "offer", "user-updated", "message"]
        assert [message for message in missed if message["type"] != "offer"] == seen
        await say(bob, room_id, 6)
        assert [data_of(messages) for messages in await settled(bob, alice)] == [[6], [6]]
        assert bob.received > before + 7


@asynchronous
async def test_what_did_not_arrive_is_sent_again_by_the_client(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        for lost in ([], [1], [2, 3, 4]):
            await bob.unread()
            await bob.lose_connection()
            bob.sent += [json.dumps({"type": "message", "roomId": room_id, "data": number}) for number in lost]
            welcome = await bob.resume(server.websocket_url)
            assert welcome["received"] == len(bob.sent) - len(lost)
            assert data_of((await settled(bob, alice))[1]) == lost


@asynchronous
async def test_a_join_that_got_lost_can_be_sent_again(server: ServerProcess, room_id: str) -> None:
    """Before it was in any room: the session lives all the same."""
    async with await native(server.websocket_url) as alice:
        await alice.lose_connection()
        alice.sent.append(json.dumps({"type": "join", "roomId": room_id}))
        assert (await alice.resume(server.websocket_url))["recovered"] is True
        assert (await alice.receive("roster"))["you"]["userId"] == alice.user_id


@asynchronous
async def test_resuming_again_and_again_loses_nothing_of_a_running_talk(server: ServerProcess, room_id: str) -> None:
    """Both speak all the time; one connection breaks with much under way on it."""
    number = 300
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        heard: list[int] = []

        async def talk() -> None:
            for index in range(number):
                await say(alice, room_id, index)
                await asyncio.sleep(0)

        talking = asyncio.create_task(talk())
        told = 0
        while len(heard) < number:
            message = await bob.receive()
            if message["type"] == "message" and message["sender"] == alice.user_id:
                heard.append(message["data"])
            if len(heard) % 50 == 25 and message["type"] == "message" and message["sender"] == alice.user_id:
                told += 1
                await bob.send("message", roomId=room_id, data=-told)
                await bob.lose_connection()
                assert (await bob.resume(server.websocket_url))["recovered"] is True
        await talking
        assert heard == list(range(number))
        await bob.unread()
        assert [data for data in data_of(await alice.unread()) if data < 0] == [-1 - index for index in range(told)]
        assert told == number // 50


@pytest.mark.parametrize(
    ("raw", "weight"),
    [
        ("", 1),
        ("{", 1),
        ("[]", 1),
        ('{"type":"nonsense"}', 1),
        ('{"type":1}', 1),
        ('{"type":["ack"]}', 1),
        ('{"type":"message","roomId":"nowhere","data":1}', 1),
        ('{"type":"join","roomId":"","ref":"r"}', 1),
        ('{"type":"join","roomId":"x","ref":""}', 1),
        ('{"type":"a","a":1,"a":1}', 1),
        # What can't be read has no type.
        ('{"type":"ack","received":0,"received":0}', 1),
        ('{"type":"ping","type":"ping"}', 1),
        ('{"type":"ack","received":1e999}', 1),
        ('{"type":"ping","deep":' + "[" * 300 + "]" * 300 + "}", 1),
        (json.dumps({"type": "ack", "received": 0, "note": "x" * LIMITS["messageBytes"]}), 1),
        ('{"type":"welcome"}', 0),
        ('{"type":"pong"}', 0),
        ('{"type":"draining"}', 0),
        (json.dumps({"type": "message", "roomId": "x", "data": "x" * LIMITS["messageBytes"]}), 1),
        ('{"type":"ping"}', 0),
        ('{"type":"ping","ref":""}', 0),
        ('{"type":"ping","ref":5}', 0),
        ('{"type":"ack","received":0}', 0),
        ('{"type":"ack","received":9999}', 0),
        ('{"type":"ack","received":0,"ref":"\\n"}', 0),
        ('{"type":"ack"}', 0),
        ('{"type":"ack","received":"1"}', 0),
        ('{"type":"ack","received":1.5}', 0),
        ('{"type":"hello"}', 0),
        ('{"type":"hello","client":1}', 0),
        ('{"type":"hello","client":"\\n"}', 0),
    ],
    ids=lambda value: str(value)[:40],
)
@asynchronous
async def test_every_text_message_counts_but_six_types(server: ServerProcess, raw: str, weight: int) -> None:
    async with await native(server.websocket_url) as client:
        await client.connection.send(raw)
        await client.unread()  # sends one that counts
        await client.lose_connection()
        client.sent.extend([""] * weight)
        welcome = await client.resume(server.websocket_url)
        assert (welcome["recovered"], welcome["received"]) == (True, 1 + weight)


def test_binary_messages_and_control_frames_do_not_count(server: ServerProcess) -> None:
    with RawWebSocket.open(server.port, subprotocol=SUBPROTOCOL) as raw:
        raw.send(text("hello"))
        token = raw.read_message()["resumeToken"]
        raw.send(frame(BINARY, b"x"), frame(0x9, b"x"), frame(0xA), text("marker"))
        assert raw.read_message()["code"] == "binary_not_supported"
    with RawWebSocket.open(server.port, subprotocol=SUBPROTOCOL) as raw:
        raw.send(text("hello", resume={"token": token, "received": 2}))
        assert raw.read_message()["received"] == 1


@asynchronous
async def test_counts_begin_behind_hello(server: ServerProcess) -> None:
    async with await native(server.websocket_url, hello=False) as client:
        await client.refusal("join", roomId="x")
        await client.hello()
        await client.lose_connection()
        assert (await client.resume(server.websocket_url))["received"] == 0


@asynchronous
async def test_the_server_acknowledges_what_it_got(server: ServerProcess, room_id: str) -> None:
    """Within about a second, and only if there is something new."""
    async with room_of(server.websocket_url, room_id, "n") as (alice,):
        await say(alice, room_id, *range(5))
        await alice.receive_many(5)
        acknowledged = await alice.receive("ack")
        assert acknowledged == {"type": "ack", "received": len(alice.sent)}
        await alice.send("ping")
        assert (await alice.receive("pong")) == {"type": "pong"}
        await say(alice, room_id, 6)
        await alice.receive("message")
        assert (await alice.receive("ack"))["received"] == len(alice.sent)


@pytest.mark.parametrize("received", [10**6, -1, 2**70])
@asynchronous
async def test_an_acknowledgement_of_what_was_not_sent_is_refused(server: ServerProcess, received: int) -> None:
    async with await native(server.websocket_url) as client:
        error = await client.refusal("ack", received=received, ref="a")
        assert (error["code"], error["ref"]) == ("invalid_ack", "a")
        await client.lose_connection()
        assert (await client.resume(server.websocket_url))["recovered"] is True


@asynchronous
async def test_what_was_acknowledged_is_not_replayed(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "n") as (alice,):
        await say(alice, room_id, 1, 2, 3)
        await alice.receive_many(3)
        await alice.send("ack", received=alice.received)
        await alice.unread()
        received = alice.received
        assert (await alice.refusal("ack", received=1))["code"] == "invalid_ack"
        await alice.lose_connection()
        assert (await alice.resume(server.websocket_url, received=received))["recovered"] is True
        assert (await alice.receive("error"))["code"] == "invalid_ack"
        await alice.lose_connection()
        assert (await alice.resume(server.websocket_url, received=1))["recovered"] is False, "that is not kept"


# The grace period.


@asynchronous
async def test_the_room_hears_of_a_departure_only_after_the_grace_period() -> None:
    async with (
        serving(Limits(resume_grace_s=1.2)) as server,
        room_of(server.websocket_url, "room", "nnnn") as (alice, bob, carol, dave),
    ):
        began = time.monotonic()
        for member in (dave, carol, bob):
            await member.lose_connection()
        await say(alice, "room", 1)
        assert (await alice.receive())["data"] == 1
        assert (await dave.resume(server.websocket_url))["recovered"] is True
        await carol.resume(server.websocket_url)
        left = await alice.receive()  # neither of dave nor of carol, who vanished first
        assert (left["type"], left["userId"], left["reason"]) == ("user-left", bob.user_id, "disconnect")
        assert time.monotonic() - began >= 1.2
        await carol.receive_many(1)
        assert (await carol.receive())["userId"] == bob.user_id
        assert (await bob.resume(server.websocket_url))["recovered"] is False
        assert await alice.unread() == []


@pytest.mark.parametrize("grace_s", [0, 1, 30])
def test_a_session_lives_for_its_grace_and_no_longer(grace_s: int) -> None:
    node = Node(Limits(resume_grace_s=grace_s))
    alice, bob = Wire(node), Wire(node)
    for wire in (alice, bob):
        wire.say("hello")
        wire.say("join", roomId="room")
    bob.close(1006, "reset")
    alice.take()
    node.let_pass(grace_s - 1)
    assert [message["type"] for message in alice.take() if message["type"] != "ack"] == []
    node.let_pass(1)
    assert [message["type"] for message in alice.take() if message["type"] != "ack"] == ["user-left"]
    assert bob.address.is_released


def test_each_loss_begins_a_grace_of_its_own() -> None:
    node = Node(Limits(resume_grace_s=10))
    first = Wire(node)
    token = first.say("hello")[0]["resumeToken"]
    user_id = first.client.session.user_id
    wire = first
    for _ in range(5):
        wire.close(1006, "reset")
        node.let_pass(9)
        wire = Wire(node)
        (welcome,) = wire.say("hello", resume={"token": token, "received": 0})
        assert (welcome["userId"], welcome["recovered"]) == (user_id, True)
        token = welcome["resumeToken"]
    node.let_pass(20)
    assert user_id in node.hub.clients


@asynchronous
async def test_bye_ends_a_session_at_once(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        old = bob.user_id
        await bob.send("bye")
        assert await bob.close_code() == 1000
        left = await alice.receive("user-left")
        assert (left["userId"], left["reason"]) == (old, "leave")
        welcome = await bob.resume(server.websocket_url)
        assert welcome["recovered"] is False
        assert welcome["userId"] != old


# Tokens.


@asynchronous
async def test_a_resume_token_is_good_once_and_the_one_before_until_the_client_writes(server: ServerProcess) -> None:
    async with await native(server.websocket_url) as client:
        first = client.resume_token
        await client.lose_connection()
        await client.resume(server.websocket_url)
        second = client.resume_token
        await client.lose_connection()  # before it wrote anything: as if that welcome had got lost
        client.resume_token = first
        assert (await client.resume(server.websocket_url))["recovered"] is True
        third = client.resume_token
        await client.send("ping")
        await client.receive("pong")
        assert len({first, second, third}) == 3
        for used_up in (first, second):
            async with await native(server.websocket_url, resume={"token": used_up, "received": 0}) as thief:
                assert thief.user_id != client.user_id
        await client.lose_connection()
        assert (await client.resume(server.websocket_url))["recovered"] is True


@pytest.mark.parametrize("shows", ["{", '{"type":"ack","received":0}', '{"type":"marker"}'])
@asynchronous
async def test_anything_the_client_writes_shows_that_it_has_the_new_token(server: ServerProcess, shows: str) -> None:
    async with await native(server.websocket_url) as client:
        first = client.resume_token
        await client.lose_connection()
        await client.resume(server.websocket_url)
        await client.connection.send(shows)
        await client.unread()
        async with await native(server.websocket_url, resume={"token": first, "received": 0}) as thief:
            assert thief.user_id != client.user_id
            assert await client.unread() == [], "and its owner is still there"


WRONG: dict[str, Callable[[str], str]] = {
    "of nobody": lambda token: f"{'0' * 32}.{token.partition('.')[2]}",
    "guessed": lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"),
    "cut": lambda token: token[:-1],
    "with more": lambda token: token + "0",
    "the id alone": lambda token: token.partition(".")[0],
    "without the id": lambda token: token.partition(".")[2],
    "empty": lambda token: "",
    "not ASCII": lambda token: token[:-1] + "é",
    "a separator": lambda token: ".",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@asynchronous
async def test_a_wrong_resume_token_opens_another_session(
    server: ServerProcess, room_id: str, wrong: Callable[[str], str]
) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        resume = {"token": wrong(bob.resume_token), "received": 0}
        async with await native(server.websocket_url, hello=False) as thief:
            welcome = await thief.hello(resume=resume, ref="h")
            assert (welcome["recovered"], welcome["ref"]) == (False, "h")
            assert "received" not in welcome
            assert thief.user_id not in (alice.user_id, bob.user_id)
            assert (await thief.refusal("message", roomId=room_id, data=1))["code"] == "not_in_room"
        await say(bob, room_id, 1)
        assert [data_of(messages) for messages in await settled(bob, alice)] == [[1], [1]]


@asynchronous
async def test_too_many_wrong_resume_tokens_are_rate_limited() -> None:
    async with serving(Limits(address_failure_rate=NEVER)) as server, await native(server.websocket_url) as owner:
        unknown = {"token": "0" * 32 + ".0", "received": 0}
        for _ in range(5):
            async with await native(server.websocket_url, resume=unknown):
                pass  # whoever comes back after a restart of the server guesses nothing
        guess = {"token": owner.resume_token[:-4] + "zzzz", "received": 0}
        for _ in range(3):
            async with await native(server.websocket_url, resume=guess):
                pass
        for resume in (guess, {"token": owner.resume_token, "received": 0}):
            async with await native(server.websocket_url, hello=False) as late:
                error = await late.refusal("hello", resume=resume, ref="h")
                assert (error["code"], error["ref"], error["retryable"]) == ("rate_limited", "h", True)
                assert error["retryAfterS"] > 0
                assert await late.close_code() == CLOSE_CODES["rate_limited"]
        async with await native(server.websocket_url):
            pass
        assert await owner.unread() == []


# One session, two connections.


@asynchronous
async def test_a_session_taken_over_leaves_its_old_connection(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        stale = Client(bob.connection)
        stale.connection.transport.pause_reading()  # its network is gone, and neither end knows
        await say(alice, room_id, 1, 2)
        await alice.unread()
        assert (await bob.resume(server.websocket_url))["recovered"] is True
        assert data_of(await bob.unread()) == [1, 2]
        stale.connection.transport.resume_reading()
        assert await stale.close_code() == CLOSE_CODES["session_taken"]
        await say(alice, room_id, 3)
        assert [data_of(messages) for messages in await settled(alice, bob)] == [[3], [3]]


@asynchronous
async def test_a_taken_connection_has_no_say_any_more(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        stale = bob.connection
        await bob.resume(server.websocket_url)
        for number in range(20):  # more than one packet, of which some are there before CLOSE is
            if stale.state.name == "OPEN":
                await stale.send(json.dumps({"type": "message", "roomId": room_id, "data": number}))
        await stale.wait_closed()
        assert await settled(bob, alice) == [[], []]


# Where replay is impossible.


@pytest.mark.parametrize(
    ("limits", "complete", "first"),
    [
        (Limits(resume_messages_max=40), True, 1),
        (Limits(resume_bytes_max=2000), True, 1),
        (Limits(resume_messages_max=40, history_messages_max=10), False, 91),
    ],
    ids=["messages", "bytes", "little history"],
)
@asynchronous
async def test_what_cannot_be_replayed_is_said(limits: Limits, complete: bool, first: int) -> None:
    async with serving(limits) as server, room_of(server.websocket_url, "room", "nn") as (alice, bob):
        await say(alice, "room", 0)
        seen = (await bob.receive("message"))["offset"]
        old = bob.user_id
        await bob.lose_connection()
        await say(alice, "room", *range(1, 101))
        await alice.unread()
        welcome = await bob.resume(server.websocket_url)
        assert (welcome["recovered"], welcome.get("received")) == (False, None)
        assert welcome["userId"] != old
        left = await alice.receive("user-left")
        assert (left["userId"], left["reason"]) == (old, "disconnect")
        epoch = (await bob.join("room"))["epoch"]
        await bob.send("leave", roomId="room")
        await bob.receive("user-left")
        roster = await bob.join("room", since={"epoch": epoch, "offset": seen})
        assert roster["complete"] is complete
        assert [entry["data"] for entry in roster["history"]] == list(range(first, 101))


@asynchronous
async def test_a_slow_consumer_comes_back_to_all_it_missed() -> None:
    limits = Limits(outbox_bytes_max=500_000, resume_bytes_max=100_000_000, byte_rate=PLENTY)
    async with serving(limits) as server, room_of(server.websocket_url, "room", "nn") as (alice, slow):
        connection = slow.connection
        connection.transport.pause_reading()
        sent = [f"{number}:{'x' * 60_000}" for number in range(120)]
        for data in sent:
            await alice.send("message", roomId="room", data=data)
            assert (await alice.receive())["data"] == data
        connection.transport.resume_reading()
        heard = await read_to_the_end(slow)
        assert connection.close_code == CLOSE_CODES["slow_consumer"]
        assert len(heard) < len(sent)
        assert (await slow.resume(server.websocket_url))["recovered"] is True
        heard += await slow.receive_many(len(sent) - len(heard))
        assert data_of(heard) == sent
        assert await settled(alice, slow) == [[], []]


@asynchronous
async def test_a_slow_consumer_that_missed_too_much_is_told() -> None:
    limits = Limits(outbox_bytes_max=500_000, resume_bytes_max=600_000, byte_rate=PLENTY)
    async with serving(limits) as server, room_of(server.websocket_url, "room", "nn") as (alice, slow):
        slow.connection.transport.pause_reading()
        for number in range(120):
            await alice.send("message", roomId="room", data=[number, "x" * 60_000])
            await alice.receive("message")
        slow.connection.transport.resume_reading()
        await read_to_the_end(slow)
        assert (await slow.resume(server.websocket_url))["recovered"] is False
        assert (await alice.receive("user-left"))["reason"] == "disconnect"


async def read_to_the_end(client: Client) -> list[Message]:
    messages: list[Message] = []
    try:
        while True:
            message = await client.next_message()
            if message["type"] not in ("ack", "pong"):
                messages.append(message)
    except Exception:
        return messages


def in_one_room(node: Node, number: int) -> list[Wire]:
    wires = [Wire(node) for _ in range(number)]
    for wire in wires:
        wire.resume_token = wire.say("hello")[0]["resumeToken"]
        wire.say("join", roomId="room")
    return wires


def test_what_is_kept_for_the_absent_is_bounded_in_all() -> None:
    node = Node(Limits(resume_grace_s=1000, resume_total_bytes_max=100_000))
    alice, *others = in_one_room(node, 4)
    for wire in others:
        wire.close(1006, "reset")
        node.now += 1

    def say(size: int) -> list[bool]:
        """Say something to all; return which of the others live a second later."""
        alice.say("message", roomId="room", data="x" * size)
        alice.say("ack", received=alice.received)
        node.let_pass(1)
        return [wire.client.session.user_id in node.hub.clients for wire in others]

    assert say(30_000) == [True, True, True], "90,000 bytes fit"
    alice.take()
    assert say(10_000) == [False, True, True], "who left first ends first, and no more than must"
    assert [message["type"] for message in alice.take() if message["type"] != "ack"].count("user-left") == 1


def test_what_is_kept_for_those_who_are_here_is_bounded_in_all() -> None:
    """Whoever takes most loses it, and only that: the session goes on."""
    node = Node(Limits(resume_grace_s=1000, resume_total_bytes_max=100_000))
    alice, bob, carol = in_one_room(node, 3)
    for reader, size in ((bob, 30_000), (carol, 60_000), (alice, 20_000)):
        alice.say("message", roomId="room", data="x" * size, to=[reader.client.session.user_id])
        alice.say("ack", received=alice.received)
        node.let_pass(1)
    assert [wire.client.session.stream.kept_bytes > 1000 for wire in (alice, bob, carol)] == [False, True, True]
    alice.say("message", roomId="room", data="x" * 20_000, to=[bob.client.session.user_id])
    node.let_pass(1)
    assert [wire.client.session.stream.kept_bytes > 1000 for wire in (alice, bob, carol)] == [True, True, False]
    assert carol.say("message", roomId="room", data="still here")[0]["data"] == "still here"


@pytest.mark.parametrize("acknowledges", [True, False])
def test_what_nobody_acknowledges_is_not_kept_for_ever(acknowledges: bool) -> None:
    node = Node(Limits(resume_grace_s=10, acknowledgement_timeout_s=10))
    alice, bob = Wire(node), Wire(node)
    tokens = [wire.say("hello")[0]["resumeToken"] for wire in (alice, bob)]
    for wire in (alice, bob):
        wire.say("join", roomId="room")
    stream = bob.client.session.stream
    for _ in range(60):
        alice.say("message", roomId="room", data="x" * 1000)
        if acknowledges and node.now % 5 == 0:
            bob.say("ack", received=bob.received)
        node.let_pass(1)
        assert stream.kept_count <= 13
    assert stream.kept_bytes < 14_000
    bob.close(1006, "reset")
    again = Wire(node)
    (welcome, *_) = again.say("hello", resume={"token": tokens[1], "received": bob.received})
    assert welcome["recovered"] is True, "it had all, and only didn't say so"


def test_a_client_that_acknowledges_as_often_as_it_should_can_resume() -> None:
    """Every 5 s (PROTOCOL.md, "Resume"), also where the grace period is shorter."""
    node = Node(Limits(resume_grace_s=2))
    alice, bob = in_one_room(node, 2)
    node.let_pass(1)
    bob.say("ack", received=bob.received)
    alice.say("message", roomId="room", data="on its way when the connection breaks")
    received = bob.received - 1
    node.let_pass(4)
    bob.close(1006, "reset")
    (welcome, *_) = Wire(node).say("hello", resume={"token": bob.resume_token, "received": received})
    assert welcome["recovered"] is True


# Authorisation.


@asynccontextmanager
async def asking_for_tokens(limits: Limits | None = None) -> AsyncIterator[RunningServer]:
    async with serving(limits or Limits(), auth="token", token_secrets=(SECRET,)) as server:
        yield server


def token(**claims: Any) -> str:
    return forged(payload={**CLAIMS, "room": "*", "exp": time.time() + 3600, **claims})


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "token_required"),
        ({"token": "x.y.z"}, "invalid_token"),
        ({"token": "x" * 8193}, "invalid_token"),
        ({"token": "x" * 60_000}, "invalid_token"),
        ({"token": token(exp=time.time() - 60)}, "token_expired"),
        ({"token": token(sub="bob")}, "invalid_token"),
        ({"token": token(room="another")}, "invalid_token"),
        ({"token": token(room=["demo2", "dem"])}, "invalid_token"),
    ],
    ids=["none", "nonsense", "too long", "longest", "expired", "another's", "another room", "other rooms"],
)
@asynchronous
async def test_a_resume_needs_a_token_that_covers_the_session(fields: Message, code: str) -> None:
    async with asking_for_tokens() as server, await native(server.websocket_url, token=token(can=["message"])) as ada:
        await ada.join("demo")
        resume = {"token": ada.resume_token, "received": 0}
        async with await native(server.websocket_url, hello=False) as thief:
            error = await thief.refusal("hello", resume=resume, ref="h", **fields)
            assert (error["code"], error["ref"]) == (code, "h")
            assert await thief.close_code() == CLOSE_CODES["unauthorized"]
        assert await ada.unread() == [], "its own connection is still there"
        await ada.lose_connection()
        welcome = await ada.resume(server.websocket_url, token=token(room=["x", "de*"]))
        assert (welcome["recovered"], welcome["userId"]) == (True, ada.user_id)


@asynchronous
async def test_a_resume_brings_the_rights_of_its_token() -> None:
    async with (
        asking_for_tokens() as server,
        await native(server.websocket_url, token=token(sub="bob")) as bob,
        await native(server.websocket_url, token=token()) as ada,
    ):
        await bob.join("demo")
        await ada.join("demo")
        await bob.receive("user-joined")
        await ada.lose_connection()
        welcome = await ada.resume(server.websocket_url, token=token(can=["subscribe"], name="Ada"))
        assert (welcome["can"], welcome["name"]) == (["subscribe"], "Ada")
        member = (await bob.receive("user-updated"))["member"]
        assert (member["userId"], member["can"], member["name"]) == (ada.user_id, ["subscribe"], "Ada")
        assert (await ada.receive("user-updated"))["member"] == member
        assert (await ada.refusal("message", roomId="demo", data=1))["code"] == "not_allowed"


@asynchronous
async def test_a_session_that_is_away_ends_with_its_token() -> None:
    async with (
        asking_for_tokens() as server,
        await native(server.websocket_url, token=token(sub="bob")) as bob,
        await native(server.websocket_url, token=token(exp=time.time() - 4)) as ada,
    ):
        await bob.join("demo")
        await ada.join("demo")
        await bob.receive("user-joined")
        await ada.lose_connection()
        left = await bob.receive("user-left")
        assert (left["userId"], left["reason"]) == (ada.user_id, "expired")
        assert (await ada.resume(server.websocket_url, token=token()))["recovered"] is False
