"""Parse JSON from strangers: one value, no duplicate keys, bounded depth and numbers, canonical text out.

msgspec refuses broken syntax, NaN, lone surrogates and invalid UTF-8, but takes duplicate keys, numbers of 4,300
digits and a nesting of nearly 1,000. What it has read needs no second parser to be checked for these: counting is
enough, as everything outside strings is known to be JSON. 64 kB take half a millisecond as a list of numbers, 1.7 as
small objects, and 6 where they are nested deep many times, which is the worst.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import RefusedError
from .limits import Limits

__all__ = ["InvalidUtf8Error", "parse"]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_NUMBER_CHARS = b"+-.0123456789Ee"
_NUMBERS_AS_ZEROS = bytes(ord("0") if char in _NUMBER_CHARS else ord(" ") for char in range(256))
_CONTAINERS = (dict, list)


class InvalidUtf8Error(ValueError):
    """The text is not UTF-8, after which a WebSocket connection must end (RFC 6455 section 8.1)."""


def parse(text: bytes, limits: Limits) -> tuple[Any, bytes]:
    """Return the value of `text` and its canonical text.

    Raises RefusedError with `invalid_json`, `duplicate_key`, `number_out_of_range` or `nesting_too_deep`, and
    InvalidUtf8Error.
    """
    try:
        value = _decode(text)
    except RecursionError:
        _require_utf8(text)
        raise _too_deep(limits) from None
    except msgspec.ValidationError:  # an integer past 4,300 digits, a float past the largest double
        _require_utf8(text)
        raise _number_out_of_range(limits) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        _require_utf8(text)
        raise RefusedError("invalid_json", "The message is not valid JSON.") from None
    if len(text) > limits.json_unchecked_bytes_max:
        _check_numbers(text, limits)
        _check_depth(text, value, limits)
    canonical = _encode(value)
    if canonical != text:
        _check_keys(text, canonical)
    return value, canonical


def _require_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError:
        raise InvalidUtf8Error from None


def _check_numbers(text: bytes, limits: Limits) -> None:
    """Look for a run of characters of numbers that is too long, first wherever it stands, then outside strings."""
    too_long = b"0" * (limits.json_number_chars_max + 1)
    if too_long in text.translate(_NUMBERS_AS_ZEROS) and too_long in _strip(text).translate(_NUMBERS_AS_ZEROS):
        raise _number_out_of_range(limits)


def _check_depth(text: bytes, value: Any, limits: Limits) -> None:
    """Walk the containers, level by level, if there are so many that they could be nested too deep."""
    if text.count(b"[") + text.count(b"{") <= limits.json_depth_max:
        return
    level = [value]
    for _ in range(limits.json_depth_max):
        level = [
            inner
            for item in level
            for inner in (item.values() if type(item) is dict else item)
            if type(inner) in _CONTAINERS
        ]
        if not level:
            return
    raise _too_deep(limits)


def _check_keys(text: bytes, canonical: bytes) -> None:
    """Compare how many members the objects have in both texts: of equal keys only the last came into the value.

    Each member has a colon. Those inside strings are the same in both texts, unless one was written as an escape.
    """
    if text.count(b":") == canonical.count(b":") and b"\\u003" not in text:
        return
    if _strip(text).count(b":") != _strip(canonical).count(b":"):
        raise RefusedError("duplicate_key", "A key stands twice in one object.")


def _strip(text: bytes) -> bytes:
    """Return valid JSON with its strings emptied."""
    if b"\\" in text:
        text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    return b'"'.join(text.split(b'"')[::2])


def _number_out_of_range(limits: Limits) -> RefusedError:
    return RefusedError(
        "number_out_of_range",
        f"A number is larger than a double can be, or longer than {limits.json_number_chars_max} characters.",
    )


def _too_deep(limits: Limits) -> RefusedError:
    return RefusedError("nesting_too_deep", f"Arrays and objects nest deeper than {limits.json_depth_max}.")
