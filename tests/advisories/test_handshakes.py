"""HTTP requests that ended, blocked or deceived other servers before a WebSocket was even open (RFC 9112, RFC 6455)."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sheetbend.core.limits import Limits
from tests.advisories.bystanders import Bystanders
from tests.support.frames import RawWebSocket, upgrade_request
from tests.support.http import get, request
from tests.support.in_process import asynchronous, serving
from tests.support.process import ServerProcess

REPEATS = 20
SOON_S = 2
"""For all repeats. They take about 0.02 s; what is quadratic in a header of 15,000 bytes takes ten times this."""
STATUS_LINE = re.compile(rb"HTTP/1\.1 \d")

LONG = 15_000
"""Nearly as many bytes as a header may have."""


@contextmanager
def soon() -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < SOON_S


def reply_to(port: int, raw: bytes) -> bytes:
    """Return everything that comes back, which may be nothing."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(raw)
        answer = b""
        with contextlib.suppress(OSError):  # a server that doesn't read everything may have reset it already
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65_536):
                answer += piece
        return answer


def test_spaces_in_the_subprotocol_header(server: ServerProcess) -> None:
    """CVE-2021-32640, ws: a regular expression took quadratic time for spaces in Sec-WebSocket-Protocol."""
    raw = upgrade_request(subprotocol="b" + " " * LONG + "x")
    with soon():
        assert {request(server.port, raw).status for _ in range(REPEATS)} == {400}


def test_commas_in_the_subprotocol_header(server: ServerProcess) -> None:
    """CVE-2021-32640, ws: likewise with as many subprotocols as fit."""
    raw = upgrade_request(subprotocol="," * LONG + "x")
    with soon():
        assert {request(server.port, raw).status for _ in range(REPEATS)} == {400}


