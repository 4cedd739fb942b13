"""STUN and TURN of one node: what the configuration asks for, from start to stop.

Whatever of it doesn't work costs a warning that says what to do: rooms go on without, over the WebSocket.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from ..errors import ConfigurationError
from .config import ServerConfig
from .ice_config import HOST_PLACEHOLDER, bracketed
from .ice_servers import IceServers
from .stun import StunServer, bind_stun
from .turn.coturn import CoturnSettings, settings_of
from .turn.credentials import TURN_SECRET_VARIABLES, load_turn_secrets

if TYPE_CHECKING:
    from .turn.service import TurnService

__all__ = ["Ice"]

log = structlog.get_logger("sheetbend")


class Ice:
    """`port` is that of the server, whose UDP twin answers STUN. `clock` is monotonic, in seconds.

    Raises ConfigurationError for what can't be meant; what is only in the way now is logged.
    """

    def __init__(self, config: ServerConfig, port: int, clock: Callable[[], float]) -> None:
        self._config = config
        self._host = config.host if config.ice.host is None else config.ice.host
        stun_port = port if config.ice.stun_urls is None else None
        turn_secrets = load_turn_secrets(config.ice.turn_secrets, config.ice.turn_secret_files)
        coturn = None
        if config.ice.turn is not None:
            turn_secrets = turn_secrets or [secrets.token_hex(32)]
            coturn = settings_of(
                config.ice,
                self._host,
                stun_port=stun_port,
                secrets=turn_secrets,
                tls_cert=config.tls_cert,
                tls_key=config.tls_key,
                limits=config.limits,
            )
        elif config.ice.turn_urls and not turn_secrets:
            raise ConfigurationError(
                "no_turn_secret",
                f"--turn-url needs the secret of that server: set {TURN_SECRET_VARIABLES[0]} or give "
                "--turn-secret-file.",
            )
        elif turn_secrets and not config.ice.turn_urls:
            log.warning("turn_secret_unused", hint="say --turn coturn, or where TURN is: --turn-url")
        does_coturn = coturn is not None and coturn.answers_stun
        self._stun = None if stun_port is None or does_coturn else self._open_stun(stun_port, clock)
        self._stun_port = stun_port if does_coturn else self._stun and self._stun.port
        self.servers = IceServers(self._stun_urls(), turn_secrets[0] if turn_secrets else None, limits=config.limits)
        """What sessions are told."""
        self._turn = self._turn_service(turn_secrets, coturn)
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._stun is not None:
            self._stun.start()
        if self._turn is not None:
            self._running = asyncio.create_task(self._turn.run())

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
        if self._stun is not None:
            self._stun.close()

    def _turn_service(self, turn_secrets: list[str], coturn: CoturnSettings | None) -> TurnService | None:
        if coturn is None and not self._config.ice.turn_urls:
            return None
        from .turn.service import TurnService  # its TURN client takes 50 ms to load, which few need

        return TurnService(self._config.ice, turn_secrets[0], self.servers.offer_turn, coturn)

    def _open_stun(self, port: int, clock: Callable[[], float]) -> StunServer | None:
        try:
            return StunServer(bind_stun(self._host, port), self._config.limits, clock)
        except ConfigurationError as error:
            if error.code == "bad_host":
                raise
            log.warning("stun_unavailable", hint=error.sentence)
            return None

    def _stun_urls(self) -> list[str]:
        ice = self._config.ice
        if ice.stun_urls is not None:
            return list(ice.stun_urls)
        if self._stun_port is None:
            return []
        if _is_loopback(self._host) and self._is_behind_proxy() and ice.name is None:
            log.warning(
                "ice_out_of_reach",
                hint=f"STUN and TURN listen on {self._host}, where no proxy passes them on: give --ice-host 0.0.0.0",
            )
            return []
        host = HOST_PLACEHOLDER if ice.name is None else bracketed(ice.name)
        return [f"stun:{host}:{self._stun_port}"]

    def _is_behind_proxy(self) -> bool:
        origins = (urlsplit(origin).hostname or "" for origin in self._config.allow_origins)
        return bool(self._config.trusted_proxies) or not all(map(_is_loopback, origins))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
