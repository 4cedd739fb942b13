"""The messages of one session in one direction each, counted so that a broken connection costs none of them.

Both ends hold one (PROTOCOL.md, "Resume"): the server of every session, a client of its own. Nothing is added to a
message; where in the stream it stands is known by counting.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

__all__ = ["Stream"]

Text = TypeVar("Text", bound=bytes | bytearray)


class Stream(Generic[Text]):
    """What was sent and received, and what of the sent is not acknowledged yet.

    Keeps at most `messages_max` messages and `bytes_max` bytes; past them the oldest go, and a receiver that missed
    one of those can't be brought up to date (`replay` returns None).
    """

    __slots__ = ("_bytes", "_bytes_max", "_kept", "_messages_max", "acknowledged", "received", "sent")

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self.sent = 0
        self.received = 0
        self.acknowledged = 0
        """How many of the received the other side has been told of."""
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._kept: deque[Text] = deque()
        """The last of what was sent: the newest is number `sent`."""
        self._bytes = 0

    @property
    def kept_bytes(self) -> int:
        return self._bytes

    @property
    def kept_count(self) -> int:
        return len(self._kept)

    def keep(self, text: Text) -> None:
        """Count a message that is being sent, or would be if there were a connection."""
        kept = self._kept
        self.sent += 1
        self._bytes += len(text)
        kept.append(text)
        if self._bytes > self._bytes_max or len(kept) > self._messages_max:
            self._forget_oldest()

    def acknowledge(self, received: int) -> bool:
        """The other side has `received` of the sent. Returns whether that can be."""
        kept = self._kept
        first = self.sent - len(kept)
        if not 0 <= received <= self.sent:
            return False
        for _ in range(received - first):
            self._bytes -= len(kept.popleft())
        return True

    def replay(self, received: int) -> tuple[Text, ...] | None:
        """Return what the other side misses of the sent; None if that is no longer kept, or never was sent."""
        if received < self.sent - len(self._kept) or not self.acknowledge(received):
            return None
        return tuple(self._kept)

    @property
    def oldest(self) -> int:
        """The number of the oldest message that is kept; one more than `sent` if none is."""
        return self.sent - len(self._kept) + 1

    def forget(self) -> None:
        """Keep nothing of what was sent so far."""
        self._kept.clear()
        self._bytes = 0

    def _forget_oldest(self) -> None:
        while self._bytes > self._bytes_max or len(self._kept) > self._messages_max:
            self._bytes -= len(self._kept.popleft())
