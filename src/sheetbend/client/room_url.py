"""Addresses of rooms, as the app shows them: `https://host/r/NAME#SECRET`. `web/app/src/route.ts` reads the same."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from ..errors import ClientError

__all__ = ["RoomAddress", "parse_room_url"]

_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_PAGE = re.compile(r"/r/([^/]+)/?")
_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class RoomAddress:
    """`url` is the WebSocket's. `room` is None in an address of a server alone, `secret` in a link without one."""

    url: str
    room: str | None
    secret: str | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """As it stands in a URL, with brackets around IPv6."""
        host = urlsplit(self.url).hostname or ""
        return f"[{host}]" if ":" in host else host


def parse_room_url(url: str) -> RoomAddress:
    """Take a room's link, a server's page, or `wss://host/ws`.

        parse_room_url("https://example.org/r/demo#secret").room

    Raises ClientError `invalid_argument`.
    """
    text = url.strip()
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        scheme = _WEBSOCKET_SCHEMES[parts.scheme]
        is_bad = not parts.hostname or parts.port == 0 or parts.username is not None or not parts.netloc.isascii()
    except (ValueError, KeyError):
        is_bad = True
    if is_bad or any(char.isspace() or not char.isprintable() for char in text):
        raise ClientError(
            "invalid_argument",
            "A room's link looks like https://example.org/r/demo#secret, or give wss://example.org/ws.",
        )
    if parts.scheme in ("ws", "wss"):
        path = quote(parts.path, safe="/%:@!$&'()*+,;=~") if parts.path.strip("/") else "/ws"
        return RoomAddress(f"{scheme}://{parts.netloc}{path}", None, _secret(parts.fragment))
    page = _PAGE.fullmatch(parts.path)
    room = None if page is None else _decoded(page[1])
    return RoomAddress(f"{scheme}://{parts.netloc}/ws", room, _secret(parts.fragment))


def _secret(fragment: str) -> str | None:
    """None for no text only: a secret that is spelled wrong opens nothing, but it must not count as none."""
    return (_decoded(fragment) or fragment) or None


def _decoded(encoded: str) -> str | None:
    """As a browser decodes; None for what it wouldn't."""
    if _STRAY.search(encoded):
        return None
    try:
        return unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        return None
