"""Counting and replaying, against a list of everything that was ever sent."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sheetbend.core.stream import Stream


def filled(*sizes: int, messages_max: int = 1000, bytes_max: int = 10**6) -> Stream:
    stream = Stream(messages_max, bytes_max)
    for size in sizes:
        stream.keep(b"x" * size)
    return stream


def test_a_new_stream_has_nothing_to_replay() -> None:
    assert filled().replay(0) == ()
    assert filled().replay(1) is None
    assert filled().replay(-1) is None


@pytest.mark.parametrize("received", range(4))
def test_what_lies_behind_the_count_is_replayed_in_order(received: int) -> None:
    stream = filled(1, 2, 3)
    assert stream.replay(received) == (b"x", b"xx", b"xxx")[received:]
    assert stream.replay(received) == (b"x", b"xx", b"xxx")[received:], "it is kept until it is acknowledged"
    assert stream.kept_count == 3 - received


def test_nothing_is_dropped_at_the_bounds_themselves() -> None:
    assert filled(*[1] * 10, messages_max=10).replay(0) == (b"x",) * 10
    assert filled(*[10] * 10, bytes_max=100).replay(0) == (b"x" * 10,) * 10


def test_past_a_bound_the_oldest_go_and_a_gap_is_never_hidden() -> None:
    for stream in (filled(*[1] * 11, messages_max=10), filled(*[10] * 11, bytes_max=100)):
        assert stream.replay(0) is None
        assert stream.replay(1) is not None
        assert stream.kept_count == 10


def test_a_message_larger_than_the_bound_is_not_kept() -> None:
    stream = filled(5, 200, bytes_max=100)
    assert stream.replay(1) is None
    assert stream.replay(2) == ()


def test_what_is_forgotten_is_a_gap_only_for_who_missed_it() -> None:
    stream = filled(1, 2, 3)
    stream.forget()
    assert (stream.kept_count, stream.kept_bytes) == (0, 0)
    assert stream.replay(2) is None
    assert stream.replay(3) == ()
    stream.keep(b"new")
    assert stream.replay(3) == (b"new",)


class Streams(RuleBasedStateMachine):
    """The model is the list of all that was sent, and how far its receiver must be to miss nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.messages_max, self.bytes_max = 20, 200
        self.stream = Stream(self.messages_max, self.bytes_max)
        self.sent: list[bytes] = []
        self.acknowledged = 0
        self.forgotten = 0

    @rule(sizes=st.lists(st.integers(0, 60), min_size=1, max_size=40))
    def keep(self, sizes: list[int]) -> None:
        for size in sizes:
            text = b"%d:" % len(self.sent) + b"x" * size
            self.stream.keep(text)
            self.sent.append(text)

    @rule(received=st.integers(-2, 400))
    def acknowledge(self, received: int) -> None:
        holds = self.acknowledged <= received <= len(self.sent)
        assert self.stream.acknowledge(received) is holds
        if holds:
            self.acknowledged = received

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def acknowledge_some(self, data: st.DataObject) -> None:
        self.acknowledge(data.draw(st.integers(self.acknowledged, len(self.sent))))

    @rule()
    def forget(self) -> None:
        self.stream.forget()
        self.forgotten = len(self.sent)

    @rule()
    def bound(self) -> None:
        self.stream.bound()
        assert self.stream.kept_count == len(self.sent) - self.within_bounds()

    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        received = data.draw(st.integers(0, len(self.sent) + 1))
        kept = self.within_bounds()
        expected = None if received < kept or received > len(self.sent) else tuple(self.sent[received:])
        assert self.stream.replay(received) == expected
        if expected is not None:
            self.acknowledged = received

    def within_bounds(self) -> int:
        """The number of the last message that needn't be kept any more, by the bounds."""
        start = max(self.acknowledged, self.forgotten, len(self.sent) - self.messages_max)
        while sum(map(len, self.sent[start:])) > self.bytes_max:
            start += 1
        self.forgotten = start
        return start

    @invariant()
    def counts_are_right(self) -> None:
        assert self.stream.sent == len(self.sent)
        assert self.stream.oldest == self.stream.sent - self.stream.kept_count + 1
        kept = self.sent[len(self.sent) - self.stream.kept_count :]
        assert self.stream.kept_bytes == sum(map(len, kept))


Streams.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestStreams = Streams.TestCase


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=200))
def test_two_ends_never_lose_or_double_anything(steps: list[tuple[bool, int]]) -> None:
    """One end sends; each break of the connection loses some that were under way, and the rest is replayed."""
    sender: Stream = Stream(10_000, 10**6)
    heard: list[bytes] = []
    under_way: list[bytes] = []
    sent = 0
    for breaks, number in steps:
        if breaks:
            heard += under_way[:number]
            under_way = list(sender.replay(len(heard)) or ())
        else:
            for _ in range(number):
                text = b"%d" % sent
                sent += 1
                sender.keep(text)
                under_way.append(text)
            heard, under_way = heard + under_way[: number // 2], under_way[number // 2 :]
            assert sender.acknowledge(len(heard))
    assert heard + under_way == [b"%d" % index for index in range(sent)]
