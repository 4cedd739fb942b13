"""RFC 6455, section 7: ending a connection, from either side, cleanly or not."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from time import monotonic, sleep

import pytest

from sheetbend.core.limits import Limits
from tests.support.frames import CLOSE, CONTINUATION, PING, PONG, TEXT, RawWebSocket, close_payload, frame, text
from tests.support.in_process import asynchronous, serving
from tests.support.process import ServerProcess
from tests.support.protocol import LIMITS

VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4500, 4999]
INVALID_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]


@pytest.mark.parametrize("code", VALID_CODES)
@pytest.mark.parametrize("reason", [b"", "größer".encode(), b"x" * 123], ids=len)
def test_a_close_is_answered_with_its_code(server: ServerProcess, code: int, reason: bytes) -> None:
    with RawWebSocket.open(server.port) as raw:
        raw.send(frame(CLOSE, close_payload(code, reason)))
        assert raw.read_close() == code
        assert raw.read_rest() == b""


def test_a_close_without_code_is_answered_without_one_or_with_1000(server: ServerProcess) -> None:
    with RawWebSocket.open(server.port) as raw:
        raw.send(frame(CLOSE))
        assert raw.read_close() in (None, 1000)
        assert raw.read_rest() == b""


@pytest.mark.parametrize("payload", [b"", close_payload(1000)], ids=["empty", "1000"])
def test_only_one_close_is_sent_to_a_client_that_sends_two(server: ServerProcess, payload: bytes) -> None:
    with RawWebSocket.open(server.port) as raw:
        raw.send(frame(CLOSE, payload), frame(CLOSE, payload))
        assert raw.read_frame().opcode == CLOSE
        assert raw.read_rest() == b""


@pytest.mark.parametrize("code", INVALID_CODES)
def test_a_code_that_must_not_stand_in_a_frame_is_a_protocol_error(server: ServerProcess, code: int) -> None:
    with RawWebSocket.open(server.port) as raw:
        raw.send(frame(CLOSE, close_payload(code)))
        assert raw.read_close() == 1002
        assert raw.read_rest() == b""


def test_half_a_code_is_a_protocol_error(server: ServerProcess) -> None:
    with RawWebSocket.open(server.port) as raw:
        raw.send(frame(CLOSE, b"\x03"))
        assert raw.read_close() == 1002


def test_a_reason_is_utf_8(server: ServerProcess) -> None:
    with RawWebSocket.open(server.port) as raw:
        raw.send(frame(CLOSE, close_payload(1000, b"\xff")))
        assert raw.read_close() in (1002, 1007)


def test_what_came_in_one_burst_before_a_close_is_answered(server: ServerProcess) -> None:
    with RawWebSocket.open(server.port) as raw:
        too_big = frame(TEXT, b"x" * LIMITS["frameBytes"])
        raw.send(text("?"), frame(PING, b"p"), too_big, frame(CLOSE, close_payload(1000)), frame(PING))
        assert raw.read_message()["code"] == "unknown_type"
        assert raw.read_frame() == (PONG, b"p")
        assert raw.read_message()["code"] == "message_too_big"
        assert raw.read_close() == 1000
        assert raw.read_rest() == b""


def test_what_waits_for_a_client_that_closes_is_sent_before_the_answer(server: ServerProcess, room_id: str) -> None:
    with RawWebSocket.open(server.port) as talker, RawWebSocket.open(server.port, receive_buffer=4096) as reader:
        reader.send(text("join", roomId=room_id), text("marker"))
        reader.read_message()
        talker.send(text("join", roomId=room_id), *[text("offer", sdp="x" * 60_000)] * 50, text("marker"))
        while talker.read_message().get("code") != "unknown_type":
            pass
        reader.send(frame(CLOSE, close_payload(1000)))
        assert reader.read_message()["type"] == "user-joined"
        for _ in range(50):
            assert reader.read_message()["type"] == "offer"
        assert reader.read_close() == 1000
        assert reader.read_rest() == b""


@pytest.mark.parametrize("payload", [b"", close_payload(1000)], ids=["empty", "1000"])
def test_what_follows_a_close_is_neither_obeyed_nor_answered(
    server: ServerProcess, room_id: str, payload: bytes
) -> None:
    with RawWebSocket.open(server.port) as witness, RawWebSocket.open(server.port) as raw:
        witness.send(text("join", roomId=room_id), text("marker"))
        witness.read_message()
        raw.send(
            frame(CLOSE, payload),
            text("join", roomId=room_id),
            text("offer", sdp=1),
            frame(PING, b"p"),
        )
        assert raw.read_frame().opcode == CLOSE
        assert raw.read_rest() == b""
        witness.send(text("marker"))
        assert witness.read_message()["code"] == "unknown_type"


def test_what_follows_the_servers_close_is_not_obeyed(server: ServerProcess, room_id: str) -> None:
    with RawWebSocket.open(server.port) as witness, RawWebSocket.open(server.port) as raw:
        witness.send(text("join", roomId=room_id), text("marker"))
        witness.read_message()
        raw.send(frame(TEXT, b"\xff"), text("join", roomId=room_id), frame(PING, b"p"))
        assert raw.read_close() == 1007
        raw.send(text("join", roomId=room_id), frame(CLOSE, close_payload(1007)))
        assert raw.read_rest() == b""
        witness.send(text("marker"))
        assert witness.read_message()["code"] == "unknown_type"


def test_who_is_closed_by_the_server_has_left_before_answering(server: ServerProcess, room_id: str) -> None:
    with RawWebSocket.open(server.port) as witness, RawWebSocket.open(server.port) as raw:
        witness.send(text("join", roomId=room_id), text("marker"))
        witness.read_message()
        raw.send(text("join", roomId=room_id), frame(TEXT, b"\xff"))
        assert witness.read_message()["type"] == "user-joined"
        raw.read_message()
        assert raw.read_close() == 1007
        witness.send(text("marker"))
        assert witness.read_message()["type"] == "user-left"


@asynchronous
async def test_the_answer_to_the_servers_close_ends_the_socket_at_once() -> None:
    async with serving(Limits(close_timeout_s=60)) as server:
        await asyncio.to_thread(answer_the_servers_close, server.port)


def answer_the_servers_close(port: int) -> None:
    with RawWebSocket.open(port) as raw:
        raw.send(frame(TEXT, b"\xff"))
        assert raw.read_close() == 1007
        raw.send(frame(CLOSE, close_payload(1007)))
        assert raw.read_rest() == b""


def test_a_close_inside_a_fragmented_message_ends_it(server: ServerProcess) -> None:
    with RawWebSocket.open(server.port) as raw:
        raw.send(frame(TEXT, b"{", fin=False), frame(CLOSE, close_payload(1001)), frame(CONTINUATION, b"}"))
        assert raw.read_close() == 1001
        assert raw.read_rest() == b""


ENDINGS = {
    "close without code": frame(CLOSE),
    "close": frame(CLOSE, close_payload(1000)),
    "close with an invalid code": frame(CLOSE, close_payload(0)),
    "a close that is refused": frame(CLOSE, close_payload(999)),
    "broken framing": frame(3),
    "a reserved bit": frame(TEXT, reserved=4),
    "no UTF-8": frame(TEXT, b"\xff"),
}


def test_nobody_who_ends_without_reading_stays(room_id: str) -> None:
    """What waits for such a client must not keep its membership, its socket and the memory behind it."""
    with ServerProcess() as server, RawWebSocket.open(server.port) as talker, ExitStack() as stack:
        files = server.open_files
        readers = [stack.enter_context(RawWebSocket.open(server.port, receive_buffer=4096)) for _ in ENDINGS]
        for reader in readers:
            reader.send(text("join", roomId=room_id), text("marker"))
            while reader.read_message().get("code") != "unknown_type":
                pass
        talker.send(text("join", roomId=room_id), *[text("offer", sdp="x" * 60_000)] * 50, text("marker"))
        while talker.read_message().get("code") != "unknown_type":
            pass
        for reader, ending in zip(readers, ENDINGS.values(), strict=True):
            reader.send(ending)
        left = {talker.read_message()["userId"] for _ in ENDINGS}
        assert len(left) == len(ENDINGS)
        deadline = monotonic() + 10
        while server.open_files > files:
            assert monotonic() < deadline, "their sockets are still open"
            sleep(0.05)  # the kernel tells nobody
        assert server.stop() == 0
