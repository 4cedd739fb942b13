"""RFC 6455, sections 5 and 6: frames, fragments, control frames and UTF-8, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawWebSocket, frame, text
from tests.support.process import ServerProcess
from tests.support.protocol import LIMITS

PROTOCOL_ERROR, INVALID_TEXT, TOO_BIG = 1002, 1007, 1009
QUESTION = json.dumps({"type": "é😀?"}, ensure_ascii=False).encode()
"""A message that is answered with `unknown_type`: it was understood."""


@pytest.fixture
def raw(server: ServerProcess) -> Iterator[RawWebSocket]:
    with RawWebSocket.open(server.port) as connection:
        yield connection


def assert_understood(raw: RawWebSocket) -> None:
    assert raw.read_message()["code"] == "unknown_type"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_message_may_come_in_fragments(raw: RawWebSocket, size: int) -> None:
    pieces = [QUESTION[i : i + size] for i in range(0, len(QUESTION), size)]
    last = len(pieces) - 1
    for index, piece in enumerate(pieces):
        raw.send(frame(CONTINUATION if index else TEXT, piece, fin=index == last))
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


def test_messages_of_a_burst_are_answered_in_order(raw: RawWebSocket) -> None:
    raw.send(*(frame(PING, b"%d" % number) + text("?") for number in range(1000)))
    for number in range(1000):
        assert raw.read_frame() == (PONG, b"%d" % number)
        assert_understood(raw)


@pytest.mark.parametrize("payload", [b"", b"x", b"\x00\xff", b"x" * 125], ids=len)
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


BROKEN = {
    "continuation of nothing": [frame(CONTINUATION, b"x")],
    "fragment of nothing": [frame(CONTINUATION, b"x", fin=False)],
    "continuation after the end": [frame(TEXT, b"{", fin=False), frame(CONTINUATION, b"}"), frame(CONTINUATION)],
    "text inside a fragmented text": [frame(TEXT, b"x", fin=False), frame(TEXT, QUESTION)],
    "text fragment inside a fragmented text": [frame(TEXT, b"x", fin=False), frame(TEXT, b"x", fin=False)],
    "binary inside a fragmented text": [frame(TEXT, b"x", fin=False), frame(BINARY, b"x")],
    "text inside a fragmented binary": [frame(BINARY, b"x", fin=False), frame(TEXT, QUESTION)],
    **{f"RSV {bits:03b}": [frame(TEXT, QUESTION, reserved=bits)] for bits in range(1, 8)},
    "RSV on a ping": [frame(PING, reserved=4)],
    "RSV on a close": [frame(CLOSE, reserved=2)],
    "RSV on a continuation": [frame(TEXT, b"{", fin=False), frame(CONTINUATION, b"}", reserved=4)],
    **{f"opcode {opcode}": [frame(opcode)] for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "not masked": [frame(TEXT, QUESTION, masked=False)],
    "a ping that is not masked": [frame(PING, masked=False)],
    "a ping of 126 bytes": [frame(PING, b"x" * 126)],
    "a pong of 126 bytes": [frame(PONG, b"x" * 126)],
    "a close of 126 bytes": [frame(CLOSE, b"\x03\xe8" + b"x" * 124)],
    "a fragmented ping": [frame(PING, fin=False)],
    "a fragmented close": [frame(CLOSE, fin=False)],
    "16-bit length for a small payload": [b"\x81\xfe\x00\x01" + b"\0\0\0\0x"],
    "64-bit length for a small payload": [b"\x81\xff" + (200).to_bytes(8, "big") + bytes(204)],
    "64-bit length with the first bit set": [b"\x81\xff\x80" + bytes(11)],
}


@pytest.mark.parametrize("frames", BROKEN.values(), ids=BROKEN)
def test_broken_framing_closes_with_1002(raw: RawWebSocket, frames: list[bytes]) -> None:
    for piece in frames[:-1]:
        raw.send(piece)
    raw.send(frames[-1])
    while (received := raw.read_frame()).opcode == TEXT:
        pass
    assert received.opcode == CLOSE
    assert int.from_bytes(received.payload[:2], "big") == PROTOCOL_ERROR
    raw.send(frame(CLOSE, received.payload[:2]))
    assert raw.read_rest() == b""


NOT_UTF_8 = {
    "stray continuation byte": b"\x80",
    "overlong": b"\xc0\x80",
    "overlong of three": b"\xe0\x80\x80",
    "surrogate": b"\xed\xa0\x80",
    "past the last code point": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "FE": b"\xfe",
    "cut short": b"\xf0\x9f\x98",
}


@pytest.mark.parametrize("junk", NOT_UTF_8.values(), ids=NOT_UTF_8)
@pytest.mark.parametrize("where", [b"%s", b'{"type":"%s"}', b'{"%s":1,"type":"join","roomId":"x"}'])
def test_text_that_is_not_utf_8_closes_with_1007(raw: RawWebSocket, junk: bytes, where: bytes) -> None:
    raw.send(frame(TEXT, where % junk))
    assert raw.read_close() == INVALID_TEXT


def test_characters_may_be_split_over_fragments(raw: RawWebSocket) -> None:
    middle = QUESTION.index("😀".encode()) + 2
    raw.send(frame(TEXT, QUESTION[:middle], fin=False), frame(PING), frame(CONTINUATION, QUESTION[middle:]))
    assert raw.read_frame() == (PONG, b"")
    assert_understood(raw)


def test_text_that_cannot_become_utf_8_is_refused_before_its_end(raw: RawWebSocket) -> None:
    raw.send(frame(TEXT, b'{"type":"', fin=False), frame(CONTINUATION, b"\xf4\x90", fin=False))
    assert raw.read_close() == INVALID_TEXT


def test_text_that_ends_inside_a_character_is_refused(raw: RawWebSocket) -> None:
    raw.send(frame(TEXT, b"\xf0\x9f", fin=False), frame(CONTINUATION, b"\x98"))
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
