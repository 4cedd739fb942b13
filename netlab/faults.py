"""What happens to networks, by name. A context is a fault that lasts; a function is one that happens.

    with faults.udp_cut(lab.a), faults.loss(lab.b, 5):
        faults.rebind(lab.a)

Each lasting fault is an nftables table of its own on the peer's router, in front of the network's own rules, and is
gone with it. The server's own fault is `Server.restart`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .lab import SERVER_ADDRESS, SERVER_PORT, Peer

__all__ = ["change_address", "loss", "rate", "rebind", "udp_cut", "websocket_cut", "websocket_lost"]

_SERVER_WAYS = (
    f"ip daddr {SERVER_ADDRESS} tcp dport {SERVER_PORT}",
    f"ip saddr {SERVER_ADDRESS} tcp sport {SERVER_PORT}",
)


@contextmanager
def udp_cut(peer: Peer) -> Iterator[None]:
    """No UDP, in either direction."""
    with _rules(peer, "udp_cut", "meta l4proto udp drop"):
        yield


@contextmanager
def loss(peer: Peer, percent: int) -> Iterator[None]:
    """Each packet is lost by this chance, in either direction."""
    with _rules(peer, "loss", f"numgen random mod 100 < {percent} drop"):
        yield


@contextmanager
def rate(peer: Peer, kbit_per_s: int) -> Iterator[None]:
    """The line carries no more than this, in either direction, and queues for 200 ms."""
    for interface in ("inside", "outside"):
        bucket = ("rate", f"{kbit_per_s}kbit", "burst", "5kb", "latency", "200ms")
        peer.router.run("tc", "qdisc", "replace", "dev", interface, "root", "tbf", *bucket)
    try:
        yield
    finally:
        for interface in ("inside", "outside"):
            peer.router.run("tc", "qdisc", "del", "dev", interface, "root")


@contextmanager
def websocket_cut(peer: Peer) -> Iterator[None]:
    """Connections to the server are reset at their next packet, and no others come about."""
    with _rules(peer, "websocket_cut", *(f"{way} reject with tcp reset" for way in _SERVER_WAYS)):
        yield


@contextmanager
def websocket_lost(peer: Peer) -> Iterator[None]:
    """Connections to the server carry nothing any more, and nobody says so."""
    with _rules(peer, "websocket_lost", *(f"{way} drop" for way in _SERVER_WAYS)):
        yield


def rebind(peer: Peer) -> None:
    """The NAT loses its UDP mappings, and new ones have another address."""
    peer.rebind()


def change_address(peer: Peer) -> None:
    """The host's interface gets another address in place of its own."""
    peer.change_address()


@contextmanager
def _rules(peer: Peer, name: str, *rules: str) -> Iterator[None]:
    chain = f"type filter hook forward priority filter - 1; {'; '.join(rules)};"
    peer.router.nft(f"table ip fault_{name} {{ chain forward {{ {chain} }}; }}")
    try:
        yield
    finally:
        peer.router.nft(f"delete table ip fault_{name}")
