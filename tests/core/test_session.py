"""What a session answers, in each of its states."""

from __future__ import annotations

import typing
from collections.abc import Callable

import pytest
from msgspec import Raw

from sheetbend.core import messages
from sheetbend.core.close_codes import CloseCode
from sheetbend.core.effects import (
    Close,
    Effect,
    EnterRoom,
    Greet,
    LeaveRoom,
    Moderate,
    Pong,
    Refuse,
    Renew,
    Say,
    UpdateMember,
)
from sheetbend.core.events import DialectName, Entry, Forwarded, Member
from sheetbend.core.grants import EVERYTHING, MEMBER, Grants
from sheetbend.core.history import Budget
from sheetbend.core.limits import Limits
from sheetbend.core.messages import (
    Ack,
    Admit,
    Answer,
    Authorize,
    Bye,
    Hello,
    IceCandidate,
    Join,
    Leave,
    Message,
    Mute,
    Offer,
    Ping,
    Reject,
    Remove,
    Resume,
    RoomMessage,
    SetAccess,
    Since,
    Update,
)
from sheetbend.core.room import Room
from sheetbend.core.session import RIGHTS, Session, State, handled_messages
from sheetbend.errors import RefusedError

LIMITS = Limits(rooms_per_session_max=2, hello_timeout_s=10)
ADA, BOB = "a" * 32, "b" * 32


def new_session() -> Session:
    return Session(ADA, "sheetbend.v1", LIMITS, now=100.0)


def session(
    dialect: DialectName = "sheetbend.v1",
    *rooms: str,
    others: tuple[str, ...] = (BOB,),
    grants: Grants = Grants(),  # noqa: B008  # frozen
) -> Session:
    ready = Session(ADA, dialect, LIMITS, now=100.0)
    if dialect != "lesson":
        ready.receive(Hello())
        ready.open(grants, "t1")
    for room_id in rooms:
        room = Room(room_id, "epoch", LIMITS, Budget(10**6), elects=False)
        for user_id in (ADA, *others):
            room.enter(Member(user_id, dialect), Entry())
        ready.entered(room)
    return ready


def refusal(effects: tuple[Effect, ...]) -> str:
    (effect,) = effects
    assert isinstance(effect, Refuse)
    return effect.error.code


KNOWN = {kind for kind in vars(messages).values() if isinstance(kind, type) and issubclass(kind, Message)} - {Message}


def test_the_table_is_total() -> None:
    for state in State:
        assert handled_messages(state) == KNOWN


def test_rights_are_named_for_every_message() -> None:
    assert RIGHTS.keys() == KNOWN
    assert frozenset().union(*RIGHTS.values()) == EVERYTHING


# Opening.


def test_before_hello_everything_else_is_refused() -> None:
    fresh = new_session()
    assert refusal(fresh.receive(Join("demo"), "r")) == "hello_required"
    resume = Resume("r", 3)
    assert fresh.receive(Hello("me", ("later",), "t", resume), "h") == (Greet((), "t", resume, False, "h"),)
    assert fresh.state is State.GREETING, "whether the hello was good is not its affair"
    fresh.open(Grants(), "t1")
    assert refusal(fresh.receive(Hello())) == "unexpected_hello"
    assert fresh.receive(Join("demo", "Ada", Raw(b'{"a":1}'), Since("e", 4)), "j") == (
        EnterRoom("demo", "Ada", b'{"a":1}', None, Entry("j", Since("e", 4))),
    )


def test_lesson_needs_no_hello_and_has_no_deadline() -> None:
    lesson = Session(ADA, "lesson", LIMITS, now=0.0)
    assert lesson.expire(1e9) == ()
    assert lesson.receive(Join("demo")) == (EnterRoom("demo", "", b"{}", None, Entry()),)


def test_a_session_that_does_not_greet_in_time_is_closed() -> None:
    fresh = new_session()
    assert fresh.expire(109.9) == ()
    (close,) = fresh.expire(110.0)
    assert isinstance(close, Close)
    assert close.code == CloseCode.HELLO_TIMEOUT
    assert fresh.receive(Hello()) == ()
    assert fresh.expire(111.0) == ()


def test_a_greeted_session_does_not_expire() -> None:
    assert session().expire(1e9) == ()


# Counting.


def test_what_counts_is_every_message_but_those_that_keep_the_connection_going() -> None:
    counted = session("sheetbend.v1", "red")
    counted.stream.keep(b"x")
    steps: list[tuple[Message, int]] = [
        (RoomMessage("red", Raw(b"1")), 1),
        (Join("red"), 1),
        (RoomMessage("nowhere", Raw(b"1")), 1),
        (Authorize("t"), 1),
        (Leave("red"), 1),
        (Ack(1), 0),
        (Ack(99), 0),
        (Ack(0), 0),
        (Ping(), 0),
        (Hello(), 0),
    ]
    for message, weight in steps:
        before = counted.stream.received
        counted.receive(message)
        assert counted.stream.received - before == weight, message


