"""The floor: a picows server that forwards payloads without looking into them.

Connections with the same path are a room; what one sends goes, byte for byte, to all others in it. No JSON, no ids, no
checks: what is left is the cost of WebSocket framing, Python's event loop and the kernel.
"""

from __future__ import annotations

import asyncio

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

_READ_BUFFER_BYTES = 2048
"""As Sheetbend's server has it, so that idle memory compares."""


class Forwarder(WSListener):
    """One connection of a room."""

    def __init__(self, room: list[WSTransport]) -> None:
        super().__init__()
        self._room = room

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._room.append(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.TEXT or kind == WSMsgType.BINARY:  # text first, which is most
            payload = frame.get_payload_as_bytes()
            for member in self._room:
                if member is not transport:
                    member.send(kind, payload)
        elif kind == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._room.remove(transport)


async def serve() -> None:
    """Serve on a free port until the process is ended."""
    rooms: dict[bytes, list[WSTransport]] = {}

    def listener(request: WSUpgradeRequest) -> Forwarder:
        return Forwarder(rooms.setdefault(request.path, []))

    server = await ws_create_server(
        listener, "127.0.0.1", 0, read_buffer_init_size=_READ_BUFFER_BYTES, use_aiofastnet=False
    )
    print(f"Ready: http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
