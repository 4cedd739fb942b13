"""Names and ids: whatever is in them is seen."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetbend.core.dialects import V1Dialect
from sheetbend.core.limits import Limits
from sheetbend.core.names import is_printable, shows_something
from sheetbend.errors import RefusedError
from sheetbend.server.token_claims import read_claims

NAMES = json.loads((Path(__file__).parents[2] / "protocol" / "fixtures" / "names.json").read_bytes())
ALL = [(name, kind) for kind, names in NAMES.items() for name in names]
V1 = V1Dialect(Limits())


def code_of(**message: object) -> str:
    try:
        V1.decode(json.dumps(message).encode())
    except RefusedError as error:
        return error.code
    return "fine"


@pytest.mark.parametrize(("name", "kind"), ALL, ids=ascii)
def test_a_name_is_one_where_it_can_be_seen(name: str, kind: str) -> None:
    assert is_printable(name) is (kind != "invalid")
    expected = "fine" if kind == "valid" else "invalid_name"
    assert code_of(type="join", roomId="demo", name=name) == expected
    assert code_of(type="update", roomId="demo", name=name) == expected


@pytest.mark.parametrize(("name", "kind"), ALL, ids=ascii)
def test_a_token_prescribes_no_other_names(name: str, kind: str) -> None:
    claims = {"sub": "ada", "room": "demo", "exp": 2_000_000_000, "name": name}
    if kind == "valid":
        assert read_claims(claims, Limits(), 0).name == name
    else:
        with pytest.raises(RefusedError, match="name"):
            read_claims(claims, Limits(), 0)


@pytest.mark.parametrize("name", NAMES["invalid"], ids=ascii)
def test_ids_are_seen_too(name: str) -> None:
    assert code_of(type="join", roomId=name) == "invalid_room_id"
    assert code_of(type="leave", roomId="demo", ref=name) == "invalid_ref"
    assert code_of(type="message", roomId="demo", data=1, id=name) == "invalid_message"


def test_no_name_at_all_is_fine() -> None:
    assert code_of(type="join", roomId="demo", name="") == "fine"


@given(st.text(st.characters(max_codepoint=127) | st.characters(categories=["L", "M", "N", "P", "S", "Zs"])))
def test_what_is_seen_alone_is_seen_beside_anything_else(text: str) -> None:
    plain = "".join(char for char in text if is_printable(char))
    assert is_printable(plain)
    assert shows_something(plain) is any(not unicodedata.category(char).startswith(("Z", "M")) for char in plain)


@given(st.text("Aa1 \u200d\u200c\ufe0f\u20e3\u2764\u0301\U0001f469"))
def test_nothing_unseen_hides_between_latin_letters(text: str) -> None:
    seen = "".join(char for char in text if char not in "\u200d\u200c\ufe0f")
    if seen.isascii() and seen != text:
        assert not is_printable(text)
