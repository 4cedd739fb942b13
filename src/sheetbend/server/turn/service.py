"""Keeps TURN on offer while it works: runs coturn where asked, tries each URL, and says why one is of no use.

coturn:     start ─> answers ─> trial ─> offered ──ended──> start again, later and later
elsewhere:                      trial ─> offered
                                  └─ failed ─> tried again, each minute
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Sequence

import structlog

from ..ice_config import HOST_PLACEHOLDER, IceConfig, bracketed
from .coturn import Coturn, CoturnSettings, taken_port
from .credentials import turn_credentials
from .trial import parse_turn_url, try_relay

__all__ = ["TurnService"]

_TRIAL_USER = "trial"
_TRIAL_LIFETIME_S = 60
_TRY_AGAIN_S = 60
_BACKOFF_MIN_S = 1
_BACKOFF_MAX_S = 60
_ANSWERS_TIMEOUT_S = 10
_ANSWERS_INTERVAL_S = 0.05

log = structlog.get_logger("sheetbend")


class TurnService:
    """`offer` is called with the URLs that work, whenever those change. Without `coturn`, `ice.turn_urls` are tried."""

    def __init__(
        self, ice: IceConfig, secret: str, offer: Callable[[Sequence[str]], None], coturn: CoturnSettings | None = None
    ) -> None:
        self._secret = secret
        self._offer = offer
        self._settings = coturn
        self._urls = list(ice.turn_urls) if coturn is None else _urls_of(coturn, ice.name)

    async def run(self) -> None:
        """Go on until cancelled; then coturn has ended."""
        if self._settings is None:
            await self._try_until_all_work()
        else:
            await self._supervise(self._settings)

    async def _supervise(self, settings: CoturnSettings) -> None:
        backoff_s = _BACKOFF_MIN_S
        while True:
            started_at = time.monotonic()
            hint = taken_port(settings) or await self._run_once(settings)
            if time.monotonic() - started_at > _BACKOFF_MAX_S:
                backoff_s = _BACKOFF_MIN_S
            elif backoff_s > _BACKOFF_MIN_S:
                self._offer(())  # it doesn't come back
            log.warning("coturn_down", hint=hint, again_in_s=backoff_s)
            await asyncio.sleep(backoff_s)
            backoff_s = min(_BACKOFF_MAX_S, backoff_s * 2)

    async def _run_once(self, settings: CoturnSettings) -> str:
        """Return why it is over."""
        try:
            coturn = await Coturn.start(settings)
        except OSError as error:
            return f"coturn can't be started: {error.strerror}"
        trying = asyncio.create_task(self._use(coturn, settings))
        try:
            status = await coturn.wait()
        finally:
            trying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await trying
            await coturn.stop()
        return f"coturn has ended with status {status}, and said last: {' | '.join(coturn.last_lines)}"

    async def _use(self, coturn: Coturn, settings: CoturnSettings) -> None:
        await _until_it_answers(settings)
        coturn.forget_configuration()
        log.info("coturn_started", pid=coturn.pid)
        await self._try_until_all_work()

    async def _try_until_all_work(self) -> None:
        """Offer those URLs that work, from the moment on in which they do. Later nothing is tried any more."""
        told: dict[str, str | None] = {}
        while True:
            faults = dict(zip(self._urls, await asyncio.gather(*map(self._try, self._urls)), strict=True))
            working = [url for url in self._urls if faults[url] is None]
            self._offer(working)
            for url, fault in faults.items():
                if fault is None and told.get(url, "") is not None:
                    log.info("turn_works", url=url)
                elif fault is not None and told.get(url) != fault:
                    log.warning("turn_unusable", url=url, hint=fault)
            told = faults
            if len(working) == len(self._urls):
                return
            await asyncio.sleep(_TRY_AGAIN_S)

    async def _try(self, url: str) -> str | None:
        username, password = turn_credentials(self._secret, _TRIAL_USER, time.time() + _TRIAL_LIFETIME_S)
        if self._settings is None:
            return await try_relay(parse_turn_url(url), username, password)
        # Its own certificate is for the name that clients use; here only its TLS is tried.
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
        return await try_relay(parse_turn_url(url), username, password, host=_local_host(self._settings), tls=tls)


def _urls_of(settings: CoturnSettings, name: str | None) -> list[str]:
    host = HOST_PLACEHOLDER if name is None else bracketed(name)
    urls = [f"turn:{host}:{settings.port}?transport={transport}" for transport in ("udp", "tcp")]
    return urls + ([f"turns:{host}:{settings.tls_port}?transport=tcp"] if settings.tls_cert else [])


def _local_host(settings: CoturnSettings) -> str:
    return settings.relay_ip if settings.relay_ip in settings.listening_ips else settings.listening_ips[0]


async def _until_it_answers(settings: CoturnSettings) -> None:
    """Return once it takes connections; or after a while, as the trial will say why it doesn't."""
    deadline = time.monotonic() + _ANSWERS_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            _, writer = await asyncio.open_connection(_local_host(settings), settings.port)
        except OSError:
            await asyncio.sleep(_ANSWERS_INTERVAL_S)
            continue
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return
