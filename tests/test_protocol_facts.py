"""The facts in protocol/codes.json are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sheetbend.core.close_codes import CloseCode
from sheetbend.core.limits import Limits
from sheetbend.errors import RETRYABLE_CODES
from sheetbend.server.gate import SUBPROTOCOL

ROOT = Path(__file__).parents[1]
CODES = json.loads((ROOT / "protocol" / "codes.json").read_bytes())


def test_limits_are_the_documented_ones() -> None:
    assert Limits().as_wire() == CODES["limits"]


def test_close_codes_are_the_documented_ones_and_in_their_ranges() -> None:
    ours = {code.name.lower(): code.value for code in CloseCode if code >= 4000}
    assert ours == CODES["closeCodes"]
    assert not CODES["closeRanges"]["reconnect"][0] <= CloseCode.HELLO_TIMEOUT


def test_retryable_errors_are_the_documented_ones() -> None:
    assert {code for code, facts in CODES["errors"].items() if facts["retryable"]} == RETRYABLE_CODES


def test_every_error_the_code_can_send_is_documented() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    assert set(re.findall(r'RefusedError\(\s*"(\w+)"', source)) == set(CODES["errors"])


def test_the_document_names_every_code_and_limit() -> None:
    document = (ROOT / "protocol" / "PROTOCOL.md").read_text()
    for name in (*CODES["errors"], *CODES["closeCodes"]):
        assert f"`{name}`" in document
    assert CODES["subprotocol"] == SUBPROTOCOL
