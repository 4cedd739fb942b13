"""Samples to a JSON file, and to tables that a person reads."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from .catalogue import CONTESTANTS
from .scenarios import Sample, Settings
from .trials import Outcome, TrialSettings

__all__ = ["Goal", "failures", "goals", "render", "render_outcome", "write_json"]

_TITLES = {contestant.name: contestant.title for contestant in CONTESTANTS}
_OURS = ("lesson", "v1", "v1-tokens", "sdk", "wrtc-link", "aiortc-link", "relay-link")


@dataclass(frozen=True, slots=True)
class _Column:
    """One metric of a table."""

    title: str
    metric: str
    show: Callable[[float], str]
    of_rounds: Callable[[Collection[float]], float] = statistics.median


@dataclass(frozen=True, slots=True)
class _Table:
    """One scenario's table. `measure` is the metric whose ratios count: less is better."""

    scenario: str
    title: str
    measure: str
    columns: tuple[_Column, ...]
    goals: tuple[tuple[str, float], ...] = ()
    """Other contestants, or `ours/other`, and what part of theirs ours should be at most."""


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison of interleaved rounds: ours divided by the other's, where less is better."""

    scenario: str
    ours: str
    other: str
    median: float
    least: float
    most: float
    at_most: float | None
    reached: bool | None


def _fixed(digits: int, factor: float = 1.0) -> Callable[[float], str]:
    return lambda value: f"{value * factor:,.{digits}f}"


