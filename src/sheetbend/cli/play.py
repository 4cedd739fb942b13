"""`sheetbend play`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from .room_options import RoomOptions, console, ended, first_done, joined, run_in_room

if TYPE_CHECKING:
    from ..client import Room

__all__ = ["play"]


def play(
    media: str,
    url: str,
    *,
    loop: Annotated[bool, Parameter(negative="")] = False,
    format: str | None = None,  # noqa: A002
    label: str = "camera",
    options: Annotated[RoomOptions, Parameter(name="*")] = RoomOptions(),  # noqa: B008
) -> None:
    """Play a film, a song, a stream or a device to a room.

    Begins when somebody is there, and ends with it.

    Parameters
    ----------
    media
        What FFmpeg reads: a file, a URL, or a device such as /dev/video0.
    url
        The room's link.
    loop
        Begin again at the end.
    format
        FFmpeg's word for what a device is: v4l2, alsa, x11grab.
    label
        What it is: camera, screen, or another word.
    """
    run_in_room(_play(media, url, format, label, options, loop=loop))


async def _play(
    media: str,
    url: str,
    format: str | None,  # noqa: A002
    label: str,
    options: RoomOptions,
    *,
    loop: bool,
) -> int:
    from ..client.media import MediaPlayer

    async with joined(url, options, "play") as room:
        console.print("Waiting for somebody to watch.")
        await _until_watched(room)
        async with MediaPlayer(media, format=format, loop=loop) as player:
            await room.publish(*player.tracks, label=label)
            console.print(f"Playing {media}.")
            await first_done(player.finished(), _until_over(room))
    return 0


async def _until_watched(room: Room) -> None:
    from ..client import ConnectionChanged

    async for event in room:
        if isinstance(event, ConnectionChanged) and event.connection == "connected":
            return
        ended(event)


async def _until_over(room: Room) -> None:
    async for event in room:
        ended(event)
