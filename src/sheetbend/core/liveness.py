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
    """Any frame counts."""

    __slots__ = ("_limits", "_quiet_s")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._quiet_s = 0.0

    def tick(self, elapsed_s: float, *, heard: bool) -> Verdict:
        """Let time pass: to be called about once a second, with whether anything came in since the last time."""
        self._quiet_s = 0.0 if heard else self._quiet_s + elapsed_s
        if self._quiet_s >= self._limits.liveness_timeout_s:
            return Verdict.DEAD
        return Verdict.QUIET if self._quiet_s >= self._limits.ping_interval_s else Verdict.ALIVE
