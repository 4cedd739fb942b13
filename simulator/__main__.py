"""`python -m simulator --seeds 2000`: run seeds, say how fast, and make a failure small."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import time

import structlog

from .links.traces import write_traces as write_link_traces
from .suites import SUITES, Suite
from .traces import write_traces
from .world import Outcome


def _explain(suite: Suite, outcome: Outcome, mutant: str | None) -> None:
    print(f"{suite.name}, seed {outcome.seed} (trace {outcome.trace_hash}): {outcome.violation}")
    actions = suite.shrink(outcome.seed, mutant)
    print(f"smallest plan that fails ({len(actions)} of {len(suite.plan(outcome.seed))} actions):")
    for action in actions:
        print(f"  {action.at:7.3f} s  {action.kind} {action.who}")
    print(f"then: {suite.run(outcome.seed, mutant, actions).violation}")
    option = f" MUTANT={mutant}" if mutant else ""
    print(f"to repeat: make sim SUITE={suite.name} SEED={outcome.seed}{option}")


def _try_mutant(job: tuple[str, str, range]) -> tuple[str, int | None]:
    """Return the first seed that finds a planted bug."""
    _be_quiet()
    suite, mutant, seeds = job
    return mutant, next((seed for seed in seeds if SUITES[suite].run(seed, mutant).violation), None)


def _be_quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _run_quietly(job: tuple[str, int]) -> Outcome:
    _be_quiet()
    suite, seed = job
    return SUITES[suite].run(seed)


def _run_seeds(suite: Suite, seeds: range) -> int:
    started = time.perf_counter()
    events = 0
    with multiprocessing.Pool() as pool:
        for outcome in pool.imap_unordered(_run_quietly, [(suite.name, seed) for seed in seeds], chunksize=4):
            events += outcome.events_count
            if outcome.violation:
                pool.terminate()
                _explain(suite, outcome, None)
                return 1
    elapsed = time.perf_counter() - started
    print(
        f"{suite.name}: {len(seeds)} seeds, every promise held: {len(seeds) / elapsed:.0f} seeds/s, "
        f"{events:,} events, {events / elapsed:,.0f} events/s"
    )
    return 0


def _run_mutants(suite: Suite, seeds: range) -> int:
    missed = []
    jobs = [(suite.name, mutant, seeds) for mutant in suite.mutants]
    with multiprocessing.Pool() as pool:
        for mutant, seed in pool.imap_unordered(_try_mutant, jobs):
            print(f"{mutant}: {'NOT FOUND' if seed is None else f'found by seed {seed}'}")
            if seed is None:
                missed.append(mutant)
    found = len(jobs) - len(missed)
    print(f"{suite.name}: {found} of {len(jobs)} planted bugs found within {len(seeds)} seeds each")
    return 1 if missed else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--suite", choices=list(SUITES), help="only this one")
    parser.add_argument("--seeds", type=int, default=2000, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first one")
    parser.add_argument("--seed", type=int, help="only this one, and explain it")
    parser.add_argument("--mutant", help="with this planted bug")
    parser.add_argument("--mutants", action="store_true", help="look for every planted bug")
    parser.add_argument("--traces", action="store_true", help="write the traces for other languages anew")
    options = parser.parse_args()
    _be_quiet()
    suites = [SUITES[options.suite]] if options.suite else list(SUITES.values())
    if options.mutant is not None:
        suites = [suite for suite in suites if options.mutant in suite.mutants]
        if not suites:
            parser.error(f"there is no planted bug {options.mutant!r}")
    if options.traces:
        write_traces()
        write_link_traces()
        return 0
    if options.seed is not None:
        return max(_run_seed(suite, options.seed, options.mutant) for suite in suites)
    seeds = range(options.start, options.start + options.seeds)
    return max((_run_mutants if options.mutants else _run_seeds)(suite, seeds) for suite in suites)


def _run_seed(suite: Suite, seed: int, mutant: str | None) -> int:
    outcome = suite.run(seed, mutant)
    if outcome.violation:
        _explain(suite, outcome, mutant)
        return 1
    print(f"{suite.name}, seed {seed}: every promise held, trace {outcome.trace_hash}, {outcome.events_count} events")
    return 0


if __name__ == "__main__":
    sys.exit(main())
