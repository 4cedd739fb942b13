"""What a server may say: strict JSON of a documented type (protocol/fixtures, which hold one of each)."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from sheetbend.core.events import DialectName

__all__ = ["FIXTURES", "parse_strictly", "require_documented"]

FIXTURES = Path(__file__).parents[1] / "protocol" / "fixtures"

_FILES: dict[DialectName, str] = {"lesson": "lesson-server.json", "sheetbend.v1": "v1-server.json"}
_TYPES = {dialect: frozenset(json.loads((FIXTURES / name).read_text())["messages"]) for dialect, name in _FILES.items()}
_CODES = frozenset(json.loads((FIXTURES.parent / "codes.json").read_text())["errors"])
_USER_ID = re.compile(r"[0-9a-f]{32}")
_ID_FIELDS = ("userId", "sender")

Message = dict[str, Any]


def parse_strictly(text: bytes) -> Any:
    """Return the value of `text`; AssertionError for duplicate keys and NaN."""
    return _decode(text.decode())


@lru_cache(maxsize=4096)  # most of what is said is said again and again
def require_documented(dialect: DialectName, text: bytes) -> Message:
    """Return the message, which is not to be changed; AssertionError where it is none of the protocol's."""
    message = parse_strictly(text)
    assert isinstance(message, dict)
    assert message["type"] in _TYPES[dialect], message
    for field in _ID_FIELDS:
        assert field not in message or _USER_ID.fullmatch(message[field]), message
    if message["type"] == "error":
        assert message["code"] in _CODES, message
    return message


def _unique(pairs: list[tuple[str, Any]]) -> Message:
    members = dict(pairs)
    assert len(members) == len(pairs), "a key stands twice"
    return members


def _refuse_constant(word: str) -> NoReturn:
    raise AssertionError(word)


_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant).decode
