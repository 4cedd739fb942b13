"""Data and negotiation, on each engine with each."""

from __future__ import annotations

import asyncio
import gc
import random
from pathlib import Path

import pytest

from sheetbend.client.engines import load_engine
from sheetbend.client.engines.base import (
    Candidate,
    ConnectionPort,
    EngineError,
    IceConfiguration,
    IceServer,
    LocalTrack,
    RebuildNeededError,
)
from tests.client.engines.calls import ENGINES, PAIRS, Channel, End, calling
from tests.support.in_process import asynchronous

each_with_each = pytest.mark.parametrize("pair", PAIRS, ids="-".join)
each = pytest.mark.parametrize("name", ENGINES)


async def open_channels(ends: tuple[End, End], low_bytes: int = 0) -> tuple[Channel, Channel]:
    channels = Channel(ends[0].connection, low_bytes=low_bytes), Channel(ends[1].connection, low_bytes=low_bytes)
    for channel in channels:
        await channel.until(lambda one: one.is_open)
    return channels


async def send_all(channel: Channel, message: bytes, times: int) -> int:
    """As the link does it: nothing is sent while 256 kB wait. Returns the most that waited."""
    most = 0
    for _ in range(times):
        if channel.native.buffered_amount >= 1 << 18:
            await channel.until(lambda one: one.native.buffered_amount <= 1 << 16)
        channel.native.send(message)
        most = max(most, channel.native.buffered_amount)
    return most


@each_with_each
@asynchronous
async def test_messages_of_all_sizes_arrive_whole_both_ways(pair: tuple[str, str]) -> None:
    messages = [random.Random(size).randbytes(size) for size in (1, 1200, 16_000, 1 << 18)]
    async with calling(pair) as ends:
        one, other = await open_channels(ends)
        assert one.native.ready_state == "open"
        assert one.native.max_message_bytes >= 1 << 18
        for message in messages:
            one.native.send(message)
            other.native.send(message)
        for channel in (one, other):
            await channel.until(lambda it: len(it.messages) == len(messages))
            assert channel.messages == messages


