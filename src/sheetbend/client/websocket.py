"""One WebSocket to the server, on picows: frames to messages by RFC 6455, and back-pressure.

picows checks the headers of frames and the handshake. Here: RSV bits, fragments and their bounds, pings, close codes,
the close handshake and its time. Text is handed over as bytes: whoever decodes it as JSON checks its UTF-8 too.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from picows import WSError, WSFrame, WSListener, WSMsgType, WSParsedURL, WSTransport, ws_connect

from ..core.close_codes import CloseCode
from .limits import ClientLimits

__all__ = ["WebSocket", "WebSocketPort"]

_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY
_NO_CODE = 1005
"""What a CLOSE without a code counts as (RFC 6455 section 7.1.5)."""
_NOT_ON_THE_WIRE = frozenset({0, 1004, 1005, 1006, 1015})
_CODES = range(1000, 5000)
_READ_BUFFER_BYTES = 16_384


@dataclass(frozen=True)
class WebSocketPort:
    """What a socket tells its owner, on the loop's thread; nothing after `discard`.

    `heard`: a ping or pong came. `ready`: it takes more again. `closed`: it is gone, 1006 where no CLOSE said why.
    `failed`: what the owner was told of raised this.
    """

    text: Callable[[bytes], None]
    binary: Callable[[bytes], None]
    heard: Callable[[], None]
    ready: Callable[[], None]
    closed: Callable[[int, str], None]
    failed: Callable[[Exception], None]


class WebSocket(WSListener):
    """`open` makes one."""

    def __init__(self, port: WebSocketPort, limits: ClientLimits) -> None:
        super().__init__()
        self.is_full = False
        """Whether so much waits that it had better be given no more."""
        self._port: WebSocketPort | None = port
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._code: int = CloseCode.ABNORMAL
        self._reason = ""
        self._is_closing = False
        self._is_text = False
        self._fragments: bytearray | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._gone: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def open(
        cls, url: str, subprotocol: str, port: WebSocketPort, *, tls: ssl.SSLContext | None, limits: ClientLimits
    ) -> WebSocket:
        """Raises OSError, WSError, or ValueError for what is no address. The owner bounds the time.

        A server that selects another subprotocol than the one offered is refused with WSError.
        """
        opened = cls(port, limits)
        try:
            await opened._connect(url, subprotocol, tls)
        except BaseException:
            opened.abort()
            raise
        transport = opened._transport
        if transport is None or transport.is_disconnected:
            raise ConnectionResetError("The connection was closed at once.")
        selected = transport.response.headers.get("Sec-WebSocket-Protocol")
        if selected != subprotocol:
            opened.discard()
            raise WSError(f"the server doesn't speak {subprotocol}")
        return opened

    def send_text(self, text: bytes) -> None:
        if not self._is_closing and self._transport is not None:
            self._transport.send(_TEXT, text)

    def send_binary(self, data: bytes) -> None:
        if not self._is_closing and self._transport is not None:
            self._transport.send(_BINARY, data)

    def discard(self) -> None:
        """Close it, and tell its owner nothing any more."""
        self._port = None
        self._close(CloseCode.NORMAL)

    def abort(self) -> None:
        """End the socket at once, whatever waits to be sent."""
        self._port = None
        if self._transport is not None:
            self._transport.disconnect(False)

    def when_gone(self, callback: Callable[[], None]) -> None:
        """Call this when the socket is closed; `discard` bounds how long that takes."""
        self._gone.add_done_callback(lambda _: callback())

    async def wait_gone(self) -> None:
        """Return when the socket is closed."""
        await asyncio.shield(self._gone)

    # What picows calls.

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        high = self._limits.write_buffer_bytes
        transport.underlying_transport.set_write_buffer_limits(high=high, low=high // 2)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        port = self._port
        try:
            kind = frame.msg_type  # read once: picows makes an enum of it each time
            if kind is WSMsgType.CLOSE:
                self._receive_close(frame.get_payload_as_bytes())
            elif port is None or self._is_closing:
                return
            elif frame.rsv1 or frame.rsv2 or frame.rsv3:
                self._close(CloseCode.PROTOCOL_ERROR)
            elif kind is _BINARY and frame.fin and self._fragments is None:
                port.binary(frame.get_payload_as_bytes())
            elif kind is _TEXT and frame.fin and self._fragments is None:
                port.text(frame.get_payload_as_bytes())
            elif kind is WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
                port.heard()
            elif kind is WSMsgType.PONG:
                port.heard()
            else:
                self._receive_fragment(port, frame)
        except Exception as error:
            if self._port is not None:
                self._port.failed(error)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._is_closing = True
        if self._timer is not None:
            self._timer.cancel()
        if not self._gone.done():
            self._gone.set_result(None)
        port, self._port = self._port, None
        if port is not None:
            port.closed(self._code, self._reason)

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        if self._port is not None:
            self._port.ready()

    # The parts.

    async def _connect(self, url: str, subprotocol: str, tls: ssl.SSLContext | None) -> None:
        tcp: socket.socket | None = None

        async def connect_tcp(address: WSParsedURL) -> socket.socket:
            nonlocal tcp
            tcp = await _connect_tcp(address.host, address.port)
            return tcp

        try:
            await ws_connect(
                lambda: self,
                url,
                ssl_context=tls,
                extra_headers={"Sec-WebSocket-Protocol": subprotocol},
                websocket_handshake_timeout=None,
                enable_auto_pong=False,  # it would answer invalid ones too
                max_frame_size=self._limits.message_bytes_max,
                max_redirects=0,  # they could lead from TLS to none
                read_buffer_init_size=_READ_BUFFER_BYTES,
                socket_factory=connect_tcp,
                use_aiofastnet=False,  # its buffers are not uvloop's, whose bounds are used here
            )
        except BaseException:
            # picows leaves the connection open when the handshake is cancelled.
            if tcp is not None:
                with suppress(OSError):
                    tcp.shutdown(socket.SHUT_RDWR)
            raise

    def _receive_fragment(self, port: WebSocketPort, frame: WSFrame) -> None:
        if (frame.msg_type is WSMsgType.CONTINUATION) == (self._fragments is None):
            self._close(CloseCode.PROTOCOL_ERROR)
            return
        if self._fragments is None:
            self._fragments = bytearray()
            self._is_text = frame.msg_type is _TEXT
        if len(self._fragments) + frame.payload_size > self._limits.message_bytes_max:
            self._close(CloseCode.MESSAGE_TOO_BIG)
            return
        self._fragments += frame.get_payload_as_memoryview()
        if frame.fin:
            message, self._fragments = bytes(self._fragments), None
            (port.text if self._is_text else port.binary)(message)

    def _receive_close(self, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big") if payload else _NO_CODE
        if payload and (code not in _CODES or code in _NOT_ON_THE_WIRE):
            code = CloseCode.PROTOCOL_ERROR
        if not self._is_closing:
            self._code, self._reason = code, payload[2:].decode(errors="replace")
            self._close(CloseCode.NORMAL if code == _NO_CODE else code)
        if self._transport is not None:
            self._transport.disconnect()

    def _close(self, code: int) -> None:
        if self._is_closing or self._transport is None:
            return
        self._is_closing = True
        if self._code == CloseCode.ABNORMAL and code != CloseCode.NORMAL:
            self._code = code
        self._transport.send_close(int(code))  # type: ignore[arg-type]  # it takes any code
        self._timer = self._loop.call_later(self._limits.close_timeout_s, self._transport.disconnect, False)


async def _connect_tcp(host: str, port: int) -> socket.socket:
    """Raises OSError: of the last address, where there are several."""
    loop = asyncio.get_running_loop()
    error: OSError = ConnectionError(f"{host} has no address.")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        tcp = socket.socket(family, kind, protocol)
        try:
            tcp.setblocking(False)
            await loop.sock_connect(tcp, address)
        except OSError as refusal:
            tcp.close()
            error = refusal
        except BaseException:
            tcp.close()
            raise
        else:
            return tcp
    raise error
