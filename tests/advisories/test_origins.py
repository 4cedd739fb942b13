"""Pages that opened a WebSocket to somebody else's server, in a browser that could reach it (RFC 6455 section 10.2)."""

from __future__ import annotations

import pytest

from tests.support.frames import RawWebSocket, upgrade_request
from tests.support.http import get
from tests.support.process import ServerProcess


def status_of(port: int, origin: str, host: str | None = None) -> int:
    """Return the status of a handshake by a page of `origin`."""
    with RawWebSocket(port) as raw:
        raw.send(upgrade_request(replace={"Host": host or f"127.0.0.1:{port}", "Origin": origin}))
        return int(raw.read_head().split(" ")[1])


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://evil.example:8080", "null", "file://", "about:blank", ""]
)
def test_any_page_could_connect(server: ServerProcess, origin: str) -> None:
    """CVE-2018-14732, webpack-dev-server, and CVE-2024-26135, MeshCentral: the Origin header was not looked at."""
    assert status_of(server.port, origin) == 403


@pytest.mark.parametrize(
    "origin", ["vscode-webview://evil", "chrome-extension://abc", "https://evil.example", "http://127.0.0.1:1"]
)
def test_a_program_on_loopback_took_any_origin(server: ServerProcess, origin: str) -> None:
    """CVE-2025-52882, Claude Code extensions: a local server took WebSockets from arbitrary origins."""
    assert status_of(server.port, origin) == 403


@pytest.mark.parametrize(
    "origin", ["http://192.0.2.1", "http://10.0.0.1:8080", "http://[2001:db8::1]", "http://127.0.0.2:PORT"]
)
def test_addresses_as_origins(server: ServerProcess, origin: str) -> None:
    """CVE-2025-30360, webpack-dev-server: an origin that was an IP address was always allowed."""
    assert status_of(server.port, origin.replace("PORT", str(server.port))) == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:PORT.evil.example",
        "http://evil.example/127.0.0.1:PORT",
        "http://evil.example?http://127.0.0.1:PORT",
        "http://evil.example#http://127.0.0.1:PORT",
        "http://127.0.0.1:PORT@evil.example",
        "http://127.0.0.1",
        "127.0.0.1:PORT",
        "http://27.0.0.1:PORT",
        "p://127.0.0.1:PORT",
    ],
)
def test_a_part_of_the_origin_was_enough(server: ServerProcess, origin: str) -> None:
    """CVE-2018-6651, uncurl (Parsec): any substring of the allowed origin was taken."""
    assert status_of(server.port, origin.replace("PORT", str(server.port))) == 403


@pytest.mark.parametrize(
    "origin", ["https://user.app.example", "https://app.example.evil.example", "http://app.example"]
)
def test_a_subdomain_was_as_good(origin: str) -> None:
    """CVE-2023-0957, Gitpod: an origin below the allowed domain, where anybody has a page, was trusted."""
    with ServerProcess(["--allow-origin", "https://app.example"]) as server:
        assert status_of(server.port, "https://app.example") == 101
        assert status_of(server.port, origin) == 403


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "127.0.0.1.rebound.example",
        "localhost.rebound.example",
        "localhost6",
        "10.0.2.555",
        "2130706433",
        "0x7f.1",
    ],
)
def test_a_name_that_leads_to_loopback(server: ServerProcess, host: str) -> None:
    """CVE-2018-7160, CVE-2021-22884 and CVE-2022-32212, Node.js's inspector: DNS rebinding, later by `localhost6`,
    which isn't this machine's name everywhere, and by what looks like an address but is none."""
    assert status_of(server.port, f"http://{host}:{server.port}", f"{host}:{server.port}") == 403


def test_pages_of_other_origins_may_not_read(server: ServerProcess) -> None:
    """CVE-2025-24010, Vite: its CORS headers let every page read what it answered, and it took any Host."""
    response = get(server.port, Origin="https://evil.example")
    assert not [name for name in response.headers if name.lower().startswith("access-control-")]
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
