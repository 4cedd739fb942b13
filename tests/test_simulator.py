"""The simulator itself: a seed is a run, a run has faults enough, and a failure becomes small.

`make sim` runs the 2,000 seeds and every planted bug; here is what they rest on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.links import world as link_world
from simulator.suites import SUITES, Suite
from simulator.world import _FAULTS, World, plan

SEEDS = range(3)
PRINT_HASHES = """
import logging, structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
from simulator.suites import SUITES
for suite in SUITES.values():
    for seed in range(3):
        outcome = suite.run(seed)
        print(seed, outcome.trace_hash, outcome.events_count, outcome.violation)
"""
FOUND_SOON = [
    ("rooms", "message_ids_are_forgotten"),
    ("rooms", "forged_sender"),
    ("links", "message_numbers_begin_at_two"),
]
"""Planted bugs that one of the first seeds finds."""
PLANTED = [pytest.param(suite, name, id=name) for suite in SUITES.values() for name in suite.mutants]


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
    assert [words[3] for words in runs] == ["None"] * len(SEEDS) * len(SUITES), "every promise held"
    assert len({words[1] for words in runs}) == len(runs), "and another seed is another run"
    assert all(int(words[2]) > 1000 for words in runs)


@pytest.mark.parametrize("seed", range(50))
def test_a_run_has_enough_clients_and_faults(seed: int) -> None:
    actions = plan(seed)
    assert sum(action.kind in _FAULTS for action in actions) >= 20
    assert len(World(seed, actions).clients) >= 8
    assert actions == plan(seed)


@pytest.mark.parametrize("suite", SUITES.values(), ids=list(SUITES))
def test_all_kinds_of_faults_happen_and_are_known(suite: Suite) -> None:
    faults = {"rooms": _FAULTS, "links": link_world._FAULTS}[suite.name]
    kinds = {action.kind for seed in range(200) for action in suite.plan(seed)}
    assert kinds >= faults.keys()
    for kind in kinds:
        assert hasattr(suite.world, f"_{kind}")


def test_some_links_change_their_path_a_thousand_times() -> None:
    seed = next(seed for seed in range(200) if any(each.kind == "path_flaps" for each in link_world.plan(seed)))
    world = link_world.World(seed, link_world.plan(seed))
    world.run()
    assert world.changes >= 1000


@pytest.mark.parametrize(("suite_name", "mutant"), FOUND_SOON)
def test_a_failure_is_shrunk_to_a_plan_that_still_fails(suite_name: str, mutant: str) -> None:
    suite = SUITES[suite_name]
    seed = next(seed for seed in range(20) if suite.run(seed, mutant).violation)
    fewer = suite.shrink(seed, mutant)
    assert len(fewer) < len(suite.plan(seed)) / 4
    assert suite.run(seed, mutant, fewer).violation is not None
    assert set(fewer) <= set(suite.plan(seed))
    assert suite.run(seed, None, fewer).violation is None, "without the bug it holds"


@pytest.mark.parametrize(("suite", "name"), PLANTED)
def test_a_planted_bug_has_its_place_and_is_taken_out_again(suite: Suite, name: str) -> None:
    owner, attribute, _ = suite.mutants[name]
    original = getattr(owner, attribute)
    with suite.mutated(name):
        assert getattr(owner, attribute) is not original
    assert getattr(owner, attribute) is original


@pytest.mark.parametrize("suite", SUITES.values(), ids=list(SUITES))
def test_there_are_enough_planted_bugs(suite: Suite) -> None:
    assert len(suite.mutants) >= 20