@each_with_each
@asynchronous
async def test_20_mb_go_through_in_order_while_little_waits(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        one, other = await open_channels(ends, low_bytes=1 << 16)
        blocks = [number.to_bytes(4, "big") * 4000 for number in range(1250)]
        for block in blocks:
            assert await send_all(one, block, 1) <= (1 << 18) + len(block)
        await other.until(lambda it: it.received == 20_000_000)
        assert other.messages == blocks
        assert 0 < max(one.lows) <= 1 << 16
        await one.until(lambda it: it.native.buffered_amount == 0)


@each_with_each
@asynchronous
async def test_channels_are_told_apart_and_a_lossy_one_carries_messages(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        lossy = [Channel(end.connection, 2, ordered=False, max_retransmits=0) for end in ends]
        one, other = await open_channels(ends)
        for channel in lossy:
            await channel.until(lambda it: it.is_open)
        lossy[0].native.send(b"lossy")
        one.native.send(b"sure")
        lossy[1].native.send(b"lossy too")
        for channel, message in ((lossy[1], b"lossy"), (other, b"sure"), (lossy[0], b"lossy too")):
            await channel.until(lambda it: it.messages)
            assert channel.messages == [message]


@each_with_each
@asynchronous
async def test_the_other_end_sees_the_channel_close(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        _, other = await open_channels(ends)
        ends[0].connection.close()
        await other.until(lambda it: it.is_closed)
        assert other.native.ready_state == "closed"
        with pytest.raises(EngineError) as caught:
            other.native.send(b"nobody")
        assert caught.value.code == "channel_closed"


@each_with_each
@asynchronous
async def test_descriptions_name_candidates_found_since(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        await open_channels(ends)
        for end in ends:
            await end.until(lambda it: None in it.candidates)
            description = end.connection.local_description or ""
            named = fragment(description).removeprefix("a=ice-ufrag:")
            found = [one for one in end.candidates if one and one.username_fragment == named]
            assert found  # Those of an offer that was rolled back aside.
            assert all(candidate.sdp_mid is not None for candidate in found)
            # Up to the address and port: what engines add for themselves may be left out.
            assert all(f"a={' '.join(candidate.candidate.split()[:6])}" in description for candidate in found)


@each_with_each
@asynchronous
async def test_states_are_w3cs_and_the_last_is_connected(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        assert [end.connection.connection_state for end in ends] == ["new", "new"]
        await open_channels(ends)
        for end in ends:
            await end.connected()
            assert end.states == ["connecting", "connected"]
            assert end.connection.signaling_state == "stable"
            assert not await end.connection.is_turned()


@each_with_each
@asynchronous
async def test_of_two_offers_at_once_the_impolite_ends_wins_or_the_other_is_told_to_rebuild(
    pair: tuple[str, str],
) -> None:
    async with calling(pair) as ends:
        polite = ends[1]
        channels = [Channel(end.connection) for end in ends]
        for end in ends:
            end.negotiates = False
        for end in reversed(ends):
            end.start_offer()
        if not polite.engine.can_roll_back:
            await polite.until(lambda it: it.errors)
            assert isinstance(polite.errors[0], RebuildNeededError)
            assert polite.connection.signaling_state == "have-local-offer"
            return
        for channel in channels:
            await channel.until(lambda it: it.is_open)
        for end in ends:
            await end.until(lambda it: it.connection.signaling_state == "stable")


@each_with_each
@asynchronous
async def test_ice_restarts_under_open_channels_or_says_that_it_can_t(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        one, other = await open_channels(ends)
        if not ends[0].engine.can_restart_ice:
            with pytest.raises(RebuildNeededError):
                await ends[0].connection.offer(restart_ice=True)
            with pytest.raises(RebuildNeededError):
                ends[0].connection.restart_ice()
            return
        before = ends[0].connection.local_description
        assert before is not None
        ends[0].connection.restart_ice()
        if not ends[1].engine.can_restart_ice:
            await ends[1].until(lambda it: it.errors)
            assert isinstance(ends[1].errors[0], RebuildNeededError)
            assert ends[1].connection.signaling_state == "stable"
            return
        await ends[0].until(lambda it: it.calls.count("negotiated") and it.connection.local_description != before)
        await ends[0].until(lambda it: it.connection.signaling_state == "stable")
        assert fragment(ends[0].connection.local_description) != fragment(before)
        one.native.send(b"still there")
        await other.until(lambda it: it.messages)


def fragment(sdp: str | None) -> str:
    return next(line for line in (sdp or "").splitlines() if line.startswith("a=ice-ufrag:"))


@each_with_each
@asynchronous
async def test_nonsense_raises_typed_errors_and_harms_nothing(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        connection = ends[0].connection
        one, other = await open_channels(ends)
        good = ends[1].connection.local_description
        assert good is not None
        bad = ["", "v=0", "hello", good.replace("a=fingerprint", "a=fngrprnt"), good[: len(good) // 2]]
        for sdp in bad:
            with pytest.raises(EngineError) as caught:
                await connection.accept_offer(sdp)
            assert caught.value.code == "description_invalid", sdp
            assert connection.signaling_state == "stable"
        with pytest.raises(EngineError) as caught:
            await connection.accept_answer(good)
        assert caught.value.code == "wrong_state"
        for text in ("nonsense", "candidate:1 1 udp nonsense 127.0.0.1 9 typ host", "candidate:1 1 udp 1 127.0.0.1"):
            with pytest.raises(EngineError) as caught:
                await connection.add_candidate(Candidate(text, "0", 0))
            assert caught.value.code == "candidate_invalid"
        one.native.send(b"unharmed")
        await other.until(lambda it: it.messages)


@each_with_each
@asynchronous
async def test_candidates_that_lead_nowhere_are_taken_without_waiting(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        one, other = await open_channels(ends)
        nowhere = [
            "candidate:1 1 udp 2113937151 0f9c3ab0-5b1c-4d6e-9a0e-1f2f3f4f5f6f.local 50000 typ host",
            "candidate:2 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active",
            "candidate:3 1 udp 2113937151 127.0.0.1 9 typ host",
        ]
        async with asyncio.timeout(1):
            for text in nowhere:
                await ends[0].connection.add_candidate(Candidate(text, "0", 0))
            await ends[0].connection.add_candidate(Candidate("", "0", 0))
            await ends[0].connection.add_candidate(None)
        one.native.send(b"unharmed")
        await other.until(lambda it: it.messages)


@each
@asynchronous
async def test_a_candidate_before_any_description_is_refused(name: str) -> None:
    async with calling((name, name)) as ends:
        with pytest.raises(EngineError) as caught:
            await ends[0].connection.add_candidate(Candidate("candidate:1 1 udp 1 127.0.0.1 9 typ host", "0", 0))
        assert caught.value.code == "wrong_state"


@each
@asynchronous
async def test_servers_that_make_no_sense_are_refused(name: str) -> None:
    engine = load_engine(name)
    for server in (IceServer(("http://example.org",)), IceServer(("turn:example.org",))):
        with pytest.raises(EngineError) as caught:
            engine.create(IceConfiguration((server,)), ConnectionPort()).close()
        assert caught.value.code == "configuration_invalid"
    engine.close()


@each
@asynchronous
async def test_relay_alone_finds_no_other_candidates(name: str) -> None:
    engine = load_engine(name)
    found: list[Candidate | None] = []
    ended = asyncio.Event()

    def note(candidate: Candidate | None) -> None:
        found.append(candidate)
        if candidate is None:
            ended.set()

    connection = engine.create(IceConfiguration(transport_policy="relay"), ConnectionPort(candidate=note))
    Channel(connection)
    await connection.offer()
    async with asyncio.timeout(5):
        await ended.wait()
    assert found == [None]
    connection.close()
    engine.close()


@each_with_each
@asynchronous
async def test_stats_have_w3cs_names(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        one, other = await open_channels(ends)
        one.native.send(bytes(1000))
        await other.until(lambda it: it.received == 1000)
        for end, sent in ((ends[0], 1000), (ends[1], 0)):
            await end.connected()
            stats = await end.connection.get_stats()
            assert all(one["id"] == name and one["timestamp"] > 1e12 for name, one in stats.items())
            [transport] = [one for one in stats.values() if one["type"] == "transport"]
            assert transport["dtlsState"] == "connected"
            selected = stats[transport["selectedCandidatePairId"]]
            assert selected["state"] == "succeeded"
            for side in ("local", "remote"):
                candidate = stats[selected[f"{side}CandidateId"]]
                assert candidate["type"] == f"{side}-candidate"
                assert candidate["candidateType"] in ("host", "prflx")
            assert transport["bytesSent"] > sent
            [channel] = [one for one in stats.values() if one["type"] == "data-channel"]
            assert (channel["dataChannelIdentifier"], channel["state"]) == (1, "open")
            assert channel["bytesSent"] == sent


@each
@asynchronous
async def test_nothing_is_called_back_after_close(name: str) -> None:
    async with calling((name, name)) as ends:
        one, other = await open_channels(ends)
        other.native.send(bytes(1000))
        one.native.send(bytes(1000))
        ends[0].connection.close()
        ends[0].connection.close()
        calls, received = called_back(ends[0]), one.received
        await other.until(lambda it: it.is_closed)
        assert (called_back(ends[0]), one.received, one.is_closed) == (calls, received, False)
        assert ends[0].connection.connection_state == ends[0].connection.signaling_state == "closed"
        with pytest.raises(EngineError) as caught:
            await ends[0].connection.offer()
        assert caught.value.code == "wrong_state"


def called_back(end: End) -> list[str]:
    """Without what signalling brought."""
    return [call for call in end.calls if call != "negotiated"]


@each
@asynchronous
async def test_close_may_come_at_any_moment(name: str) -> None:
    for after in range(12):
        async with calling((name, name)) as ends:
            Channel(ends[0].connection)
            Channel(ends[1].connection)
            for _ in range(after):
                await asyncio.sleep(0)
            ends[0].connection.close()
            ends[0].changed.clear()
        assert ends[0].connection.connection_state == "closed"


@each
@pytest.mark.parametrize(("what", "times"), [("data", 100), ("media", 20)])
@asynchronous
async def test_calls_leave_no_threads_descriptors_or_tasks(name: str, what: str, times: int) -> None:
    async def call() -> None:
        async with calling((name, name)) as ends:
            if what == "data":
                await open_channels(ends)
                return
            ends[0].connection.add_track(LocalTrack("audio"), "0")
            ends[0].connection.add_track(LocalTrack("video"), "0")
            await ends[1].until(lambda it: len(it.tracks) == 2)
            await ends[1].connected()

    for _ in range(5):
        await call()
    before = await resources()
    for _ in range(times):
        await call()
    after = await resources()
    assert after[0] <= before[0] + 1, "threads"
    assert after[1] <= before[1] + 2, "descriptors"
    assert after[2] == 1, "tasks"


async def resources() -> tuple[int, int, int]:
    """What is left when all that is on its way out is gone."""
    for _ in range(40):
        gc.collect()
        await asyncio.sleep(0.025)  # Threads end when they do; nothing says so.
        if len(asyncio.all_tasks()) == 1:
            break
    threads, descriptors = (len(list(Path("/proc/self", name).iterdir())) for name in ("task", "fd"))
    return threads, descriptors, len(asyncio.all_tasks())
