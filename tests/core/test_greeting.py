"""Whether two ends of a link go on or begin anew: each row of the table in `core.link.greeting`, and two real ends."""

from __future__ import annotations

import itertools

import pytest

from sheetbend.core.link.effects import PathName
from sheetbend.core.link.greeting import Begun, Greeter, GreetingEffect, Met, Renewed, Say, is_greeting

NONE = bytes(8)


def new_greeter(prefix: bytes = b"us") -> Greeter:
    numbers = itertools.count(1)
    return Greeter(lambda: prefix + next(numbers).to_bytes(6, "big"))


def greeting(theirs: bytes, ours: bytes = NONE) -> bytes:
    return b"\x10" + theirs + ours


def answer(theirs: bytes, ours: bytes = NONE) -> bytes:
    return b"\x12" + theirs + ours


US, US_ANEW = (b"us" + number.to_bytes(6, "big") for number in (1, 2))
THEM, THEM_ANEW = b"them   1", b"them   2"


@pytest.mark.parametrize("path", ["relay", "direct"])
def test_the_first_greeting_opens_the_path_and_is_answered(path: PathName) -> None:
    greeter = new_greeter()
    begun: list[GreetingEffect] = [Begun("relay")] if path == "relay" else []
    assert greeter.path_up(path, 0) == [Say(path, greeting(US)), *begun], "the relay is used in the same breath"
    assert greeter.is_up(path)
    assert not greeter.is_open(path)
    later: list[GreetingEffect] = [Begun("direct")] if path == "direct" else []
    assert greeter.receive(path, greeting(THEM), 0) == [Say(path, answer(US, THEM)), *later, Met()]
    assert greeter.is_open(path)
    assert greeter.receive(path, answer(THEM, US), 0) == [], "it is known by now"


def test_who_knows_us_goes_on_and_is_not_met_again() -> None:
    greeter = new_greeter()
    greeter.path_up("relay", 0)
    greeter.receive("relay", greeting(THEM), 0)
    assert greeter.path_down("relay")
    assert not greeter.is_open("relay")
    assert not greeter.path_down("relay")
    assert greeter.path_up("relay", 1) == [Say("relay", greeting(US, THEM)), Begun("relay")]
    assert greeter.receive("relay", answer(THEM, US), 1) == []
    assert greeter.is_open("relay")


def test_who_began_anew_has_us_begin_anew_on_every_path() -> None:
    greeter = new_greeter()
    for path in ("relay", "direct"):
        greeter.path_up(path, 0)
        greeter.receive(path, greeting(THEM, US), 0)
    assert greeter.receive("relay", greeting(THEM_ANEW), 1) == [
        Renewed(),
        Say("relay", greeting(US_ANEW, THEM_ANEW)),
        Begun("relay"),
        Say("direct", greeting(US_ANEW, THEM_ANEW)),
        Say("relay", answer(US_ANEW, THEM_ANEW)),
        Met(),
    ]
    assert greeter.is_open("relay")
    assert not greeter.is_open("direct"), "nothing is taken there before it has greeted"


def test_who_knows_an_old_one_of_ours_is_greeted_so_that_it_begins_anew() -> None:
    greeter = new_greeter()
    greeter.path_up("relay", 0)
    greeter.receive("relay", greeting(THEM, US), 0)
    assert greeter.receive("relay", greeting(THEM, b"long ago"), 1) == [Say("relay", greeting(US, THEM))]
    assert not greeter.is_open("relay")


def test_frames_that_are_not_taken_are_answered_with_a_greeting_now_and_then() -> None:
    greeter = new_greeter()
    assert greeter.puzzled("direct", 0) == []
    greeter.path_up("direct", 0)
    assert greeter.puzzled("direct", 0.4) == []
    assert greeter.puzzled("direct", 0.6) == [Say("direct", greeting(US))]
    assert greeter.puzzled("direct", 0.7) == []


@pytest.mark.parametrize("frame", [b"\x10", greeting(THEM)[:-1], greeting(THEM) + b"x", b"\x12"])
def test_what_is_no_whole_greeting_changes_nothing(frame: bytes) -> None:
    greeter = new_greeter()
    greeter.path_up("relay", 0)
    assert is_greeting(frame)
    assert greeter.receive("relay", frame, 0) == []
    assert not greeter.is_open("relay")


def test_a_greeting_on_a_path_that_is_down_changes_nothing() -> None:
    assert new_greeter().receive("relay", greeting(THEM), 0) == []


class End:
    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        self.lost = 0
        """How often it began anew because the other did."""
        self.anew()

    def anew(self) -> None:
        self.greeter = new_greeter(self._prefix)
        self._prefix = self._prefix[:1] + bytes([self._prefix[1] + 1])


@pytest.mark.parametrize("forgetful", [(0,), (1,), (0, 1), (0, 0, 1), (1, 0, 1, 1)])
def test_two_ends_agree_after_any_of_them_forgot_everything(forgetful: tuple[int, ...]) -> None:
    ends = [End(b"aa"), End(b"ba")]

    def exchange(on_their_way: list[tuple[int, GreetingEffect]]) -> None:
        for _ in range(100):
            if not on_their_way:
                return
            to, effect = on_their_way.pop(0)
            match effect:
                case Say(path, frame):
                    on_their_way += [(1 - to, each) for each in ends[to].greeter.receive(path, frame, 0)]
                case Renewed():
                    ends[1 - to].lost += 1
        raise AssertionError("they greet each other without end")

    exchange([(1 - number, effect) for number in (0, 1) for effect in ends[number].greeter.path_up("relay", 0)])
    for number in forgetful:
        assert all(end.greeter.is_open("relay") for end in ends)
        ends[number].anew()
        exchange([(1 - number, effect) for effect in ends[number].greeter.path_up("relay", 0)])
    assert all(end.greeter.is_open("relay") for end in ends)
    ours, theirs = (end.greeter.greeting for end in ends)
    assert (ours[1:9], ours[9:]) == (theirs[9:], theirs[1:9])
    assert sum(end.lost for end in ends) == len(forgetful)
