"""What a client takes from a server: whatever has the right shape, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sheetbend.core.client.messages import decode_server_message

ID = "0" * 32
MEMBER: dict[str, Any] = {"userId": ID, "name": "Ada", "attributes": {}}
GOOD: list[dict[str, Any]] = [
    {"type": "user-joined", "roomId": "r", "member": MEMBER, "offset": 1},
    {"type": "user-joined", "member": {**MEMBER, "can": ["x"], "key": "k", "new": 1}, "offset": 2, "new": []},
    {"type": "user-left", "userId": ID, "offset": 1, "reason": "whatever"},
    {"type": "message", "sender": ID, "offset": 1, "data": None, "time": 5},
    {"type": "error", "code": "x", "message": "y"},
    {"type": "pong"},
    {"type": "ack", "received": 0},
    {"type": "offer", "sender": ID, "sdp": [1]},
]
BAD: list[Any] = [
    {"type": "user-joined", "member": {**MEMBER, "userId": "ID"}, "offset": 1},
    {"type": "user-joined", "member": {**MEMBER, "userId": "F" * 32}, "offset": 1},
    {"type": "user-joined", "member": {**MEMBER, "userId": ID + "\n"}, "offset": 1},
    {"type": "user-joined", "member": {**MEMBER, "attributes": []}, "offset": 1},
    {"type": "user-joined", "member": {**MEMBER, "can": "publish"}, "offset": 1},
    {"type": "user-joined", "member": {**MEMBER, "key": 5}, "offset": 1},
    {"type": "user-joined", "member": MEMBER, "offset": -1},
    {"type": "user-joined", "member": MEMBER, "offset": 1.5},
    {"type": "user-joined", "member": MEMBER},
    {"type": "message", "sender": None, "offset": 1, "data": None, "time": 5},
    {"type": "ack", "received": "5"},
    {"type": "welcome", "userId": ID},
    {"type": "roster", "you": MEMBER},
    {"type": "offer", "sender": ID},
    {"type": "nobody knows"},
    {"type": 5},
    {},
    [],
    5,
    None,
]


@pytest.mark.parametrize("message", GOOD, ids=lambda message: str(message["type"]))
def test_a_message_comes_as_it_was_said(message: dict[str, Any]) -> None:
    assert decode_server_message(json.dumps(message).encode()) == message


@pytest.mark.parametrize("message", BAD, ids=str)
def test_what_has_another_shape_counts_as_unknown(message: Any) -> None:
    assert decode_server_message(json.dumps(message).encode()) == {"type": "unknown"}


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff", b'{"type":"pong"', b'{"type":"\\ud800"}', b"[" * 100_000, b'{"type":"error","x":\xff}']
)
def test_what_is_no_json_counts_as_unknown(text: bytes) -> None:
    assert decode_server_message(text) == {"type": "unknown"}
