"""Finds out how a network treats UDP and TCP, by trying: mapping and filtering as RFC 5780 (4.3, 4.4) tells them.

Plain sockets of the lab's own at both ends: what they see is what a browser's would.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from .lab import SERVER_ADDRESS, TURN_ADDRESS, Lab, Peer
from .namespaces import Namespace
from .nat import Dependence

__all__ = ["Address", "Probe", "reaches_tcp", "udp_socket"]

Address = tuple[str, int]

#: How long to wait for what may never come. Without a delay a packet takes some 50 µs.
SILENCE_S = 0.5
#: A packet of any size takes some 800 bytes of it or more.
RECEIVE_BUFFER_BYTES = 4 << 20
#: Linux's; past `rmem_max`, which root may be. Python doesn't name it.
_SO_RCVBUFFORCE = 33


def udp_socket(namespace: Namespace, address: str = "0.0.0.0", port: int = 0) -> socket.socket:
    """A UDP socket that lives in `namespace`."""

    def make() -> socket.socket:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        udp.bind((address, port))
        udp.settimeout(SILENCE_S)
        return udp

    return namespace.call(make)


class Probe:
    """One socket in a peer's host, and four of the server's: two addresses with two ports each."""

    def __init__(self, lab: Lab, peer: Peer, stack: ExitStack) -> None:
        def keep(udp: socket.socket) -> socket.socket:
            return stack.enter_context(udp)

        self._own = keep(udp_socket(peer.host))
        self._primary = keep(udp_socket(lab.site, SERVER_ADDRESS))
        self._other_port = keep(udp_socket(lab.site, SERVER_ADDRESS))
        self._other_address = keep(udp_socket(lab.site, TURN_ADDRESS, self._primary.getsockname()[1]))
        self._other_both = keep(udp_socket(lab.site, TURN_ADDRESS))
        self._host = peer.host_address

    @classmethod
    @contextmanager
    def of(cls, lab: Lab, peer: Peer) -> Iterator[Probe]:
        with ExitStack() as stack:
            yield cls(lab, peer, stack)

    @property
    def local(self) -> Address:
        return self._host, self._own.getsockname()[1]

    def mapped(self) -> Address | None:
        """Where the server's first socket sees us; None if it doesn't."""
        return self._seen_by(self._primary)

    def mapped_by_all(self) -> set[Address | None]:
        """Where each of the server's four sockets sees us."""
        return {
            self._seen_by(server) for server in (self._primary, self._other_port, self._other_address, self._other_both)
        }

    def mapping(self) -> Dependence | None:
        """What the mapping depends on (RFC 5780, 4.3); None if no UDP comes through."""
        first = self._seen_by(self._primary)
        if first is None:
            return None
        second = self._seen_by(self._other_address)
        if second == first:
            return Dependence.ENDPOINT_INDEPENDENT
        is_port_ignored = self._seen_by(self._other_both) == second
        return Dependence.ADDRESS_DEPENDENT if is_port_ignored else Dependence.ADDRESS_AND_PORT_DEPENDENT

    def filtering(self) -> Dependence | None:
        """Who may send to a mapping (RFC 5780, 4.4); None if no UDP comes through.

        The last answer always gets in, so nothing waits for what was filtered. Ask on a fresh socket: who was written
        to before may write.
        """
        mapped = self._seen_by(self._primary)
        if mapped is None:
            return None
        for number, sender in enumerate([self._other_both, self._other_port, self._primary]):
            sender.sendto(bytes([number]), mapped)
        came = set()
        while 2 not in came:
            came |= set(self._own.recv(16))
        if 0 in came:
            return Dependence.ENDPOINT_INDEPENDENT
        return Dependence.ADDRESS_DEPENDENT if 1 in came else Dependence.ADDRESS_AND_PORT_DEPENDENT

    def comes_in(self, mapped: Address) -> bool:
        """Whether the server's first socket reaches us at this address now."""
        self._primary.sendto(b"hello", mapped)
        return self.hears()

    def send(self, to: Address) -> None:
        """Send a packet from the peer's socket."""
        self._own.sendto(b"hello", to)

    def hears(self) -> bool:
        """Whether a packet comes to the peer's socket."""
        try:
            return bool(self._own.recv(16))
        except TimeoutError:
            return False

    def _seen_by(self, server: socket.socket) -> Address | None:
        self._own.sendto(b"who am I", server.getsockname())
        try:
            address: Address = server.recvfrom(16)[1]
        except TimeoutError:
            return None
        return address


def reaches_tcp(lab: Lab, peer: Peer, port: int) -> bool:
    """Whether the peer can open a TCP connection to this port of the server's site."""
    with lab.site.call(lambda: socket.create_server((SERVER_ADDRESS, port))):
        try:
            peer.host.call(lambda: socket.create_connection((SERVER_ADDRESS, port), SILENCE_S)).close()
        except (TimeoutError, ConnectionError):
            return False
        return True
