"""The opening handshake (RFC 6455 section 4): subprotocols, versions, Origin, and requests that are no good."""

from __future__ import annotations

import base64
from hashlib import sha1
from pathlib import Path

import pytest

from tests.support.clients import SUBPROTOCOL
from tests.support.frames import PING, PONG, RawWebSocket, frame, text, upgrade_request
from tests.support.http import Response, request
from tests.support.process import ServerProcess


def upgrade(port: int, raw: bytes) -> int:
    """Send an opening handshake and return the status; a connection that was opened must work."""
    with RawWebSocket(port) as connection:
        connection.send(raw)
        status = int(connection.read_head().split(" ")[1])
        if status == 101:
            connection.send(frame(PING, b"p"))
            assert connection.read_frame() == (PONG, b"p")
        return status


def test_the_key_is_answered(server: ServerProcess) -> None:
    key = base64.b64encode(bytes(range(16))).decode()
    expected = base64.b64encode(sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
    with RawWebSocket(server.port) as raw:
        raw.send(upgrade_request(replace={"Sec-WebSocket-Key": key}))
        head = raw.read_head()
        assert head.startswith("HTTP/1.1 101 ")
        assert f"Sec-WebSocket-Accept: {expected}" in head
        assert "sec-websocket-protocol" not in head.lower()
        assert "sec-websocket-extensions" not in head.lower()


@pytest.mark.parametrize("extra", ["", "Sec-WebSocket-Protocol: other\r\n"])
@pytest.mark.parametrize(
    "offered", [SUBPROTOCOL, f"other, {SUBPROTOCOL}", f"{SUBPROTOCOL},sheetbend.v99", f" ,{SUBPROTOCOL} ,"]
)
def test_the_native_dialect_is_selected_from_a_list(server: ServerProcess, offered: str, extra: str) -> None:
    with RawWebSocket(server.port) as raw:
        raw.send(upgrade_request(subprotocol=offered, extra=extra), text("hello"))
        assert f"\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n" in raw.read_head() + "\r\n"
        assert raw.read_message()["type"] == "welcome"


@pytest.mark.parametrize("offered", ["sheetbend.v2", "SHEETBEND.V1", "sheetbend", "chat, sheetbend.v1x"])
def test_a_list_without_a_known_dialect_is_refused_with_the_known_ones(server: ServerProcess, offered: str) -> None:
    response = request(server.port, upgrade_request(subprotocol=offered))
    assert response.status == 400
    assert SUBPROTOCOL in response.body.decode()


@pytest.mark.parametrize(
    "replace",
    [
        {"Connection": "keep-alive, Upgrade"},  # Firefox
        {"Connection": "upgrade"},
        {"Upgrade": "WebSocket"},
        {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
        {"Cookie": "a=b", "User-Agent": "x" * 4000},
    ],
    ids=str,
)
def test_what_browsers_send_is_taken(server: ServerProcess, replace: dict[str, str | None]) -> None:
    assert upgrade(server.port, upgrade_request(replace=replace)) == 101


@pytest.mark.parametrize("version", ["8", "7", "0", "14", "", "13, 8", None])
def test_another_version_is_told_which_one_is_spoken(server: ServerProcess, version: str | None) -> None:
    response = request(server.port, upgrade_request(replace={"Sec-WebSocket-Version": version}))
    assert response.status == 426
    assert response.headers["Sec-WebSocket-Version"] == "13"


@pytest.mark.parametrize("value", ["h2c", "", None])
def test_another_upgrade_is_told_which_one_is_possible(server: ServerProcess, value: str | None) -> None:
    response = request(server.port, upgrade_request(replace={"Upgrade": value}))
    assert (response.status, response.headers["Upgrade"]) == (426, "websocket")


@pytest.mark.parametrize(
    "replace",
    [
        {"Sec-WebSocket-Key": None},
        {"Sec-WebSocket-Key": ""},
        {"Sec-WebSocket-Key": "dG9vIHNob3J0"},
        {"Sec-WebSocket-Key": "not base64, not at all!="},
        {"Connection": None},
        {"Connection": "keep-alive"},
        {"Content-Length": "5"},
        {"Transfer-Encoding": "chunked"},
    ],
    ids=str,
)
def test_a_handshake_that_is_no_good_is_refused(server: ServerProcess, replace: dict[str, str | None]) -> None:
    assert request(server.port, upgrade_request(replace=replace)).status == 400


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /ws HTTP/2.0\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /ws HTTP/1.1\r\n: empty\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nX: a\r\n folded\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nX: a\0b\r\n\r\n",
        b"GET /ws HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    ],
)
def test_what_is_not_http_is_refused(server: ServerProcess, raw: bytes) -> None:
    assert request(server.port, raw).status == 400


def test_a_handshake_may_trickle_in(server: ServerProcess) -> None:
    with RawWebSocket(server.port) as raw:
        for byte in upgrade_request():
            raw.send(bytes([byte]))
        assert raw.read_head().startswith("HTTP/1.1 101 ")


def test_a_header_without_end_is_cut_off(server: ServerProcess) -> None:
    with RawWebSocket(server.port) as raw:
        raw.send(upgrade_request()[:-2], b"X: ")
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                raw.send(b"x" * 65_536)


def with_origin(port: int, *origins: str, host: str | None = None) -> int:
    extra = "".join(f"Origin: {origin}\r\n" for origin in origins)
    return upgrade(port, upgrade_request(replace={"Host": host or f"127.0.0.1:{port}"}, extra=extra))


def test_a_client_without_origin_is_no_browser(server: ServerProcess) -> None:
    assert with_origin(server.port) == 101


def test_the_servers_own_pages_may_connect(server: ServerProcess) -> None:
    assert with_origin(server.port, f"http://127.0.0.1:{server.port}") == 101
    assert with_origin(server.port, f"http://localhost:{server.port}", host=f"LOCALHOST:{server.port}") == 101
    assert with_origin(server.port, "http://rooms.localhost", host="rooms.localhost:80") == 101


def test_a_name_that_was_made_to_lead_here_is_not_the_servers_own(server: ServerProcess) -> None:
    """DNS rebinding: the server listens on loopback, so only loopback's names are its own."""
    for host in ("rooms.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", "1.2.3.4"):
        assert with_origin(server.port, f"http://{host}", host=host) == 403


def test_a_server_on_every_address_goes_by_the_name_it_was_asked_for(tmp_path: Path) -> None:
    with ServerProcess(["--host", "0.0.0.0"], folder=tmp_path) as server:
        assert with_origin(server.port, "http://rooms.example", host="rooms.example") == 101
        assert with_origin(server.port, "http://other.example", host="rooms.example") == 403


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://127.0.0.1:PORT0",
        "http://127.0.0.1:PORT.evil.example",
        "http://127.0.0.1:PORT@evil.example",
        "http://127.0.0.1:PORT/",
        "https://127.0.0.1:PORT",
        "ws://127.0.0.1:PORT",
        "http://localhost:PORT",
        "http://evil.example#127.0.0.1:PORT",
        "127.0.0.1:PORT",
        "null",
        "",
        "*",
    ],
)
def test_pages_of_other_origins_may_not(server: ServerProcess, origin: str) -> None:
    assert with_origin(server.port, origin.replace("PORT", str(server.port))) == 403


def test_two_origins_are_none_to_trust(server: ServerProcess) -> None:
    own = f"http://127.0.0.1:{server.port}"
    assert with_origin(server.port, own, "https://evil.example") == 403
    assert with_origin(server.port, own, own) == 403


def test_an_origin_the_operator_allows_may_connect_exactly_as_written() -> None:
    with ServerProcess(["--allow-origin", "https://app.example", "--allow-origin", "http://dev.example:3000"]) as open_:
        for origin in ("https://app.example", "http://dev.example:3000", f"http://127.0.0.1:{open_.port}"):
            assert with_origin(open_.port, origin) == 101
        for origin in (
            "http://app.example",
            "https://app.example:8443",
            "https://a.app.example",
            "http://dev.example",
            "null",
        ):
            assert with_origin(open_.port, origin) == 403
        assert open_.stop() == 0


def test_a_refused_handshake_is_a_response_like_any_other(server: ServerProcess) -> None:
    response: Response = request(server.port, upgrade_request(extra="Origin: https://evil.example\r\n"))
    assert "--allow-origin" in response.body.decode()
    assert response.headers["Connection"] == "close"
