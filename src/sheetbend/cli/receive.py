"""`sheetbend receive`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..errors import ConfigurationError, SheetbendError
from .progress import Bars
from .room_options import RoomOptions, ended, first_done, joined, run_in_room, shown

if TYPE_CHECKING:
    from ..client import FileOffer, Member, Room

__all__ = ["receive"]


def receive(
    url: str,
    *,
    folder: Path = Path(),
    sender: Annotated[str | None, Parameter(name="--from")] = None,
    stay: Annotated[bool, Parameter(negative="")] = False,
    options: Annotated[RoomOptions, Parameter(name="*")] = RoomOptions(),  # noqa: B008
) -> None:
    """Take the files that somebody in a room sends.

    Prints where they are, and ends behind the last of them. A file that broke off goes on where it did when it is sent
    again.

    Parameters
    ----------
    url
        The room's link.
    folder
        Where to put them; left out: here.
    sender
        Only from members of this name.
    stay
        Go on taking files, until Ctrl+C.
    """
    if not folder.is_dir():
        raise ConfigurationError("unreadable_file", f"There is no folder {folder}.")
    run_in_room(_receive(url, folder, sender, options, stay=stay))


async def _receive(url: str, folder: Path, sender: str | None, options: RoomOptions, *, stay: bool) -> int:
    async with joined(url, options, "receive") as room:
        with Bars() as bars:
            await _take_files(room, folder, sender, bars, stay=stay)
    return 0


async def _take_files(room: Room, folder: Path, sender: str | None, bars: Bars, *, stay: bool) -> None:
    from ..client import FileOffered

    bars.say("Waiting for files: sheetbend send FILE URL, or the link in a browser.")
    over = asyncio.Event()
    transfers: set[asyncio.Task[None]] = set()

    async def take(member: Member, offer: FileOffer) -> None:
        with bars.bar(f"{offer.name} ← {shown(member.name)}") as bar:
            try:
                path = await offer.accept(folder, progress=bar.update)
            except SheetbendError as error:
                bars.say(f"{shown(member.name)}: {shown(error.sentence)}")
                return
        bars.result(str(path))
        if not offer.left and len(transfers) == 1 and not stay:
            over.set()

    async def read_events() -> None:
        async for event in room:
            match event:
                case FileOffered(member, offer) if sender in (None, member.name):
                    transfer = asyncio.create_task(take(member, offer))
                    transfers.add(transfer)
                    transfer.add_done_callback(transfers.discard)
                case FileOffered(_, offer):
                    await offer.decline()
                case _:
                    ended(event)

    try:
        await first_done(over.wait(), read_events())
    finally:
        for transfer in transfers:
            transfer.cancel()
        await asyncio.gather(*transfers, return_exceptions=True)
