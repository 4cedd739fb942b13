"""Audio and video, on each engine with each: what is pushed here is heard and seen there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction

import av
import numpy as np
import pytest

from sheetbend.client.engines.base import EngineError, LocalTrack, RemoteTrack
from tests.client.engines.calls import PAIRS, RATE, WAIT_S, Channel, End, calling, picture, shade, tone
from tests.support.in_process import asynchronous

each_with_each = pytest.mark.parametrize("pair", PAIRS, ids="-".join)

Maker = Callable[[int], av.AudioFrame | av.VideoFrame]


@asynccontextmanager
async def playing(track: LocalTrack, make: Maker) -> AsyncIterator[None]:
    """Pushes what `make` makes of 0, 1, 2 … in its own time: 20 ms of audio, or 25 pictures a second."""
    interval_s = 0.02 if track.kind == "audio" else 0.04

    async def push() -> None:
        loop = asyncio.get_running_loop()
        start, number = loop.time(), 0
        while True:
            track.push(make(number))
            number += 1
            await asyncio.sleep(start + number * interval_s - loop.time())

    task = asyncio.create_task(push())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def open_channels(ends: tuple[End, End]) -> None:
    """First of all, so that no track's place is the first of the description: a track may go, the first place can't."""
    for channel in [Channel(end.connection) for end in ends]:
        await channel.until(lambda one: one.is_open)


async def one_track(end: End, number: int = 1) -> RemoteTrack:
    await end.until(lambda it: len(it.tracks) >= number)
    return end.tracks[number - 1]


async def hear(track: RemoteTrack, seconds: float = 0.5) -> list[av.AudioFrame]:
    """That much sound, from the first that isn't silence on."""
    frames: list[av.AudioFrame] = []
    async with asyncio.timeout(WAIT_S):
        async for frame in track.frames:
            assert isinstance(frame, av.AudioFrame)
            if frames or np.abs(frame.to_ndarray().astype(int)).max() > 2000:
                frames.append(frame)
            if sum(one.samples for one in frames) >= seconds * RATE:
                break
    return frames


def hertz(frames: list[av.AudioFrame]) -> float:
    """The loudest frequency."""
    channels = frames[0].layout.nb_channels
    wave = np.concatenate([frame.to_ndarray().reshape(-1, channels)[:, 0] for frame in frames]).astype(float)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.argmax(spectrum) * frames[0].sample_rate / len(wave))


async def see(track: RemoteTrack, wanted: set[int], within: int = 12) -> None:
    """Until each of these shades was seen."""
    missing = set(wanted)
    async with asyncio.timeout(WAIT_S):
        async for frame in track.frames:
            assert isinstance(frame, av.VideoFrame)
            assert frame.format.name == "yuv420p"
            seen = shade(frame)
            missing = {one for one in missing if seen < 0 or abs(one - seen) > within}
            if not missing:
                return


@each_with_each
@pytest.mark.parametrize("channels", [1, 2])
@asynchronous
async def test_a_tone_is_heard_at_its_pitch(pair: tuple[str, str], channels: int) -> None:
    async with calling(pair) as ends:
        track = LocalTrack("audio")
        ends[0].connection.add_track(track, "microphone")
        async with playing(track, lambda number: tone(number, channels=channels)):
            remote = await one_track(ends[1])
            assert (remote.kind, remote.stream_ids, remote.id) == ("audio", ("microphone",), track.id)
            frames = await hear(remote)
        assert all((frame.format.name, frame.sample_rate) == ("s16", RATE) for frame in frames)
        assert hertz(frames) == pytest.approx(440, abs=5)
        times = [float(frame.pts * frame.time_base) for frame in frames if frame.pts is not None and frame.time_base]
        assert times[-1] - times[0] == pytest.approx(sum(frame.samples for frame in frames[:-1]) / RATE, abs=0.1)


@each_with_each
@asynchronous
async def test_audio_of_any_rate_and_format_is_taken(pair: tuple[str, str]) -> None:
    resampler = av.AudioResampler("fltp", "stereo", 44_100)

    def make(number: int) -> av.AudioFrame:
        [frame] = resampler.resample(tone(number, hertz=880, channels=2, rate=44_100))
        return frame

    async with calling(pair) as ends:
        track = LocalTrack("audio")
        ends[0].connection.add_track(track, "music")
        async with playing(track, make):
            assert hertz(await hear(await one_track(ends[1]))) == pytest.approx(880, abs=5)


