"""`sheetbend chat`."""

from __future__ import annotations

import asyncio
import readline
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ..errors import SheetbendError
from .room_options import RoomOptions, ended, first_done, joined, run_in_room, shown

if TYPE_CHECKING:
    from ..client import Event, Room, RoomMessage

__all__ = ["chat"]

_PROMPT = "> "
_LINES_MAX = 64
"""Typed, or piped in, and not sent yet."""


def chat(
    url: str,
    *,
    options: Annotated[RoomOptions, Parameter(name="*")] = RoomOptions(),  # noqa: B008
) -> None:
    """Talk in a room.

    What is typed is said, what others say is printed. Ends with the input (Ctrl+D).

    Parameters
    ----------
    url
        The room's link.
    """
    run_in_room(_chat(url, options))


async def _chat(url: str, options: RoomOptions) -> int:
    async with joined(url, options, "chat", with_engine=False) as room:
        terminal = _Terminal()
        for message in room.history.messages:
            terminal.print(_spoken(message))
        await first_done(_talk(room, terminal), _listen(room, terminal))
    return 0


async def _talk(room: Room, terminal: _Terminal) -> None:
    async for line in terminal.lines():
        if text := line.strip():
            try:
                await room.send({"type": "chat", "text": text})
            except SheetbendError as error:
                terminal.print([f"Not sent: {shown(error.sentence)}"])


async def _listen(room: Room, terminal: _Terminal) -> None:
    async for event in room:
        ended(event)
        terminal.print(_told(event))


def _told(event: Event) -> Iterable[str]:
    from ..client import GapOccurred, MemberJoined, MemberLeft, RoomMessageReceived, StateChanged

    match event:
        case RoomMessageReceived(message) if not message.is_own:
            return _spoken(message)
        case MemberJoined(member):
            return [f"* {_name(member.name)} is here"]
        case MemberLeft(member, _):
            return [f"* {_name(member.name)} left"]
        case GapOccurred(complete=False):
            return ["* Some messages may be missing"]
        case StateChanged("reconnecting"):
            return ["* Reconnecting"]
        case _:
            return []


def _spoken(message: RoomMessage) -> Iterable[str]:
    """Nothing for messages that aren't chat."""
    text = _text(message.data)
    if text is None:
        return []
    at = time.strftime("%H:%M", time.localtime(message.time))
    return [f"{at} {_name(message.sender.name)}: {shown(line)}" for line in text.splitlines()]


def _text(data: Any) -> str | None:
    if not isinstance(data, dict) or data.get("type", "chat") != "chat":
        return None
    text = data.get("text")
    return text if isinstance(text, str) else None


def _name(name: str) -> str:
    return shown(name) or "somebody"


class _Terminal:
    """Lines in, without holding up the loop, and lines out, above what is being typed."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue(_LINES_MAX)

    async def lines(self) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        # A daemon: nothing else can end the wait for a line.
        threading.Thread(target=self._read, args=(loop,), name="chat input", daemon=True).start()
        while (line := await self._lines.get()) is not None:
            yield line

    def print(self, lines: Iterable[str]) -> None:
        for line in lines:
            if self._is_terminal:
                print(f"\r\x1b[K{line}\n{_PROMPT}{readline.get_line_buffer()}", end="", flush=True)
            else:
                print(line, flush=True)

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        line: str | None = ""
        while line is not None:
            try:
                line = input(_PROMPT) if self._is_terminal else sys.stdin.readline() or None
            except (EOFError, UnicodeDecodeError):
                line = None
            try:
                asyncio.run_coroutine_threadsafe(self._lines.put(line), loop).result()
            except RuntimeError:
                return  # the loop is closed: nobody talks any more
