"""`python -m simulator --seeds 2000`: run seeds, say how fast, and make a failure small."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import time
import traceback
from collections.abc import Sequence

import structlog

from .checks import ViolationError
from .mutants import MUTANTS, mutated
from .traces import write_traces
from .world import Action, Outcome, World, plan


def run(seed: int, mutant: str | None = None, actions: Sequence[Action] | None = None) -> Outcome:
    """Run one seed, or a part of its plan."""
    actions = plan(seed) if actions is None else actions
    with mutated(mutant):
        world = World(seed, actions)
        violation = None
        try:
            world.run()
        except ViolationError as broken:
            violation = str(broken)
        except Exception:
            violation = f"uncaught: {traceback.format_exc()}"
    return Outcome(
        seed=seed,
        trace_hash=world.trace_hash,
        events_count=world.scheduler.events_count,
        faults_count=len(actions),
        violation=violation,
    )


def shrink(seed: int, mutant: str | None) -> list[Action]:
    """Take actions away as long as the run fails, halves first (delta debugging)."""
    actions = plan(seed)
    size = len(actions) // 2
    while size:
        start = 0
        while start < len(actions):
            fewer = actions[:start] + actions[start + size :]
            if run(seed, mutant, fewer).violation:
                actions = fewer
            else:
                start += size
        size //= 2
    return actions


def _explain(outcome: Outcome, mutant: str | None) -> None:
    print(f"seed {outcome.seed} (trace {outcome.trace_hash}): {outcome.violation}")
    actions = shrink(outcome.seed, mutant)
    print(f"smallest plan that fails ({len(actions)} of {len(plan(outcome.seed))} actions):")
    for action in actions:
        print(f"  {action.at:7.3f} s  {action.kind} {action.who}")
    print(f"then: {run(outcome.seed, mutant, actions).violation}")
    option = f" --mutant {mutant}" if mutant else ""
    print(f"to repeat: make sim SEED={outcome.seed}" + (f" MUTANT={mutant}" if option else ""))


def _seek(mutant: str, seeds: range) -> int | None:
    """Return the first seed that finds `mutant`."""
    return next((seed for seed in seeds if run(seed, mutant).violation), None)


def _try_mutant(job: tuple[str, range]) -> tuple[str, int | None]:
    _be_quiet()
    return job[0], _seek(*job)


def _be_quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _run_quietly(seed: int) -> Outcome:
    _be_quiet()
    return run(seed)


def _run_seeds(seeds: range) -> int:
    started = time.perf_counter()
    events = 0
    with multiprocessing.Pool() as pool:
        for outcome in pool.imap_unordered(_run_quietly, seeds, chunksize=4):
            events += outcome.events_count
            if outcome.violation:
                pool.terminate()
                _explain(outcome, None)
                return 1
    elapsed = time.perf_counter() - started
    print(
        f"{len(seeds)} seeds, every promise held: {len(seeds) / elapsed:.0f} seeds/s, "
        f"{events:,} events, {events / elapsed:,.0f} events/s"
    )
    return 0


def _run_mutants(seeds: range) -> int:
    missed = []
    with multiprocessing.Pool() as pool:
        for name, seed in pool.imap_unordered(_try_mutant, [(name, seeds) for name in MUTANTS]):
            print(f"{name}: {'NOT FOUND' if seed is None else f'found by seed {seed}'}")
            if seed is None:
                missed.append(name)
    print(f"{len(MUTANTS) - len(missed)} of {len(MUTANTS)} planted bugs found within {len(seeds)} seeds each")
    return 1 if missed else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first one")
    parser.add_argument("--seed", type=int, help="only this one, and explain it")
    parser.add_argument("--mutant", choices=list(MUTANTS), help="with this planted bug")
    parser.add_argument("--mutants", action="store_true", help="look for every planted bug")
    parser.add_argument("--traces", action="store_true", help="write the traces for other languages anew")
    options = parser.parse_args()
    _be_quiet()
    seeds = range(options.start, options.start + options.seeds)
    if options.seed is not None:
        outcome = run(options.seed, options.mutant)
        if outcome.violation:
            _explain(outcome, options.mutant)
            return 1
        print(f"seed {outcome.seed}: every promise held, trace {outcome.trace_hash}, {outcome.events_count} events")
        return 0
    if options.traces:
        write_traces()
        return 0
    if options.mutants:
        return _run_mutants(seeds)
    return _run_seeds(seeds)


if __name__ == "__main__":
    sys.exit(main())
