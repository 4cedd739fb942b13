"""Who may connect, by address: the table of addresses alone, then the answers of a server."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sheetbend.core.limits import Limits
from sheetbend.core.rate_limits import Rate
from sheetbend.server.admission import Admission, Lease, TooMany, parse_network
from tests.support.clients import lesson, native, settled
from tests.support.frames import RawWebSocket, upgrade_request
from tests.support.http import Response, get, request
from tests.support.in_process import RunningServer, asynchronous, serving
from tests.support.protocol import CLOSE_CODES

PROXIES = ["10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.7"]
NEVER = Rate(per_s=0.001, burst=3)
"""Three at once, and then none for as long as a test lasts."""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def admission(*proxies: str, clock: Clock | None = None, **limits: object) -> Admission:
    bounds = Limits(**limits)  # type: ignore[arg-type]
    return Admission(bounds, [parse_network(proxy) for proxy in proxies], clock or Clock())


def admitted(table: Admission, address: str) -> Lease:
    lease = table.admit(address)
    assert isinstance(lease, Lease)
    return lease


# Whose address counts.


@pytest.mark.parametrize(
    ("peer", "key"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("::FFFF:c633:6401", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:0db8:0001:0003::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", "unknown"),
    ],
)
def test_an_address_counts_by_itself_and_an_ipv6_one_by_its_network(peer: str, key: str) -> None:
    assert admission().address_of(peer, []) == key


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_all_of_an_ipv6_network_is_one_address(address: IPv6Address, lower: int) -> None:
    other = IPv6Address(int(address) >> 64 << 64 | lower)
    if address.ipv4_mapped is None and other.ipv4_mapped is None:
        table = admission()
        assert table.address_of(str(address), []) == table.address_of(str(other), [])


@pytest.mark.parametrize(
    ("forwarded", "key"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9 , 10.1.1.1,10.2.2.2"], "203.0.113.9"),
        (["203.0.113.9", "10.1.1.1"], "203.0.113.9"),
        (["203.0.113.9,10.1.1.1", " 192.0.2.7 "], "203.0.113.9"),
        (["198.51.100.66, 203.0.113.9"], "203.0.113.9"),
        (["10.9.9.9, 203.0.113.9, 10.1.1.1"], "203.0.113.9"),
        (["203.0.113.9:1234"], "203.0.113.9"),
        (["[2001:db8:a:b::1]:1234"], "2001:db8:a:b::/64"),
        (["[2001:db8:a:b::1]"], "2001:db8:a:b::/64"),
        (["2001:db8:a:b::1"], "2001:db8:a:b::/64"),
        (["::ffff:203.0.113.9, ::ffff:10.1.1.1"], "203.0.113.9"),
        (["203.0.113.9, 2001:db8:ffff::5"], "203.0.113.9"),
        (["10.3.3.3, 10.1.1.1"], "10.3.3.3"),
        (["203.0.113.9, garbage, 10.1.1.1"], "10.1.1.1"),
        (["203.0.113.9, unknown"], "10.0.0.1"),
        (["203.0.113.9,"], "10.0.0.1"),
        ([""], "10.0.0.1"),
        (["203.0.113.9, 10.1.1.1:x:y"], "10.0.0.1"),
        (["[203.0.113.9"], "203.0.113.9"),
        ([], "10.0.0.1"),
    ],
    ids=str,
)
def test_a_trusted_proxy_says_for_whom_it_speaks(forwarded: Sequence[str], key: str) -> None:
    assert admission(*PROXIES).address_of("10.0.0.1", forwarded) == key
    assert admission(*PROXIES).address_of("::ffff:10.0.0.1", forwarded) == key


@pytest.mark.parametrize("peer", ["203.0.113.5", "11.0.0.1", "2001:db8:fffe::1"])
def test_nobody_else_may_speak_for_others(peer: str) -> None:
    table = admission(*PROXIES)
    assert table.address_of(peer, ["198.51.100.1"]) == table.address_of(peer, [])
    assert admission().address_of("10.0.0.1", ["198.51.100.1"]) == "10.0.0.1"


@given(
    st.lists(st.text(max_size=12) | st.ip_addresses().map(str), max_size=8),
    st.ip_addresses(v=4, network="203.0.113.0/24"),
)
def test_what_stands_left_of_the_client_changes_nothing(forged: list[str], client: IPv4Address) -> None:
    forwarded = [*forged, str(client), "10.1.1.1"]
    assert admission(*PROXIES).address_of("10.0.0.1", [",".join(forwarded)]) == str(client)
    assert admission(*PROXIES).address_of("10.0.0.1", forwarded) == str(client)


@given(st.lists(st.text(max_size=40), max_size=5))
def test_no_header_is_a_fault(lines: list[str]) -> None:
    assert admission(*PROXIES).address_of("10.0.0.1", lines)


def test_a_long_list_is_not_read_to_its_end() -> None:
    forwarded = ["203.0.113.9" + ", 10.1.1.1" * 16]
    assert admission(*PROXIES).address_of("10.0.0.1", forwarded) == "10.1.1.1"


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "10.0.0.0/33", "proxy.example", "", "10.0.0.0-10.0.0.9"])
def test_a_network_must_be_one_and_not_everybody(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_network(text)


def test_a_network_may_be_written_as_an_address_in_it() -> None:
    assert parse_network("10.1.2.3/8") == ip_network("10.0.0.0/8")


# What an address may do.


def test_an_address_holds_so_many_connections() -> None:
    table = admission(connections_per_address_max=2)
    first, _second = admitted(table, "a"), admitted(table, "a")
    refusal = table.admit("a")
    assert isinstance(refusal, TooMany)
    assert refusal.retry_after_s >= 1
    admitted(table, "b")
    first.release()
    first.release()
    third = admitted(table, "a")
    assert isinstance(table.admit("a"), TooMany)
    third.release()


def test_a_lease_that_nobody_released_is_given_back_with_its_last_reference() -> None:
    table = admission(connections_per_address_max=1)
    lease = admitted(table, "a")
    del lease
    gc.collect()
    admitted(table, "a")


def test_handshakes_have_a_rate() -> None:
    clock = Clock()
    table = admission(clock=clock, address_handshake_rate=Rate(per_s=0.5, burst=3))
    for _ in range(3):
        admitted(table, "a").release()
    refusal = table.admit("a")
    assert isinstance(refusal, TooMany)
    assert refusal.retry_after_s == pytest.approx(2)
    admitted(table, "b")
    clock.now += 1.9
    assert isinstance(table.admit("a"), TooMany)
    clock.now += 0.2
    admitted(table, "a")


def test_connections_of_an_address_share_its_rates() -> None:
    rate = Rate(per_s=1, burst=2)
    table = admission(address_hello_rate=rate, address_join_rate=rate, address_failure_rate=rate)
    leases = [admitted(table, "a") for _ in range(3)]
    other = admitted(table, "b")
    assert [lease.take_hello(1000.0) for lease in leases] == [True, True, False]
    assert [lease.take_join(1000.0) for lease in leases] == [True, True, False]
    for lease in leases[:2]:
        assert lease.has_failures_left(1000.0)
        lease.count_failure(1000.0)
    assert not leases[2].has_failures_left(1000.0)
    assert leases[2].has_failures_left(1001.1)
    assert other.take_hello(1000.0)
    assert other.take_join(1000.0)
    assert other.has_failures_left(1000.0)


def test_an_address_is_remembered_for_what_it_did_and_no_longer() -> None:
    clock = Clock()
    table = admission(clock=clock, address_failure_rate=Rate(per_s=0.2, burst=20))
    lease = admitted(table, "a")
    for _ in range(20):
        lease.count_failure(clock.now)
    lease.release()
    clock.now += 50
    table.tick()
    again = admitted(table, "a")
    assert [again.has_failures_left(clock.now) for _ in range(2)] == [True, True]
    for _ in range(10):
        again.count_failure(clock.now)
    assert not again.has_failures_left(clock.now)
    again.release()
    clock.now += 99
    table.tick()
    assert len(table) == 1
    clock.now += 2
    table.tick()
    assert len(table) == 0


def test_an_address_that_holds_a_connection_is_never_forgotten() -> None:
    clock = Clock()
    table = admission(clock=clock, connections_per_address_max=1, idle_addresses_max=2)
    _held = admitted(table, "held")
    for number in range(10):
        admitted(table, f"a{number}").release()
        clock.now += 1000
        table.tick()
    assert isinstance(table.admit("held"), TooMany)


def test_many_addresses_fill_no_more_than_the_table() -> None:
    clock = Clock()
    table = admission(clock=clock, address_handshake_rate=NEVER, idle_addresses_max=100)
    for number in range(1000):
        admitted(table, f"a{number}").release()
    assert len(table) == 100
    for _ in range(2):
        admitted(table, "a999")
    assert isinstance(table.admit("a999"), TooMany), "the latest are remembered"


def test_a_tick_takes_a_bounded_time() -> None:
    clock = Clock()
    table = admission(clock=clock, idle_addresses_max=10_000)
    for number in range(5000):
        admitted(table, f"a{number}").release()
    clock.now += 1000
    sizes = []
    for _ in range(6):
        table.tick()
        sizes.append(len(table))
    assert sizes[0] >= 3000
    assert sizes[-1] == 0


class Table(RuleBasedStateMachine):
    """Whatever happens in whatever order: counts are right, and the table is no larger than it may be."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.table = admission(
            clock=self.clock,
            connections_per_address_max=3,
            idle_addresses_max=4,
            address_handshake_rate=Rate(per_s=1, burst=5),
        )
        self.leases: list[Lease] = []
        self.released: list[Lease] = []

    @rule(address=st.sampled_from("abcdefghij"))
    def connect(self, address: str) -> None:
        held = sum(lease.record.address == address for lease in self.leases)
        lease = self.table.admit(address)
        if isinstance(lease, Lease):
            assert held < 3
            self.leases.append(lease)

    @rule(index=st.integers(0, 100))
    def release(self, index: int) -> None:
        if self.leases:
            lease = self.leases.pop(index % len(self.leases))
            lease.release()
            self.released.append(lease)

    @rule(index=st.integers(0, 100))
    def release_again(self, index: int) -> None:
        if self.released:
            self.released[index % len(self.released)].release()

    @rule(index=st.integers(0, 100))
    def fail(self, index: int) -> None:
        if self.leases:
            self.leases[index % len(self.leases)].count_failure(self.clock.now)

    @rule(wait_s=st.floats(0, 200))
    def wait(self, wait_s: float) -> None:
        self.clock.now += wait_s
        self.table.tick()

    @invariant()
    def counts_are_right(self) -> None:
        addresses = [lease.record.address for lease in self.leases]
        records = {lease.record.address: lease.record for lease in self.leases}
        for lease in self.leases:
            assert lease.record is records[lease.record.address], "one record an address"
            assert lease.record.held == addresses.count(lease.record.address)
        assert len(records) <= len(self.table) <= len(records) + 4


