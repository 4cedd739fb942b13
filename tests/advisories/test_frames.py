"""WebSocket frames that ended, blocked or emptied other servers (RFC 6455 section 5)."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

from sheetbend.core.limits import Limits
from tests.advisories.bystanders import Bystanders
from tests.support.clients import SUBPROTOCOL
from tests.support.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawWebSocket,
    close_payload,
    frame,
    text,
    upgrade_request,
)
from tests.support.in_process import asynchronous, serving
from tests.support.process import ServerProcess
from tests.support.protocol import LIMITS

PROTOCOL_ERROR = 1002
TOO_BIG = 1009


def close_code_after(server: ServerProcess, *pieces: bytes) -> int | None:
    """Send `pieces` and return the code of the CLOSE that answers them."""
    with RawWebSocket.open(server.port) as raw:
        raw.send(*pieces)
        return raw.read_close()


def resident_bytes() -> int:
    """This process's memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_an_overly_long_payload(server: ServerProcess) -> None:
    """CVE-2016-10542, ws: an overly long payload ended the process."""
    assert close_code_after(server, frame(BINARY, b"x" * (LIMITS["frameBytes"] + 1))) == TOO_BIG


@pytest.mark.parametrize("announced", [2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, CONTINUATION, PING])
def test_lengths_that_overflow(server: ServerProcess, opcode: int, announced: int) -> None:
    """CVE-2020-27813, gorilla/websocket: the sum of frame lengths overflowed, and with it the limit."""
    first = frame(TEXT, b"x", fin=False) if opcode == CONTINUATION else b""
    header = bytes([0x80 | opcode, 0x80 | 127]) + struct.pack("!Q", announced) + b"mask" + b"x"
    assert close_code_after(server, first + header) in (PROTOCOL_ERROR, TOO_BIG)


@asynchronous
async def test_memory_for_what_is_only_announced() -> None:
    """CVE-2022-35922, Rust-WebSocket: memory for a frame was taken as soon as its length was announced."""
    connections_count = 100
    async with serving(Limits()) as server:

        def announce() -> None:
            connections = [RawWebSocket.open(server.port) for _ in range(connections_count)]
            before = resident_bytes()
            for connection in connections:
                connection.send(frame(TEXT, b"x", size=LIMITS["frameBytes"]))
            with Bystanders(server.port) as bystanders:
                bystanders.assert_unharmed()
            assert resident_bytes() - before < connections_count * LIMITS["frameBytes"] / 4
            for connection in connections:
                connection.socket.close()

        await asyncio.to_thread(announce)


@pytest.mark.parametrize("length", [b"\xfe\x00\x7e", b"\xff" + bytes(8), b"\xff" + b"\xff" * 8])
@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_control_frames_with_a_long_length(server: ServerProcess, opcode: int, length: bytes) -> None:
    """CVE-2020-13935, Apache Tomcat: an invalid payload length led to an endless loop."""
    header = bytes([0x80 | opcode]) + length + b"mask"
    assert close_code_after(server, header + b"x" * 126) in (PROTOCOL_ERROR, TOO_BIG)


def test_payloads_of_size_zero(server: ServerProcess) -> None:
    """CVE-2018-7287, Asterisk: an empty payload led to a busy loop."""
    with RawWebSocket.open(server.port) as raw:
        raw.send(frame(TEXT), frame(BINARY), frame(PONG), frame(TEXT, fin=False), frame(CONTINUATION), frame(PING))
        codes = [raw.read_message()["code"] for _ in range(3)]
        assert codes == ["invalid_json", "binary_not_supported", "invalid_json"]
        assert raw.read_frame() == (PONG, b"")


@pytest.mark.parametrize("reserved", [0b001, 0b010, 0b011, 0b100, 0b111])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING])
def test_reserved_bits(server: ServerProcess, opcode: int, reserved: int) -> None:
    """CVE-2022-21676, Engine.IO: RSV2 and RSV3 raised an exception that nobody caught, and the process ended."""
    assert close_code_after(server, frame(opcode, b"{}", reserved=reserved)) == PROTOCOL_ERROR


@pytest.mark.parametrize(
    "malformed",
    [
        frame(TEXT, b"{}", masked=False),
        frame(0x3, b"{}"),
        frame(0xF, b"{}"),
        frame(PING, fin=False),
        frame(CONTINUATION, b"{}"),
        frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"),
        frame(CLOSE, b"\x03"),
        frame(TEXT, b"\xff\xfe"),
    ],
)
@pytest.mark.parametrize("dialect", [None, SUBPROTOCOL], ids=["lesson", "v1"])
def test_a_malformed_packet(server: ServerProcess, dialect: str | None, malformed: bytes) -> None:
    """CVE-2022-39386, @fastify/websocket: a malformed packet raised an exception that ended the process."""
    with RawWebSocket.open(server.port, subprotocol=dialect) as raw:
        raw.send(malformed)
        assert raw.read_close() in (PROTOCOL_ERROR, 1007)


