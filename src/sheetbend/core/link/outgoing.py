"""What waits to be sent on a link, and in which order it goes: small things first, streams in turn.

A record gets its place in the link's sequence only when it is sent, so that a message needn't wait for a long stream
that was written before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from .frames import RecordKind, varint

__all__ = ["BODY_BYTES", "BODY_BYTES_MAX", "MESSAGE_OVERHEAD_BYTES", "STREAM_BUFFER_BYTES", "Outgoing"]

BODY_BYTES = 16_000
"""Of a record, so that what waits behind it doesn't wait for long (RFC 8831 section 6.6)."""
BODY_BYTES_MAX = 60_000
"""Of one for a fast path, where the work for each record counts more: with all headers it is below 64 KiB, which every
data channel takes (RFC 8841 section 6.1), and the relay too, if it has to be sent again there."""
MESSAGE_OVERHEAD_BYTES = 256
"""What a message takes besides its data, at most."""
STREAM_BUFFER_BYTES = 262_144
"""From here on a stream's writer should wait."""


class _Writing:
    """The sending half of a stream."""

    __slots__ = ("allowed", "buffered", "chunks", "is_finished", "sent")

    def __init__(self, allowed: int) -> None:
        self.chunks: deque[memoryview] = deque()
        self.buffered = 0
        self.sent = 0
        self.allowed = allowed
        """How much the other side takes in all."""
        self.is_finished = False


class Outgoing:
    """Records that have no place in the sequence yet."""

    __slots__ = ("_control", "_message", "_messages", "_turn", "_writing", "messages_bytes")

    def __init__(self) -> None:
        self._control: deque[bytes] = deque()
        self._messages: deque[tuple[memoryview, bool]] = deque()
        self._message = 0
        """Where the first of the messages goes on."""
        self.messages_bytes = 0
        """What waits, each message with its overhead."""
        self._writing: dict[int, _Writing] = {}
        self._turn: deque[int] = deque()
        """Streams that have something to send and may."""

    def put(self, kind: RecordKind, stream: int, *numbers: int, label: bytes = b"") -> None:
        """Queue a record about a stream."""
        self._control.append(bytes((kind,)) + b"".join(map(varint, (stream, *numbers))) + label)

    def put_message(self, data: bytes, is_text: bool) -> None:
        self._messages.append((memoryview(data), is_text))
        self.messages_bytes += len(data) + MESSAGE_OVERHEAD_BYTES

    def open(self, stream: int, allowed: int) -> None:
        """Make the sending half of a stream."""
        self._writing[stream] = _Writing(allowed)

    @property
    def control_count(self) -> int:
        """Records about streams that wait."""
        return len(self._control)

    @property
    def streams(self) -> Iterable[int]:
        """Those with a sending half."""
        return self._writing

    def is_writable(self, stream: int) -> bool:
        """Whether it can be written to at all."""
        writing = self._writing.get(stream)
        return writing is not None and not writing.is_finished

    def write(self, stream: int, data: bytes) -> bool:
        """Queue bytes of a stream. Returns whether there is place for more."""
        writing = self._writing[stream]
        writing.chunks.append(memoryview(data))
        writing.buffered += len(data)
        self._give_turn(stream, writing)
        return writing.buffered < STREAM_BUFFER_BYTES

    def finish(self, stream: int) -> None:
        """End a stream behind what was written."""
        writing = self._writing[stream]
        writing.is_finished = True
        self._give_turn(stream, writing)

    def drop(self, stream: int) -> bool:
        """Forget what waits of a stream, and its sending half. Returns whether there was one."""
        return self._writing.pop(stream, None) is not None

    def allow(self, stream: int, allowed: int) -> None:
        """The other side takes so many bytes of a stream in all."""
        writing = self._writing.get(stream)
        if writing is not None and allowed > writing.allowed:
            writing.allowed = allowed
            self._give_turn(stream, writing)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be sent."""
        return not (
            self._control
            or self._messages
            or any(writing.buffered or writing.is_finished for writing in self._writing.values())
        )

    def next(self, size_max: int) -> tuple[bytes, bool, int | None] | None:
        """Take what goes next: the record, whether it ends a message, and which stream's buffer has place again."""
        if self._control:
            return self._control.popleft(), False, None
        if self._messages:
            return self._next_of_message(size_max)
        while self._turn:
            stream = self._turn.popleft()
            writing = self._writing.get(stream)
            if writing is not None:
                return self._next_of_stream(stream, writing, size_max)
        return None

    def _next_of_message(self, size_max: int) -> tuple[bytes, bool, None]:
        data, is_text = self._messages[0]
        piece = data[self._message : self._message + size_max]
        self._message += len(piece)
        self.messages_bytes -= len(piece)
        is_last = self._message == len(data)
        if is_last:
            self.messages_bytes -= MESSAGE_OVERHEAD_BYTES
            self._messages.popleft()
            self._message = 0
        kind = (RecordKind.TEXT if is_text else RecordKind.BINARY) + is_last
        return bytes((kind,)) + piece, is_last, None

    def _next_of_stream(self, stream: int, writing: _Writing, size_max: int) -> tuple[bytes, bool, int | None]:
        if not writing.chunks:
            del self._writing[stream]
            return bytes((RecordKind.STREAM_END,)) + varint(stream), False, None
        size = min(size_max, writing.allowed - writing.sent)
        parts = []
        was_full = writing.buffered >= STREAM_BUFFER_BYTES
        left = size
        while left and writing.chunks:
            chunk = writing.chunks.popleft()
            if len(chunk) > left:
                writing.chunks.appendleft(chunk[left:])
                chunk = chunk[:left]
            parts.append(chunk)
            left -= len(chunk)
        writing.sent += size - left
        writing.buffered -= size - left
        self._give_turn(stream, writing)
        drained = stream if was_full and writing.buffered < STREAM_BUFFER_BYTES else None
        return bytes((RecordKind.STREAM_DATA,)) + varint(stream) + b"".join(parts), False, drained

    def _give_turn(self, stream: int, writing: _Writing) -> None:
        may_send = writing.sent < writing.allowed if writing.chunks else writing.is_finished
        if may_send and stream not in self._turn:
            self._turn.append(stream)
