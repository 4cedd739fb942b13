"""Bytes on a real socket of a real server: the opening handshake is done, the rest is the fuzzer's.

Each input gets a connection of its own. All are of one server, so that what one leaves behind would show in the next.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

import uvloop

from sheetbend.core.limits import Limits
from sheetbend.core.rate_limits import Rate
from sheetbend.server.app import Server
from sheetbend.server.config import ServerConfig

from .spoken import require_documented

__all__ = ["Wire"]

INTERNAL_ERROR = 1011
_TIMEOUT_S: Final = 20
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_UNLIMITED = Rate(per_s=1e9, burst=1e9)
_LIMITS = Limits(
    message_bytes_max=512,
    frame_bytes_max=1024,
    address_handshake_rate=_UNLIMITED,
    address_hello_rate=_UNLIMITED,
    address_join_rate=_UNLIMITED,
    resume_grace_s=1,
)
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_EMPTY_CLOSE = b"\x88\0"


class Wire:
    """A server in this process, and an event loop that runs only while an input is played."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._server = Server(ServerConfig(port=0, limits=_LIMITS))
        ready = asyncio.Event()
        self._running = self._loop.create_task(self._server.run(ready.set))
        self._loop.run_until_complete(ready.wait())

    def play(self, data: bytes) -> None:
        """Send `data` behind a handshake: the first byte chooses the dialect. Everything that comes back is checked."""
        protocol = b"Sec-WebSocket-Protocol: sheetbend.v1\r\n" if data[:1] > b"\x7f" else b""
        self._loop.run_until_complete(self._exchange(protocol, data[1:]))

    async def _exchange(self, protocol: bytes, data: bytes) -> None:
        request = (
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + _KEY.encode() + b"\r\n" + protocol + b"\r\n"
        )
        with socket.socket() as connection:
            connection.setblocking(False)
            # No TIME_WAIT: there are more inputs than ports.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            async with asyncio.timeout(_TIMEOUT_S):
                await self._loop.sock_connect(connection, ("127.0.0.1", self._server.port))
                await self._loop.sock_sendall(connection, request + data)
                connection.shutdown(socket.SHUT_WR)
                answer = bytearray()
                while piece := await self._read(connection):
                    answer += piece
        head, _, frames = bytes(answer).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        _check_frames(frames, is_lesson=not protocol)

    async def _read(self, connection: socket.socket) -> bytes:
        try:
            return await self._loop.sock_recv(connection, 65_536)
        except ConnectionResetError:
            return b""


def _check_frames(data: bytes, *, is_lesson: bool) -> None:
    """The server's frames are whole, unmasked and unfragmented; texts are documented; nothing follows a CLOSE.

    But that picows, which doesn't know of an empty CLOSE of ours, sends its own where a broken frame came right behind.
    """
    last = b""
    while data:
        assert last in (b"", _EMPTY_CLOSE), "a frame behind a CLOSE"
        assert not last or data[0] & 0x0F == _CLOSE, "a frame behind a CLOSE"
        assert len(data) >= 2
        assert data[0] & 0xF0 == 0x80
        opcode, size, start = data[0] & 0x0F, data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        payload, data = data[start : start + size], data[start + size :]
        assert len(payload) == size, "half a frame"
        if opcode == _TEXT:
            require_documented("lesson" if is_lesson else "sheetbend.v1", payload)
        elif opcode == _CLOSE:
            last = _EMPTY_CLOSE if size == 0 else payload
            assert size != 1
            assert int.from_bytes(payload[:2], "big") != INTERNAL_ERROR, payload
        else:
            assert opcode in (_PING, _PONG), opcode
            assert size <= 125
