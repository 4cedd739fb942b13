"""One WebSocket connection: frames to messages, by RFC 6455, on picows.

picows hands over frames and checks their headers; everything about messages is done here: RSV bits, fragments and their
bounds, UTF-8, pings, the close handshake, and the bound on what waits to be sent. Whole messages go to the hub.
"""

from __future__ import annotations

import asyncio
import codecs
import struct
from collections.abc import Callable, Iterable
from functools import partial

import structlog
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from ..core.close_codes import CloseCode
from ..core.events import DialectName
from ..core.limits import Limits
from ..core.liveness import Liveness, Verdict
from ..core.rate_limits import TokenBucket
from ..core.relay import HEADER_BYTES, MEMBER_AT
from ..errors import RefusedError
from .clients import RELAY_ROOM_BYTES, Address, Client, Text
from .hub import Hub
from .relay_queue import RelayQueue

__all__ = ["Connection"]

_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY
_RELAY_COST_MIN = 256
_LARGEST_CLOSE_CODE = 4999
_NO_CODES = frozenset({0, 1004, 1005, 1006, 1015})
"""Close codes that must not stand in a frame (RFC 6455 section 7.4.1)."""

log = structlog.get_logger("sheetbend")


class Connection(WSListener):
    """The listener of one socket, and the outbox of one client."""

    __slots__ = (
        "_address",
        "_client",
        "_closing_s",
        "_connections",
        "_dialect",
        "_fragments",
        "_frames_left",
        "_heard",
        "_hub",
        "_is_busy",
        "_is_closing",
        "_limits",
        "_liveness",
        "_relay_left",
        "_relay_queue",
        "send",
        "transport",
    )

    transport: WSTransport
    send: Callable[[Text], None]
    """picows' own, so that a delivery is one call. After a CLOSE of its own it does nothing."""

    def __init__(
        self, hub: Hub, dialect: DialectName, limits: Limits, address: Address, connections: set[Connection]
    ) -> None:
        """It stands in `connections` from the handshake until its socket is gone."""
        super().__init__()
        self._hub = hub
        self._connections = connections
        self._dialect: DialectName = dialect
        self._limits = limits
        self._address = address
        self._frames_left: TokenBucket
        self._client: Client | None = None
        self._fragments: _Fragments | None = None
        self._heard = True
        self._is_busy = False
        """Whether something waits to be sent."""
        self._relay_left: TokenBucket | None = None
        self._relay_queue: RelayQueue | None = None
        """Frames that wait. Made when it is needed, as most connections relay nothing."""
        self._liveness = Liveness(limits)
        self._is_closing = False
        self._closing_s = 0.0

    # What picows calls.

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        # As soon as something waits `pause_writing` is called: until then no bound is looked at.
        transport.underlying_transport.set_write_buffer_limits(high=1, low=0)
        self.send = partial(transport.send, _TEXT)
        self._frames_left = TokenBucket(self._limits.frame_rate, self._now())
        self._connections.add(self)
        self._hub.connect(self._dialect, self, self._address)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        try:
            self._heard = True
            kind = frame.msg_type  # read once: picows makes an enum of it each time
            if self._is_closing or transport.is_close_frame_sent:
                if kind == WSMsgType.CLOSE:
                    transport.disconnect()
            elif frame.rsv1 or frame.rsv2 or frame.rsv3:
                self.close(CloseCode.PROTOCOL_ERROR, "a reserved bit is set, and no extension was agreed on")
            elif kind is _TEXT and frame.fin and self._fragments is None:
                if frame.payload_size > self._limits.message_bytes_max:
                    self._refuse_size()
                elif self._client is not None:
                    self._hub.receive(self._client, frame.get_payload_as_bytes())
            elif kind is _BINARY and frame.fin and self._fragments is None:
                self._receive_relayed(frame.get_payload_as_memoryview())
            elif not (self._frames_left.spend(1) or self._frames_left.settle(1, self._now())):
                self.close(CloseCode.RATE_LIMITED, "too many frames")
            elif kind == WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            elif kind == WSMsgType.CLOSE:
                self._answer_close(frame.get_payload_as_bytes())
            elif kind != WSMsgType.PONG:
                self._receive_fragment(frame)
        except Exception:
            log.exception("internal_error", user_id=self._user_id)
            self.close(CloseCode.INTERNAL_ERROR, "a fault of the server")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.send = _discard
        self._relay_queue = None
        self._connections.discard(self)
        self._end_session()

    def pause_writing(self) -> None:
        self._is_busy = True
        if not self._is_closing:
            self.send = self._send_busy
            self._bound_outbox()

    def resume_writing(self) -> None:
        self._is_busy = False
        if not self._is_closing:
            self.send = partial(self.transport.send, _TEXT)
        while self._relay_queue and not self._is_busy:
            self._send_relayed(self._relay_queue.take())
        if not self._relay_queue:
            self._relay_queue = None

    def close_slow(self) -> None:
        self.close(CloseCode.SLOW_CONSUMER, "too much is waiting for you")

    # What the hub calls.

    def send_many(self, texts: Iterable[Text]) -> None:
        self._write_frames(_TEXT, texts)
        if self._is_busy:
            self._bound_outbox()

    def relay(self, frame: bytearray) -> None:
        if self._is_busy or self._relay_queue:  # so that never more than one frame is ahead of a message
            sender = bytes(frame[RELAY_ROOM_BYTES + MEMBER_AT : RELAY_ROOM_BYTES + HEADER_BYTES])
            if self._relay_queue is None:
                self._relay_queue = RelayQueue(self._limits)
            self._relay_queue.put(sender, frame[RELAY_ROOM_BYTES], frame)
        else:
            self._send_relayed(frame)

    def belongs_to(self, client: Client) -> None:
        """Hand what comes in to `client` from now on."""
        self._client = client

    def close(self, code: int, reason: str) -> None:
        """End the session and send CLOSE; `tick` ends the socket if the peer doesn't answer."""
        if self._is_closing:
            return
        self._is_closing = True
        self.send = _discard
        self._relay_queue = None
        log.debug("closing", user_id=self._user_id, code=int(code), reason=reason)
        self._send_close(code, reason)
        self._end_session()

    @property
    def waiting_bytes(self) -> int:
        """What the peer hasn't taken yet."""
        if self._is_closing:
            return 0
        return self._outbox_bytes + (0 if self._relay_queue is None else self._relay_queue.waiting_bytes)

    async def wait_closed(self) -> None:
        """Return when the socket is gone."""
        await self.transport.wait_disconnected()

    def abort(self) -> None:
        """End the socket, whatever is still waiting to be sent."""
        self.transport.disconnect(False)

    def tick(self, elapsed_s: float) -> None:
        """Ping a quiet connection, close one that has been quiet for too long, expire its session."""
        if self._is_closing or self.transport.is_close_frame_sent:
            self._end_session()  # picows closes by itself where framing is broken
            self._closing_s += elapsed_s
            if self._closing_s >= self._limits.close_timeout_s:
                self.abort()
            return
        if self._client is not None:
            self._hub.tick(self._client)
        verdict = self._liveness.tick(elapsed_s, heard=self._heard)
        self._heard = False
        if verdict is Verdict.DEAD:
            self.close(CloseCode.NOT_RESPONDING, "nothing was heard from you, pings included")
        elif verdict is Verdict.QUIET:
            self.transport.send_ping(b"")

    @property
    def _outbox_bytes(self) -> int:
        size: int = self.transport.underlying_transport.get_write_buffer_size()
        return size

    def _send_busy(self, text: Text) -> None:
        self.transport.send(_TEXT, text)
        self._bound_outbox()

    def _bound_outbox(self) -> None:
        if self._outbox_bytes > self._limits.outbox_bytes_max:
            # In the middle of a delivery: closing may change the rooms that are being gone through.
            asyncio.get_running_loop().call_soon(self.close_slow)

    def _send_relayed(self, frame: bytearray) -> None:
        if not self._is_closing:
            self.transport.send_reuse_external_bytearray(_BINARY, frame, RELAY_ROOM_BYTES)

    def _receive_relayed(self, payload: memoryview) -> None:
        if self._client is None:
            return
        left = self._relay_left
        if left is None:
            left = self._relay_left = TokenBucket(self._limits.relay_rate, self._now())
        if not left.spend(max(len(payload), _RELAY_COST_MIN)):
            self._read_slower(left.debt_s(self._now()))
        self._hub.receive_relayed(self._client, payload)

    def _read_slower(self, for_s: float) -> None:
        """Read nothing for a while, so that TCP makes the sender slower."""
        if for_s > 0:
            transport = self.transport.underlying_transport
            transport.pause_reading()
            asyncio.get_running_loop().call_later(for_s, transport.resume_reading)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def _user_id(self) -> str | None:
        return None if self._client is None else self._client.session.user_id

    def _end_session(self) -> None:
        if self._client is not None:
            self._hub.disconnect(self._client, self)

    def _receive_fragment(self, frame: WSFrame) -> None:
        """Take a binary frame, or a fragment of either type."""
        fragments = self._fragments
        if (frame.msg_type == WSMsgType.CONTINUATION) == (fragments is None):
            self.close(CloseCode.PROTOCOL_ERROR, "a fragmented message was not continued as it must be")
            return
        if fragments is None:
            fragments = self._fragments = _Fragments(frame.msg_type == _TEXT, self._limits)
        try:
            fragments.add(frame)
        except UnicodeDecodeError:
            self.close(CloseCode.INVALID_TEXT, "a text message was not UTF-8")
        except OverflowError:
            self.close(CloseCode.MESSAGE_TOO_BIG, f"a message has at most {self._limits.message_bytes_max} bytes")
        else:
            if frame.fin:
                self._fragments = None
                self._receive_assembled(fragments)

    def _receive_assembled(self, fragments: _Fragments) -> None:
        if self._client is None:
            return
        if not fragments.is_text:
            self._receive_relayed(memoryview(fragments.payload))
        elif fragments.size > self._limits.message_bytes_max:
            self._refuse_size()
        else:
            self._hub.receive(self._client, bytes(fragments.payload))

    def _refuse_size(self) -> None:
        if self._client is not None:
            limit = self._limits.message_bytes_max
            self._hub.refuse_unread(
                self._client, RefusedError("message_too_big", f"A message has at most {limit} bytes.")
            )

    def _answer_close(self, payload: bytes) -> None:
        """Echo the peer's code, then end the socket. picows has checked the reason's UTF-8 and most codes."""
        if payload:
            code = int.from_bytes(payload[:2], "big")
            valid = code not in _NO_CODES and code <= _LARGEST_CLOSE_CODE
            self.close(code if valid else CloseCode.PROTOCOL_ERROR, "")
        else:
            self._is_closing = True
            self.send = _discard
            self._relay_queue = None
            self.transport.send(WSMsgType.CLOSE, None)  # send_close() would put code 0 on the wire
            self._end_session()
        self.transport.disconnect()

    def _write_frames(self, opcode: WSMsgType, payloads: Iterable[bytes]) -> None:
        """Send whole frames without a copy. (picows would have the transport keep a reference to its header buffer,
        and overwrite that with the next frame, which breaks the stream where the reader is slow.)"""
        if not (self._is_closing or self.transport.is_close_frame_sent):
            parts = [part for payload in payloads for part in (_header(opcode, len(payload)), payload)]
            self.transport.underlying_transport.writelines(parts)

    def _send_close(self, code: int, reason: str = "") -> None:
        self.transport.send_close(int(code), reason.encode())  # type: ignore[arg-type]  # it takes any code