TestTable = Table.TestCase


# What a server answers.


def open_raw(port: int, *, forwarded: str | None = None) -> RawWebSocket:
    raw = RawWebSocket(port)
    raw.send(upgrade_request(extra="" if forwarded is None else f"X-Forwarded-For: {forwarded}\r\n"))
    return raw


def status_of(raw: RawWebSocket) -> int:
    return int(raw.read_head().split(" ")[1])


def assert_is_refusal(response: Response, status: int) -> None:
    assert response.status == status
    assert int(response.headers["Retry-After"]) >= 1
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"


@asynchronous
async def test_too_many_handshakes_are_answered_429() -> None:
    def check(server: RunningServer) -> None:
        for _ in range(3):
            with open_raw(server.port) as raw:
                assert status_of(raw) == 101
        assert_is_refusal(request(server.port, upgrade_request()), 429)
        assert get(server.port, "/healthz").status == 200
        assert get(server.port, "/").status == 200

    async with serving(Limits(address_handshake_rate=NEVER)) as server:
        await asyncio.to_thread(check, server)


@asynchronous
async def test_too_many_connections_are_answered_429_until_one_ends() -> None:
    async with serving(Limits(connections_per_address_max=2)) as server:
        one, two = await lesson(server.websocket_url), await lesson(server.websocket_url)
        assert_is_refusal(await asyncio.to_thread(request, server.port, upgrade_request()), 429)
        await one.connection.close()
        async with asyncio.timeout(5):
            while (await asyncio.to_thread(request_status, server.port)) != 101:
                pass
        assert await settled(two) == [[]]
        two.abort()


