"""What STUN servers see of us, from one socket a family: whether UDP goes through, and how the NAT maps it."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aioice import stun, turn

from ..server.turn.trial import parse_turn_url
from .trying import CHECK_TIMEOUT_S, Failed, Found, Skipped
from .turn import TurnServer

__all__ = ["Answer", "ask_stun", "nat_of", "stun_of", "stun_targets"]

_URL = re.compile(r"stuns?:(\[[^\]]+\]|[^:?]+)(?::([0-9]+))?")
_DEFAULT_PORT = 3478
_ANY: Mapping[int, str] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}

Address = tuple[str, int]


@dataclass(slots=True)
class Answer:
    """Of one server at one of its addresses. `mapped` is None if there was none."""

    url: str
    turn: TurnServer | None
    """Set if it's a TURN server: an allocation tells what it saw of us too, and so of what the NAT does."""
    family: int
    server: Address
    local: Address
    mapped: Address | None = None
    ms: float | None = None


@dataclass(slots=True)
class _Target:
    url: str
    host: str
    port: int
    turn: TurnServer | None = None


def stun_targets(urls: Sequence[str], turn_servers: Sequence[TurnServer]) -> list[_Target]:
    """The servers that can be asked by UDP."""
    targets = []
    for url in urls:
        if match := _URL.fullmatch(url):
            targets.append(_Target(url, match[1].strip("[]"), int(match[2] or _DEFAULT_PORT)))
    for server in turn_servers:
        parts = parse_turn_url(server.url)
        targets.append(_Target(server.url, parts.host, parts.port, server))
    return targets


async def ask_stun(targets: Sequence[_Target]) -> list[Answer]:
    """Ask all at once, each address of theirs once; return what came within the time of a check."""
    loop = asyncio.get_running_loop()
    answers: dict[Address, Answer] = {}
    sockets: dict[int, _Socket] = {}
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            for target in targets:
                for family, server in await _addresses(target):
                    local = _local_address(family, server)
                    if local is None:
                        continue  # no route in this family
                    if family not in sockets:
                        _, sockets[family] = await loop.create_datagram_endpoint(
                            _Socket, local_addr=(_ANY[family], 0), family=family
                        )
                    at = (local, sockets[family].port)
                    answers.setdefault(server, Answer(target.url, target.turn, family, server, at))
            await asyncio.gather(*(sockets[answer.family].ask(answer) for answer in answers.values()))
    except TimeoutError:
        pass  # what is here is here
    finally:
        for each in sockets.values():
            each.close()
    return list(answers.values())


def stun_of(targets: Sequence[_Target], answers: Sequence[Answer]) -> Found:
    """The check `stun`: whether any STUN server answered."""
    if not any(target.turn is None for target in targets):
        raise Skipped("not_offered", "The server names no STUN server.")
    asked = [answer for answer in answers if answer.turn is None]
    servers = [
        {"url": answer.url, "address": _text(answer.server), "ms": answer.ms, "mapped": _text(answer.mapped)}
        for answer in asked
    ]
    for answer in asked:
        if answer.mapped is not None:
            return Found(f"Seen as {_text(answer.mapped)} after {answer.ms} ms", servers=servers)
    raise Failed("no_answer", "No STUN server answered by UDP.", servers=servers)


def nat_of(answers: Sequence[Answer]) -> Found:
    """The check `nat`: one socket seen from several places (RFC 5780, 4.3, as far as there are places)."""
    answered = [answer for answer in answers if answer.mapped is not None]
    if not answered:
        raise Skipped("no_answer", "Nobody answered by UDP who could see the NAT.")
    mapped = [{"server": _text(answer.server), "mapped": _text(answer.mapped)} for answer in answered]
    by_family = [[a for a in answered if a.family == family] for family in {a.family for a in answered}]
    if any(len({answer.mapped for answer in family}) > 1 for family in by_family):
        return Found("Symmetric: another port for each server", "symmetric", mapped=mapped)
    if all(answer.mapped == answer.local for answer in answered):
        return Found("None: seen at this computer's own address", "no_nat", mapped=mapped)
    behind_nat = [family for family in by_family if any(a.mapped != a.local for a in family)]
    if any(len(family) == 1 for family in behind_nat):
        raise Skipped("one_address", "Unknown: only one address to ask, and it takes two to see it.", mapped=mapped)
    if any(len({answer.server[0] for answer in family}) == 1 for family in behind_nat):
        note = "The same port for two ports of one server: probably endpoint-independent"
        return Found(note, "endpoint_independent", mapped=mapped)
    return Found("Endpoint-independent: the same port for all servers", "endpoint_independent", mapped=mapped)


class _Socket(asyncio.DatagramProtocol):
    """Unconnected, so that all servers see the same one."""

    def __init__(self) -> None:
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._asked: dict[bytes, stun.Transaction] = {}
        self._clients: dict[Address, turn.TurnClientUdpProtocol] = {}

    async def ask(self, answer: Answer) -> None:
        started_at = time.monotonic()
        try:
            mapped = await (self._bind(answer.server) if answer.turn is None else self._allocate(answer, answer.turn))
        except (stun.TransactionError, ConnectionError):
            return
        if mapped is not None:
            answer.mapped = mapped
            answer.ms = round((time.monotonic() - started_at) * 1000, 1)

    async def _bind(self, server: Address) -> Address | None:
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        self._asked[request.transaction_id] = transaction = stun.Transaction(request, server, self)
        response, _ = await transaction.run()
        mapped: Address | None = response.attributes.get("XOR-MAPPED-ADDRESS")
        return mapped

    async def _allocate(self, answer: Answer, server: TurnServer) -> Address | None:
        client = turn.TurnClientUdpProtocol(
            answer.server, server.username, server.credential, lifetime=600, channel_refresh_time=500
        )
        client.connection_made(_Way(self, answer.server))  # type: ignore[arg-type]  # all that it uses
        self._clients[answer.server] = client
        await client.connect()
        try:
            return client.mapped_address
        finally:
            await client.delete()

    def send(self, data: bytes, to: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, to)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def send_stun(self, message: stun.Message, addr: Address) -> None:
        self.send(bytes(message), addr)

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        client = self._clients.get((addr[0], addr[1]))
        if client is not None:
            client.datagram_received(data, (addr[0], addr[1]))
            return
        try:
            message = stun.parse_message(data)
        except ValueError:
            return
        transaction = self._asked.get(message.transaction_id)
        if transaction is not None and message.message_class in (stun.Class.RESPONSE, stun.Class.ERROR):
            transaction.response_received(message, (addr[0], addr[1]))


class _Way:
    """The shared socket towards one TURN server, as its client wants it."""

    def __init__(self, shared: _Socket, server: Address) -> None:
        self._shared = shared
        self._server = server
        self._is_closing = False

    def sendto(self, data: bytes) -> None:
        self._shared.send(data, self._server)

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True


async def _addresses(target: _Target) -> list[tuple[int, Address]]:
    """The first address of each family."""
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
    except socket.gaierror:
        return []
    first: dict[int, Address] = {}
    for family, _, _, _, address in infos:
        if family in _ANY:
            first.setdefault(int(family), (str(address[0]), int(address[1])))
    return list(first.items())


def _local_address(family: int, server: Address) -> str | None:
    """Where the system would send from. Connecting a UDP socket sends nothing."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(server)
        except OSError:
            return None
        return str(probe.getsockname()[0])


def _text(address: Address | None) -> str | None:
    if address is None:
        return None
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
