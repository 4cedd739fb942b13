"""The doctor behind real NATs: on the command line and in Chromium it says what the network is."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from netlab.browsers import FLAGS
from netlab.lab import PRIVATE_NETWORKS, ROOT, SERVER_ADDRESS, SERVER_PORT, Lab, Peer
from netlab.nat import FULL_CONE, OPEN, PORT_RESTRICTED, SYMMETRIC, TCP_443, UDP_BLOCKED, Nat
from netlab.requirements import missing_for_browsers, missing_for_turn

URL = f"https://{SERVER_ADDRESS}"
WHOLE_S_MAX = 12
MEANT = [
    (OPEN, "all_well", "no_nat"),
    (FULL_CONE, "all_well", "endpoint_independent"),
    (PORT_RESTRICTED, "all_well", "endpoint_independent"),
    (SYMMETRIC, "turn_needed", "symmetric"),
    (UDP_BLOCKED, "turn_over_tcp", "no_answer"),
    (TCP_443, "udp_blocked", "no_answer"),
]
every_network = pytest.mark.parametrize(("nat", "verdict", "mapping"), MEANT, ids=[nat.name for nat, _, _ in MEANT])


@pytest.fixture(scope="module")
def site(lab: Lab) -> Iterator[None]:
    """A server with TURN beside its STUN, on another port: two places that see a NAT."""
    if reason := missing_for_turn():
        pytest.skip(reason)
    command = [sys.executable, "-m", "sheetbend", "serve", "--tls", "auto", "--turn", "coturn", "--log-format", "json"]
    command += ["--host", SERVER_ADDRESS, "--port", str(SERVER_PORT)]
    command += [argument for network in PRIVATE_NETWORKS for argument in ("--turn-allow", network)]
    with tempfile.TemporaryFile("w+") as errors:
        process = lab.site.start(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors)
        try:
            assert process.stdout is not None
            process.stdout.readline()
            deadline = time.monotonic() + 20
            while read(errors).count('"event": "turn_works"') < 2:
                assert time.monotonic() < deadline, read(errors)
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.communicate(timeout=10)


def read(file: Any) -> str:
    file.seek(0)
    return str(file.read())


def run(peer: Peer, *flags: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        peer.host.inside([sys.executable, "-m", "sheetbend", "doctor", URL, "--insecure", "--json", *flags]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, report


def codes(report: dict[str, Any]) -> dict[str, str | None]:
    return {check["id"]: check["code"] for check in report["checks"]}


@every_network
@pytest.mark.usefixtures("site")
def test_the_command_says_what_the_network_is(lab: Lab, nat: Nat, verdict: str, mapping: str) -> None:
    lab.a.stand_behind(nat)
    status, report = run(lab.a)
    assert (report["verdict"]["code"], codes(report)["nat"]) == (verdict, mapping), report
    assert status == (1 if verdict == "udp_blocked" else 0)
    assert report["tookMs"] < WHOLE_S_MAX * 1000


@pytest.mark.usefixtures("site")
def test_a_black_hole_is_left_in_time(lab: Lab) -> None:
    lab.b.stand_behind(OPEN)
    lab.b.router.nft(
        """table ip hole {
  chain forward { type filter hook forward priority -5; iifname "inside" drop; }
}"""
    )
    try:
        started = time.monotonic()
        status, report = run(lab.b)
        assert time.monotonic() - started < WHOLE_S_MAX
        assert (status, report["verdict"]["code"]) == (1, "server_unreachable")
        assert codes(report)["websocket"] == "no_answer"
    finally:
        lab.b.router.nft("delete table ip hole")


@contextmanager
def chromium(playwright: Playwright, peer: Peer) -> Iterator[Browser]:
    """A Chromium in the peer's host."""
    with tempfile.TemporaryDirectory(prefix="sheetbend-lab-") as folder:
        script = Path(folder, "chromium")
        script.write_text(f'#!/bin/sh\nexec {shlex.join(peer.host.inside(["chromium"]))} "$@"\n')
        script.chmod(0o700)
        browser = playwright.chromium.launch(executable_path=script, args=FLAGS)
        try:
            yield browser
        finally:
            with suppress(Exception):
                browser.close()


@pytest.fixture(scope="module")
def browser(lab: Lab) -> Iterator[Browser]:
    if reason := missing_for_browsers():
        pytest.skip(reason)
    with sync_playwright() as playwright, chromium(playwright, lab.a) as browser:
        yield browser


@every_network
@pytest.mark.parametrize("permissions", [["camera", "microphone"], []], ids=["seen", "hidden"])
@pytest.mark.usefixtures("site")
def test_the_page_says_what_the_network_is(
    lab: Lab, browser: Browser, nat: Nat, verdict: str, mapping: str, permissions: list[str]
) -> None:
    """With a permission for devices browsers show their addresses; without they hide them."""
    lab.a.stand_behind(nat)
    context = browser.new_context(ignore_https_errors=True, permissions=permissions)
    try:
        page = context.new_page()
        page.goto(f"{URL}/doctor")
        expect(page.get_by_role("button", name="Copy report")).to_be_visible(timeout=15_000)
        report = json.loads(page.locator("pre").text_content() or "")
    finally:
        context.close()
    if nat is OPEN and not permissions:
        mapping = "endpoint_independent"  # without its own address a page can't see that nothing is translated
    assert (report["verdict"]["code"], codes(report)["nat"]) == (verdict, mapping), report
    assert report["tookMs"] < WHOLE_S_MAX * 1000
