"""An echo server on `websockets`."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websockets_serve


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def serve() -> None:
    """Serve on a free port until the process is ended."""
    async with websockets_serve(echo, "127.0.0.1", 0, max_size=1 << 24) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(f"websockets {version('websockets')} ws://127.0.0.1:{port}/", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
