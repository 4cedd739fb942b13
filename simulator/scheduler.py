"""Simulated time: what is due next happens next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

__all__ = ["Scheduler"]


class Scheduler:
    """`now` is in seconds and moves only in `run`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events_count = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, time: float, call: Callable[[], None]) -> None:
        """Call then; what is at the same time goes in the order of asking."""
        heapq.heappush(self._queue, (max(time, self.now), next(self._order), call))

    def after(self, delay_s: float, call: Callable[[], None]) -> None:
        self.at(self.now + delay_s, call)

    def run(self, until: float) -> None:
        while self._queue and self._queue[0][0] <= until:
            self.now, _, call = heapq.heappop(self._queue)
            self.events_count += 1
            call()
        self.now = until
