"""Distance, without namespaces and root: ports that forward, and hold what goes each way for half a round trip.

One stands for the server, and many for addresses of members. `pages/far.js` makes pages use those.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

__all__ = ["FarMembers", "at_distance"]

_READ_BYTES = 65_536
_Address = tuple[str, int]
_MEMBER_PORTS = 128
"""Of a page, for all candidates it will ever be told. What there is no port for is left out (`pages/far.js`)."""


@asynccontextmanager
async def at_distance(port: int, round_trip_s: float) -> AsyncIterator[int]:
    """Return the port that stands for the far server's."""

    async def forward(near_reader: StreamReader, near_writer: StreamWriter) -> None:
        # TCP's own handshake takes a round trip, before which nothing can leave.
        leaves_at = asyncio.get_running_loop().time() + round_trip_s
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            _Way(far_writer, round_trip_s / 2, leaves_at).carry(near_reader),
            _Way(near_writer, round_trip_s / 2).carry(far_reader),
        )

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class _Way:
    """One direction. Pieces keep their order, which timers alone wouldn't promise."""

    def __init__(self, to: StreamWriter, delay_s: float, leaves_at: float = 0.0) -> None:
        self._to = to
        self._delay_s = delay_s
        self._leaves_at = leaves_at
        self._loop = asyncio.get_running_loop()
        self._held: deque[bytes] = deque()

    async def carry(self, reader: StreamReader) -> None:
        """Hold each piece, and at last the end, which is an empty one."""
        with suppress(ConnectionError):
            while piece := await reader.read(_READ_BYTES):
                self._hold(piece)
        self._hold(b"")

    def _hold(self, piece: bytes) -> None:
        self._held.append(piece)
        self._loop.call_at(max(self._loop.time(), self._leaves_at) + self._delay_s, self._give)

    def _give(self) -> None:
        if piece := self._held.popleft():
            self._to.write(piece)
        else:
            self._to.close()


class FarMembers:
    """UDP ports that lead to addresses of members, each to one."""

    def __init__(self, round_trip_s: float) -> None:
        addresses = [_FarAddress(round_trip_s / 2) for _ in range(_MEMBER_PORTS)]
        self._addresses = {address.port: address for address in addresses}

    @property
    def ports(self) -> list[int]:
        return list(self._addresses)

    def lead_to(self, port: int, host: str, member_port: int) -> None:
        self._addresses[port].lead_to((host, member_port))

    def close(self) -> None:
        for address in self._addresses.values():
            address.close()


class _FarAddress:
    """One of a member's addresses. Whoever sends to it gets a socket of its own there, so that answers find back."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._loop = asyncio.get_running_loop()
        self._near = _udp()
        self._target: _Address | None = None
        self._early: list[tuple[bytes, _Address]] = []
        self._is_closed = False
        self._far: dict[_Address, socket.socket] = {}
        self._loop.add_reader(self._near, self._take)
        self.port: int = self._near.getsockname()[1]

    def lead_to(self, target: _Address) -> None:
        """What came before this was known goes there now."""
        self._target = target
        early, self._early = self._early, []
        for packet, source in early:
            self._forward(packet, source)

    def close(self) -> None:
        for opened in (self._near, *self._far.values()):
            self._loop.remove_reader(opened)
            opened.close()
        self._is_closed = True

    def _take(self) -> None:
        with suppress(OSError):
            packet, source = self._near.recvfrom(_READ_BYTES)
            self._loop.call_later(self._delay_s, self._forward, packet, source)

    def _forward(self, packet: bytes, source: _Address) -> None:
        if self._is_closed:
            return
        if self._target is None:
            self._early.append((packet, source))
            return
        if (far := self._far.get(source)) is None:
            far = self._far[source] = _udp()
            self._loop.add_reader(far, self._take_answer, far, source)
        with suppress(OSError):
            far.sendto(packet, self._target)

    def _take_answer(self, far: socket.socket, source: _Address) -> None:
        with suppress(OSError):
            self._loop.call_later(self._delay_s, self._answer, far.recv(_READ_BYTES), source)

    def _answer(self, packet: bytes, source: _Address) -> None:
        with suppress(OSError):
            self._near.sendto(packet, source)


def _udp() -> socket.socket:
    """On every address of this machine: an answer must come from the address that was written to."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setblocking(False)
    opened.bind(("0.0.0.0", 0))
    return opened
