"""Relay-only sessions of the real server: no address of their own gets out, and nothing else changes."""

from __future__ import annotations

from typing import Any

from tests.support.clients import Client, lesson, native
from tests.support.in_process import asynchronous
from tests.support.process import ServerProcess

HOST = "candidate:1 1 udp 2122260223 10.0.0.5 50000 typ host"
RELAYED = "candidate:1 1 udp 41885439 192.0.2.7 50000 typ relay raddr 0.0.0.0 rport 0"
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("ice-candidate", {"candidate": {"candidate": HOST, "sdpMid": "0"}}),
    ("offer", {"sdp": {"type": "offer", "sdp": f"v=0\r\na={HOST}\r\n"}}),
    ("answer", {"sdp": f"v=0\r\nc=IN IP4 10.0.0.5\r\na={RELAYED}\r\n"}),
]
PASSED: list[tuple[str, dict[str, Any]]] = [
    ("ice-candidate", {"candidate": {"candidate": RELAYED, "sdpMid": "0"}}),
    ("ice-candidate", {"candidate": None}),
    ("offer", {"sdp": {"type": "offer", "sdp": f"v=0\r\nc=IN IP4 192.0.2.7\r\na={RELAYED}\r\n"}}),
]


async def check(sender: Client, receiver: Client, room_id: str) -> None:
    """What tells an address is refused; the rest arrives, and nothing before it."""
    for kind, fields in REFUSED:
        error = await sender.refusal(kind, roomId=room_id, target=receiver.user_id, **fields)
        assert error["code"] == "address_not_allowed"
    for kind, fields in PASSED:
        await sender.send(kind, roomId=room_id, target=receiver.user_id, **fields)
        forwarded = await receiver.receive()
        assert {name: forwarded[name] for name in fields} == fields


@asynchronous
async def test_a_session_that_asks_for_it_is_kept_to_it_and_no_other(server: ServerProcess, room_id: str) -> None:
    url = server.websocket_url
    async with await native(url, hello=False) as ada, await native(url, hello=False) as bob:
        assert (await ada.hello(relayOnly=True))["relayOnly"] is True
        assert "relayOnly" not in await bob.hello()
        await ada.join(room_id)
        await bob.join(room_id)
        await ada.receive("user-joined")
        await check(ada, bob, room_id)
        await bob.send("ice-candidate", roomId=room_id, target=ada.user_id, candidate={"candidate": HOST})
        assert (await ada.receive())["candidate"] == {"candidate": HOST}


@asynchronous
async def test_it_is_kept_to_it_after_a_resume_as_well(server: ServerProcess, room_id: str) -> None:
    async with await native(server.websocket_url) as bob:
        ada = await native(server.websocket_url, relayOnly=True)
        await ada.join(room_id)
        await bob.join(room_id)
        await ada.receive("user-joined")
        welcome = await ada.resume(server.websocket_url)
        assert (welcome["recovered"], welcome["relayOnly"]) == (True, True)
        await check(ada, bob, room_id)


def test_a_server_can_keep_everybody_to_it(room_id: str) -> None:
    @asynchronous
    async def both(url: str) -> None:
        async with await native(url) as ada, await native(url) as bob, await lesson(url) as cyn:
            await ada.join(room_id)
            await bob.join(room_id)
            await ada.receive("user-joined")
            await check(ada, bob, room_id)
            await cyn.send("join", roomId=room_id)
            await ada.receive("user-joined")
            await bob.receive("user-joined")
            for _ in "ab":
                await cyn.receive("existing-user")
            for kind, fields in REFUSED:
                error = await cyn.refusal(kind, roomId=room_id, target=bob.user_id, **fields)
                assert error["code"] == "address_not_allowed"

    with ServerProcess(["--relay-only"]) as server:
        both(server.websocket_url)
