"""An echo server on aiohttp."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from aiohttp import WSMsgType, web  # type: ignore[import-not-found]  # installed for this run alone


async def echo(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse(max_msg_size=(1 << 24) + 1)  # its bound is exclusive
    await response.prepare(request)
    async for message in response:
        if message.type is WSMsgType.TEXT:
            await response.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await response.send_bytes(message.data)
    return response


async def serve() -> None:
    """Serve on a free port until the process is ended."""
    app = web.Application()
    app.add_routes([web.get("/", echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"aiohttp {version('aiohttp')} ws://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
