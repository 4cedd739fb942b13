"""When a frame is due: its own time, counted from when the first one was shown."""

from __future__ import annotations

import asyncio

__all__ = ["Pace"]

_LATE_MAX_S = 1.0
"""Who is later than that won't catch up: from then on time is counted anew."""


class Pace:
    """One clock for all the tracks that belong together."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began_at: float | None = None

    @property
    def now_s(self) -> float:
        """The time that is due now; 0 before the first frame."""
        return 0.0 if self._began_at is None else self._loop.time() - self._began_at

    async def wait_for(self, time_s: float) -> None:
        """Return when a frame of this time is due."""
        now = self._loop.time()
        if self._began_at is None or now - self._began_at - time_s > _LATE_MAX_S:
            self._began_at = now - time_s
        await asyncio.sleep(self._began_at + time_s - now)
