"""What no client should send, in both dialects: the sender gets one error, goes on, and nobody else hears of it."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from tests.support.clients import SUBPROTOCOL
from tests.support.frames import BINARY, TEXT, RawWebSocket, frame, text
from tests.support.process import ServerProcess
from tests.support.protocol import LIMITS


class Case(NamedTuple):
    code: str
    payload: bytes


def offer(sdp: str) -> bytes:
    """An offer that would reach the other member if `sdp`, as JSON text, were fine."""
    return b'{"type":"offer","roomId":"ROOM","target":"PEER","sdp":%s}' % sdp.encode()


def joining(room_id: str) -> bytes:
    return json.dumps({"type": "join", "roomId": room_id}).encode()


DEEP = LIMITS["jsonDepth"]
DIGITS = "1" * 5000
INVALID_JSON = {
    "empty": b"",
    "space": b" \n",
    "word": b"hello",
    "half": b'{"type":"join","roomId":"x"',
    "two values": joining("x") + joining("y"),
    "trailing comma": b'{"type":"join","roomId":"x",}',
    "single quotes": b"{'type':'join','roomId':'x'}",
    "comment": b'{"type":"join",/**/"roomId":"x"}',
    "byte order mark": b"\xef\xbb\xbf" + joining("x"),
    "raw tab": b'{"type":"join","roomId":"a\tb"}',
    "raw NUL": b'{"type":"join","roomId":"a\0b"}',
    "bad escape": offer(r'"\x41"'),
    "half an escape": offer(r'"\u00"'),
    "leading zero": offer("01"),
    "no fraction": offer("1."),
    "no integer": offer(".5"),
    "plus": offer("+1"),
    "hexadecimal": offer("0x10"),
    "NaN": offer("NaN"),
    "nested NaN": offer('{"a":[NaN]}'),
    "Infinity": offer("Infinity"),
    "-Infinity": offer("-Infinity"),
    "lone high surrogate": offer(r'"\ud83d"'),
    "lone low surrogate": offer(r'"\ude00"'),
    "surrogates the wrong way round": offer(r'"\ude00\ud83d"'),
    "lone surrogate in a key": offer(r'{"\ud83d":1}'),
    "lone surrogate in an ignored field": b'{"type":"join","roomId":"x","more":"\\ud83d"}',
}
DUPLICATES = {
    "at the top": b'{"type":"join","roomId":"x","roomId":"y"}',
    "type": b'{"type":"join","type":"join","roomId":"x"}',
    "spelt otherwise": rb'{"type":"join","roomId":"x","room\u0049d":"y"}',
    "in an ignored field": b'{"type":"join","roomId":"x","more":{"a":1,"a":1}}',
    "in an object": offer('{"a":1,"a":1}'),
    "in a list": offer('[0,{"a":{"b":1,"\\u0062":2}}]'),
    "deep down": offer("[" * (DEEP - 2) + '{"a":1,"a":2}' + "]" * (DEEP - 2)),
    "empty keys": offer('{"":1,"":2}'),
}
NUMBERS = {
    "integer": offer(DIGITS),
    "negative integer": offer("-" + DIGITS),
    "fraction": offer("0." + DIGITS),
    "before a fraction": offer(DIGITS + ".5"),
    "exponent": offer("1e" + DIGITS),
    "negative exponent": offer("1e-" + DIGITS),
    "zeros": offer("0." + "0" * 5000),
    "too large": offer("1e400"),
    "too small": offer("-1e400"),
    "in a list": offer(f"[[{DIGITS}]]"),
    "in an ignored field": b'{"type":"join","roomId":"x","more":%s}' % DIGITS.encode(),
    "one digit over": offer("1" * (LIMITS["jsonNumberChars"] + 1)),
}
NESTINGS = {
    "one over": offer("[" * DEEP + "]" * DEEP),
    "one object over": offer('{"a":' * DEEP + "1" + "}" * DEEP),
    "500": offer("[" * 500 + "]" * 500),
    "30,000": offer("[" * 30_000 + "]" * 30_000),
    "60,000 without end": b"[" * 60_000,
    "objects without end": b'{"a":' * 12_000,
    "in an ignored field": b'{"type":"join","roomId":"x","more":%s}' % (b"[" * DEEP + b"]" * DEEP),
}
TYPES = {
    "null": b"null",
    "a number": b"1",
    "a string": b'"join"',
    "a list": b"[" + joining("x") + b"]",
    "nothing": b"{}",
    "type is missing": b'{"roomId":"x"}',
    "type is null": b'{"type":null,"roomId":"x"}',
    "type is a number": b'{"type":1,"roomId":"x"}',
    "type is a list": b'{"type":["join"],"roomId":"x"}',
    "roomId is missing": b'{"type":"join"}',
    "roomId is null": b'{"type":"join","roomId":null}',
    "roomId is a number": b'{"type":"join","roomId":1}',
    "roomId is a list": b'{"type":"join","roomId":["x"]}',
    "sdp is missing": b'{"type":"offer","roomId":"ROOM","target":"PEER"}',
    "candidate is missing": b'{"type":"ice-candidate","roomId":"ROOM","target":"PEER","sdp":1}',
    "target is a number": b'{"type":"offer","sdp":1,"roomId":"ROOM","target":1}',
    "target is an object": b'{"type":"offer","sdp":1,"roomId":"ROOM","target":{}}',
}
UNKNOWN = {
    "another word": b'{"type":"shout","roomId":"ROOM"}',
    "empty": b'{"type":"","roomId":"ROOM"}',
    "other case": b'{"type":"Join","roomId":"x"}',
    "what only the server says": b'{"type":"user-left","userId":"PEER","roomId":"ROOM"}',
    "long": b'{"type":"%s"}' % (b"x" * 60_000),
}
BAD_TEXTS = {
    "empty": "",
    "too long": "x" * (LIMITS["roomIdChars"] + 1),
    "NUL": "a\0b",
    "newline": "a\nb",
    "escape": "\x1b[31mred",
    "delete": "a\x7f",
    "C1 control": "a\x9b31m",
    "next line": "a\u0085b",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "right-to-left override": "a\u202eb",
    "left-to-right isolate": "a\u2066b",
    "right-to-left mark": "a\u200fb",
    "Arabic letter mark": "a\u061cb",
}
SIZES = {
    "one byte over": joining("x").ljust(LIMITS["messageBytes"] + 1),
    "a full frame": b"x" * LIMITS["frameBytes"],
    "depth 100,000": offer("[" * 100_000 + "]" * 100_000),
}

BOTH_DIALECTS = [
    pytest.param(Case(code, payload), id=f"{code}: {name}")
    for code, payloads in {
        "invalid_json": INVALID_JSON,
        "duplicate_key": DUPLICATES,
        "number_out_of_range": NUMBERS,
        "nesting_too_deep": NESTINGS,
        "invalid_message": TYPES,
        "unknown_type": UNKNOWN,
        "invalid_room_id": {name: joining(room_id) for name, room_id in BAD_TEXTS.items()},
        "message_too_big": SIZES,
    }.items()
    for name, payload in payloads.items()
]


def native_case(code: str, kind: str, name: str, fields: dict[str, object]) -> object:
    payload = json.dumps({"type": kind, "roomId": "ROOM" if kind == "update" else "x", **fields}).encode()
    return pytest.param(Case(code, payload), id=f"{code}: {kind} {name}")


NOT_TEXT: list[object] = [1, [], {}, True]
NO_ATTRIBUTES: list[object] = [
    None,
    1,
    "x",
    [],
    {"a": "x" * LIMITS["attributesBytes"]},
    {"é" * LIMITS["attributesBytes"]: 1},
]

NATIVE_ONLY = [
    *(
        native_case("invalid_name", kind, name, {"name": value})
        for kind in ("join", "update")
        for name, value in BAD_TEXTS.items()
        if value
    ),
    *(native_case("invalid_ref", "join", name, {"ref": value}) for name, value in BAD_TEXTS.items()),
    *(native_case("invalid_ref", "join", repr(value), {"ref": value}) for value in NOT_TEXT),
    *(
        native_case("invalid_attributes", kind, f"{value!r:.20}", {"attributes": value})
        for kind in ("join", "update")
        for value in NO_ATTRIBUTES
    ),
    *(native_case("invalid_message", kind, "name", {"name": 1}) for kind in ("join", "update")),
]


class Room:
    """A client of one dialect in a room with a watcher of each dialect."""

    def __init__(self, server: ServerProcess, room_id: str, dialect: str | None) -> None:
        self.sender = self._enter(server, room_id, dialect)
        self.watchers = [self._enter(server, room_id, None), self._enter(server, room_id, SUBPROTOCOL)]
        arrival = self.sender.read_message()
        self._names = {b"ROOM": room_id.encode(), b"PEER": user_id_of(arrival).encode()}
        self.sender.read_message()
        self.watchers[0].read_message()

    def close(self) -> None:
        for member in (self.sender, *self.watchers):
            member.socket.close()

    def fill_in(self, payload: bytes) -> bytes:
        for name, value in self._names.items():
            payload = payload.replace(name, value)
        return payload

    def assert_unharmed(self) -> None:
        """The sender is still heard, and its next message is the first that anybody else gets."""
        peer = self._names[b"PEER"].decode()
        self.sender.send(text("offer", roomId=self._names[b"ROOM"].decode(), target=peer, sdp="still here"))
        assert self.watchers[0].read_message()["sdp"] == "still here"
        for member in (self.sender, *self.watchers):
            member.send(text("marker"))
            assert member.read_message()["code"] == "unknown_type"

    @staticmethod
    def _enter(server: ServerProcess, room_id: str, dialect: str | None) -> RawWebSocket:
        member = RawWebSocket.open(server.port, subprotocol=dialect)
        if dialect is not None:
            member.send(text("hello"))
            member.read_message()
        member.send(text("join", roomId=room_id), text("marker"))
        while member.read_message().get("code") != "unknown_type":
            pass
        return member


def user_id_of(joined: dict[str, dict[str, str]]) -> str:
    return str(joined["userId"] if "userId" in joined else joined["member"]["userId"])


@pytest.mark.parametrize("dialect", [None, SUBPROTOCOL], ids=["lesson", "v1"])
@pytest.mark.parametrize("case", BOTH_DIALECTS)
def test_bad_input_costs_an_error_and_nothing_else(
    server: ServerProcess, room_id: str, case: Case, dialect: str | None
) -> None:
    assert_refused(server, room_id, case, dialect)


@pytest.mark.parametrize("case", NATIVE_ONLY)
def test_bad_input_to_the_native_dialect(server: ServerProcess, room_id: str, case: Case) -> None:
    assert_refused(server, room_id, case, SUBPROTOCOL)


def assert_refused(server: ServerProcess, room_id: str, case: Case, dialect: str | None) -> None:
    room = Room(server, room_id, dialect)
    room.sender.send(frame(TEXT, room.fill_in(case.payload)))
    error = room.sender.read_message()
    assert (error["type"], error["code"]) == ("error", case.code)
    assert error.keys() - {"ref"} == {"type", "code", "message"} | ({"retryable"} if dialect else set())
    room.assert_unharmed()
    room.close()


@pytest.mark.parametrize("dialect", [None, SUBPROTOCOL], ids=["lesson", "v1"])
@pytest.mark.parametrize("payload", [b"", b"\x00\xff", joining("x"), b"x" * LIMITS["frameBytes"]], ids=len)
def test_binary_is_refused(server: ServerProcess, room_id: str, dialect: str | None, payload: bytes) -> None:
    room = Room(server, room_id, dialect)
    room.sender.send(frame(BINARY, payload))
    assert room.sender.read_message()["code"] == "binary_not_supported"
    room.assert_unharmed()
    room.close()


@pytest.mark.parametrize(
    "odd_id",
    ["x" * LIMITS["roomIdChars"], "😀" * LIMITS["roomIdChars"], " ", "../é\u00a0/%00", "👩\u200d🚀", "__proto__"],
)
def test_a_room_id_may_be_any_printable_text(server: ServerProcess, odd_id: str) -> None:
    room = Room(server, odd_id, None)
    room.assert_unharmed()
    room.close()


FITTING = {
    "text that needs no escape": offer('"\u2028\u202e\x7f😀"'),
    "numbers as long as may be": offer("[" + "1" * LIMITS["jsonNumberChars"] + ",-1e308,1e-308]"),
    "nesting as deep as may be": offer("[" * (DEEP - 1) + "]" * (DEEP - 1)),
    "surrogate pairs": offer(r'"\ud83d\ude00"'),
    "keys that differ": offer('{"a":1,"A":2,"\u00e9":3,"e\u0301":4,"":5}'),
    "white space": offer(' [ 1 , { "a" : null } ] '),
}


@pytest.mark.parametrize("payload", FITTING.values(), ids=FITTING)
def test_what_is_unusual_but_valid_goes_through(server: ServerProcess, room_id: str, payload: bytes) -> None:
    room = Room(server, room_id, None)
    filled = room.fill_in(payload)
    room.sender.send(frame(TEXT, filled))
    assert room.watchers[0].read_message()["sdp"] == json.loads(filled)["sdp"]
    room.assert_unharmed()
    room.close()


def test_a_message_as_long_as_the_bound_is_not_too_big(server: ServerProcess, room_id: str) -> None:
    room = Room(server, room_id, None)
    filled = room.fill_in(offer('"SDP"'))
    padding = b"x" * (LIMITS["messageBytes"] - len(filled) + 3)
    room.sender.send(frame(TEXT, filled.replace(b"SDP", padding)))
    assert len(room.watchers[0].read_message()["sdp"]) == len(padding)
    room.assert_unharmed()
    room.close()
