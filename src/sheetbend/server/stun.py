"""STUN (RFC 8489) on the UDP port of the same number: tells whoever asks which address it is seen at.

Only Binding requests are answered, and nothing that could be an answer, so that two servers can't be set on each other.
The sender of a datagram may be forged, so what matters is how much a server sends to somebody who never asked:

- The smallest request has 20 bytes. The smallest answer has those and the address: 32, for IPv6 44. On the wire, with
  IP and UDP headers, that is 60 bytes for 48, and 92 for 68. No answer is larger than this in relation to its request:
  FINGERPRINT (8 bytes) goes to those alone who sent one, and nothing else is ever added.
- `stun_address_rate` bounds the answers to one address, `stun_rate` all datagrams that are read.

Leaves to others: what clients are told of it (`ice_servers`).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
import zlib
from struct import Struct
from typing import TYPE_CHECKING

from ..core.limits import Limits
from ..core.rate_limits import Rate, TokenBucket
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AddressRates", "StunServer", "answer", "bind_stun"]

_BINDING_REQUEST = 0x0001
_BINDING_SUCCESS = 0x0101
_BINDING_ERROR = 0x0111
_MAGIC_COOKIE = 0x2112A442
_COOKIE_BYTES = _MAGIC_COOKIE.to_bytes(4)
_HEADER_BYTES = 20
_XOR_MAPPED_ADDRESS = 0x0020
_ERROR_CODE = 0x0009
_UNKNOWN_ATTRIBUTES = 0x000A
_FINGERPRINT = 0x8028
_FINGERPRINT_BYTES = 8
_FINGERPRINT_XOR = 0x5354554E
_OPTIONAL_FROM = 0x8000
_UNDERSTOOD = frozenset({0x0001, 0x0006, 0x0008, 0x0009, 0x000A, 0x0014, 0x0015, 0x001C, 0x001D, 0x001E, 0x0020})
"""The attributes of RFC 8489 that a request has to be refused for if one doesn't know them. Those of its mechanisms for
authentication may be ignored, as none is used here."""
_UNKNOWN_TOLD_MAX = 2
"""As many as fill the 4 bytes that one of them needs with its padding."""

_HEADER = Struct("!HHI")
_ATTRIBUTE = Struct("!HH")
_ADDRESS_HEAD = Struct("!HHBBH")
_ERROR_420 = Struct("!HHHBB").pack(_ERROR_CODE, 4, 0, 4, 20)
_FINGERPRINT_ATTRIBUTE = Struct("!HHI")

_MAPPED_PREFIX = bytes(10) + b"\xff\xff"
"""Of an IPv4 address on a socket of IPv6."""
_SLOTS = 8192
"""2 MB once all are in use."""
_DATAGRAMS_PER_TURN = 32
"""Then signalling has its turn."""
_PAUSE_S = 0.02
_ANCILLARY_BYTES = 128
_IP_PKTINFO = 8
"""Linux; Python names it from 3.12 on."""
_PKTINFO = Struct("=i4s4s")


def answer(request: bytes, host: bytes, port: int) -> bytes | None:
    """Return what to send to the sender of `request` at `host` (4 or 16 bytes) and `port`; None for nothing."""
    size = len(request)
    if size < _HEADER_BYTES or request[4:8] != _COOKIE_BYTES or request[:2] != b"\x00\x01":
        return None
    if size == _HEADER_BYTES and request[2:4] == b"\x00\x00":
        return _success(request, host, port, has_fingerprint=False)
    return _answer_attributes(request, host, port)


def _answer_attributes(request: bytes, host: bytes, port: int) -> bytes | None:
    size = len(request)
    if size % 4 or int.from_bytes(request[2:4]) != size - _HEADER_BYTES:
        return None
    unknown: list[int] = []
    has_fingerprint = False
    position = _HEADER_BYTES
    while position < size:
        kind, length = _ATTRIBUTE.unpack_from(request, position)
        following = position + 4 + (length + 3) // 4 * 4
        if following > size:
            return None
        if kind == _FINGERPRINT:
            if length != 4 or following != size or not _is_fingerprint_right(request):
                return None
            has_fingerprint = True
        elif kind < _OPTIONAL_FROM and kind not in _UNDERSTOOD:
            unknown.append(kind)
        position = following
    if unknown:
        return _error(request, unknown[:_UNKNOWN_TOLD_MAX], has_fingerprint=has_fingerprint)
    return _success(request, host, port, has_fingerprint=has_fingerprint)


def _success(request: bytes, host: bytes, port: int, *, has_fingerprint: bool) -> bytes:
    transaction = request[4:20]  # the magic cookie in front, as XOR-MAPPED-ADDRESS wants it
    length = len(host)
    mask = int.from_bytes(transaction[:length])
    address = (int.from_bytes(host) ^ mask).to_bytes(length)
    head = _ADDRESS_HEAD.pack(_XOR_MAPPED_ADDRESS, 4 + length, 0, 1 if length == 4 else 2, port ^ (_MAGIC_COOKIE >> 16))
    return _message(_BINDING_SUCCESS, transaction, head + address, has_fingerprint=has_fingerprint)


def _error(request: bytes, unknown: list[int], *, has_fingerprint: bool) -> bytes:
    """420: a client that is told stops at once, and one that isn't would ask six times more."""
    kinds = b"".join(kind.to_bytes(2) for kind in unknown)
    attributes = _ERROR_420 + _ATTRIBUTE.pack(_UNKNOWN_ATTRIBUTES, len(kinds)) + kinds.ljust(4, b"\x00")
    return _message(_BINDING_ERROR, request[4:20], attributes, has_fingerprint=has_fingerprint)


