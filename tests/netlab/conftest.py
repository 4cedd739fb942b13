from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from netlab.lab import Lab
from netlab.requirements import missing_for_networks

_missing = cache(missing_for_networks)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """An internet that takes no time, with two peers. Whoever takes it sets the networks it needs."""
    if reason := _missing():
        pytest.skip(reason)
    with Lab() as lab:
        yield lab
