"""Room messages and signalling of `sheetbend.v1`: who gets what, and in which order."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from sheetbend.core.limits import Limits
from tests.support.clients import Client, Message, native, room_of, settled
from tests.support.in_process import asynchronous, serving
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
        assert abs(received[0].pop("time") / 1000 - time.time()) < 5
        assert received[0] == {
            "type": "message",
            "roomId": room_id,
            "offset": 4,
            "sender": alice.user_id,
            "data": data,
            "ref": "m",
        }
        assert [each | {"time": 0} for each in received[1:]] == [received[0] | {"time": 0}] * 2
        accepted = await alice.receive("accepted")
        assert len(accepted.pop("epoch")) > 8
        assert accepted == {"type": "accepted", "roomId": room_id, "offset": 4, "ref": "m"}
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


# Acceptance.


@pytest.mark.parametrize(
    "fields", [{}, {"id": "i"}, {"ref": "r"}, {"id": "i", "ref": "r"}, {"id": "i", "to": True}], ids=str
)
@asynchronous
async def test_a_message_with_an_id_or_a_ref_is_accepted(server: ServerProcess, room_id: str, fields: Message) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        epoch = (await newcomers_roster(server.websocket_url, room_id))["epoch"]
        await settled(alice, bob)
        sent = {**fields, "to": [bob.user_id]} if "to" in fields else fields
        await alice.send("message", roomId=room_id, data=1, **sent)
        mine, theirs = await settled(alice, bob)
        message, *answers = sorted(mine, key=lambda each: str(each["type"]), reverse=True)
        assert theirs == [message]
        assert {name: message.get(name) for name in sent} == sent
        expected = {"type": "accepted", "roomId": room_id, "epoch": epoch, "offset": message["offset"]}
        expected |= {name: value for name, value in fields.items() if name != "to"}
        assert answers == ([expected] if fields else [])


async def newcomers_roster(url: str, room_id: str, **join: object) -> Message:
    """What somebody is told who only looks in."""
    async with await native(url) as newcomer:
        roster = await newcomer.join(room_id, **join)
        await newcomer.send("bye")
        await newcomer.close_code()
        return roster


@pytest.mark.parametrize("resumes", [False, True])
@asynchronous
async def test_a_repeat_is_answered_alike_and_reaches_nobody_twice(
    server: ServerProcess, room_id: str, resumes: bool
) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        await alice.send("message", roomId=room_id, data="first", id="i", ref="1")
        ((_, accepted), (heard,)) = await settled(alice, bob)
        await bob.send("message", roomId=room_id, data="bob's", id="i")
        assert [each["type"] for each in (await settled(bob, alice))[1]] == ["message"], "ids are of their sender"
        if resumes:
            await alice.lose_connection()
            await alice.resume(server.websocket_url)
        await alice.send("message", roomId=room_id, data="other", id="i", ref="2")
        await alice.send("message", roomId=room_id, data="other", id="i")
        again, seen_by_bob = await settled(alice, bob)
        assert accepted["offset"] == heard["offset"]
        assert again == [accepted | {"ref": "2"}, {name: accepted[name] for name in accepted if name != "ref"}]
        assert seen_by_bob == []


@asynchronous
async def test_so_many_ids_are_remembered_of_each_member_while_it_stays() -> None:
    async with serving(Limits(message_ids_max=3)) as server, room_of(server.websocket_url, "room", "nn") as (alice, _):

        async def is_new(message_id: str) -> bool:
            await alice.send("message", roomId="room", data=1, id=message_id)
            return len(await alice.unread()) == 2

        assert [await is_new(message_id) for message_id in "abcabc"] == [True] * 3 + [False] * 3
        assert await is_new("d")
        assert [await is_new(message_id) for message_id in "bcd"] == [False] * 3
        assert await is_new("a")
        await alice.send("leave", roomId="room")
        await alice.unread()
        await alice.join("room")
        assert await is_new("a")


@pytest.mark.parametrize("message_id", ["", "x" * (LIMITS["refChars"] + 1), "a\n", 5, [], True])
@asynchronous
async def test_an_id_is_a_short_text(server: ServerProcess, room_id: str, message_id: object) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        assert (await alice.refusal("message", roomId=room_id, data=1, id=message_id))["code"] == "invalid_message"
        await alice.send("message", roomId=room_id, data=2, id="x" * LIMITS["refChars"])
        assert [len(messages) for messages in await settled(alice, bob)] == [2, 1]


@asynchronous
async def test_a_refused_message_does_not_use_up_its_id(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "n") as (alice,):
        error = await alice.refusal("message", roomId=room_id, data=1, id="i", to=["0" * 32], ref="r")
        assert (error["code"], error["ref"]) == ("target_not_found", "r")
        await alice.send("message", roomId=room_id, data=1, id="i")
        assert [each["type"] for each in await alice.unread()] == ["message", "accepted"]


@asynchronous
async def test_time_is_the_servers_and_does_not_depend_on_who_reads(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        before = time.time_ns() // 1_000_000
        for data in range(3):
            await alice.send("message", roomId=room_id, data=data, time=5)
        mine, theirs = await settled(alice, bob)
        after = time.time_ns() // 1_000_000
        assert mine == theirs
        times = [message["time"] for message in mine]
        assert before <= times[0] <= times[1] <= times[2] <= after
        roster = await newcomers_roster(server.websocket_url, room_id)
        assert [entry["time"] for entry in roster["history"]] == times


# History.


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({}, 10),
        ({"history_messages_max": 10}, 10),
        ({"history_messages_max": 9}, 9),
        ({"history_messages_max": 1}, 1),
        ({"history_messages_max": 0}, 0),
        ({"history_bytes_max": 10 * (102 + 256)}, 10),
        ({"history_bytes_max": 10 * (102 + 256) - 1}, 9),
        ({"history_bytes_max": 100}, 0),
        ({"history_total_bytes_max": 4 * (102 + 256)}, 4),
    ],
    ids=str,
)
@asynchronous
async def test_a_newcomer_gets_the_latest_messages_and_is_told_whether_they_are_all(
    limits: dict[str, Any], kept: int
) -> None:
    async with serving(Limits(**limits)) as server, room_of(server.websocket_url, "room", "n") as (alice,):
        await alice.send("update", roomId="room", name="Ada")
        for number in range(10):
            await alice.send("message", roomId="room", data=f"{number:0100}", id=f"id{number}")
            await alice.send("message", roomId="room", data="psst", to=[alice.user_id])
        said = [each for each in await alice.unread() if each["type"] == "message" and "to" not in each]
        roster = await newcomers_roster(server.websocket_url, "room")
        assert roster["complete"] is (kept == 10)
        fields = ("offset", "sender", "data", "time", "id")
        expected = [{"name": "Ada", **{field: each[field] for field in fields}} for each in said]
        assert roster["history"] == expected[10 - kept :]


@asynchronous
async def test_old_messages_are_not_given_out() -> None:
    async with (
        serving(Limits(history_age_s=0.3)) as server,
        room_of(server.websocket_url, "room", "n") as (alice,),
    ):
        await alice.send("message", roomId="room", data="old")
        roster = await newcomers_roster(server.websocket_url, "room")
        assert [entry["data"] for entry in roster["history"]] == ["old"]
        began = time.monotonic()
        while roster["history"] and time.monotonic() < began + 5:
            await alice.unread()
            roster = await newcomers_roster(server.websocket_url, "room")
        assert (roster["history"], roster["complete"]) == ([], False)
        assert time.monotonic() - began < 2


@asynchronous
async def test_since_leaves_out_what_was_seen(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "n") as (alice,):
        for number in range(5):
            await alice.send("message", roomId=room_id, data=number)
        offsets = [message["offset"] for message in await alice.unread()]
        epoch = (await newcomers_roster(server.websocket_url, room_id))["epoch"]
        cases: list[tuple[str, int, list[int], bool]] = [
            (epoch, 0, [0, 1, 2, 3, 4], True),
            (epoch, offsets[1], [2, 3, 4], True),
            (epoch, offsets[1] - 1, [1, 2, 3, 4], True),
            (epoch, offsets[4], [], True),
            (epoch, 10**9, [], True),
            ("another", offsets[3], [0, 1, 2, 3, 4], False),
            ("", offsets[3], [0, 1, 2, 3, 4], False),
        ]
        for seen_epoch, offset, data, complete in cases:
            since = {"epoch": seen_epoch, "offset": offset}
            roster = await newcomers_roster(server.websocket_url, room_id, since=since)
            assert ([entry["data"] for entry in roster["history"]], roster["complete"]) == (data, complete), since


@asynchronous
async def test_since_says_whether_something_between_was_forgotten() -> None:
    limits = Limits(history_messages_max=3)
    async with serving(limits) as server, room_of(server.websocket_url, "room", "n") as (alice,):
        for number in range(6):
            await alice.send("message", roomId="room", data=number)
        offsets = [message["offset"] for message in await alice.unread()]
        epoch = (await newcomers_roster(server.websocket_url, "room"))["epoch"]
        for index, complete in enumerate([False, False, True, True, True]):
            since = {"epoch": epoch, "offset": offsets[index]}
            roster = await newcomers_roster(server.websocket_url, "room", since=since)
            assert roster["complete"] is complete, index


@asynchronous
async def test_an_empty_room_is_remembered_for_a_while() -> None:
    async with serving(Limits(empty_room_s=1)) as server, await native(server.websocket_url) as alice:
        first = await alice.join("room")
        await alice.send("message", roomId="room", data="kept")
        await alice.send("leave", roomId="room")
        await alice.unread()
        again = await alice.join("room")
        assert (again["epoch"], again["offset"]) == (first["epoch"], first["offset"] + 3)
        assert ([entry["data"] for entry in again["history"]], again["complete"]) == (["kept"], True)
        began = time.monotonic()
        epoch = first["epoch"]
        while epoch == first["epoch"] and time.monotonic() < began + 10:
            await alice.send("leave", roomId="room")
            await alice.unread()
            await asyncio.sleep(1.1)  # so long nobody looks in, which would begin it anew
            roster = await alice.join("room")
            epoch = roster["epoch"]
        assert (roster["offset"], roster["history"], roster["complete"]) == (1, [], True)
        assert time.monotonic() - began < 5