def request_status(port: int) -> int:
    with open_raw(port) as raw:
        return status_of(raw)


@asynchronous
async def test_a_full_server_answers_503() -> None:
    async with serving(Limits(connections_max=1)) as server, await lesson(server.websocket_url):
        assert_is_refusal(await asyncio.to_thread(request, server.port, upgrade_request()), 503)


@asynchronous
async def test_sessions_of_a_node_are_bounded() -> None:
    """Who has one keeps it, also where its connection is away; whoever else comes is told to come back."""
    async with serving(Limits(sessions_max=2)) as server:
        alice, old = await native(server.websocket_url), await lesson(server.websocket_url)
        await settled(alice, old)
        async with await native(server.websocket_url, hello=False) as late:
            error = await late.refusal("hello", ref="h")
            assert (error["code"], error["ref"], error["retryable"]) == ("server_full", "h", True)
            assert error["retryAfterS"] > 0
            assert await late.close_code() == CLOSE_CODES["server_full"]
        async with await lesson(server.websocket_url) as late:
            assert (await late.receive("error"))["code"] == "server_full"
            assert await late.close_code() == CLOSE_CODES["server_full"]
        await alice.lose_connection()
        async with await native(server.websocket_url, hello=False) as late:
            assert (await late.refusal("hello"))["code"] == "server_full", "a session that is away has its place"
        assert (await alice.resume(server.websocket_url))["recovered"] is True
        token = alice.resume_token
        await alice.send("bye")
        assert await alice.close_code() == 1000
        async with await native(server.websocket_url, resume={"token": token, "received": 0}) as bob:
            assert (await bob.join("room"))["members"] == [], "a place was free"
        old.abort()


