"""Messages that other servers choked on, or took for something else than they were."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.support.clients import SUBPROTOCOL
from tests.support.frames import BINARY, TEXT, RawWebSocket, frame, text
from tests.support.process import ServerProcess
from tests.support.protocol import LIMITS

SPARE_BYTES = 200
"""What a message takes besides its content."""


class Pair:
    """Two native clients in a room."""

    def __init__(self, port: int, room_id: str) -> None:
        self.room_id = room_id
        self.sender, self.reader = (RawWebSocket.open(port, subprotocol=SUBPROTOCOL) for _ in range(2))
        for member in (self.sender, self.reader):
            member.send(text("hello"), text("join", roomId=room_id, name="member"))
            self.reader_id = member.read_message()["userId"]
            assert member.read_message()["type"] == "roster"
        assert self.sender.read_message()["type"] == "user-joined"

    def send(self, payload: bytes) -> None:
        """Send a message as it stands, but for ROOM and PEER."""
        filled = payload.replace(b"ROOM", self.room_id.encode()).replace(b"PEER", self.reader_id.encode())
        self.sender.send(frame(TEXT, filled))

    def refusal(self, payload: bytes) -> str:
        """Send what must be refused; return the error's code."""
        self.send(payload)
        error = self.sender.read_message()
        assert error["type"] == "error", error
        code: str = error["code"]
        return code

    def close(self) -> None:
        self.sender.socket.close()
        self.reader.socket.close()

    def assert_unharmed(self) -> None:
        """The next message is the first that either gets."""
        self.send(b'{"type":"message","roomId":"ROOM","data":"still here"}')
        for member in (self.sender, self.reader):
            assert member.read_message()["data"] == "still here"


@pytest.fixture
def pair(server: ServerProcess, room_id: str) -> Iterator[Pair]:
    pair = Pair(server.port, room_id)
    yield pair
    pair.assert_unharmed()
    pair.close()


@pytest.mark.parametrize(
    "payload",
    [
        b'{"type":"join","roomId":"allowed","roomId":"ROOM"}',
        b'{"type":"message","roomId":"elsewhere","data":1,"roomId":"ROOM"}',
        b'{"type":"leave","type":"message","roomId":"ROOM","data":1}',
        rb'{"type":"message","roomId":"elsewhere","room\u0049d":"ROOM","data":1}',
        b'{"type":"message","roomId":"ROOM","data":{"roles":["_admin"],"roles":[]}}',
        b'{"type":"offer","roomId":"ROOM","target":"PEER","sdp":{"type":"offer","type":"rollback"}}',
    ],
)
def test_a_key_that_stands_twice(pair: Pair, payload: bytes) -> None:
    """CVE-2017-12635, Apache CouchDB: of two equal keys one parser took the first, the other the last."""
    assert pair.refusal(payload) == "duplicate_key"


@pytest.mark.parametrize("key", [r"roomId\ud800", r"\ud800roomId", r"room\udc00Id"])
def test_a_lone_surrogate_in_a_key(pair: Pair, key: str) -> None:
    """CVE-2022-31116, UltraJSON: lone surrogates were dropped, so that different keys became the same."""
    assert (
        pair.refusal(b'{"type":"message","%s":"elsewhere","roomId":"ROOM","data":1}' % key.encode()) == "invalid_json"
    )


@pytest.mark.parametrize("kind", [b'{"toString":"foo"}', b"[]", b'["toString"]', b"1", b"null", b"true"])
def test_a_type_that_is_no_string(pair: Pair, kind: bytes) -> None:
    """CVE-2023-32695, socket.io-parser: an event name that was an object ended the process."""
    assert pair.refusal(b'{"type":%s,"roomId":"ROOM"}' % kind) == "invalid_message"


@pytest.mark.parametrize(
    "kind", ["error", "connect", "disconnect", "close", "newListener", "message\0", "uncaughtException"]
)
def test_a_type_that_means_something_to_the_server(pair: Pair, kind: str) -> None:
    """CVE-2024-38355, Socket.IO: a packet named `error` raised an event that nobody listened to; the process ended."""
    assert pair.refusal(json.dumps({"type": kind, "roomId": "ROOM"}).encode()) == "unknown_type"


@pytest.mark.parametrize("payload", [b'{"type":""}', b'{"type":"join","roomId":""}', b'{"":""}', b"{}", b""])
def test_an_empty_name(pair: Pair, payload: bytes) -> None:
    """CVE-2018-21036, Sails: a message with an empty path ended the process."""
    assert pair.refusal(payload) in {"unknown_type", "invalid_room_id", "invalid_message", "invalid_json"}


@pytest.mark.parametrize("kind", ["__proto__", "constructor", "toString", "hasOwnProperty", "prototype"])
def test_a_type_that_every_object_has(pair: Pair, kind: str) -> None:
    """CVE-2022-2421, socket.io-parser: a name that every object has led to a function instead of data."""
    assert pair.refusal(json.dumps({"type": kind, "roomId": "ROOM"}).encode()) == "unknown_type"


@pytest.mark.parametrize("number", [b'"splice"', b"9", b"-1", b"1e300", b'"__proto__"'])
def test_placeholders_mean_nothing(pair: Pair, number: bytes) -> None:
    """CVE-2022-2421, socket.io-parser: a placeholder for an attachment was replaced by whatever it named."""
    pair.send(b'{"type":"message","roomId":"ROOM","data":{"_placeholder":true,"num":%s}}' % number)
    for member in (pair.sender, pair.reader):
        assert member.read_message()["data"] == {"_placeholder": True, "num": json.loads(number)}


