"""Who may do what: moderators, locks, the lobby, muting, removing, and rights by token."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sheetbend.core.limits import Limits
from sheetbend.core.session import RIGHTS
from tests.support.clients import Client, Message, lesson, native, room_of, settled
from tests.support.in_process import RunningServer, asynchronous, serving
from tests.support.process import ServerProcess
from tests.support.tokens import CLAIMS, SECRET, forged

ALL = ["message", "moderate", "publish", "subscribe"]
MEMBER = ["message", "publish", "subscribe"]


def kinds(received: list[Message]) -> list[str]:
    return [message["type"] for message in received]


async def refused(client: Client, kind: str, **fields: Any) -> str:
    """Send a message; return the code of the error, which must be its only answer and carry its ref."""
    error = await client.refusal(kind, ref="refused", **fields)
    assert error["ref"] == "refused"
    code: str = error["code"]
    return code


async def set_access(moderator: Client, room_id: str, access: str) -> None:
    await moderator.send("set-access", roomId=room_id, access=access)
    assert (await moderator.receive("room-updated"))["access"] == access


def token(sub: str = "ada", **claims: Any) -> str:
    return forged(payload={**CLAIMS, "sub": sub, "room": "*", "exp": time.time() + 3600, **claims})


@asynccontextmanager
async def asking_for_tokens() -> AsyncIterator[RunningServer]:
    async with serving(Limits(), auth="token", token_secrets=(SECRET,)) as server:
        yield server


async def with_token(server: RunningServer, sub: str, **claims: Any) -> Client:
    return await native(server.websocket_url, token=token(sub, **claims))


# Who moderates.


@asynchronous
async def test_without_tokens_the_first_moderates_and_then_who_has_been_there_longest(
    server: ServerProcess, room_id: str
) -> None:
    async with room_of(server.websocket_url, room_id, "nlnn") as (alice, old, bob, carol):
        async with await native(server.websocket_url) as dave:
            roster = await dave.join(room_id)
            assert [member.get("can") for member in roster["members"]] == [ALL, None, None, None]
            assert "can" not in roster["you"]
            assert "waiting" not in roster
            await dave.send("bye")
        await settled(alice, bob, carol, old)
        await alice.send("leave", roomId=room_id)
        _, seen_by_bob, seen_by_carol, seen_by_old = await settled(alice, bob, carol, old)
        assert kinds(seen_by_bob) == ["user-left", "user-updated"]
        assert seen_by_carol == seen_by_bob
        assert kinds(seen_by_old) == ["user-left"]
        elected = seen_by_bob[1]
        assert (elected["member"]["userId"], elected["member"]["can"]) == (bob.user_id, ALL)
        assert elected["offset"] == seen_by_bob[0]["offset"] + 1
        await set_access(bob, room_id, "locked")
        await carol.receive("room-updated")
        assert await refused(carol, "set-access", roomId=room_id, access="open") == "not_allowed"
        assert kinds(await alice.unread()) == []


@asynchronous
async def test_a_lesson_member_is_never_elected(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "ln") as (_, bob):
        async with await native(server.websocket_url) as carol:
            roster = await carol.join(room_id)
            assert [member.get("can") for member in roster["members"]] == [None, ALL]
        await bob.receive("user-joined")
        await set_access(bob, room_id, "open")


@asynchronous
async def test_a_moderator_whose_session_is_away_still_is_one() -> None:
    async with (
        serving(Limits(resume_grace_s=0.5)) as server,
        room_of(server.websocket_url, "room", "nn") as (alice, bob),
    ):
        await alice.lose_connection()
        assert await refused(bob, "set-access", roomId="room", access="locked") == "not_allowed"
        assert kinds([await bob.receive(), await bob.receive()]) == ["user-left", "user-updated"]
        await set_access(bob, "room", "locked")


@asynchronous
async def test_with_tokens_only_those_with_the_right_moderate() -> None:
    async with (
        asking_for_tokens() as server,
        await with_token(server, "bob") as bob,
        await with_token(server, "ada", can=ALL) as ada,
    ):
        roster = await bob.join("demo")
        assert roster["you"]["subject"] == "bob"
        assert "can" not in roster["you"]
        assert await refused(bob, "set-access", roomId="demo", access="locked") == "not_allowed"
        assert (await ada.join("demo"))["you"]["can"] == ALL
        await bob.receive("user-joined")
        await set_access(ada, "demo", "locked")
        assert (await bob.receive("room-updated"))["access"] == "locked"
        await ada.send("leave", roomId="demo")
        assert kinds((await settled(ada, bob))[1]) == ["user-left"], "nobody is elected"


# Every message against every missing right.

BODIES: dict[str, Message] = {
    "message": {"data": 1},
    "offer": {"sdp": 1, "target": "PEER"},
    "answer": {"sdp": 1, "target": "PEER"},
    "ice-candidate": {"candidate": None, "target": "PEER"},
    "set-access": {"access": "locked"},
    "admit": {"userId": "PEER"},
    "reject": {"userId": "PEER"},
    "mute": {"userId": "PEER", "messages": True},
    "remove": {"userId": "PEER"},
    "update": {"attributes": {"a": 1}},
    "leave": {},
    "join": {},
    "ping": {},
    "ack": {"received": 0},
    "token": {"token": "x"},
    "hello": {},
    "bye": {},
}
FREE = {"update": "user-updated", "leave": "user-left", "ping": "pong"}
TAGS = {str(kind.__struct_config__.tag): rights for kind, rights in RIGHTS.items()}


def test_every_message_is_tried() -> None:
    assert BODIES.keys() == TAGS.keys()


@pytest.mark.parametrize("kind", [kind for kind in BODIES if TAGS[kind] or kind in FREE])
@asynchronous
async def test_what_one_has_no_right_to_is_refused_and_reaches_nobody(kind: str) -> None:
    lacking = sorted(set(ALL) - TAGS[kind])
    async with (
        asking_for_tokens() as server,
        await with_token(server, "peer", can=ALL) as peer,
        await with_token(server, "eve", can=lacking if TAGS[kind] else []) as eve,
    ):
        await peer.join("demo")
        await eve.join("demo")
        await peer.receive("user-joined")
        fields = {name: peer.user_id if value == "PEER" else value for name, value in BODIES[kind].items()}
        if kind in FREE:
            await eve.send(kind, roomId="demo", **fields)
            assert (await eve.receive(FREE[kind]))["type"] == FREE[kind]
            return
        assert await refused(eve, kind, roomId="demo", **fields) == "not_allowed"
        assert await settled(eve, peer) == [[], []]


@pytest.mark.parametrize("right", ["publish", "subscribe"])
@pytest.mark.parametrize("kind", ["offer", "answer", "ice-candidate"])
@asynchronous
async def test_signalling_takes_either_right_about_media(right: str, kind: str) -> None:
    async with (
        asking_for_tokens() as server,
        await with_token(server, "peer") as peer,
        await with_token(server, "eve", can=[right]) as eve,
    ):
        await peer.join("demo")
        await eve.join("demo")
        await peer.receive("user-joined")
        fields = {name: peer.user_id if value == "PEER" else value for name, value in BODIES[kind].items()}
        await eve.send(kind, roomId="demo", **fields)
        assert kinds((await settled(eve, peer))[1]) == [kind]


@asynchronous
async def test_a_token_says_into_which_rooms(server: ServerProcess) -> None:
    async with asking_for_tokens() as running, await with_token(running, "ada", room=["demo", "team-*"]) as ada:
        for room_id in ("demo2", "dem", "team", "Team-a", "*"):
            assert await refused(ada, "join", roomId=room_id) == "not_allowed"
        for room_id in ("demo", "team-", "team-a"):
            await ada.join(room_id)


@asynchronous
async def test_a_token_may_prescribe_the_name() -> None:
    async with asking_for_tokens() as server, await with_token(server, "ada", name="Ada") as ada:
        assert (await ada.join("demo", name="The Boss"))["you"]["name"] == "Ada"
        assert await refused(ada, "update", roomId="demo", name="The Boss") == "not_allowed"
        await ada.send("update", roomId="demo", name="Ada", attributes={"a": 1})
        assert (await ada.receive("user-updated"))["member"]["name"] == "Ada"


# Locks and the lobby.


@asynchronous
async def test_a_locked_room_takes_nobody_but_keeps_who_is_in(server: ServerProcess, room_id: str) -> None:
    async with (
        room_of(server.websocket_url, room_id, "nn") as (alice, bob),
        await native(server.websocket_url) as carol,
        await lesson(server.websocket_url) as old,
    ):
        await alice.send("set-access", roomId=room_id, access="locked", ref="a")
        updated = await alice.receive("room-updated")
        assert updated == {
            "type": "room-updated",
            "roomId": room_id,
            "offset": updated["offset"],
            "access": "locked",
            "ref": "a",
        }
        assert await bob.receive() == updated
        error = await carol.refusal("join", roomId=room_id, ref="j")
        assert (error["code"], error["ref"], error["retryable"]) == ("room_locked", "j", True)
        assert (await old.refusal("join", roomId=room_id))["code"] == "room_locked"
        await bob.lose_connection()
        assert (await bob.resume(server.websocket_url))["recovered"] is True
        await set_access(alice, room_id, "open")
        await carol.join(room_id)


@asynchronous
async def test_newcomers_wait_in_the_lobby_until_a_moderator_decides(server: ServerProcess, room_id: str) -> None:
    async with (
        room_of(server.websocket_url, room_id, "nn") as (alice, bob),
        await native(server.websocket_url) as carol,
        await native(server.websocket_url) as dave,
        await lesson(server.websocket_url) as old,
    ):
        await set_access(alice, room_id, "lobby")
        await bob.receive("room-updated")
        assert (await old.refusal("join", roomId=room_id))["code"] == "room_locked"
        for client, name in ((carol, "C"), (dave, "D")):
            await client.send("join", roomId=room_id, name=name, attributes={"a": 1}, ref="j")
            assert await client.receive() == {"type": "waiting", "roomId": room_id, "ref": "j"}
            knock = await alice.receive("knock")
            member = {"userId": client.user_id, "name": name, "attributes": {"a": 1}}
            assert knock == {"type": "knock", "roomId": room_id, "member": member}
        for kind in ("message", "offer", "update", "set-access", "admit", "remove"):
            fields = {name: bob.user_id if value == "PEER" else value for name, value in BODIES[kind].items()}
            code = await refused(carol, kind, roomId=room_id, **fields)
            assert code in ("not_in_room", "target_not_found"), kind
        assert await refused(carol, "join", roomId=room_id) == "already_in_room"
        assert await settled(alice, bob) == [[], []]

        await alice.send("admit", roomId=room_id, userId=carol.user_id, ref="a")
        roster = await carol.receive("roster")
        assert (roster["ref"], roster["access"], roster["you"]["name"]) == ("j", "lobby", "C")
        ended = {"type": "knock-ended", "roomId": room_id, "userId": carol.user_id, "ref": "a"}
        joined, *rest = await alice.unread()
        assert (joined["type"], joined["member"]["userId"], rest) == ("user-joined", carol.user_id, [ended])
        assert kinds(await bob.unread()) == ["user-joined"]

        await alice.send("reject", roomId=room_id, userId=dave.user_id, ref="r")
        error = await dave.receive("error")
        assert (error["code"], error["ref"], error["retryable"]) == ("not_admitted", "j", False)
        assert await alice.receive() == {**ended, "userId": dave.user_id, "ref": "r"}
        for kind in ("admit", "reject"):
            assert await refused(alice, kind, roomId=room_id, userId=dave.user_id) == "not_waiting"
        await dave.send("join", roomId=room_id)
        await dave.receive("waiting")  # it may knock again


@asynchronous
async def test_opening_a_room_admits_all_in_order(server: ServerProcess, room_id: str) -> None:
    async with (
        room_of(server.websocket_url, room_id, "n") as (alice,),
        await native(server.websocket_url) as carol,
        await native(server.websocket_url) as dave,
    ):
        await set_access(alice, room_id, "lobby")
        for client in (carol, dave):
            await client.send("join", roomId=room_id)
            await client.receive("waiting")
        await alice.unread()
        await alice.send("set-access", roomId=room_id, access="open", ref="o")
        seen = await alice.unread()
        assert kinds(seen) == ["room-updated", "user-joined", "knock-ended", "user-joined", "knock-ended"]
        assert [each["userId"] for each in seen if each["type"] == "knock-ended"] == [carol.user_id, dave.user_id]
        first, second = await carol.receive("roster"), await dave.receive("roster")
        assert [member["userId"] for member in first["members"]] == [alice.user_id]
        assert [member["userId"] for member in second["members"]] == [alice.user_id, carol.user_id]
        assert [first["offset"], second["offset"]] == [each["offset"] for each in seen if each["type"] == "user-joined"]


@pytest.mark.parametrize("how", ["leave", "bye", "vanish"])
@asynchronous
async def test_who_waits_may_go_away(how: str) -> None:
    async with (
        serving(Limits(resume_grace_s=0.5)) as server,
        room_of(server.websocket_url, "room", "nn") as (alice, bob),
        await native(server.websocket_url) as carol,
    ):
        await set_access(alice, "room", "lobby")
        await carol.send("join", roomId="room")
        await carol.receive("waiting")
        if how == "leave":
            await carol.send("leave", roomId="room", ref="l")
            assert await carol.receive() == {
                "type": "knock-ended",
                "roomId": "room",
                "userId": carol.user_id,
                "ref": "l",
            }
        elif how == "bye":
            await carol.send("bye")
        else:
            await carol.lose_connection()
        await alice.receive("knock")
        assert (await alice.receive("knock-ended"))["userId"] == carol.user_id
        assert await refused(alice, "admit", roomId="room", userId=carol.user_id) == "not_waiting"
        assert kinds((await settled(alice, bob))[1]) == ["room-updated"]


@asynchronous
async def test_waiting_goes_on_over_another_connection(server: ServerProcess, room_id: str) -> None:
    async with (
        room_of(server.websocket_url, room_id, "n") as (alice,),
        await native(server.websocket_url) as carol,
    ):
        await set_access(alice, room_id, "lobby")
        await carol.send("join", roomId=room_id, ref="j")
        await carol.receive("waiting")
        await carol.lose_connection()
        await alice.send("admit", roomId=room_id, userId=carol.user_id)
        await alice.unread()
        await carol.resume(server.websocket_url)
        assert (await carol.receive("roster"))["ref"] == "j"


@asynchronous
async def test_a_lobby_ends_with_its_room(server: ServerProcess, room_id: str) -> None:
    async with (
        room_of(server.websocket_url, room_id, "n") as (alice,),
        await native(server.websocket_url) as carol,
    ):
        await alice.send("message", roomId=room_id, data="secret")
        await alice.receive("message")
        await set_access(alice, room_id, "lobby")
        await carol.send("join", roomId=room_id, ref="j")
        await carol.receive("waiting")
        await alice.send("leave", roomId=room_id)
        error = await carol.receive("error")
        assert (error["code"], error["ref"]) == ("not_admitted", "j")
        roster = await carol.join(room_id)
        assert (roster["access"], roster["offset"], roster["history"]) == ("open", 1, []), "it is another room"


@asynchronous
async def test_a_new_moderator_learns_who_waits() -> None:
    async with (
        serving(Limits()) as server,
        room_of(server.websocket_url, "room", "nn") as (alice, bob),
        await native(server.websocket_url) as carol,
    ):
        await set_access(alice, "room", "lobby")
        await carol.send("join", roomId="room", name="C")
        await carol.receive("waiting")
        await alice.send("leave", roomId="room")
        seen = (await settled(alice, bob))[1]
        assert kinds(seen) == ["room-updated", "user-left", "user-updated", "knock"]
        assert seen[-1]["member"]["userId"] == carol.user_id


@asynchronous
async def test_moderators_pass_locks_and_lobbies_and_learn_who_waits() -> None:
    async with (
        asking_for_tokens() as server,
        await with_token(server, "ada", can=ALL) as ada,
        await with_token(server, "bob") as bob,
        await with_token(server, "eve", can=ALL) as eve,
    ):
        await ada.join("demo")
        await set_access(ada, "demo", "lobby")
        await bob.send("join", roomId="demo", name="B")
        await bob.receive("waiting")
        roster = await eve.join("demo")
        waiting = [{"userId": bob.user_id, "name": "B", "attributes": {}, "subject": "bob"}]
        assert (roster["access"], roster["waiting"]) == ("lobby", waiting)
        await eve.send("leave", roomId="demo")
        await eve.receive("user-left")
        await ada.unread()
        await set_access(ada, "demo", "locked")
        assert (await eve.join("demo"))["access"] == "locked"


@pytest.mark.parametrize("access", ["closed", "", None, 1])
@asynchronous
async def test_access_is_one_of_three(server: ServerProcess, room_id: str, access: object) -> None:
    async with room_of(server.websocket_url, room_id, "n") as (alice,):
        assert await refused(alice, "set-access", roomId=room_id, access=access) == "invalid_message"


@asynchronous
async def test_a_locked_room_opens_when_only_lesson_members_are_left(server: ServerProcess, room_id: str) -> None:
    """They can't moderate, and whoever could is locked out."""
    async with (
        room_of(server.websocket_url, room_id, "nnl") as (alice, bob, old),
        await native(server.websocket_url) as carol,
        await native(server.websocket_url) as dave,
    ):
        await set_access(alice, room_id, "lobby")
        for client in (carol, dave):
            await client.send("join", roomId=room_id)
            await client.receive("waiting")
        await alice.send("leave", roomId=room_id)
        assert await refused(dave, "join", roomId=room_id) == "already_in_room", "bob moderates now"
        await bob.send("leave", roomId=room_id)
        roster = await carol.receive("roster")
        assert (roster["access"], roster["you"]["can"]) == ("open", ALL)
        assert [member["userId"] for member in roster["members"]] == [old.user_id]
        assert [member["userId"] for member in roster["waiting"]] == [dave.user_id]
        assert [member["userId"] for member in (await dave.receive("roster"))["members"]] == [
            old.user_id,
            carol.user_id,
        ]
        assert kinds(await carol.unread()) == ["user-joined", "knock-ended"]
        await set_access(carol, room_id, "locked")


