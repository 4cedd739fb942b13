"""Who says something, who may hear it, and who only pretends."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.support.clients import Client, lesson, native, room_of, settled
from tests.support.in_process import asynchronous
from tests.support.process import ServerProcess

SOMEBODY = "0" * 32
STAMPED = {
    "sender": SOMEBODY,
    "userId": SOMEBODY,
    "from": SOMEBODY,
    "member": {"userId": SOMEBODY},
    "user_id": SOMEBODY,
}


def test_a_forged_sender(server: ServerProcess, room_id: str) -> None:
    """CVE-2017-5603, Jitsi: a message could name any sender, and was shown as theirs."""

    @asynchronous
    async def forge() -> None:
        async with room_of(server.websocket_url, room_id, "nln") as (alice, bob, carol):
            forged = {**STAMPED, "sender": carol.user_id}
            await alice.send("offer", roomId=room_id, target=bob.user_id, sdp=1, **forged)
            assert (await bob.receive("offer"))["sender"] == alice.user_id
            await alice.send("message", roomId=room_id, data=1, **forged)
            message = await carol.receive("message")
            assert message["sender"] == alice.user_id
            assert not message.keys() & {"userId", "from", "user_id", "member"}
            await bob.send("answer", roomId=room_id, target=alice.user_id, sdp=1, **forged)
            await alice.receive("message")
            assert (await alice.receive("answer"))["sender"] == bob.user_id
            await alice.send("update", roomId=room_id, name="Ada", **STAMPED)
            assert (await carol.receive("user-updated"))["member"]["userId"] == alice.user_id

    forge()


def test_an_identity_that_was_asked_for(server: ServerProcess, room_id: str) -> None:
    """CVE-2017-5603, Jitsi: likewise with what a client says about itself when it comes."""

    @asynchronous
    async def ask() -> None:
        async with (
            room_of(server.websocket_url, room_id, "n") as (alice,),
            await native(server.websocket_url, hello=False) as mallory,
        ):
            await mallory.send("hello", **{**STAMPED, "userId": alice.user_id, "resumeToken": alice.user_id})
            assert (await mallory.receive("welcome"))["userId"] not in (alice.user_id, SOMEBODY)
            roster = await mallory.join(room_id, **{**STAMPED, "userId": alice.user_id, "offset": 9, "epoch": "x"})
            assert roster["offset"] == 2
            assert (await alice.receive("user-joined"))["member"]["userId"] not in (alice.user_id, SOMEBODY)

    ask()


def test_predictable_ids(server: ServerProcess) -> None:
    """CVE-2017-16031, Socket.IO: ids came from Math.random(), so that others' could be guessed."""

    @asynchronous
    async def collect() -> None:
        ids = []
        for _ in range(64):
            async with await native(server.websocket_url) as client:
                ids.append(client.user_id)
        assert {len(user_id) for user_id in ids} == {32}
        assert len({user_id[:8] for user_id in ids}) == len({user_id[-8:] for user_id in ids}) == len(ids)
        # Of 128 random bits each is set in about half of the ids: 8 of 64 or fewer come once in 10^10 tries.
        for bit in range(128):
            assert 8 < sum(int(user_id, 16) >> bit & 1 for user_id in ids) < 56

    collect()


@pytest.mark.parametrize(
    "kind", ["join/", "join/x", "/join", "hello/join", "JOIN", "join ", " join", "join\0", "j\u043ein"]
)
def test_types_that_nearly_pass_for_another(server: ServerProcess, kind: str) -> None:
    """CVE-2020-11020, Faye: more segments in a channel's name led past the check of who may subscribe."""

    @asynchronous
    async def try_it() -> None:
        async with await native(server.websocket_url, hello=False) as client:
            assert (await client.refusal(kind, roomId="x"))["code"] == "unknown_type"
            assert (await client.refusal("join", roomId="x"))["code"] == "hello_required"

    try_it()


@pytest.mark.parametrize("alike", ["{}/", "{} ", "{}/x", "/{}", "{}\u00a0", "{}*", "{}#", "{}%00", "\uff52oom"])
def test_rooms_that_nearly_are_the_same(server: ServerProcess, room_id: str, alike: str) -> None:
    """CVE-2020-11020, Faye: likewise with rooms; no name but the very same leads into a room."""

    @asynchronous
    async def try_it() -> None:
        async with (
            room_of(server.websocket_url, room_id, "nl") as members,
            await native(server.websocket_url) as mallory,
        ):
            roster = await mallory.join(alike.format(room_id))
            assert roster["members"] == []
            assert roster["offset"] == 1
            await mallory.send("message", roomId=alike.format(room_id), data="spam")
            assert await settled(*members) == [[], []]

    try_it()


