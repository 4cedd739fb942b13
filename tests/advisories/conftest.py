from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.advisories.bystanders import Bystanders
from tests.server.conftest import room_id, server
from tests.support.process import ServerProcess

__all__ = ["room_id", "server"]


@pytest.fixture(autouse=True)
def bystanders(server: ServerProcess) -> Iterator[Bystanders]:
    """Two clients that talk after each test, and then must have heard nothing but each other."""
    with Bystanders(server.port) as bystanders:
        yield bystanders
        bystanders.assert_unharmed()
