"""STUN: what is answered, to whom, how often, and that nothing else is."""

from __future__ import annotations

import asyncio
import os
import socket
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from aioice import stun
from hypothesis import example, given
from hypothesis import strategies as st

from sheetbend.core.limits import Limits
from sheetbend.core.rate_limits import Rate
from sheetbend.errors import ConfigurationError
from sheetbend.server.ice_config import IceConfig
from sheetbend.server.stun import AddressRates, StunServer, answer, bind_stun
from tests.support.clients import native
from tests.support.in_process import asynchronous, serving
from tests.support.process import ServerProcess

IPV4, IPV6 = "192.0.2.7", "2001:db8::7"
HOSTS = {host: socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host) for host in (IPV4, IPV6)}
PORT = 54_321
GROWTH_MAX = {IPV4: 32 / 20, IPV6: 44 / 20}
"""An answer in relation to its request: that of the smallest one, which can't be smaller."""
SILENCE_S = 0.3

transactions = st.binary(min_size=12, max_size=12)


def request(transaction: bytes = bytes(12), attributes: bytes = b"", *, fingerprint: bool = False) -> bytes:
    length = len(attributes) + 8 * fingerprint
    head = b"\x00\x01" + length.to_bytes(2) + bytes.fromhex("2112a442") + transaction + attributes
    return head + b"\x80\x28\x00\x04" + (zlib.crc32(head) ^ 0x5354554E).to_bytes(4) if fingerprint else head


def attribute(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2) + len(value).to_bytes(2) + value + bytes(-len(value) % 4)


attributes = st.builds(
    lambda pairs: b"".join(attribute(kind, value) for kind, value in pairs),
    st.lists(st.tuples(st.sampled_from([0x0003, 0x0006, 0x0024, 0x7FFF, 0x8022, 0xC057]), st.binary(max_size=24))),
)
hosts = st.sampled_from([IPV4, IPV6])


@pytest.mark.parametrize("host", [IPV4, IPV6])
def test_the_answer_is_the_address_of_whoever_asks(host: str) -> None:
    transaction = os.urandom(12)
    reply = answer(request(transaction), HOSTS[host], PORT)
    assert reply is not None
    message = stun.parse_message(reply)
    assert (message.message_class, message.transaction_id) == (stun.Class.RESPONSE, transaction)
    assert message.attributes == {"XOR-MAPPED-ADDRESS": (host, PORT)}


def test_the_answer_is_what_another_codec_writes() -> None:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    expected = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, message.transaction_id)
    expected.attributes["XOR-MAPPED-ADDRESS"] = (IPV6, PORT)
    assert answer(bytes(message), HOSTS[IPV6], PORT) == bytes(expected)
    message.add_fingerprint()
    expected.add_fingerprint()
    assert answer(bytes(message), HOSTS[IPV6], PORT) == bytes(expected)


def test_an_attribute_that_must_be_understood_is_named() -> None:
    extra = attribute(0x0003, bytes(4)) + attribute(0x8022, b"a client") + attribute(0x7ABC, b"") + attribute(0x24, b"")
    reply = answer(request(attributes=extra), HOSTS[IPV4], PORT)
    assert reply is not None
    message = stun.parse_message(reply)
    assert message.error_code == 420
    assert reply[-8:] == bytes.fromhex("000a0004 0003 7abc")


def test_a_wrong_fingerprint_has_no_answer() -> None:
    right = request(fingerprint=True)
    assert answer(right, HOSTS[IPV4], PORT) is not None
    for position in (*range(20), *range(24, 28)):  # in between is what says that it is a fingerprint
        wrong = bytearray(right)
        wrong[position] ^= 0x10
        assert answer(bytes(wrong), HOSTS[IPV4], PORT) is None


@given(st.binary(max_size=600), hosts, st.integers(0, 65_535))
@example(request(), IPV4, 0)
@example(request(bytes(12), bytes(4)), IPV4, 0)
@example(request(bytes(12), b"\x80\x22\xff\xff"), IPV4, 0)
@example(request(bytes(12), attribute(0x8028, bytes(8))), IPV4, 0)
def test_any_bytes_are_answered_well_or_not_at_all(data: bytes, host: str, port: int) -> None:
    reply = answer(data, HOSTS[host], port)
    if reply is not None:
        assert data[:2] == b"\x00\x01"
        assert stun.parse_message(reply).transaction_id == data[8:20]
        assert len(reply) <= len(data) * GROWTH_MAX[host]


