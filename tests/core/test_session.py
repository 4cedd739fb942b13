"""What a session answers, in each of its states."""

from __future__ import annotations

import typing

import pytest
from msgspec import Raw

from sheetbend.core import messages
from sheetbend.core.close_codes import CloseCode
from sheetbend.core.effects import Close, Effect, EnterRoom, LeaveRoom, Refuse, Say, Welcome
from sheetbend.core.events import DialectName, Forwarded, Member
from sheetbend.core.limits import Limits
from sheetbend.core.messages import Answer, Bye, Hello, Join, Leave, Message, Offer, RoomMessage, Update
from sheetbend.core.room import Room
from sheetbend.core.session import Session, State, handled_messages

LIMITS = Limits(rooms_per_session_max=2, hello_timeout_s=10)
ADA, BOB = "a" * 32, "b" * 32


def session(dialect: DialectName = "sheetbend.v1", *rooms: str, others: tuple[str, ...] = (BOB,)) -> Session:
    ready = Session(ADA, dialect, LIMITS, now=100.0)
    if dialect != "lesson":
        ready.receive(Hello())
    for room_id in rooms:
        room = Room(room_id, "epoch", LIMITS)
        for user_id in (ADA, *others):
            room.enter(Member(user_id, dialect))
        ready.entered(room)
    return ready


def refusal(effects: tuple[Effect, ...]) -> str:
    (effect,) = effects
    assert isinstance(effect, Refuse)
    return effect.error.code


def test_the_table_is_total() -> None:
    known = {kind for kind in vars(messages).values() if isinstance(kind, type) and issubclass(kind, Message)}
    for state in State:
        assert handled_messages(state) == known - {Message}


def test_before_hello_everything_else_is_refused() -> None:
    fresh = Session(ADA, "sheetbend.v1", LIMITS, now=0.0)
    assert refusal(fresh.receive(Join("demo"), "r")) == "hello_required"
    assert fresh.receive(Hello(features=("later",)), "h") == (Welcome((), "h"),)
    assert refusal(fresh.receive(Hello())) == "unexpected_hello"
    assert fresh.receive(Join("demo", "Ada", Raw(b'{"a":1}')), "j") == (EnterRoom("demo", "Ada", b'{"a":1}', "j"),)


def test_lesson_needs_no_hello_and_has_no_deadline() -> None:
    lesson = Session(ADA, "lesson", LIMITS, now=0.0)
    assert lesson.next_deadline() is None
    assert lesson.receive(Join("demo")) == (EnterRoom("demo", "", b"{}", None),)


def test_a_session_that_does_not_greet_in_time_is_closed() -> None:
    fresh = Session(ADA, "sheetbend.v1", LIMITS, now=100.0)
    assert fresh.next_deadline() == 110.0
    assert fresh.expire(109.9) == ()
    (close,) = fresh.expire(110.0)
    assert isinstance(close, Close)
    assert close.code == CloseCode.HELLO_TIMEOUT
    assert fresh.receive(Hello()) == ()


def test_a_greeted_session_does_not_expire() -> None:
    ready = session()
    assert ready.next_deadline() is None
    assert ready.expire(1e9) == ()


def test_signalling_goes_to_a_member_of_the_room() -> None:
    offer = Offer(Raw(b"1"), BOB, "demo")
    (effect,) = session("sheetbend.v1", "demo").receive(offer)
    assert effect == Forwarded(ADA, "demo", BOB, offer)


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        (Offer(Raw(b"1"), "c" * 32, "red"), "target_not_found"),
        (Offer(Raw(b"1"), "c" * 32), "target_not_found"),
        (Offer(Raw(b"1"), ADA, "red"), "target_is_self"),
        (Offer(Raw(b"1"), BOB, "blue"), "not_in_room"),
        (Offer(Raw(b"1"), None, "blue"), "not_in_room"),
        (Offer(Raw(b"1")), "room_required"),
    ],
)
def test_signalling_that_reaches_nobody_is_refused(offer: Offer, code: str) -> None:
    assert refusal(session("lesson", "red", "green").receive(offer)) == code


def test_without_a_target_the_only_room_is_meant() -> None:
    answer = Answer(Raw(b"1"))
    assert session("lesson", "demo").receive(answer) == (Forwarded(ADA, "demo", None, answer),)


def test_rooms_are_bounded_and_entered_once() -> None:
    full = session("sheetbend.v1", "red", "green")
    assert refusal(full.receive(Join("red"))) == "already_in_room"
    assert refusal(full.receive(Join("blue"))) == "too_many_rooms"


@pytest.mark.parametrize("message", [Leave("x"), Update("x", "A"), RoomMessage("x", Raw(b"1"))], ids=str)
def test_what_needs_a_room_is_refused_outside_of_it(message: Message) -> None:
    assert refusal(session("sheetbend.v1", "demo").receive(message, "r")) == "not_in_room"


def test_a_message_is_said_in_its_room() -> None:
    effects = session("sheetbend.v1", "demo").receive(RoomMessage("demo", Raw(b"1"), (BOB,)), "r")
    assert effects == (Say("demo", Raw(b"1"), (BOB,), "r"),)


def test_bye_leaves_every_room_then_closes() -> None:
    ending = session("sheetbend.v1", "red", "green")
    *leaving, close = ending.receive(Bye())
    assert leaving == [LeaveRoom("red", "leave", None), LeaveRoom("green", "leave", None)]
    assert isinstance(close, Close)
    assert close.code == CloseCode.NORMAL
    assert ending.receive(Join("blue")) == (), "a closed session does nothing"


def test_a_lost_connection_leaves_every_room() -> None:
    assert session("lesson", "red").end() == (LeaveRoom("red", "disconnect", None),)


def test_signalling_types_are_all_of_one_shape() -> None:
    for kind in typing.get_args(messages.Signalling):
        assert kind.__struct_fields__[1:] == ("target", "room_id")
