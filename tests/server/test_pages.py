"""What the public port answers to plain HTTP."""

from __future__ import annotations

import gzip

import pytest

from tests.support.frames import upgrade_request
from tests.support.http import get, request
from tests.support.process import ServerProcess


def test_health(server: ServerProcess) -> None:
    response = get(server.port, "/healthz")
    assert (response.status, response.body) == (200, b"ok\n")
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "target", ["/", "/?a=b", "/doctor", "/r/demo", "/r/demo?x=/../", "/r/caf%C3%A9%2Fx", "/r/..", "/r/%2e%2e"]
)
def test_home_and_every_room_are_the_app(server: ServerProcess, target: str) -> None:
    response = get(server.port, target)
    assert response.status == 200
    assert response.headers.get_content_type() == "text/html"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.body.lstrip().lower().startswith(b"<!doctype html>")
    assert response.body == get(server.port).body


@pytest.mark.parametrize(
    "target",
    [
        "/assets",
        "/assets/",
        "/assets/none.js",
        "/nothing",
        "/r",
        "/r/",
        "/r/a/b",
        "//",
        "/healthz/",
        "/doctor/",
        "/ws/",
        "/../config.py",
        "/assets/../../config.py",
        "/assets/..%2f..%2fconfig.py",
        "/%2e%2e/config.py",
        "/..\\config.py",
        "//etc/passwd",
        "/r/../../../../etc/passwd",
        "/\x00",
        "etc/passwd",
        "file:///etc/passwd",
    ],
)
def test_there_is_nothing_else(server: ServerProcess, target: str) -> None:
    response = get(server.port, target)
    assert response.status in (400, 404)
    assert b"import" not in response.body
    assert b"root:" not in response.body


RESPONSES = {
    "home": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "health": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "404": b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
    "426": b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n",
    "403": upgrade_request(extra="Origin: https://evil.example\r\n"),
    "400 subprotocol": upgrade_request(subprotocol="other"),
    "400 key": upgrade_request(replace={"Sec-WebSocket-Key": None}),
    "400 connection": upgrade_request(replace={"Connection": None}),
}


@pytest.mark.parametrize("raw", RESPONSES.values(), ids=RESPONSES)
def test_every_response_carries_the_security_headers(server: ServerProcess, raw: bytes) -> None:
    headers = request(server.port, raw).headers
    policy = headers["Content-Security-Policy"] or ""
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=(self)" in headers["Permissions-Policy"]


def test_a_page_that_was_seen_is_not_sent_again(server: ServerProcess) -> None:
    tag = get(server.port).headers["ETag"]
    for known in (tag, f'"other", {tag}'):
        response = get(server.port, If_None_Match=known)
        assert (response.status, response.body) == (304, b"")
        assert response.headers["ETag"] == tag
        assert "Content-Length" not in response.headers
    assert get(server.port, If_None_Match='"other"').status == 200


def test_text_is_compressed_for_those_who_can_read_it(server: ServerProcess) -> None:
    plain = get(server.port)
    zipped = get(server.port, Accept_Encoding="br, gzip, deflate")
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == plain.body
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in get(server.port, Accept_Encoding="gzip;q=0, br").headers
    for response in (plain, zipped):
        assert response.headers["Vary"] == "Accept-Encoding"
        assert int(response.headers["Content-Length"]) == len(response.body)


def test_one_request_a_connection(server: ServerProcess) -> None:
    twice = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2
    response = request(server.port, twice)
    assert response.headers["Connection"] == "close"
    assert response.body == b"ok\n"
