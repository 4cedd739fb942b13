"""`sheetbend serve`."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal

import segno
import structlog
import uvloop
from cyclopts import Group, Parameter

from ..errors import ConfigurationError
from ..server.admission import Network, parse_network
from ..server.app import Server
from ..server.config import Auth, LogFormat, LogLevel, ServerConfig
from ..server.logs import configure_logs
from ..server.token_keys import secrets_of
from .ice_options import IceOptions
from .limit_options import LimitOptions
from .numbers import Whole

__all__ = ["serve"]

log = structlog.get_logger("sheetbend")

_ACCESS = Group("Access", sort_key=1)
_NETWORKS = Group("STUN and TURN", sort_key=2)
_LIMITS = Group("Limits", sort_key=3)
_LIST = Parameter(negative="", show_default=False)
_DEFAULTS = LimitOptions()
_NO_TURN = IceOptions()


def serve(
    *,
    host: str = "127.0.0.1",
    port: Whole = 8080,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    tls: Annotated[Literal["auto"] | None, Parameter(show_choices=False)] = None,
    log_level: LogLevel = "info",
    log_format: LogFormat = "text",
    auth: Annotated[Auth, Parameter(group=_ACCESS)] = "none",
    token_secret_file: Annotated[tuple[Path, ...], _LIST, Parameter(group=_ACCESS)] = (),
    token_key: Annotated[tuple[Path, ...], _LIST, Parameter(group=_ACCESS)] = (),
    token_audience: Annotated[str | None, Parameter(group=_ACCESS)] = None,
    allow_origin: Annotated[tuple[str, ...], _LIST, Parameter(group=_ACCESS)] = (),
    trusted_proxy: Annotated[tuple[str, ...], _LIST, Parameter(group=_ACCESS)] = (),
    relay_only: Annotated[bool, Parameter(group=_NETWORKS, negative="")] = False,
    ice: Annotated[IceOptions, Parameter(name="*", group=_NETWORKS)] = _NO_TURN,
    limits: Annotated[LimitOptions, Parameter(name="*", group=_LIMITS)] = _DEFAULTS,
) -> None:
    """Serve rooms until Ctrl-C. Also: variables (SHEETBEND_PORT), TOML ([serve] port).

    Parameters
    ----------
    host
        Address; 0.0.0.0 or :: for the network.
    port
        Port; 0 takes a free one.
    tls_cert
        PEM certificate chain.
    tls_key
        PEM key of the certificate.
    tls
        auto: self-signed, so phones get their camera.
    log_level
        From:
    log_format
        For people or programs:
    auth
        token: only with one, see docs/tokens.md.
    token_secret_file
        Shared secret; or set SHEETBEND_TOKEN_SECRET.
    token_key
        Public key, PEM or JWKS; repeatable.
    token_audience
        What tokens must have in aud.
    allow_origin
        Another origin that may connect; repeatable.
    trusted_proxy
        Whose X-Forwarded-For counts, CIDR; repeatable.
    relay_only
        Pass nobody's own addresses on: TURN, or this server.
    """
    secrets = secrets_of(os.environ)
    config = ServerConfig(
        host=host,
        port=port,
        allow_origins=frozenset(allow_origin),
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_auto=tls == "auto",
        auth=auth,
        token_secrets=secrets,
        token_secret_files=token_secret_file,
        token_keys=token_key,
        token_audience=token_audience,
        trusted_proxies=tuple(_network(text) for text in trusted_proxy),
        ice=ice.as_config(),
        relay_only=relay_only,
        log_level=log_level,
        log_format=log_format,
        limits=limits.as_limits(),
    )
    configure_logs(config.log_level, config.log_format)
    if secrets and auth == "none":
        log.warning("token_secret_unused", hint="everybody may connect: say --auth token")
    _raise_file_limit()
    uvloop.run(_serve(config))


def _network(text: str) -> Network:
    try:
        return parse_network(text)
    except ValueError:
        raise ConfigurationError(
            "bad_proxy", f"--trusted-proxy takes an address or a network such as 10.0.0.0/8, not {text!r}."
        ) from None


async def _serve(config: ServerConfig) -> None:
    server = Server(config)
    await server.run(lambda: _announce(server))


def _announce(server: Server) -> None:
    """Print what to open. A phone can scan the LAN address."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without block characters shows no QR code
    here, *lan = server.urls
    print(f"Sheetbend is ready: {here}")
    if not (lan or server.is_loopback):
        lan = [here]
    for url in lan:
        print(f"On your network:    {url}")
        segno.make(url).terminal(compact=True)
    if server.fingerprint:
        print(
            "The certificate is self-signed: browsers will warn that the connection is not private. That is\n"
            "expected; choose to go on (Advanced, Proceed). Its SHA-256 fingerprint, to compare:\n"
            f"{server.fingerprint}"
        )
    elif lan:
        print("Browsers give cameras to secure pages only: add --tls auto to use them from another device.")
    sys.stdout.flush()


def _raise_file_limit() -> None:
    """A connection is a file; take as many as this user may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS names a limit that it then refuses
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
