"""Where relayed data must not go: every address that isn't of the public internet, in every spelling.

A TURN server sends wherever its users say, from inside the operator's network. Debian's coturn (4.6.1) compares what it
is told with its list as it stands, so `::ffff:127.0.0.1` passes a list that has 127.0.0.0/8 (CVE-2026-27624). It also
compares IPv6 addresses byte by byte and takes a range that begins at zero for one without a beginning, so that each
range here is a whole network, or one of a set of boxes that leave out zero (which coturn refuses by itself).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from ..admission import Network

__all__ = ["DENIED_IPV4", "DENIED_IPV6", "denied_ranges", "range_of"]

DENIED_IPV4: tuple[IPv4Network, ...] = tuple(
    IPv4Network(network)
    for network in (
        # IANA's registry of special-purpose addresses (RFC 6890), those included that it calls globally reachable.
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",  # the metadata of cloud machines, with their keys
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved, and broadcast
        "168.63.129.16/32",  # what an Azure machine asks its host, at an address that looks public
    )
)

_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that IANA has given out for it. The rest is denied as a whole: loopback, local and multicast addresses, and IPv4
as mapped (::ffff:0:0/96), compatible (::/96), translated (::ffff:0:0:0/96) and behind NAT64 (64:ff9b::/96 and
64:ff9b:1::/48)."""

DENIED_IPV6: tuple[IPv6Network, ...] = (
    *(network for network in IPv6Network("::/0").address_exclude(_GLOBAL_UNICAST)),
    *(
        IPv6Network(network)
        for network in (
            "2001::/23",  # IETF protocols, Teredo and its IPv4 addresses among them
            "2001:db8::/32",
            "2002::/16",  # 6to4, and its IPv4 addresses
            "2620:4f:8000::/48",
            "3fff::/20",
        )
    ),
)


def denied_ranges() -> list[str]:
    """Return the values of coturn's `denied-peer-ip`."""
    ranges = [range_of(network) for network in DENIED_IPV4]
    for network in DENIED_IPV6:
        ranges += [range_of(network)] if int(network.network_address) else _boxes_without_zero(network)
    return ranges


def range_of(network: Network) -> str:
    """Return a network as coturn writes it, which knows no prefixes."""
    return f"{network.network_address}-{network.broadcast_address}"


def _boxes_without_zero(network: IPv6Network) -> Iterable[str]:
    """One box for each byte that can be more than zero: it is at least 1 in there, and the others are anything."""
    last = network.broadcast_address
    for byte in range(16):
        if last.packed[byte]:
            yield f"{IPv6Address(1 << 8 * (15 - byte))}-{last}"
