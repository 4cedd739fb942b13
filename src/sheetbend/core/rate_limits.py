"""Token buckets: how often something may happen, on average and at once."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rate", "TokenBucket"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`per_s` tokens come each second, up to `burst`."""

    per_s: float
    burst: float


class TokenBucket:
    """Full at first. `tokens` may be spent without a look at the clock while it stays positive; see `take`."""

    __slots__ = ("_filled_at", "_rate", "tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self.tokens = rate.burst
        self._rate = rate
        self._filled_at = now

    def take(self, cost: float, now: float) -> bool:
        """Spend `cost` tokens if there are as many. The clock is read only where it matters: see `spend`."""
        self._fill(now)
        if self.tokens < cost:
            return False
        self.tokens -= cost
        return True

    def is_full(self, now: float) -> bool:
        """Whether it says no more than a new one would."""
        self._fill(now)
        return self.tokens >= self._rate.burst

    def wait_s(self, cost: float, now: float) -> float:
        """Return how long until `cost` tokens are there."""
        self._fill(now)
        return max(0.0, (cost - self.tokens) / self._rate.per_s)

    def debt_s(self, now: float) -> float:
        """Return how long until what was spent too much has come in again."""
        self._fill(now)
        return max(0.0, -self.tokens / self._rate.per_s)

    def _fill(self, now: float) -> None:
        self.tokens = min(self._rate.burst, self.tokens + (now - self._filled_at) * self._rate.per_s)
        self._filled_at = now
