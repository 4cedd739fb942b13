"""What sessions are told to use for ICE, and when they are told anew (PROTOCOL.md, "ICE servers")."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..core.limits import Limits
from .turn.credentials import turn_credentials

__all__ = ["IceServers"]

_RENEWED_PER_TICK_MAX = 500
"""A few ms of work. After a restart many sessions begin in one second, and so need new credentials in one second."""


class IceServers:
    """The ICE servers of one node. `time_s` is seconds since the Unix epoch, by which TURN servers judge credentials.

    Without arguments there are none.
    """

    def __init__(
        self,
        stun_urls: Sequence[str] = (),
        turn_secret: str | None = None,
        *,
        limits: Limits | None = None,
        time_s: Callable[[], float] = time.time,
    ) -> None:
        limits = limits or Limits()
        self._stun_urls = stun_urls
        self._turn_urls: Sequence[str] = ()
        self._turn_secret = turn_secret
        self._lifetime_s = limits.turn_credentials_s
        self._renew_after_s = limits.turn_credentials_s - limits.turn_refresh_s
        self._time_s = time_s
        self._due: dict[str, float] = {}
        """When each session is to be told anew, soonest first: the interval is the same for all."""
        self._is_changed = False

    def offer_turn(self, urls: Sequence[str]) -> None:
        """From now on TURN is to be had at `urls`, and no longer elsewhere. Every session is told, some at a time."""
        if list(urls) != list(self._turn_urls):
            self._turn_urls = urls
            self._is_changed = True

    def for_session(self, user_id: str, now: float) -> list[dict[str, Any]]:
        """Return the `iceServers` of a session, with fresh credentials. `now` is on the hub's clock."""
        servers: list[dict[str, Any]] = [{"urls": self._stun_urls}] if self._stun_urls else []
        if self._turn_urls and self._turn_secret is not None:
            username, credential = turn_credentials(self._turn_secret, user_id, self._time_s() + self._lifetime_s)
            servers.append({"urls": self._turn_urls, "username": username, "credential": credential})
            self._due.pop(user_id, None)  # to stand last
            self._due[user_id] = now + self._renew_after_s
        return servers

    def due(self, now: float, sessions: Iterable[str]) -> list[str]:
        """Return the sessions to tell anew; all of `sessions` if something has changed, in several calls."""
        if self._is_changed:
            self._is_changed = False
            self._due = dict.fromkeys(sessions, now)
        due: list[str] = []
        for user_id, at in self._due.items():
            if at > now or len(due) == _RENEWED_PER_TICK_MAX:
                break
            due.append(user_id)
        for user_id in due:
            del self._due[user_id]
        return due
