"""Connections that are slow, hang, or break: TCP as an application sees it.

In each direction messages arrive in order or not at all, and only the end that is told knows that a connection is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from .scheduler import Scheduler

__all__ = ["Direction", "Link"]

KERNEL_BYTES = 4096
"""What the system takes of a sender although the receiver doesn't read."""

Item = bytes | tuple[int, str]
"""A message, or a close with code and reason."""


class Direction:
    """One way of a link."""

    def __init__(self, scheduler: Scheduler, random: Random, deliver: Callable[[Item], None]) -> None:
        self._scheduler = scheduler
        self._random = random
        self._deliver = deliver
        self._delay_s = random.uniform(0.005, 0.15)
        self._queue: deque[Item] = deque()
        self._is_due = False
        self.is_stuck = False
        """Nothing arrives until this ends; for ever, if it is a half-open connection."""
        self.is_cut = False

    @property
    def waiting_bytes(self) -> int:
        """What the sender could not give to its system."""
        return max(0, sum(len(item) for item in self._queue if isinstance(item, bytes)) - KERNEL_BYTES)

    def push(self, item: Item) -> None:
        if not self.is_cut:
            self._queue.append(item)
            self._schedule()

    def release(self) -> None:
        """It isn't stuck any more."""
        self.is_stuck = False
        self._schedule()

    def cut(self) -> None:
        """Lose what is on its way, and all that will be."""
        self.is_cut = True
        self._queue.clear()

    def _schedule(self) -> None:
        if self._queue and not self._is_due and not self.is_stuck:
            self._is_due = True
            self._scheduler.after(self._delay_s * self._random.uniform(0.5, 1.5), self._arrive)

    def _arrive(self) -> None:
        """Some of what waits arrives at once, as it would in one segment."""
        self._is_due = False
        if self.is_stuck:
            return
        for _ in range(self._random.randint(1, 2 * len(self._queue) or 1)):
            if not self._queue:
                break
            self._deliver(self._queue.popleft())
        self._schedule()


class Link:
    """Both ways between one client and the server."""

    def __init__(
        self,
        scheduler: Scheduler,
        random: Random,
        to_server: Callable[[Item], None],
        to_client: Callable[[Item], None],
    ) -> None:
        self.to_server = Direction(scheduler, random, to_server)
        self.to_client = Direction(scheduler, random, to_client)

    def stick(self) -> None:
        self.to_server.is_stuck = self.to_client.is_stuck = True

    def release(self) -> None:
        self.to_server.release()
        self.to_client.release()

    def cut(self) -> None:
        self.to_server.cut()
        self.to_client.cut()
