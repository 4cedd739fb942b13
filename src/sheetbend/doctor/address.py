"""Where a server is, from what people have at hand: its WebSocket's address, a page's, or a room's link."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import ConfigurationError

__all__ = ["ServerAddress", "parse_address"]

_IS_SECURE = {"http": False, "ws": False, "https": True, "wss": True}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """`host` has no brackets, `path` is the WebSocket's."""

    host: str
    port: int
    is_secure: bool
    path: str = "/ws"

    @property
    def authority(self) -> str:
        """As in a URL: with brackets around IPv6, without the scheme's own port."""
        host = bracketed(self.host)
        return host if self.port == (443 if self.is_secure else 80) else f"{host}:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"{'wss' if self.is_secure else 'ws'}://{self.authority}{self.path}"


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def parse_address(text: str) -> ServerAddress:
    """Take `wss://host/ws`, or `https://host` with whatever behind it: what stands behind `#` may be a room's secret.

    Raises ConfigurationError.
    """
    try:
        parts = urlsplit(text.strip())
        is_secure = _IS_SECURE[parts.scheme]
        host, port = parts.hostname, parts.port
    except (ValueError, KeyError):
        host = None
    if not host or parts.username is not None or any(not char.isprintable() or char.isspace() for char in host):
        raise ConfigurationError(
            "bad_url", "doctor takes an address such as https://example.org or wss://example.org/ws, nothing else."
        )
    path = parts.path if parts.scheme in ("ws", "wss") and parts.path.strip("/") else "/ws"
    return ServerAddress(host, port or (443 if is_secure else 80), is_secure, path)
