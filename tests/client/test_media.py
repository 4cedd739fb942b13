"""Files, arrays and tracks: what is played is what was there, at its time; what is recorded plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from sheetbend.client.engines.tracks import FrameQueue, LocalTrack, RemoteTrack
from sheetbend.client.media import AudioSource, MediaPlayer, MediaRecorder, VideoSource
from sheetbend.client.media.player import MediaError
from tests.support.in_process import asynchronous

RATE = 48_000
WIDTH, HEIGHT = 160, 120


def tone(seconds: float, frequency_hz: float = 440.0) -> np.ndarray[Any, np.dtype[np.int16]]:
    times = np.arange(round(seconds * RATE)) / RATE
    return (np.sin(2 * np.pi * frequency_hz * times) * 12_000).astype(np.int16)


def frequency_of(samples: np.ndarray[Any, Any]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE / len(samples))


def picture(number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A white bar that moves 4 pixels a frame."""
    array = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    array[:, number * 4 % WIDTH : number * 4 % WIDTH + 16] = 255
    return array


def bar_of(frame: av.VideoFrame) -> float:
    return float(np.mean(np.flatnonzero(frame.to_ndarray(format="gray").mean(axis=0) > 128)))


def make_film(path: Path, seconds: float = 1.0) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        for number in range(round(25 * seconds)):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")))
        frame = av.AudioFrame.from_ndarray(tone(seconds).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        resampler = av.AudioResampler("fltp", "mono", RATE, 1024)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(audio.encode(part))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


class Ear:
    """Notes what a local track pushes, and when."""

    def __init__(self, track: LocalTrack) -> None:
        self.frames: list[Any] = []
        self.at: list[float] = []
        self._more = asyncio.Event()
        track.attach(self.take)

    def take(self, frame: Any) -> None:
        self.frames.append(frame)
        self.at.append(asyncio.get_running_loop().time())
        self._more.set()

    async def has(self, count: int) -> None:
        while len(self.frames) < count:
            self._more.clear()
            await self._more.wait()


def wired(track: LocalTrack) -> RemoteTrack:
    """The other end of a track, without an engine in between."""
    frames = FrameQueue(100)
    track.attach(frames.put)
    return RemoteTrack(track.kind, track.id, (), frames)


def test_a_film_is_played_at_its_own_pace_with_all_its_pictures_and_sound(tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        async with MediaPlayer(make_film(tmp_path / "film.mp4")) as player:
            assert [track.kind for track in player.tracks] == ["video", "audio"]
            assert player.video is not None
            assert player.audio is not None
            eye, ear = Ear(player.video), Ear(player.audio)
            await player.finished()
        assert len(eye.frames) == 25
        assert 0.9 < eye.at[-1] - eye.at[0] < 1.5
        assert np.allclose(np.diff([frame.time for frame in eye.frames]), 0.04, atol=0.001)
        assert {(frame.samples, frame.sample_rate) for frame in ear.frames[:-1]} == {(960, RATE)}
        sound = np.concatenate([frame.to_ndarray().reshape(-1, 2)[:, 0] for frame in ear.frames])
        assert abs(len(sound) / RATE - 1) < 0.05
        assert abs(frequency_of(sound) - 440) < 3

    run()


def test_a_film_in_a_loop_goes_on_in_time(tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        async with MediaPlayer(make_film(tmp_path / "film.mp4", 0.4), loop=True) as player:
            assert player.video is not None
            eye = Ear(player.video)
            async with asyncio.timeout(20):
                await eye.has(25)
        times = [frame.time for frame in eye.frames[:25]]
        assert times == sorted(times)
        assert times[-1] > 0.8

    run()


@pytest.mark.parametrize("content", [None, b"not a film"])
def test_what_is_no_film_is_said(content: bytes | None, tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        path = tmp_path / "film.mp4"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(MediaError, match=r"film\.mp4") as failed:
            async with MediaPlayer(path):
                pass
        assert failed.value.code == "media_unreadable"

    run()


def test_arrays_become_frames_at_their_times() -> None:
    async def pictures() -> AsyncIterator[Any]:
        for number in range(10):
            yield picture(number)

    async def sound() -> AsyncIterator[Any]:
        whole = tone(0.5) / 12_000
        for start in range(0, len(whole), 1000):
            yield whole[start : start + 1000].astype(np.float32)

    @asynchronous
    async def run() -> None:
        async with VideoSource(pictures(), fps=50) as video, AudioSource(sound()) as audio:
            eye, ear = Ear(video.track), Ear(audio.track)
            await asyncio.gather(video.finished(), audio.finished())
        assert [round(frame.time, 3) for frame in eye.frames] == [number / 50 for number in range(10)]
        assert [bar_of(frame) for frame in eye.frames] == pytest.approx(
            [number * 4 + 7.5 for number in range(10)], abs=1
        )
        assert [frame.pts for frame in ear.frames] == list(range(0, 24_000, 1000))
        assert eye.at[-1] - eye.at[0] >= 0.17
        assert abs(frequency_of(np.concatenate([frame.to_ndarray()[0] for frame in ear.frames])) - 440) < 3

    run()


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_an_array_that_is_no_picture_is_said(wrong: Any) -> None:
    async def pictures() -> AsyncIterator[Any]:
        yield wrong

    @asynchronous
    async def run() -> None:
        async with VideoSource(pictures()) as source:
            with pytest.raises(ValueError, match="height, width, 3"):
                await source.finished()

    run()


@pytest.mark.parametrize("suffix", ["webm", "mkv", "mp4"])
def test_a_recording_has_the_pictures_and_the_sound(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"call.{suffix}"

    @asynchronous
    async def run() -> None:
        async with MediaPlayer(make_film(tmp_path / "film.mp4", 2.0)) as player, MediaRecorder(path) as recorder:
            tracks = [wired(track) for track in player.tracks]
            for track in tracks:
                recorder.add(track)
            await player.finished()
            for track in tracks:
                track.end()
            await recorder.finished()
            assert recorder.left_out == 0
            assert [track.frames.dropped for track in tracks] == [0, 0]

    run()
    with av.open(str(path)) as container:
        bars = [bar_of(frame) for frame in container.decode(video=0)]
    assert len(bars) >= 48
    assert np.median(np.diff(bars[:30])) == pytest.approx(4, abs=0.5)
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("s16", "mono", RATE)
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    sound = np.concatenate([part.to_ndarray()[0] for part in parts])
    assert abs(len(sound) / RATE - 2) < 0.15
    assert abs(frequency_of(sound) - 440) < 3


def test_sound_alone_can_be_recorded(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"

    async def sound() -> AsyncIterator[Any]:
        for _ in range(20):
            yield tone(0.02)

    @asynchronous
    async def run() -> None:
        async with AudioSource(sound()) as source, MediaRecorder(path) as recorder:
            track = wired(source.track)
            recorder.add(track)
            await source.finished()
            track.end()
            await recorder.finished()

    run()
    with av.open(str(path)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == pytest.approx(0.4 * RATE, abs=1000)


def test_a_place_that_takes_no_file_is_said(tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        with pytest.raises(MediaError, match="nowhere") as failed:
            async with MediaRecorder(tmp_path / "nowhere" / "call.webm"):
                pass
        assert failed.value.code == "media_unwritable"

    run()
