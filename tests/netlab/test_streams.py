"""A stream through the lab's faults: the verdicts, and the worst of the faults in real Chromium."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netlab.lab import ROOT
from netlab.requirements import missing_for_browsers
from netlab.streams import Change, StreamOutcome


def report(**fields: Any) -> dict[str, Any]:
    return {"sent": 10, "received": 10, "wrong": [], "errors": [], "path": "direct", **fields}


def outcome(*changes: Change, fault: str = "udp-cut", **fields: Any) -> StreamOutcome:
    return StreamOutcome(fault, list(changes), [report(), report(**fields)])


GOOD = Change(gap_ms=120, direct_again_s=2.5, was_possible=True)
LOST_PATH = Change(gap_ms=150, direct_again_s=None, was_possible=False)


def test_each_message_once_and_in_order_is_no_fault() -> None:
    assert outcome(LOST_PATH, GOOD).faults == []
    assert outcome(LOST_PATH, GOOD).slow == []


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"received": 9}, "9 of 10 messages came"),
        ({"received": 11}, "11 of 10 messages came"),
        ({"wrong": [[3, 4]]}, "expected and came: [[3, 4]]"),
        ({"errors": ["the member left"]}, "the member left"),
    ],
)
def test_anything_else_is_one(fields: dict[str, Any], fault: str) -> None:
    assert outcome(GOOD, **fields).faults == [fault]


def test_slow_is_a_long_gap_where_a_path_is_left_and_a_late_return_where_one_was_possible() -> None:
    gap = Change(gap_ms=900, direct_again_s=1, was_possible=True)
    never = Change(gap_ms=0, direct_again_s=None, was_possible=True)
    assert outcome(gap).slow == ["gaps over 300 ms"]
    assert outcome(gap, fault="address").slow == []
    assert outcome(*[GOOD] * 20, gap).slow == []
    assert outcome(never).slow == ["direct again after more than 10 s"]
    assert outcome(Change(gap_ms=0, direct_again_s=0, was_possible=True)).slow == []


@pytest.mark.e2e
def test_nothing_is_lost_where_both_paths_are_cut_and_where_the_address_changes(tmp_path: Path) -> None:
    if reason := missing_for_browsers():
        pytest.skip(reason)
    results = tmp_path / "streams.json"
    command = [sys.executable, "-m", "netlab", "--streams", "both-cut", "address", "--json", str(results)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for each in json.loads(results.read_text()):
        assert all(report["received"] > 1000 for report in each["reports"])
        assert each["changes"][-1]["direct_again_s"] is not None
