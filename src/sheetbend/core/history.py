"""The latest messages of a room, for those who come later: bounded, and honest about what is no longer there."""

from __future__ import annotations

from msgspec import Struct

from .events import Said
from .limits import Limits
from .messages import Since

__all__ = ["Budget", "History", "Remembered"]

_OVERHEAD_BYTES = 256
"""What an entry takes besides its data."""


class Budget:
    """How many bytes the histories of a node may still take."""

    __slots__ = ("bytes_left",)

    def __init__(self, bytes_max: int) -> None:
        self.bytes_left = bytes_max


class Remembered(Struct, frozen=True, gc=False):
    """A message, what its sender was called then, and when it was (on the clock of `now`)."""

    said: Said
    name: str
    at: float

    @property
    def size(self) -> int:
        return len(bytes(self.said.data)) + _OVERHEAD_BYTES


class History:
    """Messages for everybody, oldest first."""

    __slots__ = ("_budget", "_bytes", "_entries", "_forgotten", "_limits")

    def __init__(self, limits: Limits, budget: Budget) -> None:
        self._limits = limits
        self._budget = budget
        self._entries: list[Remembered] = []
        self._bytes = 0
        self._forgotten = 0
        """The offset of the last message that is no longer here; 0 if all are."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def kept_bytes(self) -> int:
        return self._bytes

    def remember(self, said: Said, name: str, now: float) -> None:
        entry = Remembered(said, name, now)
        self._entries.append(entry)
        self._bytes += entry.size
        self._budget.bytes_left -= entry.size
        self.forget_old(now)
        while self._entries and (
            len(self._entries) > self._limits.history_messages_max
            or self._bytes > self._limits.history_bytes_max
            or self._budget.bytes_left < 0
        ):
            self._forget_oldest()

    def since(self, seen: Since | None, epoch: str) -> tuple[list[Remembered], bool]:
        """Return what came after `seen` and whether that is all of it.

        None stands for the beginning of the room; so does what was seen of another epoch, but then it is never all.
        """
        if seen is None:
            return list(self._entries), self._forgotten == 0
        if seen.epoch != epoch:
            return list(self._entries), False
        return [entry for entry in self._entries if entry.said.offset > seen.offset], self._forgotten <= seen.offset

    def forget_old(self, now: float) -> None:
        """Let go of what is older than `history_age_s`."""
        while self._entries and now - self._entries[0].at > self._limits.history_age_s:
            self._forget_oldest()

    def forget_all(self) -> None:
        while self._entries:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        entry = self._entries.pop(0)
        self._bytes -= entry.size
        self._budget.bytes_left += entry.size
        self._forgotten = entry.said.offset
