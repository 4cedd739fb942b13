"""Rights that people took, kept, or never had, in other rooms; and sessions that were somebody else's."""

from __future__ import annotations

from typing import Any

import pytest

from sheetbend.core.limits import Limits
from sheetbend.core.rate_limits import Rate
from tests.support.clients import Client, native, room_of, settled
from tests.support.in_process import asynchronous, serving
from tests.support.process import ServerProcess
from tests.support.protocol import CLOSE_CODES


def moderation(user_id: str) -> list[dict[str, Any]]:
    """Every message that only a moderator may send, about `user_id`."""
    return [
        {"kind": "mute", "userId": user_id, "messages": True},
        {"kind": "mute", "userId": user_id, "media": ["audio"]},
        {"kind": "remove", "userId": user_id},
        {"kind": "set-access", "access": "locked"},
        {"kind": "admit", "userId": user_id},
        {"kind": "reject", "userId": user_id},
    ]


def test_muting_others_without_being_a_moderator(server: ServerProcess, room_id: str) -> None:
    """CVE-2026-45266, Nextcloud Talk: a message that mutes was carried out whoever sent it."""

    @asynchronous
    async def mute() -> None:
        async with room_of(server.websocket_url, room_id, "nnn") as (alice, bob, mallory):
            for message in moderation(bob.user_id):
                assert (await mallory.refusal(roomId=room_id, **message))["code"] == "not_allowed", message
            assert await settled(alice, bob) == [[], []]
            await bob.send("message", roomId=room_id, data="still heard")
            assert (await alice.receive("message"))["data"] == "still heard"

    mute()


@pytest.mark.parametrize(
    "claims",
    [
        {"can": ["moderate"]},
        {"can": {"moderate": True}},
        {"moderator": True, "role": "moderator", "roles": ["_admin"]},
        {"member": {"can": ["moderate"]}},
        {"grants": {"can": ["moderate"]}},
    ],
    ids=str,
)
def test_rights_that_somebody_gives_themselves(server: ServerProcess, room_id: str, claims: dict[str, Any]) -> None:
    """CVE-2017-12635, Apache CouchDB: who signed up could write their own roles into the record."""

    @asynchronous
    async def ask() -> None:
        async with (
            room_of(server.websocket_url, room_id, "n") as (alice,),
            await native(server.websocket_url, hello=False) as mallory,
        ):
            await mallory.send("hello", **claims)
            assert "moderate" not in (await mallory.receive("welcome"))["can"]
            roster = await mallory.join(room_id, **claims)
            assert "moderate" not in roster["you"].get("can", [])
            await mallory.send("update", roomId=room_id, name="x", **claims)
            assert "moderate" not in (await mallory.receive("user-updated"))["member"].get("can", [])
            refusal = await mallory.refusal("remove", roomId=room_id, userId=alice.user_id)
            assert refusal["code"] == "not_allowed"

    ask()


def test_a_message_right_behind_a_mute(server: ServerProcess, room_id: str) -> None:
    """CVE-2022-29234, BigBlueButton: for five seconds after a change of rights messages still came through."""

    @asynchronous
    async def race() -> None:
        async with room_of(server.websocket_url, room_id, "nn") as (alice, mallory):
            await alice.send("mute", roomId=room_id, userId=mallory.user_id, messages=True)
            await alice.receive("user-updated")
            for number in range(5):
                await mallory.send("message", roomId=room_id, data=number)
            await mallory.receive("user-updated")
            assert [(await mallory.receive("error"))["code"] for _ in range(5)] == ["muted"] * 5
            await mallory.send("leave", roomId=room_id)
            await mallory.receive("user-left")
            assert (await mallory.join(room_id))["you"]["muted"] is True
            assert (await mallory.refusal("message", roomId=room_id, data=6))["code"] == "muted"
            assert not [message for message in await alice.unread() if message["type"] == "message"]

    race()


def test_back_in_after_being_removed(server: ServerProcess, room_id: str) -> None:
    """CVE-2022-29234, BigBlueButton: likewise for who may be in the room at all."""

    @asynchronous
    async def race() -> None:
        async with room_of(server.websocket_url, room_id, "nn") as (alice, mallory):
            await alice.send("remove", roomId=room_id, userId=mallory.user_id)
            await mallory.receive("user-left")
            for message in (
                {"kind": "message", "data": 1},
                {"kind": "offer", "target": alice.user_id, "sdp": 1},
                {"kind": "update", "name": "back"},
            ):
                assert (await mallory.refusal(roomId=room_id, **message))["code"] == "not_in_room", message
            assert (await mallory.refusal("join", roomId=room_id))["code"] == "banned"
            assert [message["type"] for message in await alice.unread()] == ["user-left"]

    race()


