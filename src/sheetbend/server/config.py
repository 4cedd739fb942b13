"""What the operator decided, read once and frozen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..core.limits import Limits
from ..errors import ConfigurationError
from .admission import Network
from .ice_config import IceConfig

__all__ = ["DEFAULT_PORTS", "Auth", "LogFormat", "LogLevel", "ServerConfig"]

Auth = Literal["none", "token"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]

DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_ORIGIN = re.compile(r"https?://[^/?#@\s,*]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """The server's settings. Raises ConfigurationError where two contradict each other or one makes no sense."""

    host: str = "127.0.0.1"
    port: int = 8080
    allow_origins: frozenset[str] = frozenset()
    """Origins besides the server's own whose pages may open `/ws`, as browsers write them."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_auto: bool = False
    """Make a self-signed certificate at start."""
    auth: Auth = "none"
    """`token`: whoever connects needs a token by one of the keys below."""
    token_secrets: Sequence[str] = field(default=(), repr=False)
    token_secret_files: Sequence[Path] = ()
    token_keys: Sequence[Path] = ()
    """Files with public keys: PEM or JWKS."""
    token_audience: str | None = None
    """What tokens must have in `aud`."""
    trusted_proxies: Sequence[Network] = ()
    """Whose `X-Forwarded-For` is believed."""
    ice: IceConfig = field(default_factory=IceConfig)
    """STUN and TURN."""
    relay_only: bool = False
    """Pass on nobody's own addresses."""
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ConfigurationError("bad_port", f"--port takes 0 to 65535, not {self.port}.")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigurationError("bad_tls", "--tls-cert and --tls-key go together: give both.")
        if self.tls_auto and self.tls_cert is not None:
            raise ConfigurationError("bad_tls", "Give either --tls auto or --tls-cert and --tls-key, not both.")
        if self.auth == "none" and (self.token_secret_files or self.token_keys or self.token_audience is not None):
            raise ConfigurationError("bad_auth", "Token keys and --token-audience do nothing without --auth token.")
        if self.token_audience == "":
            raise ConfigurationError("bad_auth", "--token-audience takes a name, not nothing.")
        if self.ice.turn and self._meets_coturn and self.port in (self.ice.turn_port, self.ice.turn_tls_port):
            raise ConfigurationError(
                "bad_port", f"--port {self.port} is coturn's: give another, or another --ice-host."
            )
        for origin in self.allow_origins:
            if _ORIGIN.fullmatch(origin) is None:
                raise ConfigurationError(
                    "bad_origin",
                    f"--allow-origin takes a scheme and a host such as https://example.org, not {origin!r}.",
                )
            if origin != origin.lower().removesuffix(DEFAULT_PORTS[origin.split(":")[0]]):
                raise ConfigurationError(
                    "bad_origin",
                    f"--allow-origin {origin} never matches: browsers send it in lower case, without a default port.",
                )

    @property
    def _meets_coturn(self) -> bool:
        """Whether the server listens where coturn does. STUN gives way to it: coturn answers it then."""
        hosts = {self.host, self.ice.host or self.host}
        return len(hosts) == 1 or not hosts.isdisjoint({"0.0.0.0", "::", ""})

    @property
    def is_secure(self) -> bool:
        return self.tls_auto or self.tls_cert is not None