def test_what_could_not_be_read_counts_unless_it_says_that_it_does_not() -> None:
    counted = session()
    error = RefusedError("invalid_json", "?")
    counted.refuse(error)
    error.is_counted = False
    counted.refuse(error)
    assert counted.stream.received == 1


def test_counts_begin_at_zero_with_the_session() -> None:
    fresh = new_session()
    fresh.stream.keep(b"hello_required")
    fresh.receive(Join("demo"))
    fresh.receive(Hello())
    fresh.open(Grants(), "t1")
    assert (fresh.stream.received, fresh.stream.sent) == (0, 0)


@pytest.mark.parametrize(("received", "holds"), [(3, True), (2, True), (4, False), (1, True), (-1, False)])
def test_an_acknowledgement_is_of_what_was_sent(received: int, holds: bool) -> None:
    told = session()
    for _ in range(3):
        told.stream.keep(b"x")
    effects = told.receive(Ack(received), "r")
    assert (effects == ()) is holds
    assert holds or refusal(effects) == "invalid_ack"


def test_an_acknowledgement_of_less_than_before_is_refused() -> None:
    told = session()
    for _ in range(3):
        told.stream.keep(b"x")
    told.receive(Ack(2))
    assert told.receive(Ack(2)) == ()
    assert refusal(told.receive(Ack(1))) == "invalid_ack"


def test_a_ping_is_answered() -> None:
    assert session().receive(Ping(), "r") == (Pong(),)


# Resume tokens.


def test_a_resume_token_is_good_until_the_client_shows_that_it_has_the_next() -> None:
    resumed = session()
    assert resumed.is_resumed_by("t1")
    assert not resumed.is_resumed_by("t2")
    resumed.resume("t2")
    assert [resumed.is_resumed_by(token) for token in ("t1", "t2")] == [True, True]
    resumed.resume("t3")
    assert [resumed.is_resumed_by(token) for token in ("t1", "t2", "t3")] == [False, True, True]
    resumed.receive(Ping())
    assert [resumed.is_resumed_by(token) for token in ("t1", "t2", "t3")] == [False, False, True]


@pytest.mark.parametrize("shows", [lambda s: s.receive(Ack(0)), lambda s: s.refuse(RefusedError("invalid_json", "?"))])
def test_anything_after_the_welcome_shows_it(shows: Callable[[Session], object]) -> None:
    resumed = session()
    resumed.resume("t2")
    shows(resumed)
    assert [resumed.is_resumed_by(token) for token in ("t1", "t2")] == [False, True]


@pytest.mark.parametrize("token", ["", "t", "t11", "T1", "é", "\udcff".encode("utf-8", "replace").decode()])
def test_a_wrong_resume_token_is_wrong(token: str) -> None:
    assert not session().is_resumed_by(token)
    assert not new_session().is_resumed_by(token)


# Rights.


@pytest.mark.parametrize(
    "effect_of",
    [
        Offer(Raw(b"1"), BOB, "red"),
        Answer(Raw(b"1"), BOB, "red"),
        IceCandidate(Raw(b"1"), BOB, "red"),
    ],
    ids=lambda message: type(message).__name__,
)
@pytest.mark.parametrize("can", [set(), {"message", "moderate"}, {"publish"}, {"subscribe"}], ids=str)
def test_signalling_takes_the_right_to_publish_or_subscribe(effect_of: Message, can: set[typing.Any]) -> None:
    signalling = session("sheetbend.v1", "red", grants=Grants(frozenset(can)))
    effects = signalling.receive(effect_of)
    if can & {"publish", "subscribe"}:
        assert isinstance(effects[0], Forwarded)
    else:
        assert refusal(effects) == "not_allowed"


def test_fresh_grants_count_at_once_and_are_told_to_the_rooms() -> None:
    renewed = session("sheetbend.v1", "red", "green")
    assert renewed.receive(Authorize("new"), "r") == (Renew("new", "r"),)
    fresh = Grants(frozenset({"message"}), name="Ada")
    assert renewed.authorize(fresh) == (
        UpdateMember("red", "Ada", None, fresh.can, None),
        UpdateMember("green", "Ada", None, fresh.can, None),
    )
    assert refusal(renewed.receive(Offer(Raw(b"1"), BOB, "red"))) == "not_allowed"


