"""The `sheetbend.v1` dialect: opening a session, names and attributes, and leaving."""

from __future__ import annotations

import pytest

from sheetbend.core.limits import Limits
from tests.support.clients import SUBPROTOCOL, Message, native, room_of, settled
from tests.support.frames import CLOSE, RawWebSocket, frame, text, upgrade_request
from tests.support.in_process import asynchronous, serving
from tests.support.process import ServerProcess
from tests.support.protocol import ERRORS, LIMITS

EVERYTHING = ["message", "moderate", "publish", "subscribe"]
"""What whoever enters an empty room first may do."""


@asynchronous
async def test_welcome_says_who_one_is_and_what_one_may(server: ServerProcess) -> None:
    async with await native(server.websocket_url, hello=False) as client:
        await client.send("hello", client="tests/1", features=["teleport"], ref="r", unknown={"a": 1})
        welcome = await client.receive("welcome")
        assert len(welcome.pop("userId")) == 32
        assert welcome.pop("server").startswith("sheetbend/")
        assert len(welcome.pop("resumeToken")) >= 64
        assert welcome == {
            "type": "welcome",
            "features": [],
            "iceServers": [{"urls": [f"stun:{{host}}:{server.port}"]}],
            "limits": LIMITS,
            "can": ["message", "publish", "subscribe"],
            "ref": "r",
        }


def test_one_packet_is_enough_to_be_in_a_room(server: ServerProcess, room_id: str) -> None:
    with RawWebSocket(server.port) as raw:
        raw.send(
            upgrade_request(subprotocol=SUBPROTOCOL),
            text("hello"),
            text("join", roomId=room_id, ref="j"),
            *(text("message", roomId=room_id, data="x" * size) for size in (1, 9000, 2, 60_000, 3)),
            text("bye"),
        )
        assert f"\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n" in raw.read_head()
        assert raw.read_message()["type"] == "welcome"
        roster = raw.read_message()
        assert roster.pop("epoch")
        assert len(roster["you"].pop("userId")) == 32
        assert roster == {
            "type": "roster",
            "roomId": room_id,
            "offset": 1,
            "access": "open",
            "you": {"name": "", "attributes": {}, "can": EVERYTHING},
            "members": [],
            "history": [],
            "complete": True,
            "waiting": [],
            "ref": "j",
        }
        messages = [raw.read_message() for _ in range(5)]
        assert [len(message["data"]) for message in messages] == [1, 9000, 2, 60_000, 3]
        assert [message["offset"] for message in messages] == [2, 3, 4, 5, 6]
        assert raw.read_message()["type"] == "user-left"
        assert raw.read_close() == 1000


@asynchronous
async def test_the_roster_is_one_message_in_order_of_entering(server: ServerProcess, room_id: str) -> None:
    async with (
        room_of(server.websocket_url, room_id, "nlnn") as members,
        await native(server.websocket_url) as newcomer,
    ):
        roster = await newcomer.join(room_id, name="New", attributes={"a": {"b": [1]}}, ref="r")
        assert roster["ref"] == "r"
        assert [member["userId"] for member in roster["members"]] == [member.user_id for member in members]
        assert roster["members"][0] == {
            "userId": members[0].user_id,
            "name": "",
            "attributes": {},
            "polite": True,
            "can": EVERYTHING,
        }
        assert roster["you"] == {"userId": newcomer.user_id, "name": "New", "attributes": {"a": {"b": [1]}}}
        joined = await members[0].receive("user-joined")
        assert joined == {
            "type": "user-joined",
            "roomId": room_id,
            "offset": roster["offset"],
            "member": {
                "userId": newcomer.user_id,
                "name": "New",
                "attributes": {"a": {"b": [1]}},
                "polite": False,
            },
        }
        assert await newcomer.unread() == []


@asynchronous
async def test_offsets_grow_by_one_with_every_event(server: ServerProcess, room_id: str) -> None:
    async with await native(server.websocket_url) as alice, await native(server.websocket_url) as bob:
        roster = await alice.join(room_id)
        assert roster["offset"] == 1
        assert (await bob.join(room_id))["offset"] == 2
        await bob.send("message", roomId=room_id, data=1)
        await bob.send("update", roomId=room_id, name="B")
        await bob.send("leave", roomId=room_id)
        events = (await settled(bob, alice))[1]
        assert [(event["type"], event["offset"]) for event in events] == [
            ("user-joined", 2),
            ("message", 3),
            ("user-updated", 4),
            ("user-left", 5),
        ]


@asynchronous
async def test_a_room_that_was_empty_is_another_room(server: ServerProcess, room_id: str) -> None:
    async with await native(server.websocket_url) as alice:
        before = await alice.join(room_id)
        await alice.send("leave", roomId=room_id)
        await alice.receive("user-left")
        after = await alice.join(room_id)
        assert before["epoch"] != after["epoch"]
        assert after["offset"] == 1


