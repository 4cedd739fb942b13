"""The public port: picows, told to ask about each request and who sent it.

`picows.ws_create_server` does the same but for that: its listener factory can't know the peer, which is needed to
answer 429 before there is a WebSocket. So its protocol is made here, which picows' public names don't have; the version
is pinned to the minor, and tests/server/test_admission.py shows that it works.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from picows import WSAutoPingStrategy, WSUpgradeRequest, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # the stubs leave it out

from ..core.limits import Limits
from .addresses import BACKLOG
from .logs import picows_logger

__all__ = ["Answer", "listen"]

Answer = Callable[[WSUpgradeRequest, str], WSUpgradeResponseWithListener]
"""Called with a request and the IP address at the other end of its socket."""

_READ_BUFFER_BYTES = 2048
"""Per idle connection; grows with the messages. 10 kB a connection with this, 29 kB with picows' default."""


async def listen(
    answer: Answer, listener: socket.socket, *, limits: Limits, tls: ssl.SSLContext | None
) -> asyncio.Server:
    """Serve on `listener`. A connection whose request isn't there after `handshake_timeout_s` is closed."""
    logger = picows_logger()

    def accept() -> _Protocol:
        return _Protocol(answer, logger, limits)

    return await asyncio.get_running_loop().create_server(
        accept,
        sock=listener,
        backlog=BACKLOG,  # it calls listen() again, with 100 by default
        ssl=tls,
        ssl_handshake_timeout=limits.handshake_timeout_s if tls else None,
        ssl_shutdown_timeout=limits.close_timeout_s if tls else None,
    )


class _Asker:
    """What picows calls with the request of one connection."""

    __slots__ = ("answer", "peer")

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.peer = ""

    def __call__(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        return self.answer(request, self.peer)


class _Protocol(WSProtocol):  # type: ignore[misc]
    """picows' protocol of one connection."""

    __slots__ = ("_asker",)  # not the protocol itself, which would be a cycle

    def __init__(self, answer: Answer, logger: object, limits: Limits) -> None:
        self._asker = _Asker(answer)
        super().__init__(
            None,  # host and port: of clients
            None,  # path: of clients
            False,  # is_client_side
            self._asker,
            logger,
            True,  # disconnect_on_exception
            limits.handshake_timeout_s,
            False,  # enable_auto_ping: `Connection.tick` pings
            0,  # auto_ping_idle_timeout
            0,  # auto_ping_reply_timeout
            WSAutoPingStrategy.PING_WHEN_IDLE,
            False,  # enable_auto_pong: it answers invalid pings too
            limits.frame_bytes_max,
            None,  # extra_headers: of clients
            _READ_BUFFER_BYTES,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        if peer is not None:  # else it is gone already
            self._asker.peer = peer[0]
        super().connection_made(transport)
