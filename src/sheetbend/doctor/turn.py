"""TURN over UDP, TCP and TLS, each by itself: two allocations, and data from each to the other."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from ..server.turn.trial import parse_turn_url, try_relay
from .report import CheckId
from .trying import Failed, Found, Skipped

__all__ = ["TurnServer", "check_of", "try_turn"]

_ANSWER_TIMEOUT_S = 2.5
"""Of each step, so that a step that fails is named before the check's time is over."""


@dataclass(frozen=True, slots=True)
class TurnServer:
    """One URL with what goes with it."""

    url: str
    username: str
    credential: str


def check_of(url: str) -> CheckId:
    """Return which check a TURN URL belongs to. Raises ValueError."""
    parts = parse_turn_url(url)
    if parts.is_secure:
        return "turn_tls"
    return "turn_tcp" if parts.is_tcp else "turn_udp"


async def try_turn(servers: Sequence[TurnServer], tls: ssl.SSLContext | None) -> Found:
    """Return at the first server that relays."""
    if not servers:
        raise Skipped("not_offered", "The server offers none.")
    why = ""
    for server in servers:
        trouble = await try_relay(
            parse_turn_url(server.url), server.username, server.credential, tls=tls, timeout_s=_ANSWER_TIMEOUT_S
        )
        if trouble is None:
            return Found("Relays both ways", url=server.url)
        why = why or trouble
    raise Failed("not_relayed", why, url=servers[0].url)
