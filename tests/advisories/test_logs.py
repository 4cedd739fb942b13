"""What strangers write into a log, and what must not stand in it."""

from __future__ import annotations

import secrets

from tests.advisories.test_handshakes import reply_to
from tests.support.clients import SUBPROTOCOL
from tests.support.frames import TEXT, RawWebSocket, frame, text, upgrade_request
from tests.support.process import ServerProcess

ESCAPE = "\x1b]2;owned\x07\x1b[31m"


def test_escape_sequences_in_a_log() -> None:
    """CVE-2020-7694, Uvicorn: terminal sequences in a request's path went into the log as they were."""
    with ServerProcess(["--log-level", "debug"]) as server:
        for path in (f"/{ESCAPE}", "/%1b%5d2;owned%07", "/r/\\x1b[31m"):
            reply_to(server.port, f"GET {path} HTTP/1.1\r\nHost: {ESCAPE}\r\nUser-Agent: {ESCAPE}\r\n\r\n".encode())
        with RawWebSocket.open(server.port) as raw:
            raw.send(text("join", roomId=f"a{ESCAPE}"), text(ESCAPE), frame(TEXT, ESCAPE.encode()))
            assert [raw.read_message()["type"] for _ in range(3)] == ["error"] * 3
        assert server.stop() == 0
        assert "\x1b" not in server.errors
        assert "owned" not in server.errors


def test_lines_that_look_like_the_servers_own() -> None:
    """CVE-2020-7694, Uvicorn: likewise a line break, behind which a stranger writes whole lines of the log."""
    line = '\n{"event": "node_stopped", "level": "critical"}'
    with ServerProcess(["--log-level", "debug"]) as server:
        with RawWebSocket.open(server.port, subprotocol=SUBPROTOCOL) as raw:
            raw.send(text("hello", client=line), text("join", roomId=f"a{line}"), text("join", roomId="a", name=line))
            assert [raw.read_message()["type"] for _ in range(3)] == ["error"] * 3
        reply_to(server.port, upgrade_request(replace={"User-Agent": line, "Origin": f"http://x{line}"}))
        assert server.stop() == 0
        assert "critical" not in {entry["level"] for entry in server.log}


def test_what_is_private_is_not_logged() -> None:
    """CVE-2025-65015, joserfc: messages of exceptions held whole tokens, and so did the log."""
    secret = secrets.token_hex(16)
    with ServerProcess(["--log-level", "debug"]) as server:
        with RawWebSocket.open(server.port, subprotocol=SUBPROTOCOL) as raw:
            raw.send(text("hello", token=secret, resume={"token": secret, "received": 0}))
            raw.read_message()
        with RawWebSocket.open(server.port, subprotocol=SUBPROTOCOL) as raw:
            raw.send(text("hello"), text("join", roomId="private", name=secret, attributes={"a": secret}))
            raw.send(text("message", roomId="private", data=secret), text("offer", roomId="private", sdp=secret))
            raw.send(frame(TEXT, f'{{"type":"{secret}'.encode()), text("token", token=secret))
            for _ in range(5):
                raw.read_message()
        assert server.stop() == 0
        assert secret not in server.errors
