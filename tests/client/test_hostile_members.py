"""A member that says nonsense costs the others nothing but itself: nothing is raised, nobody else is held up."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from sheetbend.client import (
    ClientError,
    ClientLimits,
    ErrorOccurred,
    IceServer,
    Member,
    MessageReceived,
    Room,
    RoomClosed,
    RoomMessageReceived,
    StreamOpened,
)
from sheetbend.core.limits import Limits
from tests.client.people import TIMEOUT_S, companions, entered, meet, next_of, unread
from tests.client.strangers import Stranger
from tests.support.in_process import asynchronous, serving

GREETING = b"\x10" + b"12345678" + bytes(8)
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)


@asynccontextmanager
async def harassed(**options: Any) -> AsyncIterator[tuple[Room, Stranger]]:
    """Ada and Bob, and a stranger, who may do what it likes: then the two still reach each other, Ada's room is open
    until she leaves, and nothing was raised that nobody caught."""
    raised: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: raised.append(context))
    options["limits"] = ClientLimits(leave_timeout_s=0.05)  # a stranger may never acknowledge anything
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob", **options) as [ada, bob]:
        to_bob, _ = await companions(ada, bob)
        async with await Stranger.enter(server.websocket_url) as stranger:
            await meet(ada)
            yield ada, stranger
            await stranger.send("message", roomId="demo", data="done")
            await next_of(bob, RoomMessageReceived)
            while negotiating := [task for task in asyncio.all_tasks() if task.get_name() == "sheetbend negotiation"]:
                await asyncio.wait(negotiating, timeout=TIMEOUT_S)
            await asyncio.wait_for(to_bob.send("still here"), TIMEOUT_S)
            assert (await next_of(bob, MessageReceived, lambda event: event.data == "still here")).reliable
        assert ada.state == "connected"
        await ada.leave()
        *_, closed = await unread(ada)
        assert isinstance(closed, RoomClosed)
        assert closed.reason.error is None
    gc.collect()
    await asyncio.sleep(0)
    assert not raised


async def nonsense(stranger: Stranger) -> None:
    random = Random(1)
    for size in [*range(40), 100, 5000, 16_100, 30_000]:
        await stranger.relay(random.randbytes(size))


async def half_of_a_greeting(stranger: Stranger) -> None:
    for size in range(len(GREETING)):
        await stranger.relay(GREETING[:size])
        await stranger.relay(b"\x12" + GREETING[1:size])


async def another_greeting_each_time(stranger: Stranger) -> None:
    for number in range(200):
        await stranger.relay(b"\x10" + number.to_bytes(8, "big") + bytes(8))


def after_greeting(*frames: bytes) -> Callable[[Stranger], Awaitable[None]]:
    async def attack(stranger: Stranger) -> None:
        await stranger.relay(GREETING)
        for frame in frames:
            await stranger.relay(frame)

    return attack


def bundle(*frames: bytes) -> bytes:
    return b"\x11" + b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames)


def record(sequence: int, kind: int, body: bytes = b"") -> bytes:
    return b"\x02" + _varint(sequence) + _varint(sequence) + bytes([kind]) + body


def _varint(number: int) -> bytes:
    return (number | 0x80000000).to_bytes(4, "big")


WORDS = b"sheetbend:words"

ATTACKS: dict[str, Callable[[Stranger], Awaitable[None]]] = {
    "nonsense": nonsense,
    "half of a greeting": half_of_a_greeting,
    "another greeting each time": another_greeting_each_time,
    "nothing": after_greeting(b""),
    "an empty bundle": after_greeting(b"\x11"),
    "a bundle of nothing": after_greeting(bundle(b"", b"")),
    "a bundle in a bundle": after_greeting(bundle(bundle(b"\x00\x01"))),
    "a bundle cut off": after_greeting(b"\x11\xff\xff\x00"),
    "a bundle of pings": after_greeting(*[bundle(*[b"\x00" + _varint(n) for n in range(1, 2000)])] * 5),
    "a bundle beyond all bounds": after_greeting(bundle(*[b"\x00\x01"] * 10_000)),
    "an ack of what was never sent": after_greeting(b"\x01" + _varint(1 << 20) + b"\x00" + _varint(1 << 20)),
    "text that is none": after_greeting(record(1, 0x11, b"\xff\xfe\xed\xa0\x80")),
    "a message without end": after_greeting(*[record(n, 0x12, b"x" * 16_000) for n in range(1, 70)]),
    "a stream of ours": after_greeting(record(1, 0x20, b"\x01label"), record(2, 0x20, b"\x02label")),
    "a label that is none": after_greeting(record(1, 0x20, b"\x01\xff\xff"), record(1, 0x20, b"\x02\xff\xff")),
    "data of no stream": after_greeting(record(1, 0x21, b"\x30data")),
    "more streams than there may be": after_greeting(
        *[record(n, 0x20, _varint(2 * n + odd) + b"x") for odd in (0, 1) for n in range(1, 300)]
    ),
    "more data than there is credit for": after_greeting(
        *[record(1, 0x20, _varint(first) + b"x") for first in (1, 2)],
        *[record(n, 0x21, _varint(first) + b"x" * 16_000) for first in (1, 2) for n in range(2, 40)],
    ),
    "safety words begun often and said wrong": after_greeting(
        *[
            frame
            for n in range(1, 20, 2)
            for frame in (
                record(n, 0x20, _varint(n + 1) + WORDS),
                record(n + 1, 0x21, _varint(n + 1) + b"\x01" + b"w" * 32),
            )
        ],
        *[record(n, 0x21, _varint(1) + bytes([n % 4]) + b"w" * 32) for n in range(1, 9)],
    ),
    "files and requests that are none": after_greeting(
        *[
            frame
            for n, label in enumerate([b"sheetbend:file", b"sheetbend:request"] * 20)
            for odd in (1, 2)
            for frame in (
                record(3 * n + 1, 0x20, _varint(2 * n + odd) + label),
                record(3 * n + 2, 0x21, _varint(2 * n + odd) + bytes([n % 3]) * n),
                record(3 * n + 3, 0x22, _varint(2 * n + odd)),
            )
        ]
    ),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_frames_that_no_client_sends_cost_nothing(attack: Callable[[Stranger], Awaitable[None]]) -> None:
    @asynchronous
    async def test() -> None:
        async with harassed() as (_, stranger):
            await attack(stranger)

    test()


@asynchronous
async def test_who_breaks_the_protocol_of_links_is_told_by_what_is_sent_to_it() -> None:
    async with harassed() as (ada, stranger):
        [to_stranger] = [member for member in ada.members.values() if member.name == "Stranger"]
        await stranger.relay(GREETING)
        await stranger.relay(b"\x3f nonsense")
        sending = asyncio.ensure_future(to_stranger.send("x"))
        with pytest.raises(ClientError) as lost:
            await asyncio.wait_for(sending, TIMEOUT_S)
        assert lost.value.code in ("delivery_unknown", "link_broken")
        with pytest.raises(ClientError) as broken:
            await to_stranger.send("x")
        assert broken.value.code == "link_broken"


@asynchronous
async def test_what_is_not_sealed_is_told_once() -> None:
    async with harassed() as (ada, stranger):
        for sealed in (b"", b"x", b"x" * 24, b"x" * 1000):
            for user_id in (*stranger.seals, "00" * 16):
                await stranger.relay_unsealed(user_id, sealed)
        await stranger.send("message", roomId="demo", data="behind")
        refused = []
        while not isinstance(event := await anext(ada), RoomMessageReceived):
            refused += [event] if isinstance(event, ErrorOccurred) else []
        assert [(each.error.code, each.member and each.member.name) for each in refused] == [
            ("frame_refused", "Stranger")
        ]


@asynchronous
async def test_signalling_that_is_none_costs_nothing_where_there_is_no_engine() -> None:
    async with harassed() as (_, stranger):
        await say_what_is_no_signalling(stranger)


SDP = f"""v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=msid-semantic: WMS
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:{FINGERPRINT}
a=setup:actpass
a=mid:0
a=sctp-port:5000
""".replace("\n", "\r\n")
VIDEO = """m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=rtcp-mux
a=mid:1
a=msid:s t
a=sendrecv
a=rtpmap:96 VP8/90000
""".replace("\n", "\r\n")


async def say_what_is_no_signalling(stranger: Stranger) -> None:
    nothings: list[Any] = [None, 1, -1, "x", [], {}]
    values: list[Any] = [None, 1, "x", [], {}, {"type": "offer"}, {"type": "answer", "sdp": 1}, {"sdp": "x", "type": 5}]
    values += [{"candidate": each, "sdpMid": each, "sdpMLineIndex": each} for each in nothings]
    values += [{"candidate": "candidate:" + each, "sdpMLineIndex": 10**9} for each in ("", "1 1 udp", "x " * 20)]
    for user_id in stranger.seals:
        for value in values:
            for kind in ("offer", "answer"):
                await stranger.signal(user_id, kind, sdp=value)
            await stranger.signal(user_id, "ice-candidate", candidate=value)


@pytest.mark.parametrize("engine", ["wrtc", "aiortc"])
def test_descriptions_and_candidates_that_no_client_sends_cost_nothing(engine: str) -> None:
    @asynchronous
    async def test() -> None:
        async with harassed(engine=engine) as (_, stranger):
            await say_what_is_no_signalling(stranger)
            tags: list[Any] = [5, "", "x" * 48, [], None]
            for tag in tags:
                await stranger.describe("answer", SDP, tag=tag)
            lines = (SDP + VIDEO).split("\r\n")
            random = Random(2)
            for number in range(60):
                changed = list(lines)
                for _ in range(random.randint(1, 3)):
                    at = random.randrange(len(changed) - 1)
                    changed[at : at + 1] = random.choice(
                        [
                            [],
                            [changed[at]] * 2,
                            [changed[at][: random.randint(0, 9)]],
                            ["m=x"],
                            ["a=mid:"],
                            ["a=ssrc:x y"],
                        ]
                    )
                if not any(line.startswith("a=fingerprint:") for line in changed):
                    changed.append(f"a=fingerprint:{FINGERPRINT}")
                labels = random.choice([{}, {"s": "camera"}, {"s": 5, "t": "x" * 65}])
                await stranger.describe(("offer", "answer")[number % 2], "\r\n".join(changed), labels=labels)
                await say_what_is_no_signalling(stranger) if number % 20 == 19 else None

    test()


@pytest.mark.parametrize("engine", ["wrtc", "aiortc"])
def test_an_ice_server_that_is_none_costs_the_direct_path_and_nothing_else(engine: str) -> None:
    @asynchronous
    async def test() -> None:
        servers = [IceServer(("bogus:",)), IceServer(("turn:example.org",)), IceServer(("stun:",))]
        async with serving(Limits()) as server:
            for each in servers:
                async with entered(server.websocket_url, "Ada", "Bob", engine=engine, ice_servers=[each]) as [ada, bob]:
                    to_bob, _ = await companions(ada, bob)
                    await to_bob.send("x")
                    await next_of(bob, MessageReceived)
                    assert (to_bob.path, to_bob.connection) == ("relay", "failed")

    test()


@asynchronous
async def test_streams_that_a_stranger_opens_and_nobody_reads_stay_within_their_credit() -> None:
    async with harassed() as (ada, stranger):
        is_first = stranger.keys.key < _key_of(ada, stranger)
        await stranger.relay(GREETING)
        first = 1 if is_first else 2
        await stranger.relay(record(1, 0x20, _varint(first) + b"log"))
        for number in range(2, 18):
            await stranger.relay(record(number, 0x21, _varint(first) + b"x" * 16_000))
        opened = await next_of(ada, StreamOpened)
        assert await opened.stream.read_exactly(256_000) == b"x" * 256_000
        assert isinstance(opened.member, Member)


def _key_of(room: Room, stranger: Stranger) -> str:
    """Ada's key, as the stranger got it."""
    return stranger.known_keys[room.me.user_id]
