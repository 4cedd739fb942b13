"""Every network against every network: what two browsers reach, and how soon.

Times count from the newcomer's `join`, when its WebSocket is open, and are those of the later of both sides.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import combinations_with_replacement
from types import TracebackType
from typing import Any, Self

from playwright.sync_api import Page, sync_playwright

from .browsers import Person, person
from .lab import Lab
from .nat import NATS, Nat
from .server import Server
from .theory import Path, expected

__all__ = ["MESSAGE_ROUND_TRIPS_MAX", "Cell", "Matrix", "Outcome", "every_cell"]

MESSAGE_ROUND_TRIPS_MAX = 2
#: For browsers and the server to do their part on a machine that does everything at once, in round trips.
MESSAGE_SLACK_ROUND_TRIPS = 0.5

CONNECT_TIMEOUT_S = 25
#: How long a path must stay the best one. What is possible comes within two seconds of trying.
SETTLE_S = 5
_POLL_S = 0.1


@dataclass(frozen=True)
class Cell:
    """Two networks, with or without TURN. Which side joins last makes no difference to what they allow."""

    a: Nat
    b: Nat
    with_turn: bool

    @property
    def name(self) -> str:
        return f"{self.a.name}/{self.b.name}"

    @property
    def expected(self) -> Path:
        return expected(self.a, self.b, with_turn=self.with_turn)[0]

    @property
    def reason(self) -> str:
        return expected(self.a, self.b, with_turn=self.with_turn)[1]


@dataclass(frozen=True)
class Outcome:
    """What was reached. A time is None where it didn't come to that."""

    cell: Cell
    path: Path
    round_trip_ms: float
    message_ms: float | None
    turn_ms: float | None
    direct_ms: float | None
    picture_ms: float | None
    #: The candidates in use at either side, own and remote.
    candidates: list[list[str]]
    errors: list[str]

    @property
    def message_round_trips(self) -> float | None:
        return None if self.message_ms is None else self.message_ms / self.round_trip_ms

    @property
    def faults(self) -> list[str]:
        """Everything that contradicts what should be."""
        faults = list(self.errors)
        if self.path is not self.cell.expected:
            faults.append(f"reached {self.path} instead of {self.cell.expected}: {self.cell.reason}")
        if self.message_ms is None:
            faults.append("no message came")
        if self.picture_ms is None and self.path is not Path.RELAY:
            faults.append("no picture came")
        return faults

    @property
    def is_slow(self) -> bool:
        """Whether the first message took longer than it should. No fault, as it may be the machine that is slow."""
        trips = self.message_round_trips
        return trips is not None and trips > MESSAGE_ROUND_TRIPS_MAX + MESSAGE_SLACK_ROUND_TRIPS

    def as_json(self) -> dict[str, Any]:
        values = {key: value for key, value in asdict(self).items() if key != "cell"}
        cell = {"a": self.cell.a.name, "b": self.cell.b.name, "turn": self.cell.with_turn}
        return {**cell, "expected": self.cell.expected, "reason": self.cell.reason, **values, "faults": self.faults}


def every_cell() -> Iterator[Cell]:
    """Every pair of networks once, first without TURN."""
    for with_turn in (False, True):
        for a, b in combinations_with_replacement(NATS.values(), 2):
            yield Cell(a, b, with_turn)


class Matrix:
    """A lab with a server and a browser at each peer, in which cells are tried one after the other."""

    def __init__(self, *, round_trip_ms: float, with_turn: bool) -> None:
        self._lab = Lab(round_trip_ms=round_trip_ms)
        self._with_turn = with_turn
        self._exit = ExitStack()
        self._rooms = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._lab)
            stack.enter_context(Server(self._lab, with_turn=self._with_turn))
            playwright = stack.enter_context(sync_playwright())
            self._people = [stack.enter_context(person(playwright, peer)) for peer in self._lab.peers]
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exit.close()

    def attempt(self, cell: Cell) -> Outcome:
        """Let two browsers meet in a room of their own."""
        for peer, nat in zip(self._lab.peers, (cell.a, cell.b), strict=True):
            peer.stand_behind(nat)
        self._rooms += 1
        pages = [self._enter(who) for who in self._people]
        reports = _settled(pages, cell)
        for who in self._people:
            who.close()
        return _outcome(cell, self._lab.round_trip_ms, reports)

    def _enter(self, who: Person) -> Page:
        page = who.open("reach.html")
        page.evaluate("() => lab.prepare()")
        room = f"cell-{self._rooms}"
        page.evaluate("(options) => lab.join(...options)", [Server.websocket_url, room])
        return page


def _settled(pages: list[Page], cell: Cell) -> list[dict[str, Any]]:
    """Return what the pages report when the best path there can be stands, or time is over."""
    deadline = time.monotonic() + CONNECT_TIMEOUT_S
    settled_at: float | None = None
    while True:
        reports: list[dict[str, Any]] = [page.evaluate("() => lab.report") for page in pages]
        now = time.monotonic()
        if not _is_as_good_as(cell.expected, reports):
            settled_at = None
        elif cell.expected is Path.DIRECT:
            return reports
        else:
            settled_at = settled_at or now
        if now > deadline or (settled_at and now > settled_at + SETTLE_S):
            return reports
        time.sleep(_POLL_S)


def _is_as_good_as(path: Path, reports: list[dict[str, Any]]) -> bool:
    if not all(report["firstMessageAt"] for report in reports):
        return False
    return path is Path.RELAY or (_path(reports) is path and all(report["pictureAt"] for report in reports))


def _path(reports: list[dict[str, Any]]) -> Path:
    """Return the path of the worse informed side: only the one that uses TURN knows for sure that it does."""
    last = [report["paths"][-1]["path"] if report["paths"] else None for report in reports]
    if None in last:
        return Path.RELAY
    return Path.TURN if "turn" in last else Path.DIRECT


def _outcome(cell: Cell, round_trip_ms: float, reports: list[dict[str, Any]]) -> Outcome:
    began_at: float = reports[1]["joining"]["at"]

    def later(key: str) -> float | None:
        times = [report[key] for report in reports]
        return None if None in times else max(times) - began_at

    path = _path(reports)
    outcome = Outcome(
        cell=cell,
        path=path,
        round_trip_ms=round_trip_ms,
        message_ms=later("firstMessageAt"),
        turn_ms=None,
        direct_ms=None,
        picture_ms=later("pictureAt"),
        candidates=[report["paths"][-1]["types"] if report["paths"] else [] for report in reports],
        errors=[error for report in reports for error in report["errors"]],
    )
    since = {name: _since(reports, name, began_at) for name in (Path.TURN, Path.DIRECT)}
    return replace(outcome, turn_ms=since[Path.TURN], direct_ms=since[Path.DIRECT] if path is Path.DIRECT else None)


def _since(reports: list[dict[str, Any]], path: Path, began_at: float) -> float | None:
    """Return when the later side came to a path first; TURN is there once one side says so."""
    firsts: list[float | None] = [
        next((note["at"] for note in report["paths"] if note["path"] == path), None) for report in reports
    ]
    known = [first for first in firsts if first is not None]
    if not known or (path is Path.DIRECT and len(known) < len(firsts)):
        return None
    return max(known) - began_at
