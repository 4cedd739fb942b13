"""Both dialects against the examples in protocol/fixtures, and what they write against the shapes there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from sheetbend.core.dialects import Dialect, LessonDialect, V1Dialect
from sheetbend.core.events import Event, Forwarded, Left, Member, MemberJoined, MemberUpdated, Said
from sheetbend.core.limits import Limits
from sheetbend.core.messages import Answer, IceCandidate, Message, Offer
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
        "hello", "join", "leave", "update", "message", "bye", "unknown",
    }  # fmt: skip
    assert set(fixtures("v1-server")) == signalling | {
        "welcome", "roster", "user-joined", "user-left", "user-updated", "message", "error",
    }  # fmt: skip


def member(user_id: str = ADA) -> Member:
    return Member(user_id, "sheetbend.v1", "Ada", b'{"mic":true}')


def test_lesson_writes_what_the_fixtures_show() -> None:
    room = Room("demo", "e1", LIMITS)
    joined = room.enter(member())
    room.enter(member(BOB))
    error = RefusedError("not_in_room", "You are not in this room: join it first.", "ref")
    assert [json.loads(text) for text in LESSON.encode_roster(room, BOB, None)] == [
        valid("lesson-server", "existing-user", 0)
    ]
    assert json.loads(LESSON.encode_event(joined) or b"") == valid("lesson-server", "user-joined", 0)
    left = LESSON.encode_event(Left("demo", 3, ADA, "leave"))
    assert json.loads(left or b"") == valid("lesson-server", "user-left", 0)
    assert json.loads(LESSON.encode_error(error)) == valid("lesson-server", "error", 0)
    for name, message in FORWARDED.items():
        text = LESSON.encode_forwarded(Forwarded(ADA, "demo", BOB, message))  # type: ignore[arg-type]
        assert json.loads(text) == valid("lesson-server", name, 0)


def test_lesson_has_no_word_for_updates_and_room_messages() -> None:
    assert LESSON.encode_event(MemberUpdated("demo", 4, member())) is None
    assert LESSON.encode_event(Said("demo", 5, ADA, Raw(b"1"))) is None


def test_v1_writes_what_the_fixtures_show() -> None:
    events: dict[tuple[str, int], Event] = {
        ("user-joined", 0): MemberJoined("demo", 2, member()),
        ("user-left", 1): Left("demo", 3, ADA, "disconnect"),
        ("user-left", 2): Left("demo", 3, ADA, "leave", "l"),
        ("user-updated", 0): MemberUpdated("demo", 4, member(), "u"),
        ("message", 0): Said("demo", 5, ADA, Raw(b"null")),
        ("message", 1): Said("demo", 5, ADA, Raw(b'{"text":"hi"}'), (BOB,), "m"),
    }
    for (name, index), event in events.items():
        assert json.loads(V1.encode_event(event)) == valid("v1-server", name, index)
    for name, message in FORWARDED.items():
        text = V1.encode_forwarded(Forwarded(ADA, "demo", BOB, message))  # type: ignore[arg-type]
        assert json.loads(text) == valid("v1-server", name, 0)
    missing = RefusedError("target_not_found", "Nobody with this id shares the room with you.", "m")
    assert json.loads(V1.encode_error(missing)) == valid("v1-server", "error", 0)
    welcome = V1.encode_welcome(ADA, "sheetbend/0.1.0", (), [{"urls": ["stun:192.0.2.1:3478"]}], None)
    assert json.loads(welcome) == valid("v1-server", "welcome", 0)


def test_a_roster_is_one_message_without_the_newcomer() -> None:
    room = Room("demo", "e1", LIMITS)
    room.enter(member())
    room.enter(member(BOB))
    (text,) = V1.encode_roster(room, BOB, "r")
    assert json.loads(text) == valid("v1-server", "roster", 1)


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
