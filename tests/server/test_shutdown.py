"""Ending the process: everyone is told to come back, and the exit status says that all is well."""

from __future__ import annotations

import signal

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.clients import lesson, native, room_of
from tests.support.frames import CLOSE, RawWebSocket, text
from tests.support.in_process import asynchronous
from tests.support.process import ServerProcess
from tests.support.protocol import CLOSE_CODES


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@asynchronous
async def test_a_signal_closes_every_connection_with_a_code_that_says_reconnect(number: signal.Signals) -> None:
    with ServerProcess() as server:
        clients = [await lesson(server.websocket_url), await native(server.websocket_url)]
        clients.append(await native(server.websocket_url, hello=False))
        for client in clients[:2]:
            await client.send("join", roomId="room")
        server.signal(number)
        assert [await client.close_code() for client in clients] == [CLOSE_CODES["shutting_down"]] * 3
        assert server.wait() == 0
        assert server.log[-1]["event"] == "node_stopped"
        assert "Traceback" not in server.errors


@asynchronous
async def test_a_shutdown_is_no_departure() -> None:
    """All reconnect soon, and N members telling N others would be N² messages when time is short."""
    with ServerProcess() as server:
        async with room_of(server.websocket_url, "room", "nlnl") as members:
            server.signal(signal.SIGTERM)
            for member in members:
                with pytest.raises(ConnectionClosed):
                    await member.receive()
        assert server.wait() == 0


def test_clients_that_do_not_answer_cannot_keep_the_server() -> None:
    with ServerProcess() as server, RawWebSocket.open(server.port) as deaf, RawWebSocket(server.port) as half_open:
        half_open.send(b"GET / HTTP/1.1\r\n")
        deaf.send(text("join", roomId="room"))
        server.signal(signal.SIGTERM)
        opcode, payload = deaf.read_frame()
        assert (opcode, int.from_bytes(payload[:2], "big")) == (CLOSE, CLOSE_CODES["shutting_down"])
        deaf.send(text("join", roomId="another"))
        assert deaf.read_rest() == b""
        assert server.wait() == 0


def test_a_server_without_clients_ends_at_once() -> None:
    with ServerProcess() as server:
        assert server.stop() == 0
        assert server.errors.count("\n") == 2
