"""A room by itself: any sequence of verbs keeps its promises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import Raw

from sheetbend.core.events import Entry, Knocked, KnockEnded, Left, Member, MemberJoined, MemberUpdated, RoomUpdated
from sheetbend.core.grants import EVERYTHING, MEMBER
from sheetbend.core.history import Budget
from sheetbend.core.limits import Limits
from sheetbend.core.messages import Access, Admit, Mute, Reject, Remove, SetAccess
from sheetbend.core.room import Entered, LeftLobby, NotAdmitted, Outcome, Room, Told
from sheetbend.errors import RefusedError

LIMITS = Limits(
    members_per_room_max=4,
    waiting_per_room_max=3,
    bans_per_room_max=10,
    message_ids_max=2,
    room_attributes_bytes_max=60,
)
EVENTS = (MemberJoined, Left, MemberUpdated, RoomUpdated)
NAMES = ["ada", "bob", "eve", "dan", "kim", "lee"]
SUBJECTS = {"ada": "a", "bob": "a", "eve": "a", "dan": "d", "kim": "d"}
"""Whom tokens are about; `lee` has none."""
ATTRIBUTES = [b"{}", b'{"a":"xxxxxxxxxxxxxxxx"}', b'{"b":"xxxxxxxxxxxxxxxxxxxxxxxx"}']

users = st.sampled_from(NAMES)


def alike(user: str) -> set[str]:
    """Who is the same person."""
    return {each for each in NAMES if each == user or (user in SUBJECTS and SUBJECTS.get(each) == SUBJECTS[user])}


class Rooms(RuleBasedStateMachine):
    """Whatever happens is told as outcomes, from which alone the model learns; refusals change nothing."""

    @initialize(elects=st.booleans())
    def open(self, elects: bool) -> None:
        self.elects = elects
        self.room = Room("room", "e", LIMITS, Budget(10**6), elects=elects)
        self.members: dict[str, Member] = {}
        self.waiting: dict[str, Member] = {}
        self.access: Access = "open"
        self.offset = 0
        self.banned: set[str] = set()
        self.ids: dict[tuple[str, str], int] = {}

    def snapshot(self) -> tuple[object, ...]:
        room = self.room
        return (
            dict(room.members),
            list(room.waiting),
            room.access,
            room.offset,
            list(room.moderators),
            len(room.history),
        )

    def attempt(self, verb: Any) -> str | None:
        """Do it and take its outcomes; return the code of a refusal."""
        before = self.snapshot()
        try:
            for outcome in verb():
                self.take(outcome)
        except RefusedError as error:
            assert self.snapshot() == before, "a refusal changes nothing"
            return error.code
        return None

    def take(self, outcome: Outcome) -> None:
        if isinstance(outcome, EVENTS):
            self.offset += 1
            assert outcome.offset == self.offset, "every event takes the next offset"
        match outcome:
            case Entered():
                assert self.room.members[outcome.user_id]
                assert self.room.offset == self.offset + 1, "the roster is the room right after"
                assert outcome.entry.ref == outcome.user_id
                self.waiting.pop(outcome.user_id, None)
            case MemberJoined() | MemberUpdated():
                self.members[outcome.member.user_id] = outcome.member
            case Left():
                del self.members[outcome.user_id]
                for key in [key for key in self.ids if key[0] == outcome.user_id]:
                    del self.ids[key]
            case RoomUpdated():
                self.access = outcome.access
            case LeftLobby():
                del self.waiting[outcome.user_id]
            case NotAdmitted():
                assert outcome.ref == outcome.user_id
                del self.waiting[outcome.user_id]
            case Told(notice=Knocked() as knocked):
                if outcome.user_ids and knocked.member.user_id not in self.room.members:
                    assert set(outcome.user_ids) <= self.room.moderators.keys()
            case Told(notice=KnockEnded() as ended):
                assert set(outcome.user_ids) - {ended.user_id} == set(self.room.moderators) - {ended.user_id}

    @precondition(lambda self: self.members or self.access == "open")
    @rule(user=users, moderates=st.booleans(), lesson=st.booleans(), attributes=st.sampled_from(ATTRIBUTES))
    def enter(self, user: str, moderates: bool, lesson: bool, attributes: bytes) -> None:
        can = EVERYTHING if moderates and not self.elects else MEMBER
        dialect: Any = "lesson" if lesson and can == MEMBER else "sheetbend.v1"
        subject = None if self.elects else SUBJECTS.get(user)
        member = Member(user, dialect, "", attributes, can, subject=subject)
        size = sum(len(each.attributes) for each in self.members.values()) + len(attributes)
        has_place = len(self.members) < LIMITS.members_per_room_max and size <= LIMITS.room_attributes_bytes_max
        code = self.attempt(lambda: self.room.enter(member, Entry(user)))
        if user in self.members and code is None:
            assert has_place
            assert user not in self.banned
            assert self.access == "open" or "moderate" in can
        elif code is None:
            assert self.access == "lobby"
            assert dialect != "lesson"
            self.waiting[user] = member
        else:
            reasons = {
                "already_in_room": user in self.members or user in self.waiting,
                "banned": user in self.banned,
                "room_locked": self.access == "locked" or dialect == "lesson",
                "room_full": not has_place or len(self.waiting) >= LIMITS.waiting_per_room_max,
            }
            assert reasons[code]

    @precondition(lambda self: not self.members and self.access != "open")
    @rule()
    def is_over(self) -> None:
        """A broker forgets a room that is closed and empty."""
        assert not self.room.waiting
        self.open(self.elects)

    @rule(user=users)
    def leave(self, user: str) -> None:
        was_here = user in self.members or user in self.waiting
        code = self.attempt(lambda: self.room.leave(user, "leave"))
        assert code == (None if was_here else "not_in_room")
        assert user not in self.members
        assert user not in self.waiting

    @rule(
        user=users, attributes=st.sampled_from([None, *ATTRIBUTES, b'{"a":null}']), moderates=st.none() | st.booleans()
    )
    def update(self, user: str, attributes: bytes | None, moderates: bool | None) -> None:
        can = None if moderates is None or self.elects else EVERYTHING if moderates else MEMBER
        code = self.attempt(lambda: self.room.update(user, None, attributes, can, None))
        if user in self.waiting and can is not None:
            assert code is None, "a fresh token counts in the lobby too"
        else:
            assert code in ((None, "room_full") if user in self.members else ("not_in_room",))

    @rule(user=users, message_id=st.none() | st.sampled_from("abc"))
    def say(self, user: str, message_id: str | None) -> None:
        try:
            said, accepted = self.room.say(user, Raw(b"1"), None, message_id, None, 0, 0)
        except RefusedError as error:
            expected = "not_in_room" if user not in self.members else "muted"
            assert error.code == expected
            assert expected == "not_in_room" or self.members[user].muted
            return
        known = self.ids.get((user, message_id or ""))
        if said is None:
            assert accepted.offset == known
            return
        self.offset += 1
        assert said.offset == accepted.offset == self.offset
        assert not self.members[user].muted
        if message_id is not None:
            self.ids[user, message_id] = said.offset

    @rule(
        user=users,
        leads=st.booleans(),
        whom=users,
        kind=st.sampled_from(
            ["open", "lobby", "lobby", "locked", "admit", "admit", "reject", "mute", "unmute", "remove"]
        ),
    )
    def moderate(self, user: str, leads: bool, whom: str, kind: str) -> None:
        if leads and self.room.moderators:
            user = next(iter(self.room.moderators))
        if leads and kind in ("admit", "reject") and self.waiting:
            whom = next(iter(self.waiting))
        verbs: dict[str, Any] = {
            "admit": Admit("room", whom),
            "reject": Reject("room", whom),
            "mute": Mute("room", whom, True),
            "unmute": Mute("room", whom, False),
            "remove": Remove("room", whom),
        }
        verb = verbs.get(kind) or SetAccess("room", kind)  # type: ignore[arg-type]
        may = user in self.members and "moderate" in self.members[user].can
        is_here = whom in self.members
        was_waiting = whom in self.waiting
        code = self.attempt(lambda: self.room.moderate(user, verb, None))
        if not may:
            assert code == ("not_allowed" if user in self.members else "not_in_room")
        elif kind in ("admit", "reject"):
            assert code == (None if was_waiting else "not_waiting")
        elif kind in ("mute", "unmute", "remove"):
            assert code == (None if is_here else "target_not_found")
            targets = {whom} if self.elects else alike(whom)
            if code is None and kind == "remove":
                self.banned |= targets
                assert not targets & (self.members.keys() | self.waiting.keys())
            elif code is None:
                assert {self.members[each].muted for each in targets & self.members.keys()} == {kind == "mute"}
        else:
            assert code is None
            assert self.access == kind

    @invariant()
    def it_is_what_was_told(self) -> None:
        room = self.room
        assert room.members == self.members
        assert list(room.members) == list(self.members), "in order of entering"
        assert room.offset == self.offset
        assert room.access == self.access
        assert room.waiting.keys() == self.waiting.keys()

    @invariant()
    def every_bound_holds(self) -> None:
        room = self.room
        assert len(room.members) <= LIMITS.members_per_room_max
        assert len(room.waiting) <= LIMITS.waiting_per_room_max
        assert sum(len(member.attributes) for member in room.members.values()) <= LIMITS.room_attributes_bytes_max
        assert not room.members.keys() & room.waiting.keys()

    @invariant()
    def moderators_are_those_who_may(self) -> None:
        may = {user_id for user_id, member in self.room.members.items() if "moderate" in member.can}
        assert self.room.moderators.keys() == may
        natives = [member for member in self.room.members.values() if member.dialect != "lesson"]
        assert may or not natives or not self.elects

    @invariant()
    def a_room_that_nobody_can_open_is_open(self) -> None:
        may_open = self.room.moderators or not self.elects or not self.room.members
        assert may_open or self.room.access == "open"

    @invariant()
    def nobody_waits_for_a_room_that_is_open_or_empty(self) -> None:
        assert not self.room.waiting or (self.room.access != "open" and self.room.members)


Rooms.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestRooms = Rooms.TestCase


def new_room(*members: Member, **limits: int) -> Room:
    room = Room("room", "e", Limits(**limits), Budget(10**6), elects=False)  # type: ignore[arg-type]
    for member in members:
        room.enter(member, Entry())
    return room


def native(user_id: str, **fields: Any) -> Member:
    return Member(user_id, "sheetbend.v1", **fields)


def test_the_oldest_ban_is_forgotten_past_the_bound() -> None:
    room = new_room(native("ada", can=EVERYTHING), bans_per_room_max=2)
    for name in ("b1", "b2", "b3"):
        room.enter(native(name), Entry())
        list(room.moderate("ada", Remove("room", name), None))
    room.enter(native("b1"), Entry())
    for name in ("b2", "b3"):
        with pytest.raises(RefusedError, match="removed you"):
            room.enter(native(name), Entry())


def test_a_mute_of_a_subject_holds_for_its_next_session_and_nobody_else() -> None:
    room = new_room(native("ada", can=EVERYTHING), native("bob", subject="b"), native("eve", subject="bob"))
    list(room.moderate("ada", Mute("room", "bob", True), None))
    list(room.leave("bob", "leave"))
    room.enter(native("bob2", subject="b"), Entry())
    room.enter(native("b", subject="c"), Entry())
    assert {user_id: member.muted for user_id, member in room.members.items()} == {
        "ada": False,
        "eve": False,
        "bob2": True,
        "b": False,
    }


def lesson(user_id: str) -> Member:
    return Member(user_id, "lesson")


def kinds(outcomes: Iterable[Outcome]) -> list[str]:
    return [type(each.notice if isinstance(each, Told) else each).__name__ for each in outcomes]


@pytest.mark.parametrize("access", ["lobby", "locked"])
@pytest.mark.parametrize("ends", ["leave", "remove"])
def test_a_room_opens_when_nobody_is_left_who_could_open_it(access: Access, ends: str) -> None:
    room = Room("room", "e", Limits(), Budget(10**6), elects=True)
    for member in (native("ada"), lesson("old")):
        list(room.enter(member, Entry()))
    list(room.moderate("ada", SetAccess("room", access), None))
    if access == "lobby":
        list(room.enter(native("eve"), Entry()))
        list(room.enter(native("bob"), Entry()))
    end = room.leave("ada", "leave") if ends == "leave" else room.moderate("ada", Remove("room", "ada"), None)
    seen = [(type(outcome), list(room.members), list(room.moderators)) for outcome in end]
    assert room.access == "open"
    if access == "locked":
        assert [kind for kind, *_ in seen] == [Left, RoomUpdated]
        list(room.enter(native("eve"), Entry()))
    else:
        assert [kind for kind, *_ in seen] == [Left, RoomUpdated, *[Entered, MemberJoined, Told] * 2]
        assert seen[2] == (Entered, ["old", "eve"], ["eve"]), "the room is as each outcome says"
        assert seen[5] == (Entered, ["old", "eve", "bob"], ["eve"])
    assert list(room.moderators) == ["eve"]


def test_rooms_whose_moderators_come_by_token_stay_shut() -> None:
    room = new_room(native("ada", can=EVERYTHING), native("bob"))
    list(room.moderate("ada", SetAccess("room", "locked"), None))
    assert kinds(room.leave("ada", "leave")) == ["Left"]
    assert room.access == "locked"


def test_all_sessions_of_a_subject_are_muted_and_unmuted_and_all_are_told() -> None:
    members = native("bob", subject="b"), native("bob2", subject="b"), native("b"), native("eve", subject="e")
    room = new_room(native("ada", can=EVERYTHING), *members)
    for muted in (True, False):
        *updates, request = room.moderate("ada", Mute("room", "bob2", muted, ("audio",)), "r")
        assert [
            (update.member.user_id, update.member.muted, update.ref, update.offset - room.offset)
            for update in updates
            if isinstance(update, MemberUpdated)
        ] == [("bob", muted, "r", -1), ("bob2", muted, "r", 0)]
        assert isinstance(request, Told)
        assert request.user_ids == ("bob", "bob2")


def test_all_sessions_of_a_subject_are_put_out_those_in_the_lobby_too() -> None:
    room = new_room(native("ada", can=EVERYTHING), native("bob", subject="b"), native("bob2", subject="b"), native("b"))
    list(room.moderate("ada", SetAccess("room", "lobby"), None))
    for waiter in (native("bob3", subject="b"), native("eve", subject="e"), native("dan")):
        list(room.enter(waiter, Entry()))
    seen = [(kinds([outcome])[0], list(room.members)) for outcome in room.moderate("ada", Remove("room", "bob"), "r")]
    assert seen == [
        ("NotAdmitted", ["ada", "bob", "bob2", "b"]),
        ("KnockEnded", ["ada", "bob", "bob2", "b"]),
        ("Left", ["ada", "bob2", "b"]),
        ("Left", ["ada", "b"]),
    ]
    assert list(room.waiting) == ["eve", "dan"]


def test_a_repeat_is_known_though_its_sender_was_muted_since() -> None:
    room = new_room(native("ada", can=EVERYTHING))
    _, first = room.say("ada", Raw(b"1"), None, "i", None, 0, 0)
    list(room.moderate("ada", Mute("room", "ada", True), None))
    assert room.say("ada", Raw(b"1"), None, "i", None, 0, 0) == (None, first)