def test_a_malformed_packet_before_the_greeting(server: ServerProcess) -> None:
    """CVE-2023-22477, Mercurius: a malformed packet before the subscription protocol's greeting ended the process."""
    with RawWebSocket.open(server.port, subprotocol=SUBPROTOCOL) as raw:
        raw.send(frame(TEXT, b""), frame(TEXT, b"null"), frame(BINARY, b"\0"), frame(TEXT, b'{"type":null}'))
        assert [raw.read_message()["type"] for _ in range(4)] == ["error"] * 4


@pytest.mark.parametrize("payload", [b"", b"125", b"\x00\x00\x00\x7d", b"x" * 125])
def test_a_pong_has_the_payload_of_its_ping(server: ServerProcess, payload: bytes) -> None:
    """CVE-2016-10518, ws: a ping with a number was answered with as many bytes of the process's memory."""
    with RawWebSocket.open(server.port) as raw:
        raw.send(frame(PING, payload))
        assert raw.read_frame() == (PONG, payload)


def test_a_close_tells_nothing_of_the_memory(server: ServerProcess) -> None:
    """CVE-2026-45736, ws: a CLOSE frame's payload could hold bytes of the process's memory."""
    for payload in (b"", close_payload(1000), close_payload(4999, b"x" * 123)):
        with RawWebSocket.open(server.port) as raw:
            raw.send(frame(CLOSE, payload))
            assert raw.read_frame() == (CLOSE, payload[:2])
            assert raw.read_rest() == b""


def test_tiny_fragments(server: ServerProcess, bystanders: Bystanders) -> None:
    """CVE-2026-48779, ws: each of many tiny fragments kept an object of its own, beyond any limit on bytes."""
    with RawWebSocket.open(server.port) as raw:
        raw.send(frame(TEXT, b"{", fin=False), frame(CONTINUATION, b" ", fin=False) * 15_000)
        bystanders.assert_unharmed()
        raw.send(frame(CONTINUATION, b"}"))
        assert raw.read_message()["code"] == "invalid_message"


def test_fragments_without_end(server: ServerProcess) -> None:
    """CVE-2014-0193, Netty, and CVE-2026-42786, Bandit: endless continuation frames filled the memory."""
    endless = frame(TEXT, b"x", fin=False), frame(CONTINUATION, b"x" * 1024, fin=False) * 300
    assert close_code_after(server, *endless) == TOO_BIG


def test_empty_fragments_without_end(server: ServerProcess, bystanders: Bystanders) -> None:
    """CVE-2026-48779, ws: fragments may hold nothing at all, so that no limit on bytes is ever reached."""
    with RawWebSocket.open(server.port) as raw:
        raw.send(frame(TEXT, b"{}", fin=False), frame(CONTINUATION, fin=False) * 15_000)
        bystanders.assert_unharmed()
        raw.send(frame(CONTINUATION))
        assert raw.read_message()["code"] == "invalid_message"


def test_messages_without_a_bound(server: ServerProcess) -> None:
    """CVE-2026-44545, Daphne: no limit on messages was passed on, and the default was none."""
    with RawWebSocket.open(server.port) as raw:
        raw.send(frame(TEXT, b"x" * (LIMITS["messageBytes"] + 1)))
        assert raw.read_message()["code"] == "message_too_big"


@pytest.mark.parametrize(
    "offer", ["permessage-deflate", "permessage-deflate; server_max_window_bits=8", "x-webkit-deflate-frame"]
)
def test_compressed_bombs(server: ServerProcess, offer: str) -> None:
    """CVE-2018-1000518, websockets: a small compressed frame grew to fill the memory."""
    with RawWebSocket(server.port) as raw:
        raw.send(upgrade_request(replace={"Sec-WebSocket-Extensions": offer}))
        head = raw.read_head()
        assert head.startswith("HTTP/1.1 101 ")
        assert "extensions" not in head.lower()
        raw.send(frame(TEXT, b"\xaa\x56\x2a\x2e\x4a\x51\xb2\x52\x02\x00", reserved=0b100))
        assert raw.read_close() == PROTOCOL_ERROR


def test_pings_that_nobody_reads_answers_to(server: ServerProcess, bystanders: Bystanders) -> None:
    """CVE-2019-9512, HTTP/2 servers: answers to a flood of pings queued without bound."""
    with RawWebSocket.open(server.port, receive_buffer=4096) as raw:
        raw.send(frame(PING, b"x" * 125) * 15_000)
        bystanders.assert_unharmed()
        assert raw.read_frame() == (PONG, b"x" * 125)


def test_closed_connections_leave_nothing_behind(server: ServerProcess) -> None:
    """CVE-2021-42340, Apache Tomcat: every WebSocket connection that was closed left its objects in memory."""
    before = server.open_files
    for _ in range(100):
        with RawWebSocket.open(server.port) as raw:
            raw.send(text("join", roomId="brief"), frame(CLOSE, close_payload(1000)))
            while raw.read_frame().opcode != CLOSE:
                pass
            assert raw.read_rest() == b""
    assert server.open_files <= before
