"""Queues of frames, and the names of tracks, without any engine."""

from __future__ import annotations

import asyncio

import pytest

from sheetbend.client.engines.tracks import FrameQueue, LocalTrack
from tests.client.engines.calls import picture, tone
from tests.support.in_process import asynchronous


@asynchronous
async def test_the_newest_frames_are_kept_and_the_others_counted() -> None:
    frames = FrameQueue(3)
    for number in range(8):
        frames.put(tone(number))
    frames.end()
    frames.put(tone(8))
    assert frames.dropped == 5
    assert [frame.pts async for frame in frames] == [tone(number).pts for number in (5, 6, 7)]


@asynchronous
async def test_a_reader_waits_for_a_frame_and_another_is_refused() -> None:
    frames = FrameQueue(3)
    reading = asyncio.create_task(anext(frames))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError):
        await anext(frames)
    frame = tone(0)
    frames.put(frame)
    assert await reading is frame
    reading = asyncio.create_task(anext(frames))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    frames.end()
    with pytest.raises(StopAsyncIteration):
        await anext(frames)


def test_takers_get_each_frame_until_they_are_detached() -> None:
    track = LocalTrack("video")
    taken: list[object] = []
    track.attach(taken.append)
    frame = picture(0)
    track.push(frame)
    track.detach(taken.append)
    track.detach(taken.append)
    track.push(frame)
    assert taken == [frame]


@pytest.mark.parametrize("name", ["with space", "line\r\nbreak", "x" * 65])
def test_a_name_that_can_t_stand_in_a_description_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="id of a stream or track"):
        LocalTrack("audio", name)
