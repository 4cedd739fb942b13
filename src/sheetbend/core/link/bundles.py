"""Several link frames in one: what is sent in one breath costs little more than one of it (PROTOCOL.md, "Links")."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...errors import LinkError

__all__ = ["BUNDLE_BYTES_MAX", "is_bundle", "make_bundle", "read_bundle"]

BUNDLE_BYTES_MAX = 16_000
"""Of frames that are put together, each with its length: one more, and the bundle goes first."""

_RECEIVED_BYTES_MAX = 16_064
_BUNDLE = b"\x11"


def is_bundle(frame: bytes) -> bool:
    return frame[:1] == _BUNDLE


def make_bundle(frames: Sequence[bytes]) -> bytes:
    """One frame of them; a single one stays as it is."""
    if len(frames) == 1:
        return frames[0]
    return _BUNDLE + b"".join(part for frame in frames for part in (len(frame).to_bytes(2, "big"), frame))


def read_bundle(bundle: bytes) -> Iterable[bytes]:
    """Its frames; the last one is short where the bundle is. Raises LinkError `invalid_frame` for too long a one."""
    if len(bundle) > _RECEIVED_BYTES_MAX:
        raise LinkError("invalid_frame", "The other side sent a bundle that is too long.")
    at = 1
    while at < len(bundle):
        size = int.from_bytes(bundle[at : at + 2], "big")
        yield bundle[at + 2 : at + 2 + size]
        at += 2 + size