def test_out_of_the_lobby(server: ServerProcess, room_id: str) -> None:
    """CVE-2022-29233, BigBlueButton: who was meant to wait outside got at what went on inside."""

    @asynchronous
    async def wait() -> None:
        async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
            await alice.send("set-access", roomId=room_id, access="lobby")
            async with await native(server.websocket_url) as mallory:
                await mallory.send("join", roomId=room_id)
                await mallory.receive("waiting")
                await settled(alice, bob)
                for message in inside(alice, room_id, mallory):
                    code = (await mallory.refusal(**message))["code"]
                    assert code in ("not_in_room", "target_not_found", "not_allowed", "already_in_room"), message
                await alice.send("message", roomId=room_id, data="secret")
                await alice.send("update", roomId=room_id, name="secret")
                heard = await settled(mallory, alice, bob)
                assert heard[0] == []
                assert {message["type"] for message in heard[2]} == {"message", "user-updated"}

    wait()


def inside(alice: Client, room_id: str, mallory: Client) -> list[dict[str, Any]]:
    """What somebody in the lobby could try."""
    return [
        {"kind": "message", "roomId": room_id, "data": 1},
        {"kind": "message", "roomId": room_id, "data": 1, "to": [alice.user_id]},
        {"kind": "offer", "roomId": room_id, "target": alice.user_id, "sdp": 1},
        {"kind": "update", "roomId": room_id, "name": "in"},
        {"kind": "join", "roomId": room_id},
        *({"roomId": room_id, **message} for message in moderation(mallory.user_id)),
    ]


def test_a_guessed_resume_token() -> None:
    """CVE-2017-16031, Socket.IO: ids that could be guessed led into others' sessions. Guesses are counted, too."""

    @asynchronous
    async def guess() -> None:
        limits = Limits(address_failure_rate=Rate(per_s=0.001, burst=10))
        async with serving(limits) as server, await native(server.websocket_url, hello=False) as alice:
            await alice.send("hello")
            welcome = await alice.receive("welcome")
            token, user_id = welcome["resumeToken"], welcome["userId"]
            answers = [await resume(server.websocket_url, wrong) for wrong in near_misses(token, user_id)]
            assert set(answers) == {"new session"}
            assert [await resume(server.websocket_url, f"{user_id}.{number:064x}") for number in range(12)][-1] == (
                "rate_limited"
            )
            assert await alice.unread() == []

    guess()


def near_misses(token: str, user_id: str) -> list[str]:
    """Fewer than are counted before guesses are turned away."""
    first, last = ("1" if char == "0" else "0" for char in (token[33], token[-1]))
    return [
        user_id,
        f"{user_id}.",
        f"{token[:33]}{first}{token[34:]}",
        f"{token[:-1]}{last}",
        token[:-1],
        f"{token}0",
        token.upper(),
    ]


async def resume(url: str, token: str) -> str:
    """Try to go on with a session; return what became of it."""
    async with await native(url, hello=False) as client:
        await client.send("hello", resume={"token": token, "received": 0})
        answer = await client.receive()
        if answer["type"] == "error":
            assert await client.close_code() == CLOSE_CODES["rate_limited"]
            return str(answer["code"])
        return "the session" if answer["recovered"] else "new session"


def test_a_resume_token_is_good_once(server: ServerProcess) -> None:
    """CVE-2026-27855, OX Dovecot Pro: a one-time password that was overheard could be used again."""

    @asynchronous
    async def replay() -> None:
        async with await native(server.websocket_url, hello=False) as alice:
            await alice.send("hello")
            overheard = (await alice.receive("welcome"))["resumeToken"]
        async with await native(server.websocket_url, hello=False) as alice:
            await alice.send("hello", resume={"token": overheard, "received": 0})
            assert (await alice.receive("welcome"))["recovered"] is True
            await alice.send("ping")
            await alice.receive("pong")
            assert await resume(server.websocket_url, overheard) == "new session"
            await alice.send("ping")
            await alice.receive("pong")

    replay()


def test_nobody_hears_what_was_kept_for_another(server: ServerProcess, room_id: str) -> None:
    """CVE-2020-35681, Django Channels: what was for one session got into that of another."""

    @asynchronous
    async def steal() -> None:
        async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
            bob.abort()
            await alice.send("message", roomId=room_id, data="for those who were here")
            await alice.receive("message")
            for hello in (
                {"resume": {"token": bob.user_id, "received": 0}},
                {"userId": bob.user_id},
                {"resume": {"token": f"{bob.user_id}.{'0' * 64}", "received": 0}},
            ):
                async with await native(server.websocket_url, hello=False) as mallory:
                    await mallory.send("hello", **hello)
                    assert (await mallory.receive("welcome"))["userId"] != bob.user_id
                    assert await mallory.unread() == []

    steal()
