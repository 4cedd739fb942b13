"""Any sequence of what clients can do, over both dialects: every member's view of a room is the room.

The real hub, broker, sessions and dialects; only the socket is replaced, by a client that reads what it is sent and
keeps its view of the room from that alone, as a program would.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from sheetbend.brokers.memory import MemoryBroker
from sheetbend.core.events import DialectName
from sheetbend.core.limits import Limits
from sheetbend.server.clients import Text, payload_of
from sheetbend.server.hub import Hub

ROOMS = ["red", "green", "blue"]
LIMITS = Limits(members_per_room_max=4, rooms_per_session_max=2)
rooms = st.sampled_from(ROOMS)


class Program:
    """A client of either dialect: its socket, and its view of its rooms."""

    def __init__(self, hub: Hub, dialect: DialectName) -> None:
        self.dialect = dialect
        self.views: dict[str, dict[str, Any]] = {}
        self.offsets: dict[str, int] = {}
        self.heard: list[tuple[str, int, str, Any]] = []
        self.inbox: list[dict[str, Any]] = []
        self.polite: dict[tuple[str, str], bool] = {}
        self.closed_with: int | None = None
        self.hub = hub
        self.client = hub.connect(dialect, self)
        self.user_id = self.client.session.user_id

    def say(self, **message: Any) -> list[dict[str, Any]]:
        """Send a message; return what came back to this program."""
        self.inbox.clear()
        self.hub.receive(self.client, json.dumps(message).encode())
        return self.inbox

    # What the hub calls.

    def send(self, text: Text) -> None:
        payload = payload_of(text)
        message = json.loads(payload)
        self.inbox.append(message)
        if self.dialect == "lesson":
            self._read_lesson(message)
        else:
            self._read_v1(message)

    def send_many(self, payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            self.send(payload)

    def close(self, code: int, reason: str) -> None:
        self.closed_with = code

    def _read_lesson(self, message: dict[str, Any]) -> None:
        room = self.views.get(message.get("roomId", ""))
        match message["type"]:
            case "existing-user" | "user-joined":
                assert room is not None
                assert message["userId"] not in room, "told twice of one member"
                room[message["userId"]] = None
            case "user-left":
                assert room is not None
                del room[message["userId"]]

    def _read_v1(self, message: dict[str, Any]) -> None:
        if "offset" not in message:
            return
        room_id = message["roomId"]
        if message["type"] == "roster":
            self.views[room_id] = {m["userId"]: (m["name"], m["attributes"]) for m in message["members"]}
            self.polite |= {(room_id, m["userId"]): m["polite"] for m in message["members"]}
        else:
            assert message["offset"] > self.offsets[room_id], "an event came late or twice"
            self._apply(message, self.views[room_id])
        self.offsets[room_id] = message["offset"]

    def _apply(self, event: dict[str, Any], room: dict[str, Any]) -> None:
        match event["type"]:
            case "user-joined" | "user-updated":
                member = event["member"]
                room[member["userId"]] = (member["name"], member["attributes"])
                if "polite" in member:
                    self.polite[event["roomId"], member["userId"]] = member["polite"]
            case "user-left" if event["userId"] == self.user_id:
                del self.views[event["roomId"]]
            case "user-left":
                del room[event["userId"]]
            case "message":
                self.heard.append((event["roomId"], event["offset"], event["sender"], event["data"]))


class Rooms(RuleBasedStateMachine):
    """The model is a set of members a room, with the name and attributes each gave."""

    programs = Bundle("programs")

    def __init__(self) -> None:
        super().__init__()
        ids = itertools.count(1)
        self.broker = MemoryBroker(LIMITS, lambda: "epoch")
        self.hub = Hub(self.broker, LIMITS, new_user_id=lambda: f"{next(ids):032x}", clock=lambda: 0.0)
        self.living: dict[str, Program] = {}
        self.model: dict[str, dict[str, Any]] = {room: {} for room in ROOMS}
        self.said: list[tuple[str, int, str, Any, frozenset[str]]] = []

    @rule(target=programs, dialect=st.sampled_from(["lesson", "sheetbend.v1"]))
    def connect(self, dialect: DialectName) -> Program:
        program = Program(self.hub, dialect)
        self.living[program.user_id] = program
        if dialect != "lesson":
            (welcome,) = program.say(type="hello")
            assert welcome["type"] == "welcome"
            assert welcome["userId"] == program.user_id
        return program

    @rule(program=programs, room=rooms, name=st.sampled_from(["", "Ada", "Zoë"]))
    def join(self, program: Program, room: str, name: str) -> None:
        members = self.model[room]
        refusal = (
            "already_in_room"
            if program.user_id in members
            else "too_many_rooms"
            if sum(program.user_id in members for members in self.model.values()) == LIMITS.rooms_per_session_max
            else "room_full"
            if len(members) == LIMITS.members_per_room_max
            else None
        )
        if program.dialect == "lesson" and refusal is None:
            program.views[room] = {}
            name = ""
        answer = program.say(type="join", roomId=room, name=name)
        if refusal:
            assert [message.get("code") for message in answer] == [refusal]
        else:
            assert program.dialect == "lesson" or [m["type"] for m in answer] == ["roster"]
            members[program.user_id] = (name, {})

    @rule(program=programs, room=rooms)
    def leave(self, program: Program, room: str) -> None:
        answer = program.say(type="leave", roomId=room)
        if program.user_id in self.model[room]:
            del self.model[room][program.user_id]
            program.views.pop(room, None)
            assert [m["type"] for m in answer] == ([] if program.dialect == "lesson" else ["user-left"])
        else:
            assert [m["code"] for m in answer] == ["not_in_room"]

    @rule(program=programs, room=rooms, key=st.sampled_from("ab"), value=st.sampled_from([None, 1, "x"]))
    def update(self, program: Program, room: str, key: str, value: Any) -> None:
        answer = program.say(type="update", roomId=room, attributes={key: value})
        if program.dialect == "lesson":
            assert [m["code"] for m in answer] == ["unknown_type"]
        elif program.user_id not in self.model[room]:
            assert [m["code"] for m in answer] == ["not_in_room"]
        else:
            name, attributes = self.model[room][program.user_id]
            merged = {k: v for k, v in {**attributes, key: value}.items() if v is not None}
            self.model[room][program.user_id] = (name, merged)
            program.views[room].pop(program.user_id)  # it hears of itself; its view is of the others

    @rule(program=programs, room=rooms, data=st.integers(), reader=st.none() | programs)
    def message(self, program: Program, room: str, data: int, reader: Program | None) -> None:
        to = {} if reader is None else {"to": [reader.user_id]}
        answer = program.say(type="message", roomId=room, data=data, **to)
        members = self.model[room]
        if program.dialect == "lesson":
            assert [m["code"] for m in answer] == ["unknown_type"]
        elif program.user_id not in members:
            assert [m["code"] for m in answer] == ["not_in_room"]
        elif reader is not None and reader.user_id not in members:
            assert [m["code"] for m in answer] == ["target_not_found"]
        else:
            (echo,) = answer
            readers = frozenset(members if reader is None else {reader.user_id, program.user_id})
            self.said.append((room, echo["offset"], program.user_id, data, readers))

    @rule(program=programs, peer=programs, room=rooms, forged=st.text("0123456789abcdef", min_size=32, max_size=32))
    def signal(self, program: Program, peer: Program, room: str, forged: str) -> None:
        for other in self.living.values():
            other.inbox.clear()
        answer = program.say(type="offer", sdp={"n": 1}, target=peer.user_id, roomId=room, sender=forged)
        reached = [p for p in self.living.values() if any(m["type"] == "offer" for m in p.inbox)]
        members = self.model[room]
        if peer is program:
            assert [m["code"] for m in answer] == ["target_is_self"]
            assert not reached
        elif program.user_id in members and peer.user_id in members:
            assert reached == [peer]
            (offer,) = peer.inbox
            assert (offer["sender"], offer["sdp"]) == (program.user_id, {"n": 1})
        else:
            assert not reached
            assert answer[0]["code"] in ("not_in_room", "target_not_found")

    @rule(program=programs, room=rooms)
    def broadcast(self, program: Program, room: str) -> None:
        if program.dialect != "lesson" or program.user_id not in self.model[room]:
            return
        for other in self.living.values():
            other.inbox.clear()
        program.say(type="ice-candidate", candidate=None, roomId=room)
        reached = {p.user_id for p in self.living.values() if any(m["type"] == "ice-candidate" for m in p.inbox)}
        assert reached == self.model[room].keys() - {program.user_id}

    @rule(target=programs, program=consumes(programs), bye=st.booleans())
    def end(self, program: Program, bye: bool) -> Any:
        if bye and program.dialect != "lesson":
            program.say(type="bye")
            assert program.closed_with == 1000
        self.hub.disconnect(program.client)
        del self.living[program.user_id]
        for members in self.model.values():
            members.pop(program.user_id, None)
        return multiple()

    @invariant()
    def views_are_the_rooms(self) -> None:
        for room, members in self.model.items():
            for program in self.living.values():
                if program.user_id not in members:
                    assert room not in program.views
                    continue
                others = {u: m for u, m in members.items() if u != program.user_id}
                view = {u: m for u, m in program.views[room].items() if u != program.user_id}
                assert view == (dict.fromkeys(others) if program.dialect == "lesson" else others)

    @invariant()
    def every_message_is_heard_once_by_its_readers(self) -> None:
        for program in self.living.values():
            if program.dialect != "lesson":
                meant = [(*key,) for *key, readers in self.said if program.user_id in readers]
                assert program.heard == meant

    @invariant()
    def one_of_each_pair_is_polite(self) -> None:
        for room, members in self.model.items():
            for one, other in itertools.combinations([self.living[user_id] for user_id in members], 2):
                votes = [one.polite.get((room, other.user_id)), other.polite.get((room, one.user_id))]
                lessons = (one.dialect == "lesson") + (other.dialect == "lesson")
                assert votes.count(True) == (lessons < 2), "a lesson member is never polite"
                assert votes.count(False) == (lessons == 0)

    @invariant()
    def empty_rooms_are_forgotten(self) -> None:
        assert self.broker.rooms_count == sum(bool(members) for members in self.model.values())


Rooms.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestRooms = Rooms.TestCase
