"""The server's relay: two sessions of our own send to each other through it."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import time

from ..core.relay import HEADER_BYTES, KIND_KEPT, room_tag
from .trying import Failed, Found, Skipped
from .websocket import Session

__all__ = ["try_relay_frames"]

_ROUND_TRIPS = 10
_ROUND_TRIPS_S_MAX = 1.5
_THROUGHPUT_S = 1.0
_THROUGHPUT_BYTES_MAX = 8 * 1024 * 1024
"""Somebody may pay for each."""
_PAYLOAD_BYTES = 16_000
_WINDOW_BYTES = 256 * 1024
"""On their way at once: as a link has on the relay; of one sender the server lets 512 KiB wait."""


async def try_relay_frames(one: Session, other: Session) -> Found:
    """Measure round trips between two sessions, then what comes through in a second."""
    if "relay" not in one.welcome.get("features", []):
        raise Skipped("not_offered", "The server has no relay.")
    room_id = f"doctor-{secrets.token_hex(16)}"
    try:
        await one.join(room_id)
        await other.join(room_id)
    except Failed as refused:
        raise Skipped(refused.code, f"The server lets us into no room for it: {refused.note}") from None
    there = bytes([KIND_KEPT]) + room_tag(room_id) + bytes.fromhex(other.user_id)
    back = bytes([KIND_KEPT]) + room_tag(room_id) + bytes.fromhex(one.user_id)
    rtt_ms = await _round_trip_ms(one, other, there, back)
    bytes_per_s = await _bytes_per_s(one, other, there)
    note = f"{rtt_ms:.1f} ms there and back, {bytes_per_s / 1e6:.1f} MB/s"
    return Found(note, rttMs=round(rtt_ms, 2), bytesPerS=round(bytes_per_s))


async def _round_trip_ms(one: Session, other: Session, there: bytes, back: bytes) -> float:
    """The median of a few: from one member to the other, and back."""
    returned: asyncio.Queue[bytes] = asyncio.Queue()
    other.on_relayed = lambda frame: other.relay(back + frame[HEADER_BYTES:])
    one.on_relayed = returned.put_nowait
    took: list[float] = []
    while len(took) < _ROUND_TRIPS and sum(took) < _ROUND_TRIPS_S_MAX:
        probe = secrets.token_bytes(16)
        sent_at = time.monotonic()
        one.relay(there + probe)
        while (await returned.get())[HEADER_BYTES:] != probe:
            pass
        took.append(time.monotonic() - sent_at)
    return statistics.median(took) * 1000


async def _bytes_per_s(one: Session, other: Session, there: bytes) -> float:
    frame = there + secrets.token_bytes(_PAYLOAD_BYTES)
    over = asyncio.Event()
    started_at = time.monotonic()
    sent = received = 0

    def fill() -> None:
        nonlocal sent
        while sent - received + _PAYLOAD_BYTES <= _WINDOW_BYTES and sent < _THROUGHPUT_BYTES_MAX:
            one.relay(frame)
            sent += _PAYLOAD_BYTES

    def take(arrived: bytes) -> None:
        nonlocal received
        received += len(arrived) - HEADER_BYTES
        if received >= _THROUGHPUT_BYTES_MAX:
            over.set()
        elif not over.is_set():
            fill()

    other.on_relayed = take
    fill()
    try:
        async with asyncio.timeout(_THROUGHPUT_S):
            await over.wait()
    except TimeoutError:
        over.set()
    rate = received / (time.monotonic() - started_at)
    other.on_relayed = lambda frame: None
    return rate
