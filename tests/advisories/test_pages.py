"""Pages and files that other servers gave away, or that attackers wrote themselves into."""

from __future__ import annotations

import pytest

from tests.advisories.test_handshakes import STATUS_LINE, reply_to
from tests.support.frames import upgrade_request
from tests.support.http import get, request
from tests.support.process import ServerProcess

SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "target",
    [
        "/../pages.py",
        "/assets/../../pages.py",
        "/assets/%2e%2e/%2e%2e/pages.py",
        "/assets/..%2f..%2fpages.py",
        "/assets/..\\..\\pages.py",
        "/assets//etc/passwd",
        "/static/../../../../etc/passwd",
        "/%00/../etc/passwd",
        "/proc/self/environ",
    ],
)
def test_paths_that_lead_out(server: ServerProcess, target: str) -> None:
    """CVE-2024-23334, aiohttp: a path led out of the folder of static files."""
    answer = reply_to(server.port, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer[:13] in (b"HTTP/1.1 404 ", b"HTTP/1.1 400 ")
    assert b"import" not in answer
    assert b"root:" not in answer


@pytest.mark.parametrize("target", ["/assets.py", "/assets../pages.py", "/assetspages.py", "/../assets2/x", "/assets"])
def test_folders_whose_names_begin_alike(server: ServerProcess, target: str) -> None:
    """CVE-2023-29159, Starlette: a folder beside the static one, with a name that begins alike, was served too."""
    assert get(server.port, target).status == 404


@pytest.mark.parametrize("target", ["/assets/", "/assets/..", f"/assets/{SCRIPT}", "/assets/%3Cscript%3E"])
def test_folders_are_not_listed(server: ServerProcess, target: str) -> None:
    """CVE-2024-27306, aiohttp: names stood unescaped in the listing of a folder."""
    response = get(server.port, target)
    assert response.status == 404
    assert b"script" not in response.body


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "//evil.example/%2f..",
        "/\\evil.example",
        "/r//evil.example",
        "http://evil.example/",
        "///evil.example/",
    ],
)
def test_redirects_to_elsewhere(server: ServerProcess, target: str) -> None:
    """CVE-2023-28370, Tornado, and CVE-2021-21330, aiohttp: two slashes made a redirect to another site."""
    response = get(server.port, target)
    assert response.status in (200, 400, 404)
    assert "Location" not in response.headers


@pytest.mark.parametrize("target", ["/r/x%0d%0aSet-Cookie:%20a=b", "/x%0aSet-Cookie:a=b", "/healthz?%0d%0aX: y"])
def test_lines_in_a_path(server: ServerProcess, target: str) -> None:
    """CVE-2020-7695, Uvicorn: line breaks from a request went into the headers of the response."""
    answer = reply_to(server.port, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert b"set-cookie" not in answer.lower()
    assert len(STATUS_LINE.findall(answer)) == 1


@pytest.mark.parametrize("target", [f"/ws?c={SCRIPT}", f"/ws/htmlfile?c={SCRIPT}", f"/{SCRIPT}", f"/r/{SCRIPT}"])
def test_nothing_of_a_request_is_said_again(server: ServerProcess, target: str) -> None:
    """CVE-2020-8823, SockJS: a parameter of the request stood in the page as it was."""
    response = get(server.port, target)
    assert SCRIPT.encode() not in response.body


def test_nothing_of_a_subprotocol_is_said_again(server: ServerProcess) -> None:
    """CVE-2020-7695, Uvicorn: see above; a refused subprotocol is not repeated, neither in headers nor in text."""
    response = request(server.port, upgrade_request(subprotocol=SCRIPT))
    assert response.status == 400
    assert SCRIPT not in str(response.headers) + response.body.decode()


def test_the_host_is_not_believed(server: ServerProcess) -> None:
    """CVE-2012-4520, Django: links were made of the Host header that came with the request."""
    for target in ("/", "/r/demo", "/nothing", "/ws"):
        answer = reply_to(
            server.port,
            f"GET {target} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\r\n".encode(),
        )
        assert b"evil.example" not in answer


@pytest.mark.parametrize("target", ["/", "/r/demo", "/nothing", "/healthz"])
def test_a_page_runs_no_script_but_its_own(server: ServerProcess, target: str) -> None:
    """CVE-2021-39222, Nextcloud Talk: only a Content-Security-Policy stood between a stored script and the browser."""
    response = get(server.port, target)
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["base-uri"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert b"<script>" not in response.body