@pytest.mark.parametrize(
    ("grants", "holds"),
    [
        (Grants(subject="ada"), True),
        (Grants(subject="ada", rooms=("red",)), True),
        (Grants(subject="ada", rooms=("r*", "x")), True),
        (Grants(subject="ada", rooms=("green",)), False),
        (Grants(subject="bob"), False),
        (Grants(), False),
    ],
)
def test_a_token_covers_a_session_of_its_subject_in_its_rooms(grants: Grants, holds: bool) -> None:
    assert session("sheetbend.v1", "red", grants=Grants(subject="ada")).covers(grants) is holds


def test_a_token_says_which_rooms_and_which_name() -> None:
    named = session("sheetbend.v1", grants=Grants(rooms=("red", "team-*"), name="Ada"))
    assert refusal(named.receive(Join("green"))) == "not_allowed"
    (enter,) = named.receive(Join("team-1", "Eve"))
    assert isinstance(enter, EnterRoom)
    assert enter.name == "Ada"


@pytest.mark.parametrize(("name", "is_refused"), [("Eve", True), ("", True), ("Ada", False), (None, False)])
def test_a_prescribed_name_stays(name: str | None, is_refused: bool) -> None:
    named = session("sheetbend.v1", "red", grants=Grants(name="Ada"))
    effects = named.receive(Update("red", name))
    assert (type(effects[0]) is Refuse) is is_refused


MODERATION = [
    SetAccess("red", "open"),
    Admit("red", BOB),
    Reject("red", BOB),
    Mute("red", BOB, True),
    Remove("red", BOB),
]


@pytest.mark.parametrize("verb", MODERATION, ids=lambda verb: type(verb).__name__)
def test_moderation_is_decided_by_the_room_that_the_sender_is_in(verb: typing.Any) -> None:
    member = session("sheetbend.v1", "red", grants=Grants(MEMBER))
    assert member.receive(verb, "r") == (Moderate(verb, "r"),)
    assert refusal(session("sheetbend.v1", "green").receive(verb)) == "not_in_room"


# Signalling, rooms and messages.


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


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        (Offer(Raw(b"1"), BOB, "red"), "target_not_found"),
        (Offer(Raw(b"1"), BOB), "target_not_found"),
        (Offer(Raw(b"1"), None, "red"), "not_in_room"),
        (Offer(Raw(b"1")), "not_in_room"),
    ],
)
def test_from_the_lobby_no_signalling_reaches_anybody(offer: Offer, code: str) -> None:
    waiting = session()
    room = Room("red", "epoch", LIMITS, Budget(10**6), elects=False)
    room.enter(Member(BOB, "sheetbend.v1"), Entry())
    waiting.entered(room)
    assert refusal(waiting.receive(offer)) == code


def test_without_a_target_the_only_room_is_meant() -> None:
    answer = Answer(Raw(b"1"))
    assert session("lesson", "demo").receive(answer) == (Forwarded(ADA, "demo", None, answer),)


def test_rooms_are_bounded_and_entered_once() -> None:
    full = session("sheetbend.v1", "red", "green")
    assert refusal(full.receive(Join("red"))) == "already_in_room"
    assert refusal(full.receive(Join("blue"))) == "too_many_rooms"
    full.left("green")
    assert isinstance(full.receive(Join("blue"))[0], EnterRoom)


@pytest.mark.parametrize("message", [Leave("x"), Update("x", "A"), RoomMessage("x", Raw(b"1"))], ids=str)
def test_what_needs_a_room_is_refused_outside_of_it(message: Message) -> None:
    assert refusal(session("sheetbend.v1", "demo").receive(message, "r")) == "not_in_room"


def test_a_message_is_said_in_its_room() -> None:
    effects = session("sheetbend.v1", "demo").receive(RoomMessage("demo", Raw(b"1"), (BOB,), "i"), "r")
    assert effects == (Say("demo", Raw(b"1"), (BOB,), "i", "r"),)


def test_bye_leaves_every_room_then_closes() -> None:
    ending = session("sheetbend.v1", "red", "green")
    *leaving, close = ending.receive(Bye())
    assert leaving == [LeaveRoom("red", "leave", None), LeaveRoom("green", "leave", None)]
    assert isinstance(close, Close)
    assert close.code == CloseCode.NORMAL
    assert ending.receive(Join("blue")) == (), "a closed session does nothing"


def test_the_end_of_a_session_leaves_every_room() -> None:
    assert session("lesson", "red").end() == (LeaveRoom("red", "disconnect", None),)
    assert session("sheetbend.v1", "red").end("expired") == (LeaveRoom("red", "expired", None),)


def test_signalling_types_are_all_of_one_shape() -> None:
    for kind in typing.get_args(messages.Signalling):
        assert kind.__struct_fields__[1:] == ("target", "room_id")
