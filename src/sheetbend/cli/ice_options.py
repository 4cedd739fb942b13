"""STUN and TURN as flags (`server/ice_config.py` says what each means)."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ..errors import ConfigurationError
from ..server.admission import Network, parse_network
from ..server.ice_config import IceConfig
from ..server.turn.credentials import turn_secrets_of
from .numbers import Whole

__all__ = ["IceOptions"]

_DEFAULTS = IceConfig()
_LIST = Parameter(negative="", show_default=False)
_PORTS = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class IceOptions:
    """What `sheetbend serve` takes. `as_config` checks it."""

    ice_host: str | None = None
    """Address for STUN and TURN; left out: --host."""
    ice_name: str | None = None
    """What clients call it; left out: as in the page."""
    stun_url: Annotated[tuple[str, ...], _LIST] = ()
    """Another STUN server, or none; repeatable."""
    turn: Annotated[Literal["coturn"] | None, Parameter(show_choices=False)] = None
    """coturn: start one, see docs/nat.md."""
    turn_url: Annotated[tuple[str, ...], _LIST] = ()
    """A TURN server that exists; repeatable."""
    turn_secret_file: Annotated[tuple[Path, ...], _LIST] = ()
    """Its secret; or set SHEETBEND_TURN_SECRET."""
    turn_port: Whole = _DEFAULTS.turn_port
    """coturn's port."""
    turn_tls_port: Whole = _DEFAULTS.turn_tls_port
    """The same for TLS."""
    turn_relay_ports: str = "{}-{}".format(*_DEFAULTS.turn_relay_ports)
    """UDP ports it relays from."""
    turn_external_ip: str | None = None
    """Public address of a machine behind NAT."""
    turn_allow: Annotated[tuple[str, ...], _LIST] = ()
    """Private network it may reach, CIDR."""

    def as_config(self) -> IceConfig:
        """Raises ConfigurationError for what makes no sense."""
        return IceConfig(
            host=self.ice_host,
            name=self.ice_name,
            stun_urls=_stun_urls(self.stun_url),
            turn=self.turn,
            turn_urls=self.turn_url,
            turn_secrets=turn_secrets_of(os.environ),
            turn_secret_files=self.turn_secret_file,
            turn_port=self.turn_port,
            turn_tls_port=self.turn_tls_port,
            turn_relay_ports=_ports(self.turn_relay_ports),
            turn_external_ip=None if self.turn_external_ip is None else _address(self.turn_external_ip),
            turn_allow=[_network(text) for text in self.turn_allow],
        )


def _stun_urls(urls: Sequence[str]) -> Sequence[str] | None:
    if list(urls) == ["none"]:
        return ()
    return urls or None


def _ports(text: str) -> tuple[int, int]:
    match = _PORTS.fullmatch(text)
    if match is None:
        raise ConfigurationError("bad_port", f"--turn-relay-ports takes two ports such as 49152-65535, not {text!r}.")
    return int(match[1]), int(match[2])


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise ConfigurationError("bad_turn", f"--turn-external-ip takes an address, not {text!r}.") from None


def _network(text: str) -> Network:
    try:
        return parse_network(text)
    except ValueError:
        raise ConfigurationError(
            "bad_network", f"--turn-allow takes an address or a network such as 192.168.0.0/16, not {text!r}."
        ) from None