def _p95(values: Collection[float]) -> float:
    """The least value that 95 % don't exceed: of twenty the second largest."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


_BUSY = 0.9
_FIRST_MESSAGE = "First message of a member who is there, counted from the call that enters"
_REACHED = {True: "reached", False: "NOT reached", None: ""}
_CPU = "cpu_us_per_message"
_TRAFFIC = (
    _Column("CPU us/message", _CPU, _fixed(2)),
    _Column("messages/s", "messages_per_s", _fixed(0)),
    _Column("p50 ms", "latency_p50_ms", _fixed(2)),
    _Column("p99 ms", "latency_p99_ms", _fixed(2)),
    _Column("server busy %", "server_busy", _fixed(0, 100)),
    _Column("load busy %", "generator_busy", _fixed(0, 100)),
)
_IDLE = (
    _Column("kB/connection", "own_bytes_per_connection", _fixed(2, 1e-3)),
    _Column("RSS kB/connection", "rss_bytes_per_connection", _fixed(2, 1e-3)),
    _Column("RSS before MB", "rss_bytes_before", _fixed(1, 1e-6)),
    _Column("RSS after MB", "rss_bytes_after", _fixed(1, 1e-6)),
)
_JOINS = (
    _Column("CPU ms/join", "cpu_ms_per_join", _fixed(2)),
    _Column("seconds", "seconds", _fixed(2)),
    _Column("msgs to server", "messages_to_server", _fixed(0)),
    _Column("kB to server", "bytes_to_server", _fixed(0, 1e-3)),
    _Column("msgs from server", "messages_from_server", _fixed(0)),
    _Column("kB from server", "bytes_from_server", _fixed(0, 1e-3)),
)
_FRAMES = (
    _Column("CPU ms/MB", "cpu_ms_per_mb", _fixed(2)),
    *_TRAFFIC[:2],
    _Column("MB/s", "mb_per_s", _fixed(0)),
    *_TRAFFIC[-2:],
)
_FIRST = (
    _Column("median ms", "ms", _fixed(1)),
    _Column("p95 ms", "ms", _fixed(1), _p95),
    _Column("least ms", "ms", _fixed(1), min),
    _Column("most ms", "ms", _fixed(1), max),
)
_BULK = (
    _Column("ms/MB", "ms_per_mb", _fixed(2)),
    _Column("MB/s", "mb_per_s", _fixed(1)),
    _Column("least MB/s", "mb_per_s", _fixed(1), min),
    _Column("most MB/s", "mb_per_s", _fixed(1), max),
)
_ENGINE_BULK = (
    *_BULK,
    _Column("receiver CPU ms/MB", "receiver_cpu_ms_per_mb", _fixed(2)),
    _Column("loop held up ms", "held_up_ms", _fixed(1), max),
)
_ROUND_TRIP = (_Column("median us", "us", _fixed(0)), _Column("p99 us", "p99_us", _fixed(0)))
_VIDEO = (
    _Column("CPU s/s", "cpu_s_per_s", _fixed(3)),
    _Column("frames/s", "frames_per_s", _fixed(1)),
    _Column("smaller", "small_frames", _fixed(0)),
    _Column("dropped", "dropped_frames", _fixed(0)),
)
_RELAY_GOALS = (("plain", 1 / 1.5), ("socketio", 1 / 2), ("peer", 1 / 2))
_FANOUT_GOALS = (("plain", 1 / 1.5),)
_LINK_GOALS = (
    ("wrtc-link/wrtc-bare", 1 / 0.85),
    ("aiortc-link/aiortc-bare", 1 / 0.85),
    ("wrtc-link/aiortc-bare", 1 / 5),
)
_IDLE_GOALS = (("plain", 1.5),)


def _tables(settings: Settings) -> tuple[_Table, ...]:
    fanout = f"Fan-out: one sends, {settings.fanout_members} are in the room; a message is a delivery"
    return (
        *_relay_tables("relay-few", settings.few_pairs, settings.few_messages_per_s),
        *_relay_tables("relay-many", settings.many_pairs, settings.many_messages_per_s),
        _Table("fanout/full", f"{fanout}, as fast as they arrive", _CPU, _TRAFFIC, _FANOUT_GOALS),
        _Table(
            "fanout/paced",
            f"{fanout}, {settings.fanout_messages_per_s:g} sent a second",
            _CPU,
            _TRAFFIC,
        ),
        _Table(
            "idle",
            f"Idle: {settings.idle_connections:,} connections in rooms of two, beside {settings.idle_first:,}",
            "own_bytes_per_connection",
            _IDLE,
            _IDLE_GOALS,
        ),
        _Table("joins", f"Joins: {settings.storm_members} enter one room at once", "cpu_ms_per_join", _JOINS),
        *(
            _Table(
                f"relay-cpu/{size}",
                f"Binary messages of {size:,} bytes between {settings.frame_pairs} pairs, as fast as they arrive",
                "cpu_ms_per_mb",
                _FRAMES,
            )
            for size in settings.frame_sizes
        ),
        _Table("first-message/near", f"{_FIRST_MESSAGE}, all on this machine", "ms", _FIRST),
        _Table("first-message/far", f"{_FIRST_MESSAGE}, {settings.far_ms:g} ms to all others and back", "ms", _FIRST),
        _Table("bulk-direct", "Bytes from one page to another, by a data channel", "ms_per_mb", _BULK),
        _Table("bulk-relay", "Bytes from one page to another, through the server", "ms_per_mb", _BULK),
        _Table("engine-bulk", "Bytes from one Python process to another", "ms_per_mb", _ENGINE_BULK, _LINK_GOALS),
        _Table("engine-round-trip", "100 bytes from one Python process to another, and back", "us", _ROUND_TRIP),
        _Table("engine-video", "Receiving 1280x720 at 30 frames a second, from wrtc", "cpu_s_per_s", _VIDEO),
    )


def _relay_tables(name: str, pairs: int, messages_per_s: float) -> tuple[_Table, _Table]:
    title = f"Relay: {pairs} pairs send each other ICE candidates"
    return (
        _Table(f"{name}/full", f"{title}, as fast as they arrive", _CPU, _TRAFFIC, _RELAY_GOALS),
        _Table(f"{name}/paced", f"{title}, {messages_per_s:,.0f} a second", _CPU, _TRAFFIC),
    )


def failures(samples: Sequence[Sample]) -> list[str]:
    """One line a sample that wasn't right."""
    return [
        f"{sample.scenario}, {_TITLES[sample.contestant]}, round {sample.round + 1}: {'; '.join(sample.faults)}"
        for sample in samples
        if sample.faults
    ]


def goals(samples: Sequence[Sample], settings: Settings) -> list[Goal]:
    """Compare ours with each other, round by round."""
    return [
        goal
        for table in _tables(settings)
        for ours in _OURS
        for other in _TITLES
        if other not in _OURS and (goal := _compare(table, ours, other, samples)) is not None
    ]


def render(samples: Sequence[Sample], settings: Settings) -> str:
    """Every table, every ratio, and what failed."""
    parts = [_render_table(table, samples) for table in _tables(settings)]
    parts.append(_render_goals(goals(samples, settings)))
    if failed := failures(samples):
        parts.append("FAILED: not everything arrived as it was sent\n" + "\n".join(f"  {line}" for line in failed))
    else:
        parts.append("Every message arrived once, in order, from whom it came.")
    parts.append(_render_disturbed(samples))
    return "\n\n".join(part for part in parts if part) + "\n"


