"""The client's end of a WebSocket, against a server that the test plays byte by byte (RFC 6455)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from picows import WSError

from sheetbend.client.limits import ClientLimits
from sheetbend.client.websocket import WebSocket, WebSocketPort
from tests.client.people import TIMEOUT_S
from tests.support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_payload, frame
from tests.support.in_process import asynchronous

SUBPROTOCOL = "sheetbend.v1"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
GO = b"go"
"""The client's first message, which the server waits for."""
CUT = b"cut"
"""In place of bytes: the connection ends."""


class Heard:
    """What the socket told its owner, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self._news = asyncio.Event()

    def port(self) -> WebSocketPort:
        def tell(*what: Any) -> None:
            self.told.append(what)
            self._news.set()

        def text(data: bytes) -> None:
            tell("text", data)
            if data == b"raise":
                raise ZeroDivisionError

        return WebSocketPort(
            text,
            lambda data: tell("binary", data),
            lambda: tell("heard"),
            lambda: tell("ready"),
            lambda code, reason: tell("closed", code, reason),
            lambda error: tell("failed", type(error)),
        )

    async def until(self, kind: str) -> list[tuple[Any, ...]]:
        async with asyncio.timeout(TIMEOUT_S):
            while not any(each[0] == kind for each in self.told):
                self._news.clear()
                await self._news.wait()
        return self.told


class Peer:
    """The server's end: what it says, and what came."""

    def __init__(self, *says: bytes, subprotocol: str | None = SUBPROTOCOL, status: str = "101 Switching") -> None:
        self.says = says
        self.subprotocol = subprotocol
        self.status = status
        self.received = b""
        self.is_over = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
        chosen = f"Sec-WebSocket-Protocol: {self.subprotocol}\r\n" if self.subprotocol else ""
        writer.write(
            f"HTTP/1.1 {self.status}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n{chosen}\r\n".encode()
        )
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readexactly(len(frame(BINARY, GO)))
            for each in self.says:
                if each == CUT:
                    writer.transport.abort()
                else:
                    writer.write(each)
            self.received = await reader.read()
        writer.close()
        self.is_over.set()


@asynccontextmanager
async def facing(peer: Peer, **limits: Any) -> AsyncIterator[tuple[WebSocket, Heard]]:
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
    heard = Heard()
    socket = None
    try:
        socket = await WebSocket.open(url, SUBPROTOCOL, heard.port(), tls=None, limits=ClientLimits(**limits))
        socket.send_binary(GO)
        yield socket, heard
    finally:
        if socket is not None:
            socket.abort()
        await asyncio.wait_for(peer.is_over.wait(), TIMEOUT_S)
        server.close()


def said(opcode: int, payload: bytes = b"", **fields: Any) -> bytes:
    return frame(opcode, payload, masked=False, **fields)


END = said(CLOSE, close_payload(4501, b"bye"))


@asynchronous
async def test_messages_come_whole_and_in_order_whatever_frames_they_came_in() -> None:
    pieces = (
        said(TEXT, b"one"),
        said(BINARY, b"two"),
        said(TEXT, b"th", fin=False),
        said(PING, b"?"),
        said(CONTINUATION, b"re", fin=False),
        said(CONTINUATION, b"e"),
        said(BINARY, b"", fin=False),
        said(CONTINUATION, b"four"),
        said(PONG),
        END,
    )
    async with facing(peer := Peer(*pieces)) as (_, heard):
        assert await heard.until("closed") == [
            ("text", b"one"),
            ("binary", b"two"),
            ("heard",),
            ("text", b"three"),
            ("binary", b"four"),
            ("heard",),
            ("closed", 4501, "bye"),
        ]
    assert peer.received[0] == 0x80 | PONG
    assert peer.received[7] == 0x80 | CLOSE


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([said(CONTINUATION, b"x")], 1002),
        ([said(TEXT, b"x", fin=False), said(TEXT, b"y")], 1002),
        ([said(TEXT, b"x", fin=False), said(BINARY, b"y", fin=False)], 1002),
        ([said(TEXT, b"x", reserved=4)], 1002),
        ([said(PING, b"x", reserved=1)], 1002),
        ([said(CLOSE, close_payload(4501, b"x"))], 4501),
        ([said(CLOSE)], 1005),
        ([said(CLOSE, b"\x03")], None),
        ([said(CLOSE, close_payload(1006))], 1002),
        ([said(CLOSE, close_payload(999))], None),
        ([said(CLOSE, close_payload(65_535))], None),
        ([said(CLOSE, close_payload(4000, b"\xff"))], None),
        ([said(BINARY, b"x" * 60, fin=False), said(CONTINUATION, b"x" * 60, fin=False)], 1009),
        ([CUT], 1006),
        ([b"\x83\x00"], None),
        ([said(BINARY, b"x" * 200)], None),
    ],
    ids=str,
)
def test_every_end_has_its_code(frames: list[bytes], code: int | None) -> None:
    """None: picows sees to it, and has a code of its own."""

    @asynchronous
    async def test() -> None:
        async with facing(Peer(*frames), message_bytes_max=100, close_timeout_s=0.05) as (_, heard):
            *before, closed = await heard.until("closed")
            assert not [each for each in before if each[0] in ("text", "binary")]
            assert code is None or closed[1] == code

    test()


@asynchronous
async def test_what_comes_behind_a_close_is_not_heard() -> None:
    async with facing(Peer(END, said(TEXT, b"late"))) as (_, heard):
        assert await heard.until("closed") == [("closed", 4501, "bye")]


@asynchronous
async def test_what_the_owner_raises_is_told_to_it_and_to_nobody_else() -> None:
    async with facing(Peer(said(TEXT, b"raise"), END)) as (_, heard):
        assert await heard.until("closed") == [
            ("text", b"raise"),
            ("failed", ZeroDivisionError),
            ("closed", 4501, "bye"),
        ]


@asynchronous
async def test_a_discarded_socket_says_goodbye_and_is_gone_in_time_though_nobody_answers() -> None:
    async with facing(peer := Peer(), close_timeout_s=0.05) as (socket, heard):
        socket.send_text(b"last")
        socket.discard()
        socket.send_text(b"not any more")
        await asyncio.wait_for(socket.wait_gone(), TIMEOUT_S)
        assert heard.told == []
    assert peer.received[0] == 0x80 | TEXT
    assert peer.received[10] == 0x80 | CLOSE
    assert len(peer.received) == 18


@asynchronous
async def test_a_full_socket_says_so_and_when_it_takes_more() -> None:
    async with facing(Peer(), write_buffer_bytes=10_000) as (socket, heard):
        was_full = socket.is_full
        for _ in range(1000):
            socket.send_binary(b"x" * 100_000)
        assert (was_full, socket.is_full) == (False, True)
        await heard.until("ready")
        assert heard.told == [("ready",)]


@pytest.mark.parametrize(
    "peer",
    [{"subprotocol": None}, {"subprotocol": "sheetbend.v9"}, {"status": "404 Not Found"}, {"status": "302 Found"}],
    ids=str,
)
def test_a_server_of_another_kind_is_refused(peer: dict[str, Any]) -> None:
    @asynchronous
    async def test() -> None:
        with pytest.raises((WSError, OSError)) as refused:
            async with facing(Peer(**peer), close_timeout_s=0.05):
                pass
        assert not isinstance(refused.value, TimeoutError)

    test()
