"""The composition root: a configuration becomes a running server."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
import signal
import socket
import ssl
import time
from collections.abc import Awaitable, Callable

import structlog

from ..brokers.memory import MemoryBroker
from ..core.close_codes import CloseCode
from ..core.limits import Limits
from .addresses import bind, is_loopback, public_hosts
from .admission import Admission
from .config import ServerConfig
from .connection import Connection
from .gate import Gate
from .hub import Hub
from .ice import Ice
from .listener import listen
from .pages import Pages
from .tls import load_context, self_signed_context
from .token_keys import load_keys
from .tokens import TokenVerifier

__all__ = ["Server"]

_TICK_S = 1.0
_TICK_SLICES = 10
_DRAIN_INTERVAL_S = 0.1
_DRAIN_BATCH_MIN = 50
_LAST_WORD_S = 0.1

log = structlog.get_logger("sheetbend")


class Server:
    """One node on one public port. `run` serves until it is told to stop."""

    def __init__(self, config: ServerConfig) -> None:
        """Bind the port and read every file, so that what is wrong is said before anything runs."""
        self._config = config
        self._pages = Pages()
        self._listener = bind(config.host, config.port)
        self.port: int = self._listener.getsockname()[1]
        self.is_loopback = is_loopback(self._listener)
        self.fingerprint: str | None = None
        """SHA-256 of the certificate that `tls_auto` made."""
        self._ssl = self._ssl_context()
        self._verifier = self._token_verifier()
        self._ice = Ice(config, self.port, time.monotonic)
        self._is_stopping = False
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    @property
    def urls(self) -> list[str]:
        """What to open: on this machine first, then on the LAN if it listens there."""
        scheme = "https" if self._config.is_secure else "http"
        return [
            f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/" for host in public_hosts(self._listener)
        ]

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until `stop`, SIGTERM or SIGINT, then close every connection and return."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        limits = self._config.limits
        broker = MemoryBroker(
            limits,
            new_epoch=lambda: secrets.token_hex(8),
            clock=loop.time,
            time_ms=lambda: time.time_ns() // 1_000_000,
            elects=self._verifier is None,
        )
        hub = Hub(
            broker,
            limits,
            new_user_id=lambda: secrets.token_hex(16),
            new_secret=lambda: secrets.token_hex(32),
            clock=loop.time,
            verifier=self._verifier,
            ice_servers=self._ice.servers,
            relay_only=self._config.relay_only,
        )
        admission = Admission(limits, self._config.trusted_proxies, loop.time)
        gate = Gate(
            hub,
            self._pages,
            admission,
            self._config,
            is_loopback=self.is_loopback,
            is_ready=lambda: not self._is_stopping,
        )
        server = await listen(gate, self._listener, limits=limits, tls=self._ssl)
        self._ice.start()
        ticking = asyncio.create_task(_tick(hub, admission, gate.connections, limits))
        log.info("node_started", port=self.port)
        on_ready()
        try:
            await self._stop.wait()
        finally:
            self._is_stopping = True
            hub.drain(limits.drain_timeout_s)
            await _drain(gate.connections, limits, self._hurry)
            ticking.cancel()
            server.close()
            hub.end()
            await self._ice.stop()
            log.info("node_stopped", port=self.port)

    def stop(self) -> None:
        """Make `run` end; again: at once, without pacing, and without waiting for clients that don't answer."""
        (self._hurry if self._stop.is_set() else self._stop).set()

    def _token_verifier(self) -> TokenVerifier | None:
        config = self._config
        if config.auth == "none":
            return None
        keys = load_keys(config.token_secrets, config.token_secret_files, config.token_keys)
        return TokenVerifier(keys, audience=config.token_audience, limits=config.limits, clock=time.time)

    def _ssl_context(self) -> ssl.SSLContext | None:
        if self._config.tls_auto:
            hosts = dict.fromkeys([*public_hosts(self._listener), "localhost", "127.0.0.1", socket.gethostname()])
            context, self.fingerprint = self_signed_context(list(hosts))
            return context
        if self._config.tls_cert is not None and self._config.tls_key is not None:
            return load_context(self._config.tls_cert, self._config.tls_key)
        return None


async def _tick(hub: Hub, admission: Admission, connections: set[Connection], limits: Limits) -> None:
    """Let time pass, once a second for each; not for all at once, which would make everybody wait."""
    while True:
        _safely(admission.tick)
        _safely(lambda: hub.expire(asyncio.get_running_loop().time()))
        _safely(lambda: _bound_outboxes(connections, limits))
        ticking = list(connections)
        for first in range(_TICK_SLICES):
            await asyncio.sleep(_TICK_S / _TICK_SLICES)
            for connection in ticking[first::_TICK_SLICES]:
                if connection in connections:
                    _safely(lambda: connection.tick(_TICK_S))  # noqa: B023  # called at once


def _bound_outboxes(connections: set[Connection], limits: Limits) -> None:
    """Close those with most waiting where it is too much in all."""
    waiting = {connection: connection.waiting_bytes for connection in connections}
    total = sum(waiting.values())
    if total <= limits.outbox_total_bytes_max:
        return
    for connection in sorted(waiting, key=lambda each: waiting[each], reverse=True):
        connection.close_slow()
        total -= waiting[connection]
        if total <= limits.outbox_total_bytes_max:
            return


def _safely(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception:
        log.exception("internal_error")


async def _drain(connections: set[Connection], limits: Limits, hurry: asyncio.Event) -> None:
    """Close every connection with a code that says reconnect, batch after batch, and wait until they are gone.

    Small batches at an even pace, so that wherever the clients go next isn't met by all of them at once. No new
    connection comes in meanwhile: the gate answers 503. `hurry` ends the pacing and all but a moment of the wait, in
    which those who listen can read the code.
    """
    leaving = list(connections)
    batches = max(1, round(limits.drain_timeout_s / _DRAIN_INTERVAL_S))
    size = max(_DRAIN_BATCH_MIN, math.ceil(len(leaving) / batches))
    for start in range(0, len(leaving), size):
        if start:
            await _wait_for(hurry.wait(), _DRAIN_INTERVAL_S)
        for connection in leaving[start : start + size]:
            connection.close(CloseCode.SHUTTING_DOWN, "the server is ending or restarting")
    are_gone = asyncio.gather(*(connection.wait_closed() for connection in leaving))
    hurrying = asyncio.create_task(hurry.wait())
    await asyncio.wait((are_gone, hurrying), timeout=limits.close_timeout_s, return_when=asyncio.FIRST_COMPLETED)
    hurrying.cancel()
    await _wait_for(are_gone, _LAST_WORD_S if hurry.is_set() else 0)
    for connection in list(connections):
        connection.abort()


async def _wait_for(what: Awaitable[object], at_most_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(what, at_most_s)
