"""Token buckets: how often something may happen, on average and at once."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rate", "TokenBucket"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`per_s` tokens come each second, up to `burst`. Both are positive."""

    per_s: float
    burst: float


class TokenBucket:
    """What is left of a rate: full at first. `now` is in seconds on any clock; one that goes back adds nothing.

    There are two ways to spend. `take` is strict: in any t seconds it gives at most burst + per_s·t. `spend` is for the
    hot path and reads no clock: what has come in meanwhile is counted only when it is needed, up to a full bucket at
    once, so that it gives at most 2·burst + per_s·t. For it, the caller does

        if not bucket.spend(cost) and not bucket.settle(cost, now()):
            refuse

    or, where even a call is too much, writes `bucket.tokens -= cost` and looks whether it is negative.
    """

    __slots__ = ("_filled_at", "_rate", "tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self.tokens = rate.burst
        """What is left, as of the last look at the clock. Negative is a debt, which comes in before anything else."""
        self._rate = rate
        self._filled_at = now

    def spend(self, cost: float) -> bool:
        """Spend `cost` without a look at the clock. False if that was too much: then `settle` decides."""
        self.tokens -= cost
        return self.tokens >= 0

    def settle(self, cost: float, now: float) -> bool:
        """Whether `cost`, which was spent, is covered by what came in meanwhile. If not it is given back."""
        self.tokens += cost  # before the refill, which would else fill the place of what comes back
        return self.take(cost, now)

    def take(self, cost: float, now: float) -> bool:
        """Spend `cost` if there is as much, else nothing. A cost above the burst never is."""
        self.refill(now)
        if self.tokens < cost:
            return False
        self.tokens -= cost
        return True

    def refill(self, now: float) -> None:
        """Add what has come in since the last look at the clock."""
        elapsed_s = now - self._filled_at
        if elapsed_s > 0:
            self.tokens = min(self._rate.burst, self.tokens + elapsed_s * self._rate.per_s)
            self._filled_at = now

    def is_full(self, now: float) -> bool:
        """Whether it says no more than a new one would."""
        self.refill(now)
        return self.tokens >= self._rate.burst

    def wait_s(self, cost: float, now: float) -> float:
        """Return how long until `cost` tokens are there."""
        self.refill(now)
        return max(0.0, (cost - self.tokens) / self._rate.per_s)

    def debt_s(self, now: float) -> float:
        """Return how long until what was spent too much has come in."""
        return self.wait_s(0, now)