@given(transactions, attributes, st.booleans(), hosts)
def test_no_answer_is_larger_than_the_smallest_request_makes_it(
    transaction: bytes, extra: bytes, fingerprint: bool, host: str
) -> None:
    asked = request(transaction, extra, fingerprint=fingerprint)
    reply = answer(asked, HOSTS[host], PORT)
    assert reply is not None
    assert len(reply) <= len(asked) * GROWTH_MAX[host]
    message = stun.parse_message(reply)
    assert message.transaction_id == transaction
    assert ("FINGERPRINT" in message.attributes) == fingerprint


@given(transactions, attributes, st.booleans(), hosts)
def test_an_answer_has_no_answer(transaction: bytes, extra: bytes, fingerprint: bool, host: str) -> None:
    reply = answer(request(transaction, extra, fingerprint=fingerprint), HOSTS[host], PORT)
    assert reply is not None
    assert answer(reply, HOSTS[host], PORT) is None


@pytest.mark.parametrize("kind", ["0011", "0101", "0111", "0003", "8001", "4001"])
def test_only_binding_requests_have_answers(kind: str) -> None:
    assert answer(bytes.fromhex(kind) + request()[2:], HOSTS[IPV4], PORT) is None


def test_requests_of_the_time_before_the_cookie_have_no_answer() -> None:
    assert answer(b"\x00\x01\x00\x00" + bytes(16), HOSTS[IPV4], PORT) is None


# On a socket.


@contextmanager
def client(server: tuple[str, int], source: str = "") -> Iterator[socket.socket]:
    """A connected socket: it hears `server` and nobody else."""
    with socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(5)
        udp.bind((source, 0))
        udp.connect(server)
        yield udp


def mapped_address(udp: socket.socket) -> tuple[str, int]:
    """Ask, once, and return what is answered."""
    udp.send(request(os.urandom(12)))
    address: tuple[str, int] = stun.parse_message(udp.recv(600)).attributes["XOR-MAPPED-ADDRESS"]
    return address


@asynccontextmanager
async def stun_server(host: str = "127.0.0.1", **limits: Any) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    server = StunServer(bind_stun(host, 0), replace(Limits(), **limits), loop.time)
    server.start()
    try:
        yield server.port
    finally:
        server.close()


async def ask(server: tuple[str, int], times: int, source: str = "") -> int:
    """Return how many of so many requests are answered before nothing more comes."""

    def count() -> int:
        answers = 0
        with client(server, source) as udp:
            udp.settimeout(SILENCE_S)
            for _ in range(times):
                udp.send(request(os.urandom(12)))
            while True:
                try:
                    udp.recv(600)
                except TimeoutError:
                    return answers
                answers += 1

    return await asyncio.to_thread(count)


def test_the_server_answers_on_the_udp_port_of_the_same_number(server: ServerProcess) -> None:
    with client(("127.0.0.1", server.port)) as udp:
        assert mapped_address(udp) == udp.getsockname()


@pytest.mark.parametrize("to", ["127.0.0.1", "::1"])
def test_a_server_on_every_address_answers_ipv4_and_ipv6(to: str) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6: enable net.ipv6")
    with ServerProcess(["--host", "::"]) as process:
        with client((to, process.port)) as udp:
            assert mapped_address(udp) == udp.getsockname()[:2]
        assert process.stop() == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
@asynchronous
async def test_the_answer_comes_from_the_address_that_was_asked(host: str) -> None:
    """To a NAT an answer from another one is a stranger's. 127.0.0.2 isn't what the routes would choose."""
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6: enable net.ipv6")
    async with stun_server(host) as port:
        assert await ask(("127.0.0.2", port), 1, "127.0.0.1") == 1


@asynchronous
async def test_an_address_gets_so_many_answers_and_others_theirs() -> None:
    async with stun_server(stun_address_rate=Rate(per_s=0.001, burst=5)) as port:
        assert await ask(("127.0.0.1", port), 20, "127.0.0.1") == 5
        assert await ask(("127.0.0.1", port), 20, "127.0.0.3") == 5
        assert await ask(("127.0.0.1", port), 20, "127.0.0.1") == 0


def test_the_hosts_of_an_ipv6_network_share_its_answers() -> None:
    rates = AddressRates(Rate(per_s=1, burst=2))
    network = [socket.inet_pton(socket.AF_INET6, f"2001:db8::{host}") for host in range(1, 5)]
    assert [rates.take(host, 0) for host in network] == [True, True, False, False]
    assert rates.take(socket.inet_pton(socket.AF_INET6, "2001:db8:0:1::1"), 0)
    assert rates.take(network[0], 1)


