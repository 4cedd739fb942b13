"""Sheetbend's own server, gate and connection layer, with a hub that sends every message back."""

from __future__ import annotations

from unittest.mock import patch

import uvloop
from picows import WSMsgType

from sheetbend import __version__
from sheetbend.core.close_codes import CloseCode
from sheetbend.core.limits import Limits
from sheetbend.core.rate_limits import Rate
from sheetbend.server import app, gate
from sheetbend.server.clients import Client
from sheetbend.server.config import ServerConfig
from sheetbend.server.connection import Connection
from sheetbend.server.hub import Hub
from sheetbend.server.logs import configure_logs

_ENDLESS = Rate(per_s=1e9, burst=1e9)
LIMITS = Limits(
    message_bytes_max=1 << 24,
    frame_bytes_max=1 << 24,
    outbox_bytes_max=1 << 26,
    frame_rate=_ENDLESS,
    message_rate=_ENDLESS,
    byte_rate=_ENDLESS,
)
"""Cases 9.* send messages of 16 MiB, and as many frames as they can."""


class EchoHub(Hub):
    """Sends text back. Whether a message of one frame is UTF-8 it has to find out itself, as the dialects do."""

    def receive(self, client: Client, text: bytes) -> None:
        assert client.outbox is not None
        try:
            text.decode()
        except UnicodeDecodeError:
            client.outbox.close(CloseCode.INVALID_TEXT, "a text message was not UTF-8")
        else:
            client.outbox.send_many((text,))


class EchoConnection(Connection):
    """Sends binary messages back, which the hub isn't given."""

    __slots__ = ()

    def _receive_relayed(self, payload: memoryview) -> None:
        self._write_frames(WSMsgType.BINARY, (bytes(payload),))


async def serve() -> None:
    """Serve on a free port until the process is ended."""
    with patch.object(app, "Hub", EchoHub), patch.object(gate, "Connection", EchoConnection):
        server = app.Server(ServerConfig(port=0, limits=LIMITS))
        await server.run(lambda: print(f"sheetbend {__version__} ws://127.0.0.1:{server.port}/ws", flush=True))


if __name__ == "__main__":
    configure_logs("warning", "text")
    uvloop.run(serve())
