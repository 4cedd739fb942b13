from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.support.process import ServerProcess
from tests.support.tokens import Keys

_rooms = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """One server for all tests. After them it must end well and have logged nothing but its log."""
    with ServerProcess(["--log-level", "debug"]) as process:
        yield process
        assert process.stop() == 0
        assert "Traceback" not in process.errors
        assert {line["level"] for line in process.log} <= {"debug", "info"}


@pytest.fixture
def room_id() -> str:
    """A room that no other test is in."""
    return f"room {next(_rooms)}"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A key pair of each kind that signs tokens."""
    return Keys(tmp_path_factory.mktemp("keys"))
