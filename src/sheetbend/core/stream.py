"""The messages of one session in one direction each, counted so that a broken connection costs none of them.

Both ends hold one (PROTOCOL.md, "Resume"): the server of every session, a client of its own. Nothing is added to a
message; where in the stream it stands is known by counting.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Stream"]


class Stream:
    """What was sent and received, and what of the sent is not acknowledged yet.

    Keeps `messages_max` messages and `bytes_max` bytes: past them the oldest go, and a receiver that missed one of
    those can't be brought up to date (`replay` returns None). It looks only when it is asked to (`bound`), as to look
    at each message would cost a delivery to many a twentieth of what it takes: the caller does so about once a second,
    and after each large message.
    """

    __slots__ = (
        "_acknowledged",
        "_bytes",
        "_bytes_max",
        "_counted",
        "_gone",
        "_kept",
        "_messages_max",
        "keep",
        "received",
    )

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self.received = 0
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._kept: list[bytes] = []
        """The last of what was sent: the newest is number `sent`."""
        self.keep: Callable[[bytes], None] = self._kept.append
        """Counts a message that is being sent, or would be if there were a connection."""
        self._gone = 0
        """How many of the sent are not kept any more."""
        self._acknowledged = 0
        self._bytes = 0
        self._counted = 0
        """Up to which message `_bytes` has been counted."""

    @property
    def sent(self) -> int:
        return self._gone + len(self._kept)

    @property
    def kept_bytes(self) -> int:
        self._count()
        return self._bytes

    @property
    def kept_count(self) -> int:
        return len(self._kept)

    @property
    def oldest(self) -> int:
        """The number of the oldest message that is kept; one more than `sent` if none is."""
        return self._gone + 1

    def acknowledge(self, received: int) -> bool:
        """The other side has `received` of the sent. Returns whether that can be."""
        if not self._acknowledged <= received <= self.sent:
            return False
        self._acknowledged = received
        if received > self._gone:
            del self._kept[: received - self._gone]
            self._gone = self._counted = received  # what is left is counted anew when somebody asks
            self._bytes = 0
        return True

    def replay(self, received: int) -> tuple[bytes, ...] | None:
        """Return what the other side misses of the sent; None if that is no longer kept, or never was sent."""
        self.bound()
        if received < self._gone or not self.acknowledge(received):
            return None
        return tuple(self._kept)

    def bound(self) -> None:
        """Let go of the oldest where too much is kept."""
        self._count()
        too_many = len(self._kept) - self._messages_max
        if self._bytes <= self._bytes_max and too_many <= 0:
            return
        gone = 0
        while self._bytes > self._bytes_max or gone < too_many:
            self._bytes -= len(self._kept[gone])
            gone += 1
        del self._kept[:gone]
        self._gone += gone

    def forget(self) -> None:
        """Keep nothing of what was sent so far."""
        self._gone = self._counted = self.sent
        self._bytes = 0
        self._kept.clear()

    def _count(self) -> None:
        self._bytes += sum(map(len, self._kept[self._counted - self._gone :]))
        self._counted = self.sent
