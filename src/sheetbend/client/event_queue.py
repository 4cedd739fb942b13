"""What happened in a room and nobody has read yet, in order and bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from .events import Event
from .limits import ClientLimits

__all__ = ["EventQueue"]

_EVENT_BYTES = 256
"""What an event takes besides the bytes in it."""


class EventQueue:
    """`overflowed` is called once, when one event more came than `limits` lets wait; that one is not kept.

    After `end` nothing is taken any more; what waits can still be read.
    """

    def __init__(self, limits: ClientLimits, overflowed: Callable[[], None]) -> None:
        self._limits = limits
        self._overflowed = overflowed
        self._events: deque[tuple[Event, int]] = deque()
        self._bytes = 0
        self._is_full = False
        self._is_ended = False
        self._waiter: asyncio.Future[None] | None = None

    def put(self, event: Event, size: int = 0) -> None:
        """`size` is how many bytes the event holds."""
        if self._is_ended or self._is_full:
            return
        size += _EVENT_BYTES
        limits = self._limits
        if len(self._events) >= limits.events_max or self._bytes + size > limits.events_bytes_max:
            self._is_full = True
            self._overflowed()
            return
        self._append(event, size)

    def end(self, event: Event) -> None:
        """Put the last event, for which there is always room."""
        if not self._is_ended:
            self._is_ended = True
            self._append(event, 0)

    async def get(self) -> Event | None:
        """The next event; None behind the last one. Raises RuntimeError while another task waits for it."""
        while not self._events:
            if self._is_ended:
                return None
            if self._waiter is not None:
                raise RuntimeError("Another task reads this room's events.")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        event, size = self._events.popleft()
        self._bytes -= size
        return event

    def _append(self, event: Event, size: int) -> None:
        self._events.append((event, size))
        self._bytes += size
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
