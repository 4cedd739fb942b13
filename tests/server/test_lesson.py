"""The `lesson` dialect as PROTOCOL.md has it, message for message."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.clients import Client, Message, lesson, room_of, settled
from tests.support.in_process import asynchronous
from tests.support.process import ServerProcess
from tests.support.protocol import LIMITS

SDP = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\n"
SIGNALLING: list[Message] = [
    {"type": "offer", "sdp": SDP},
    {"type": "offer", "sdp": {"type": "offer", "sdp": SDP}},
    {"type": "answer", "sdp": {"type": "answer", "sdp": SDP, "more": [1, 2.5, None, True, "é\u2028😀"]}},
    {"type": "answer", "sdp": None},
    {"type": "ice-candidate", "candidate": {"candidate": "candidate:1 1 udp 1 ::1 9 typ host", "sdpMid": "0"}},
    {"type": "ice-candidate", "candidate": None},
    {"type": "ice-candidate", "candidate": ""},
    {"type": "offer", "sdp": 340282366920938463463374607431768211456},
]


async def send(client: Client, message: Message) -> None:
    await client.send(message["type"], **{key: value for key, value in message.items() if key != "type"})


@asynchronous
async def test_each_member_is_told_once_of_each_other(server: ServerProcess, room_id: str) -> None:
    async with (
        await lesson(server.websocket_url) as first,
        await lesson(server.websocket_url) as second,
        await lesson(server.websocket_url) as third,
    ):
        arrivals = []
        for client in (first, second, third):
            await client.send("join", roomId=room_id)
            arrivals.append(await client.unread())
        later = await settled(first, second, third)
    seen_by_first, seen_by_second, seen_by_third = map(list.__add__, arrivals, later)
    assert [message["type"] for message in seen_by_first] == ["user-joined", "user-joined"]
    second_id, third_id = (message["userId"] for message in seen_by_first)
    first_id = seen_by_second[0]["userId"]
    assert seen_by_second == [
        {"type": "existing-user", "userId": first_id, "roomId": room_id},
        {"type": "user-joined", "userId": third_id, "roomId": room_id},
    ]
    assert seen_by_third == [
        {"type": "existing-user", "userId": first_id, "roomId": room_id},
        {"type": "existing-user", "userId": second_id, "roomId": room_id},
    ]
    assert len({first_id, second_id, third_id}) == 3
    assert all(len(user_id) == 32 and int(user_id, 16) >= 0 for user_id in (first_id, second_id, third_id))


@asynchronous
async def test_one_connection_may_be_in_several_rooms(server: ServerProcess, room_id: str) -> None:
    other_room = room_id + "b"
    async with (
        room_of(server.websocket_url, room_id, "ll") as (both, here),
        room_of(server.websocket_url, other_room, "l") as (there,),
    ):
        await both.send("join", roomId=other_room)
        assert await both.unread() == [{"type": "existing-user", "userId": there.user_id, "roomId": other_room}]
        assert await settled(here, there) == [
            [],
            [{"type": "user-joined", "userId": both.user_id, "roomId": other_room}],
        ]
        await both.send("offer", sdp=1, roomId=other_room)
        await both.send("leave", roomId=other_room)
        await both.send("offer", sdp=2)
        assert await settled(both, here, there) == [
            [],
            [{"type": "offer", "sdp": 2, "sender": both.user_id}],
            [
                {"type": "offer", "sdp": 1, "sender": both.user_id, "roomId": other_room},
                {"type": "user-left", "userId": both.user_id, "roomId": other_room},
            ],
        ]


@pytest.mark.parametrize("message", SIGNALLING, ids=lambda message: message["type"])
@pytest.mark.parametrize("has_target", [True, False])
@pytest.mark.parametrize("has_room", [True, False])
@asynchronous
async def test_signalling_reaches_whom_it_names(
    server: ServerProcess, room_id: str, message: Message, has_target: bool, has_room: bool
) -> None:
    async with room_of(server.websocket_url, room_id, "lll") as (alice, bob, carol):
        sent = message.copy()
        if has_target:
            sent["target"] = bob.user_id
        if has_room:
            sent["roomId"] = room_id
        await send(alice, {**sent, "sender": carol.user_id, "userId": carol.user_id, "extra": 1})
        received = {**sent, "sender": alice.user_id}
        assert await settled(alice, bob, carol) == [[], [received], [] if has_target else [received]]


@asynchronous
async def test_messages_between_two_arrive_in_the_order_they_were_sent(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "ll") as (alice, bob):
        for number in range(500):
            await alice.send("ice-candidate", candidate=number, target=bob.user_id)
        assert [message["candidate"] for message in (await settled(alice, bob))[1]] == list(range(500))


@pytest.mark.parametrize("has_room", [True, False])
@asynchronous
async def test_a_target_must_share_a_room(server: ServerProcess, room_id: str, has_room: bool) -> None:
    async with (
        room_of(server.websocket_url, room_id, "l") as (alice,),
        room_of(server.websocket_url, room_id + "b", "l") as (stranger,),
    ):
        where = {"roomId": room_id} if has_room else {}
        error = await alice.refusal("offer", sdp=1, target=stranger.user_id, **where)
        assert error["code"] == "target_not_found"
        assert await settled(alice, stranger) == [[], []]


@asynchronous
async def test_a_target_in_another_shared_room_is_not_in_the_room_named(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "ll") as (alice, bob):
        await alice.send("join", roomId=room_id + "b")
        error = await alice.refusal("offer", sdp=1, target=bob.user_id, roomId=room_id + "b")
        assert error["code"] == "target_not_found"
        await alice.send("offer", sdp=1, target=bob.user_id)
        assert len((await settled(alice, bob))[1]) == 1


@pytest.mark.parametrize("how", ["leave", "close", "abort", "shut down"])
@asynchronous
async def test_the_others_hear_of_a_departure(server: ServerProcess, room_id: str, how: str) -> None:
    async with room_of(server.websocket_url, room_id, "lll") as (alice, bob, carol):
        if how == "leave":
            await carol.send("leave", roomId=room_id)
        elif how == "close":
            await carol.connection.close()
        elif how == "abort":
            carol.abort()
        else:
            carol.connection.transport.write_eof()
        left = {"type": "user-left", "userId": carol.user_id, "roomId": room_id}
        assert await alice.receive() == left
        assert await bob.receive() == left
        if how == "leave":
            assert await carol.unread() == []
        error = await alice.refusal("offer", sdp=1, target=carol.user_id)
        assert error["code"] == "target_not_found"
        assert await settled(alice, bob) == [[], []]


@asynchronous
async def test_a_departure_is_heard_in_every_room(server: ServerProcess, room_id: str) -> None:
    rooms = [room_id, room_id + "b", room_id + "c"]
    async with room_of(server.websocket_url, room_id, "ll") as (alice, bob):
        for room in rooms[1:]:
            await alice.send("join", roomId=room)
            await bob.send("join", roomId=room)
            await settled(bob, alice)
        bob.abort()
        left = [await alice.receive("user-left") for _ in rooms]
        assert sorted(message["roomId"] for message in left) == rooms
        assert {message["userId"] for message in left} == {bob.user_id}


@asynchronous
async def test_who_leaves_can_come_back(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "ll") as (alice, bob):
        for _ in range(3):
            await bob.send("leave", roomId=room_id)
            await bob.send("join", roomId=room_id)
            assert await settled(bob, alice) == [
                [{"type": "existing-user", "userId": alice.user_id, "roomId": room_id}],
                [
                    {"type": "user-left", "userId": bob.user_id, "roomId": room_id},
                    {"type": "user-joined", "userId": bob.user_id, "roomId": room_id},
                ],
            ]


@pytest.mark.parametrize(
    ("code", "kind", "fields"),
    [
        ("already_in_room", "join", {"roomId": "HERE"}),
        ("not_in_room", "leave", {"roomId": "elsewhere"}),
        ("not_in_room", "offer", {"sdp": 1, "roomId": "elsewhere"}),
        ("not_in_room", "offer", {"sdp": 1, "roomId": "elsewhere", "target": "OTHER"}),
        ("target_not_found", "offer", {"sdp": 1, "target": "0" * 32}),
        ("target_not_found", "answer", {"sdp": 1, "target": "", "roomId": "HERE"}),
        ("target_is_self", "ice-candidate", {"candidate": 1, "target": "SELF"}),
        ("unknown_type", "hello", {}),
        ("unknown_type", "message", {"roomId": "HERE", "data": 1}),
        ("unknown_type", "bye", {}),
    ],
)
@asynchronous
async def test_what_cannot_be_honoured_costs_its_sender_an_error(
    server: ServerProcess, room_id: str, code: str, kind: str, fields: dict[str, object]
) -> None:
    async with room_of(server.websocket_url, room_id, "ll") as (alice, bob):
        stand_ins = {"HERE": room_id, "SELF": alice.user_id, "OTHER": bob.user_id}
        error = await alice.refusal(kind, **{key: stand_ins.get(str(value), value) for key, value in fields.items()})
        assert error.keys() == {"type", "code", "message"}
        assert error["code"] == code
        await alice.send("offer", sdp="still here")
        assert await settled(alice, bob) == [[], [{"type": "offer", "sdp": "still here", "sender": alice.user_id}]]


@asynchronous
async def test_signalling_without_room_and_target_needs_exactly_one_room(server: ServerProcess, room_id: str) -> None:
    async with await lesson(server.websocket_url) as client:
        assert (await client.refusal("offer", sdp=1))["code"] == "room_required"
        await client.send("join", roomId=room_id)
        await client.send("join", roomId=room_id + "b")
        assert (await client.refusal("offer", sdp=1))["code"] == "room_required"
        await client.send("leave", roomId=room_id)
        await client.send("offer", sdp=1)
        assert await client.unread() == []


@asynchronous
async def test_a_session_is_in_no_more_rooms_than_the_bound(server: ServerProcess, room_id: str) -> None:
    async with await lesson(server.websocket_url) as client:
        for number in range(LIMITS["roomsPerSession"]):
            await client.send("join", roomId=f"{room_id} {number}")
        assert (await client.refusal("join", roomId=room_id))["code"] == "too_many_rooms"
        await client.send("leave", roomId=f"{room_id} 0")
        await client.send("join", roomId=room_id)
        assert await client.unread() == []


@asynchronous
async def test_rooms_do_not_hear_each_other(server: ServerProcess, room_id: str) -> None:
    async with (
        room_of(server.websocket_url, room_id, "ll") as (alice, bob),
        room_of(server.websocket_url, room_id + "b", "ll") as (carol, dave),
    ):
        await asyncio.gather(*(client.send("offer", sdp=client.user_id) for client in (alice, bob, carol, dave)))
        seen = await settled(alice, bob, carol, dave)
        assert [[message["sdp"] for message in messages] for messages in seen] == [
            [partner.user_id] for partner in (bob, alice, dave, carol)
        ]
