"""What can be simulated: each suite plans runs from seeds, carries them out, and has planted bugs to find."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from . import mutants, world
from .checks import ViolationError
from .links import mutants as link_mutants
from .links import world as link_world
from .scheduler import Scheduler
from .world import Action, Outcome

__all__ = ["SUITES", "Suite"]

Mutant = tuple[Any, str, Callable[[Any], Any]]
"""Where it is put in, and what makes it of the original."""


class _World(Protocol):
    scheduler: Scheduler

    @property
    def trace_hash(self) -> str: ...

    def run(self) -> None:
        """Raises ViolationError where a promise is broken."""


@dataclass(frozen=True)
class Suite:
    """`name` is what the command line takes."""

    name: str
    plan: Callable[[int], list[Action]]
    world: Callable[[int, Sequence[Action]], _World]
    mutants: Mapping[str, Mutant]

    def run(self, seed: int, mutant: str | None = None, actions: Sequence[Action] | None = None) -> Outcome:
        """Run one seed, or a part of its plan."""
        actions = self.plan(seed) if actions is None else actions
        with self.mutated(mutant):
            world = self.world(seed, actions)
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

    def shrink(self, seed: int, mutant: str | None) -> list[Action]:
        """Take actions away as long as the run fails, halves first (delta debugging)."""
        actions = self.plan(seed)
        size = len(actions) // 2
        while size:
            start = 0
            while start < len(actions):
                fewer = actions[:start] + actions[start + size :]
                if self.run(seed, mutant, fewer).violation:
                    actions = fewer
                else:
                    start += size
            size //= 2
        return actions

    @contextmanager
    def mutated(self, name: str | None) -> Iterator[None]:
        """Run with a planted bug, or without one."""
        if name is None:
            yield
            return
        owner, attribute, mutate = self.mutants[name]
        original = getattr(owner, attribute)
        setattr(owner, attribute, mutate(original))
        try:
            yield
        finally:
            setattr(owner, attribute, original)


SUITES = {
    suite.name: suite
    for suite in (
        Suite("rooms", world.plan, world.World, mutants.MUTANTS),
        Suite("links", link_world.plan, link_world.World, link_mutants.MUTANTS),
    )
}
