"""The messages of one session in one direction each, counted so that a broken connection costs none of them.

Both ends hold one (PROTOCOL.md, "Resume"): the server of every session, a client of its own. Nothing is added to a
message; where in the stream it stands is known by counting.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

__all__ = ["CHECK_EVERY", "Stream"]

CHECK_EVERY = 32


class Stream:
    """What was sent and received, and what of the sent is not acknowledged yet.

    Keeps about `messages_max` messages and `bytes_max` bytes: past them the oldest go, and a receiver that missed one
    of those can't be brought up to date (`replay` returns None). It looks every `CHECK_EVERY` messages, and may keep as
    many more in between; to look each time would cost a delivery to many a twentieth of what it takes.
    """

    __slots__ = (
        "_acknowledged",
        "_bytes",
        "_bytes_max",
        "_check_at",
        "_counted",
        "_kept",
        "_messages_max",
        "received",
        "sent",
    )

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self.sent = 0
        self.received = 0
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._kept: deque[bytes] = deque()
        """The last of what was sent: the newest is number `sent`."""
        self._acknowledged = 0
        self._bytes = 0
        self._counted = 0
        """Up to which message `_bytes` is right."""
        self._check_at = CHECK_EVERY

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
        return self.sent - len(self._kept) + 1

    def keep(self, text: bytes) -> None:
        """Count a message that is being sent, or would be if there were a connection."""
        self.sent += 1
        self._kept.append(text)
        if self.sent >= self._check_at:
            self._check()

    def acknowledge(self, received: int) -> bool:
        """The other side has `received` of the sent. Returns whether that can be."""
        if not self._acknowledged <= received <= self.sent:
            return False
        self._acknowledged = received
        self._count()
        for _ in range(self.oldest, received + 1):
            self._bytes -= len(self._kept.popleft())
        return True

    def replay(self, received: int) -> tuple[bytes, ...] | None:
        """Return what the other side misses of the sent; None if that is no longer kept, or never was sent."""
        self._check()
        if received < self.oldest - 1 or not self.acknowledge(received):
            return None
        return tuple(self._kept)

    def forget(self) -> None:
        """Keep nothing of what was sent so far."""
        self._kept.clear()
        self._bytes = 0
        self._counted = self.sent

    def _count(self) -> None:
        fresh = self.sent - self._counted
        self._bytes += sum(map(len, islice(reversed(self._kept), fresh)))
        self._counted = self.sent

    def _check(self) -> None:
        self._count()
        self._check_at = self.sent + CHECK_EVERY
        while self._bytes > self._bytes_max or len(self._kept) > self._messages_max:
            self._bytes -= len(self._kept.popleft())