@pytest.mark.parametrize("announced", [b"0", b"1", b"1000000"])
def test_attachments_are_not_waited_for(pair: Pair, announced: bytes) -> None:
    """CVE-2026-33151 and CVE-2026-69185, socket.io-parser: attachments were kept, however many were announced."""
    pair.send(b'{"type":"message","roomId":"ROOM","data":0,"attachments":%s}' % announced)
    for member in (pair.sender, pair.reader):
        assert member.read_message()["data"] == 0
    pair.sender.send(*[frame(BINARY, b"x" * 1000)] * 10)
    assert {pair.sender.read_message()["code"] for _ in range(10)} == {"binary_not_supported"}


def large_messages() -> dict[str, bytes]:
    """As large as may be, each of another shape."""
    room = LIMITS["messageBytes"] - SPARE_BYTES
    return {
        "one string": b'"' + b"x" * room + b'"',
        "escapes": b'"' + rb"\u0041" * (room // 6) + b'"',
        "numbers": b"[" + b"1," * (room // 2) + b"1]",
        "objects": b"[" + b"{}," * (room // 3) + b"{}]",
        "lists": b"[" + b"[]," * (room // 3) + b"[]]",
        "keys": b"{" + b",".join(b'"%d":1' % key for key in range(room // 9)) + b"}",
        "spaces": b"[" + b" " * room + b"]",
        "floats": b"[" + b"1.0," * (room // 4) + b"1]",
        "long numbers": b"["
        + (b"1" * LIMITS["jsonNumberChars"] + b",") * (room // (LIMITS["jsonNumberChars"] + 1))
        + b"1]",
    }


@pytest.mark.parametrize("data", large_messages().values(), ids=large_messages())
def test_a_large_message_is_cheap(pair: Pair, data: bytes) -> None:
    """CVE-2020-36049, socket.io-parser: decoding a large packet piece by piece took time that grew with its square."""
    start = time.monotonic()
    pair.send(b'{ "type":"message","roomId":"ROOM","data":' + data + b"}")
    for member in (pair.sender, pair.reader):
        assert member.read_message()["data"] == json.loads(data)
    assert time.monotonic() - start < 0.5, "about 0.02 s"


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [201, 1000, 10_000])
def test_deep_nesting(pair: Pair, depth: int, opening: bytes) -> None:
    """CVE-2024-27454, orjson: deeply nested JSON overflowed the stack and ended the process."""
    closing = b"]" if opening == b"[" else b"}"
    data = opening * depth + b"1" + closing * depth
    assert pair.refusal(b'{"type":"message","roomId":"ROOM","data":%s}' % data) == "nesting_too_deep"
    assert pair.refusal(opening * depth) in ("nesting_too_deep", "invalid_json")


@pytest.mark.parametrize("number", [b"9" * 60_000, b"-" + b"9" * 5000, b"0." + b"9" * 60_000, b"1e" + b"9" * 60_000])
def test_endless_numbers(pair: Pair, number: bytes) -> None:
    """CVE-2020-10735, CPython: turning a long number into an integer took time that grew with its square."""
    start = time.monotonic()
    assert pair.refusal(b'{"type":"message","roomId":"ROOM","data":%s}' % number) == "number_out_of_range"
    assert time.monotonic() - start < 0.5


@pytest.mark.parametrize("field", ["name", "roomId", "ref"])
@pytest.mark.parametrize(
    "hidden", ["\u202e", "\u2066", "\u200f", "\u061c", "\x1b[2J", "\x07", "\x9b31m", "\u2028", "\r\n"]
)
def test_characters_that_deceive_readers(pair: Pair, field: str, hidden: str) -> None:
    """CVE-2021-42574, "Trojan Source": characters that turn the direction of text showed people other text."""
    fields = {"type": "join", "roomId": "another", "name": "Ada", "ref": "1", field: f"a{hidden}b"}
    code = pair.refusal(json.dumps(fields).encode())
    assert code == {"name": "invalid_name", "roomId": "invalid_room_id", "ref": "invalid_ref"}[field]


@pytest.mark.parametrize(
    "sdp",
    [
        "v=0\r\n" + "a=" + "A" * 60_000,
        "m=audio 9 UDP/TLS/RTP/SAVPF " + "0 " * 25_000,
        "a=rtpmap:" + "9" * 5000 + " x/1\r\n",
        "\0" * 5000,
        "%n%s%x" * 5000,
    ],
    ids=lambda sdp: sdp[:10],
)
def test_descriptions_are_not_parsed(pair: Pair, sdp: str) -> None:
    """CVE-2020-13901, Janus: merging a long session description overflowed the stack."""
    pair.send(json.dumps({"type": "offer", "roomId": "ROOM", "target": "PEER", "sdp": sdp}).encode())
    assert pair.reader.read_message()["sdp"] == sdp


@pytest.mark.parametrize("name", ["__proto__", "constructor", "toString", "hasOwnProperty"])
def test_names_that_every_object_has(server: ServerProcess, name: str) -> None:
    """CVE-2021-39205, Jitsi Meet: properties that a message brought became those of every object."""
    pair = Pair(server.port, name)
    pair.send(
        json.dumps({"type": "update", "roomId": "ROOM", "name": name, "attributes": {name: {"polluted": 1}}}).encode()
    )
    for member in (pair.sender, pair.reader):
        updated = member.read_message()
        assert updated["member"]["name"] == name
        assert updated["member"]["attributes"] == {name: {"polluted": 1}}
    pair.assert_unharmed()
    pair.close()
