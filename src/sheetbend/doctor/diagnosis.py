"""All checks in two rounds: what reaches the server, then what the server told of."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from .address import ServerAddress, bracketed
from .http import ask_health
from .relay import try_relay_frames
from .report import CHECK_IDS, Check, CheckId, Report
from .stun import Answer, ask_stun, nat_of, stun_of, stun_targets
from .trying import CHECK_TIMEOUT_S, Found, attempt, skipped
from .turn import TurnServer, check_of, try_turn
from .verdict import verdict_of
from .websocket import CLIENT, Session

__all__ = ["diagnose"]

_NO_ENGINE = "Not tried: it takes a browser; open /doctor there."
_HOST = "{host}"
_SLACK_S = 0.2
"""What asks several times knows itself when its time is over; it's ended from outside only if it doesn't."""


async def diagnose(
    address: ServerAddress,
    *,
    token: str | None = None,
    tls: ssl.SSLContext | None = None,
    on_check: Callable[[Check], None] = lambda check: None,
) -> Report:
    """Try every way to the server; call `on_check` with each check as it ends. Takes 12 s at most.

    `tls` is what to take certificates by, by default what the system trusts. Cancelling it closes everything.
    """
    return await _Diagnosis(address, token, tls, on_check).run()


class _Diagnosis:
    def __init__(
        self,
        address: ServerAddress,
        token: str | None,
        tls: ssl.SSLContext | None,
        on_check: Callable[[Check], None],
    ) -> None:
        self._address = address
        self._token = token
        self._tls = tls
        self._server_tls = (tls or ssl.create_default_context()) if address.is_secure else None
        self._on_check = on_check
        self._checks: dict[CheckId, Check] = {}
        self._sessions: list[Session] = []

    async def run(self) -> Report:
        started_at, started = datetime.now(UTC), time.monotonic()
        try:
            await asyncio.gather(
                self._make("http", ask_health(self._address, self._server_tls)),
                self._make("websocket", self._greet()),
            )
            self._add(skipped("direct", "no_engine", _NO_ENGINE))
            if self._sessions:
                await self._look_further()
        finally:
            for session in self._sessions:
                session.close()
        for check_id in CHECK_IDS:
            if check_id not in self._checks:
                self._add(skipped(check_id, "no_session", "Not tried: it takes a session on the server."))
        checks = [self._checks[check_id] for check_id in CHECK_IDS]
        return Report(
            url=self._address.websocket_url,
            by=CLIENT,
            server=self._sessions[0].welcome.get("server") if self._sessions else None,
            started_at=started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            took_ms=round((time.monotonic() - started) * 1000),
            checks=checks,
            verdict=verdict_of(checks),
        )

    async def _open_session(self) -> Session:
        session = await Session.open(self._address.websocket_url, self._token, self._server_tls)
        self._sessions.append(session)
        return session

    async def _greet(self) -> Found:
        started = time.monotonic()
        await self._open_session()
        return Found(f"Connected and greeted in {(time.monotonic() - started) * 1000:.0f} ms")

    async def _try_relay(self) -> Found:
        return await try_relay_frames(self._sessions[0], await self._open_session())

    async def _look_further(self) -> None:
        urls, turn = self._ice_servers()
        await asyncio.gather(
            self._make("relay", self._try_relay()),
            self._ask_stun(urls, turn.get("turn_udp", [])),
            *(
                self._make(check_id, try_turn(turn.get(check_id, []), self._tls))
                for check_id in CHECK_IDS
                if check_id.startswith("turn_")
            ),
        )

    async def _ask_stun(self, urls: Sequence[str], turn_servers: Sequence[TurnServer]) -> None:
        targets = stun_targets(urls, turn_servers)
        asking = asyncio.create_task(ask_stun(targets))
        try:
            await asyncio.gather(
                self._make("stun", _seen(asking, lambda answers: stun_of(targets, answers)), _SLACK_S),
                self._make("nat", _seen(asking, nat_of), _SLACK_S),
            )
        finally:
            asking.cancel()

    async def _make(self, check_id: CheckId, trying: Awaitable[Found], slack_s: float = 0) -> None:
        self._add(await attempt(check_id, trying, CHECK_TIMEOUT_S + slack_s))

    def _add(self, check: Check) -> None:
        self._checks[check.id] = check
        self._on_check(check)

    def _ice_servers(self) -> tuple[list[str], dict[CheckId, list[TurnServer]]]:
        """All URLs, and TURN by check; what isn't understood is left out."""
        urls: list[str] = []
        turn: dict[CheckId, list[TurnServer]] = {}
        servers: list[dict[str, Any]] = self._sessions[0].welcome.get("iceServers", [])
        for server in servers:
            for url in server["urls"]:
                reachable = str(url).replace(_HOST, bracketed(self._address.host))
                urls.append(reachable)
                if reachable.startswith("turn"):
                    entry = TurnServer(reachable, server.get("username", ""), server.get("credential", ""))
                    turn.setdefault(check_of(reachable), []).append(entry)
        return urls, turn


async def _seen(asking: asyncio.Task[list[Answer]], judge: Callable[[list[Answer]], Found]) -> Found:
    return judge(await asyncio.shield(asking))
