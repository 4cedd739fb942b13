"""What the other end, or a careless owner, can do to an engine: it raises `EngineError` or drops it, and goes on."""

from __future__ import annotations

import asyncio
import queue
import random
import re
import threading
import time
from typing import Any

import av
import numpy as np
import pytest

from sheetbend.client.engines import load_engine
from sheetbend.client.engines.base import (
    Candidate,
    ChannelPort,
    ConnectionPort,
    EngineError,
    IceConfiguration,
    LocalTrack,
)
from tests.client.engines.calls import ENGINES, PAIRS, RATE, Channel, End, calling, picture, tone
from tests.client.engines.test_data import open_channels, resources
from tests.client.engines.test_media import hear, hertz, one_track, playing, see
from tests.support.in_process import asynchronous

each_with_each = pytest.mark.parametrize("pair", PAIRS, ids="-".join)
each = pytest.mark.parametrize("name", ENGINES)

MUTANTS = 60


def tamper(end: End, kind: str, change: Any) -> None:
    """What comes to this end is changed on the way."""
    receive = end.receive

    async def receive_changed(came: str, content: Any) -> None:
        await receive(came, change(content) if came == kind else content)

    end.receive = receive_changed  # type: ignore[method-assign, assignment]


def complaints() -> list[dict[str, Any]]:
    """What the loop's exception handler gets from now on."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    return found


@each
@asynchronous
async def test_what_a_callback_raises_is_told_to_the_loop_and_harms_nothing(name: str) -> None:
    found = complaints()
    came: list[bytes] = []
    changed = asyncio.Event()

    def take(message: bytes) -> None:
        came.append(message)
        changed.set()
        raise RuntimeError("a mistake of the owner's")

    def refuse(_: object) -> None:
        raise RuntimeError("another")

    async with calling((name, name)) as ends:
        sender = Channel(ends[0].connection)
        ends[1].connection.create_data_channel("channel 1", ChannelPort(message=take), id=1)
        await sender.until(lambda it: it.is_open)
        for number in range(3):
            sender.native.send(bytes([number]))
        async with asyncio.timeout(5):
            while len(came) < 3:
                changed.clear()
                await changed.wait()
        assert came == [b"\0", b"\1", b"\2"]
        assert [str(context["exception"]) for context in found] == ["a mistake of the owner's"] * 3
        assert ends[1].connection.connection_state == "connected"

    engine = load_engine(name)
    connection = engine.create(IceConfiguration(), ConnectionPort(candidate=refuse))
    Channel(connection)
    await connection.offer()
    async with asyncio.timeout(5):
        while len(found) == 3:  # noqa: ASYNC110 - the exception is all that tells of it
            await asyncio.sleep(0.01)
    connection.close()
    engine.close()


def mutant(sdp: str, by: random.Random) -> str:
    """The description with a few lines lost, doubled, exchanged, cut off or filled with nonsense."""
    lines = sdp.splitlines()
    for _ in range(by.choice((1, 1, 2, 4))):
        at, other = by.randrange(len(lines)), by.randrange(len(lines))
        line = lines[at]
        numbers = ["0", "-1", "65536", "4294967296", "9" * 5000, "1e9", "٣"]
        words = ["", "é", "a" * 50]
        lines[at : at + 1] = by.choice(
            [
                [],
                [line, lines[other]],
                [lines[other]],
                [re.sub(r"\d+", by.choice(numbers), line, count=by.choice((0, 1)))],
                [re.sub(r"[A-Za-z]+", by.choice(words), line, count=1)],
                [line[: by.randrange(len(line) + 1)]],
                [line + by.choice([" ", "\0", "\u2028x", " " * 1000, "a" * 70_000, "\r"])],
                [line, *lines[at : at + 30]],
            ]
        )
        lines = lines or ["v=0"]
    return "\r\n".join([*lines, ""])


@each
@pytest.mark.parametrize("writer", ENGINES)
@asynchronous
async def test_a_spoiled_description_is_refused_or_lived_with(name: str, writer: str) -> None:
    found = complaints()
    engines = [load_engine(name), load_engine(writer)]
    source = engines[1].create(IceConfiguration(), ConnectionPort())
    Channel(source)
    source.add_track(LocalTrack("audio"), "0")
    source.add_track(LocalTrack("video"), "0")
    good = await source.offer()
    outcomes = set()
    for seed in range(MUTANTS):
        by = random.Random(seed)
        spoiled = mutant(good, by)
        connection = engines[0].create(IceConfiguration(), ConnectionPort())
        channel = Channel(connection)
        if seed % 2:
            connection.add_track(LocalTrack("audio"), "own")
        try:
            async with asyncio.timeout(5):
                if seed % 3:
                    await connection.accept_offer(spoiled)
                else:
                    await connection.offer()
                    await connection.accept_answer(spoiled)
                assert channel.native.max_message_bytes >= 0
                assert connection.local_description
                await connection.get_stats()
            outcomes.add("accepted")
        except EngineError as error:
            outcomes.add(error.code)
        connection.close()
    assert outcomes == {"accepted", "description_invalid"}
    source.close()
    for engine in engines:
        engine.close()
    del connection, channel
    await resources()  # A task that failed is told of as it goes.
    assert found == []


@each
@pytest.mark.parametrize(("said", "least"), [("0", 1 << 18), ("2147483647", 1 << 18), ("100000", 100_000)])
@asynchronous
async def test_the_other_ends_largest_message_may_be_any_number(name: str, said: str, least: int) -> None:
    async with calling((name, name)) as ends:
        for end in ends:
            for kind in ("offer", "answer"):
                tamper(end, kind, lambda sdp: re.sub(r"(max-message-size:)\d+", rf"\g<1>{said}", sdp))
        one, other = await open_channels(ends)
        assert least <= one.native.max_message_bytes <= 1 << 30
        one.native.send(bytes(least))
        await other.until(lambda it: it.received == least)
        if least == 100_000:
            with pytest.raises(EngineError) as caught:
                one.native.send(bytes(least + 1))
            assert caught.value.code == "message_too_large"


@each
@asynchronous
async def test_candidates_with_names_that_nobody_should_look_up_are_dropped(name: str) -> None:
    async with calling((name, name)) as ends:
        named = "candidate:7 1 udp 2113937151 localhost 5007 typ host"
        other_name = "candidate:8 1 udp 2113937151 stranger.invalid 5008 typ host"
        address = "candidate:9 1 udp 2113937151 127.0.0.1 5009 typ host"
        for kind in ("offer", "answer"):
            tamper(ends[0], kind, lambda sdp: f"{sdp}a={named}\r\na={other_name}\r\na={address}\r\n")
        await open_channels(ends)
        connection = ends[0].connection
        await connection.add_candidate(Candidate(named, "0", 0))
        ports: set[int] = set()
        async with asyncio.timeout(5):
            while 5009 not in ports:
                ports = {port for _, port in await remote_addresses(name, connection)}
                await asyncio.sleep(0.01)  # Nobody is told of it.
        assert not {5007, 5008} & ports


@each
@asynchronous
async def test_of_very_many_candidates_most_are_dropped(name: str) -> None:
    def candidate(number: int) -> str:
        return f"candidate:1 1 udp 2113937151 127.0.{number // 250 + 1}.{number % 250 + 1} 5000 typ host"

    async with calling((name, name)) as ends:
        lines = "".join(f"a={candidate(number)}\r\n" for number in range(500))
        for kind in ("offer", "answer"):
            tamper(ends[0], kind, lambda sdp: sdp + lines)
        one, other = await open_channels(ends)
        for number in range(500, 1000):
            await ends[0].connection.add_candidate(Candidate(candidate(number), "0", 0))
        one.native.send(b"unharmed")
        await other.until(lambda it: it.messages)
        assert 100 < len(await remote_addresses(name, ends[0].connection)) <= 256 + 10


async def remote_addresses(name: str, connection: Any) -> set[tuple[str, int]]:
    if name == "aiortc":  # Its statistics have only the pair in use.
        return {(one.host, one.port) for one in connection._transport().transport._connection.remote_candidates}
    stats = await connection.get_stats()
    return {(one["address"], one["port"]) for one in stats.values() if one["type"] == "remote-candidate"}


def with_another_certificate(sdp: str) -> str:
    return re.sub(r"(fingerprint:\S+ )(..)", lambda found: found[1] + ("AB" if found[2] == "AA" else "AA"), sdp)


@each_with_each
@pytest.mark.parametrize("what", ["data", "media"])
@asynchronous
async def test_a_wrong_certificate_is_beyond_repair(pair: tuple[str, str], what: str) -> None:
    async with calling(pair) as ends:
        tamper(ends[1], "offer", with_another_certificate)
        if what == "data":
            Channel(ends[0].connection)
        else:
            ends[0].connection.add_track(LocalTrack("audio"), "0")
        await ends[1].until(lambda it: it.connection.connection_state == "failed")
        assert ends[1].connection.is_beyond_repair


@each
@asynchronous
async def test_who_waits_for_something_while_it_is_closed_gets_an_error(name: str) -> None:
    for passes in range(8):
        async with calling((name, name)) as ends:
            connection = ends[0].connection
            Channel(connection)
            sdp = await connection.offer()
            waiting = [asyncio.create_task(connection.accept_answer(sdp)) for _ in range(3)]
            for _ in range(passes):
                await asyncio.sleep(0)
            connection.close()
            for outcome in await asyncio.gather(*waiting, return_exceptions=True):
                assert isinstance(outcome, EngineError), repr(outcome)


@each
@asynchronous
async def test_a_description_without_directions_is_lived_with(name: str) -> None:
    async with calling((name, name)) as ends:
        first = [True]

        def without_directions(sdp: str) -> str:
            return sdp.replace("a=sendrecv\r\n", "") if first and first.pop() else sdp

        tamper(ends[1], "offer", without_directions)
        track = LocalTrack("audio")
        ends[0].connection.add_track(track, "microphone")
        await ends[1].connected()
        ends[0].connection.add_track(LocalTrack("video"), "camera")
        async with playing(track, tone):
            await ends[1].until(lambda it: len(it.tracks) == 2)
            await hear(next(one for one in ends[1].tracks if one.kind == "audio"), 0.1)


def with_codec_alone(sdp: str, codec: str) -> str:
    found = re.search(rf"^a=rtpmap:(\d+) {codec}/", sdp, re.MULTILINE)
    assert found is not None
    sdp = re.sub(r"^(m=audio \d+ \S+) [\d ]+", rf"\1 {found[1]}", sdp, flags=re.MULTILINE)
    return re.sub(rf"^a=(?:rtpmap|fmtp|rtcp-fb):(?!{found[1]} )[^\n]*\n", "", sdp, flags=re.MULTILINE)


@each_with_each
@pytest.mark.parametrize("codec", ["PCMU", "G722"])
@asynchronous
async def test_sound_is_of_48_khz_whatever_the_codec(pair: tuple[str, str], codec: str) -> None:
    async with calling(pair) as ends:
        tamper(ends[1], "offer", lambda sdp: with_codec_alone(sdp, codec))
        track = LocalTrack("audio")
        ends[0].connection.add_track(track, "telephone")
        async with playing(track, tone):
            frames = await hear(await one_track(ends[1]))
        assert {(frame.format.name, frame.sample_rate) for frame in frames} == {("s16", RATE)}
        assert hertz(frames) == pytest.approx(440, abs=5)
        times = [float(frame.pts * frame.time_base) for frame in frames if frame.pts is not None and frame.time_base]
        assert times[-1] - times[0] == pytest.approx(sum(frame.samples for frame in frames[:-1]) / RATE, abs=0.1)


@each
@asynchronous
async def test_empty_frames_are_refused_and_a_track_goes_on(name: str) -> None:
    async with calling((name, name)) as ends:
        track = LocalTrack("video")
        ends[0].connection.add_track(track, "camera")
        async with playing(track, lambda _: picture(90, format="rgb24")):
            remote = await one_track(ends[1])
            for _ in range(4):
                with pytest.raises(EngineError) as caught:
                    track.push(av.VideoFrame(0, 0, "rgb24"))
                assert caught.value.code == "frame_invalid"
            await see(remote, {90})


def large_picture(form: str) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.zeros((3240, 3840), np.uint8), "yuv420p").reformat(format=form)


@each
@pytest.mark.parametrize("form", ["yuv420p", "rgb24"])
@asynchronous
async def test_a_large_picture_is_pushed_at_once(name: str, form: str) -> None:
    engine = load_engine(name)
    connection = engine.create(IceConfiguration(), ConnectionPort())
    track = LocalTrack("video")
    connection.add_track(track, "screen")
    frame = large_picture(form)
    took = []
    for _ in range(5):
        start = time.perf_counter()
        track.push(frame)
        took.append(time.perf_counter() - start)
        await asyncio.sleep(0)
    assert min(took) < 0.001, took
    connection.close()
    engine.close()


@asynchronous
async def test_aiortc_converts_pictures_while_the_loop_goes_on() -> None:
    from sheetbend.client.engines.aiortc import Pipe

    pipe = Pipe("video")
    pipe.take(large_picture("rgb24"))
    received = asyncio.create_task(pipe.recv())
    rounds = 0
    while not received.done():
        rounds += 1
        await asyncio.sleep(0)
    assert rounds > 5
    assert (await received).format.name == "yuv420p"
    pipe.stop()


def test_what_waits_for_a_slow_decoder_is_bounded_and_a_key_frame_asked_for() -> None:
    from sheetbend.client.engines.aiortc import UNDECODED_FRAMES_MAX, Undecoded

    incomplete = threading.Event()
    waiting = Undecoded(incomplete)
    for number in range(UNDECODED_FRAMES_MAX):
        waiting.put(number)
    assert not incomplete.is_set()
    for number in range(100):
        waiting.put(number)
    waiting.put(None)
    assert incomplete.is_set()
    taken = []
    with pytest.raises(queue.Empty):
        while True:
            taken.append(waiting.get_nowait())
    assert taken == [*range(UNDECODED_FRAMES_MAX), None]
