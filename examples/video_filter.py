"""Sends everybody back what they show, outlined in white: python video_filter.py http://localhost:8080/r/demo"""

import asyncio
import sys
from collections.abc import AsyncIterator

import numpy as np
from numpy.typing import NDArray

import sheetbend
from sheetbend import RemoteTrack, TrackReceived, VideoSource


async def main(url: str) -> None:
    async with sheetbend.connect(url, name="filter") as room, asyncio.TaskGroup() as filters:
        async for event in room:
            match event:
                case TrackReceived(_, track) if track.kind == "video":
                    filters.create_task(send_back(room, track))


async def send_back(room: sheetbend.Room, track: RemoteTrack) -> None:
    async with VideoSource(filtered(track), fps=None) as source:
        publication = await room.publish(source.track, label="filtered")
        await source.finished()
        publication.unpublish()


async def filtered(track: RemoteTrack) -> AsyncIterator[NDArray[np.uint8]]:
    async for frame in track:
        yield await asyncio.to_thread(outlines, frame.to_ndarray(format="rgb24"))


def outlines(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = picture.astype(np.int16).mean(axis=2)
    edges = np.abs(np.diff(grey, axis=0, prepend=grey[:1])) + np.abs(np.diff(grey, axis=1, prepend=grey[:, :1]))
    return np.repeat(np.clip(edges * 4, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
