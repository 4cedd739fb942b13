"""What programs send each other, on a real server, through everything that happens to connections."""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import numpy as np
import pytest
import uvloop

from sheetbend.client import (
    ClientError,
    ErrorOccurred,
    GapOccurred,
    MemberLeft,
    MemberStream,
    MessageReceived,
    Room,
    RoomMessageReceived,
    SafetyWordsReady,
    StateChanged,
    StreamOpened,
)
from sheetbend.core.client.reconnect_policy import FullJitter
from sheetbend.core.limits import Limits
from tests.client.people import TIMEOUT_S, companions, entered, every, meet, next_of, on_path, serving_at, unread
from tests.support.forwarder import Forwarder
from tests.support.in_process import RunningServer, asynchronous, serving
from tests.support.process import ServerProcess
from tests.support.turn import free_port, needs_coturn

MEGABYTE = 1 << 20
SOON = FullJitter(base_s=0.01, max_s=0.05)


@pytest.fixture(params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Each loop that programs run on."""
    yield request.param


async def messages(room: Room, count: int) -> list[tuple[str | bytes, bool]]:
    return [(event.data, event.reliable) for event in await every(room, MessageReceived, count)]


async def stream_of(room: Room) -> MemberStream:
    return (await next_of(room, StreamOpened)).stream


def websocket_url(forwarder: Forwarder) -> str:
    return forwarder.url.replace("http", "ws") + "ws"


# Messages.


def test_messages_go_both_ways_as_they_were_sent(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    async def test() -> None:
        async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob") as [ada, bob]:
            to_bob, to_ada = await companions(ada, bob)
            sent: list[Any] = ["text ✓", b"\x00\xff", "", b"", bytearray(b"ab"), memoryview(b"abcd")[::2]]
            await asyncio.gather(*(to_bob.send(data) for data in sent))
            await to_ada.send(np.arange(3, dtype=np.uint8))  # type: ignore[arg-type]
            assert await messages(bob, 6) == [(bytes(x) if not isinstance(x, str) else x, True) for x in sent]
            assert await messages(ada, 1) == [(b"\x00\x01\x02", True)]
            assert (to_bob.path, to_bob.connection, to_bob.sealing) == ("relay", None, "keys")
            assert to_bob.rtt_s is not None
            assert await to_bob.get_stats() == {}

    run(test())


@asynchronous
async def test_ten_thousand_messages_come_once_and_in_order() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob") as [ada, bob]:
        to_bob = await meet(ada)
        acknowledged = []

        async def send(number: int) -> None:
            await to_bob.send(str(number))
            acknowledged.append(number)

        sending = asyncio.gather(*(send(number) for number in range(10_000)))
        assert await messages(bob, 10_000) == [(str(number), True) for number in range(10_000)]
        await sending
        assert acknowledged == list(range(10_000))


@asynchronous
async def test_unreliable_messages_come_at_most_once_and_say_so() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob") as [ada, bob]:
        to_bob = await on_path(ada, "relay")
        await to_bob.send("lossy", reliable=False)
        await to_bob.send("last")
        assert await messages(bob, 2) == [("lossy", False), ("last", True)]
        with pytest.raises(Exception, match="bytes") as refused:
            await to_bob.send(b"x" * 16_001, reliable=False)
        assert getattr(refused.value, "code", None) == "message_too_big"


@asynchronous
async def test_what_can_not_be_sent_to_a_member_is_refused_at_once() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob") as [ada, bob]:
        to_bob = await meet(ada)
        codes = []
        for data in (b"x" * (MEGABYTE + 1), "\ud800", 5, None, [1]):
            with pytest.raises(Exception, match=r".") as refused:
                await to_bob.send(data)  # type: ignore[arg-type]
            codes.append(getattr(refused.value, "code", None))
        assert codes == ["message_too_big", *["invalid_argument"] * 4]
        for label in ("x" * 1025, "sheetbend:words"):
            with pytest.raises(Exception, match=r".") as refused:
                to_bob.stream(label)
            assert getattr(refused.value, "code", None) == "invalid_label"
        await to_bob.send("still there")
        assert await messages(bob, 1) == [("still there", True)]


@asynchronous
async def test_a_cancelled_send_takes_nothing_back_and_keeps_the_order() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob") as [ada, bob]:
        to_bob = await meet(ada)
        sending = [asyncio.create_task(to_bob.send(str(number))) for number in range(100)]
        await asyncio.sleep(0)
        for task in sending[::2]:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        await to_bob.send("last")
        assert [data for data, _ in await messages(bob, 101)] == [*map(str, range(100)), "last"]
        assert not any(task.exception() for task in sending[1::2])


@asynchronous
async def test_who_leaves_has_its_last_words_delivered_and_others_are_told_what_is_unknown() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob") as [ada, bob]:
        to_bob, to_ada = await companions(ada, bob)
        last = asyncio.create_task(to_bob.send("last words"))
        await asyncio.sleep(0)
        await ada.leave()
        await last
        assert await messages(bob, 1) == [("last words", True)]
        await next_of(bob, MemberLeft)
        with pytest.raises(ClientError) as gone:
            await to_ada.send("too late")
        assert gone.value.code == "member_gone"
        with pytest.raises(ClientError) as closed:
            await to_bob.send("too late")
        assert closed.value.code == "closed"


# Streams.


@asynchronous
async def test_a_stream_carries_bytes_both_ways_and_ends() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob") as [ada, bob]:
        to_bob = await meet(ada)
        async with to_bob.stream("log") as ours:
            theirs = await stream_of(bob)
            assert theirs.label == "log"
            await ours.write(b"question")
            assert await theirs.read_exactly(5) == b"quest"
            await ours.close()
            assert [chunk async for chunk in theirs] == [b"ion"]
            await theirs.write(bytearray(b"answer"))
            await theirs.close()
            assert b"".join([chunk async for chunk in ours]) == b"answer"
            with pytest.raises(EOFError):
                await theirs.read_exactly(1)
            with pytest.raises(ClientError) as closed:
                await ours.write(b"more")
            assert closed.value.code == "closed"


@asynchronous
async def test_each_side_can_give_up() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob") as [ada, bob]:
        to_bob = await meet(ada)
        ours = to_bob.stream()
        theirs = await stream_of(bob)
        theirs.stop()
        with pytest.raises(ClientError) as stopped:
            while True:
                await ours.write(b"x" * 1000)
        assert stopped.value.code == "stream_stopped"
        theirs.reset()
        with pytest.raises(ClientError) as reset:
            await anext(ours)
        assert reset.value.code == "stream_reset"
        with pytest.raises(ValueError, match="ours"):
            async with to_bob.stream() as another:
                raise ValueError("ours")
        there = await stream_of(bob)
        with pytest.raises(ClientError) as reset:
            await anext(there)
        assert reset.value.code == "stream_reset"
        assert another.label == ""


@asynchronous
async def test_fifty_megabytes_wait_for_a_slow_reader_in_little_memory() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob") as [ada, bob]:
        ours = (await meet(ada)).stream()
        theirs = await stream_of(bob)
        piece = bytes(range(256)) * 1024

        async def write() -> None:
            for _ in range(200):
                await ours.write(piece)
            await ours.close()

        writing = asyncio.create_task(write())
        first = await anext(theirs)
        [to_ada] = bob.members.values()
        await to_ada.send("while it waits")  # for as long as an acknowledgement takes, nobody reads
        assert not writing.done()
        tracemalloc.start()
        size, digest = len(first), hashlib.sha256(first)
        async for chunk in theirs:
            digest.update(chunk)
            size += len(chunk)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        await writing
        assert size == 50 * MEGABYTE
        assert digest.digest() == hashlib.sha256(piece * 200).digest()
        assert peak < 16 * MEGABYTE


# What happens to connections.


@asynchronous
async def test_nothing_is_lost_or_doubled_though_the_server_is_cut_off_under_a_running_stream() -> None:
    async with serving(Limits()) as server:
        with Forwarder(server.port) as between:
            async with (
                entered(websocket_url(between), "Ada", reconnect=SOON) as [ada],
                entered(server.websocket_url, "Bob") as [bob],
            ):
                ours = (await meet(ada)).stream()
                theirs = await stream_of(bob)
                piece = bytes(range(256)) * 256

                async def write() -> None:
                    for _ in range(160):
                        await ours.write(piece)
                    await ours.close()

                writing = asyncio.create_task(write())
                digest, size, cuts = hashlib.sha256(), 0, 0
                async for chunk in theirs:
                    digest.update(chunk)
                    size += len(chunk)
                    if size > (cuts + 1) * 2 * MEGABYTE:
                        cuts += 1
                        with between.cut():
                            await next_of(ada, StateChanged, lambda event: event.state == "reconnecting")
                            said = asyncio.create_task(ada.send(cuts))
                        await next_of(ada, StateChanged, lambda event: event.state == "connected")
                        await said
                await writing
                assert cuts == 4
                assert (size, digest.digest()) == (160 * len(piece), hashlib.sha256(piece * 160).digest())
                heard = [event.message.data for event in await every(bob, RoomMessageReceived, 4)]
                assert heard == [1, 2, 3, 4]
                assert len(ada.members) == len(bob.members) == 1


@asynchronous
async def test_members_know_each_other_after_the_server_began_anew_and_their_link_goes_on() -> None:
    async with serving(Limits()) as first, entered(first.websocket_url, "Ada", "Bob", reconnect=SOON) as [ada, bob]:
        to_bob, to_ada = await companions(ada, bob)
        stream = to_bob.stream("goes on")
        await stream.write(b"before ")
        theirs = await stream_of(bob)
        assert await anext(theirs) == b"before "
        ids = {room.me.user_id for room in (ada, bob)}
        await first.stop()
        for room in (ada, bob):
            await next_of(room, StateChanged, lambda event: event.state == "reconnecting")
        sending = asyncio.create_task(to_bob.send("into the blue"))
        async with serving_at(first.port):
            for room in (ada, bob):
                assert not (await next_of(room, GapOccurred)).complete
            await asyncio.wait_for(sending, TIMEOUT_S)
            await stream.write(b"and after")
            assert await theirs.read_exactly(9) == b"and after"
            assert await messages(bob, 1) == [("into the blue", True)]
            assert list(ada.members.values()) == [to_bob]
            assert list(bob.members.values()) == [to_ada]
            assert ids.isdisjoint({to_ada.user_id, to_bob.user_id})
            assert to_ada.user_id == ada.me.user_id
            await ada.send("all there")
            await next_of(bob, RoomMessageReceived)
            await asyncio.gather(ada.leave(), bob.leave())


# Sealing.


@asynchronous
async def test_both_see_the_same_safety_words() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob") as rooms:
        words = [(await next_of(room, SafetyWordsReady)).words for room in rooms]
        assert words[0] == words[1]
        assert len(words[0]) == 7
        assert [member.safety_words for room in rooms for member in room.members.values()] == words


@pytest.mark.parametrize("other", ["guess", None])
def test_who_has_another_secret_or_none_is_there_but_reaches_nobody(other: str | None) -> None:
    @asynchronous
    async def test() -> None:
        async with (
            serving(Limits()) as server,
            entered(server.websocket_url, "Ada", "Bob", secret="s3cret") as [ada, bob],
            entered(server.websocket_url, "Eve", secret=other) as [eve],
        ):
            refused = await next_of(ada, ErrorOccurred)
            assert refused.member is not None
            assert (refused.member.name, refused.member.path) == ("Eve", None)
            sending = [asyncio.ensure_future(member.send("x")) for member in eve.members.values()]
            sending += [asyncio.ensure_future(member.send("hello")) for member in ada.members.values()]
            assert await messages(bob, 1) == [("hello", True)]
            await eve.leave()
            await next_of(bob, MemberLeft)
            await asyncio.gather(*sending, return_exceptions=True)
            await ada.leave()
            await bob.leave()
            for room in (ada, bob):
                heard = [event async for event in room if isinstance(event, MessageReceived)]
                assert not heard
            assert not [event async for event in eve if isinstance(event, MessageReceived)]

    test()


# Peer connections.


@pytest.mark.parametrize(
    ("engine", "other"), [("wrtc", "wrtc"), ("aiortc", "aiortc"), ("wrtc", "aiortc")], ids=lambda name: name
)
@pytest.mark.parametrize("secret", [None, "s3cret"], ids=["open", "secret"])
def test_messages_go_directly_as_soon_as_that_works(engine: str, other: str, secret: str | None) -> None:
    @asynchronous
    async def test() -> None:
        async with (
            serving(Limits()) as server,
            entered(server.websocket_url, "Ada", engine=engine, secret=secret) as [ada],
            entered(server.websocket_url, "Bob", engine=other, secret=secret) as [bob],
        ):
            to_bob, to_ada = await companions(ada, bob)
            sending = asyncio.gather(*(to_bob.send(str(number)) for number in range(500)))
            for room in (ada, bob):
                await on_path(room, "direct")
            assert (to_bob.connection, to_ada.connection) == ("connected", "connected")
            stream = to_ada.stream("directly")
            await stream.write(b"x" * 300_000)
            theirs = await stream_of(ada)
            assert await theirs.read_exactly(300_000) == b"x" * 300_000
            await sending
            await to_bob.send("x", reliable=False)
            await to_bob.send("last")
            assert await to_bob.get_stats()
            assert to_bob.rtt_s is not None

    test()


@pytest.mark.parametrize("engine", ["wrtc", "aiortc"])
def test_a_call_goes_on_while_the_server_is_away(engine: str) -> None:
    @asynchronous
    async def test() -> None:
        async with serving(Limits()) as server:
            with Forwarder(server.port) as between:
                url = websocket_url(between)
                async with entered(url, "Ada", "Bob", engine=engine, reconnect=SOON) as [ada, bob]:
                    to_bob, _ = await companions(ada, bob)
                    for room in (ada, bob):
                        await on_path(room, "direct")
                    with between.cut():
                        await next_of(ada, StateChanged)
                        await asyncio.wait_for(to_bob.send("directly"), TIMEOUT_S)
                        assert (to_bob.path, to_bob.connection) == ("direct", "connected")
                    await next_of(ada, StateChanged, lambda event: event.state == "connected")
                    assert await messages(bob, 1) == [("directly", True)]

    test()


@needs_coturn
@pytest.mark.parametrize("engine", ["wrtc", "aiortc"])
def test_relay_only_reaches_the_other_through_turn_where_there_is_one(engine: str) -> None:
    @asynchronous
    async def test() -> None:
        async with (
            entered(server.url, "Ada", engine=engine, relay_only=True) as [ada],
            entered(server.url, "Bob", engine=engine) as [bob],
        ):
            to_bob, _ = await companions(ada, bob)
            for room in (ada, bob):
                await on_path(room, "turn")
            await to_bob.send("by way of coturn")
            assert await messages(bob, 1) == [("by way of coturn", True)]

    flags = ["--host", "0.0.0.0", "--turn", "coturn", "--turn-port", str(free_port())]
    with ServerProcess([*flags, "--turn-relay-ports", "20000-32000"]) as server:
        test()


@pytest.mark.parametrize("whose", ["ours", "the server's"])
def test_relay_only_gives_no_address_of_ours_to_others_and_takes_no_direct_path(whose: str) -> None:
    @asynchronous
    async def test() -> None:
        async with serving(Limits(), relay_only=whose != "ours") as server:
            await _stay_on_the_relay(server, relay_only=whose == "ours")

    test()


async def _stay_on_the_relay(server: RunningServer, *, relay_only: bool) -> None:
    async with (
        entered(server.websocket_url, "Ada", engine="wrtc", relay_only=relay_only) as [ada],
        entered(server.websocket_url, "Bob", engine="wrtc") as [bob],
    ):
        to_bob, _ = await companions(ada, bob)
        await to_bob.send("through the server")
        stats = await to_bob.get_stats()
        assert not [each for each in stats.values() if each["type"] == "local-candidate"]
        assert to_bob.path == "relay"
        for room in (ada, bob):
            await room.leave()
            assert not [event for event in await unread(room) if isinstance(event, ErrorOccurred)]