# Muting.


@asynchronous
async def test_the_muted_are_refused_until_they_are_unmuted(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nnn") as (alice, bob, carol):
        await alice.send("mute", roomId=room_id, userId=bob.user_id, messages=True, ref="m")
        updated = await alice.receive("user-updated")
        assert (updated["member"]["userId"], updated["member"]["muted"], updated["ref"]) == (bob.user_id, True, "m")
        assert await bob.receive() == await carol.receive() == updated
        error = await bob.refusal("message", roomId=room_id, data=1, id="i", ref="r")
        assert (error["code"], error["ref"], error["retryable"]) == ("muted", "r", True)
        assert await refused(bob, "message", roomId=room_id, data=1, to=[alice.user_id]) == "muted"
        await bob.send("offer", roomId=room_id, target=carol.user_id, sdp=1)
        assert kinds((await settled(bob, carol))[1]) == ["offer"], "signalling goes on"
        await bob.lose_connection()
        await bob.resume(server.websocket_url)
        assert await refused(bob, "message", roomId=room_id, data=1) == "muted"
        await bob.send("leave", roomId=room_id)
        await bob.receive("user-left")
        assert (await bob.join(room_id))["you"]["muted"] is True, "leaving doesn't help"
        await alice.unread()
        await alice.send("mute", roomId=room_id, userId=bob.user_id, messages=False)
        assert "muted" not in (await alice.receive("user-updated"))["member"]
        await bob.receive("user-updated")
        await bob.send("message", roomId=room_id, data=2, id="i")
        assert kinds((await settled(bob, alice))[1]) == ["message"]


@asynchronous
async def test_muting_media_is_asked_for(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nnn") as (alice, bob, carol):
        await alice.send("mute", roomId=room_id, userId=bob.user_id, media=["audio", "video"])
        request = {"type": "mute-requested", "roomId": room_id, "sender": alice.user_id, "media": ["audio", "video"]}
        assert await settled(alice, bob, carol) == [[], [request], []]
        await alice.send("mute", roomId=room_id, userId=bob.user_id, messages=True, media=["audio"])
        assert [kinds(seen) for seen in await settled(alice, bob, carol)] == [
            ["user-updated"],
            ["user-updated", "mute-requested"],
            ["user-updated"],
        ]


@pytest.mark.parametrize(
    "fields",
    [{}, {"media": []}, {"media": ["smell"]}, {"messages": 1}, {"messages": None}, {"media": "audio"}],
    ids=str,
)
@asynchronous
async def test_a_mute_says_of_what(server: ServerProcess, room_id: str, fields: Message) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        assert await refused(alice, "mute", roomId=room_id, userId=bob.user_id, **fields) == "invalid_message"


# Removing.


@asynchronous
async def test_the_removed_are_out_and_stay_out(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nnn") as (alice, bob, carol):
        await alice.send("remove", roomId=room_id, userId=bob.user_id, ref="x")
        left = await bob.receive("user-left")
        assert (left["userId"], left["reason"], left["ref"]) == (bob.user_id, "removed", "x")
        assert await alice.receive() == await carol.receive() == left
        assert await refused(bob, "message", roomId=room_id, data=1) == "not_in_room"
        for _ in range(2):
            error = await bob.refusal("join", roomId=room_id, ref="j")
            assert (error["code"], error["ref"], error["retryable"]) == ("banned", "j", False)
            await bob.lose_connection()
            assert (await bob.resume(server.websocket_url))["recovered"] is True
        await bob.join(room_id + " another")
        assert await refused(alice, "remove", roomId=room_id, userId=bob.user_id) == "target_not_found"
        assert await settled(alice, carol) == [[], []]


@asynchronous
async def test_a_lesson_member_that_is_put_out_is_told(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nl") as (alice, old):
        await alice.send("remove", roomId=room_id, userId=old.user_id)
        assert (await alice.receive("user-left"))["reason"] == "removed"
        assert (await old.receive("error"))["code"] == "removed"
        assert (await old.refusal("join", roomId=room_id))["code"] == "banned"


@asynchronous
async def test_a_ban_is_of_the_subject_in_all_its_sessions() -> None:
    async with (
        asking_for_tokens() as server,
        await with_token(server, "ada", can=ALL) as ada,
        await with_token(server, "bob") as bob,
        await with_token(server, "bob") as bob_too,
        await with_token(server, "eve") as eve,
    ):
        for client in (ada, bob, eve):
            await client.join("demo")
        await settled(ada, bob, eve)
        await ada.send("remove", roomId="demo", userId=bob.user_id)
        await bob.receive("user-left")
        assert await refused(bob, "join", roomId="demo") == "banned"
        assert await refused(bob_too, "join", roomId="demo") == "banned"
        async with await with_token(server, "bob", can=ALL) as fresh:
            assert await refused(fresh, "join", roomId="demo") == "banned"
        async with await with_token(server, "bo") as another:
            await another.join("demo")


@asynccontextmanager
async def bob_twice() -> AsyncIterator[list[Client]]:
    """Ada moderates, bob is there with two sessions, and eve with one. All have read everything."""
    async with (
        asking_for_tokens() as server,
        await with_token(server, "ada", can=ALL) as ada,
        await with_token(server, "bob") as bob,
        await with_token(server, "bob") as bob_too,
        await with_token(server, "eve") as eve,
    ):
        clients = [ada, bob, bob_too, eve]
        for client in clients:
            await client.join("demo")
        await settled(*clients)
        yield clients


@asynchronous
async def test_all_sessions_of_a_subject_are_removed() -> None:
    async with bob_twice() as (ada, bob, bob_too, eve):
        await ada.send("remove", roomId="demo", userId=bob.user_id, ref="x")
        by_ada, by_bob, by_bob_too, by_eve = await settled(ada, bob, bob_too, eve)
        assert by_ada == by_eve == by_bob_too, "told to all, the last to go included"
        assert by_bob == by_ada[:1]
        assert [(left["type"], left["userId"], left["reason"], left["ref"]) for left in by_ada] == [
            ("user-left", bob.user_id, "removed", "x"),
            ("user-left", bob_too.user_id, "removed", "x"),
        ]
        for client in (bob, bob_too):
            assert await refused(client, "message", roomId="demo", data=1) == "not_in_room"
            assert await refused(client, "join", roomId="demo") == "banned"


@asynchronous
async def test_all_sessions_of_a_subject_are_muted_and_unmuted() -> None:
    async with bob_twice() as (ada, bob, bob_too, eve):
        for muted in (True, False):
            await ada.send("mute", roomId="demo", userId=bob_too.user_id, messages=muted, ref="m")
            told = await settled(ada, bob, bob_too, eve)
            assert all(each == told[0] for each in told)
            assert [(update["member"]["userId"], update["member"].get("muted", False)) for update in told[0]] == [
                (bob.user_id, muted),
                (bob_too.user_id, muted),
            ]
            for client in (bob, bob_too):
                await client.send("message", roomId="demo", data=1)
            assert kinds((await settled(bob, bob_too, eve))[2]) == ([] if muted else ["message", "message"])


@asynchronous
async def test_a_room_is_forgotten_though_its_last_members_were_removed_together() -> None:
    async with (
        asking_for_tokens() as server,
        await with_token(server, "ada", can=ALL) as ada,
        await with_token(server, "ada", can=ALL) as ada_too,
        await with_token(server, "eve") as eve,
    ):
        await ada.join("demo")
        await set_access(ada, "demo", "locked")
        await ada_too.join("demo")
        await ada_too.send("remove", roomId="demo", userId=ada.user_id)
        await settled(ada, ada_too)
        assert (await eve.join("demo"))["access"] == "open", "it is another room"


@asynchronous
async def test_the_last_moderator_may_remove_itself(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        await alice.send("remove", roomId=room_id, userId=alice.user_id)
        assert kinds((await settled(alice, bob))[1]) == ["user-left", "user-updated"]


@asynchronous
async def test_those_in_the_lobby_are_no_members_to_remove(server: ServerProcess, room_id: str) -> None:
    async with (
        room_of(server.websocket_url, room_id, "n") as (alice,),
        await native(server.websocket_url) as carol,
    ):
        await set_access(alice, room_id, "lobby")
        await carol.send("join", roomId=room_id)
        await alice.receive("knock")
        for kind in ("remove", "mute"):
            fields = {"messages": True} if kind == "mute" else {}
            assert await refused(alice, kind, roomId=room_id, userId=carol.user_id, **fields) == "target_not_found"


# Fresh tokens.


@asynchronous
async def test_a_fresh_token_changes_rights_in_the_rooms_at_once() -> None:
    async with (
        asking_for_tokens() as server,
        await with_token(server, "ada") as ada,
        await with_token(server, "bob") as bob,
    ):
        for room_id in ("demo", "other"):
            await ada.join(room_id)
        await bob.join("demo")
        await ada.receive("user-joined")
        await ada.send("token", token=token("ada", can=ALL, name="Ada", exp=time.time() + 60), ref="t")
        *updates, authorized = await ada.receive_many(3)
        assert (authorized["type"], authorized["can"], authorized["ref"]) == ("authorized", ALL, "t")
        assert 59 <= authorized["expiresInS"] <= 66
        assert [(update["type"], update["roomId"]) for update in updates] == [
            ("user-updated", "demo"),
            ("user-updated", "other"),
        ]
        member = (await bob.receive("user-updated"))["member"]
        assert (member["can"], member["name"], member["subject"]) == (ALL, "Ada", "ada")
        await set_access(ada, "demo", "locked")
        await ada.send("token", token=token("ada", can=["subscribe"]))
        await ada.unread()
        assert await refused(ada, "set-access", roomId="demo", access="open") == "not_allowed"
        assert await refused(ada, "message", roomId="demo", data=1) == "not_allowed"


@pytest.mark.parametrize(
    ("fresh", "code"),
    [
        (token("bob"), "invalid_token"),
        (token("ada", room="another"), "invalid_token"),
        (token("ada", exp=time.time() - 60), "token_expired"),
        ("x.y.z", "invalid_token"),
        ("", "invalid_token"),
        (5, "invalid_message"),
    ],
    ids=["another's", "for another room", "expired", "nonsense", "empty", "a number"],
)
@asynchronous
async def test_a_token_that_does_not_cover_the_session_changes_nothing(fresh: object, code: str) -> None:
    async with asking_for_tokens() as server, await with_token(server, "ada", can=ALL) as ada:
        await ada.join("demo")
        assert await refused(ada, "token", token=fresh) == code
        await set_access(ada, "demo", "locked")
        assert await ada.unread() == []


@asynchronous
async def test_a_server_without_tokens_takes_none(server: ServerProcess) -> None:
    async with await native(server.websocket_url) as client:
        assert await refused(client, "token", token=token()) == "not_allowed"


def test_moderation_types_are_those_of_the_protocol() -> None:
    moderating = {tag for tag, rights in TAGS.items() if rights == {"moderate"}}
    assert moderating == {"set-access", "admit", "reject", "mute", "remove"}
