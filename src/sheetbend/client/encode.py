"""Values to JSON, refusing here what a server would refuse without being able to say which message it was.

`web/sdk/src/encode.ts` is its twin.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..core.client.effects import Json
from ..errors import ClientError

__all__ = ["JSON_DEPTH_MAX", "MESSAGE_BYTES_MAX", "frozen_json", "require_sendable"]

MESSAGE_BYTES_MAX = 65_536
JSON_DEPTH_MAX = 200

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_BRACKET = re.compile(rb"[][{}]")

_encode = msgspec.json.Encoder().encode


def frozen_json(value: Any) -> msgspec.Raw:
    """`value` as it is now, whatever the program does with it afterwards. Raises ClientError `invalid_argument`."""
    return msgspec.Raw(_encoded(value))


def require_sendable(message: Json) -> None:
    """Raises ClientError `invalid_argument`, `message_too_big` or `nesting_too_deep`."""
    text = _encoded(message)
    if len(text) > MESSAGE_BYTES_MAX:
        raise ClientError("message_too_big", f"A message has at most {MESSAGE_BYTES_MAX} bytes as JSON.")
    if text.count(b"[") + text.count(b"{") > JSON_DEPTH_MAX and _depth_of(text) > JSON_DEPTH_MAX:
        raise ClientError("nesting_too_deep", f"Arrays and objects nest at most {JSON_DEPTH_MAX} deep.")


def _encoded(value: Any) -> bytes:
    try:
        return _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise ClientError("invalid_argument", f"This can't be written as JSON: {error}.") from None


def _depth_of(text: bytes) -> int:
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", text)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
