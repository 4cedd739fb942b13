"""The room as a client sees it: every message told once and in order, every `say` settled once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sheetbend.core.client.room import (
    IN_FLIGHT_MAX,
    PENDING_MAX,
    ClientRoom,
    Entered,
    Failed,
    Gap,
    Heard,
    MemberGone,
    MemberSeen,
    Output,
    Send,
    Settled,
)

WELCOME = {"userId": "me"}


def new_room() -> ClientRoom:
    numbers = itertools.count(1)
    return ClientRoom("room", name="Me", new_id=lambda: f"id{next(numbers)}", random=lambda: 0.5)


def roster(offset: int = 1, *, epoch: str = "e", **fields: Any) -> dict[str, Any]:
    base = {"type": "roster", "roomId": "room", "epoch": epoch, "offset": offset, "access": "open"}
    return {**base, "members": [], "history": [], "complete": True, **fields}


def entry(offset: int, **fields: Any) -> dict[str, Any]:
    return {"offset": offset, "sender": "ada", "name": "Ada", "data": offset, "time": 0, **fields}


def message(offset: int, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "roomId": "room", **entry(offset, **fields)}


def accepted(message_id: str, offset: int) -> dict[str, Any]:
    return {"type": "accepted", "roomId": "room", "epoch": "e", "offset": offset, "id": message_id}


def error(ref: str, code: str, *, retryable: bool = False, **fields: Any) -> dict[str, Any]:
    return {"type": "error", "code": code, "message": "", "retryable": retryable, "ref": ref, **fields}


def inside(offset: int = 1, **fields: Any) -> ClientRoom:
    room = new_room()
    room.greeted()
    room.welcomed(WELCOME, None)
    room.delivered(roster(offset, **fields), 0)
    return room


def sends(outputs: list[Output]) -> list[dict[str, Any]]:
    return [output.message for output in outputs if isinstance(output, Send)]


def words(sender: str, offset: int, data: Any, message_id: str | None, is_historic: bool) -> Heard:
    return Heard(sender, offset, data, message_id, is_historic, name="Ada")


def test_it_joins_once_right_behind_hello() -> None:
    room = new_room()
    assert sends(room.greeted()) == [{"type": "join", "roomId": "room", "name": "Me", "ref": "id1"}]
    assert room.welcomed(WELCOME, None) == []
    members = [{"userId": "ada", "name": "Ada"}]
    history = [entry(1, id="x"), entry(2)]
    outputs = room.delivered(roster(3, members=members, history=history), 0)
    assert outputs == [
        Entered({"ada": members[0]}),
        words("ada", 1, 1, "x", True),
        words("ada", 2, 2, None, True),
    ]


def test_what_is_said_before_it_is_in_waits_and_is_settled_by_acceptance() -> None:
    room = new_room()
    message_id, outputs = room.say("hi", ("ada",))
    assert outputs == []
    room.greeted()
    room.welcomed(WELCOME, None)
    (said,) = sends(room.delivered(roster(), 0))
    assert (said["id"], said["data"], said["to"]) == (message_id, "hi", ("ada",))
    assert room.delivered(accepted(message_id, 7), 0) == [Settled(message_id, 7)]
    assert room.delivered(accepted(message_id, 7), 0) == []


@pytest.mark.parametrize("first", ["accepted", "echo"])
def test_its_own_message_is_as_good_as_an_acceptance(first: str) -> None:
    room = inside()
    message_id, _ = room.say("hi")
    echo = message(2, sender="me", id=message_id)
    heard, settled = words("me", 2, 2, message_id, False), Settled(message_id, 2)
    if first == "echo":
        assert room.delivered(echo, 0) == [heard, settled]
        assert room.delivered(accepted(message_id, 2), 0) == []
    else:
        assert room.delivered(accepted(message_id, 2), 0) == [settled]
        assert room.delivered(echo, 0) == [heard]


def test_a_refusal_settles_with_its_code() -> None:
    room = inside()
    message_id, _ = room.say("hi")
    assert room.delivered(error(message_id, "muted"), 0) == [Settled(message_id, None, "muted")]


def test_events_are_told_once_and_in_order() -> None:
    room = inside(5)
    assert room.delivered(message(5), 0) == []
    assert room.delivered(message(7), 0) == [words("ada", 7, 7, None, False)]
    assert room.delivered(message(6), 0) == []
    assert room.delivered({**message(8), "roomId": "another"}, 0) == []
    member = {"userId": "bob"}
    assert room.delivered({"type": "user-joined", "roomId": "room", "offset": 8, "member": member}, 0) == [
        MemberSeen(member)
    ]
    left = {"type": "user-left", "roomId": "room", "offset": 9, "userId": "bob", "reason": "leave"}
    assert room.delivered(left, 0) == [MemberGone("bob", "leave")]
    room.delivered({"type": "room-updated", "roomId": "room", "offset": 10, "access": "locked"}, 0)
    assert (room.access, room.offset, room.members) == ("locked", 10, {})


def test_a_resumed_session_goes_on_as_if_nothing_had_been() -> None:
    room = inside(5)
    message_id, _ = room.say("hi")
    assert room.welcomed(WELCOME, True) == []
    assert room.delivered(accepted(message_id, 6), 0) == [Settled(message_id, 6)]


@pytest.mark.parametrize("complete", [True, False])
def test_a_lost_session_is_said_once_and_what_was_missed_is_told(complete: bool) -> None:
    room = inside(5)
    (join,) = sends(room.welcomed({"userId": "me2"}, False))
    assert join["since"] == {"epoch": "e", "offset": 5}
    assert not room.is_in
    history = [entry(4), entry(6), entry(7)]
    outputs = room.delivered(roster(9, history=history, complete=complete), 0)
    heard = [words("ada", offset, offset, None, True) for offset in (6, 7)]
    assert outputs == [Entered({}, complete=complete), Gap(complete), *heard]
    assert room.delivered(message(10), 0) == [words("ada", 10, 10, None, False)]


def test_a_room_that_began_anew_is_heard_from_its_start() -> None:
    room = inside(50)
    room.welcomed(WELCOME, False)
    outputs = room.delivered(roster(3, epoch="f", history=[entry(1), entry(2)], complete=False), 0)
    assert outputs == [
        Entered({}, complete=False),
        Gap(False),
        words("ada", 1, 1, None, True),
        words("ada", 2, 2, None, True),
    ]


@pytest.mark.parametrize(
    ("in_history", "complete", "to", "expected"),
    [
        (True, True, None, "settled"),
        (True, False, None, "settled"),
        (False, True, None, "sent again"),
        (False, False, None, "delivery_unknown"),
        (False, True, ("ada",), "delivery_unknown"),
    ],
)
def test_what_was_under_way_when_a_session_was_lost(
    in_history: bool, complete: bool, to: tuple[str, ...] | None, expected: str
) -> None:
    room = inside(5)
    message_id, (sent,) = room.say("hi", to)
    waiting_id, _ = room.say("later")
    room.welcomed({"userId": "me2"}, False)
    history = [entry(6, id=message_id)] if in_history else []
    outputs = room.delivered(roster(9, history=history, complete=complete), 0)
    settled = [output for output in outputs if isinstance(output, Settled)]
    again = [said["id"] for said in sends(outputs)]
    if expected == "settled":
        assert Settled(message_id, 6) in settled
    elif expected == "sent again":
        assert again == [message_id, waiting_id]
        assert sent == Send(next(said for said in sends(outputs) if said["id"] == message_id))
    else:
        assert Settled(message_id, None, "delivery_unknown") in settled
        assert message_id not in again


def test_only_so_many_are_under_way_and_only_so_many_wait() -> None:
    room = inside()
    ids = [room.say(number) for number in range(PENDING_MAX + 1)]
    assert [len(outputs) for _, outputs in ids] == [1] * IN_FLIGHT_MAX + [0] * (PENDING_MAX - IN_FLIGHT_MAX) + [1]
    assert ids[-1][1] == [Settled(ids[-1][0], None, "too_many_pending")]
    outputs = room.delivered(accepted(ids[0][0], 2), 0)
    assert [said["id"] for said in sends(outputs)] == [ids[IN_FLIGHT_MAX][0]], "one more goes for each that is done"


def test_a_room_without_a_place_is_tried_again_by_who_was_in_it() -> None:
    room = inside(5)
    (join,) = sends(room.welcomed(WELCOME, False))
    assert room.delivered(error(join["ref"], "rate_limited", retryable=True, retryAfterS=9), 100) == []
    assert room.next_deadline() == 109
    assert room.expire(108) == []
    (again,) = sends(room.expire(109))
    assert room.delivered(error(again["ref"], "room_full", retryable=True), 110) == []
    assert room.next_deadline() == 110 + 1, "half of two seconds: the second attempt"


@pytest.mark.parametrize(
    ("was_in", "code", "retryable"), [(False, "room_full", True), (False, "banned", False), (True, "banned", False)]
)
def test_a_room_that_will_not_let_it_in_fails_and_settles_all(was_in: bool, code: str, retryable: bool) -> None:
    room = inside() if was_in else new_room()
    message_id, _ = room.say("hi")
    (join,) = sends(room.welcomed(WELCOME, False if was_in else None))
    outputs = room.delivered(error(join["ref"], code, retryable=retryable), 0)
    assert outputs == [
        Failed(code, retryable=retryable),
        Settled(message_id, None, "delivery_unknown" if was_in else code),
    ]
    assert room.say("more")[1][0] == Settled("id4" if was_in else "id3", None, code)


def test_who_is_removed_is_told_and_what_it_said_is_settled() -> None:
    room = inside()
    message_id, _ = room.say("hi")
    gone = {"type": "user-left", "roomId": "room", "offset": 2, "userId": "me", "reason": "removed"}
    assert room.delivered(gone, 0) == [Failed("removed"), Settled(message_id, None, "not_in_room")]


def test_once_it_is_back_refusals_are_certain_again() -> None:
    room = inside()
    room.welcomed(WELCOME, False)
    room.delivered(roster(3), 0)
    message_id, _ = room.say("hi")
    gone = {"type": "user-left", "roomId": "room", "offset": 4, "userId": "me", "reason": "removed"}
    assert room.delivered(gone, 0) == [Failed("removed"), Settled(message_id, None, "not_in_room")]


def test_at_the_end_what_is_open_is_settled_honestly() -> None:
    room = inside()
    sent_id, _ = room.say("under way")
    assert room.ended() == [Settled(sent_id, None, "delivery_unknown")]
    fresh = new_room()
    waiting_id, _ = fresh.say("never sent")
    assert fresh.ended() == [Settled(waiting_id, None, "closed")]


steps = st.one_of(
    st.tuples(st.just("say"), st.booleans()),
    st.tuples(st.just("serve"), st.integers(0, 3)),
    st.tuples(st.just("other"), st.integers(0, 2)),
    st.tuples(st.just("lose"), st.integers(0, 6)),
    st.tuples(st.just("fail"), st.integers(0, 1)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=40), st.booleans())
def test_every_say_is_settled_once_with_the_truth(script: list[tuple[str, Any]], ends: bool) -> None:
    """Against a server that keeps `lose` messages of history and loses whatever was under way."""
    room = new_room()
    queue: list[dict[str, Any]] = sends(room.greeted())
    queue += sends(room.welcomed(WELCOME, None))
    log: list[dict[str, Any]] = []
    settled: dict[str, Settled] = {}
    heard: list[int] = []
    ids: list[str] = []
    offset = 0

    def take(outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                queue.append(output.message)
            elif isinstance(output, Settled):
                assert output.id not in settled
                settled[output.id] = output
            elif isinstance(output, Heard):
                assert not heard or output.offset > heard[-1]
                heard.append(output.offset)

    def serve(kept: int | None = None) -> None:
        nonlocal offset
        message_ = queue.pop(0)
        if message_["type"] == "join":
            offset += 1
            since = message_.get("since", {}).get("offset", 0)
            missed = [each for each in log if each["offset"] > since and "to" not in each]
            given = missed if kept is None else missed[len(missed) - kept :] if kept < len(missed) else missed
            take(room.delivered(roster(offset, history=given, complete=given == missed), 0))
            return
        known = next((each for each in log if each["id"] == message_["id"]), None)
        assert known is None, "nothing is sent again that was accepted"
        offset += 1
        log.append({**entry(offset, sender=room.user_id, id=message_["id"]), **({"to": 1} if "to" in message_ else {})})
        take(room.delivered(message(offset, sender=room.user_id, id=message_["id"]), 0))
        take(room.delivered(accepted(message_["id"], offset), 0))

    for kind, value in script:
        if kind == "say":
            message_id, outputs = room.say(1, ("ada",) if value else None)
            ids.append(message_id)
            take(outputs)
        elif kind == "serve":
            for _ in range(min(value, len(queue))):
                serve()
        elif kind == "other" and room.is_in:
            for _ in range(value):
                offset += 1
                log.append(entry(offset, id=f"other{offset}"))
                take(room.delivered(message(offset, id=f"other{offset}"), 0))
        elif kind == "lose":
            queue.clear()  # it never arrived
            take(room.welcomed({"userId": f"me{value}"}, False))
            serve(value)
        elif kind == "fail" and value and queue and queue[0]["type"] == "message":
            take(room.delivered(error(queue.pop(0)["id"], "muted"), 0))
    if ends:
        take(room.ended())
    else:
        while queue:
            serve()
    assert set(settled) == set(ids) or not (ends or room.is_in)
    places = {each["id"]: each["offset"] for each in log}
    for message_id, result in settled.items():
        if result.offset is not None:
            assert places[message_id] == result.offset
        elif result.error in ("muted", "closed"):
            assert message_id not in places
