"""What a room remembers, against a list of everything that was said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import Raw

from sheetbend.core.events import Said
from sheetbend.core.history import Budget, History
from sheetbend.core.limits import Limits
from sheetbend.core.messages import Since

OVERHEAD = 256
PLENTY = 10**9


def said(offset: int, size: int = 1) -> Said:
    return Said("room", offset, "ada", Raw(b"x" * size), 0)


def filled(*offsets: int, budget: Budget | None = None, size: int = 1, **limits: float) -> History:
    history = History(Limits(**limits), budget or Budget(PLENTY))  # type: ignore[arg-type]
    for now, offset in enumerate(offsets):
        history.remember(said(offset, size), "Ada", now)
    return history


def offsets_of(history: History, seen: Since | None, epoch: str = "e") -> tuple[list[int], bool]:
    entries, complete = history.since(seen, epoch)
    return [entry.said.offset for entry in entries], complete


def test_a_name_stays_as_it_was() -> None:
    history = History(Limits(), Budget(PLENTY))
    for offset, name in enumerate(["Ada", "Countess"], 1):
        history.remember(said(offset), name, 0)
    assert [entry.name for entry in history.since(None, "e")[0]] == ["Ada", "Countess"]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (None, ([3, 5, 8], False)),
        (Since("e", 0), ([3, 5, 8], False)),
        (Since("e", 1), ([3, 5, 8], False)),
        (Since("e", 2), ([3, 5, 8], True)),
        (Since("e", 3), ([5, 8], True)),
        (Since("e", 4), ([5, 8], True)),
        (Since("e", 8), ([], True)),
        (Since("e", 99), ([], True)),
        (Since("other", 8), ([3, 5, 8], False)),
        (Since("", 8), ([3, 5, 8], False)),
    ],
)
def test_what_came_after_and_whether_it_is_all(seen: Since | None, expected: tuple[list[int], bool]) -> None:
    assert offsets_of(filled(2, 3, 5, 8, history_messages_max=3), seen) == expected


def test_nothing_forgotten_is_complete_from_the_start_but_never_for_another_epoch() -> None:
    assert offsets_of(filled(2, 3), None) == ([2, 3], True)
    assert offsets_of(filled(), None) == ([], True)
    assert offsets_of(filled(), Since("other", 0)) == ([], False)


def test_old_messages_go_when_they_are_older_than_the_age() -> None:
    history = filled(1, 2, 3, history_age_s=10)
    history.forget_old(10)
    assert offsets_of(history, None) == ([1, 2, 3], True)
    history.forget_old(10.1)
    assert offsets_of(history, None) == ([2, 3], False)


def test_histories_share_a_budget_and_the_one_that_grows_pays() -> None:
    budget = Budget(4 * (OVERHEAD + 1))
    one, other = filled(1, 2, budget=budget), filled(1, 2, budget=budget)
    assert budget.bytes_left == 0
    other.remember(said(3), "Ada", 9)
    assert (len(one), offsets_of(other, None)) == (2, ([2, 3], False))
    one.forget_all()
    assert budget.bytes_left == 2 * (OVERHEAD + 1)
    other.remember(said(4), "Ada", 9)
    assert offsets_of(other, Since("e", 1)) == ([2, 3, 4], True)


def test_a_message_that_fits_nowhere_is_honestly_forgotten() -> None:
    history = filled(1, size=1000, history_bytes_max=500)
    assert offsets_of(history, None) == ([], False)


class Histories(RuleBasedStateMachine):
    """The model is the list of all that was said, of which some end is left."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits(history_messages_max=5, history_bytes_max=6 * OVERHEAD, history_age_s=10)
        self.budget = Budget(9 * OVERHEAD)
        self.histories = [History(self.limits, self.budget) for _ in range(2)]
        self.all: list[list[tuple[int, int, float]]] = [[], []]
        self.now = 0.0
        self.offset = 0

    @rule(which=st.integers(0, 1), size=st.integers(0, 900), gap=st.integers(1, 3), passed=st.integers(0, 4))
    def remember(self, which: int, size: int, gap: int, passed: int) -> None:
        self.now += passed
        self.offset += gap
        before = len(self.histories[1 - which])
        self.histories[which].remember(said(self.offset, size), "Ada", self.now)
        self.all[which].append((self.offset, size, self.now))
        assert len(self.histories[1 - which]) == before

    @rule(which=st.integers(0, 1), passed=st.integers(0, 12))
    def forget_old(self, which: int, passed: int) -> None:
        self.now += passed
        self.histories[which].forget_old(self.now)
        at = [at for offset, _, at in self.all[which] if offset in offsets_of(self.histories[which], None)[0]]
        assert all(self.now - each <= self.limits.history_age_s for each in at)

    @rule(which=st.integers(0, 1), offset=st.integers(0, 60))
    def look(self, which: int, offset: int) -> None:
        everything = [each for each, _, _ in self.all[which]]
        kept = offsets_of(self.histories[which], None)[0]
        assert kept == everything[len(everything) - len(kept) :]
        missed = [each for each in everything if each > offset]
        given, complete = offsets_of(self.histories[which], Since("e", offset))
        assert given == [each for each in kept if each > offset]
        assert complete is (given == missed), "never partially without saying so"
        assert offsets_of(self.histories[which], None)[1] is (kept == everything)

    @invariant()
    def every_bound_holds(self) -> None:
        total = 0
        for history in self.histories:
            entries = history.since(None, "e")[0]
            size = sum(len(bytes(entry.said.data)) + OVERHEAD for entry in entries)
            assert len(history) == len(entries) <= self.limits.history_messages_max
            assert history.kept_bytes == size <= self.limits.history_bytes_max
            total += size
        assert self.budget.bytes_left == 9 * OVERHEAD - total >= 0


Histories.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestHistories = Histories.TestCase


@given(st.lists(st.integers(0, 2000), max_size=30), st.integers(0, 4000))
def test_a_budget_is_given_back_to_the_byte(sizes: list[int], limit: int) -> None:
    budget = Budget(5000)
    history = History(Limits(history_bytes_max=limit), budget)
    for offset, size in enumerate(sizes, 1):
        history.remember(said(offset, size), "Ada", 0)
    history.forget_all()
    assert (budget.bytes_left, history.kept_bytes, len(history)) == (5000, 0, 0)