def _header(opcode: WSMsgType, size: int) -> bytes:
    """Return the header of a whole, unmasked frame (RFC 6455 section 5.2)."""
    first = 0x80 | opcode.value
    if size < 126:
        return bytes((first, size))
    return struct.pack(">BBH", first, 126, size) if size < 65_536 else struct.pack(">BBQ", first, 127, size)


def _discard(text: Text) -> None:
    """Nothing is sent after CLOSE."""


class _Fragments:
    """A message in pieces. Past `message_bytes_max` only its size is kept, past `frame_bytes_max` it overflows."""

    __slots__ = ("_decoder", "_limits", "is_text", "payload", "size")

    def __init__(self, is_text: bool, limits: Limits) -> None:
        self.is_text = is_text
        self.payload = bytearray()
        self.size = 0
        self._limits = limits
        self._decoder = codecs.getincrementaldecoder("utf-8")() if is_text else None

    def add(self, frame: WSFrame) -> None:
        """Raises UnicodeDecodeError as soon as text can't be UTF-8, and OverflowError."""
        self.size += frame.payload_size
        if self.size > self._limits.frame_bytes_max:
            raise OverflowError
        piece = frame.get_payload_as_bytes()
        if self._decoder is not None:
            self._decoder.decode(piece, final=bool(frame.fin))
        if self.size > self._limits.message_bytes_max:
            self.payload.clear()
        else:
            self.payload += piece
