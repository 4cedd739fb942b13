"""The networks people sit in, in the words of RFC 4787 and RFC 5780, and as nftables rules.

The rules promise what the words say; `probes.py` finds out whether they keep it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = [
    "FULL_CONE",
    "NATS",
    "OPEN",
    "PORT_RESTRICTED",
    "SYMMETRIC",
    "TCP_443",
    "TCP_MARK",
    "UDP_BLOCKED",
    "UDP_MARK",
    "Dependence",
    "Nat",
]

#: On every flow that the router knows, so that those of one protocol can be forgotten (`conntrack.py`).
UDP_MARK = 17
TCP_MARK = 6


class Dependence(Enum):
    """What a mapping, or who may send to it, depends on (RFC 4787, 4.1 and 5)."""

    ENDPOINT_INDEPENDENT = "endpoint-independent"
    ADDRESS_DEPENDENT = "address-dependent"
    ADDRESS_AND_PORT_DEPENDENT = "address-and-port-dependent"


@dataclass(frozen=True)
class Nat:
    """A kind of network, as seen by a host in it."""

    name: str
    #: Of UDP. None: no UDP comes through.
    mapping: Dependence | None
    filtering: Dependence | None
    #: Whether addresses are translated at all.
    translates: bool = True
    #: Which TCP ports of the outside can be reached. None: all.
    tcp_ports: frozenset[int] | None = None

    @property
    def passes_udp(self) -> bool:
        return self.mapping is not None

    def rules(self, *, host: str, udp_outside: str, tcp_outside: str) -> str:
        """Return the router's rules, which take the place of its former ones and leave faults alone.

        The router's interfaces are called `inside` and `outside`.
        """
        return f"""
table ip network
delete table ip network
table ip network {{
  # The ports that are mapped to the host, a full cone's openings. RFC 4787, REQ-5: at least two minutes.
  set mapped {{ type inet_service; flags dynamic,timeout; timeout 5m; }}
  chain prerouting {{ type nat hook prerouting priority dstnat;{self._inbound(host)} }}
  chain postrouting {{ type nat hook postrouting priority srcnat;{self._outbound(udp_outside, tcp_outside)} }}
  # Unasked packets to the router itself are dropped, not answered: a packet that came too early would else be kept as
  # a flow of the router's own, and the flow that the host then begins would get another port, as if symmetric.
  chain input {{ type filter hook input priority filter; iifname "outside" ct state new drop; }}
  chain forward {{
    type filter hook forward priority filter;
    meta l4proto udp ct mark set {UDP_MARK}
    meta l4proto tcp ct mark set {TCP_MARK}
    {self._forwarding()}
  }}
}}"""

    def _inbound(self, host: str) -> str:
        if not self.translates or self.filtering is not Dependence.ENDPOINT_INDEPENDENT:
            return ""
        return f' iifname "outside" udp dport @mapped dnat to {host};'

    def _outbound(self, udp_outside: str, tcp_outside: str) -> str:
        if not self.translates:
            return ""
        # Linux keeps the port where it is free, and so one mapping for all remote endpoints; unless told not to.
        is_symmetric = self.mapping is Dependence.ADDRESS_AND_PORT_DEPENDENT
        udp = f"meta l4proto udp snat to {udp_outside}{' fully-random' if is_symmetric else ''}"
        return f' oifname "outside" {udp}; oifname "outside" snat to {tcp_outside};'

    def _forwarding(self) -> str:
        lines = []
        if not self.passes_udp:
            lines.append("meta l4proto udp drop")
        elif self.translates and self.filtering is Dependence.ENDPOINT_INDEPENDENT:
            lines.append('oifname "outside" update @mapped { udp sport }')
        if self.tcp_ports is not None:
            ports = ", ".join(map(str, sorted(self.tcp_ports)))
            lines.append(f'oifname "outside" tcp dport != {{ {ports} }} drop')
        if self.translates:
            lines.append('iifname "outside" ct state new ct status & dnat == 0 drop')
        return "\n    ".join(lines)


_INDEPENDENT = Dependence.ENDPOINT_INDEPENDENT
_DEPENDENT = Dependence.ADDRESS_AND_PORT_DEPENDENT

OPEN = Nat("open", _INDEPENDENT, _INDEPENDENT, translates=False)
FULL_CONE = Nat("full-cone", _INDEPENDENT, _INDEPENDENT)
PORT_RESTRICTED = Nat("port-restricted", _INDEPENDENT, _DEPENDENT)
SYMMETRIC = Nat("symmetric", _DEPENDENT, _DEPENDENT)
UDP_BLOCKED = Nat("udp-blocked", None, None)
TCP_443 = Nat("tcp-443", None, None, tcp_ports=frozenset({443}))

NATS = {nat.name: nat for nat in (OPEN, FULL_CONE, PORT_RESTRICTED, SYMMETRIC, UDP_BLOCKED, TCP_443)}
