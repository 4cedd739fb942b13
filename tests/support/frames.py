"""WebSocket by hand (RFC 6455): frames as bytes, on a plain blocking socket."""

from __future__ import annotations

import json
import socket
import struct
from types import TracebackType
from typing import Any, NamedTuple, Self

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "Frame",
    "RawWebSocket",
    "close_payload",
    "frame",
    "text",
    "upgrade_request",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

_TIMEOUT_S = 10
_MASK = b"\x37\xfa\x21\x3d"
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Frame(NamedTuple):
    opcode: int
    payload: bytes


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    size: int | None = None,
) -> bytes:
    """Return a client's frame. `reserved` are the three RSV bits; `size` announces another length than there is."""
    first = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    announced = len(payload) if size is None else size
    flag = 0x80 if masked else 0
    if announced < 126:
        length = bytes([flag | announced])
    elif announced < 65_536:
        length = struct.pack("!BH", flag | 126, announced)
    else:
        length = struct.pack("!BQ", flag | 127, announced)
    if not masked:
        return first + length + payload
    return first + length + _MASK + _mask(payload)


def _mask(payload: bytes) -> bytes:
    """XOR with the key, repeated: as two large integers, which is fast."""
    key = (_MASK * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(len(payload), "big")


def text(kind: str, **fields: Any) -> bytes:
    """Return a text frame with a message."""
    return frame(TEXT, json.dumps({"type": kind, **fields}).encode())


def close_payload(code: int, reason: bytes = b"") -> bytes:
    return code.to_bytes(2, "big") + reason


def upgrade_request(
    *, subprotocol: str | None = None, replace: dict[str, str | None] | None = None, extra: str = ""
) -> bytes:
    """Return an opening handshake. `replace` changes headers or, with None, leaves them out; `extra` is more lines."""
    headers: dict[str, str | None] = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": _KEY,
        "Sec-WebSocket-Protocol": subprotocol,
        **(replace or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
    return f"GET /ws HTTP/1.1\r\n{lines}{extra}\r\n".encode()


class RawWebSocket:
    """A TCP connection that speaks WebSocket only as far as the test makes it."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        """A small `receive_buffer` makes a reader that stops felt sooner by the sender."""
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(_TIMEOUT_S)
        self.socket.connect(("127.0.0.1", port))
        self._buffer = b""

    @classmethod
    def open(cls, port: int, *, subprotocol: str | None = None, receive_buffer: int | None = None) -> Self:
        """Connect; without a subprotocol in the `lesson` dialect."""
        raw = cls(port, receive_buffer=receive_buffer)
        raw.send(upgrade_request(subprotocol=subprotocol))
        assert raw.read_head().startswith("HTTP/1.1 101 ")
        return raw

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        """Send `pieces` in one go."""
        self.socket.sendall(b"".join(pieces))

    def read_head(self) -> str:
        """Return an HTTP response up to its empty line."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        return head.decode()

    def read_frame(self) -> Frame:
        """Return the next frame, which must be final, unmasked and without RSV bits."""
        first, second = self._take(2)
        assert first & 0xF0 == 0x80, f"not final, or a reserved bit is set: {first:#x}"
        assert second < 0x80, "the server masked a frame"
        size = second
        if size == 126:
            (size,) = struct.unpack("!H", self._take(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._take(8))
        return Frame(first & 0x0F, self._take(size))

    def read_message(self) -> dict[str, Any]:
        """Return the next message but for `ack` and `draining`, which come when they will."""
        while True:
            opcode, payload = self.read_frame()
            assert opcode == TEXT, f"opcode {opcode}: {payload!r}"
            message: dict[str, Any] = json.loads(payload)
            if message["type"] not in ("ack", "draining"):
                return message

    def read_close(self) -> int | None:
        """Return the code of the CLOSE frame that must come next, None if it has none."""
        opcode, payload = self.read_frame()
        assert opcode == CLOSE, f"opcode {opcode}: {payload!r}"
        assert len(payload) != 1
        payload[2:].decode()
        return int.from_bytes(payload[:2], "big") if payload else None

    def read_rest(self) -> bytes:
        """Return what comes until the server ends the TCP connection."""
        while True:
            try:
                self._fill()
            except ConnectionError:
                rest, self._buffer = self._buffer, b""
                return rest

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _fill(self) -> None:
        piece = self.socket.recv(65_536)
        if not piece:
            raise ConnectionError("the server ended the connection")
        self._buffer += piece