@asynchronous
async def test_a_flood_is_left_to_the_kernel_and_then_it_goes_on() -> None:
    async with stun_server(stun_rate=Rate(per_s=200, burst=10), stun_address_rate=Rate(per_s=1e6, burst=1e6)) as port:
        answered = await ask(("127.0.0.1", port), 150)
        assert 10 <= answered < 150
        assert await ask(("127.0.0.1", port), 1) == 1


@asynchronous
async def test_garbage_counts_too() -> None:
    async with stun_server(stun_rate=Rate(per_s=0.001, burst=10)) as port:
        with client(("127.0.0.1", port)) as udp:
            for _ in range(10):
                udp.send(b"garbage")
        assert await ask(("127.0.0.1", port), 3) == 0


@asynchronous
async def test_a_request_that_is_too_long_has_no_answer() -> None:
    async with stun_server(stun_request_bytes_max=43) as port:
        with client(("127.0.0.1", port)) as udp:
            udp.setblocking(False)
            for size in (20, 16):
                udp.send(request(size.to_bytes(12), attribute(0x8022, bytes(size))))
            reply = await asyncio.get_running_loop().sock_recv(udp, 600)
        assert stun.parse_message(reply).transaction_id == (16).to_bytes(12)


def test_a_taken_udp_port_is_said_and_the_server_goes_on() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with ServerProcess(port=port) as process:
            (warning,) = [line for line in process.log if line["level"] == "warning"]
            assert warning["event"] == "stun_unavailable"
            for word in (f"UDP port {port}", "--port", "--stun-url"):
                assert word in warning["hint"]
            assert process.stop() == 0


@asynchronous
async def test_the_port_is_free_again_afterwards() -> None:
    async with stun_server() as port:
        with pytest.raises(ConfigurationError, match=f"UDP port {port}"):
            bind_stun("127.0.0.1", port)
    bind_stun("127.0.0.1", port).close()


# What clients are told.


PROXIED = {"allow_origins": frozenset({"https://example.org"})}


@pytest.mark.parametrize(
    ("settings", "urls"),
    [
        ({}, ["stun:{host}:PORT"]),
        ({"ice": IceConfig(name="turn.example.org")}, ["stun:turn.example.org:PORT"]),
        ({"ice": IceConfig(name="2001:db8::1")}, ["stun:[2001:db8::1]:PORT"]),
        ({"ice": IceConfig(stun_urls=["stun:192.0.2.1", "stun:[2001:db8::1]:19302"])},
         ["stun:192.0.2.1", "stun:[2001:db8::1]:19302"]),
        ({"ice": IceConfig(stun_urls=())}, None),
        ({"allow_origins": frozenset({"http://localhost:5173"})}, ["stun:{host}:PORT"]),
        (PROXIED, None),
        ({**PROXIED, "ice": IceConfig(host="0.0.0.0")}, ["stun:{host}:PORT"]),
        ({**PROXIED, "ice": IceConfig(name="turn.example.org")}, ["stun:turn.example.org:PORT"]),
        ({"trusted_proxies": [ip_network("127.0.0.1")]}, None),
    ],
    ids=str,
)  # fmt: skip
@asynchronous
async def test_clients_are_told_where_it_is(settings: dict[str, Any], urls: list[str] | None) -> None:
    async with serving(Limits(), **settings) as server, await native(server.websocket_url, hello=False) as talker:
        await talker.send("hello")
        expected = [] if urls is None else [{"urls": [url.replace("PORT", str(server.port)) for url in urls]}]
        assert (await talker.receive("welcome"))["iceServers"] == expected


def test_stun_behind_a_proxy_that_does_not_pass_it_on_is_said() -> None:
    with ServerProcess(["--allow-origin", "https://example.org"]) as process:
        (warning,) = [line for line in process.log if line["level"] == "warning"]
        assert (warning["event"], "--ice-host" in warning["hint"]) == ("ice_out_of_reach", True)
        assert process.stop() == 0


@pytest.mark.parametrize(
    "url", ["stun:", "stun://example.org", "turn:example.org", "stun:a b", "stun:example.org?x=1", "stun:h:123456"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--stun-url"):
        IceConfig(stun_urls=[url])
