"""The lab's verdicts, and a few cells of its matrix in real Chromium."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from netlab import theory
from netlab.lab import ROOT
from netlab.matrix import Cell, Outcome
from netlab.nat import NATS, PORT_RESTRICTED
from netlab.requirements import missing_for_browsers, missing_for_turn

GOOD = Outcome(
    cell=Cell(PORT_RESTRICTED, PORT_RESTRICTED, with_turn=True),
    path=theory.Path.DIRECT,
    round_trip_ms=100,
    message_ms=210,
    turn_ms=None,
    direct_ms=800,
    picture_ms=900,
    candidates=[["srflx", "srflx"], ["srflx", "srflx"]],
    errors=[],
)


def test_a_good_cell_has_no_faults() -> None:
    assert GOOD.faults == []


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (replace(GOOD, path=theory.Path.TURN), "reached turn instead of direct"),
        (replace(GOOD, path=theory.Path.RELAY), "reached relay instead of direct"),
        (replace(GOOD, message_ms=None), "no message came"),
        (replace(GOOD, picture_ms=None), "no picture came"),
        (replace(GOOD, errors=["not allowed"]), "not allowed"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_bad_cell_says_what_is_wrong(bad: Outcome, fault: str) -> None:
    assert bad.faults[0].startswith(fault)


def test_a_first_message_that_takes_three_round_trips_is_slow_and_no_fault() -> None:
    slow = replace(GOOD, message_ms=3 * GOOD.round_trip_ms)
    assert slow.is_slow
    assert not slow.faults
    assert not GOOD.is_slow


def test_a_direct_path_against_the_theory_is_a_fault_too() -> None:
    symmetric = NATS["symmetric"]
    assert replace(GOOD, cell=Cell(symmetric, symmetric, with_turn=False)).faults


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert missing_for_browsers() == "Network namespaces need root. To have it: sudo make netlab"


def test_what_is_not_installed_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "")
    assert missing_for_browsers() == "ip and nft missing. To bring them: sudo apt-get install -y iproute2 nftables"
    assert missing_for_turn() == "turnserver missing. To bring it: sudo apt-get install -y coturn"


@pytest.mark.e2e
def test_browsers_reach_each_other_as_the_theory_says(tmp_path: Path) -> None:
    if reason := missing_for_browsers():
        pytest.skip(reason)
    results = tmp_path / "netlab.json"
    command = [sys.executable, "-m", "netlab", "--quick", "--json", str(results)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    cells = json.loads(results.read_text())
    reached = {(cell["a"], cell["b"], cell["turn"]): cell["path"] for cell in cells}
    assert reached[("port-restricted", "port-restricted", False)] == "direct"
    assert reached[("symmetric", "symmetric", False)] == "relay"
    if not missing_for_turn():
        assert reached[("port-restricted", "symmetric", True)] == "turn"
        assert reached[("udp-blocked", "tcp-443", True)] == "turn"
