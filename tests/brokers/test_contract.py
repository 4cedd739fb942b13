"""What every broker promises its node (`brokers/base.py`). A broker joins by standing in `BROKERS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw

from sheetbend.brokers.base import Broker
from sheetbend.brokers.memory import MemoryBroker
from sheetbend.core.events import Event, Forwarded, Left, Member, MemberJoined, MemberUpdated, Said
from sheetbend.core.limits import Limits
from sheetbend.core.messages import IceCandidate
from sheetbend.core.room import Room
from sheetbend.errors import RefusedError

LIMITS = Limits(members_per_room_max=3, attributes_bytes_max=40, room_attributes_bytes_max=64)
EPOCHS = iter(range(1_000_000))
BROKERS: dict[str, Callable[[], Broker]] = {"memory": lambda: MemoryBroker(LIMITS, lambda: str(next(EPOCHS)))}


class RecordingNode:
    """Writes down every call back, in order."""

    def __init__(self, broker: Broker) -> None:
        self.calls: list[tuple[Any, ...]] = []
        broker.attach(self)

    def entered(self, user_id: str, room: Room, ref: str | None) -> None:
        self.calls.append(("entered", user_id, room.id, room.offset, list(room.members), ref))

    def refused(self, user_id: str, error: RefusedError) -> None:
        self.calls.append(("refused", user_id, error.code, error.ref))

    def happened(self, room: Room, event: Event) -> None:
        self.calls.append(("happened", room.id, event))

    def forwarded(self, target: str, forwarded: Forwarded) -> None:
        self.calls.append(("forwarded", target, forwarded))

    def forwarded_to_room(self, room: Room, forwarded: Forwarded) -> None:
        self.calls.append(("forwarded_to_room", room.id, forwarded))

    def take(self) -> list[tuple[Any, ...]]:
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> Broker:
    return BROKERS[request.param]()


@pytest.fixture
def node(broker: Broker) -> RecordingNode:
    return RecordingNode(broker)


def member(user_id: str) -> Member:
    return Member(user_id, "sheetbend.v1")


def test_a_newcomer_hears_that_it_is_in_before_any_event(broker: Broker, node: RecordingNode) -> None:
    broker.enter("demo", member("ada"), "r")
    assert node.take() == [
        ("entered", "ada", "demo", 1, ["ada"], "r"),
        ("happened", "demo", MemberJoined("demo", 1, member("ada"))),
    ]


def test_events_come_in_the_order_of_their_offsets(broker: Broker, node: RecordingNode) -> None:
    broker.enter("demo", member("ada"), None)
    broker.enter("demo", member("bob"), None)
    broker.say("demo", "bob", Raw(b"1"), None, "s")
    broker.update("demo", "ada", "Ada", b'{"mic":true}', "u")
    broker.leave("demo", "bob", "leave", "l")
    events = [call[2] for call in node.take() if call[0] == "happened"]
    assert events[2:] == [
        Said("demo", 3, "bob", Raw(b"1"), None, "s"),
        MemberUpdated("demo", 4, Member("ada", "sheetbend.v1", "Ada", b'{"mic":true}'), "u"),
        Left("demo", 5, "bob", "leave", "l"),
    ]
    assert [event.offset for event in events] == [1, 2, 3, 4, 5]


def test_a_refused_verb_changes_nothing(broker: Broker, node: RecordingNode) -> None:
    for name in ("ada", "bob", "eve"):
        broker.enter("demo", member(name), None)
    node.take()
    broker.enter("demo", member("ada"), "1")
    broker.enter("demo", member("dan"), "2")
    broker.leave("demo", "dan", "leave", "3")
    broker.update("elsewhere", "ada", "A", None, "4")
    broker.update("demo", "ada", None, b'{"long":"' + b"x" * 40 + b'"}', "5")
    broker.say("demo", "dan", Raw(b"1"), None, "6")
    broker.say("demo", "ada", Raw(b"1"), ("bob", "dan"), "7")
    assert node.take() == [
        ("refused", "ada", "already_in_room", "1"),
        ("refused", "dan", "room_full", "2"),
        ("refused", "dan", "not_in_room", "3"),
        ("refused", "ada", "not_in_room", "4"),
        ("refused", "ada", "invalid_attributes", "5"),
        ("refused", "dan", "not_in_room", "6"),
        ("refused", "ada", "target_not_found", "7"),
    ]
    broker.say("demo", "ada", Raw(b"1"), None, None)
    assert node.take() == [("happened", "demo", Said("demo", 4, "ada", Raw(b"1")))]


def test_attributes_are_merged_and_null_removes(broker: Broker, node: RecordingNode) -> None:
    broker.enter("demo", Member("ada", "sheetbend.v1", "Ada", b'{"a":1,"b":{"c":2}}'), None)
    broker.update("demo", "ada", None, b'{"a":null,"b":{"d":3}}', None)
    event = node.take()[-1][2]
    assert event.member == Member("ada", "sheetbend.v1", "Ada", b'{"b":{"d":3}}')


def test_a_change_of_one_key_leaves_the_others_alone(broker: Broker, node: RecordingNode) -> None:
    broker.enter("demo", Member("ada", "sheetbend.v1", "Ada", b'{"a":null}'), None)
    broker.update("demo", "ada", None, b'{"b":1}', None)
    assert node.take()[-1][2].member.attributes == b'{"a":null,"b":1}'


def test_the_attributes_of_a_room_are_bounded_together(broker: Broker, node: RecordingNode) -> None:
    bulky = b'{"long":"' + b"x" * 20 + b'"}'
    broker.enter("demo", Member("ada", "sheetbend.v1", "", bulky), None)
    broker.enter("demo", Member("bob", "sheetbend.v1", "", bulky), "b")
    node.take()
    broker.update("demo", "ada", None, b'{"a":1}', "a")
    assert node.take() == [("refused", "ada", "room_full", "a")]
    broker.leave("demo", "bob", "leave", None)
    broker.update("demo", "ada", None, b'{"a":1}', None)
    assert node.take()[-1][2].member.attributes == b'{"long":"' + b"x" * 20 + b'","a":1}'


def test_a_room_that_was_empty_begins_anew(broker: Broker, node: RecordingNode) -> None:
    epochs = []
    for _ in range(2):
        broker.enter("demo", member("ada"), None)
        epochs.append(node.calls[0][3])
        broker.leave("demo", "ada", "disconnect", None)
        node.take()
    assert epochs == [1, 1], "offsets start again"


def test_signalling_reaches_its_target_or_the_whole_room(broker: Broker, node: RecordingNode) -> None:
    broker.enter("demo", member("ada"), None)
    broker.enter("demo", member("bob"), None)
    node.take()
    to_bob = Forwarded("ada", "demo", "bob", IceCandidate(Raw(b"null")))
    to_all = Forwarded("ada", "demo", None, IceCandidate(Raw(b"null")))
    broker.forward(to_bob)
    broker.forward(to_all)
    broker.forward(Forwarded("ada", "gone", None, IceCandidate(Raw(b"null"))))
    assert node.take() == [("forwarded", "bob", to_bob), ("forwarded_to_room", "demo", to_all)]
