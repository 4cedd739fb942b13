"""The connection check in Chromium: its page, and what it finds of real servers, TURN and blocked networks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.browsers import ARTIFACTS
from tests.e2e.test_app import mint
from tests.support.process import ServerProcess
from tests.support.tokens import SECRET
from tests.support.turn import free_port, needs_coturn

Person = Callable[..., BrowserContext]

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
WELL = "Everything works; calls will be direct wherever the other side allows it."
WORK = ("http", "websocket", "relay", "direct")
TIMEOUT_MS = 15_000


@pytest.fixture
def open_server() -> Iterator[ServerProcess]:
    """Not on loopback alone."""
    with ServerProcess(["--host", "0.0.0.0"]) as process:
        yield process


def check(page: Page, url: str) -> dict[str, Any]:
    """Open the page; return the report that it shows at the end."""
    page.goto(f"{url}doctor")
    return report_of(page)


def report_of(page: Page) -> dict[str, Any]:
    expect(page.get_by_role("button", name="Copy report")).to_be_visible(timeout=TIMEOUT_MS)
    report: dict[str, Any] = json.loads(page.locator("pre").text_content() or "")
    return report


def by_id(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["id"]: check for check in report["checks"]}


@pytest.mark.parametrize("options", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_is_well(
    person: Person, open_server: ServerProcess, options: dict[str, Any], scheme: str, request: pytest.FixtureRequest
) -> None:
    page = person(**options, color_scheme=scheme).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    report = check(page, open_server.url)
    assert report["verdict"]["code"] == "all_well", report
    expect(page.get_by_role("status").get_by_text(WELL)).to_be_visible()
    found = by_id(report)
    assert {each: found[each]["status"] for each in WORK} == dict.fromkeys(WORK, "ok"), report
    assert found["stun"]["code"] == "same_machine"
    assert found["relay"]["detail"]["rttMs"] > 0
    assert found["relay"]["detail"]["bytesPerS"] > 100_000
    assert found["turn_udp"]["code"] == "not_offered"
    assert complaints == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    ARTIFACTS.mkdir(exist_ok=True)
    name = request.node.callspec.id
    page.screenshot(path=ARTIFACTS / f"doctor-{name}.png", full_page=True, animations="disabled")


def test_the_report_is_copied_and_the_check_run_again_by_keyboard(person: Person, open_server: ServerProcess) -> None:
    context = person(**DESKTOP)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(open_server.url)
    page.get_by_role("link", name="Check your connection").press("Enter")
    expect(page.get_by_role("heading", name="Connection check")).to_be_focused()
    report = report_of(page)
    page.get_by_role("button", name="Copy report").press("Enter")
    expect(page.get_by_text("Report copied").first).to_be_visible()
    assert json.loads(page.evaluate("() => navigator.clipboard.readText()")) == report
    page.get_by_role("button", name="Check again").press("Enter")
    expect(page.get_by_role("heading", name="Connection check")).to_be_focused()
    assert report_of(page)["startedAt"] > report["startedAt"]


@needs_coturn
def test_turn_is_tried_over_udp_and_tcp_and_no_credential_is_in_the_report(person: Person) -> None:
    flags = ["--host", "0.0.0.0", "--turn", "coturn", "--turn-port", str(free_port())]
    with ServerProcess([*flags, "--turn-relay-ports", "20000-32000"]) as server:
        wait_for_turn(server)
        page = person().new_page()
        credentials: list[str] = []
        page.on("websocket", lambda socket: socket.on("framereceived", lambda text: note(credentials, text)))
        report = check(page, server.url.replace("localhost", "127.0.0.1"))
    found = by_id(report)
    assert (found["turn_udp"]["status"], found["turn_tcp"]["status"]) == ("ok", "ok"), report
    assert found["turn_tls"]["status"] == "skipped"
    assert report["verdict"]["ok"]
    assert len(credentials) >= 2
    assert all(credential not in json.dumps(report) for credential in credentials)


def test_a_token_is_asked_for_and_taken(person: Person) -> None:
    environment = {"SHEETBEND_TOKEN_SECRET": SECRET}
    with ServerProcess(["--host", "0.0.0.0", "--auth", "token"], environment=environment) as server:
        page = person().new_page()
        assert check(page, server.url)["verdict"]["code"] == "token_needed"
        page.screenshot(path=ARTIFACTS / "doctor-token.png", full_page=True, animations="disabled")
        token = mint("--sub", "ada", "--room", "*")
        page.get_by_role("textbox", name="Token").fill(token)
        page.get_by_role("button", name="Check with this token").click()
        expect(page.get_by_role("textbox", name="Token")).to_have_count(0)
        report = report_of(page)
        assert report["verdict"]["code"] == "all_well", report
        assert by_id(report)["relay"]["status"] == "ok"
        assert token not in json.dumps(report)


def test_a_server_that_is_gone_is_said_to_be(person: Person, open_server: ServerProcess) -> None:
    page = person().new_page()
    check(page, open_server.url)
    open_server.stop()
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_role("status").get_by_text("The server can't be reached from here.")).to_be_visible(
        timeout=TIMEOUT_MS
    )
    report = report_of(page)
    assert by_id(report)["websocket"]["status"] == "failed"
    page.screenshot(path=ARTIFACTS / "doctor-unreachable.png", full_page=True, animations="disabled")


def test_nothing_is_left_open(person: Person, open_server: ServerProcess) -> None:
    context = person()
    page = context.new_page()
    check(page, open_server.url)
    states = page.evaluate("() => window.peerConnections.map((peer) => peer.connectionState)")
    assert states == ["closed"] * len(states)
    assert len(states) == 2
    page.get_by_role("button", name="Check again").click()
    page.get_by_role("link", name="Sheetbend").click()  # in the middle of it
    expect(page.get_by_role("button", name="Create a room")).to_be_visible()
    page.wait_for_function("() => window.peerConnections.every((peer) => peer.connectionState === 'closed')")


def note(credentials: list[str], frame: str | bytes) -> None:
    if isinstance(frame, str):
        servers = json.loads(frame).get("iceServers", [])
        credentials.extend(server["credential"] for server in servers if "credential" in server)


def wait_for_turn(server: ServerProcess) -> None:
    """TURN is offered once it was tried; a check that began before would find none."""
    deadline = time.monotonic() + 20
    while server.errors.count('"event": "turn_works"') < 2:
        assert time.monotonic() < deadline, server.errors
        time.sleep(0.05)
