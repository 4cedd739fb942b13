"""`python -m netlab`: which path each pair of networks reaches, and how soon.

    python -m netlab                                every pair, without TURN and with it
    python -m netlab --only symmetric/open --turn   one pair
    python -m netlab --quick                        a pair for each way there is
    python -m netlab --streams udp-cut rebind       a stream through these faults, or through all

The exit status is 1 where something isn't as it should be. Each pair is tried once: which side is which changes nothing
about what two networks allow.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import groupby
from pathlib import Path

from .matrix import Matrix, Outcome, every_cell
from .nat import NATS
from .requirements import missing_for_browsers, missing_for_turn
from .streams import FAULTS, StreamOutcome, stream_through

#: Long enough for what computers do to count little beside it.
MATRIX_ROUND_TRIP_MS = 100
#: Short enough for TCP to carry a stream at 5% loss (Mathis et al. 1997: 3 Mbit/s).
STREAM_ROUND_TRIP_MS = 20

QUICK = {
    ("port-restricted/port-restricted", False),
    ("symmetric/symmetric", False),
    ("port-restricted/symmetric", True),
    ("udp-blocked/tcp-443", True),
}


def main() -> int:
    options = _parser().parse_args()
    if reason := missing_for_browsers():
        print(f"netlab: skipped. {reason}")
        return 0
    return _run_streams(options) if options.streams is not None else _run_matrix(options)


def _run_matrix(options: argparse.Namespace) -> int:
    cells = [cell for cell in every_cell() if options.turn is None or cell.with_turn is options.turn]
    if options.only:
        wanted = {frozenset(name.split("/")) for name in options.only}
        cells = [cell for cell in cells if frozenset({cell.a.name, cell.b.name}) in wanted]
    if options.quick:
        cells = [cell for cell in cells if (cell.name, cell.with_turn) in QUICK]
    if reason := missing_for_turn():
        print(f"netlab: skipped with TURN. {reason}")
        cells = [cell for cell in cells if not cell.with_turn]
    round_trip_ms = options.rtt or MATRIX_ROUND_TRIP_MS
    started = time.monotonic()
    outcomes: list[Outcome] = []
    print(_line("", "turn", "path", "message", "rtt", "turn", "direct", "picture", ""), flush=True)
    for with_turn, group in groupby(cells, lambda cell: cell.with_turn):
        with Matrix(round_trip_ms=round_trip_ms, with_turn=with_turn) as matrix:
            for cell in group:
                outcomes.append(matrix.attempt(cell))
                print(_row(outcomes[-1]), flush=True)
    bad = sum(bool(outcome.faults) for outcome in outcomes)
    slow = sum(outcome.is_slow for outcome in outcomes)
    print(
        f"{len(outcomes) - bad} of {len(outcomes)} cells as they should be, {slow} slow, "
        f"in {time.monotonic() - started:.0f} s. Times in ms from the newcomer's join; "
        f"a round trip is {round_trip_ms:g} ms."
    )
    if options.json:
        options.json.write_text(json.dumps([outcome.as_json() for outcome in outcomes], indent=2) + "\n")
    return 1 if bad else 0


def _run_streams(options: argparse.Namespace) -> int:
    outcomes: list[StreamOutcome] = []
    for fault in options.streams or FAULTS:
        outcome = stream_through(fault, times=options.times, round_trip_ms=options.rtt or STREAM_ROUND_TRIP_MS)
        outcomes.append(outcome)
        received = sum(report["received"] for report in outcome.reports)
        verdict = "; ".join([*(outcome.faults or ["each once and in order"]), *outcome.slow])
        print(
            f"{fault:15} {len(outcome.changes):4} changes, {received:>9,} messages, "
            f"gap p95 {outcome.gap_p95_ms:5.0f} ms, direct again within {outcome.direct_again_max_s:4.1f} s: {verdict}",
            flush=True,
        )
    print(f"{sum(len(outcome.changes) for outcome in outcomes)} changes.")
    if options.json:
        options.json.write_text(json.dumps([outcome.as_json() for outcome in outcomes], indent=2) + "\n")
    return 1 if any(outcome.faults for outcome in outcomes) else 0


def _row(outcome: Outcome) -> str:
    def ms(value: float | None) -> str:
        return "-" if value is None else f"{value:.0f}"

    cell, trips = outcome.cell, outcome.message_round_trips
    return _line(
        cell.name,
        "yes" if cell.with_turn else "no",
        outcome.path,
        ms(outcome.message_ms),
        "-" if trips is None else f"{trips:.1f}",
        ms(outcome.turn_ms),
        ms(outcome.direct_ms),
        ms(outcome.picture_ms),
        "; ".join([*outcome.faults, *(["slow"] if outcome.is_slow else [])]),
    )


def _line(*values: str) -> str:
    widths = (32, 5, 7, 8, 5, 6, 7, 8, 0)
    return " ".join(value.ljust(width) for value, width in zip(values, widths, strict=True)).rstrip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m netlab", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="A/B", type=_pair, help=f"of {', '.join(NATS)}")
    parser.add_argument("--turn", action=argparse.BooleanOptionalAction, help="only with coturn, or only without")
    parser.add_argument("--quick", action="store_true", help="a handful of pairs")
    parser.add_argument("--streams", nargs="*", choices=FAULTS, metavar="FAULT", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--times", type=int, default=1, help="how often each of the faults happens; by default once")
    parser.add_argument("--rtt", type=float, help="between any two sites, in ms; by default 100, for streams 20")
    parser.add_argument("--json", type=Path, help="write all that was measured to this file")
    return parser


def _pair(text: str) -> str:
    names = text.split("/")
    if len(names) != 2 or not set(names) <= set(NATS):
        raise argparse.ArgumentTypeError(f"{text!r} is no pair of {', '.join(NATS)}")
    return text


if __name__ == "__main__":
    sys.exit(main())
