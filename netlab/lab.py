"""The lab's networks: an internet, a server's site, and two peers, each a host behind a router of its own.

    a.host 10.0.1.2 ── a.router 192.0.2.1 ──┐
                                            internet ── server 198.51.100.1, TURN 198.51.100.2
    b.host 10.0.2.2 ── b.router 203.0.113.1 ┘

Every packet between two sites crosses the internet, which can take its time (`round_trip_ms`). IPv4 only.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from .conntrack import forget_flows
from .namespaces import Namespace, remove_leftovers
from .nat import OPEN, UDP_MARK, Nat

__all__ = ["PRIVATE_NETWORKS", "ROOT", "SERVER_ADDRESS", "SERVER_PORT", "TURN_ADDRESS", "Lab", "Peer"]

ROOT = Path(__file__).parents[1]
SERVER_ADDRESS = "198.51.100.1"
#: The one that networks leave open when they leave nothing else open.
SERVER_PORT = 443
#: A second address, so that TURN can have port 443 as well.
TURN_ADDRESS = "198.51.100.2"
#: All addresses here are special ones, to which a TURN server relays only where it is told so.
PRIVATE_NETWORKS = ("10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")

_DELAY = "delay"
_DELAY_TABLE = 100


class Peer:
    """A host, and the router that stands between it and the internet."""

    def __init__(
        self, name: str, host: Namespace, router: Namespace, internet: Namespace, *, inside: str, outside: str
    ) -> None:
        self.name = name
        self.host = host
        self.router = router
        self.nat = OPEN
        self._inside = inside
        self._outside = outside
        self._host_number = 2
        self._udp_number = 1
        self.router.ip(
            f"link add name outside type veth peer name peer-{name} netns {internet.name}",
            f"link add name inside type veth peer name net netns {self.host.name}",
            f"addr add {outside}.1/24 dev outside",
            f"addr add {outside}.2/24 dev outside",
            f"addr add {inside}.1/24 dev inside",
            "link set outside up",
            "link set inside up",
            f"route add default via {outside}.254",
        )
        self.router.set("ipv4/ip_forward", 1)
        internet.ip(
            f"addr add {outside}.254/24 dev peer-{name}",
            f"link set peer-{name} up",
            # For the open network; what stands behind a NAT is hidden by the NAT.
            f"route add {inside}.0/24 via {outside}.1",
        )
        self.host.ip("link set net up")
        self._address_host()
        self.stand_behind(OPEN)

    @property
    def host_address(self) -> str:
        return f"{self._inside}.{self._host_number}"

    @property
    def udp_address(self) -> str:
        """Where UDP of the host comes from, as the internet sees it."""
        return f"{self._outside}.{self._udp_number}" if self.nat.translates else self.host_address

    def stand_behind(self, nat: Nat) -> None:
        """Change the router for another, which knows no flows yet."""
        self.nat = nat
        self._load()
        forget_flows(self.router)

    def rebind(self) -> None:
        """Lose the router's UDP mappings, and get others from another address of its pool (RFC 4787, 4.1).

        TCP flows stay. Without a NAT nothing changes.
        """
        self._udp_number = 3 - self._udp_number
        self._load()
        forget_flows(self.router, UDP_MARK)

    def change_address(self) -> None:
        """Give the host another address in place of its own, as from one Wi-Fi to another."""
        self._host_number += 1
        self._address_host()
        self._load()

    def _address_host(self) -> None:
        self.host.ip(
            "addr flush dev net",
            f"addr add {self.host_address}/24 dev net",
            f"route add default via {self._inside}.1",
        )

    def _load(self) -> None:
        udp_outside, tcp_outside = f"{self._outside}.{self._udp_number}", f"{self._outside}.1"
        self.router.nft(self.nat.rules(host=self.host_address, udp_outside=udp_outside, tcp_outside=tcp_outside))


class Lab:
    """All of it; made on entering the context, gone on leaving it."""

    internet: Namespace
    site: Namespace
    a: Peer
    b: Peer

    def __init__(self, *, round_trip_ms: float = 0) -> None:
        self.round_trip_ms = round_trip_ms
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        remove_leftovers()
        with ExitStack() as stack:
            self.internet = self._namespace(stack, "internet")
            self.internet.set("ipv4/ip_forward", 1)
            # What comes out of the delay came in elsewhere.
            self.internet.set("ipv4/conf/all/rp_filter", 0)
            self.internet.set("ipv4/conf/default/rp_filter", 0)
            self.site = self._namespace(stack, "server")
            self._connect_site()
            self.a = self._peer(stack, "a", inside="10.0.1", outside="192.0.2")
            self.b = self._peer(stack, "b", inside="10.0.2", outside="203.0.113")
            if self.round_trip_ms:
                self._delay(stack)
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exit.close()

    @property
    def peers(self) -> tuple[Peer, Peer]:
        return self.a, self.b

    def _connect_site(self) -> None:
        self.site.ip(
            f"link add name net type veth peer name site netns {self.internet.name}",
            f"addr add {SERVER_ADDRESS}/24 dev net",
            f"addr add {TURN_ADDRESS}/24 dev net",
            "link set net up",
            "route add default via 198.51.100.254",
        )
        self.internet.ip("addr add 198.51.100.254/24 dev site", "link set site up")

    def _delay(self, stack: ExitStack) -> None:
        self.internet.ip(
            f"tuntap add dev {_DELAY} mode tun",
            f"link set {_DELAY} txqueuelen 10000 up",
            f"route add default dev {_DELAY} table {_DELAY_TABLE}",
            *(f"rule add iif {interface} lookup {_DELAY_TABLE}" for interface in ("site", "peer-a", "peer-b")),
        )
        self.internet.set(f"ipv4/conf/{_DELAY}/rp_filter", 0)
        command = [sys.executable, "-m", "netlab.delay", _DELAY, str(self.round_trip_ms / 2)]
        process = self.internet.start(command, cwd=ROOT, stdout=subprocess.PIPE)
        stack.enter_context(process)
        stack.callback(process.kill)
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the delay did not start")

    @staticmethod
    def _namespace(stack: ExitStack, part: str) -> Namespace:
        namespace = Namespace(part)
        stack.callback(namespace.remove)
        return namespace

    def _peer(self, stack: ExitStack, name: str, *, inside: str, outside: str) -> Peer:
        host, router = self._namespace(stack, f"{name}-host"), self._namespace(stack, f"{name}-router")
        return Peer(name, host, router, self.internet, inside=inside, outside=outside)
