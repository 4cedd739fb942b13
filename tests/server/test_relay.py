"""Relay frames: from member to member, stamped, authorised, bounded, and never in the way of messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sheetbend.core.limits import Limits
from sheetbend.core.rate_limits import Rate
from sheetbend.core.relay import HEADER_BYTES, KIND_KEPT, KIND_LOSSY, room_tag
from sheetbend.server.relay_queue import RelayQueue
from tests.support.clients import Client, native
from tests.support.in_process import asynchronous, serving
from tests.support.process import ServerProcess

RELAY: dict[str, Any] = {"features": ["relay"]}


def relay_frame(room_id: str, target: str, body: bytes, kind: int = KIND_KEPT) -> bytes:
    return bytes((kind,)) + room_tag(room_id) + bytes.fromhex(target) + body


async def pair(url: str, room_id: str, **hello: Any) -> tuple[Client, Client]:
    """Two members that have read everything."""
    first, second = await native(url, **(hello or RELAY)), await native(url, **(hello or RELAY))
    await first.join(room_id)
    await second.join(room_id)
    await first.receive("user-joined")
    return first, second


def test_a_frame_reaches_its_target_with_the_sender_in_place_of_it(server: ServerProcess, room_id: str) -> None:
    @asynchronous
    async def check() -> None:
        alice, bob = await pair(server.websocket_url, room_id)
        for body in (b"", b"x", bytes(range(256)) * 60):
            for kind in (KIND_KEPT, KIND_LOSSY):
                sent = relay_frame(room_id, bob.user_id, body, kind)
                await alice.connection.send(sent)
                assert await bob.connection.recv() == relay_frame(room_id, alice.user_id, body, kind)

    check()


def test_fragments_of_a_frame_are_put_together(server: ServerProcess, room_id: str) -> None:
    @asynchronous
    async def check() -> None:
        alice, bob = await pair(server.websocket_url, room_id)
        sent = relay_frame(room_id, bob.user_id, b"abcdef")
        await alice.connection.send([sent[:5], sent[5:27], sent[27:]])
        assert await bob.connection.recv() == relay_frame(room_id, alice.user_id, b"abcdef")

    check()


def test_frames_have_no_place_in_the_count_of_messages(server: ServerProcess, room_id: str) -> None:
    @asynchronous
    async def check() -> None:
        alice, bob = await pair(server.websocket_url, room_id)
        for _ in range(3):
            await alice.connection.send(relay_frame(room_id, bob.user_id, b"x"))
            await bob.connection.recv()
        await bob.lose_connection()
        welcome = await bob.resume(server.websocket_url, **RELAY)
        assert welcome["recovered"]
        assert await bob.unread() == []
        await alice.connection.send(relay_frame(room_id, bob.user_id, b"again"))
        assert await bob.connection.recv() == relay_frame(room_id, alice.user_id, b"again")

    check()


@pytest.mark.parametrize("wrong", ["another room", "nobody", "oneself"])
def test_a_frame_for_nobody_in_the_room_goes_nowhere(server: ServerProcess, room_id: str, wrong: str) -> None:
    @asynchronous
    async def check() -> None:
        alice, bob = await pair(server.websocket_url, room_id)
        frames = {
            "another room": relay_frame("elsewhere", bob.user_id, b"x"),
            "nobody": relay_frame(room_id, "0" * 32, b"x"),
            "oneself": relay_frame(room_id, alice.user_id, b"x"),
        }
        await alice.connection.send(frames[wrong])
        assert await alice.unread() == []
        assert await bob.unread() == []

    check()


@pytest.mark.parametrize("frame", [b"", b"\x01", bytes(HEADER_BYTES), b"\x03" + bytes(HEADER_BYTES)])
def test_what_is_not_a_relay_frame_is_refused(server: ServerProcess, room_id: str, frame: bytes) -> None:
    @asynchronous
    async def check() -> None:
        alice, bob = await pair(server.websocket_url, room_id)
        await alice.connection.send(frame)
        assert (await alice.receive("error"))["code"] == "invalid_message"
        assert await bob.unread() == []

    check()


def test_a_frame_that_is_too_long_is_refused(server: ServerProcess, room_id: str) -> None:
    @asynchronous
    async def check() -> None:
        alice, bob = await pair(server.websocket_url, room_id)
        await alice.connection.send(relay_frame(room_id, bob.user_id, bytes(Limits().relay_frame_bytes_max)))
        assert (await alice.receive("error"))["code"] == "message_too_big"
        assert await bob.unread() == []

    check()


def test_who_did_not_ask_for_the_feature_gets_no_frames(server: ServerProcess, room_id: str) -> None:
    @asynchronous
    async def check() -> None:
        alice, bob = await native(server.websocket_url, **RELAY), await native(server.websocket_url)
        await alice.join(room_id)
        await bob.join(room_id)
        await alice.receive("user-joined")
        await alice.connection.send(relay_frame(room_id, bob.user_id, b"x"))
        await bob.connection.send(relay_frame(room_id, alice.user_id, b"x"))
        assert (await bob.receive("error"))["code"] == "binary_not_supported"
        assert await bob.unread() == []
        assert await alice.unread() == []

    check()


def test_a_muted_member_relays_nothing(server: ServerProcess, room_id: str) -> None:
    @asynchronous
    async def check() -> None:
        alice, bob = await pair(server.websocket_url, room_id)
        await alice.send("mute", roomId=room_id, userId=bob.user_id, messages=True)
        await bob.receive("user-updated")
        await bob.connection.send(relay_frame(room_id, alice.user_id, b"x"))
        assert (await bob.receive("error"))["code"] == "muted"
        await alice.receive("user-updated")
        assert await alice.unread() == []

    check()


@asynchronous
async def test_messages_overtake_the_frames_that_wait_for_a_slow_reader() -> None:
    limits = Limits()
    async with serving(limits) as server:
        alice, bob = await pair(server.websocket_url, "room")
        bob.connection.transport.pause_reading()
        body = bytes(16_000)
        for number in range(1500):  # 24 MB: more than the system's buffers and the bound take
            await alice.connection.send(relay_frame("room", bob.user_id, number.to_bytes(4, "big") + body))
        await alice.send("message", roomId="room", data="first", ref="r")
        await alice.receive("message")
        bob.connection.transport.resume_reading()
        arrived: list[int | str] = []
        while "end" not in arrived:
            item = await bob.connection.recv()
            arrived.append(json.loads(item)["data"] if isinstance(item, str) else int.from_bytes(item[25:29], "big"))
            if arrived[-1] == "first":
                await alice.send("message", roomId="room", data="end")
        frames = [each for each in arrived if isinstance(each, int)]
        behind = [each for each in arrived[arrived.index("first") :] if isinstance(each, int)]
        assert frames == sorted(frames)
        assert len(frames) < 1500, "the bound dropped some"
        queued = limits.relay_pair_bytes_max // (len(body) + 50)
        assert len(behind) >= queued - 1, "what waited in the server came behind the message"


@asynchronous
async def test_who_relays_too_much_is_read_more_slowly_and_loses_nothing() -> None:
    limits = Limits(relay_rate=Rate(per_s=2_000_000, burst=100_000))
    async with serving(limits) as server:
        alice, bob = await pair(server.websocket_url, "room")
        for number in range(40):
            await alice.connection.send(relay_frame("room", bob.user_id, bytes((number,)) * 10_000))
        got = [(await bob.connection.recv())[25] for _ in range(40)]
        assert got == list(range(40))
        assert await alice.unread() == []


def test_senders_take_turns_and_each_has_its_bound() -> None:
    limits = Limits(relay_pair_bytes_max=30, relay_lossy_bytes_max=10, relay_session_bytes_max=45)
    queue = RelayQueue(limits)
    for _ in range(4):
        queue.put(b"a", KIND_KEPT, bytearray(b"a" * 10))
    queue.put(b"b", KIND_LOSSY, bytearray(b"b" * 10))
    queue.put(b"b", KIND_LOSSY, bytearray(b"b"))
    queue.put(b"c", KIND_KEPT, bytearray(b"c" * 6))
    assert queue.waiting_bytes == 40
    taken = []
    while queue:
        taken.append(bytes(queue.take())[:1])
    assert taken == [b"a", b"b", b"a", b"a"]
    assert queue.waiting_bytes == 0
