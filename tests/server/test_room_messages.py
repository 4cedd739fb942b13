"""Room messages and signalling of `sheetbend.v1`: who gets what, and in which order."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.clients import Client, Message, native, room_of, settled
from tests.support.in_process import asynchronous
from tests.support.process import ServerProcess
from tests.support.protocol import LIMITS

VALUES = [
    None,
    True,
    0,
    -1.5,
    1e300,
    2**70,
    "",
    "é\u2028\u202e😀\x00",
    [],
    {},
    [[{"a": [None]}]],
    {"": {"type": "bye"}},
]


@pytest.mark.parametrize("data", VALUES, ids=repr)
@asynchronous
async def test_a_message_comes_to_everyone_and_back(server: ServerProcess, room_id: str, data: object) -> None:
    async with room_of(server.websocket_url, room_id, "nnn") as members:
        alice = members[0]
        await alice.send("message", roomId=room_id, data=data, ref="m", sender=members[1].user_id, offset=99)
        received = [await member.receive("message") for member in members]
        assert received[0] == {
            "type": "message",
            "roomId": room_id,
            "offset": 4,
            "sender": alice.user_id,
            "data": data,
            "ref": "m",
        }
        assert received[1] == received[2] == received[0]
        assert await settled(*members) == [[], [], []]


@asynchronous
async def test_a_message_to_some_reaches_them_and_its_sender(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nnnn") as (alice, bob, carol, dave):
        to = [carol.user_id, bob.user_id, carol.user_id]
        await alice.send("message", roomId=room_id, data="psst", to=to)
        await alice.send("message", roomId=room_id, data="all")
        everyone = await settled(alice, bob, carol, dave)
        assert [[message["data"] for message in messages] for messages in everyone] == [
            ["psst", "all"],
            ["psst", "all"],
            ["psst", "all"],
            ["all"],
        ]
        assert everyone[0][0]["to"] == to
        assert "to" not in everyone[0][1]
        assert [message["offset"] for message in everyone[0]] == [5, 6]
        assert everyone[3][0]["offset"] == 6


@asynchronous
async def test_a_message_to_oneself_alone_comes_once(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        await alice.send("message", roomId=room_id, data=1, to=[alice.user_id])
        assert [len(messages) for messages in await settled(alice, bob)] == [1, 0]


@asynchronous
async def test_if_one_of_the_named_is_missing_nobody_gets_the_message(server: ServerProcess, room_id: str) -> None:
    async with (
        room_of(server.websocket_url, room_id, "nn") as (alice, bob),
        room_of(server.websocket_url, room_id + "b", "n") as (stranger,),
    ):
        to = [bob.user_id, stranger.user_id]
        error = await alice.refusal("message", roomId=room_id, data=1, to=to)
        assert error["code"] == "target_not_found"
        assert stranger.user_id in error["message"]
        assert bob.user_id not in error["message"]
        await alice.send("message", roomId=room_id, data=2)
        assert [[message["offset"] for message in seen] for seen in await settled(alice, bob, stranger)] == [
            [3],
            [3],
            [],
        ]


@pytest.mark.parametrize(
    "to",
    [[], ["0" * 31], ["0" * 32 + "\n"], ["G" * 32], [None], "0" * 32, {}, ["0" * 32] * (LIMITS["messageTargets"] + 1)],
)
@asynchronous
async def test_to_is_a_bounded_list_of_ids(server: ServerProcess, room_id: str, to: object) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        assert (await alice.refusal("message", roomId=room_id, data=1, to=to))["code"] == "invalid_message"
        assert await settled(alice, bob) == [[], []]


@asynchronous
async def test_everyone_sees_the_same_order_while_all_talk_at_once(server: ServerProcess, room_id: str) -> None:
    number = 100
    async with room_of(server.websocket_url, room_id, "nnnnn") as members:

        async def talk(member: Client) -> None:
            for index in range(number):
                await member.send("message", roomId=room_id, data=index)

        await asyncio.gather(*map(talk, members))
        views = await settled(*members)
        assert views.count(views[0]) == len(members)
        assert [message["offset"] for message in views[0]] == list(range(6, 6 + number * len(members)))
        for member in members:
            own = [message["data"] for message in views[0] if message["sender"] == member.user_id]
            assert own == list(range(number))


@asynchronous
async def test_talking_takes_membership(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "n") as (alice,), await native(server.websocket_url) as stranger:
        requests: list[tuple[str, Message]] = [
            ("message", {"data": 1}),
            ("update", {"name": "x"}),
            ("leave", {}),
            ("offer", {"sdp": 1, "target": alice.user_id}),
        ]
        for kind, fields in requests:
            assert (await stranger.refusal(kind, roomId=room_id, **fields))["code"] == "not_in_room"
        assert await settled(stranger, alice) == [[], []]


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("offer", "sdp", "v=0\r\n"),
        ("offer", "sdp", {"type": "offer", "sdp": "v=0\r\n"}),
        ("answer", "sdp", None),
        ("ice-candidate", "candidate", {"candidate": "", "sdpMLineIndex": 0}),
        ("ice-candidate", "candidate", None),
    ],
)
@asynchronous
async def test_signalling_goes_to_its_target_alone(
    server: ServerProcess, room_id: str, kind: str, field: str, value: object
) -> None:
    async with room_of(server.websocket_url, room_id, "nnn") as (alice, bob, carol):
        await alice.send(kind, roomId=room_id, target=bob.user_id, sender=carol.user_id, ref="s", **{field: value})
        received = {"type": kind, "roomId": room_id, "sender": alice.user_id, field: value}
        assert await settled(alice, bob, carol) == [[], [received], []]


@pytest.mark.parametrize("missing", ["target", "roomId", "sdp"])
@asynchronous
async def test_signalling_needs_room_target_and_body(server: ServerProcess, room_id: str, missing: str) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        fields: Message = {"roomId": room_id, "target": bob.user_id, "sdp": 1}
        del fields[missing]
        assert (await alice.refusal("offer", ref="r", **fields))["code"] == "invalid_message"
        assert await settled(alice, bob) == [[], []]


@asynchronous
async def test_signalling_and_messages_between_two_keep_their_order(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        for number in range(200):
            size = 9000 if number % 7 == 0 else 1
            await alice.send("offer", roomId=room_id, target=bob.user_id, sdp=[2 * number, "x" * size])
            await alice.send("message", roomId=room_id, data=[2 * number + 1, "x" * size], to=[bob.user_id])
        received = (await settled(alice, bob))[1]
        assert [message["sdp" if message["type"] == "offer" else "data"][0] for message in received] == list(range(400))
