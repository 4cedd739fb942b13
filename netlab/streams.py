"""A reliable stream both ways, at 2,000 messages a second and 5% loss, and faults in the middle of it, again and again.

Every message must arrive once and in order, whatever happens. Of each change of the network it is measured for how long
nothing came, and when the two were on the direct path again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from statistics import quantiles
from typing import Any

from playwright.sync_api import Page, sync_playwright

from . import faults
from .browsers import person
from .lab import Lab
from .nat import PORT_RESTRICTED
from .server import Server

__all__ = ["FAULTS", "Change", "StreamOutcome", "stream_through"]

MESSAGES_PER_S = 2000
LOSS_PERCENT = 5
GAP_MAX_MS = 300
"""Of the 95th percentile of changes that leave one path."""
DIRECT_AGAIN_MAX_S = 10.0
#: For so long from a change on a gap is put down to it: later ones are those of a relay at 5% loss.
WATCHED_S = 1.5
#: And for so long a fault lasts besides.
LASTING_S = 2.0
CONNECT_TIMEOUT_S = 20
AGAIN_TIMEOUT_S = 30
ARRIVE_TIMEOUT_S = 60
_POLL_S = 0.05


@dataclass(frozen=True)
class Fault:
    """What happens, and whether one path works throughout."""

    leaves_a_path: bool
    happens: Callable[[Lab, Server], None] | None = None
    lasts: Callable[[Lab], AbstractContextManager[None]] | None = None
    """The beginning and the end of one that lasts are a change each."""


@contextmanager
def _both_cut(lab: Lab) -> Iterator[None]:
    with faults.udp_cut(lab.a), faults.websocket_cut(lab.a):
        yield


FAULTS: dict[str, Fault] = {
    "udp-cut": Fault(leaves_a_path=True, lasts=lambda lab: faults.udp_cut(lab.a)),
    "rebind": Fault(leaves_a_path=True, happens=lambda lab, _: faults.rebind(lab.a)),
    "address": Fault(leaves_a_path=False, happens=lambda lab, _: faults.change_address(lab.a)),
    "server-restart": Fault(leaves_a_path=True, happens=lambda _, server: server.restart()),
    "websocket-cut": Fault(leaves_a_path=True, lasts=lambda lab: faults.websocket_cut(lab.a)),
    "both-cut": Fault(leaves_a_path=False, lasts=_both_cut),
}


@dataclass(frozen=True)
class Change:
    """Of the network, in the middle of the stream."""

    gap_ms: float
    """The longest time in which one of the two got nothing, while it was watched."""
    direct_again_s: float | None
    """From the moment from which it was possible; None where it wasn't yet, or took too long."""
    was_possible: bool


@dataclass
class StreamOutcome:
    """What both ends report in the end, a's first."""

    fault: str
    changes: list[Change] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)

    @property
    def gap_p95_ms(self) -> float:
        return _p95([change.gap_ms for change in self.changes])

    @property
    def direct_again_max_s(self) -> float:
        again_s = (change.direct_again_s for change in self.changes if change.was_possible)
        return max((AGAIN_TIMEOUT_S if each is None else each for each in again_s), default=0)

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

    @property
    def slow(self) -> list[str]:
        """What takes longer than it should; on a busy machine that says little."""
        found = []
        if FAULTS[self.fault].leaves_a_path and self.gap_p95_ms > GAP_MAX_MS:
            found.append(f"gaps over {GAP_MAX_MS} ms")
        if self.direct_again_max_s > DIRECT_AGAIN_MAX_S:
            found.append(f"direct again after more than {DIRECT_AGAIN_MAX_S:g} s")
        return found

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def stream_through(name: str, *, times: int, round_trip_ms: float) -> StreamOutcome:
    """Stream both ways, and let this happen so many times meanwhile."""
    fault = FAULTS[name]
    outcome = StreamOutcome(name)
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(round_trip_ms=round_trip_ms))
        server = stack.enter_context(Server(lab))
        playwright = stack.enter_context(sync_playwright())
        pages = []
        for peer in lab.peers:
            peer.stand_behind(PORT_RESTRICTED)
            pages.append(stack.enter_context(person(playwright, peer)).open("stream.html"))
            pages[-1].evaluate("(options) => lab.join(...options)", [Server.websocket_url, "stream"])
        _wait(pages, _are_direct, CONNECT_TIMEOUT_S)
        with faults.loss(lab.a, LOSS_PERCENT):
            for page in pages:
                page.evaluate("(perSecond) => lab.start(perSecond)", MESSAGES_PER_S)
            for _ in range(times):
                outcome.changes += _happen(fault, lab, server, pages)
            for page in pages:
                page.evaluate("() => lab.stop()")
            _wait(pages, _have_all, ARRIVE_TIMEOUT_S)
            outcome.reports = _reports(pages)
    return outcome


def _happen(fault: Fault, lab: Lab, server: Server, pages: list[Page]) -> list[Change]:
    if fault.happens:
        _mark(pages)
        fault.happens(lab, server)
        return [_watch(pages, is_possible=True)]
    assert fault.lasts
    _mark(pages)
    with fault.lasts(lab):
        begun = _watch(pages, is_possible=False)
        time.sleep(LASTING_S)
        _mark(pages)
    return [begun, _watch(pages, is_possible=True)]


def _watch(pages: list[Page], *, is_possible: bool) -> Change:
    """Watch for a moment, and until all is as before, if that is possible."""
    began = time.monotonic()
    direct_since: float | None = began
    gap_ms = 0.0
    while (now := time.monotonic()) < began + (AGAIN_TIMEOUT_S if is_possible else WATCHED_S):
        if not _are_direct(_reports(pages)) or any(page.evaluate("() => lab.isSilent()") for page in pages):
            direct_since = None
        elif direct_since is None:
            direct_since = now
        if now < began + WATCHED_S:
            gap_ms = max(page.evaluate("() => lab.longestSilence()") for page in pages)
        if direct_since is not None and now > began + WATCHED_S:
            break
        time.sleep(_POLL_S)
    return Change(gap_ms, None if direct_since is None else direct_since - began, is_possible)


def _mark(pages: list[Page]) -> None:
    for page in pages:
        page.evaluate("() => lab.mark()")


def _reports(pages: list[Page]) -> list[dict[str, Any]]:
    return [page.evaluate("() => lab.report") for page in pages]


def _are_direct(reports: list[dict[str, Any]]) -> bool:
    return all(report["path"] == "direct" for report in reports)


def _have_all(reports: list[dict[str, Any]]) -> bool:
    return all(mine["received"] >= theirs["sent"] for mine, theirs in zip(reports, reversed(reports), strict=True))


def _wait(pages: list[Page], is_done: Callable[[list[dict[str, Any]]], bool], timeout_s: float) -> bool:
    """Return when it is so, or time is over."""
    deadline = time.monotonic() + timeout_s
    while not is_done(_reports(pages)):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