@asynchronous
async def test_update_replaces_the_name_and_merges_the_attributes(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        me: Message = {"userId": alice.user_id, "name": "", "attributes": {}, "can": EVERYTHING}
        changes: list[tuple[Message, Message]] = [
            ({"name": "Älice 😀"}, {"name": "Älice 😀"}),
            ({"attributes": {"a": 1, "b": {"c": [None]}}}, {"attributes": {"a": 1, "b": {"c": [None]}}}),
            ({"attributes": {"a": None, "d": 2}}, {"attributes": {"b": {"c": [None]}, "d": 2}}),
            ({"attributes": {"b": {"e": 1}, "none": None}}, {"attributes": {"b": {"e": 1}, "d": 2}}),
            ({"name": "", "attributes": {}}, {"name": ""}),
            ({}, {}),
        ]
        for change, result in changes:
            await alice.send("update", roomId=room_id, ref="u", **change)
            me |= result
            for member in (alice, bob):
                updated = await member.receive("user-updated")
                assert updated["member"] == me
                assert updated["ref"] == "u"
        async with await native(server.websocket_url) as carol:
            assert (await carol.join(room_id))["members"][0] == {**me, "polite": True}


@asynchronous
async def test_attributes_stay_within_their_bound_after_a_merge(server: ServerProcess, room_id: str) -> None:
    bound = LIMITS["attributesBytes"]
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        await alice.send("update", roomId=room_id, attributes={"a": "x" * (bound - len('{"a":""}'))})
        assert await alice.receive("user-updated") == await bob.receive("user-updated")
        error = await alice.refusal("update", roomId=room_id, attributes={"b": 1})
        assert error["code"] == "invalid_attributes"
        await alice.send("update", roomId=room_id, attributes={"a": None, "b": 1})
        assert (await bob.receive("user-updated"))["member"]["attributes"] == {"b": 1}


@asynchronous
async def test_leaving_is_told_to_all_and_to_the_one_who_leaves(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nnn") as (alice, bob, carol):
        await carol.send("leave", roomId=room_id, ref="l")
        left = await carol.receive("user-left")
        assert left == {
            "type": "user-left",
            "roomId": room_id,
            "offset": left["offset"],
            "userId": carol.user_id,
            "reason": "leave",
            "ref": "l",
        }
        assert await alice.receive() == await bob.receive() == left
        await alice.send("message", roomId=room_id, data=1)
        assert (await settled(alice, carol))[1] == []


@pytest.mark.parametrize(("how", "reason"), [("bye", "leave"), ("close", "disconnect"), ("abort", "disconnect")])
@asynchronous
async def test_the_end_of_a_session_says_why(how: str, reason: str) -> None:
    async with serving(Limits(resume_grace_s=0.5)) as server, room_of(server.websocket_url, "r", "nn") as (alice, bob):
        if how == "bye":
            await bob.send("bye")
            assert await bob.close_code() == 1000
        elif how == "close":
            await bob.connection.close()
        else:
            bob.abort()
        left = await alice.receive("user-left")
        assert (left["userId"], left["reason"]) == (bob.user_id, reason)
        assert await alice.unread() == []


def test_what_follows_bye_is_ignored(server: ServerProcess, room_id: str) -> None:
    with RawWebSocket(server.port) as raw:
        raw.send(
            upgrade_request(subprotocol=SUBPROTOCOL),
            text("hello"),
            text("bye"),
            text("join", roomId=room_id),
            text("hello"),
        )
        raw.read_head()
        assert raw.read_message()["type"] == "welcome"
        assert raw.read_close() == 1000
        raw.send(frame(CLOSE))
        assert raw.read_rest() == b""


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("join", {"roomId": "r"}),
        ("leave", {"roomId": "r"}),
        ("update", {"roomId": "r"}),
        ("message", {"roomId": "r", "data": 1}),
        ("offer", {"roomId": "r", "target": "0" * 32, "sdp": 1}),
        ("bye", {}),
    ],
)
@asynchronous
async def test_hello_comes_first(server: ServerProcess, kind: str, fields: dict[str, object]) -> None:
    async with await native(server.websocket_url, hello=False) as client:
        error = await client.refusal(kind, ref="r", **fields)
        assert (error["code"], error["ref"]) == ("hello_required", "r")
        await client.send("hello")
        await client.receive("welcome")


@asynchronous
async def test_hello_comes_once(server: ServerProcess) -> None:
    async with await native(server.websocket_url) as client:
        assert (await client.refusal("hello"))["code"] == "unexpected_hello"


@asynchronous
async def test_an_error_carries_the_ref_and_whether_to_try_again(server: ServerProcess, room_id: str) -> None:
    async with await native(server.websocket_url) as client:
        await client.join(room_id)
        for kind, fields, code in [
            ("join", {}, "already_in_room"),
            ("offer", {"target": "0" * 32, "sdp": 1}, "target_not_found"),
            ("message", {"data": 1, "to": ["0" * 32]}, "target_not_found"),
            ("offer", {"target": client.user_id, "sdp": 1}, "target_is_self"),
            ("message", {}, "invalid_message"),
            ("nonsense", {}, "unknown_type"),
        ]:
            error = await client.refusal(kind, roomId=room_id, ref="é-1", **fields)
            assert error.pop("message")
            assert error == {"type": "error", "code": code, "ref": "é-1", **ERRORS[code]}