@pytest.mark.parametrize(
    "extensions",
    ['x; y="' + r"\a" * (LONG // 2), "a" * LONG, "a;" * (LONG // 2), "a, " * (LONG // 3), 'a;b="' + '"' * LONG],
    ids=lambda value: value[:8],
)
def test_an_unclosed_string_in_the_extensions_header(server: ServerProcess, extensions: str) -> None:
    """CVE-2020-7662 and CVE-2020-7663, websocket-extensions: backtracking over Sec-WebSocket-Extensions."""
    raw = upgrade_request(replace={"Sec-WebSocket-Extensions": extensions})
    with soon():
        for _ in range(REPEATS):
            with RawWebSocket(server.port) as connection:
                connection.send(raw)
                assert connection.read_head().startswith("HTTP/1.1 101 ")


@pytest.mark.parametrize(
    "value", ["a=" + '"\\' * (LONG // 3), "=;" * (LONG // 2), "a" * LONG, 'a="' + r"\"" * (LONG // 2)]
)
def test_cookies_that_are_hard_to_read(server: ServerProcess, value: str) -> None:
    """CVE-2024-52804, Tornado: unquoting a Cookie header took quadratic time."""
    with soon():
        assert {get(server.port, Cookie=value).status for _ in range(REPEATS)} == {200}


@pytest.mark.parametrize("cookie", ["", "=", ";", "a", "a=b; a", "\u00ff", "a=\x01"])
def test_an_invalid_cookie_in_a_handshake(server: ServerProcess, cookie: str) -> None:
    """CVE-2017-16025, nes: an invalid Cookie header in the handshake ended the process."""
    answer = reply_to(server.port, upgrade_request(replace={"Cookie": cookie}))
    assert answer.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 400 "))


def test_many_ranges(server: ServerProcess) -> None:
    """CVE-2025-62727, Starlette: merging the ranges of a Range header took quadratic time."""
    ranges = "bytes=" + ",".join(f"{start}-{start}" for start in range(0, 3000, 2))
    with soon():
        responses = [get(server.port, Range=ranges) for _ in range(REPEATS)]
    assert {(response.status, len(response.body)) for response in responses} == {(200, len(get(server.port).body))}


@pytest.mark.parametrize("count", [100, 1000, 2000])
def test_a_flood_of_headers(server: ServerProcess, count: int) -> None:
    """CVE-2024-37890, ws: more headers than the limit left a needed one out, and reading it ended the process."""
    flood = "".join(f"x{number}: y\r\n" for number in range(count))
    late = upgrade_request().replace(b"\r\n", b"\r\n" + flood.encode(), 1)
    for raw in (upgrade_request(extra=flood), late):
        assert reply_to(server.port, raw)[:13] in (b"HTTP/1.1 101 ", b"HTTP/1.1 400 ", b"")


def test_a_header_without_end(server: ServerProcess, bystanders: Bystanders) -> None:
    """CVE-2023-43669, Tungstenite: a long header cost minutes of CPU time, as each piece was parsed from the start."""
    with soon(), RawWebSocket(server.port) as raw:
        raw.send(upgrade_request()[:-2], b"X: ")
        for _ in range(LONG // 100):
            raw.send(b"x" * 100)
        bystanders.assert_unharmed()
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                raw.send(b"x" * 65_536)


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/healthz", "/ws/", "/ws/1/2/websocket", "/socket.io/?transport=websocket"]
)
@pytest.mark.parametrize("value", ["websocket", "Websocket", "websocket\t"])
def test_an_upgrade_where_there_is_no_websocket(server: ServerProcess, path: str, value: str) -> None:
    """CVE-2020-7693, SockJS: an Upgrade header that said websocket ended the process."""
    raw = upgrade_request(replace={"Upgrade": value}).replace(b"/ws ", path.encode() + b" ", 1)
    assert request(server.port, raw).status in (200, 404)


@pytest.mark.parametrize("size", [0, 1, 20, 100, len(upgrade_request()) - 1, len(upgrade_request())])
def test_a_connection_that_is_reset_in_its_handshake(server: ServerProcess, size: int) -> None:
    """CVE-2022-41940, Engine.IO: an error of the socket while it was upgraded ended the process."""
    for _ in range(10):
        connection = socket.create_connection(("127.0.0.1", server.port), 10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(upgrade_request()[:size])
        connection.close()


@pytest.mark.parametrize(
    "query",
    ["EIO=4&transport=__proto__", "EIO=2&transport=websocket", "transport=constructor&sid=toString", "%", "=&&="],
)
def test_a_crafted_query(server: ServerProcess, query: str) -> None:
    """CVE-2023-31125, Engine.IO: the query of a handshake named something that was no transport; the process ended."""
    raw = upgrade_request().replace(b"/ws ", f"/ws?{query} ".encode(), 1)
    assert reply_to(server.port, raw).startswith(b"HTTP/1.1 101 ")


POST = b"POST /ws HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(POST + b"Content-Length: 100000000\r\n\r\n" + b"4" * 100, id="CVE-2020-36048, Engine.IO"),
        pytest.param(
            POST + b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 60\r\n\r\n--b\r\n\r\n",
            id="CVE-2024-30251, aiohttp",
        ),
        pytest.param(
            POST + b"Content-Encoding: gzip\r\nContent-Length: 22\r\n\r\n\x1f\x8b\x08", id="CVE-2025-69223, aiohttp"
        ),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1000, id="CVE-2025-69229, aiohttp"),
    ],
)
def test_bodies_are_refused_unread(server: ServerProcess, raw: bytes) -> None:
    """CVE-2020-36048, Engine.IO, and CVE-2024-30251, CVE-2025-69223 and CVE-2025-69229, aiohttp: reading a request's
    body cost the memory or the time of everybody."""
    answer = reply_to(server.port, raw)
    assert answer.startswith(b"HTTP/1.1 400 ")


SECOND = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
AMBIGUOUS = {
    "CVE-2019-20445, Netty: two lengths": b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(SECOND),
    "CVE-2023-47641, aiohttp: both kinds of length": b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n"
    % len(SECOND),
    "CVE-2023-47627, aiohttp: a length with a sign": b"Content-Length: +0\r\n",
    "CVE-2023-37276, aiohttp: a control character in a header": b"X: a\x00b\r\nContent-Length: 0\r\n",
    "CVE-2024-23829, aiohttp: a separator in a header's name": b"X(: a\r\nContent-Length: 0\r\n",
    "CVE-2025-53643, aiohttp: a trailer section": b"Transfer-Encoding: chunked\r\nTrailer: X\r\n",
    "CVE-2025-69224, aiohttp: digits that are not ASCII": "Content-Length: ٤\r\n".encode(),
    "CVE-2019-16869, Netty: a space before the colon": b"Transfer-Encoding : chunked\r\n",
    "CVE-2021-22959, Node.js: likewise": b"Content-Length : 4\r\n",
    "CVE-2019-20444, Netty: no colon": b"Content-Length\r\n",
    "CVE-2022-32215, Node.js: a folded header": b"Transfer-Encoding: chunked\r\n , identity\r\n",
    "CVE-2022-32214, Node.js: a line feed alone": b"X: a\nTransfer-Encoding: chunked\r\n",
    "CVE-2023-30589, Node.js: a carriage return alone": b"X: a\rTransfer-Encoding: chunked\r\n",
}


@pytest.mark.parametrize("headers", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_smuggled_request(server: ServerProcess, headers: bytes) -> None:
    """CVE-2023-49081 and CVE-2023-49082, aiohttp, and those named: a proxy and a server saw different requests."""
    answer = reply_to(server.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n" + SECOND)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert len(STATUS_LINE.findall(answer)) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"GET /healthz HTTP/1.1 HTTP/1.1",
        b"GET /healthz\tHTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"G\x00T / HTTP/1.1",
        b"GET /healthz HTTP/1.1\nX: y",
    ],
)
def test_a_smuggled_request_line(server: ServerProcess, line: bytes) -> None:
    """CVE-2023-49081 and CVE-2023-49082, aiohttp: version and method could hold more than they may."""
    answer = reply_to(server.port, line + b"\r\nHost: x\r\n\r\n" + SECOND)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert len(STATUS_LINE.findall(answer)) == 1


@asynchronous
async def test_requests_that_trickle_in() -> None:
    """CVE-2018-12122, Node.js: headers sent slowly (Slowloris) held connections for ever."""
    async with serving(Limits(handshake_timeout_s=0.5)) as server:

        def trickle() -> None:
            slow = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(200)]
            for number, connection in enumerate(slow):
                connection.sendall(upgrade_request()[: number % 100])
            with soon(), Bystanders(server.port) as bystanders:
                bystanders.assert_unharmed()
            for connection in slow:
                assert connection.recv(1) == b""
                connection.close()

        await asyncio.to_thread(trickle)
