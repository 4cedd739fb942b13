"""Relay frames that wait for one slow receiver: bounded for each sender and in all, senders in turn."""

from __future__ import annotations

from collections import deque

from ..core.limits import Limits
from ..core.relay import KIND_LOSSY

__all__ = ["RelayQueue"]


class RelayQueue:
    """What is over a bound is dropped: links notice and send it again. A sender is any key."""

    __slots__ = ("_by_sender", "_bytes_by_sender", "_limits", "waiting_bytes")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_sender: dict[bytes, deque[bytearray]] = {}
        """In turn: the first is next."""
        self._bytes_by_sender: dict[bytes, int] = {}
        self.waiting_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._by_sender)

    def put(self, sender: bytes, kind: int, frame: bytearray) -> None:
        """Keep `frame`, unless too much waits already."""
        of_sender = self._bytes_by_sender.get(sender, 0) + len(frame)
        limits = self._limits
        most = limits.relay_lossy_bytes_max if kind == KIND_LOSSY else limits.relay_pair_bytes_max
        if of_sender > most or self.waiting_bytes + len(frame) > limits.relay_session_bytes_max:
            return
        self._by_sender.setdefault(sender, deque()).append(frame)
        self._bytes_by_sender[sender] = of_sender
        self.waiting_bytes += len(frame)

    def take(self) -> bytearray:
        """Return the next frame of the sender whose turn it is. There must be one."""
        sender = next(iter(self._by_sender))
        frames = self._by_sender.pop(sender)
        frame = frames.popleft()
        self.waiting_bytes -= len(frame)
        if frames:
            self._by_sender[sender] = frames  # behind the others
            self._bytes_by_sender[sender] -= len(frame)
        else:
            del self._bytes_by_sender[sender]
        return frame

    def clear(self) -> None:
        self._by_sender.clear()
        self._bytes_by_sender.clear()
        self.waiting_bytes = 0
