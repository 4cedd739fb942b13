"""Frames of a link: what travels on a path, as bytes (PROTOCOL.md, "Link frames").

A frame begins with its kind; numbers are variable-length integers of QUIC (RFC 9000 section 16).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from msgspec import Struct

from ...errors import LinkError

__all__ = [
    "RUNS_MAX",
    "Ack",
    "Frame",
    "Lossy",
    "Ping",
    "Record",
    "RecordKind",
    "decode_frame",
    "encode_ack",
    "encode_lossy",
    "encode_ping",
    "encode_record",
    "read_varint",
    "varint",
]

_PING, _ACK, _RECORD, _LOSSY = range(4)
RUNS_MAX = 32
_VARINT_MAX = (1 << 53) - 1
"""The largest integer that JavaScript's numbers hold exactly."""


class RecordKind(IntEnum):
    """What a record is. Messages of more than one record end with the `_END` of their form."""

    TEXT = 0x10
    TEXT_END = 0x11
    BINARY = 0x12
    BINARY_END = 0x13
    STREAM_OPEN = 0x20
    STREAM_DATA = 0x21
    STREAM_END = 0x22
    STREAM_RESET = 0x23
    STREAM_STOP = 0x24
    STREAM_CREDIT = 0x25


_KINDS = {int(kind): kind for kind in RecordKind}


class Ping(Struct, frozen=True, gc=False):
    """Asks for an acknowledgement on the path it came on."""

    number: int


class Ack(Struct, frozen=True, gc=False):
    """What has arrived.

    `echo` is the largest number that came on this path and `delay_ms` how long ago that was. All records up to
    `cumulative` are here, and those in `early`: first and last of each run, in order, the first RUNS_MAX of them.
    """

    echo: int
    delay_ms: int
    cumulative: int
    early: tuple[tuple[int, int], ...] = ()


class Record(Struct, frozen=True, gc=False):
    """A piece of the reliable sequence. `number` counts on the path, `sequence` in the link, both from 1."""

    number: int
    sequence: int
    kind: RecordKind
    body: bytes


class Lossy(Struct, frozen=True, gc=False):
    """A message that may get lost. Of those that arrive late none is delivered."""

    sequence: int
    is_text: bool
    body: bytes


Frame = Ping | Ack | Record | Lossy


def encode_ping(number: int) -> bytes:
    return b"\x00" + varint(number)


def encode_ack(echo: int, delay_ms: int, cumulative: int, early: Iterable[tuple[int, int]] = ()) -> bytes:
    parts = [b"\x01", varint(echo), varint(delay_ms), varint(cumulative)]
    at = cumulative
    for first, last in early:  # each run by how many are missing before it, and how many it has
        parts += (varint(first - at - 1), varint(last - first + 1))
        at = last
    return b"".join(parts)


def encode_record(number: int, sequence: int, record: bytes) -> bytes:
    """`record` is a kind and its body."""
    return b"\x02" + varint(number) + varint(sequence) + record


def encode_lossy(sequence: int, is_text: bool, body: bytes) -> bytes:
    return b"\x03" + varint(sequence) + (b"\x01" if is_text else b"\x00") + body


def decode_frame(frame: bytes) -> Frame:
    """Raises LinkError `invalid_frame`."""
    try:
        kind = frame[0]
        first, at = read_varint(frame, 1)
        if kind == _RECORD:
            second, at = read_varint(frame, at)
            return Record(first, second, _KINDS[frame[at]], frame[at + 1 :])
        if kind == _LOSSY:
            return Lossy(first, (False, True)[frame[at]], frame[at + 1 :])
        if kind == _ACK:
            delay_ms, at = read_varint(frame, at)
            cumulative, at = read_varint(frame, at)
            return Ack(first, delay_ms, cumulative, _decode_runs(frame, at, cumulative))
        if kind == _PING and at == len(frame):
            return Ping(first)
    except (IndexError, KeyError):
        pass
    raise LinkError("invalid_frame", "The other side sent a frame that can't be read.")


def _decode_runs(frame: bytes, at: int, end: int) -> tuple[tuple[int, int], ...]:
    runs: list[tuple[int, int]] = []
    while at < len(frame):
        missing, at = read_varint(frame, at)
        size, at = read_varint(frame, at)
        if not missing or not size or len(runs) == RUNS_MAX:
            raise IndexError
        runs.append((end + missing + 1, end + missing + size))
        end += missing + size
    return tuple(runs)


def varint(number: int) -> bytes:
    """Write a number of up to 2^53 - 1."""
    if number < 0x40:
        return number.to_bytes(1, "big")
    if number < 0x4000:
        return (number | 0x4000).to_bytes(2, "big")
    if number < 0x40000000:
        return (number | 0x80000000).to_bytes(4, "big")
    return (number | 0xC000000000000000).to_bytes(8, "big")


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at` and where it ends. Raises IndexError where there is none, or one too large."""
    first = data[at]
    if first < 0x40:
        return first, at + 1
    end = at + (1 << (first >> 6))
    if end > len(data):
        raise IndexError
    number = int.from_bytes(data[at:end], "big") & ((1 << (8 * (end - at) - 2)) - 1)
    if number > _VARINT_MAX:
        raise IndexError
    return number, end
