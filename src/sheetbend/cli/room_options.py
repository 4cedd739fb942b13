"""What commands that go into a room have in common."""

from __future__ import annotations

import asyncio
import sys
import unicodedata
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import uvloop
from cyclopts import Parameter
from rich.console import Console

from ..errors import ConfigurationError, SheetbendError
from .doctor import any_certificate

if TYPE_CHECKING:
    from ..client import Event, Room

__all__ = ["RoomOptions", "console", "ended", "first_done", "joined", "run_in_room", "shown"]

_FAILED = 1

console = Console(stderr=True, highlight=False, markup=False)
"""Results go to standard output, everything else here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomOptions:
    """What every command in a room takes."""

    name: Annotated[str, Parameter(show_default=False)] = ""
    """What others see; left out: the command's name."""
    token: Annotated[str | None, Parameter(env_var="SHEETBEND_TOKEN", show_env_var=False)] = None
    """For --auth token; or set SHEETBEND_TOKEN."""
    relay_only: Annotated[bool, Parameter(negative="")] = False
    """Give no member an address of this machine."""
    engine: Literal["wrtc", "aiortc"] = "wrtc"
    """What does WebRTC: aiortc is an extra."""
    insecure: Annotated[bool, Parameter(negative="")] = False
    """Take any certificate, as of --tls auto."""


@asynccontextmanager
async def joined(url: str, options: RoomOptions, name: str, *, with_engine: bool = True) -> AsyncIterator[Room]:
    """Be in the room that a link such as https://host/r/demo#secret names, as `name` if no other is asked for."""
    from ..client import connect

    async with connect(
        url,
        name=options.name or name,
        token=options.token,
        relay_only=options.relay_only,
        tls=any_certificate() if options.insecure else None,
        engine=options.engine if with_engine else None,
    ) as room:
        yield room


def run_in_room(work: Coroutine[Any, Any, int]) -> None:
    """Run a command, and end with its exit status. What goes wrong in the room costs one sentence and status 1."""
    try:
        status = uvloop.run(work)
    except ConfigurationError:
        raise
    except SheetbendError as error:
        console.print(f"sheetbend: {shown(error.sentence)}", soft_wrap=True)
        status = _FAILED
    sys.exit(status)


def shown(text: str) -> str:
    """`text` of somebody else, with nothing in it that a terminal would obey."""
    return "".join(" " if unicodedata.category(each)[0] == "C" else each for each in text)


def ended(event: Event) -> None:
    """Raise what ended the room, if `event` is its end."""
    from ..client import RoomClosed

    if isinstance(event, RoomClosed) and event.reason.error is not None:
        raise event.reason.error


async def first_done(*work: Coroutine[Any, Any, Any]) -> None:
    """Return when the first of these is done, or raise what it raised; cancel the others."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
