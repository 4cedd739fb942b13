"""A relay tried for real: two allocations at one TURN URL, and data from each to the other."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import ssl
from dataclasses import dataclass
from typing import Any

from aioice import stun, turn

__all__ = ["TurnUrl", "parse_turn_url", "try_relay"]

_TIMEOUT_S = 5
_RELAY_INTERVAL_S = 0.1
_PAYLOAD_BYTES = 1200
"""As large as the packets of a video."""
_CLOSE_TIMEOUT_S = 2
_URL = re.compile(r"(turns?):(\[[^\]]+\]|[^:?]+)(?::([0-9]+))?(?:\?transport=(udp|tcp))?")
_DEFAULT_PORTS = {"turn": 3478, "turns": 5349}


@dataclass(frozen=True, slots=True)
class TurnUrl:
    """The parts of a TURN URL (RFC 7065). `host` has no brackets."""

    host: str
    port: int
    is_tcp: bool
    is_secure: bool


def parse_turn_url(url: str) -> TurnUrl:
    """Raises ValueError."""
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(f"{url} is no TURN URL")
    scheme, host, port, transport = match.groups()
    is_tcp = scheme == "turns" if transport is None else transport == "tcp"
    return TurnUrl(host.strip("[]"), int(port or _DEFAULT_PORTS[scheme]), is_tcp, scheme == "turns")


async def try_relay(
    url: TurnUrl,
    username: str,
    password: str,
    *,
    host: str | None = None,
    tls: ssl.SSLContext | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> str | None:
    """Return why `url` doesn't relay, as a sentence that says what to look at; None if it does.

    `host` is where to find the server, if not where the URL says; `tls` what to take its certificate by; `timeout_s`
    the time for each of its answers.
    """
    if url.is_secure and not url.is_tcp:
        return "Browsers have no TURN over DTLS: give turns: with ?transport=tcp."
    server = (host or url.host, url.port)
    context = (tls or ssl.create_default_context()) if url.is_secure else None
    ends: list[_End] = []
    try:
        for _ in range(2):
            async with asyncio.timeout(timeout_s):
                ends.append(await _allocate(server, username, password, context, is_tcp=url.is_tcp))
        return await _exchange(ends[0], ends[1], timeout_s)
    except TimeoutError:
        return f"{_place(url)} doesn't answer: does it run, and does every firewall in between let it through?"
    except stun.TransactionFailed as failed:
        return _explain(failed)
    except ssl.SSLError as error:
        return f"{_place(url)} has a certificate that isn't good: {error.reason or error}."
    except (OSError, stun.TransactionError) as error:
        return f"{_place(url)} can't be reached: {error}."
    finally:
        for end in ends:
            await end.close()


class _End(asyncio.DatagramProtocol):
    """One allocation, and whether data came to it."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = asyncio.Event()
        self.closed = asyncio.Event()
        self.error: Exception | None = None
        self.expected = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if data == self.expected:
            self.received.set()

    def error_received(self, exc: Exception) -> None:
        self.error = exc

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    async def close(self) -> None:
        self.transport.close()
        with contextlib.suppress(TimeoutError):  # then it ends with its time
            await asyncio.wait_for(self.closed.wait(), _CLOSE_TIMEOUT_S)


async def _allocate(
    server: tuple[str, int], username: str, password: str, tls: ssl.SSLContext | None, *, is_tcp: bool
) -> _End:
    transport = "tcp" if is_tcp else "udp"
    _, end = await turn.create_turn_endpoint(_End, server, username, password, ssl=tls, transport=transport)
    return end


async def _exchange(one: _End, other: _End, timeout_s: float) -> str | None:
    """Send until it has come through both ways: what arrives before the other side gave its permission is dropped."""
    one.expected, other.expected = secrets.token_bytes(_PAYLOAD_BYTES), secrets.token_bytes(_PAYLOAD_BYTES)
    pairs = ((one, other), (other, one))
    try:
        async with asyncio.timeout(timeout_s):
            while not (one.received.is_set() and other.received.is_set()):
                for sender, receiver in pairs:
                    if sender.error is not None:
                        raise sender.error
                    sender.transport.sendto(receiver.expected, receiver.transport.get_extra_info("sockname"))
                await asyncio.sleep(_RELAY_INTERVAL_S)
    except TimeoutError:
        host, port = one.transport.get_extra_info("sockname")[:2]
        return (
            f"It gives addresses such as {host} UDP port {port}, but nothing comes through from one to another: are "
            "the relay ports open, and is the external address right?"
        )
    return None


def _place(url: TurnUrl) -> str:
    return f"{url.host} {'TCP' if url.is_tcp else 'UDP'} port {url.port}"


def _explain(failed: stun.TransactionFailed) -> str:
    code = failed.response.error_code
    if code == 401:
        return (
            "It refuses our credentials: is the TURN secret its static-auth-secret, has it use-auth-secret, and do "
            "both clocks agree?"
        )
    if code == 403:
        return "It refuses to relay to its own address, where two relayed members meet: allow it (allowed-peer-ip)."
    if code == 486:
        return "It has no allocations left: its quota is used up."
    if code == 508:
        return "It has no relay ports left: give it more."
    return f"It refuses with TURN error {code}."
