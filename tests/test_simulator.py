"""The simulator itself: a seed is a run, a run has faults enough, and a failure becomes small.

`make sim` runs the 2,000 seeds and every planted bug; here is what they rest on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.__main__ import run, shrink
from simulator.mutants import MUTANTS, mutated
from simulator.world import _FAULTS, World, plan

SEEDS = range(3)
PRINT_HASHES = """
import logging, structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
from simulator.__main__ import run
for seed in range(3):
    outcome = run(seed)
    print(seed, outcome.trace_hash, outcome.events_count, outcome.violation)
"""
FOUND_SOON = ["message_ids_are_forgotten", "forged_sender"]
"""Planted bugs that one of the first seeds finds."""


def test_a_seed_is_the_same_run_in_every_process() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", PRINT_HASHES],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "4242")
    }
    (lines,) = printed
    runs = [line.split() for line in lines.splitlines()]
    assert [words[3] for words in runs] == ["None"] * len(SEEDS), "every promise held"
    assert len({words[1] for words in runs}) == len(SEEDS), "and another seed is another run"
    assert all(int(words[2]) > 1000 for words in runs)


@pytest.mark.parametrize("seed", range(50))
def test_a_run_has_enough_clients_and_faults(seed: int) -> None:
    actions = plan(seed)
    assert sum(action.kind in _FAULTS for action in actions) >= 20
    assert len(World(seed, actions).clients) >= 8
    assert actions == plan(seed)


def test_all_kinds_of_faults_happen_and_are_known() -> None:
    kinds = {action.kind for seed in range(200) for action in plan(seed)}
    assert kinds >= _FAULTS.keys()
    for kind in kinds:
        assert hasattr(World, f"_{kind}")


@pytest.mark.parametrize("mutant", FOUND_SOON)
def test_a_failure_is_shrunk_to_a_plan_that_still_fails(mutant: str) -> None:
    seed = next(seed for seed in range(20) if run(seed, mutant).violation)
    fewer = shrink(seed, mutant)
    assert len(fewer) < len(plan(seed)) / 4
    assert run(seed, mutant, fewer).violation is not None
    assert set(fewer) <= set(plan(seed))
    assert run(seed, None, fewer).violation is None, "without the bug it holds"


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_has_its_place_and_is_taken_out_again(name: str) -> None:
    owner, attribute, _ = MUTANTS[name]
    original = getattr(owner, attribute)
    with mutated(name):
        assert getattr(owner, attribute) is not original
    assert getattr(owner, attribute) is original


def test_there_are_enough_planted_bugs() -> None:
    assert len(MUTANTS) >= 20
