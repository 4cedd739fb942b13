"""Several clients at once, on one node, with two witnesses beside them whom nothing of it may concern.

A conversation is written as lines, so that a fuzzer can change, cut and splice it:

    A1          client 0 connects with `sheetbend.v1`, or with `lesson` if the line has an l; before, it vanishes
    0{...}      client 0 sends the rest of the line (and connects first, if it isn't connected)
    a           client 0's socket breaks
    !0          client 0 sends a message that is too big to be read
    t7          7 seconds pass

There are clients 0 to 5, A to F, a to f. In what is sent, @0 stands for the user id of the first session, and $0 for
the latest resume token of client 0.
"""

from __future__ import annotations

import re

from sheetbend.core.limits import Limits
from sheetbend.core.rate_limits import Rate

from .node import Connection, Node
from .spoken import Message, require_documented

__all__ = ["CLIENTS", "LIMITS", "converse"]

CLIENTS = 6
LINES_MAX = 100
ROOM = "where the witnesses are, which nobody can guess"

LIMITS = Limits(
    message_bytes_max=2048,
    attributes_bytes_max=64,
    room_attributes_bytes_max=128,
    message_targets_max=3,
    rooms_per_session_max=3,
    members_per_room_max=3,
    rooms_max=6,
    resume_messages_max=8,
    resume_bytes_max=2048,
    message_ids_max=2,
    history_messages_max=3,
    history_bytes_max=1024,
    history_total_bytes_max=4096,
    empty_rooms_max=2,
    waiting_per_room_max=2,
    bans_per_room_max=2,
    message_rate=Rate(per_s=50, burst=60),
    join_rate=Rate(per_s=5, burst=20),
)
"""So small that a short conversation meets every bound."""

_USER_ID = re.compile(rb"@([0-9])")
_RESUME_TOKEN = re.compile(rb"\$([0-5])")
_CHECK_INTERVAL = 8


class _Clients:
    """Those of the conversation."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._connections: list[Connection | None] = [None] * CLIENTS
        self._tokens = [b""] * CLIENTS

    def perform(self, line: bytes) -> None:
        verb, rest = line[:1], line[1:]
        if verb == b"t":
            self._node.advance(int(rest[:3]) if rest[:3].isdigit() else 1)
        elif verb == b"!" and rest[:1] in b"012345":
            self._of(int(rest[:1] or b"0")).refuse_unread()
        elif verb in (b"0", b"1", b"2", b"3", b"4", b"5"):
            self._say(int(verb), rest)
        elif b"A" <= verb <= b"F":
            self._connect(ord(verb) - ord("A"), b"l" in rest)
        elif b"a" <= verb <= b"f":
            self._vanish(ord(verb) - ord("a"))

    def _say(self, number: int, text: bytes) -> None:
        connection = self._of(number)
        text = _USER_ID.sub(lambda match: b"%032x" % (int(match[1]) + 2), text)  # behind the witnesses
        connection.receive(_RESUME_TOKEN.sub(lambda match: self._tokens[int(match[1])], text))
        for answer in connection.sent[-2:]:
            if answer.startswith(b'{"type":"welcome"'):
                self._tokens[number] = answer.split(b'"resumeToken":"')[1].split(b'"')[0]

    def _of(self, number: int) -> Connection:
        connection = self._connections[number]
        return connection if connection is not None and connection.is_open else self._connect(number, False)

    def _connect(self, number: int, is_lesson: bool) -> Connection:
        self._vanish(number)
        connection = self._connections[number] = self._node.connect("lesson" if is_lesson else "sheetbend.v1")
        return connection

    def _vanish(self, number: int) -> None:
        connection = self._connections[number]
        if connection is not None:
            connection.vanish()

    def leave(self) -> None:
        for number in range(CLIENTS):
            self._vanish(number)


class _Witness:
    """Somebody in another room: what comes in is what it and its like have said."""

    def __init__(self, node: Node, *, is_lesson: bool = False) -> None:
        self._connection = node.connect("lesson" if is_lesson else "sheetbend.v1")
        if not is_lesson:
            self._connection.receive(b'{"type":"hello"}')
        self._connection.receive(b'{"type":"join","roomId":"%s"}' % ROOM.encode())
        self.user_id = self._connection.user_id

    def forget(self) -> None:
        self._connection.sent.clear()

    def offer(self, word: str) -> None:
        self._connection.receive(
            b'{"type":"offer","sdp":"%s","roomId":"%s","target":"%s"}'
            % (word.encode(), ROOM.encode(), (b"%032x" % (3 - int(self.user_id, 16))))
        )

    def heard(self) -> list[Message]:
        messages = [require_documented(self._connection.dialect, text) for text in self._connection.sent]
        return [message for message in messages if message["type"] != "ack"]


def converse(script: bytes) -> None:
    """Play a conversation. AssertionError, or whatever the node raises, is a fault of ours."""
    node = Node(LIMITS)
    witnesses = [_Witness(node), _Witness(node, is_lesson=True)]
    for witness in witnesses:
        witness.forget()
    clients = _Clients(node)
    for number, line in enumerate(script.split(b"\n")[:LINES_MAX]):
        clients.perform(line)
        if number % _CHECK_INTERVAL == 0:
            node.check_bounds()
    node.check_bounds()
    _check_what_was_said(node)
    for witness in witnesses:
        witness.offer(f"by {witness.user_id}")
    for witness, other in zip(witnesses, reversed(witnesses), strict=True):
        assert [message["sdp"] for message in witness.heard()] == [f"by {other.user_id}"]
        assert [message["sender"] for message in witness.heard()] == [other.user_id]
    _check_that_nothing_is_left(node, clients)


def _check_what_was_said(node: Node) -> None:
    """Every message is documented, and each room's events come in its order."""
    for connection in node.connections:
        offsets: dict[str, int] = {}
        for text in connection.sent:
            message = require_documented(connection.dialect, text)
            if "offset" not in message or message["type"] == "accepted":
                continue
            room_id = message["roomId"]
            assert message["type"] == "roster" or message["offset"] > offsets.get(room_id, -1), message
            offsets[room_id] = message["offset"]


def _check_that_nothing_is_left(node: Node, clients: _Clients) -> None:
    clients.leave()
    node.advance(LIMITS.resume_grace_s)
    assert node.sessions_count == node.leases_count == 2, "the witnesses"
    node.advance(LIMITS.empty_room_s)
    assert node.rooms_count == 1, "the witnesses'"
