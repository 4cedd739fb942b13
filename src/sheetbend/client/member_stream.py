"""One stream of bytes to and from a member, as the program holds it: both halves in step with the other side."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ..errors import ClientError, SheetbendError
from .member_data import BytesLike, bytes_of

__all__ = ["MemberStream", "StreamPort"]


@dataclass(frozen=True)
class StreamPort:
    """What a stream asks of its link. `write` returns whether there is place for more; `consume` says how many bytes
    were read; `over` that both halves are."""

    write: Callable[[bytes], bool]
    finish: Callable[[], None]
    reset: Callable[[], None]
    stop: Callable[[], None]
    consume: Callable[[int], None]
    over: Callable[[], None]


class MemberStream:
    """Bytes both ways, as reliable as messages, and in step with the reader: who reads slowly makes the writer wait.

        stream = member.stream("log")
        async with stream:
            await stream.write(b"one line\\n")
        # and at the other side, behind `case StreamOpened(member, stream)`:
        async for chunk in stream:
            print(chunk)

    What isn't read gives no credit: 256 KiB wait here, up to 1 MiB of a reader that kept up. Leaving `async with`
    closes it, or gives it up if there was an exception. One task may read at a time, and one write.
    """

    def __init__(self, label: str, port: StreamPort) -> None:
        self.label = label
        """What it is, as its opener says."""
        self._port = port
        self._chunks: deque[bytes] = deque()
        """Arrived and not read: as much as the link gives credit for."""
        self._is_ended = False
        self._read_error: SheetbendError | None = None
        self._arrived = asyncio.Event()
        self._is_finished = False
        self._write_error: SheetbendError | None = None
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_over = False

    # What the program does.

    async def write(self, data: BytesLike) -> None:
        """Send bytes, and return when there is room for more.

            await stream.write(b"one line\\n")

        Cancelling it takes back nothing: what was written goes on its way. Raises ClientError `stream_stopped` if the
        member wants no more, `delivery_unknown` if it was lost, `invalid_argument`, and `closed` after `close` or
        `reset`.
        """
        chunk = bytes_of(data)
        await self._wait_for_room()
        if not chunk:
            return
        self._has_room.clear()  # before writing, which may bring room at once
        if self._port.write(chunk):
            self._has_room.set()
        else:
            await self._wait_for_room()

    async def close(self) -> None:
        """End our side behind what was written. That the member has read it all, only an answer of its can tell.

            await stream.close()

        Again, or after `reset`, it does nothing.
        """
        if not self._is_finished:
            self._is_finished = True
            self._has_room.set()
            self._port.finish()
            self._note_end()

    def reset(self) -> None:
        """Give up writing; what waits is dropped, and the member's reading raises `stream_reset`.

        ```python
        stream.reset()
        ```
        """
        if not self._is_finished:
            self._is_finished = True
            self._has_room.set()
            self._port.reset()
            self._note_end()

    def stop(self) -> None:
        """Want no more of it: what comes is dropped, and the member's writing raises `stream_stopped`.

        case StreamOpened(_, stream) if stream.label != "log":
            stream.stop()
        """
        if not self._is_ended and self._read_error is None:
            self._is_ended = True
            self._chunks.clear()
            self._arrived.set()
            self._port.stop()
            self._note_end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes, as they come. Ends when the member has closed its side.

        Raises ClientError `stream_reset` if it gave up writing, `delivery_unknown` if it was lost, `closed`.
        """
        chunk = await self._read(None)
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def read_exactly(self, size: int) -> bytes:
        """So many bytes.

            (size,) = struct.unpack(">I", await stream.read_exactly(4))

        Raises EOFError if the stream ends before, and what reading raises."""
        parts = []
        left = size
        while left > 0:
            chunk = await self._read(left)
            if not chunk:
                raise EOFError(f"The stream ended {left} bytes too early.")
            parts.append(chunk)
            left -= len(chunk)
        return b"".join(parts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self.close()
        else:
            self.reset()
        self.stop()

    # What the link tells.

    def take(self, data: bytes) -> None:
        """The next bytes came."""
        if not self._is_ended:
            self._chunks.append(data)
            self._arrived.set()

    def end(self) -> None:
        """All has come."""
        self._is_ended = True
        self._arrived.set()
        self._note_end()

    def drained(self) -> None:
        """There is room for more."""
        self._has_room.set()

    def stopped(self, error: SheetbendError) -> None:
        """The other side reads no more."""
        self._is_finished = True
        self._write_error = self._write_error or error
        self._has_room.set()
        self._note_end()

    def failed(self, error: SheetbendError) -> None:
        """Nothing more will come."""
        if not self._is_ended:
            self._read_error = self._read_error or error
            self._chunks.clear()
            self._arrived.set()
            self._note_end()

    # The parts.

    async def _read(self, size_max: int | None) -> bytes:
        """The next bytes; none at the end."""
        while not self._chunks:
            if self._read_error is not None:
                raise self._read_error
            if self._is_ended:
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        chunk = self._chunks.popleft()
        if size_max is not None and len(chunk) > size_max:
            self._chunks.appendleft(chunk[size_max:])
            chunk = chunk[:size_max]
        self._port.consume(len(chunk))
        return chunk

    async def _wait_for_room(self) -> None:
        await self._has_room.wait()
        if self._write_error is not None:
            raise self._write_error
        if self._is_finished:
            raise ClientError("closed", "This side of the stream is closed.")

    def _note_end(self) -> None:
        is_read = self._is_ended or self._read_error is not None
        if is_read and self._is_finished and not self._is_over:
            self._is_over = True
            self._port.over()
