"""Which path each pair should reach, pair by pair, beside the rule that says so."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest

from netlab.matrix import every_cell
from netlab.nat import NATS
from netlab.theory import Path, direct, expected

DIRECT = {
    "open/open",
    "open/full-cone",
    "open/port-restricted",
    "open/symmetric",
    "full-cone/full-cone",
    "full-cone/port-restricted",
    "full-cone/symmetric",
    "port-restricted/port-restricted",
}

PAIRS = list(combinations_with_replacement(NATS, 2))


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_direct_where_it_can_be_and_else_by_turn_or_relay(a: str, b: str) -> None:
    is_direct = f"{a}/{b}" in DIRECT
    assert expected(NATS[a], NATS[b], with_turn=False)[0] is (Path.DIRECT if is_direct else Path.RELAY)
    assert expected(NATS[a], NATS[b], with_turn=True)[0] is (Path.DIRECT if is_direct else Path.TURN)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_sides_do_not_matter(a: str, b: str) -> None:
    assert direct(NATS[a], NATS[b])[0] is direct(NATS[b], NATS[a])[0]


def test_the_matrix_has_every_pair_twice() -> None:
    cells = list(every_cell())
    assert len(cells) == 42
    assert {cell.name for cell in cells} == {f"{a}/{b}" for a, b in PAIRS}
