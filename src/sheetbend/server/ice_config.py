"""What the operator decided about STUN and TURN: one part of `ServerConfig`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Literal

from ..errors import ConfigurationError
from .admission import Network

__all__ = ["HOST_PLACEHOLDER", "IceConfig", "bracketed"]

HOST_PLACEHOLDER = "{host}"
"""In a URL for clients: the host by which they reached this server, which they alone know (PROTOCOL.md)."""

_HOST_AND_PORT = r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_STUN_URL = re.compile(rf"stuns?:{_HOST_AND_PORT}")
_TURN_URL = re.compile(rf"turns?:{_HOST_AND_PORT}(?:\?transport=(?:udp|tcp))?")
_NAME = re.compile(r"[A-Za-z0-9.-]{1,253}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IceConfig:
    """Raises ConfigurationError where two settings contradict each other or one makes no sense."""

    host: str | None = None
    """Address on which STUN and coturn listen; None for the server's own."""
    name: str | None = None
    """What clients call it; None where that is the host of the server's own URL."""
    stun_urls: Sequence[str] | None = None
    """STUN servers of others; None to answer STUN here, empty for none at all."""
    turn: Literal["coturn"] | None = None
    """Start and watch a coturn on this machine."""
    turn_urls: Sequence[str] = ()
    """A TURN server that exists and takes credentials made of a shared secret."""
    turn_secrets: Sequence[str] = field(default=(), repr=False)
    turn_secret_files: Sequence[Path] = ()
    turn_port: int = 3478
    turn_tls_port: int = 5349
    turn_relay_ports: tuple[int, int] = (49_152, 65_535)
    turn_external_ip: IPv4Address | IPv6Address | None = None
    """The public address that a NAT gives to this machine, port for port."""
    turn_allow: Sequence[Network] = ()
    """Networks that relayed data may go to though they are not of the internet."""

    def __post_init__(self) -> None:
        for url in self.stun_urls or ():
            if _STUN_URL.fullmatch(url) is None:
                raise ConfigurationError("bad_stun_url", f"--stun-url takes stun:HOST:PORT or none, not {url!r}.")
        for url in self.turn_urls:
            if _TURN_URL.fullmatch(url) is None:
                raise ConfigurationError(
                    "bad_turn_url", f"--turn-url takes turn:HOST:PORT?transport=udp and the like, not {url!r}."
                )
        if self.turn is not None and self.turn_urls:
            raise ConfigurationError("bad_turn", "Give either --turn coturn or --turn-url, not both.")
        if self.name is not None and not _is_name(self.name):
            raise ConfigurationError("bad_ice_name", f"--ice-name takes a host name or an address, not {self.name!r}.")
        self._check_coturn()

    def _check_coturn(self) -> None:
        for flag, port in (("--turn-port", self.turn_port), ("--turn-tls-port", self.turn_tls_port)):
            if not 1 <= port <= 65_535:
                raise ConfigurationError("bad_port", f"{flag} takes 1 to 65535, not {port}.")
        first, last = self.turn_relay_ports
        if not 1 <= first <= last <= 65_535:
            raise ConfigurationError(
                "bad_port", f"--turn-relay-ports takes two ports such as 49152-65535, not {first}-{last}."
            )
        if self.turn_port == self.turn_tls_port:
            raise ConfigurationError("bad_port", "--turn-port and --turn-tls-port are the same: give two.")
        if any(first <= port <= last for port in (self.turn_port, self.turn_tls_port)):
            raise ConfigurationError("bad_port", "--turn-relay-ports holds a port that coturn listens on: give others.")
        if self.turn is None and (self.turn_external_ip is not None or self.turn_allow):
            raise ConfigurationError(
                "bad_turn", "--turn-external-ip and --turn-allow do nothing without --turn coturn."
            )
        if not (self.turn or self.turn_urls) and self.turn_secret_files:
            raise ConfigurationError("bad_turn", "--turn-secret-file does nothing without --turn coturn or --turn-url.")
        for network in self.turn_allow:
            if not int(network.network_address):  # coturn would take its zero for "from anywhere", IPv4 included
                raise ConfigurationError("bad_network", f"--turn-allow can't take {network}: it begins at zero.")


def bracketed(host: str) -> str:
    """Return `host` as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def _is_name(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return _NAME.fullmatch(name) is not None
    return True
