"""Token buckets against a model with exact numbers."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetbend.core.rate_limits import Rate, TokenBucket

RATE = Rate(per_s=10, burst=50)

rates = st.builds(Rate, per_s=st.floats(0.1, 5000), burst=st.floats(1, 20_000))
waits_s = st.floats(0, 30) | st.sampled_from([0.0, 0.001, 3600.0])
costs = st.floats(0, 100) | st.integers(1, 5000)
schedules = st.lists(st.tuples(waits_s, costs), min_size=1, max_size=60)

Spent = list[tuple[float, float]]


def spend_lazily(bucket: TokenBucket, cost: float, now: float) -> bool:
    return bucket.spend(cost) or bucket.settle(cost, now)


def assert_bounded(spent: Spent, rate: Rate, bursts: int) -> None:
    """No window, from any spending to any later one, holds more than so many bursts and what came in meanwhile."""
    for first in range(len(spent)):
        total = 0.0
        for now, cost in spent[first:]:
            total += cost
            bound = bursts * rate.burst + rate.per_s * (now - spent[first][0])
            assert total <= bound * (1 + 1e-9)


@given(rates, schedules)
def test_taking_gives_at_most_a_burst_and_what_comes_in_meanwhile(
    rate: Rate, schedule: list[tuple[float, float]]
) -> None:
    now, spent, bucket = 0.0, Spent(), TokenBucket(rate, 0.0)
    for wait_s, cost in schedule:
        now += wait_s
        if bucket.take(cost, now):
            spent.append((now, cost))
        assert 0 <= bucket.tokens <= rate.burst
    assert_bounded(spent, rate, 1)


@given(rates, schedules)
def test_spending_without_a_clock_gives_at_most_one_burst_more(rate: Rate, schedule: list[tuple[float, float]]) -> None:
    now, spent, bucket = 0.0, Spent(), TokenBucket(rate, 0.0)
    for wait_s, cost in schedule:
        now += wait_s
        if spend_lazily(bucket, cost, now):
            spent.append((now, cost))
        assert 0 <= bucket.tokens <= rate.burst * (1 + 1e-9)
    assert_bounded(spent, rate, 2)


@given(rates, schedules)
def test_spending_without_a_clock_never_refuses_what_taking_would_give(
    rate: Rate, schedule: list[tuple[float, float]]
) -> None:
    now, strict, lazy = 0.0, TokenBucket(rate, 0.0), TokenBucket(rate, 0.0)
    for wait_s, cost in schedule:
        now += wait_s
        if strict.take(cost, now):
            assert spend_lazily(lazy, cost * (1 - 1e-9), now)


def test_the_bound_of_spending_without_a_clock_is_reached() -> None:
    bucket = TokenBucket(RATE, 0.0)
    assert sum(spend_lazily(bucket, 1, 100.0) for _ in range(1000)) == 2 * RATE.burst


def test_what_is_refused_costs_nothing() -> None:
    bucket = TokenBucket(RATE, 0.0)
    assert bucket.take(45, 0.0)
    for _ in range(100):
        assert not bucket.take(6, 0.0)
        assert not spend_lazily(bucket, 6, 0.0)
    assert bucket.take(5, 0.0)


@given(st.lists(st.floats(0, 1000), min_size=2, max_size=40))
def test_a_clock_that_goes_back_gives_nothing_twice(times: list[float]) -> None:
    bucket = TokenBucket(RATE, times[0])
    given_ = sum(bucket.take(1, now) for now in times for _ in range(100))
    forward_s = max(times) - times[0]
    assert given_ <= RATE.burst + RATE.per_s * forward_s + 1e-6


def test_a_clock_that_went_back_takes_nothing_away() -> None:
    bucket = TokenBucket(RATE, 100.0)
    assert bucket.take(20, 100.0)
    assert bucket.take(30, 40.0)
    assert not bucket.take(1, 99.0)
    assert bucket.take(10, 101.0)


@given(rates, st.lists(st.floats(1e-6, 0.1), min_size=1, max_size=300))
def test_many_small_refills_come_to_the_same_as_one(rate: Rate, waits: list[float]) -> None:
    often, once = TokenBucket(rate, 0.0), TokenBucket(rate, 0.0)
    often.tokens = once.tokens = -1e6
    now = Fraction(0)
    for wait_s in waits:
        now += Fraction(wait_s)
        often.refill(float(now))
    once.refill(float(now))
    assert math.isclose(often.tokens, once.tokens, rel_tol=1e-9)


def test_a_million_refills_do_not_drift() -> None:
    rate = Rate(per_s=3, burst=1e9)
    bucket = TokenBucket(rate, 0.0)
    bucket.tokens = 0
    for tick in range(1, 1_000_001):
        bucket.refill(tick * 0.001)
    assert bucket.tokens == pytest.approx(3000, rel=1e-9)


@given(rates, st.floats(1e-9, 1), waits_s)
def test_after_the_wait_it_says_there_is_as_much(rate: Rate, part: float, wait_s: float) -> None:
    bucket, cost = TokenBucket(rate, 0.0), rate.burst * part
    bucket.take(rate.burst, 0.0)
    now = wait_s + bucket.wait_s(cost, wait_s)
    assert bucket.take(cost * (1 - 1e-6), now)


def test_the_wait_is_no_longer_than_it_must_be() -> None:
    bucket = TokenBucket(RATE, 0.0)
    bucket.take(50, 0.0)
    assert bucket.wait_s(5, 0.0) == 0.5
    assert not bucket.take(5, 0.49)
    assert bucket.take(5, 0.51)


def test_a_debt_comes_in_first() -> None:
    bucket = TokenBucket(RATE, 0.0)
    bucket.tokens -= 80
    assert bucket.debt_s(0.0) == 3.0
    assert not bucket.take(0.5, 3.0)
    assert bucket.take(0.5, 3.1)
    assert bucket.debt_s(3.1) == 0.0


def test_full_is_what_a_new_one_is() -> None:
    bucket = TokenBucket(RATE, 0.0)
    assert bucket.is_full(0.0)
    bucket.take(20, 0.0)
    assert [bucket.is_full(now) for now in (0.0, 1.9, 2.1, 1000.0)] == [False, False, True, True]
    assert not bucket.take(50.1, 2000.0)


@given(rates, schedules)
def test_waiting_never_takes_anything_away(rate: Rate, schedule: list[tuple[float, float]]) -> None:
    now, bucket, levels = 0.0, TokenBucket(rate, 0.0), []
    bucket.tokens = -1000.0
    for wait_s, _ in schedule:
        now += wait_s
        bucket.refill(now)
        levels.append(bucket.tokens)
    assert all(earlier <= later for earlier, later in pairwise(levels))