@each_with_each
@asynchronous
async def test_a_moving_pattern_is_seen(pair: tuple[str, str]) -> None:
    shades = (30, 120, 210)
    async with calling(pair) as ends:
        track = LocalTrack("video")
        ends[0].connection.add_track(track, "camera")
        async with playing(track, lambda number: picture(shades[number // 8 % 3])):
            remote = await one_track(ends[1])
            assert (remote.kind, remote.stream_ids, remote.id) == ("video", ("camera",), track.id)
            await see(remote, set(shades))


@each_with_each
@pytest.mark.parametrize(("width", "height", "form"), [(322, 242, "rgb24"), (641, 361, "yuv420p")])
@asynchronous
async def test_pictures_of_any_format_and_size_are_taken(
    pair: tuple[str, str], width: int, height: int, form: str
) -> None:
    async with calling(pair) as ends:
        track = LocalTrack("video")
        ends[0].connection.add_track(track, "screen")
        async with playing(track, lambda _: picture(60, width, height, form)):
            await see(await one_track(ends[1]), {60})


@each_with_each
@asynchronous
async def test_pictures_keep_their_times(pair: tuple[str, str]) -> None:
    def make(number: int) -> av.VideoFrame:
        frame = picture(20 + number % 6 * 40)
        frame.pts, frame.time_base = number, Fraction(1, 25)
        return frame

    async with calling(pair) as ends:
        track = LocalTrack("video")
        ends[0].connection.add_track(track, "camera")
        async with playing(track, make):
            remote = await one_track(ends[1])
            numbers: list[int] = []
            times: list[float] = []
            async with asyncio.timeout(WAIT_S):
                async for frame in remote.frames:
                    assert isinstance(frame, av.VideoFrame)
                    assert frame.pts is not None
                    assert frame.time_base is not None
                    if (grey := shade(frame)) < 0:
                        continue
                    numbers.append(round((grey - 20) / 40))
                    times.append(float(frame.pts * frame.time_base))
                    if len(times) == 25:
                        break
        steps = np.diff(numbers) % 6  # On a busy machine some are left out.
        assert np.diff(times) == pytest.approx(steps * 0.04, abs=0.045)
        assert times[-1] - times[5] == pytest.approx(sum(steps[5:]) * 0.04, abs=0.1)


@each_with_each
@asynchronous
async def test_both_ends_send_both_at_once(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        pitches = (440.0, 660.0)
        audio = [LocalTrack("audio"), LocalTrack("audio")]
        video = [LocalTrack("video"), LocalTrack("video")]
        ends[0].connection.add_track(audio[0], "0")
        ends[0].connection.add_track(video[0], "0")
        await ends[1].until(lambda it: len(it.tracks) == 2)
        sender = ends[1].connection.add_track(audio[1], "1")
        ends[1].connection.add_track(video[1], "1")
        async with (
            playing(audio[0], lambda number: tone(number, pitches[0])),
            playing(audio[1], lambda number: tone(number, pitches[1])),
            playing(video[0], lambda _: picture(50)),
            playing(video[1], lambda _: picture(200)),
        ):
            for end, pitch, grey in ((ends[1], pitches[0], 50), (ends[0], pitches[1], 200)):
                await end.until(lambda it: len(it.tracks) == 2)
                kinds = {track.kind: track for track in end.tracks}
                assert hertz(await hear(kinds["audio"])) == pytest.approx(pitch, abs=5)
                await see(kinds["video"], {grey})
            gone = next(track for track in ends[0].tracks if track.kind == "audio")
            sender.stop()
            await ends[0].until(lambda it: gone in it.ended)
            remaining = next(track for track in ends[1].tracks if track.kind == "audio")
            assert hertz(await hear(remaining)) == pytest.approx(pitches[0], abs=5)


@each_with_each
@asynchronous
async def test_tracks_are_added_replaced_and_removed_in_mid_call(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        await open_channels(ends)
        low, high = LocalTrack("audio"), LocalTrack("audio")
        async with playing(low, tone), playing(high, lambda number: tone(number, 880)):
            sender = ends[0].connection.add_track(low, "microphone")
            first = await one_track(ends[1])
            assert hertz(await hear(first)) == pytest.approx(440, abs=5)

            camera = LocalTrack("video")
            ends[0].connection.add_track(camera, "camera")
            async with playing(camera, lambda _: picture(90)):
                await see(await one_track(ends[1], 2), {90})

            negotiated = ends[1].calls.count("negotiated")
            await sender.replace(high)
            assert sender.track is high
            async with asyncio.timeout(WAIT_S):
                while hertz(await hear(first, 0.2)) < 800:
                    pass
            assert ends[1].calls.count("negotiated") == negotiated
            with pytest.raises(EngineError):
                await sender.replace(camera)

            sender.stop()
            sender.stop()
            await ends[1].until(lambda it: first in it.ended)
            assert first.is_ended
            async with asyncio.timeout(WAIT_S):
                async for _ in first.frames:
                    pass
            with pytest.raises(EngineError):
                await sender.replace(low)

            ends[0].connection.add_track(low, "microphone-again")
            frames: list[av.AudioFrame] = []
            while not frames:  # The other end may stop the place in which it came first: it comes again in another.
                await ends[1].until(lambda it: len(it.tracks) == 2)
                again = next(track for track in ends[1].tracks if track.kind == "audio")
                assert again.stream_ids == ("microphone-again",)
                frames = await hear(again)
            assert hertz(frames) == pytest.approx(440, abs=5)


@each_with_each
@asynchronous
async def test_a_description_doesn_t_grow_with_tracks_that_come_and_go(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        await open_channels(ends)
        for number in range(6):
            sender = ends[0].connection.add_track(LocalTrack("video"), f"screen-{number}")
            await ends[1].until(lambda it: it.tracks)
            assert ends[1].tracks[0].stream_ids == (f"screen-{number}",)
            sender.stop()
            await ends[1].until(lambda it: not it.tracks)
            for end in ends:
                await end.until(lambda it: it.connection.signaling_state == "stable")
        sections = re.findall(r"^m=video (\d+)", ends[0].connection.local_description or "", re.MULTILINE)
        assert len(sections) <= 2 or (pair[0] == "aiortc" and sections.count("0") >= len(sections) - 2)


@each_with_each
@asynchronous
async def test_what_isn_t_received_isn_t_sent_until_it_is_again(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        track = LocalTrack("audio")
        ends[0].connection.add_track(track, "microphone")
        async with playing(track, tone):
            remote = await one_track(ends[1])
            await hear(remote)
            ends[1].connection.set_receiving(False)
            await ends[1].until(lambda it: remote in it.ended)
            await ends[0].until(lambda it: "a=inactive" in (it.connection.remote_description or ""))
            ends[0].connection.add_track(LocalTrack("video"), "camera")
            await ends[0].until(lambda it: "m=video" in (it.connection.remote_description or ""))
            assert ends[1].tracks == []
            ends[1].connection.set_receiving(True)
            await ends[1].until(lambda it: len(it.tracks) == 2)
            again = next(track for track in ends[1].tracks if track.kind == "audio")
            assert hertz(await hear(again)) == pytest.approx(440, abs=5)


@each_with_each
@asynchronous
async def test_who_is_expected_to_send_may_answer_with_tracks(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        ends[1].negotiates = False
        track = LocalTrack("audio")
        ends[1].connection.add_track(track, "microphone")
        ends[0].connection.expect("audio")
        ends[0].connection.expect("video")
        async with playing(track, tone):
            await ends[0].until(lambda it: it.connection.signaling_state == "stable" and "negotiated" in it.calls)
            if not ends[0].tracks and not ends[1].calls.count(
                "needed"
            ):  # It may keep the track for a place of its own.
                ends[1].start_offer()
            assert hertz(await hear(await one_track(ends[0]))) == pytest.approx(440, abs=5)


@each_with_each
@asynchronous
async def test_frames_that_nobody_reads_are_dropped_and_counted(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        track = LocalTrack("video")
        ends[0].connection.add_track(track, "camera")
        async with playing(track, lambda number: picture(number % 200)):
            remote = await one_track(ends[1])
            async with asyncio.timeout(WAIT_S):
                while remote.frames.dropped < 5:  # noqa: ASYNC110 - nobody is told of a frame that is dropped
                    await asyncio.sleep(0.05)
            dropped = remote.frames.dropped
            frame = await anext(aiter(remote.frames))
            assert isinstance(frame, av.VideoFrame)
            assert remote.frames.dropped >= dropped


@each_with_each
@asynchronous
async def test_stats_tell_of_streams_by_w3cs_names(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        audio, video = LocalTrack("audio"), LocalTrack("video")
        ends[0].connection.add_track(audio, "0")
        ends[0].connection.add_track(video, "0")
        async with playing(audio, tone), playing(video, lambda _: picture(100)):
            await ends[1].until(lambda it: len(it.tracks) == 2)
            kinds = {track.kind: track for track in ends[1].tracks}
            await hear(kinds["audio"])
            await see(kinds["video"], {100})
            stats = [list((await end.connection.get_stats()).values()) for end in reversed(ends)]
        stats.reverse()
        for kind in ("audio", "video"):
            [sent] = [one for one in stats[0] if one["type"] == "outbound-rtp" and one["kind"] == kind]
            [received] = [one for one in stats[1] if one["type"] == "inbound-rtp" and one["kind"] == kind]
            assert sent["ssrc"] == received["ssrc"]
            assert sent["packetsSent"] >= received["packetsReceived"] > 0
            assert sent["bytesSent"] > 0
            assert "jitter" in received
            assert "packetsLost" in received


@each_with_each
@asynchronous
async def test_a_frame_of_another_kind_is_refused_and_close_ends_tracks(pair: tuple[str, str]) -> None:
    async with calling(pair) as ends:
        track = LocalTrack("audio")
        ends[0].connection.add_track(track, "0")
        with pytest.raises(EngineError) as caught:
            track.push(picture(0))
        assert caught.value.code == "frame_invalid"
        async with playing(track, tone):
            remote = await one_track(ends[1])
            await hear(remote, 0.1)
            ends[1].connection.close()
            async with asyncio.timeout(WAIT_S):
                async for _ in remote.frames:
                    pass
            assert remote.is_ended
            ends[0].connection.close()
        track.push(tone(0))
