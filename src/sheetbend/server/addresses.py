"""Sockets to listen on, and the addresses that people can open."""

from __future__ import annotations

import errno
import ipaddress
import socket

from ..errors import ConfigurationError

__all__ = ["BACKLOG", "bind", "is_loopback", "lan_address", "public_hosts"]

BACKLOG = 4096
"""Connections that the kernel keeps until they are accepted. Whoever comes past them waits a second and tries again."""


def bind(host: str, port: int) -> socket.socket:
    """Return a bound TCP socket. `::` takes IPv4 too. Raises ConfigurationError with what to do."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise ConfigurationError("bad_host", f"There is no address {host!r}: give another --host.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _explain(error, host, port) from None
    listener.setblocking(False)
    return listener


def public_hosts(listener: socket.socket) -> list[str]:
    """Return the hosts under which a browser reaches `listener`: this machine's first, then its LAN address."""
    host = listener.getsockname()[0]
    address = ipaddress.ip_address(host)
    if not address.is_unspecified:
        return [host]
    lan = lan_address()
    return ["localhost", lan] if lan else ["localhost"]


def is_loopback(listener: socket.socket) -> bool:
    """Whether only programs of this machine reach `listener`."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def lan_address() -> str | None:
    """Return the IPv4 address this machine has on its way out, None without a network. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: an address for documentation
        except OSError:
            return None
        host: str = probe.getsockname()[0]
    address = ipaddress.ip_address(host)
    return None if address.is_loopback or address.is_unspecified else host  # a route can be there without an address


def _explain(error: OSError, host: str, port: int) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            "port_taken", f"Port {port} on {host} is taken: give another --port, or 0 for a free one."
        )
    if error.errno == errno.EACCES:
        return ConfigurationError(
            "port_forbidden", f"Port {port} may not be opened by this user: give a --port from 1024 on."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigurationError("bad_host", f"{host} is not an address of this machine: give another --host.")
    return ConfigurationError("bad_address", f"Can't listen on {host} port {port}: {error.strerror}.")
