"""Relay frames: what one member's link sends to another's through the server (PROTOCOL.md, "Relay").

    kind (1 byte) | room (8) | target, to whom the server shows the sender (16) | anything, sealed by the members

The server reads the header only, and writes nothing but the sender into it.
"""

from __future__ import annotations

from hashlib import sha256

__all__ = ["HEADER_BYTES", "KIND_KEPT", "KIND_LOSSY", "MEMBER_AT", "ROOM_AT", "room_tag"]

KIND_KEPT, KIND_LOSSY = 1, 2
"""What waits where the target is slow, and what had better be dropped then."""
ROOM_AT, MEMBER_AT, HEADER_BYTES = 1, 9, 25


def room_tag(room_id: str) -> bytes:
    """Return what stands for a room: the first 8 bytes of its id's SHA-256."""
    return sha256(room_id.encode()).digest()[: MEMBER_AT - ROOM_AT]
