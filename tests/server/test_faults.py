"""A fault of ours costs one connection, is told with 1011, and is logged."""

from __future__ import annotations

import pytest

from sheetbend.core.limits import Limits
from sheetbend.server.hub import Hub
from tests.support.clients import room_of, settled
from tests.support.in_process import asynchronous, serving


@pytest.fixture
def broken_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def broadcast(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Hub, "forwarded_to_room", broadcast)


@pytest.mark.usefixtures("broken_hub")
@asynchronous
async def test_a_fault_ends_the_connection_it_happened_on() -> None:
    async with serving(Limits()) as server, room_of(server.websocket_url, "room", "lnn") as (alice, bob, carol):
        await alice.send("offer", sdp=1)
        assert await alice.close_code() == 1011
        assert [(await member.receive("user-left"))["userId"] for member in (bob, carol)] == [alice.user_id] * 2
        await bob.send("message", roomId="room", data=1)
        assert [len(messages) for messages in await settled(bob, carol)] == [1, 1]


@pytest.mark.usefixtures("broken_hub")
def test_a_fault_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    @asynchronous
    async def cause_it() -> None:
        async with serving(Limits()) as server, room_of(server.websocket_url, "room", "ll") as (alice, _):
            await alice.send("offer", sdp=1)
            await alice.close_code()

    cause_it()
    printed = capfd.readouterr()
    assert "ZeroDivisionError" in printed.out + printed.err