def test_into_another_room_by_id(server: ServerProcess, room_id: str) -> None:
    """CVE-2022-29233, BigBlueButton: who was in a meeting reached all its breakout rooms."""

    @asynchronous
    async def reach() -> None:
        async with (
            room_of(server.websocket_url, room_id, "nl") as (alice, bob),
            await native(server.websocket_url) as mallory,
        ):
            await mallory.join(f"{room_id} breakout")
            for attempt in attempts(alice, bob, room_id, f"{room_id} breakout"):
                assert (await mallory.refusal(**attempt))["code"] in ("not_in_room", "target_not_found"), attempt
            assert await settled(alice, bob) == [[], []]

    reach()


def attempts(alice: Client, bob: Client, room_id: str, other_id: str) -> list[dict[str, Any]]:
    """What somebody outside `room_id`, but in `other_id`, could send to those inside."""
    return [
        {"kind": "message", "roomId": room_id, "data": 1},
        {"kind": "message", "roomId": room_id, "data": 1, "to": [alice.user_id]},
        {"kind": "message", "roomId": other_id, "data": 1, "to": [alice.user_id]},
        {"kind": "update", "roomId": room_id, "name": "owner"},
        {"kind": "leave", "roomId": room_id},
        *(
            {"kind": kind, "roomId": room, "target": target.user_id, field: 1}
            for kind, field in (("offer", "sdp"), ("answer", "sdp"), ("ice-candidate", "candidate"))
            for room in (room_id, other_id)
            for target in (alice, bob)
        ),
    ]


def test_a_beginner_reaches_no_other_room(server: ServerProcess, room_id: str) -> None:
    """CVE-2022-29233, BigBlueButton: likewise in the `lesson` dialect, with and without a target."""

    @asynchronous
    async def reach() -> None:
        async with (
            room_of(server.websocket_url, room_id, "nl") as (alice, bob),
            await lesson(server.websocket_url) as mallory,
        ):
            await mallory.send("join", roomId=f"{room_id} breakout")
            for target in (alice, bob):
                assert (await mallory.refusal("offer", target=target.user_id, sdp=1))["code"] == "target_not_found"
            assert (await mallory.refusal("offer", roomId=room_id, sdp=1))["code"] == "not_in_room"
            await mallory.send("offer", sdp="to nobody")
            assert await settled(alice, bob) == [[], []]

    reach()


def test_a_message_right_behind_the_loss_of_its_right(server: ServerProcess, room_id: str) -> None:
    """CVE-2022-29234, BigBlueButton: for five seconds after a change of rights messages still came through."""

    @asynchronous
    async def race() -> None:
        async with room_of(server.websocket_url, room_id, "nn") as (alice, mallory):
            await mallory.send("leave", roomId=room_id)
            await mallory.send("message", roomId=room_id, data=1)
            await mallory.send("offer", roomId=room_id, target=alice.user_id, sdp=1)
            await mallory.receive("user-left")
            assert [(await mallory.receive("error"))["code"] for _ in range(2)] == ["not_in_room"] * 2
            assert [message["type"] for message in await alice.unread()] == ["user-left"]

    race()


def test_messages_to_some_reach_no_others(server: ServerProcess, room_id: str) -> None:
    """CVE-2020-35681, Django Channels: what was for one session got into that of another."""

    @asynchronous
    async def whisper() -> None:
        async with room_of(server.websocket_url, room_id, "nnnl") as (alice, bob, carol, dave):
            secret = secrets.token_hex(8)
            await alice.send("message", roomId=room_id, data=secret, to=[bob.user_id])
            await alice.send("offer", roomId=room_id, target=bob.user_id, sdp=secret)
            heard = await settled(alice, bob, carol, dave)
            assert [[message["type"] for message in messages] for messages in heard] == [
                ["message"],
                ["message", "offer"],
                [],
                [],
            ]

    whisper()


def test_a_new_connection_begins_from_nothing(server: ServerProcess, room_id: str) -> None:
    """CVE-2020-35681, Django Channels: likewise when a connection ends and another takes its place."""

    @asynchronous
    async def replace() -> None:
        async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
            await bob.connection.close()
            for number in range(10):
                await alice.send("message", roomId=room_id, data=number)
            async with await native(server.websocket_url) as newcomer:
                assert newcomer.user_id != bob.user_id
                assert (await newcomer.refusal("message", roomId=room_id, data=1))["code"] == "not_in_room"
                assert await newcomer.unread() == []

    replace()