def _message(kind: int, transaction: bytes, attributes: bytes, *, has_fingerprint: bool) -> bytes:
    length = len(attributes) + (_FINGERPRINT_BYTES if has_fingerprint else 0)
    message = _ATTRIBUTE.pack(kind, length) + transaction + attributes
    if not has_fingerprint:
        return message
    return message + _FINGERPRINT_ATTRIBUTE.pack(_FINGERPRINT, 4, zlib.crc32(message) ^ _FINGERPRINT_XOR)


def _is_fingerprint_right(request: bytes) -> bool:
    given = int.from_bytes(request[-4:])
    return given == zlib.crc32(request[:-_FINGERPRINT_BYTES]) ^ _FINGERPRINT_XOR


def bind_stun(host: str, port: int) -> socket.socket:
    """Return a UDP socket bound as `addresses.bind` binds TCP. Raises ConfigurationError with what to do."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise ConfigurationError("bad_host", f"There is no address {host!r}: give another --ice-host.") from None
    udp = socket.socket(family, kind, protocol)
    try:
        if family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        udp.bind(address)
    except OSError as error:
        udp.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                "stun_port_taken",
                f"UDP port {port} on {host} is taken, so there is no STUN: free it, give another --port, or name other "
                "STUN servers with --stun-url.",
            ) from None
        raise ConfigurationError(
            "bad_stun_address", f"Can't answer STUN on {host} UDP port {port}: {error.strerror}."
        ) from None
    udp.setblocking(False)
    return udp


class AddressRates:
    """What each address may still get. Some share a bucket, by a hash that differs in every process: so there is no
    table that forged senders could fill.
    """

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._buckets: dict[int, TokenBucket] = {}

    def take(self, host: bytes, now: float) -> bool:
        """Whether `host` gets an answer. Of IPv6 the network counts: a host chooses its 64 lower bits as it likes."""
        slot = hash(host[:8]) % _SLOTS
        bucket = self._buckets.get(slot)
        if bucket is None:
            bucket = self._buckets[slot] = TokenBucket(self._rate, now)
        return bucket.take(1, now)


class StunServer:
    """Answers on `udp` from `start` to `close`. `clock` is monotonic, in seconds."""

    def __init__(self, udp: socket.socket, limits: Limits, clock: Callable[[], float]) -> None:
        self.port: int = udp.getsockname()[1]
        self._udp = udp
        self._size_max = limits.stun_request_bytes_max
        self._clock = clock
        self._reads = TokenBucket(limits.stun_rate, clock())
        self._addresses = AddressRates(limits.stun_address_rate)
        self._resuming: asyncio.TimerHandle | None = None
        self._source_of = _ask_for_destination(udp)

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(self._udp.fileno(), self._read)

    def close(self) -> None:
        if self._resuming is not None:
            self._resuming.cancel()
        asyncio.get_running_loop().remove_reader(self._udp.fileno())
        self._udp.close()

    def _read(self) -> None:
        now = self._clock()
        for _ in range(_DATAGRAMS_PER_TURN):
            try:
                # One byte more, so that what is too long is not taken for what its beginning says.
                request, ancillary, _, sender = self._udp.recvmsg(self._size_max + 1, _ANCILLARY_BYTES)
            except OSError:  # nothing more, mostly
                return
            if not self._reads.take(1, now):
                self._pause()
                return
            if len(request) <= self._size_max:
                self._answer(request, ancillary, sender, now)

    def _answer(
        self, request: bytes, ancillary: list[tuple[int, int, bytes]], sender: tuple[str, int], now: float
    ) -> None:
        host = socket.inet_pton(self._udp.family, sender[0])
        if host.startswith(_MAPPED_PREFIX):
            host = host[12:]
        reply = answer(request, host, sender[1])
        if reply is None or not self._addresses.take(host, now):
            return
        try:
            self._udp.sendmsg([reply], self._source_of(ancillary), 0, sender)
        except OSError:
            return  # no way to there, or no room: whoever asked will ask again

    def _pause(self) -> None:
        """Read nothing for a moment: the kernel drops what doesn't fit into its buffer, at no cost of ours."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._udp.fileno())
        self._resuming = loop.call_later(_PAUSE_S, self.start)


def _ask_for_destination(udp: socket.socket) -> Callable[[list[tuple[int, int, bytes]]], list[tuple[int, int, bytes]]]:
    """Have the kernel say which of our addresses a request came to, where there are several.

    The answer must come from there: to a NAT another one is a stranger. Returns what makes control messages to send of
    those received.
    """
    is_everywhere = not any(socket.inet_pton(udp.family, udp.getsockname()[0]))
    if sys.platform != "linux" or not is_everywhere:
        return lambda ancillary: []
    if udp.family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        return lambda ancillary: ancillary
    udp.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    return _from_there


def _from_there(ancillary: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """The way back is for the routes to choose, so the interface is left out."""
    return [
        (level, kind, _PKTINFO.pack(0, _PKTINFO.unpack(value)[1], bytes(4)))
        for level, kind, value in ancillary
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO)
    ]
