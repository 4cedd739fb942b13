"""The rule is the same in both languages: protocol/fixtures/doctor.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sheetbend.doctor import Check
from sheetbend.doctor.verdict import verdict_of

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "protocol" / "fixtures" / "doctor.json").read_text()
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_the_verdict_is_the_one_of_the_fixture(case: dict[str, Any]) -> None:
    checks = [Check(note="", **check) for check in case["checks"]]
    assert msgspec.to_builtins(verdict_of(checks)) == case["verdict"]


def test_the_fixture_has_every_sentence() -> None:
    from sheetbend.doctor import verdict

    assert {case["verdict"]["code"] for case in CASES} == set(verdict._SAID)
