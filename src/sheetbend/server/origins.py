"""Which pages may open a WebSocket here (RFC 6454, RFC 6455 section 10.2)."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["is_origin_allowed"]

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_origin_allowed(
    origins: Sequence[str], hosts: Sequence[str], allowed: frozenset[str], *, is_secure: bool
) -> bool:
    """Decide by the `Origin` and `Host` headers of a request, each given as all its values.

    No Origin means a native client, which no browser can be made to pose as. Anything else must be the server's own
    origin (scheme, host and port) or stand in `allowed`, letter for letter.
    """
    if not origins:
        return True
    if len(origins) != 1:
        return False
    origin = origins[0]
    if origin in allowed:
        return True
    scheme = "https" if is_secure else "http"
    return len(hosts) == 1 and origin.lower() == f"{scheme}://{hosts[0].lower().removesuffix(_DEFAULT_PORTS[scheme])}"
