"""Both dialects against the examples in protocol/fixtures, and what they write against the shapes there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from sheetbend.core.dialects import Dialect, LessonDialect, V1Dialect
from sheetbend.core.effects import Greet
from sheetbend.core.events import (
    Accepted,
    Entry,
    Event,
    Forwarded,
    Knocked,
    KnockEnded,
    Left,
    Member,
    MemberJoined,
    MemberUpdated,
    MuteRequested,
    Notice,
    RoomUpdated,
    Said,
    Waits,
)
from sheetbend.core.grants import EVERYTHING, MEMBER, Grants
from sheetbend.core.history import Budget
from sheetbend.core.limits import Limits
from sheetbend.core.messages import Answer, IceCandidate, Message, Offer, Resume
from sheetbend.core.room import Room
from sheetbend.errors import RefusedError

PROTOCOL = Path(__file__).parents[2] / "protocol"
LIMITS = Limits()
LESSON = LessonDialect(LIMITS)
V1 = V1Dialect(LIMITS)
ADA, BOB = "0123456789abcdef" * 2, "fedcba9876543210" * 2

FORWARDED: dict[str, Message] = {
    "offer": Offer(Raw(b'{"type":"offer","sdp":"v=0\\r\\n"}'), BOB, "demo"),
    "answer": Answer(Raw(b'{"type":"answer","sdp":"v=0\\r\\n"}'), BOB, "demo"),
    "ice-candidate": IceCandidate(
        Raw(b'{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host","sdpMid":"0","sdpMLineIndex":0}'), BOB, "demo"
    ),
}


def fixtures(name: str) -> dict[str, Any]:
    messages: dict[str, Any] = json.loads((PROTOCOL / "fixtures" / f"{name}.json").read_bytes())["messages"]
    return messages


def examples(name: str, kind: str) -> list[Any]:
    return [example for message in fixtures(name).values() for example in message[kind]]


def valid(name: str, message: str, index: int) -> Any:
    return fixtures(name)[message]["valid"][index]


CLIENTS = [(LESSON, "lesson-client"), (V1, "v1-client")]


@pytest.mark.parametrize(
    ("dialect", "message"), [(dialect, m) for dialect, name in CLIENTS for m in examples(name, "valid")], ids=str
)
def test_a_valid_message_is_decoded(dialect: Dialect, message: Any) -> None:
    decoded, ref = dialect.decode(json.dumps(message).encode())
    assert decoded.__struct_config__.tag == message["type"]
    assert ref == (message.get("ref") if dialect is V1 else None)


@pytest.mark.parametrize(
    ("dialect", "example"), [(dialect, e) for dialect, name in CLIENTS for e in examples(name, "invalid")], ids=str
)
def test_an_invalid_message_is_refused_with_its_code(dialect: Dialect, example: Any) -> None:
    with pytest.raises(RefusedError) as refused:
        dialect.decode(json.dumps(example["message"]).encode())
    assert refused.value.code == example["code"]


def test_the_fixtures_show_every_type_of_both_dialects() -> None:
    signalling = {"offer", "answer", "ice-candidate"}
    assert set(fixtures("lesson-client")) == signalling | {"join", "leave", "unknown"}
    assert set(fixtures("lesson-server")) == signalling | {"existing-user", "user-joined", "user-left", "error"}
    assert set(fixtures("v1-client")) == signalling | {
        "hello", "token", "join", "leave", "update", "message", "set-access", "admit", "reject", "mute", "remove",
        "ack", "ping", "bye", "unknown",
    }  # fmt: skip
    assert set(fixtures("v1-server")) == signalling | {
        "welcome", "roster", "waiting", "user-joined", "user-left", "user-updated", "room-updated", "message",
        "accepted", "knock", "knock-ended", "mute-requested", "ice-servers", "authorized", "ack", "pong", "draining",
        "error",
    }  # fmt: skip


TIME = 1_767_225_600_000
ICE = [{"urls": ["stun:192.0.2.1:3478"]}]
OWN_STUN = {"urls": ["stun:{host}:8080"]}
OWN_TURN = {
    "urls": ["turn:{host}:3478?transport=udp", "turn:{host}:3478?transport=tcp"],
    "username": f"1767225900:{ADA}",
    "credential": "V9n3v0sh7PmWtX9dC1nqkhRRBfQ=",
}
RESUME_TOKEN = "c9f0f895fb98ab9159f51fd0297e236d"
SUBJECT = "ada@example.org"


def member(user_id: str = ADA, **fields: Any) -> Member:
    return Member(user_id, "sheetbend.v1", **{"name": "Ada", "attributes": b'{"mic":true}', **fields})


def new_room(*members: Member, elects: bool = False) -> Room:
    room = Room("demo", "e1", LIMITS, Budget(10**6), elects=elects)
    for each in members:
        room.enter(each, Entry())
    return room


def test_lesson_writes_what_the_fixtures_show() -> None:
    room = new_room(member(), member(BOB))
    error = RefusedError("not_in_room", "You are not in this room: join it first.", "ref")
    assert [json.loads(text) for text in LESSON.encode_roster(room, BOB, Entry(), [], True)] == [
        valid("lesson-server", "existing-user", 0)
    ]
    joined = LESSON.encode_event(MemberJoined("demo", 1, member()))
    assert json.loads(joined or b"") == valid("lesson-server", "user-joined", 0)
    left = LESSON.encode_event(Left("demo", 3, ADA, "leave"))
    assert json.loads(left or b"") == valid("lesson-server", "user-left", 0)
    assert json.loads(LESSON.encode_error(error)) == valid("lesson-server", "error", 0)
    for name, message in FORWARDED.items():
        text = LESSON.encode_forwarded(Forwarded(ADA, "demo", BOB, message))  # type: ignore[arg-type]
        assert json.loads(text) == valid("lesson-server", name, 0)


@pytest.mark.parametrize(
    "event",
    [MemberUpdated("demo", 4, member()), RoomUpdated("demo", 5, "locked"), Said("demo", 6, ADA, Raw(b"1"), TIME)],
    ids=lambda event: type(event).__name__,
)
def test_lesson_has_no_word_for_updates_and_room_messages(event: Event) -> None:
    assert LESSON.encode_event(event) is None


EVENTS: list[tuple[str, int, Event]] = [
    ("user-joined", 0, MemberJoined("demo", 2, member())),
    ("user-joined", 1, MemberJoined("demo", 2, member(can=EVERYTHING, muted=True, subject=SUBJECT))),
    ("user-left", 1, Left("demo", 3, ADA, "disconnect")),
    ("user-left", 2, Left("demo", 3, ADA, "leave", "l")),
    ("user-left", 3, Left("demo", 3, ADA, "removed", "x")),
    ("user-left", 4, Left("demo", 3, ADA, "expired")),
    ("user-updated", 0, MemberUpdated("demo", 4, member(), "u")),
    ("user-updated", 1, MemberUpdated("demo", 4, member(can=EVERYTHING))),
    ("user-updated", 2, MemberUpdated("demo", 4, member(muted=True), "m")),
    ("room-updated", 0, RoomUpdated("demo", 6, "lobby")),
    ("room-updated", 1, RoomUpdated("demo", 6, "open", "a")),
    ("message", 0, Said("demo", 5, ADA, Raw(b"null"), TIME)),
    ("message", 1, Said("demo", 5, ADA, Raw(b'{"text":"hi"}'), TIME, (BOB,), None, "m")),
    ("message", 2, Said("demo", 5, ADA, Raw(b'{"text":"hi"}'), TIME, None, "5c0e7a9f.1", "m")),
]
NOTICES: list[tuple[str, int, Notice]] = [
    ("waiting", 0, Waits("demo")),
    ("waiting", 1, Waits("demo", "r")),
    ("accepted", 0, Accepted("demo", "e1", 5, "5c0e7a9f.1", "m")),
    ("accepted", 1, Accepted("demo", "e1", 5, None, "m")),
    ("accepted", 2, Accepted("demo", "e1", 5, "5c0e7a9f.1")),
    ("knock", 0, Knocked("demo", member(subject=SUBJECT))),
    ("knock", 1, Knocked("demo", member())),
    ("knock-ended", 0, KnockEnded("demo", ADA)),
    ("knock-ended", 1, KnockEnded("demo", ADA, "a")),
    ("mute-requested", 0, MuteRequested("demo", ADA, ("audio",))),
    ("mute-requested", 1, MuteRequested("demo", ADA, ("audio", "video"))),
]


@pytest.mark.parametrize(("name", "index", "event"), EVENTS, ids=lambda value: str(value)[:20])
def test_v1_writes_events_as_the_fixtures_show(name: str, index: int, event: Event) -> None:
    assert json.loads(V1.encode_event(event)) == valid("v1-server", name, index)


@pytest.mark.parametrize(("name", "index", "notice"), NOTICES, ids=lambda value: str(value)[:20])
def test_v1_writes_notices_as_the_fixtures_show_and_lesson_none(name: str, index: int, notice: Notice) -> None:
    assert json.loads(V1.encode_notice(notice)) == valid("v1-server", name, index)
    assert LESSON.encode_notice(notice) is None  # type: ignore[func-returns-value]


def test_v1_writes_the_rest_as_the_fixtures_show() -> None:
    for name, message in FORWARDED.items():
        forwarded = V1.encode_forwarded(Forwarded(ADA, "demo", BOB, message))  # type: ignore[arg-type]
        assert json.loads(forwarded) == valid("v1-server", name, 0)
    errors = [
        RefusedError("target_not_found", "Nobody with this id shares the room with you.", "m"),
        RefusedError("invalid_json", "The message is not valid JSON."),
        RefusedError("rate_limited", "Too many messages.", "m", retry_after_s=0.25),
    ]
    texts = {
        "error": [V1.encode_error(error) for error in errors],
        "ack": [V1.encode_ack(0), V1.encode_ack(64)],
        "pong": [V1.encode_pong()],
        "draining": [V1.encode_draining(5)],
        "ice-servers": [V1.encode_ice_servers([]), V1.encode_ice_servers([OWN_STUN, OWN_TURN])],
        "authorized": [
            V1.encode_authorized(Grants(MEMBER), 3600, None),
            V1.encode_authorized(Grants(EVERYTHING), 59.5, "t"),
        ],
    }
    for name, written in texts.items():
        assert [json.loads(text) for text in written] == fixtures("v1-server")[name]["valid"]


def test_v1_writes_each_kind_of_welcome_as_the_fixtures_show() -> None:
    granted = Grants(EVERYTHING, None, SUBJECT, "Ada")
    resume = Resume("r1", 5)
    cases: list[tuple[Greet, Grants, float | None, int | None, bool]] = [
        (Greet((), None, None, False, None), Grants(), None, None, False),
        (Greet((), "t", None, False, "h"), granted, 3600, None, False),
        (Greet((), None, resume, False, None), Grants(), None, 17, False),
        (Greet((), None, resume, False, None), Grants(), None, None, False),
        (Greet((), None, None, True, None), Grants(), None, None, True),
    ]
    for index, (greet, grants, left_s, received, relay_only) in enumerate(cases):
        text = V1.encode_welcome(ADA, "sheetbend/0.1.0", greet, ICE, grants, left_s, RESUME_TOKEN, received, relay_only)
        assert json.loads(text) == valid("v1-server", "welcome", index)


def test_a_resume_at_nothing_received_is_told_as_well() -> None:
    greet = Greet((), None, Resume("r1", 0), False, None)
    welcome = json.loads(V1.encode_welcome(ADA, "s", greet, [], Grants(), None, RESUME_TOKEN, 0, False))
    assert (welcome["recovered"], welcome["received"]) == (True, 0)


def test_a_roster_is_one_message_without_the_newcomer() -> None:
    you = Member(BOB, "sheetbend.v1")
    (text,) = V1.encode_roster(new_room(member(), you), BOB, Entry("r"), [], True)
    assert json.loads(text) == valid("v1-server", "roster", 1)


def test_a_roster_tells_a_moderator_who_waits_and_nobody_else() -> None:
    room = new_room(Member(BOB, "sheetbend.v1"), elects=True)
    room.access = "lobby"
    room.enter(member(subject=SUBJECT), Entry())
    room.offset = 9
    for number, (data, message_id) in {1: (b'{"text":"hi"}', None), 4: (b"null", "5c0e7a9f.1")}.items():
        room.history.remember(Said("demo", number, ADA, Raw(data), TIME, None, message_id), "Ada", 0)
    (text,) = V1.encode_roster(room, BOB, Entry(), *(room.history.since(None, "e1")[0], False))
    assert json.loads(text) == valid("v1-server", "roster", 2)
    room.moderators.clear()
    (text,) = V1.encode_roster(room, BOB, Entry(), [], True)
    assert "waiting" not in json.loads(text)


def test_in_a_pair_with_a_lesson_member_the_other_is_polite() -> None:
    event = MemberJoined("demo", 2, Member(BOB, "lesson"))
    assert json.loads(V1.encode_event(event))["member"]["polite"] is True


def test_an_error_carries_the_ref_of_a_message_that_failed_late() -> None:
    with pytest.raises(RefusedError) as refused:
        V1.decode(b'{"type":"join","roomId":5,"ref":"r1"}')
    assert refused.value.ref == "r1"


def test_sdp_keeps_its_value_whatever_its_spelling() -> None:
    decoded, _ = LESSON.decode(b'{"type": "offer", "sdp": {"b" : [1.50, "\\u00e9"], "a": null}}')
    assert isinstance(decoded, Offer)
    assert bytes(decoded.sdp) == '{"b":[1.5,"é"],"a":null}'.encode()
