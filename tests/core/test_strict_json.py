"""What JSON from strangers is taken, and what it is turned into."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetbend.core.limits import Limits
from sheetbend.core.strict_json import InvalidUtf8Error, parse
from sheetbend.errors import RefusedError

LIMITS = Limits()

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "invalid_json"),
        (b"nonsense", "invalid_json"),
        (b'{"a":1', "invalid_json"),
        (b"1 2", "invalid_json"),
        (b"01", "invalid_json"),
        (b"NaN", "invalid_json"),
        (b"-Infinity", "invalid_json"),
        (b'"\x01"', "invalid_json"),
        (b'"\\x41"', "invalid_json"),
        (b'"\\ud800"', "invalid_json"),
        (b'"\\udc00\\ud800"', "invalid_json"),
        (b'\xef\xbb\xbf{"a":1}', "invalid_json"),
        (b'{"a":1,"a":1}', "duplicate_key"),
        (b'{"a":1,"\\u0061":2}', "duplicate_key"),
        (b'[{"x":{"a":1, "b":2, "a":3}}]', "duplicate_key"),
        (b"1" * 5000, "number_out_of_range"),
        (b"-" + b"1" * 400, "number_out_of_range"),
        (b"[ -" + b"1" * 400 + b"]", "number_out_of_range"),
        (b"[" + b"1" * 4000 + b"]", "number_out_of_range"),
        (b"0." + b"1" * 5000, "number_out_of_range"),
        (b"1e" + b"0" * 5000 + b"1", "number_out_of_range"),
        (b"1e400", "number_out_of_range"),
        (b"[" * 201 + b"]" * 201, "nesting_too_deep"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, "nesting_too_deep"),
        (b"[" * 100_000 + b"]" * 100_000, "nesting_too_deep"),
        (b'{"a":' * 100_000, "nesting_too_deep"),
    ],
)
def test_bad_json_is_refused_with_its_code(text: bytes, code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        parse(text, LIMITS)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "text", [b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'{"a":1}\xff', b"\xff", b"[" * 2000 + b"\xff"]
)
def test_text_that_is_not_utf8_is_told_apart(text: bytes) -> None:
    with pytest.raises(InvalidUtf8Error):
        parse(text, LIMITS)


@pytest.mark.parametrize(
    "text", [b"[" * 200 + b"]" * 200, b'"' + b"[" * 1000 + b'"', b"1" * 400, b'{"a":{"b":1},"b":1}']
)
def test_what_stands_at_a_bound_is_taken(text: bytes) -> None:
    assert parse(text, LIMITS)[0] == json.loads(text)


@given(json_values, st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :\n")]), st.booleans())
def test_any_spelling_of_a_value_becomes_one_canonical_text(
    value: Any, separators: tuple[str, str], ascii_only: bool
) -> None:
    text = json.dumps(value, separators=separators, ensure_ascii=ascii_only).encode()
    parsed, canonical = parse(text, LIMITS)
    assert parsed == value
    assert json.loads(canonical) == value
    assert parse(canonical, LIMITS) == (value, canonical)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(text: bytes) -> None:
    try:
        value, canonical = parse(text, LIMITS)
    except (RefusedError, InvalidUtf8Error):
        return
    assert json.loads(canonical) == value
