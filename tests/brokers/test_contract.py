"""What every broker promises its node (`brokers/base.py`). A broker joins by standing in `BROKERS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import pytest
from msgspec import Raw

from sheetbend.brokers.base import Broker
from sheetbend.brokers.memory import MemoryBroker
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
from sheetbend.core.grants import EVERYTHING, MEMBER
from sheetbend.core.limits import Limits
from sheetbend.core.messages import Admit, IceCandidate, Mute, Reject, Remove, SetAccess, Since
from sheetbend.core.room import Room
from sheetbend.errors import RefusedError

LIMITS = Limits(
    members_per_room_max=3,
    attributes_bytes_max=40,
    room_attributes_bytes_max=64,
    rooms_max=4,
    empty_room_s=10,
    empty_rooms_max=2,
    message_ids_max=2,
    waiting_per_room_max=2,
    history_age_s=100,
)
TIME = 1_767_225_600_000
EPOCHS = count()
CLOCK = [0.0]
MakeBroker = Callable[[bool], Broker]


def memory(elects: bool) -> Broker:
    return MemoryBroker(
        LIMITS, new_epoch=lambda: str(next(EPOCHS)), clock=lambda: CLOCK[0], time_ms=lambda: TIME, elects=elects
    )


BROKERS: dict[str, MakeBroker] = {"memory": memory}


class RecordingNode:
    """Writes down every call back, in order."""

    def __init__(self, broker: Broker) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.rooms: dict[str, Room] = {}
        self._offsets: dict[str, int] = {}
        broker.attach(self)

    def entered(self, user_id: str, room: Room, entry: Entry) -> None:
        self.rooms[room.id] = room
        history, complete = room.history.since(entry.since, room.epoch)
        self.histories: tuple[list[bytes], bool] = [bytes(each.said.data) for each in history], complete
        self.calls.append(("entered", user_id, room.id, room.offset, list(room.members), entry))

    def waits(self, user_id: str, room: Room) -> None:
        self.calls.append(("waits", user_id, room.id))

    def refused(self, user_id: str, error: RefusedError) -> None:
        self.calls.append(("refused", user_id, error.code, error.ref))

    def left_lobby(self, user_id: str, room: Room) -> None:
        self.calls.append(("left_lobby", user_id, room.id))

    def not_admitted(self, user_id: str, room: Room, ref: str | None) -> None:
        self.calls.append(("not_admitted", user_id, room.id, ref))

    def happened(self, room: Room, event: Event) -> None:
        assert event.offset == self._offsets.get(room.epoch, 0) + 1, "events come one by one"
        self._offsets[room.epoch] = event.offset
        self.calls.append(("happened", room.id, event))

    def told(self, user_ids: Iterable[str], notice: Notice) -> None:
        self.calls.append(("told", tuple(user_ids), notice))

    def forwarded(self, target: str, forwarded: Forwarded) -> None:
        self.calls.append(("forwarded", target, forwarded))

    def relayed(self, target: str, frame: bytearray) -> None:
        self.calls.append(("relayed", target, bytes(frame)))

    def forwarded_to_room(self, room: Room, forwarded: Forwarded) -> None:
        self.calls.append(("forwarded_to_room", room.id, forwarded))

    def take(self) -> list[tuple[Any, ...]]:
        calls, self.calls = self.calls, []
        return calls

    def events(self) -> list[Event]:
        return [call[2] for call in self.take() if call[0] == "happened"]

    def refusals(self) -> list[tuple[str, ...]]:
        """Everything that came, which must be refusals."""
        calls = self.take()
        assert all(call[0] == "refused" for call in calls), calls
        return [call[1:] for call in calls]


@pytest.fixture(params=BROKERS)
def make(request: pytest.FixtureRequest) -> MakeBroker:
    CLOCK[0] = 0.0
    return BROKERS[request.param]


@pytest.fixture
def broker(make: MakeBroker) -> Broker:
    return make(False)


@pytest.fixture
def node(broker: Broker) -> RecordingNode:
    return RecordingNode(broker)


def member(user_id: str, **fields: Any) -> Member:
    return Member(user_id, "sheetbend.v1", **fields)


def enter(broker: Broker, *user_ids: str, room_id: str = "demo", **fields: Any) -> None:
    for user_id in user_ids:
        broker.enter(room_id, member(user_id, **fields), Entry())


def say(broker: Broker, sender: str, data: bytes, **fields: Any) -> None:
    said = {"to": None, "message_id": None, "ref": None, **fields}
    broker.say("demo", sender, Raw(data), said["to"], said["message_id"], said["ref"])


MODERATOR: dict[str, Any] = {"can": EVERYTHING}


# Members.


def test_a_newcomer_hears_that_it_is_in_before_any_event(broker: Broker, node: RecordingNode) -> None:
    broker.enter("demo", member("ada"), Entry("r"))
    assert node.take() == [
        ("entered", "ada", "demo", 1, ["ada"], Entry("r")),
        ("happened", "demo", MemberJoined("demo", 1, member("ada"))),
    ]


def test_events_come_in_the_order_of_their_offsets(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", "bob")
    say(broker, "bob", b"1", ref="s")
    broker.update("demo", "ada", "Ada", b'{"mic":true}', frozenset(), "u")
    broker.leave("demo", "bob", "leave", "l")
    events = node.events()
    assert events[2:] == [
        Said("demo", 3, "bob", Raw(b"1"), TIME, None, None, "s"),
        MemberUpdated("demo", 4, member("ada", name="Ada", attributes=b'{"mic":true}', can=frozenset()), "u"),
        Left("demo", 5, "bob", "leave", "l"),
    ]
    assert [event.offset for event in events] == [1, 2, 3, 4, 5]


def test_a_refused_verb_changes_nothing(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", "bob", "eve")
    node.take()
    broker.enter("demo", member("ada"), Entry("1"))
    broker.enter("demo", member("dan"), Entry("2"))
    broker.leave("demo", "dan", "leave", "3")
    broker.update("elsewhere", "ada", "A", None, None, "4")
    broker.update("demo", "ada", None, b'{"long":"' + b"x" * 40 + b'"}', None, "5")
    say(broker, "dan", b"1", ref="6")
    say(broker, "ada", b"1", to=("bob", "dan"), ref="7", message_id="i")
    broker.moderate("ada", SetAccess("demo", "locked"), "8")
    broker.moderate("dan", SetAccess("demo", "locked"), "9")
    assert node.refusals() == [
        ("ada", "already_in_room", "1"),
        ("dan", "room_full", "2"),
        ("dan", "not_in_room", "3"),
        ("ada", "not_in_room", "4"),
        ("ada", "invalid_attributes", "5"),
        ("dan", "not_in_room", "6"),
        ("ada", "target_not_found", "7"),
        ("ada", "not_allowed", "8"),
        ("dan", "not_in_room", "9"),
    ]
    say(broker, "ada", b"1", message_id="i")
    assert node.take()[0] == ("happened", "demo", Said("demo", 4, "ada", Raw(b"1"), TIME, None, "i"))


def test_attributes_are_merged_and_null_removes(broker: Broker, node: RecordingNode) -> None:
    broker.enter("demo", member("ada", name="Ada", attributes=b'{"a":1,"b":{"c":2}}'), Entry())
    broker.update("demo", "ada", None, b'{"a":null,"b":{"d":3}}', None, None)
    event = node.take()[-1][2]
    assert event.member == member("ada", name="Ada", attributes=b'{"b":{"d":3}}')


def test_a_change_of_one_key_leaves_the_others_alone(broker: Broker, node: RecordingNode) -> None:
    broker.enter("demo", member("ada", name="Ada", attributes=b'{"a":null}'), Entry())
    broker.update("demo", "ada", None, b'{"b":1}', None, None)
    assert node.take()[-1][2].member.attributes == b'{"a":null,"b":1}'


def test_the_attributes_of_a_room_are_bounded_together(broker: Broker, node: RecordingNode) -> None:
    bulky = b'{"long":"' + b"x" * 20 + b'"}'
    enter(broker, "ada", "bob", attributes=bulky)
    node.take()
    broker.update("demo", "ada", None, b'{"a":1}', None, "a")
    assert node.refusals() == [("ada", "room_full", "a")]
    broker.leave("demo", "bob", "leave", None)
    broker.update("demo", "ada", None, b'{"a":1}', None, None)
    assert node.take()[-1][2].member.attributes == b'{"long":"' + b"x" * 20 + b'","a":1}'


# Messages.


def test_a_message_with_an_id_or_a_ref_is_answered_after_it_happened(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada")
    epoch = node.rooms["demo"].epoch
    node.take()
    for number, (message_id, ref) in enumerate([(None, None), ("i", None), (None, "r"), ("j", "r")], 2):
        say(broker, "ada", b"1", message_id=message_id, ref=ref)
        happened = ("happened", "demo", Said("demo", number, "ada", Raw(b"1"), TIME, None, message_id, ref))
        answer = ("told", ("ada",), Accepted("demo", epoch, number, message_id, ref))
        assert node.take() == ([happened, answer] if message_id or ref else [happened])


def test_a_repeat_is_answered_alike_and_happens_once(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", "bob")
    epoch = node.rooms["demo"].epoch
    say(broker, "ada", b"1", message_id="i")
    say(broker, "bob", b"2", message_id="i")
    assert [event.offset for event in node.events()] == [1, 2, 3, 4], "ids are of their sender"
    say(broker, "ada", b"other", message_id="i", ref="again", to=("nobody",))
    assert node.take() == [("told", ("ada",), Accepted("demo", epoch, 3, "i", "again"))]


def test_the_last_ids_are_remembered_while_a_member_stays(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", "bob")
    for message_id in ("1", "2", "1", "3"):
        say(broker, "ada", b"0", message_id=message_id)
    assert [event.offset for event in node.events()] == [1, 2, 3, 4, 5]
    say(broker, "ada", b"0", message_id="2")
    assert node.events() == [], "it is one of the last two"
    say(broker, "ada", b"0", message_id="1")
    assert [event.offset for event in node.events()] == [6]
    broker.leave("demo", "ada", "leave", None)
    enter(broker, "ada")
    say(broker, "ada", b"0", message_id="1")
    assert [event.offset for event in node.events()] == [7, 8, 9]


def test_only_messages_for_everybody_are_remembered(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", "bob")
    say(broker, "ada", b"1")
    say(broker, "ada", b"2", to=("bob",))
    say(broker, "ada", b"3")
    enter(broker, "eve")
    assert node.histories == ([b"1", b"3"], True)
    epoch = node.rooms["demo"].epoch
    broker.leave("demo", "eve", "leave", None)
    broker.enter("demo", member("eve"), Entry(None, Since(epoch, 3)))
    assert node.histories == ([b"3"], True)
    broker.leave("demo", "eve", "leave", None)
    broker.enter("demo", member("eve"), Entry(None, Since("another", 3)))
    assert node.histories == ([b"1", b"3"], False)


def test_old_messages_are_forgotten_though_nobody_speaks(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada")
    say(broker, "ada", b"1")
    CLOCK[0] = 200
    broker.expire(200)
    enter(broker, "bob")
    assert node.histories == ([], False)


# The life of a room.


def test_an_empty_room_is_the_same_for_a_while(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada")
    say(broker, "ada", b"1")
    epoch = node.rooms["demo"].epoch
    broker.leave("demo", "ada", "disconnect", None)
    CLOCK[0] = 9.9
    broker.expire(9.9)
    enter(broker, "ada")
    assert (node.rooms["demo"].epoch, node.rooms["demo"].offset, node.histories) == (epoch, 4, ([b"1"], True))
    broker.leave("demo", "ada", "disconnect", None)
    CLOCK[0] = 20
    broker.expire(20)
    enter(broker, "ada")
    assert node.rooms["demo"].epoch != epoch
    assert (node.rooms["demo"].offset, node.histories) == (1, ([], True))


def test_a_room_that_somebody_came_back_to_is_kept(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada")
    say(broker, "ada", b"1")
    broker.leave("demo", "ada", "disconnect", None)
    enter(broker, "bob")
    broker.expire(1000)
    say(broker, "bob", b"2", ref="r")
    assert node.take()[-1][0] == "told"


def test_the_longest_empty_room_gives_way(broker: Broker, node: RecordingNode) -> None:
    """To more empty rooms than are kept, and to a new one where the node has all it may have."""
    epochs = {}
    for number, room_id in enumerate(["a", "b", "c"]):
        CLOCK[0] = number
        enter(broker, "ada", room_id=room_id)
        broker.say(room_id, "ada", Raw(b"1"), None, None, None)
        broker.leave(room_id, "ada", "leave", None)
        epochs[room_id] = node.rooms[room_id].epoch
    broker.expire(3)
    for room_id, is_kept in [("b", True), ("c", True), ("a", False)]:
        enter(broker, "ada", room_id=room_id)
        assert (node.rooms[room_id].epoch == epochs[room_id]) is is_kept
    broker.leave("b", "ada", "leave", None)
    enter(broker, "ada", room_id="d")
    enter(broker, "ada", room_id="e")
    node.take()
    broker.enter("f", member("ada"), Entry("r"))
    assert node.refusals() == [("ada", "server_full", "r")]
    broker.leave("b", "ada", "leave", "l")
    assert node.refusals() == [("ada", "not_in_room", "l")]


def test_a_refused_newcomer_leaves_no_room_behind(broker: Broker, node: RecordingNode) -> None:
    for number in range(10):
        broker.enter(f"room {number}", member("ada", attributes=b"x" * 100), Entry())
    assert {call[2] for call in node.take()} <= {"room_full", "server_full"}
    broker.expire(1000)
    enter(broker, "ada")
    assert node.take()[0][0] == "entered"


# Moderation.


def test_a_lobby_keeps_newcomers_until_somebody_decides(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", **MODERATOR)
    broker.moderate("ada", SetAccess("demo", "lobby"), "a")
    assert node.take()[-1] == ("happened", "demo", RoomUpdated("demo", 2, "lobby", "a"))
    broker.enter("demo", member("bob"), Entry("b"))
    assert node.take() == [
        ("waits", "bob", "demo"),
        ("told", ("bob",), Waits("demo", "b")),
        ("told", ("ada",), Knocked("demo", member("bob"))),
    ]
    broker.enter("demo", member("bob"), Entry("b2"))
    assert node.refusals() == [("bob", "already_in_room", "b2")]
    broker.moderate("ada", Admit("demo", "bob"), "c")
    assert node.take() == [
        ("entered", "bob", "demo", 3, ["ada", "bob"], Entry("b")),
        ("happened", "demo", MemberJoined("demo", 3, member("bob"))),
        ("told", ("ada",), KnockEnded("demo", "bob", "c")),
    ]
    broker.enter("demo", member("eve"), Entry("e"))
    node.take()
    broker.moderate("ada", Reject("demo", "eve"), "d")
    assert node.take() == [("not_admitted", "eve", "demo", "e"), ("told", ("ada",), KnockEnded("demo", "eve", "d"))]
    broker.moderate("ada", Admit("demo", "eve"), "f")
    assert node.refusals() == [("ada", "not_waiting", "f")]


def test_who_waits_may_leave(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", **MODERATOR)
    broker.moderate("ada", SetAccess("demo", "lobby"), None)
    enter(broker, "bob")
    node.take()
    broker.leave("demo", "bob", "leave", "l")
    assert node.take() == [("left_lobby", "bob", "demo"), ("told", ("bob", "ada"), KnockEnded("demo", "bob", "l"))]
    broker.leave("demo", "bob", "leave", "l")
    assert node.refusals() == [("bob", "not_in_room", "l")]


def test_a_lobby_has_so_many_places(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", **MODERATOR)
    broker.moderate("ada", SetAccess("demo", "lobby"), None)
    enter(broker, "bob", "eve")
    node.take()
    broker.enter("demo", member("dan"), Entry("d"))
    assert node.refusals() == [("dan", "room_full", "d")]


def test_opening_a_room_lets_in_who_fits_in_order(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", **MODERATOR)
    enter(broker, "dan")
    broker.moderate("ada", SetAccess("demo", "lobby"), None)
    broker.enter("demo", member("bob"), Entry("b"))
    broker.enter("demo", member("eve"), Entry("e"))
    node.take()
    broker.moderate("ada", SetAccess("demo", "open"), "o")
    assert node.take() == [
        ("happened", "demo", RoomUpdated("demo", 4, "open", "o")),
        ("entered", "bob", "demo", 5, ["ada", "dan", "bob"], Entry("b")),
        ("happened", "demo", MemberJoined("demo", 5, member("bob"))),
        ("told", ("ada",), KnockEnded("demo", "bob")),
        ("not_admitted", "eve", "demo", "e"),
        ("told", ("ada",), KnockEnded("demo", "eve")),
    ]


def test_admitting_to_a_full_room_is_told_to_who_waited(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", **MODERATOR)
    enter(broker, "dan", "kim")
    broker.moderate("ada", SetAccess("demo", "lobby"), None)
    broker.enter("demo", member("bob"), Entry("b"))
    node.take()
    broker.moderate("ada", Admit("demo", "bob"), "a")
    assert ("not_admitted", "bob", "demo", "b") in node.take()


def test_when_a_closed_room_empties_it_is_over(broker: Broker, node: RecordingNode) -> None:
    for access in ("lobby", "locked"):
        enter(broker, "ada", **MODERATOR)
        say(broker, "ada", b"1")
        epoch = node.rooms["demo"].epoch
        broker.moderate("ada", SetAccess("demo", "lobby"), None)
        broker.enter("demo", member("bob"), Entry("b"))
        if access == "locked":
            broker.moderate("ada", SetAccess("demo", "locked"), None)
        node.take()
        broker.leave("demo", "ada", "leave", None)
        assert [call[0] for call in node.take()] == ["happened", "not_admitted"]
        enter(broker, "bob")
        assert node.rooms["demo"].epoch != epoch
        assert node.histories == ([], True)
        broker.leave("demo", "bob", "leave", None)


def test_locked_is_locked_but_for_moderators(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", **MODERATOR)
    broker.moderate("ada", SetAccess("demo", "locked"), None)
    node.take()
    broker.enter("demo", member("bob"), Entry("b"))
    assert node.refusals() == [("bob", "room_locked", "b")]
    enter(broker, "eve", **MODERATOR)
    assert node.take()[0][:2] == ("entered", "eve")


def test_the_muted_are_refused_wherever_they_come_back_from(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", **MODERATOR)
    enter(broker, "bob", subject="sub")
    node.take()
    broker.moderate("ada", Mute("demo", "bob", True, ("audio",)), "m")
    assert node.take() == [
        ("happened", "demo", MemberUpdated("demo", 3, member("bob", subject="sub", muted=True), "m")),
        ("told", ("bob",), MuteRequested("demo", "ada", ("audio",))),
    ]
    say(broker, "bob", b"1", ref="1")
    assert node.refusals() == [("bob", "muted", "1")]
    broker.leave("demo", "bob", "leave", None)
    enter(broker, "bob2", subject="sub")
    node.take()
    say(broker, "bob2", b"1", ref="2")
    assert node.refusals() == [("bob2", "muted", "2")]
    broker.moderate("ada", Mute("demo", "bob2", False), None)
    node.take()
    say(broker, "bob2", b"1")
    assert len(node.events()) == 1


def test_the_removed_stay_out_by_session_and_by_subject(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", **MODERATOR)
    enter(broker, "bob", subject="sub")
    node.take()
    broker.moderate("ada", Remove("demo", "bob"), "x")
    assert node.take() == [("happened", "demo", Left("demo", 3, "bob", "removed", "x"))]
    broker.enter("demo", member("bob"), Entry("1"))
    broker.enter("demo", member("other", subject="sub"), Entry("2"))
    broker.moderate("ada", Mute("demo", "bob", True), "3")
    broker.moderate("ada", Remove("demo", "bob"), "4")
    assert node.refusals() == [
        ("bob", "banned", "1"),
        ("other", "banned", "2"),
        ("ada", "target_not_found", "3"),
        ("ada", "target_not_found", "4"),
    ]


def test_rooms_elect_where_there_are_no_tokens(make: MakeBroker) -> None:
    broker = make(True)
    node = RecordingNode(broker)
    enter(broker, "ada", "bob", "eve")
    members = node.rooms["demo"].members
    assert [each.can for each in members.values()] == [EVERYTHING, MEMBER, MEMBER]
    node.take()
    broker.leave("demo", "ada", "disconnect", None)
    assert node.take() == [
        ("happened", "demo", Left("demo", 4, "ada", "disconnect")),
        ("happened", "demo", MemberUpdated("demo", 5, member("bob", can=EVERYTHING))),
    ]
    broker.leave("demo", "eve", "leave", None)
    broker.leave("demo", "bob", "leave", None)
    assert [type(event) for event in node.events()] == [Left, Left], "there is nobody left to elect"


def test_the_elected_learn_who_waits(make: MakeBroker) -> None:
    broker = make(True)
    node = RecordingNode(broker)
    enter(broker, "ada", "bob")
    broker.moderate("ada", SetAccess("demo", "lobby"), None)
    enter(broker, "eve")
    node.take()
    broker.leave("demo", "ada", "leave", None)
    assert node.take()[-1] == ("told", ("bob",), Knocked("demo", member("eve")))


def test_where_there_are_tokens_nobody_is_elected(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", "bob")
    broker.leave("demo", "ada", "leave", None)
    assert [type(event) for event in node.events()] == [MemberJoined, MemberJoined, Left]
    assert not node.rooms["demo"].moderators


# Signalling.


def test_signalling_reaches_its_target_or_the_whole_room(broker: Broker, node: RecordingNode) -> None:
    enter(broker, "ada", "bob")
    node.take()
    to_bob = Forwarded("ada", "demo", "bob", IceCandidate(Raw(b"null")))
    to_all = Forwarded("ada", "demo", None, IceCandidate(Raw(b"null")))
    broker.forward(to_bob)
    broker.forward(to_all)
    broker.forward(Forwarded("ada", "gone", None, IceCandidate(Raw(b"null"))))
    assert node.take() == [("forwarded", "bob", to_bob), ("forwarded_to_room", "demo", to_all)]
