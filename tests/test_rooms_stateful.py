"""Any sequence of what clients can do, over both dialects and many connections: every member's view of a room is the
room.

The real hub, broker, sessions and dialects; only the socket is replaced, by a client that reads what it is sent and
keeps its view of the room from that alone, as a program would.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from sheetbend.core.events import DialectName
from sheetbend.core.limits import Limits
from tests.support.clients import UNCOUNTED, Message
from tests.support.nodes import TIME_MS, Node, Wire

ROOMS = ["red", "green", "blue"]
LIMITS = Limits(members_per_room_max=4, rooms_per_session_max=2, resume_grace_s=30, empty_room_s=60)
rooms = st.sampled_from(ROOMS)

Said = tuple[str, int, str, Any]
"""Room, offset, sender, data."""


class Line(Wire):
    """A connection that its program reads."""

    def __init__(self, program: Program, dialect: DialectName) -> None:
        self._program = program
        super().__init__(program.node, dialect)

    def hear(self, message: Message) -> None:
        self._program.hear(message)


class Program:
    """A client of either dialect: its connection, and its view of its rooms."""

    def __init__(self, node: Node, dialect: DialectName) -> None:
        self.dialect = dialect
        self.views: dict[str, dict[str, Any]] = {}
        self.offsets: dict[str, int] = {}
        self.heard: list[Said] = []
        self.inbox: list[dict[str, Any]] = []
        self.polite: dict[tuple[str, str], bool] = {}
        self.received = 0
        self.sent = 0
        self.resume_token = ""
        self.node = node
        self.line = Line(self, dialect)
        self.user_id = self.line.client.session.user_id

    @property
    def is_connected(self) -> bool:
        return self.line.closed_with is None and not self.line.is_stuck

    def say(self, **message: Any) -> list[dict[str, Any]]:
        """Send a message; return what came back to this program."""
        self.inbox.clear()
        self.sent += message["type"] not in ("hello", "ack", "ping")
        self.node.hub.receive(self.line.client, json.dumps(message).encode())
        return self.inbox

    def resume(self) -> list[dict[str, Any]]:
        old, self.line = self.line, Line(self, self.dialect)
        answer = self.say(type="hello", resume={"token": self.resume_token, "received": self.received})
        assert old.closed_with in (1006, 4003), "a connection that was taken over is closed"
        return answer

    def hear(self, message: dict[str, Any]) -> None:
        self.inbox.append(message)
        self.received += message["type"] not in UNCOUNTED
        if self.dialect == "lesson":
            self._read_lesson(message)
        else:
            self._read_v1(message)

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
        if message["type"] == "welcome":
            self.resume_token = message["resumeToken"]
        if "offset" not in message or message["type"] == "accepted":
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
                assert event["time"] == TIME_MS
                self.heard.append((event["roomId"], event["offset"], event["sender"], event["data"]))


class Rooms(RuleBasedStateMachine):
    """The model is a set of members a room, with the name and attributes each gave."""

    programs = Bundle("programs")

    def __init__(self) -> None:
        super().__init__()
        self.node = Node(LIMITS)
        self.hub = self.node.hub
        self.living: dict[str, Program] = {}
        self.away: dict[Program, float] = {}
        self.model: dict[str, dict[str, Any]] = {room: {} for room in ROOMS}
        self.said: list[tuple[Said, frozenset[str]]] = []
        self.history: dict[str, list[Said]] = {}
        """What was said to everybody in the life of a room that there is."""
        self.empty_since: dict[str, float] = {}
        self.ids: dict[tuple[str, str], dict[str, int]] = {}

    # Coming and going.

    @rule(target=programs, dialect=st.sampled_from(["lesson", "sheetbend.v1"]))
    def connect(self, dialect: DialectName) -> Program:
        program = Program(self.node, dialect)
        self.living[program.user_id] = program
        if dialect != "lesson":
            (welcome,) = program.say(type="hello")
            assert welcome["type"] == "welcome"
            assert welcome["userId"] == program.user_id
        return program

    @rule(target=programs, program=consumes(programs), bye=st.booleans())
    def end(self, program: Program, bye: bool) -> Any:
        if program.dialect == "lesson":
            self.hub.disconnect(program.line.client, program.line)
        elif bye and program.is_connected:
            program.say(type="bye")
            assert program.line.closed_with == 1000
        else:
            return program
        self._is_gone(program)
        return multiple()

    @rule(program=programs, is_noticed=st.booleans())
    def lose_connection(self, program: Program, is_noticed: bool) -> None:
        if program.dialect == "lesson" or not program.is_connected:
            return
        if is_noticed:
            program.line.close(1006, "reset")
            self.away[program] = self.node.now
        else:
            program.line.is_stuck = True

    @rule(program=programs)
    def resume(self, program: Program) -> None:
        if program.dialect == "lesson" or program.user_id not in self.living or program.is_connected:
            return
        welcome, *_ = program.resume()
        self.away.pop(program, None)
        assert welcome["recovered"] is True
        assert welcome["userId"] == program.user_id
        assert welcome["received"] == program.sent

    @rule(program=programs)
    def acknowledge(self, program: Program) -> None:
        if program.dialect != "lesson" and program.is_connected:
            assert program.say(type="ack", received=program.received) == []
            assert program.line.client.session.stream.kept_count == 0

    @rule(seconds=st.sampled_from([1, 15, 31, 70]))
    def let_time_pass(self, seconds: int) -> None:
        self.node.now += seconds
        ending = [program for program, since in self.away.items() if self.node.now - since >= LIMITS.resume_grace_s]
        for program in ending:
            self._is_gone(program)
        self.hub.expire(self.node.now)
        for room, since in list(self.empty_since.items()):
            if self.node.now - since >= LIMITS.empty_room_s:
                del self.empty_since[room], self.history[room]

    def _is_gone(self, program: Program) -> None:
        del self.living[program.user_id]
        self.away.pop(program, None)
        for room in ROOMS:
            self._leaves(program, room)

    def _leaves(self, program: Program, room: str) -> None:
        if self.model[room].pop(program.user_id, None) is None:
            return
        self.ids.pop((room, program.user_id), None)
        if not self.model[room]:
            self.empty_since[room] = self.node.now
            if not self.history[room]:
                del self.empty_since[room], self.history[room]

    # What members do.

    @rule(program=programs, room=rooms, name=st.sampled_from(["", "Ada", "Zoë"]))
    def join(self, program: Program, room: str, name: str) -> None:
        if not self._is_here(program):
            return
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
            return
        members[program.user_id] = (name, {})
        self.empty_since.pop(room, None)
        said = self.history.setdefault(room, [])
        if program.dialect != "lesson":
            (roster,) = answer
            assert roster["complete"] is True
            assert [(room, each["offset"], each["sender"], each["data"]) for each in roster["history"]] == said

    @rule(program=programs, room=rooms)
    def leave(self, program: Program, room: str) -> None:
        if not self._is_here(program):
            return
        answer = program.say(type="leave", roomId=room)
        if program.user_id in self.model[room]:
            self._leaves(program, room)
            program.views.pop(room, None)
            assert [m["type"] for m in answer] == ([] if program.dialect == "lesson" else ["user-left"])
        else:
            assert [m["code"] for m in answer] == ["not_in_room"]

    @rule(program=programs, room=rooms, key=st.sampled_from("ab"), value=st.sampled_from([None, 1, "x"]))
    def update(self, program: Program, room: str, key: str, value: Any) -> None:
        if not self._is_here(program):
            return
        answer = program.say(type="update", roomId=room, attributes={key: value})
        if program.dialect == "lesson":
            assert [m["code"] for m in answer] == ["unknown_type"]
        elif program.user_id not in self.model[room]:
            assert [m["code"] for m in answer] == ["not_in_room"]
        else:
            name, attributes = self.model[room][program.user_id]
            merged = {k: v for k, v in {**attributes, key: value}.items() if v is not None}
            self.model[room][program.user_id] = (name, merged)

    @rule(
        program=programs,
        room=rooms,
        data=st.integers(),
        reader=st.none() | programs,
        message_id=st.none() | st.sampled_from("abc"),
    )
    def message(self, program: Program, room: str, data: int, reader: Program | None, message_id: str | None) -> None:
        if not self._is_here(program):
            return
        to = None if reader is None else [reader.user_id]
        answer = program.say(type="message", roomId=room, data=data, to=to, id=message_id)
        members = self.model[room]
        ids = self.ids.setdefault((room, program.user_id), {}) if program.user_id in members else {}
        if program.dialect == "lesson":
            assert [m["code"] for m in answer] == ["unknown_type"]
        elif program.user_id not in members:
            assert [m["code"] for m in answer] == ["not_in_room"]
        elif message_id in ids:
            assert [(m["type"], m["id"], m["offset"]) for m in answer] == [("accepted", message_id, ids[message_id])]
        elif reader is not None and reader.user_id not in members:
            assert [m["code"] for m in answer] == ["target_not_found"]
        else:
            echo, *accepted = answer
            assert [m["offset"] for m in accepted] == [echo["offset"]] * (message_id is not None)
            readers = frozenset(members if reader is None else {reader.user_id, program.user_id})
            said = (room, echo["offset"], program.user_id, data)
            self.said.append((said, readers))
            if reader is None:
                self.history[room].append(said)
            if message_id is not None:
                ids[message_id] = echo["offset"]

    @rule(program=programs, peer=programs, room=rooms, forged=st.text("0123456789abcdef", min_size=32, max_size=32))
    def signal(self, program: Program, peer: Program, room: str, forged: str) -> None:
        if not self._is_here(program):
            return
        for other in self.living.values():
            other.inbox.clear()
        answer = program.say(type="offer", sdp={"n": 1}, target=peer.user_id, roomId=room, sender=forged)
        reached = [p for p in self.living.values() if any(m["type"] == "offer" for m in p.inbox)]
        members = self.model[room]
        if peer is program:
            assert [m["code"] for m in answer] == ["target_is_self"]
            assert not reached
        elif program.user_id in members and peer.user_id in members:
            assert reached == ([peer] if peer.is_connected else [])
            for offer in peer.inbox:
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
        here = {user_id for user_id in self.model[room] if self.living[user_id].is_connected}
        assert reached == here - {program.user_id}

    def _is_here(self, program: Program) -> bool:
        return program.user_id in self.living and program.is_connected

    # What always holds.

    @invariant()
    def views_are_the_rooms(self) -> None:
        for room, members in self.model.items():
            for program in filter(self._is_here, self.living.values()):
                if program.user_id not in members:
                    assert room not in program.views
                    continue
                others = {u: m for u, m in members.items() if u != program.user_id}
                view = {u: m for u, m in program.views[room].items() if u != program.user_id}
                assert view == (dict.fromkeys(others) if program.dialect == "lesson" else others)

    @invariant()
    def every_message_is_heard_once_by_its_readers(self) -> None:
        for program in filter(self._is_here, self.living.values()):
            if program.dialect != "lesson":
                assert program.heard == [said for said, readers in self.said if program.user_id in readers]

    @invariant()
    def one_of_each_pair_is_polite(self) -> None:
        for room, members in self.model.items():
            here = [self.living[user_id] for user_id in members if self.living[user_id].is_connected]
            for one, other in itertools.combinations(here, 2):
                votes = [one.polite.get((room, other.user_id)), other.polite.get((room, one.user_id))]
                lessons = (one.dialect == "lesson") + (other.dialect == "lesson")
                assert votes.count(True) == (lessons < 2), "a lesson member is never polite"
                assert votes.count(False) == (lessons == 0)

    @invariant()
    def empty_rooms_are_forgotten(self) -> None:
        assert self.node.broker.rooms_count == len(self.history)

    @invariant()
    def a_session_lives_as_long_as_it_is_here_or_expected(self) -> None:
        assert self.hub.clients.keys() == self.living.keys()


Rooms.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestRooms = Rooms.TestCase
