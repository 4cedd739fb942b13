"""When to restart ICE: at once where something is wrong, and again, ever more rarely, until it works.

Leaves to others: what is wrong, and the restart itself (`pair`). `web/sdk/src/mending.ts` is its twin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Mending"]

_AGAIN_S = (2.0, 2.0, 3.0, 5.0, 8.0)
"""Between one attempt and the next. The last is short enough that a path is back soon after it has become possible."""
_SETTLE_S = 4.0
"""SCTP tries again every 3 s at the latest (dcSCTP), and only on a way that stays."""
_POLITE_S = 0.5
"""The polite side lets the other begin: two offers at once are one too many."""


class Mending:
    def __init__(self, is_polite: Callable[[], bool], restart: Callable[[], None]) -> None:
        self._is_polite = is_polite
        self._restart = restart
        self._attempts = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, after_s: float = 0.0) -> None:
        """Something is wrong, perhaps still."""
        if self._attempts == 0:
            self._plan(after_s + (_POLITE_S if self._is_polite() else 0.0))

    def hurry(self) -> None:
        """Something has changed: it may work now, whatever was tried before."""
        self._attempts = 0
        self._plan(0.0)

    def postpone(self) -> None:
        """An attempt is on its way, of the other side's making."""
        if self._timer is not None:
            self._plan_next()

    def settle(self) -> None:
        """ICE has found another way: what is sent on it may need a while until it goes again."""
        if self._timer is not None:
            self._plan(_SETTLE_S)

    def end(self) -> None:
        """All is well, or over."""
        self._attempts = 0
        self._clear()

    def _plan_next(self) -> None:
        delay_s = _AGAIN_S[min(self._attempts, len(_AGAIN_S) - 1)]
        self._attempts += 1
        self._plan(delay_s)

    def _plan(self, delay_s: float) -> None:
        self._clear()
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._try)

    def _try(self) -> None:
        self._plan_next()
        self._restart()

    def _clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
