"""An echo server on picows as it comes, which hands over frames: each is sent back as it was."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server


class Echo(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type != WSMsgType.PONG:
            transport.send(frame.msg_type, frame.get_payload_as_bytes(), frame.fin)


async def serve() -> None:
    """Serve on a free port until the process is ended."""

    def listener(_request: WSUpgradeRequest) -> Echo:
        return Echo()

    server = await ws_create_server(listener, "127.0.0.1", 0, max_frame_size=1 << 24)
    port = server.sockets[0].getsockname()[1]
    print(f"picows {version('picows')} ws://127.0.0.1:{port}/", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
