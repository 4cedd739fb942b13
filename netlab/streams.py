"""A reliable stream both ways, at 2,000 messages a second and 5% loss, and faults in the middle of it.

Every message must arrive once and in order, whatever happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page, sync_playwright

from . import faults
from .browsers import person
from .lab import Lab
from .nat import PORT_RESTRICTED
from .server import Server

__all__ = ["FAULTS", "StreamOutcome", "stream_through"]

MESSAGES_PER_S = 2000
LOSS_PERCENT = 5
#: Before a fault, while one lasts, and after it.
STREAM_S = 3
CONNECT_TIMEOUT_S = 20
ARRIVE_TIMEOUT_S = 60
_POLL_S = 0.1


def _udp_cut(lab: Lab, _server: Server) -> None:
    """It is restored afterwards, so this is both."""
    with faults.udp_cut(lab.a):
        time.sleep(STREAM_S)


def _websocket_cut(lab: Lab, _server: Server) -> None:
    with faults.websocket_cut(lab.a):
        time.sleep(STREAM_S)


def _both_cut(lab: Lab, _server: Server) -> None:
    with faults.udp_cut(lab.a), faults.websocket_cut(lab.a):
        time.sleep(STREAM_S)


FAULTS: dict[str, Callable[[Lab, Server], None]] = {
    "udp-cut": _udp_cut,
    "rebind": lambda lab, _server: faults.rebind(lab.a),
    "address": lambda lab, _server: faults.change_address(lab.a),
    "server-restart": lambda _lab, server: server.restart(),
    "websocket-cut": _websocket_cut,
    "both-cut": _both_cut,
}


@dataclass(frozen=True)
class StreamOutcome:
    """What both ends report, a's first."""

    fault: str
    reports: tuple[dict[str, Any], dict[str, Any]]

    @property
    def faults(self) -> list[str]:
        """Everything that contradicts exactly once and in order."""
        found = sorted({error for report in self.reports for error in report["errors"]})
        for sender, receiver in (self.reports, self.reports[::-1]):
            if receiver["wrong"]:
                found.append(f"expected and came: {receiver['wrong']}")
            if receiver["received"] != sender["sent"]:
                found.append(f"{receiver['received']:,} of {sender['sent']:,} messages came")
        return found


def stream_through(fault: str, *, round_trip_ms: float) -> StreamOutcome | None:
    """Stream both ways, and let this happen meanwhile; None if the SDK can't send to a member yet."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(round_trip_ms=round_trip_ms))
        server = stack.enter_context(Server(lab))
        playwright = stack.enter_context(sync_playwright())
        pages = []
        for peer in lab.peers:
            peer.stand_behind(PORT_RESTRICTED)
            pages.append(stack.enter_context(person(playwright, peer)).open("stream.html"))
            pages[-1].evaluate("(options) => lab.join(...options)", [Server.websocket_url, "stream"])
        _wait(pages, _are_connected, CONNECT_TIMEOUT_S)
        if not all(report["canSend"] for report in _reports(pages)):
            return None
        with faults.loss(lab.a, LOSS_PERCENT):
            for page in pages:
                page.evaluate("(perSecond) => lab.start(perSecond)", MESSAGES_PER_S)
            time.sleep(STREAM_S)
            FAULTS[fault](lab, server)
            time.sleep(STREAM_S)
            for page in pages:
                page.evaluate("() => lab.stop()")
        _wait(pages, _have_all, ARRIVE_TIMEOUT_S)
        first, second = _reports(pages)
        return StreamOutcome(fault, (first, second))


def _reports(pages: list[Page]) -> list[dict[str, Any]]:
    return [page.evaluate("() => lab.report") for page in pages]


def _are_connected(reports: list[dict[str, Any]]) -> bool:
    return all(report["canSend"] is not None and report["paths"] for report in reports)


def _have_all(reports: list[dict[str, Any]]) -> bool:
    return all(mine["received"] >= theirs["sent"] for mine, theirs in zip(reports, reversed(reports), strict=True))


def _wait(pages: list[Page], is_done: Callable[[list[dict[str, Any]]], bool], timeout_s: float) -> None:
    """Return when it is so, or time is over: what isn't so is judged by what the reports say."""
    deadline = time.monotonic() + timeout_s
    while not is_done(_reports(pages)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
