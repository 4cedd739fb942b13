"""A session on the server, as small as one can be."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Self

import msgspec
from picows import WSError, WSFrame, WSHandshakeError, WSListener, WSMsgType, WSTransport, ws_connect

from .. import __version__
from .trying import Failed

__all__ = ["CLIENT", "Session"]

CLIENT = f"sheetbend-doctor/{__version__}"
_SUBPROTOCOL = "sheetbend.v1"
_STATUS_CODES = {429: "rate_limited", 503: "server_full"}
_NORMAL_CLOSURE = 1000


class Session(WSListener):
    """`open` greets the server; `join` enters a room. `on_relayed` is called with each relay frame."""

    def __init__(self) -> None:
        self.on_relayed: Callable[[bytes], None] = lambda frame: None
        self.welcome: dict[str, Any] = {}
        self._transport: WSTransport | None = None
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    @classmethod
    async def open(cls, url: str, token: str | None, tls: ssl.SSLContext | None) -> Self:
        """Raises Failed, OSError or TimeoutError."""
        session = cls()
        try:
            await ws_connect(
                lambda: session,
                url,
                ssl_context=tls,
                extra_headers={"Sec-WebSocket-Protocol": _SUBPROTOCOL},
                websocket_handshake_timeout=None,
                use_aiofastnet=False,
            )
            session._say("hello", client=CLIENT, features=["relay"], **({} if token is None else {"token": token}))
            session.welcome = await session._answer("welcome")
        except WSHandshakeError as error:
            raise _explain(error) from None
        except WSError as error:
            raise Failed("no_websocket", f"No WebSocket came about: {error}.") from None
        except BaseException:
            session.close()
            raise
        return session

    @property
    def user_id(self) -> str:
        return str(self.welcome["userId"])

    async def join(self, room_id: str) -> None:
        self._say("join", roomId=room_id)
        await self._answer("roster")

    def relay(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.BINARY, frame)

    def close(self) -> None:
        """Say goodbye; the server ends the session at once."""
        if self._transport is not None:
            self._say("bye")
            self._transport.send_close(_NORMAL_CLOSURE)  # type: ignore[arg-type]  # any code will do
            self._transport.disconnect()

    def _say(self, kind: str, **fields: Any) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, msgspec.json.encode({"type": kind, **fields}))

    async def _answer(self, kind: str) -> dict[str, Any]:
        while True:
            message = await self._inbox.get()
            if message.get("type") == kind:
                return message
            if message.get("type") == "error":
                raise Failed(str(message.get("code")), str(message.get("message")))

    # What picows calls.

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.BINARY:
            self.on_relayed(frame.get_payload_as_bytes())
        elif frame.msg_type is WSMsgType.TEXT:
            try:
                self._inbox.put_nowait(msgspec.json.decode(frame.get_payload_as_bytes(), type=dict[str, Any]))
            except msgspec.DecodeError:
                self._inbox.put_nowait({"type": "error", "code": "not_sheetbend", "message": "It speaks no JSON."})

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        lost = {"type": "error", "code": "connection_lost", "message": "The connection was closed."}
        self._inbox.put_nowait(lost)


def _explain(error: WSHandshakeError) -> Failed:
    status = None if error.response is None else int(error.response.status)
    if status in _STATUS_CODES:
        return Failed(_STATUS_CODES[status], f"The server takes no connection now (HTTP {status}).", httpStatus=status)
    said = f"HTTP {status}" if status else str(error)
    return Failed("no_websocket", f"The answer to the WebSocket handshake was no: {said}.", httpStatus=status)
