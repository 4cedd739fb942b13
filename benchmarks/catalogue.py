"""All scenarios there are, and all who are measured in them."""

from __future__ import annotations

from typing import Any

from . import scenarios
from .browser import PAGES, BulkDirect, BulkRelay, FirstMessage
from .engines import ENGINES, EngineBulk, EngineRoundTrip, EngineVideo
from .relay_cpu import FRAMES_ONLY, RelayCpu
from .scenarios import SERVERS, Contestant, Scenario

__all__ = ["CONTESTANTS", "SCENARIOS"]

SCENARIOS: tuple[Scenario[Any], ...] = (
    *scenarios.SCENARIOS,
    RelayCpu(),
    FirstMessage(),
    BulkDirect(),
    BulkRelay(),
    EngineBulk(),
    EngineRoundTrip(),
    EngineVideo(),
)
CONTESTANTS: tuple[Contestant, ...] = (*SERVERS, FRAMES_ONLY, *PAGES, *ENGINES)
