"""What a trial is, and how much of everything."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ..servers import Cores

__all__ = ["Figure", "Outcome", "Trial", "TrialSettings", "percentile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSettings:
    """How much of everything."""

    readers: int = 500
    """In the room of `slow-readers`."""
    stopped_share: float = 0.1
    broadcasts_per_s: float = 20
    bulk_bytes: int = 32_768
    """Of a message to those who stop: they are past their bound in a quarter of the time in which silence would end
    them."""
    reading_rounds: int = 4
    reading_s: float = 10
    storm_clients: int = 5_000
    storm_room_members: int = 50
    storm_within_s: float = 30
    downtime_s: float = 5
    """How long the server is away. Clients have backed off to a few seconds by then."""
    half_open: int = 5_000
    half_open_rounds: int = 3
    joins: int = 300


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """Something measured. Without `at_most` it is for information."""

    name: str
    value: float
    unit: str
    at_most: float | None = None

    @property
    def is_reached(self) -> bool | None:
        return None if self.at_most is None else self.value <= self.at_most


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Of one trial: figures, and what was wrong, by which it failed whatever the figures say."""

    trial: str
    title: str
    figures: list[Figure]
    faults: list[str]

    @property
    def has_passed(self) -> bool:
        return not self.faults and all(figure.is_reached is not False for figure in self.figures)


class Trial(ABC):
    """`name` is what `--only` takes."""

    name: str

    @abstractmethod
    async def run(self, cores: Cores, settings: TrialSettings) -> Outcome:
        """Start servers, load them, end them."""


def percentile(values: Sequence[float], share: float) -> float:
    """Of values in any order; 0 if there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
