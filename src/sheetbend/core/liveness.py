"""Whether the other end of a connection still lives, by one timer for all connections."""

from __future__ import annotations

from enum import Enum, auto

from .limits import Limits

__all__ = ["Liveness", "Verdict"]


class Verdict(Enum):
    ALIVE = auto()
    QUIET = auto()
    """Ping it."""
    DEAD = auto()


class Liveness:
    """Any frame counts. Set `heard` for each, which costs less than a look at the clock."""

    __slots__ = ("_limits", "_quiet_s", "heard")

    def __init__(self, limits: Limits) -> None:
        self.heard = True
        self._limits = limits
        self._quiet_s = 0.0

    def tick(self, elapsed_s: float) -> Verdict:
        """Let time pass: to be called about once a second."""
        self._quiet_s = 0.0 if self.heard else self._quiet_s + elapsed_s
        self.heard = False
        if self._quiet_s >= self._limits.liveness_timeout_s:
            return Verdict.DEAD
        return Verdict.QUIET if self._quiet_s >= self._limits.ping_interval_s else Verdict.ALIVE
