"""When to connect again after a connection was lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["FullJitter", "ReconnectPolicy"]


class ReconnectPolicy(Protocol):
    """How long to wait before the next attempt."""

    def next_delay_s(self, attempt: int, random: float) -> float | None:
        """Return the wait before attempt number `attempt`, from 0; None gives up. `random` is uniform in [0, 1)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FullJitter:
    """Anything from 0 to a bound that doubles with each attempt, for ever.

    Spreading over the whole range is what keeps the members of a room from returning to a restarted server at the same
    moment (AWS Architecture Blog, "Exponential Backoff And Jitter").
    """

    base_s: float = 0.25
    """The longest first delay."""
    max_s: float = 10
    """The longest delay."""

    def next_delay_s(self, attempt: int, random: float) -> float:
        """Return the wait before attempt number `attempt`, from 0; `random` is uniform in [0, 1)."""
        return random * min(self.max_s, self.base_s * 2.0 ** min(attempt, 30))
