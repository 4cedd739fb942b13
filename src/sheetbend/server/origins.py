"""Which pages may open a WebSocket here (RFC 6454, RFC 6455 section 10.2)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from .config import DEFAULT_PORTS

__all__ = ["is_origin_allowed"]


def is_origin_allowed(
    origins: Sequence[str], hosts: Sequence[str], allowed: frozenset[str], *, is_secure: bool, is_loopback: bool
) -> bool:
    """Decide by the `Origin` and `Host` headers of a request, each given as all its values.

    No Origin means a native client, which no browser can be made to pose as. Anything else must stand in `allowed`,
    letter for letter, or be the server's own origin: scheme, host and port. A server that listens on loopback alone has
    no names but loopback's, so that a page whose name is made to lead there (DNS rebinding) stays outside.
    """
    if not origins:
        return True
    if len(origins) != 1:
        return False
    origin = origins[0]
    if origin in allowed:
        return True
    if len(hosts) != 1:
        return False
    scheme = "https" if is_secure else "http"
    host = hosts[0].lower().removesuffix(DEFAULT_PORTS[scheme])
    if is_loopback and not _names_loopback(re.sub(r":\d+$", "", host)):
        return False
    return origin.lower() == f"{scheme}://{host}"


def _names_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761 section 6.3
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