@asynchronous
async def test_a_session_that_can_not_be_gone_on_with_leaves_its_place_to_the_next() -> None:
    async with serving(Limits(sessions_max=1, resume_messages_max=1)) as server:
        alice = await native(server.websocket_url)
        await alice.join("room")
        await alice.send("message", roomId="room", data=1)
        await alice.unread()
        await alice.lose_connection()
        welcome = await alice.resume(server.websocket_url, received=0)
        assert welcome["recovered"] is False
        await alice.connection.close()


@asynchronous
async def test_a_refused_handshake_holds_no_connection() -> None:
    def check(server: RunningServer) -> None:
        bad: list[dict[str, str | None]] = [
            {"Connection": "close"},
            {"Sec-WebSocket-Key": "x"},
            {"Sec-WebSocket-Version": "8"},
            {"Upgrade": "h2c"},
            {"Origin": "https://evil.example"},
            {"Sec-WebSocket-Protocol": "other"},
            {"Content-Length": "5"},
        ]
        for replace in bad * 3:
            assert request(server.port, upgrade_request(replace=replace)).status != 101
        with open_raw(server.port) as raw:
            assert status_of(raw) == 101

    async with serving(Limits(connections_per_address_max=1)) as server:
        await asyncio.to_thread(check, server)


@asynchronous
async def test_those_behind_a_trusted_proxy_are_told_apart() -> None:
    def check(server: RunningServer) -> None:
        with open_raw(server.port, forwarded="203.0.113.1") as one, open_raw(server.port, forwarded="x, ::1") as two:
            assert [status_of(one), status_of(two)] == [101, 101]
            for forwarded, status in [("203.0.113.1", 429), ("1.1.1.1, 203.0.113.1", 429), ("203.0.113.2", 101)]:
                with open_raw(server.port, forwarded=forwarded) as raw:
                    assert status_of(raw) == status

    proxies = [parse_network("127.0.0.0/8")]
    async with serving(Limits(connections_per_address_max=1), trusted_proxies=proxies) as server:
        await asyncio.to_thread(check, server)


@asynchronous
async def test_without_a_trusted_proxy_the_header_says_nothing() -> None:
    def check(server: RunningServer) -> None:
        with (
            open_raw(server.port, forwarded="203.0.113.1") as one,
            open_raw(server.port, forwarded="203.0.113.2") as two,
        ):
            assert [status_of(one), status_of(two)] == [101, 429]

    async with serving(Limits(connections_per_address_max=1)) as server:
        await asyncio.to_thread(check, server)


@asynchronous
async def test_connections_that_never_send_their_request_delay_nobody_and_are_closed() -> None:
    silent: list[socket.socket] = []

    def knock(port: int) -> None:
        for _ in range(500):
            silent.append(socket.create_connection(("127.0.0.1", port), 10))

    async with serving(Limits(handshake_timeout_s=1, connections_max=3, connections_per_address_max=3)) as server:
        await asyncio.to_thread(knock, server.port)
        async with asyncio.timeout(1), await native(server.websocket_url) as client:
            assert await settled(client) == [[]]
        for connection in silent:
            assert await asyncio.to_thread(connection.recv, 1) == b""
            connection.close()
