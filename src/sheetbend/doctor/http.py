"""Whether the server's pages can be had: what tells a blocked WebSocket from a server that is away."""

from __future__ import annotations

import asyncio
import ssl

from .address import ServerAddress
from .trying import Failed, Found

__all__ = ["ask_health"]

_HEAD_BYTES_MAX = 64


async def ask_health(address: ServerAddress, tls: ssl.SSLContext | None) -> Found:
    """Ask for `/healthz`."""
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=tls)
    try:
        writer.write(f"GET /healthz HTTP/1.1\r\nHost: {address.authority}\r\nConnection: close\r\n\r\n".encode())
        words = (await reader.read(_HEAD_BYTES_MAX)).split(b" ")
    finally:
        writer.transport.abort()
    if len(words) < 2 or not words[0].startswith(b"HTTP/1") or not words[1][:3].isdigit():
        raise Failed("not_sheetbend", "What answers doesn't speak HTTP.")
    status = int(words[1][:3])
    if status == 503:
        raise Failed("server_full", "The server is shutting down, or a proxy doesn't find it.", httpStatus=status)
    if status >= 400:
        raise Failed("not_sheetbend", f"What answers has no /healthz (HTTP {status}).", httpStatus=status)
    return Found(f"HTTP {status}", httpStatus=status)