def render_outcome(outcome: Outcome) -> str:
    """A trial's figures and whether it passed."""
    rows = [["", "", "", "goal", ""]]
    for figure in outcome.figures:
        rows.append(
            [
                figure.name,
                f"{figure.value:,.2f}",
                figure.unit,
                "" if figure.at_most is None else f"<= {figure.at_most:,.2f}",
                _REACHED[figure.is_reached],
            ]
        )
    verdict = "passed" if outcome.has_passed else "NOT passed"
    lines = [f"{outcome.trial}: {outcome.title}", _align(rows), *(f"  FAILED: {fault}" for fault in outcome.faults)]
    return "\n".join([*lines, f"  {outcome.trial} has {verdict}.", ""])


def write_json(
    path: Path,
    samples: Sequence[Sample],
    settings: Settings,
    outcomes: Sequence[Outcome],
    trial_settings: TrialSettings,
    environment: dict[str, str],
) -> None:
    """Write everything that was measured."""
    trials = [{**msgspec.to_builtins(outcome), "passed": outcome.has_passed} for outcome in outcomes]
    document = {
        "environment": environment,
        "settings": settings,
        "trial_settings": trial_settings,
        "passed": not failures(samples) and not any(outcome.faults for outcome in outcomes),
        "trials": trials,
        "goals": goals(samples, settings),
        "samples": samples,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


def _values(samples: Sequence[Sample], scenario: str, contestant: str, metric: str) -> dict[int, float]:
    """By round, without samples that failed."""
    return {
        sample.round: sample.metrics[metric]
        for sample in samples
        if (sample.scenario, sample.contestant) == (scenario, contestant) and not sample.faults
    }


def _compare(table: _Table, ours: str, other: str, samples: Sequence[Sample]) -> Goal | None:
    mine = _values(samples, table.scenario, ours, table.measure)
    theirs = _values(samples, table.scenario, other, table.measure)
    ratios = [mine[number] / theirs[number] for number in mine.keys() & theirs.keys() if theirs[number] > 0]
    if not ratios:
        return None
    goals_of = dict(table.goals)
    median, at_most = statistics.median(ratios), goals_of.get(f"{ours}/{other}", goals_of.get(other))
    return Goal(
        scenario=table.scenario,
        ours=ours,
        other=other,
        median=median,
        least=min(ratios),
        most=max(ratios),
        at_most=at_most,
        reached=None if at_most is None else median <= at_most,
    )


def _render_table(table: _Table, samples: Sequence[Sample]) -> str:
    rows = [["", *(column.title for column in table.columns)]]
    for name, title in _TITLES.items():
        if not _values(samples, table.scenario, name, table.measure):
            continue
        medians = (
            column.show(column.of_rounds(_values(samples, table.scenario, name, column.metric).values()))
            for column in table.columns
        )
        rows.append([title, *medians])
    return f"{table.title}\n{_align(rows)}" if len(rows) > 1 else ""


def _render_goals(compared: Sequence[Goal]) -> str:
    rows = [["", "ours", "the other", "ours/other", "(least-most)", "x as thrifty", "goal", ""]]
    for goal in compared:
        rows.append(
            [
                goal.scenario,
                goal.ours,
                _TITLES[goal.other],
                f"{goal.median:.2f}",
                f"({goal.least:.2f}-{goal.most:.2f})",
                f"{1 / goal.median:.2f}",
                "" if goal.at_most is None else f"<= {goal.at_most:.2f}",
                _REACHED[goal.reached],
            ]
        )
    title = (
        "Ours by the other's: CPU a message, join or MB, memory a connection, time; median of the interleaved rounds"
    )
    return f"{title}\n{_align(rows, left=3)}" if compared else ""


def _render_disturbed(samples: Sequence[Sample]) -> str:
    """Say in how many windows neither side was busy, so that other programs must have had the cores."""
    windows = [sample.metrics for sample in samples if "generator_busy" in sample.metrics]
    disturbed = sum(max(metrics["server_busy"], metrics["generator_busy"]) < _BUSY for metrics in windows)
    if not disturbed:
        return ""
    return (
        f"In {disturbed} of {len(windows)} windows other programs had the cores for part of the time: "
        "don't trust the rates and latencies, and measure CPU a message again on a quiet machine."
    )


def _align(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  "
        + "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
