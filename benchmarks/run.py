"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop

from .catalogue import CONTESTANTS, SCENARIOS
from .report import failures, render, render_outcome, write_json
from .scenarios import BROKEN, Contestant, Sample, Scenario, Settings, run
from .servers import Cores
from .trials import TRIALS, Outcome, Trial, TrialSettings

__all__ = ["main"]

_HERE = Path(__file__).resolve().parent
_QUICK = Settings(
    rounds=2,
    window_s=0.5,
    warm_up_s=1.0,
    many_pairs=250,
    fanout_members=200,
    fanout_messages_per_s=250,
    idle_first=500,
    idle_connections=500,
    slow_rounds_max=1,
    first_messages=3,
    bulk_first_s=1.0,
    bulk_warm_up_s=0.2,
    bulk_s=0.5,
    round_trips=200,
    storm_members=150,
)
_QUICK_TRIALS = TrialSettings(
    readers=100,
    reading_rounds=1,
    reading_s=3,
    storm_clients=500,
    downtime_s=2,
    half_open=1_000,
    half_open_rounds=1,
    joins=100,
)


def main() -> int:
    """Measure, print and write. Returns 1 if anything was not as it must be; goals don't matter for that."""
    options = _parse()
    if not (_HERE / "node_modules").is_dir():
        print("The Node servers are not installed: npm ci --prefix benchmarks", file=sys.stderr)
        return 2
    settings = _settings(options)
    scenarios = [scenario for scenario in SCENARIOS if scenario.name in options.only]
    contestants = [contestant for contestant in CONTESTANTS if contestant.name in options.servers]
    trials = [trial for trial in TRIALS if trial.name in options.only]
    trial_settings = _QUICK_TRIALS if options.quick else TrialSettings()
    cores = Cores.choose()
    os.sched_setaffinity(0, {cores.generator})
    _raise_file_limit()
    gc.disable()  # a collection here would be a latency there
    samples = uvloop.run(_measure(scenarios, contestants, cores, settings))
    if scenarios:
        print(render(samples, settings))
    outcomes = uvloop.run(_try(trials, cores, trial_settings))
    write_json(options.json, samples, settings, outcomes, trial_settings, _environment())
    print(f"Written to {options.json}")
    return 1 if failures(samples) or any(outcome.faults for outcome in outcomes) else 0


async def _measure(
    scenarios: list[Scenario[Any]], contestants: list[Contestant], cores: Cores, settings: Settings
) -> list[Sample]:
    samples: list[Sample] = []
    for scenario in scenarios:
        print(f"measuring {scenario.name} ...", file=sys.stderr, flush=True)
        samples += await run(scenario, contestants, cores, settings)
        gc.collect()
    return samples


async def _try(trials: list[Trial], cores: Cores, settings: TrialSettings) -> list[Outcome]:
    """One after the other; each is told as soon as it is over. One that breaks has failed."""
    outcomes = []
    for trial in trials:
        print(f"trying {trial.name} ...", file=sys.stderr, flush=True)
        try:
            outcome = await trial.run(cores, settings)
        except BROKEN as error:
            fault = f"{type(error).__name__}: {error}"
            outcome = Outcome(trial=trial.name, title="it broke", figures=[], faults=[fault])
        print(render_outcome(outcome), flush=True)
        outcomes.append(outcome)
        gc.collect()
    return outcomes


def _parse() -> argparse.Namespace:
    scenarios = [*(scenario.name for scenario in SCENARIOS), *(trial.name for trial in TRIALS)]
    names = [contestant.name for contestant in CONTESTANTS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Sheetbend measured against others.")
    parser.add_argument("--quick", action="store_true", help="about two minutes: small, and only good to see it work")
    parser.add_argument("--rounds", type=int, help=f"how often each is measured (default {Settings().rounds})")
    parser.add_argument("--only", nargs="+", choices=scenarios, default=scenarios, metavar="SCENARIO")
    parser.add_argument("--servers", nargs="+", choices=names, default=names, metavar="SERVER", help=" ".join(names))
    parser.add_argument("--json", type=Path, default=_HERE / "results" / "latest.json", help="where to write")
    return parser.parse_args()


def _settings(options: argparse.Namespace) -> Settings:
    settings = _QUICK if options.quick else Settings()
    return settings if options.rounds is None else replace(settings, rounds=options.rounds)


def _environment() -> dict[str, str]:
    """What was measured on."""
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return {
        "cpu": cpu.partition(":")[2].strip(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "node": _output("node", "--version"),
        **({"chromium": _output("chromium", "--version")} if shutil.which("chromium") else {}),
        "sheetbend": _output(sys.executable, "-m", "sheetbend", "--version"),
        **{name: version(name) for name in ("picows", "uvloop", "msgspec", "wrtc", "aiortc")},
    }


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _raise_file_limit() -> None:
    """The servers inherit it: thousands of connections are as many files, on both sides."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
