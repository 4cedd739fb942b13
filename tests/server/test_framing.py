"""RFC 6455, sections 5 and 6: frames, fragments, control frames and UTF-8, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawWebSocket, frame, text
from tests.support.process import ServerProcess
from tests.support.protocol import LIMITS

PROTOCOL_ERROR, INVALID_TEXT, TOO_BIG = 1002, 1007, 1009
QUESTION = json.dumps({"type": "é😀?"}, ensure_ascii=False).encode()
"""A message that is answered with `unknown_type`: it was understood."""
LONGEST = QUESTION.ljust(LIMITS["messageBytes"])
LENGTHS = [125, 126, 127, 128, 65_535, 65_536]
"""On both sides of where a header gets longer."""


@pytest.fixture
def raw(server: ServerProcess) -> Iterator[RawWebSocket]:
    with RawWebSocket.open(server.port) as connection:
        yield connection


def assert_understood(raw: RawWebSocket) -> None:
    assert raw.read_message()["code"] == "unknown_type"


def assert_not_binary(raw: RawWebSocket) -> None:
    assert raw.read_message()["code"] == "binary_not_supported"


def pieces(whole: bytes, size: int) -> list[bytes]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def fragmented(opcode: int, payload: bytes, size: int) -> list[bytes]:
    """A message in frames of `size` bytes."""
    parts = pieces(payload, size)
    last = len(parts) - 1
    return [frame(CONTINUATION if index else opcode, part, fin=index == last) for index, part in enumerate(parts)]


@pytest.mark.parametrize("size", LENGTHS)
@pytest.mark.parametrize("chop", [None, 997], ids=["whole", "chopped"])
def test_messages_of_each_form_of_length_are_taken(raw: RawWebSocket, size: int, chop: int | None) -> None:
    stream = frame(TEXT, QUESTION.ljust(size)) + frame(BINARY, b"\xfe" * size)
    for piece in pieces(stream, chop or len(stream)):
        raw.send(piece)
    assert_understood(raw)
    assert_not_binary(raw)


@pytest.mark.parametrize("size", LENGTHS)
def test_messages_of_each_form_of_length_are_sent(server: ServerProcess, room_id: str, size: int) -> None:
    with RawWebSocket.open(server.port) as reader, RawWebSocket.open(server.port) as writer:
        reader.send(text("join", roomId=room_id), frame(TEXT, QUESTION))
        assert_understood(reader)
        writer.send(text("join", roomId=room_id), text("offer", sdp=""))
        assert reader.read_message()["type"] == "user-joined"
        envelope = len(reader.read_frame().payload)
        writer.send(text("offer", sdp="x" * (size - envelope)))
        opcode, payload = reader.read_frame()
        assert (opcode, len(payload)) == (TEXT, size)
        assert json.loads(payload)["sdp"] == "x" * (size - envelope)


@pytest.mark.parametrize("fragment", [64, 1300, 65_536])
@pytest.mark.parametrize("chop", [64, 997, 2048])
def test_the_longest_message_may_come_in_pieces(raw: RawWebSocket, fragment: int, chop: int) -> None:
    stream = b"".join(fragmented(TEXT, LONGEST, fragment) + fragmented(BINARY, LONGEST, fragment))
    for piece in pieces(stream, chop):
        raw.send(piece)
    assert_understood(raw)
    assert_not_binary(raw)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_message_may_come_in_fragments(raw: RawWebSocket, size: int) -> None:
    for piece in fragmented(TEXT, QUESTION, size):
        raw.send(piece)
    assert_understood(raw)


def test_fragments_may_be_empty(raw: RawWebSocket) -> None:
    raw.send(frame(TEXT, fin=False), *[frame(CONTINUATION, fin=False)] * 1000)
    raw.send(frame(CONTINUATION, QUESTION, fin=False), frame(CONTINUATION))
    assert_understood(raw)


def test_bytes_may_trickle_in_one_by_one(raw: RawWebSocket) -> None:
    for byte in frame(TEXT, QUESTION) + frame(PING, b"p"):
        raw.send(bytes([byte]))
    assert_understood(raw)
    assert raw.read_frame() == (PONG, b"p")


def test_control_frames_may_stand_between_fragments(raw: RawWebSocket) -> None:
    raw.send(
        frame(TEXT, QUESTION[:5], fin=False),
        frame(PING, b"one"),
        frame(PONG, b"unasked"),
        frame(CONTINUATION, QUESTION[5:9], fin=False),
        frame(PING, b"two"),
        frame(CONTINUATION, QUESTION[9:]),
    )
    assert raw.read_frame() == (PONG, b"one")
    assert raw.read_frame() == (PONG, b"two")
    assert_understood(raw)


def test_a_ping_between_fragments_is_answered_before_their_end(raw: RawWebSocket) -> None:
    raw.send(frame(TEXT, QUESTION[:5], fin=False), frame(CONTINUATION, QUESTION[5:9], fin=False), frame(PING, b"one"))
    assert raw.read_frame() == (PONG, b"one")
    raw.send(frame(CONTINUATION, QUESTION[9:], fin=False), frame(PING, b"two"))
    assert raw.read_frame() == (PONG, b"two")
    raw.send(frame(CONTINUATION))
    assert_understood(raw)


def test_messages_of_a_burst_are_answered_in_order(raw: RawWebSocket) -> None:
    raw.send(*(frame(PING, b"%d" % number) + text("?") for number in range(1000)))
    for number in range(1000):
        assert raw.read_frame() == (PONG, b"%d" % number)
        assert_understood(raw)


@pytest.mark.parametrize("size", [16, 64, 256, 1024, 4096])
def test_questions_and_answers_may_take_turns(raw: RawWebSocket, size: int) -> None:
    for _ in range(1000):
        raw.send(frame(TEXT, QUESTION.ljust(size)))
        assert_understood(raw)


@pytest.mark.parametrize("payload", [b"", b"x", b"\x00\xff", b"\xfe" * 125], ids=len)
def test_a_ping_is_answered_with_its_payload(raw: RawWebSocket, payload: bytes) -> None:
    raw.send(frame(PING, payload))
    assert raw.read_frame() == (PONG, payload)


def test_pongs_are_not_answered(raw: RawWebSocket) -> None:
    raw.send(frame(PONG, b"unasked"), frame(PONG), frame(TEXT, QUESTION))
    assert_understood(raw)


def test_a_message_of_no_bytes_is_a_message(raw: RawWebSocket) -> None:
    raw.send(frame(TEXT))
    assert raw.read_message()["code"] == "invalid_json"
    raw.send(frame(TEXT, fin=False), frame(CONTINUATION))
    assert raw.read_message()["code"] == "invalid_json"


UNKNOWN_OPCODES = (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
BROKEN = {
    "continuation of nothing": [frame(CONTINUATION, b"x")],
    "fragment of nothing": [frame(CONTINUATION, b"x", fin=False)],
    "continuation after the end": [*fragmented(TEXT, b"{}", 1), frame(CONTINUATION)],
    "fragment after the end": [*fragmented(TEXT, b"{}", 1), frame(CONTINUATION, b"x", fin=False)],
    "text inside a fragmented text": [frame(TEXT, b"x", fin=False), frame(TEXT, QUESTION)],
    "text fragment inside a fragmented text": [frame(TEXT, b"x", fin=False), frame(TEXT, b"x", fin=False)],
    "binary inside a fragmented text": [frame(TEXT, b"x", fin=False), frame(BINARY, b"x")],
    "text inside a fragmented binary": [frame(BINARY, b"x", fin=False), frame(TEXT, QUESTION)],
    **{f"RSV {bits:03b}": [frame(TEXT, QUESTION, reserved=bits)] for bits in range(1, 8)},
    "RSV on a binary message": [frame(BINARY, b"x", reserved=5)],
    "RSV on a ping": [frame(PING, reserved=4)],
    "RSV on a pong": [frame(PONG, reserved=1)],
    "RSV on a close": [frame(CLOSE, reserved=2)],
    "RSV on a continuation": [frame(TEXT, b"{", fin=False), frame(CONTINUATION, b"}", reserved=4)],
    **{f"opcode {opcode}": [frame(opcode)] for opcode in UNKNOWN_OPCODES},
    **{f"opcode {opcode} with a payload": [frame(opcode, b"x")] for opcode in UNKNOWN_OPCODES},
    "not masked": [frame(TEXT, QUESTION, masked=False)],
    "a ping that is not masked": [frame(PING, masked=False)],
    "a ping of 126 bytes": [frame(PING, b"x" * 126)],
    "a pong of 126 bytes": [frame(PONG, b"x" * 126)],
    "a close of 126 bytes": [frame(CLOSE, b"\x03\xe8" + b"x" * 124)],
    "a fragmented ping": [frame(PING, b"x", fin=False), frame(CONTINUATION, b"x")],
    "a fragmented pong": [frame(PONG, b"x", fin=False), frame(CONTINUATION, b"x")],
    "a fragmented close": [frame(CLOSE, fin=False)],
    "16-bit length for a small payload": [b"\x81\xfe\x00\x01" + b"\0\0\0\0x"],
    "64-bit length for a small payload": [b"\x81\xff" + (200).to_bytes(8, "big") + bytes(204)],
    "64-bit length with the first bit set": [b"\x81\xff\x80" + bytes(11)],
}


@pytest.mark.parametrize("frames", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("chop", [None, 1], ids=["whole", "chopped"])
def test_broken_framing_closes_with_1002_and_nothing_after_it_is_answered(
    raw: RawWebSocket, frames: list[bytes], chop: int | None
) -> None:
    with suppress(ConnectionError):  # picows ends the socket by itself 10 ms after it found something wrong
        for part in [*frames[:-1], frames[-1] + frame(TEXT, QUESTION) + frame(PING)]:
            for piece in pieces(part, chop or len(part)):
                raw.send(piece)
    while (received := raw.read_frame()).opcode == TEXT:
        assert json.loads(received.payload)["code"] != "unknown_type"
    assert received.opcode == CLOSE
    assert int.from_bytes(received.payload[:2], "big") == PROTOCOL_ERROR
    with suppress(ConnectionError):
        raw.send(frame(CLOSE, received.payload[:2]))
    assert raw.read_rest() == b""


FOUND_BY_PICOWS = ("opcode", "mask", "126 bytes", "fragmented ping", "fragmented pong", "fragmented close", "length")
"""It reads one frame ahead, and closes before the frame in front of such a one is answered."""


@pytest.mark.parametrize("name", [name for name in BROKEN if not any(part in name for part in FOUND_BY_PICOWS)])
def test_what_came_in_one_burst_before_broken_framing_is_answered(raw: RawWebSocket, name: str) -> None:
    raw.send(frame(TEXT, QUESTION), frame(PING, b"p"), *BROKEN[name])
    assert_understood(raw)
    assert raw.read_frame() == (PONG, b"p")


UTF_8 = [
    *("\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufeff", "\ufff9", "\ufffd"),
    *(chr(plane << 16 | last) for plane in range(17) for last in (0, 0xFFFE, 0xFFFF) if plane or last),
]
"""The ends of each length, the neighbours of the surrogates, special and non-characters."""
NOT_UTF_8 = {
    "stray continuation bytes": "80 bf 80bf 80bf80",
    "bytes of no character": "c0 c1 f5 f7 f8 fb fc fd fe ff fefeffff",
    "overlong": "c080 c0af c1bf e08080 e080af e09fbf f0808080 f08080af f08fbfbf f880808080 fc8080808080",
    "surrogates": "eda080 edadbf edae80 edafbf edb080 edbfbf eda080edb080 edafbfedbfbf",
    "past the last code point": "f4908080 f7bfbfbf f888808080 fbbfbfbfbf fc8480808080 fdbfbfbfbfbf",
    "cut short": "c2 df e0a0 efbf f09080 f48fbf e0 f0 c2efbff48fbf ceba20e1bd",
}
JUNK = [
    pytest.param(bytes.fromhex(junk), id=f"{kind} {junk}") for kind, row in NOT_UTF_8.items() for junk in row.split()
]


@pytest.mark.parametrize("fragment", [None, 1], ids=["whole", "in fragments"])
@pytest.mark.parametrize("character", UTF_8, ids=ascii)
def test_text_may_hold_every_character(raw: RawWebSocket, character: str, fragment: int | None) -> None:
    payload = b'{"type":"%s"}' % character.encode()
    raw.send(*fragmented(TEXT, payload, fragment or len(payload)))
    assert_understood(raw)


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("place", [b"%s", b'{"type":"%s"}', b'{"%s":1,"type":"join","roomId":"x"}'])
@pytest.mark.parametrize("fragment", [None, 1], ids=["whole", "in fragments"])
def test_text_that_is_not_utf_8_closes_with_1007(
    raw: RawWebSocket, junk: bytes, place: bytes, fragment: int | None
) -> None:
    payload = place % junk
    raw.send(*fragmented(TEXT, payload, fragment or len(payload)))
    assert raw.read_close() == INVALID_TEXT


def test_characters_may_be_split_over_fragments(raw: RawWebSocket) -> None:
    middle = QUESTION.index("😀".encode()) + 2
    raw.send(frame(TEXT, QUESTION[:middle], fin=False), frame(PING), frame(CONTINUATION, QUESTION[middle:]))
    assert raw.read_frame() == (PONG, b"")
    assert_understood(raw)


@pytest.mark.parametrize("wrong", [b"\xf4\x90", b"\xf4\x90\x80\x80", b"\xed\xa0\x80"], ids=bytes.hex)
def test_text_that_cannot_become_utf_8_is_refused_before_its_end(raw: RawWebSocket, wrong: bytes) -> None:
    raw.send(frame(TEXT, '{"type":"κόσμε'.encode(), fin=False), frame(PING))
    assert raw.read_frame() == (PONG, b"")
    raw.send(frame(CONTINUATION, wrong, fin=False))
    assert raw.read_close() == INVALID_TEXT


@pytest.mark.parametrize("before", [b"", LONGEST], ids=len)
def test_text_that_ends_inside_a_character_is_refused(raw: RawWebSocket, before: bytes) -> None:
    raw.send(frame(TEXT, before + b"\xf0\x9f", fin=False), frame(CONTINUATION, b"\x98"))
    assert raw.read_close() == INVALID_TEXT


def test_binary_may_be_anything(raw: RawWebSocket) -> None:
    raw.send(frame(BINARY, b"\xff\xfe", fin=False), frame(CONTINUATION, b"\x80"))
    assert raw.read_message()["code"] == "binary_not_supported"


def test_a_frame_over_the_bound_closes_with_1009_before_it_is_there(raw: RawWebSocket) -> None:
    raw.send(frame(TEXT, b"x", size=LIMITS["frameBytes"] + 1))
    assert raw.read_close() == TOO_BIG


def test_an_enormous_announced_length_costs_nothing(raw: RawWebSocket) -> None:
    raw.send(frame(BINARY, b"x", size=2**62))
    assert raw.read_close() == TOO_BIG


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_over_the_frame_bound_close_with_1009(raw: RawWebSocket, opcode: int) -> None:
    quarter = b"x" * (LIMITS["frameBytes"] // 4)
    raw.send(frame(opcode, quarter, fin=False), *[frame(CONTINUATION, quarter, fin=False)] * 3)
    raw.send(frame(PING))
    assert raw.read_frame().opcode == PONG
    raw.send(frame(CONTINUATION, b"x", fin=False))
    assert raw.read_close() == TOO_BIG


def test_fragments_over_the_message_bound_cost_an_error(raw: RawWebSocket) -> None:
    half = b"x" * (LIMITS["messageBytes"] // 2)
    raw.send(frame(TEXT, half, fin=False), frame(CONTINUATION, half, fin=False), frame(CONTINUATION, b"x"))
    assert raw.read_message()["code"] == "message_too_big"
    raw.send(frame(TEXT, QUESTION))
    assert_understood(raw)


def test_fragments_as_long_as_a_message_may_be_are_a_message(raw: RawWebSocket) -> None:
    message = QUESTION.ljust(LIMITS["messageBytes"])
    raw.send(frame(TEXT, message[:-1], fin=False), frame(CONTINUATION, message[-1:]))
    assert_understood(raw)
