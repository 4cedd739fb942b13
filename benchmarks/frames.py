"""Binary messages for one member: relay frames of `sheetbend.v1`, and what the others have in their place.

What is relayed is a candidate, as in all loads here, followed by as many spaces as make the size. So the load
generator checks it in the same way.
"""

from __future__ import annotations

import msgspec
from picows import WSFrame, WSMsgType, WSTransport

from sheetbend.core.relay import HEADER_BYTES, KIND_KEPT, MEMBER_AT, room_tag

from .protocols import V1, Connection, Delivery, Floor, Protocol, Template, V1Connection, candidate, template

__all__ = ["FloorFrames", "PlainFrames", "V1Frames"]

_ID_BYTES = 16
_KIND = bytes([KIND_KEPT])
_BINARY = WSMsgType.BINARY


class _FrameConnection(Connection):
    """Sends nothing but frames."""

    def send(self, payload: bytes) -> None:
        self.transport.send(_BINARY, payload)


class _V1FrameConnection(V1Connection):
    """Text and frames. No text begins as a frame does."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == _BINARY:
            self.receive(frame.get_payload_as_bytes())
        else:
            super().on_ws_frame(transport, frame)

    def send(self, payload: bytes) -> None:
        self.transport.send(_BINARY if payload.startswith(_KIND) else WSMsgType.TEXT, payload)


class V1Frames(V1):
    """Relay frames (PROTOCOL.md, "Relay")."""

    connection = _V1FrameConnection

    def __init__(self, size: int) -> None:
        self._size = size

    def hello(self, connection: Connection) -> bytes:
        return msgspec.json.encode({"type": "hello", "client": "benchmark", "features": ["relay"]})

    def to_member(self, room: str, target: str) -> Template:
        return _frame(_KIND + room_tag(room) + bytes.fromhex(target), self._size)

    def read(self, payload: bytes) -> Delivery:
        return payload[MEMBER_AT:HEADER_BYTES].hex(), _content(payload, HEADER_BYTES, self._size)


class PlainFrames(Protocol):
    """`node/relay.mjs`: the target's id of 16 bytes, in whose place the server puts the sender's."""

    path = "/"
    has_rooms = False
    connection = _FrameConnection

    def __init__(self, size: int) -> None:
        self._size = size

    async def greet(self, connection: Connection) -> None:
        connection.user_id = (await connection.next_text()).decode()

    def to_member(self, room: str, target: str) -> Template:
        return _frame(bytes.fromhex(target), self._size)

    def read(self, payload: bytes) -> Delivery:
        return payload[:_ID_BYTES].hex(), _content(payload, _ID_BYTES, self._size)


class FloorFrames(Floor):
    """The floor stamps nothing, and needs no header: the path says where a message goes."""

    connection = _FrameConnection

    def __init__(self, size: int) -> None:
        self._size = size

    def to_member(self, room: str, target: str) -> Template:
        return _frame(b"", self._size)

    def read(self, payload: bytes) -> Delivery:
        return None, _content(payload, 0, self._size)


def _frame(header: bytes, size: int) -> Template:
    """A header, and a candidate made `size` bytes long."""
    return template(header + msgspec.json.encode(candidate(0)).ljust(size))


def _content(payload: bytes, at: int, size: int) -> object:
    content = payload[at:]
    return msgspec.json.decode(content) if len(content) == size else f"{len(content)} bytes"
