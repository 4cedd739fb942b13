"""What the doctor found, in the shape that both languages give it as JSON (docs/doctor.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

__all__ = ["CHECK_IDS", "Check", "CheckId", "Report", "Status", "Verdict"]

CheckId = Literal["http", "websocket", "relay", "stun", "nat", "direct", "turn_udp", "turn_tcp", "turn_tls"]
Status = Literal["ok", "failed", "skipped"]

CHECK_IDS: Sequence[CheckId] = (
    "http",
    "websocket",
    "relay",
    "stun",
    "nat",
    "direct",
    "turn_udp",
    "turn_tcp",
    "turn_tls",
)
"""In the order of a report."""


class Check(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One way that was tried. `code` says why not, or which; `note` says the same to people. `ms` is what it took."""

    id: CheckId
    status: Status
    ms: float | None = None
    code: str | None = None
    note: str
    detail: dict[str, Any] = {}


class Verdict(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the checks mean together. `ok`: calls will work, directly or by TURN."""

    code: str
    ok: bool
    sentence: str
    advice: Sequence[str]


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Has addresses in it, but no token and no credentials. `started_at` is in UTC, ISO 8601."""

    version: int = 1
    url: str
    by: str
    """The program that tried: name and version."""
    server: str | None
    """The one that answered: name and version."""
    started_at: str
    took_ms: float
    checks: Sequence[Check]
    verdict: Verdict
