"""Records the first call it finds into one file: python recorder.py http://localhost:8080/r/demo call.webm"""

import asyncio
import sys

import sheetbend
from sheetbend import MediaRecorder, MemberLeft, TrackReceived


async def main(url: str, path: str) -> None:
    async with sheetbend.connect(url, name="recorder") as room, MediaRecorder(path) as recorder:
        async for event in room:
            match event:
                case TrackReceived(member, track, label):
                    print(f"{member.name}: {label}, {track.kind}")
                    recorder.add(track)
                case MemberLeft() if not room.members:
                    break


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
