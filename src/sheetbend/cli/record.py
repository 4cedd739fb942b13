"""`sheetbend record`."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ..errors import ConfigurationError
from .room_options import RoomOptions, console, ended, joined, run_in_room, shown

if TYPE_CHECKING:
    from ..client import Member, RemoteTrack, Room
    from ..client.media import MediaRecorder

__all__ = ["record"]

_TOGETHER_S = 1.0
"""Tracks of one stream that come within this are recorded into one file."""


def record(
    url: str,
    *,
    folder: Path = Path(),
    format: Literal["webm", "mp4", "mkv"] = "webm",  # noqa: A002
    seconds: float | None = None,
    options: Annotated[RoomOptions, Parameter(name="*")] = RoomOptions(),  # noqa: B008
) -> None:
    """Record what everybody in a room shows and says.

    A file each, until Ctrl+C. Prints where they are.

    Parameters
    ----------
    url
        The room's link.
    folder
        Where to put the files; left out: here.
    format
        Of the files.
    seconds
        End after so long.
    """
    if not folder.is_dir():
        raise ConfigurationError("unreadable_file", f"There is no folder {folder}.")
    run_in_room(_record(url, folder, format, seconds, options))


async def _record(url: str, folder: Path, format: str, seconds: float | None, options: RoomOptions) -> int:  # noqa: A002
    recording = _Recording(folder, format)
    async with joined(url, options, "record") as room:
        console.print("Recording. Ctrl+C ends it.")
        try:
            async with asyncio.timeout(seconds):
                await recording.run(room)
        except TimeoutError:
            pass
        finally:
            await recording.end()
    return 0


@dataclass
class _File:
    """What somebody shows under one label, as long as it lasts."""

    path: Path
    began_at: float
    tracks: list[RemoteTrack] = field(default_factory=list)
    recorder: MediaRecorder | None = None

    def add(self, track: RemoteTrack) -> None:
        self.tracks.append(track)
        if self.recorder is not None:
            self.recorder.add(track)

    async def write(self) -> None:
        from ..client.media import MediaRecorder

        try:
            async with MediaRecorder(self.path) as self.recorder:
                for track in self.tracks:
                    self.recorder.add(track)
                recorded = 0
                while recorded < len(self.tracks):
                    recorded = len(self.tracks)
                    await self.recorder.finished()
        finally:
            self.recorder = None
            if self.path.stat().st_size > 0:
                print(self.path, flush=True)
            else:
                self.path.unlink()


@dataclass
class _Recording:
    folder: Path
    format: str
    files: dict[tuple[Member, str], _File] = field(default_factory=dict)
    writing: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, room: Room) -> None:
        from ..client import TrackReceived

        async for event in room:
            match event:
                case TrackReceived(member, track, label):
                    self.add(member, track, label)
                case _:
                    ended(event)

    def add(self, member: Member, track: RemoteTrack, label: str) -> None:
        now = asyncio.get_running_loop().time()
        file = self.files.get((member, label))
        if file is None or now - file.began_at > _TOGETHER_S:
            file = self.files[member, label] = _File(self.path(member, label), now)
            writing = asyncio.create_task(file.write())
            self.writing.add(writing)
            writing.add_done_callback(self.written)
        file.add(track)

    def path(self, member: Member, label: str) -> Path:
        from ..client import safe_name

        stem = f"{member.name or 'somebody'} {label} {time.strftime('%Y-%m-%d %H.%M.%S')}"
        path = self.folder / safe_name(f"{stem}.{self.format}")
        number = 2
        while path.exists():
            path = self.folder / safe_name(f"{stem} ({number}).{self.format}")
            number += 1
        path.touch()
        return path

    def written(self, writing: asyncio.Task[None]) -> None:
        self.writing.discard(writing)
        if not writing.cancelled() and (error := writing.exception()) is not None:
            console.print(f"sheetbend: {shown(str(error))}")

    async def end(self) -> None:
        writing = list(self.writing)
        for each in writing:
            each.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
