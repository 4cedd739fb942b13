"""The facts of protocol/codes.json, which the tests hold the server to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["CLOSE_CODES", "ERRORS", "LIMITS"]

_CODES: dict[str, Any] = json.loads((Path(__file__).parents[2] / "protocol" / "codes.json").read_text())

CLOSE_CODES: dict[str, int] = _CODES["closeCodes"]
ERRORS: dict[str, dict[str, bool]] = _CODES["errors"]
LIMITS: dict[str, int] = _CODES["limits"]
