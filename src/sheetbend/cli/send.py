"""`sheetbend send`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..errors import ConfigurationError, SheetbendError
from .progress import Bars
from .room_options import RoomOptions, ended, joined, run_in_room, shown

if TYPE_CHECKING:
    from ..client import Member, Room

__all__ = ["send"]


def send(
    *files_and_url: str,
    to: str | None = None,
    options: Annotated[RoomOptions, Parameter(name="*")] = RoomOptions(),  # noqa: B008
) -> None:
    """Send files to who is in a room, or comes into it.

    Ends when somebody has them all. A file that broke off goes on where it did.

    Parameters
    ----------
    files_and_url
        FILE... URL: the files, then the room's link.
    to
        Only to members of this name.
    """
    *names, url = files_and_url or ("",)
    if not names:
        raise ConfigurationError("no_files", "send takes files and a room's link: sheetbend send FILE... URL.")
    files = [Path(name) for name in names]
    for file in files:
        if not file.is_file():
            raise ConfigurationError("unreadable_file", f"There is no file {file}.")
    run_in_room(_send(files, url, to, options))


async def _send(files: Sequence[Path], url: str, to: str | None, options: RoomOptions) -> int:
    async with joined(url, options, "send") as room:
        with Bars() as bars:
            await _Sending(files, to, bars).run(room)
    return 0


@dataclass
class _Sending:
    files: Sequence[Path]
    to: str | None
    bars: Bars
    deliveries: dict[Member, asyncio.Task[None]] = field(default_factory=dict)
    accepted: set[Member] = field(default_factory=set)
    served: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, room: Room) -> None:
        from ..client import MemberJoined, MemberLeft

        self.bars.say("Waiting for somebody to take it: sheetbend receive URL, or the link in a browser.")
        serving = asyncio.ensure_future(self.served.wait())
        events = aiter(room)
        try:
            while True:
                coming = asyncio.ensure_future(anext(events, None))
                await asyncio.wait((serving, coming), return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    return
                match coming.result():
                    case MemberJoined(member) if self.to in (None, member.name):
                        self.deliveries[member] = asyncio.create_task(self.deliver(member))
                    case MemberLeft(member, _) if member in self.deliveries:
                        self.deliveries.pop(member).cancel()
                        self.accepted.discard(member)
                    case None:
                        return
                    case event:
                        ended(event)
        finally:
            serving.cancel()
            for delivery in self.deliveries.values():
                delivery.cancel()
            await asyncio.gather(serving, *self.deliveries.values(), return_exceptions=True)

    async def deliver(self, member: Member) -> None:
        try:
            for number, file in enumerate(self.files, 1):
                await self.deliver_file(member, file, left=len(self.files) - number)
        except SheetbendError as error:
            self.bars.say(f"{shown(member.name)}: {shown(error.sentence)}")
            self.accepted.discard(member)
            return
        self.bars.say(f"{shown(member.name)} has everything.")
        self.accepted.discard(member)
        if not self.accepted:
            self.served.set()

    async def deliver_file(self, member: Member, file: Path, *, left: int) -> None:
        with self.bars.bar(f"{file.name} → {shown(member.name)}") as bar:

            def progress(done: int, size: int) -> None:
                self.accepted.add(member)
                bar.update(done, size)

            await member.send_file(file, left=left, progress=progress)
