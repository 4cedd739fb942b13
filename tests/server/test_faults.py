"""A fault of ours costs one connection, is told with 1011, and is logged."""

from __future__ import annotations

import asyncio

import pytest

from sheetbend.core.limits import Limits
from sheetbend.server.hub import Hub
from tests.support.clients import SUBPROTOCOL, lesson, room_of, settled
from tests.support.frames import CLOSE, RawWebSocket, frame, text
from tests.support.in_process import asynchronous, serving

RESERVED_OPCODE = 0x3


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


@pytest.mark.parametrize("dialect", [None, SUBPROTOCOL], ids=["lesson", "v1"])
@asynchronous
async def test_no_message_follows_a_close_for_broken_framing(dialect: str | None) -> None:
    """RFC 6455 section 5.5.1."""
    async with serving(Limits()) as server, room_of(server.websocket_url, "room", "n") as (alice,):

        def break_framing() -> RawWebSocket:
            raw = RawWebSocket.open(server.port, subprotocol=dialect)
            if dialect is not None:
                raw.send(text("hello"))
                raw.read_message()
            raw.send(text("join", roomId="room"))
            raw.read_message()
            raw.send(frame(RESERVED_OPCODE, b"x"))
            assert raw.read_frame().opcode == CLOSE
            return raw

        with await asyncio.to_thread(break_framing) as raw:
            async with await lesson(server.websocket_url) as visitor:
                await visitor.send("join", roomId="room")
                await settled(visitor, alice)
            assert await asyncio.to_thread(raw.read_rest) == b""
