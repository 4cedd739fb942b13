"""The paths between two ends: a relay with a leg to each, which may drop; a direct one, which keeps all or breaks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from ..scheduler import Scheduler

__all__ = ["Direct", "Leg", "Pipe", "Relay"]


class Pipe:
    """One way, in order. What is stuck arrives when it is released, or never if it is cut before."""

    def __init__(self, scheduler: Scheduler, random: Random, deliver: Callable[[bytes], None]) -> None:
        self._scheduler = scheduler
        self._random = random
        self._deliver = deliver
        self._delay_s = 0.0005 * 120 ** random.random()
        self._queue: deque[bytes] = deque()
        self._is_due = False
        self.is_stuck = False

    def push(self, frame: bytes) -> None:
        self._queue.append(frame)
        self._schedule()

    def release(self) -> None:
        self.is_stuck = False
        self._schedule()

    def cut(self) -> None:
        """Lose what is on its way."""
        self._queue.clear()

    def _schedule(self) -> None:
        if self._queue and not self._is_due and not self.is_stuck:
            self._is_due = True
            self._scheduler.after(self._delay_s * self._random.uniform(0.7, 1.3), self._arrive)

    def _arrive(self) -> None:
        self._is_due = False
        if self.is_stuck:
            return
        for _ in range(self._random.randint(1, 2 * len(self._queue) or 1)):
            if self._queue:
                self._deliver(self._queue.popleft())
        self._schedule()


class Leg:
    """The way of one end to the server and back. `told` hears whether it is up."""

    def __init__(
        self,
        scheduler: Scheduler,
        random: Random,
        to_server: Callable[[bytes], None],
        to_end: Callable[[bytes], None],
        told: Callable[[bool], None],
    ) -> None:
        self.to_server = Pipe(scheduler, random, to_server)
        self.to_end = Pipe(scheduler, random, to_end)
        self.told = told
        self.is_up = False

    def up(self) -> None:
        self.to_server.is_stuck = self.to_end.is_stuck = False
        if not self.is_up:
            self.is_up = True
            self.told(True)

    def down(self) -> None:
        if self.is_up:
            self.is_up = False
            self.to_server.cut()
            self.to_end.cut()
            self.told(False)


class Relay:
    """A server between two legs: what comes for an end that isn't there, or while it is overloaded, is dropped."""

    def __init__(
        self,
        scheduler: Scheduler,
        random: Random,
        deliver: tuple[Callable[[bytes], None], Callable[[bytes], None]],
        told: tuple[Callable[[bool], None], Callable[[bool], None]],
    ) -> None:
        self._random = random
        self.drops_share = 0.0
        first = Leg(scheduler, random, lambda frame: self._forward(second, frame), deliver[0], told[0])
        second = Leg(scheduler, random, lambda frame: self._forward(first, frame), deliver[1], told[1])
        self.legs = (first, second)

    @property
    def is_good(self) -> bool:
        """Whether what is sent now arrives."""
        pipes = [pipe for leg in self.legs for pipe in (leg.to_server, leg.to_end)]
        return all(leg.is_up for leg in self.legs) and not self.drops_share and not any(p.is_stuck for p in pipes)

    def send(self, who: int, frame: bytes) -> None:
        if self.legs[who].is_up:
            self.legs[who].to_server.push(frame)

    def _forward(self, to: Leg, frame: bytes) -> None:
        if to.is_up and self._random.random() >= self.drops_share:
            to.to_end.push(frame)


class Direct:
    """A data channel: each end hears of its end by itself, at times of its own."""

    def __init__(
        self,
        scheduler: Scheduler,
        random: Random,
        deliver: tuple[Callable[[bytes], None], Callable[[bytes], None]],
        told: tuple[Callable[[bool], None], Callable[[bool], None]],
    ) -> None:
        self._scheduler = scheduler
        self._random = random
        self._told = told
        self.pipes = (Pipe(scheduler, random, deliver[1]), Pipe(scheduler, random, deliver[0]))
        """From the first end, and from the second."""
        self.is_up = False
        self._incarnation = 0
        self._known = [False, False]
        self._tells_at = [0.0, 0.0]

    @property
    def is_good(self) -> bool:
        return self.is_up and all(self._known) and not any(pipe.is_stuck for pipe in self.pipes)

    def up(self) -> None:
        """Open another channel."""
        self.down()
        self.is_up = True
        for who in (0, 1):
            self._tell(who, True)

    def down(self) -> None:
        if self.is_up:
            self.is_up = False
            self._incarnation += 1
            for pipe in self.pipes:
                pipe.cut()
                pipe.is_stuck = False
            for who in (0, 1):
                self._tell(who, False)

    def send(self, who: int, frame: bytes) -> None:
        if self.is_up and self._known[who]:
            self.pipes[who].push(frame)

    def _tell(self, who: int, is_up: bool) -> None:
        incarnation = self._incarnation

        def tell() -> None:
            if self._known[who] != is_up and (not is_up or incarnation == self._incarnation):
                self._known[who] = is_up
                self._told[who](is_up)

        delay_s = self._random.uniform(0, 0.2 if is_up else 2.0)
        self._tells_at[who] = max(self._tells_at[who], self._scheduler.now + delay_s)
        self._scheduler.at(self._tells_at[who], tell)
