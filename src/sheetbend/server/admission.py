"""Who may connect, by address: what each may do how often, and how many connections it may hold.

Leaves to others: the answers (`gate`, `greeter`, `hub`), and which pages may connect (`origins`).
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from msgspec import Struct

from ..core.limits import Limits
from ..core.rate_limits import TokenBucket

__all__ = ["AddressRecord", "Admission", "Lease", "Network", "TooMany", "parse_network"]

Network = IPv4Network | IPv6Network

_FORGOTTEN_PER_TICK_MAX = 1024
_HOPS_MAX = 16
"""Trusted proxies in a row; past them the last one counts as the client."""
_SLOT_WAIT_S = 10
"""When to try again at the bound of connections: nobody knows when one ends."""


class TooMany(Struct, frozen=True):
    """An address may not connect now: HTTP 429."""

    sentence: str
    retry_after_s: float


class Admission:
    """The table of addresses. `clock` is monotonic, in seconds.

    An address stands in it while it holds connections, or is remembered for what it did; see `idle_addresses_max`.
    """

    def __init__(self, limits: Limits, trusted_proxies: Sequence[Network], clock: Callable[[], float]) -> None:
        self._limits = limits
        self._trusted_proxies = trusted_proxies
        self._clock = clock
        self._busy: dict[str, AddressRecord] = {}
        self._idle: OrderedDict[str, AddressRecord] = OrderedDict()
        """In the order in which they became idle."""

    def __len__(self) -> int:
        """How many addresses are known."""
        return len(self._busy) + len(self._idle)

    def admit(self, address: str) -> Lease | TooMany:
        """Count a handshake and, if there is a place for it, a connection of `address`, as `address_of` gives it."""
        now = self._clock()
        record = self._busy.get(address) or self._idle.get(address)
        if record is None:
            record = AddressRecord(address, self._limits, now, self._moved)
        wait_s = record.take_handshake(now)
        if wait_s > 0:
            return TooMany("Too many connections were opened from your address.", wait_s)
        if record.held >= self._limits.connections_per_address_max:
            return TooMany("Too many connections are open from your address.", _SLOT_WAIT_S)
        return Lease(record)

    def tick(self) -> None:
        """Forget idle addresses of which a new record would say the same; some at a time."""
        now = self._clock()
        for _ in range(min(len(self._idle), _FORGOTTEN_PER_TICK_MAX)):
            address, record = self._idle.popitem(last=False)
            if not record.is_fresh(now):
                self._idle[address] = record

    def address_of(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Return whom to hold responsible for a connection.

        `peer` is the other end of the socket, `forwarded_for` every `X-Forwarded-For` line. They are read only if the
        peer is a trusted proxy: from the right, where the nearest proxy wrote, past trusted ones, to the first that
        isn't. What stands to the left of it anybody can have written. Where a hop is no address the proxy that passed
        it on is the answer.
        """
        client = _parse_address(peer)
        if client is None:
            return "unknown"  # it is gone already
        if forwarded_for and self._is_trusted(client):
            for hop in reversed(",".join(forwarded_for).rsplit(",", _HOPS_MAX)[-_HOPS_MAX:]):
                address = _parse_address(_without_port(hop.strip()))
                if address is None:
                    break
                client = address
                if not self._is_trusted(address):
                    break
        return _key(client)

    def _moved(self, record: AddressRecord) -> None:
        """Take a record to the half of the table where it belongs now."""
        if record.held:
            self._idle.pop(record.address, None)
            self._busy[record.address] = record
        elif self._busy.pop(record.address, None) is not None:
            if len(self._idle) >= self._limits.idle_addresses_max:
                self._idle.popitem(last=False)
            self._idle[record.address] = record

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted_proxies)


class AddressRecord:
    """What one address has done, and how many connections it holds."""

    __slots__ = ("_failures", "_handshakes", "_hellos", "_joins", "_moved", "address", "held")

    def __init__(self, address: str, limits: Limits, now: float, moved: Callable[[AddressRecord], None]) -> None:
        """`moved` is called when it begins to hold connections, and when it holds none any more."""
        self.address = address
        self.held = 0
        self._moved = moved
        self._handshakes = TokenBucket(limits.address_handshake_rate, now)
        self._hellos = TokenBucket(limits.address_hello_rate, now)
        self._joins = TokenBucket(limits.address_join_rate, now)
        self._failures = TokenBucket(limits.address_failure_rate, now)

    def take_handshake(self, now: float) -> float:
        """Count a handshake; or return for how many seconds there may be none."""
        return 0.0 if self._handshakes.take(1, now) else self._handshakes.wait_s(1, now)

    def take_hello(self, now: float) -> bool:
        return self._hellos.take(1, now)

    def take_join(self, now: float) -> bool:
        return self._joins.take(1, now)

    def has_failures_left(self, now: float) -> bool:
        """Whether a token may be tried. A record is asked before each try, and told of those that failed."""
        return self._failures.wait_s(1, now) == 0

    def count_failure(self, now: float) -> None:
        """Count a wrong token, of either kind."""
        self._failures.take(1, now)

    def is_fresh(self, now: float) -> bool:
        """Whether a new one would say the same."""
        buckets = (self._handshakes, self._hellos, self._joins, self._failures)
        return all(bucket.is_full(now) for bucket in buckets)

    def hold(self) -> None:
        self.held += 1
        if self.held == 1:
            self._moved(self)

    def let_go(self) -> None:
        self.held -= 1
        if not self.held:
            self._moved(self)


class Lease:
    """The place of one connection, or of the session that outlived it, among those of its address.

    It may be released many times. If nobody does, its last reference does: so a connection that picows never opens, or
    one that is lost by a fault, costs its address nothing.
    """

    __slots__ = ("_is_released", "record")

    def __init__(self, record: AddressRecord) -> None:
        self.record = record
        self._is_released = False
        record.hold()

    def take_hello(self, now: float) -> bool:
        return self.record.take_hello(now)

    def take_join(self, now: float) -> bool:
        return self.record.take_join(now)

    def has_failures_left(self, now: float) -> bool:
        return self.record.has_failures_left(now)

    def count_failure(self, now: float) -> None:
        self.record.count_failure(now)

    def release(self) -> None:
        if not self._is_released:
            self._is_released = True
            self.record.let_go()

    __del__ = release


def parse_network(text: str) -> Network:
    """Return the network that `text` names, an address or CIDR. Raises ValueError, also for one that is everybody."""
    network = ipaddress.ip_network(text, strict=False)
    if network.prefixlen == 0:
        raise ValueError("it is everybody")
    return network


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """IPv4 in IPv6's clothes, as a socket on `::` shows it, is IPv4."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return address if address.version == 4 else address.ipv4_mapped or address


def _without_port(hop: str) -> str:
    """`192.0.2.1:80` and `[2001:db8::1]:80` are written by some proxies; a bare IPv6 address has more colons."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    host, _, _ = hop.partition(":")
    return host if hop.count(":") == 1 else hop


def _key(address: IPv4Address | IPv6Address) -> str:
    """An IPv6 host chooses its 64 lower bits as it likes (RFC 4291 section 2.5.1), so that its network counts."""
    if address.version == 4:
        return str(address)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
