"""TURN with a real coturn: credentials, whom it relays to, its life beside ours, and the trial before it is offered."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sheetbend.core.limits import Limits
from sheetbend.errors import ConfigurationError
from sheetbend.server.config import ServerConfig
from sheetbend.server.ice import Ice
from sheetbend.server.ice_config import IceConfig
from sheetbend.server.turn.coturn import CoturnSettings, settings_of, taken_port
from sheetbend.server.turn.credentials import load_turn_secrets, turn_credentials, turn_secrets_of
from sheetbend.server.turn.peers import DENIED_IPV4, DENIED_IPV6
from sheetbend.server.turn.service import TurnService
from sheetbend.server.turn.trial import TurnUrl, parse_turn_url, try_relay
from tests.support.clients import lesson, native
from tests.support.in_process import asynchronous, serving
from tests.support.process import ServerProcess
from tests.support.turn import (
    OTHER_SECRET,
    SECRET,
    allocate,
    certificate,
    coturn_settings,
    error_of,
    free_port,
    needs_coturn,
    running,
    somebody_elses,
)

PERMISSION, CHANNEL = stun.Method.CREATE_PERMISSION, stun.Method.CHANNEL_BIND
UNAUTHORIZED, FORBIDDEN, QUOTA_REACHED = 401, 403, 486
needs_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6: enable net.ipv6")


# Credentials.


def test_credentials_are_those_of_the_scheme() -> None:
    """printf %s 1767225900:ada | openssl dgst -sha1 -hmac SECRET -binary | base64"""
    assert turn_credentials(SECRET, "ada", 1_767_225_900.7) == ("1767225900:ada", "tl7sJYp6Kl6D+zR6KqWHerAgOX0=")


@pytest.mark.parametrize(
    ("secret", "word"),
    [("x" * 15, "15 characters"), ("x" * 257, "257 characters"), ("a b" * 10, "one line"), ("ä" * 20, "one line"),
     ("a#b" * 10, "one line"), ("a\nb" * 10, "one line"), ("'" * 20, "one line")],
)  # fmt: skip
def test_what_is_no_secret_is_refused_without_being_said(secret: str, word: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.touch(mode=0o600)
    file.write_text(secret)
    for secrets, files in (([secret], []), ([], [file])):
        with pytest.raises(ConfigurationError, match=word) as refused:
            load_turn_secrets(secrets, files)
        assert secret not in refused.value.sentence


def test_secrets_come_from_the_environment_and_files_newest_first(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.touch(mode=0o600)
    file.write_text(f"{OTHER_SECRET}\n")
    assert turn_secrets_of({}) == ()
    given = turn_secrets_of({"SHEETBEND_TURN_SECRET": SECRET, "SHEETBEND_TURN_SECRET_PREVIOUS": ""})
    assert load_turn_secrets(given, [file]) == [SECRET, OTHER_SECRET]
    with pytest.raises(ConfigurationError, match="SHEETBEND_TURN_SECRET isn't"):
        turn_secrets_of({"SHEETBEND_TURN_SECRET_PREVIOUS": SECRET})
    with pytest.raises(ConfigurationError, match="3 TURN secrets"):
        load_turn_secrets([SECRET, SECRET], [file])


@needs_coturn
@asynchronous
async def test_coturn_takes_either_secret_and_no_other() -> None:
    settings = coturn_settings(secrets=(SECRET, OTHER_SECRET + "+/=="))
    async with running(settings):
        for secret in settings.secrets:
            async with allocate(settings, secret=secret):
                pass
        for secret, lifetime_s in ((SECRET[::-1], 60), (SECRET, -2)):
            with pytest.raises(stun.TransactionFailed, match="401"):
                async with allocate(settings, secret=secret, lifetime_s=lifetime_s):
                    pass


@needs_coturn
@asynchronous
async def test_what_was_begun_in_time_goes_on_after_it() -> None:
    settings = coturn_settings()
    async with running(settings), allocate(settings, user="early", lifetime_s=1) as client:
        expires_at = time.time() + 1
        while await refusal(settings, expires_at - time.time()) != UNAUTHORIZED:  # noqa: ASYNC110  # by coturn's clock
            await asyncio.sleep(0.1)
        assert await error_of(client, stun.Method.REFRESH, {"LIFETIME": 600}) is None
        assert await error_of(client, PERMISSION, {"XOR-PEER-ADDRESS": ("8.8.8.8", 9)}) is None


async def refusal(settings: CoturnSettings, lifetime_s: float) -> int | None:
    """Return the TURN error for credentials that are good for so long; None if they are taken."""
    try:
        async with allocate(settings, user="late", lifetime_s=lifetime_s):
            return None
    except stun.TransactionFailed as failed:
        return failed.response.error_code


# Whom it relays to.

SPECIAL_IPV4 = [*map(IPv4Address, ("100.100.100.200", "169.254.169.254", "127.0.0.2")),
                *(edge for network in DENIED_IPV4 for edge in (network[0], network[-1]))]  # fmt: skip
SPECIAL_IPV6 = [
    *map(IPv6Address, ("::", "::2", "::100", "::1:0", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "100::1")),
    *(edge for network in DENIED_IPV6 for edge in (network[0], network[-1])),
]


def spellings(address: IPv4Address) -> list[IPv6Address]:
    """The addresses of IPv6 that some system takes for one of IPv4."""
    number = int(address)
    return [
        IPv6Address(number),  # compatible, RFC 4291 section 2.5.5.1
        IPv6Address(0xFFFF << 32 | number),  # mapped, section 2.5.5.2
        IPv6Address(0xFFFF << 48 | number),  # translated, RFC 2765
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),  # NAT64, RFC 6052
        IPv6Address(int(IPv6Address("64:ff9b:1::")) | number),  # RFC 8215
        IPv6Address(0x2002 << 112 | number << 80 | 1),  # 6to4, RFC 3056
        IPv6Address(0x20010000 << 96 | 0xFFFFFFFF ^ number),  # Teredo, RFC 4380
    ]


async def outcomes(settings: CoturnSettings, peers: list[Any]) -> dict[str, set[int | None]]:
    """Return how coturn answers requests to send to each peer, by either way of asking."""
    found: dict[str, set[int | None]] = {}
    channel = 0x4000
    async with running(settings), allocate(settings) as client:
        for peer in map(str, peers):
            channel += 1
            binding = {"CHANNEL-NUMBER": channel, "XOR-PEER-ADDRESS": (peer, 9)}
            found[peer] = {
                await error_of(client, PERMISSION, {"XOR-PEER-ADDRESS": (peer, 9)}),
                await error_of(client, CHANNEL, binding),
            }
    return found


@needs_coturn
@asynchronous
async def test_no_special_ipv4_address_is_relayed_to() -> None:
    found = await outcomes(coturn_settings(), SPECIAL_IPV4)
    assert {peer: errors for peer, errors in found.items() if errors != {FORBIDDEN}} == {}


@needs_coturn
@needs_ipv6
@asynchronous
async def test_no_special_ipv6_address_is_relayed_to_nor_an_ipv4_one_in_its_clothes() -> None:
    disguised = [spelling for address in (*SPECIAL_IPV4, IPv4Address("8.8.8.8")) for spelling in spellings(address)]
    found = await outcomes(coturn_settings("::1"), [*SPECIAL_IPV6, *disguised])
    assert {peer: errors for peer, errors in found.items() if errors != {FORBIDDEN}} == {}


@needs_coturn
@needs_ipv6
@asynchronous
async def test_what_is_next_to_a_special_range_is_relayed_to() -> None:
    outside = [each + step for network in DENIED_IPV4 for each, step in ((network[0], -1), (network[-1], 1))
               if 0 < int(each) + step < 2**32]  # fmt: skip
    public = [each for each in outside if not any(each in network for network in DENIED_IPV4)]
    assert len(public) > 20
    found = await outcomes(coturn_settings(), public)
    assert {peer: errors for peer, errors in found.items() if errors != {None}} == {}
    public_ipv6 = ["2001:200::1", "2001:db9::", "2003::", "2606:4700:4700::1111", "2a00::1", "3ffe::1"]
    found = await outcomes(coturn_settings("::1"), public_ipv6)
    assert {peer: errors for peer, errors in found.items() if errors != {None}} == {}


@given(st.ip_addresses())
def test_all_that_python_calls_local_is_denied(address: IPv4Address | IPv6Address) -> None:
    assert_denied_if_special(address)


@pytest.mark.parametrize("constants", ["_IPv4Constants", "_IPv6Constants"])
def test_the_networks_that_python_knows_are_denied(constants: str) -> None:
    for network in getattr(ipaddress, constants)._private_networks:
        for edge in (network[0], network[-1]):
            assert_denied_if_special(edge)


def assert_denied_if_special(address: IPv4Address | IPv6Address) -> None:
    denied = DENIED_IPV4 if address.version == 4 else DENIED_IPV6
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert any(address in network for network in denied), address


@needs_coturn
@asynchronous
async def test_a_private_network_can_be_allowed() -> None:
    allowed = coturn_settings(turn_allow=[ip_network("192.168.0.0/16"), ip_network("10.1.2.3")])
    found = await outcomes(allowed, ["192.168.7.7", "10.1.2.3", "10.1.2.4", "172.16.0.1"])
    assert list(found.values()) == [{None}, {None}, {FORBIDDEN}, {FORBIDDEN}]


@pytest.mark.parametrize("network", ["::/16", "0.0.0.0/8"])
def test_a_network_that_coturn_takes_for_everything_is_refused(network: str) -> None:
    with pytest.raises(ConfigurationError, match="--turn-allow"):
        IceConfig(turn="coturn", turn_allow=[ip_network(network)])


@needs_coturn
@asynchronous
async def test_a_session_and_all_of_them_have_so_many_allocations() -> None:
    limits = Limits(turn_allocations_per_session_max=2, turn_allocations_max=3)
    settings = coturn_settings(limits=limits)
    async with running(settings), allocate(settings), allocate(settings):
        with pytest.raises(stun.TransactionFailed, match=str(QUOTA_REACHED)):
            async with allocate(settings):
                pass
        async with allocate(settings, user="bob"):
            with pytest.raises(stun.TransactionFailed, match=str(QUOTA_REACHED)):
                async with allocate(settings, user="cyn"):
                    pass


@needs_coturn
@pytest.mark.parametrize("has_our_port", [True, False])
@asynchronous
async def test_it_answers_stun_where_it_has_the_port_on_which_we_would(has_our_port: bool) -> None:
    port = free_port()
    settings = coturn_settings(stun_port=port, turn_port=port if has_our_port else free_port())
    async with running(settings):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(5)
            udp.connect(("127.0.0.1", settings.port))
            # What it answers in any case tells that the other has no answer, without a wait.
            asked = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
            udp.send(bytes(asked))
            allocate = stun.Message(stun.Method.ALLOCATE, stun.Class.REQUEST)
            allocate.attributes["REQUESTED-TRANSPORT"] = 0x11000000
            udp.send(bytes(allocate))
            answers = [stun.parse_message(await asyncio.to_thread(udp.recv, 600))]
            if has_our_port:
                answers.append(stun.parse_message(await asyncio.to_thread(udp.recv, 600)))
            methods = {answer.message_method for answer in answers}
            assert methods == ({stun.Method.BINDING} if has_our_port else set()) | {stun.Method.ALLOCATE}
            if has_our_port:
                found = next(answer for answer in answers if answer.message_method is stun.Method.BINDING)
                assert found.attributes["XOR-MAPPED-ADDRESS"] == udp.getsockname()


@needs_coturn
@asynchronous
async def test_stun_of_coturn_is_offered_under_its_name() -> None:
    port = free_port()
    ports: dict[str, Any] = {"turn_port": port, "turn_relay_ports": (20_000, 32_000)}
    config = IceConfig(turn="coturn", host="127.0.0.2", name="ice.example.org", **ports)
    ice = Ice(ServerConfig(host="127.0.0.1", port=port, ice=config), port, time.monotonic)
    assert ice.servers.for_session("u", 0) == [{"urls": [f"stun:ice.example.org:{port}"]}]
    await ice.stop()


# Its life beside ours.


@needs_coturn
@asynchronous
async def test_its_configuration_is_for_this_user_alone_and_for_a_moment() -> None:
    settings = coturn_settings()
    async with running(settings) as coturn:
        file = configuration_of(coturn.pid)
        assert SECRET in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        coturn.forget_configuration()
        assert not file.parent.exists()
        assert SECRET not in "".join(coturn.last_lines)
        assert SECRET.encode() not in of_process(coturn.pid, "cmdline").read_bytes()
        assert b"SHEETBEND" not in of_process(coturn.pid, "environ").read_bytes()
    assert not of_process(coturn.pid).exists()


def of_process(pid: int, name: str = "") -> Path:
    return Path(f"/proc/{pid}", name)


def configuration_of(pid: int) -> Path:
    return Path(of_process(pid, "cmdline").read_bytes().split(b"\0")[2].decode())


def turn_flags(port: int, *more: str) -> list[str]:
    return ["--turn", "coturn", "--turn-port", str(port), "--turn-relay-ports", "20000-32000", *more]


def wait_until(condition: Callable[[], Any], timeout_s: float = 10) -> Any:
    """Return what `condition` gives once that is true."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it doesn't happen"
        time.sleep(0.02)
    return value


def events(process: ServerProcess, name: str) -> list[dict[str, Any]]:
    with suppress(json.JSONDecodeError):  # a line that is being written
        return [line for line in process.log if line["event"] == name]
    return []


@needs_coturn
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_server_however_that_ends(number: signal.Signals) -> None:
    with ServerProcess(turn_flags(free_port())) as process:
        pid = wait_until(lambda: events(process, "coturn_started"))[0]["pid"]
        file = configuration_of(pid)
        assert os.getpgid(pid) == pid, "Ctrl-C would end it before its time"
        process.signal(number)
        process.wait()
        wait_until(lambda: not of_process(pid).exists())
        assert not file.parent.exists()


@needs_coturn
def test_it_is_started_again_and_works_again() -> None:
    with ServerProcess(turn_flags(free_port())) as process:
        wait_until(lambda: len(events(process, "turn_works")) == 2)
        os.kill(events(process, "coturn_started")[0]["pid"], signal.SIGKILL)
        wait_until(lambda: len(events(process, "turn_works")) == 4)
        (down,) = events(process, "coturn_down")
        assert "status -9" in down["hint"]
        assert process.stop() == 0
        assert "Traceback" not in process.errors


@needs_coturn
def test_a_taken_port_is_said_and_taken_once_it_is_free() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with ServerProcess(turn_flags(port)) as process:
            hint = wait_until(lambda: events(process, "coturn_down"))[0]["hint"]
            for word in (f"UDP port {port}", "systemctl disable --now coturn"):
                assert word in hint
            taken.close()
            wait_until(lambda: len(events(process, "turn_works")) == 2)
            assert process.stop() == 0


@needs_coturn
@asynchronous
async def test_a_configuration_that_coturn_ends_on_is_explained_by_its_own_words() -> None:
    settings = replace(coturn_settings(), relay_ip="203.0.113.1", listening_ips=["203.0.113.1"])
    hint = taken_port(settings)
    assert hint is not None
    assert "203.0.113.1" in hint


def test_without_coturn_the_command_that_brings_it_is_said(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "sheetbend", "serve", "--port", "0", "--turn", "coturn"],
        env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert result.returncode == 2
    assert "apt-get install coturn" in result.stderr


# The trial.


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("turn:example.org", TurnUrl("example.org", 3478, False, False)),
        ("turn:192.0.2.1:1?transport=tcp", TurnUrl("192.0.2.1", 1, True, False)),
        ("turns:[2001:db8::1]", TurnUrl("2001:db8::1", 5349, True, True)),
        ("turns:h:443?transport=udp", TurnUrl("h", 443, False, True)),
    ],
)
def test_a_url_has_these_parts(url: str, parts: TurnUrl) -> None:
    assert parse_turn_url(url) == parts


@pytest.mark.parametrize("url", ["turn:", "stun:example.org", "turn://h", "turn:h?transport=sctp", "turn:{host}"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--turn-url"):
        IceConfig(turn_urls=[url])


async def tried(port: int, *, secret: str = SECRET, transport: str = "udp") -> str | None:
    username, password = turn_credentials(secret, "trial", time.time() + 60)
    url = parse_turn_url(f"turn:127.0.0.1:{port}?transport={transport}")
    return await try_relay(url, username, password, timeout_s=1)


def assert_explained(fault: str | None, *words: str) -> None:
    assert fault is not None
    assert fault[-1] in ".?"
    for word in words:
        assert word in fault


@needs_coturn
@pytest.mark.parametrize("transport", ["udp", "tcp"])
@asynchronous
async def test_a_relay_that_works_passes_and_a_wrong_secret_is_explained(transport: str) -> None:
    settings = coturn_settings()
    async with running(settings):
        assert await tried(settings.port, transport=transport) is None
        assert_explained(await tried(settings.port, secret=OTHER_SECRET, transport=transport), "static-auth-secret")


@asynchronous
async def test_a_server_that_is_not_there_is_explained() -> None:
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", tcp.getsockname()[1]))
        port = tcp.getsockname()[1]
        assert_explained(await tried(port), f"127.0.0.1 UDP port {port}", "firewall")
        assert_explained(await tried(port, transport="tcp"), f"127.0.0.1 TCP port {port}", "can't be reached")


@needs_coturn
@asynchronous
async def test_a_relay_that_does_not_relay_to_itself_is_explained() -> None:
    async with somebody_elses() as port:
        assert_explained(await tried(port), "allowed-peer-ip")


@needs_coturn
@asynchronous
async def test_a_relay_through_which_nothing_of_that_size_comes_is_explained() -> None:
    async with somebody_elses("--allow-loopback-peers", "--max-bps", "1100") as port:
        assert_explained(await tried(port), "relay ports", "external address")
    async with somebody_elses("--allow-loopback-peers") as port:
        assert await tried(port) is None


@needs_coturn
@asynchronous
async def test_behind_a_nat_the_outer_address_is_given_and_two_relayed_members_meet() -> None:
    settings = coturn_settings(turn_external_ip=ip_address("203.0.113.9"))
    async with running(settings):
        async with allocate(settings) as client:
            assert client.relayed_address is not None
            assert client.relayed_address[0] == "203.0.113.9"
        assert await tried(settings.port) is None


# What sessions are told.


@asynccontextmanager
async def offered(service: Callable[[Callable[[Any], None]], TurnService]) -> AsyncIterator[asyncio.Queue[list[str]]]:
    """Run a service; give what it offers."""
    offers: asyncio.Queue[list[str]] = asyncio.Queue()
    running_service = asyncio.create_task(service(lambda urls: offers.put_nowait(list(urls))).run())
    try:
        yield offers
    finally:
        running_service.cancel()
        with suppress(asyncio.CancelledError):
            await running_service


@needs_coturn
@asynchronous
async def test_with_a_certificate_turn_over_tls_is_offered_too(tmp_path: Path) -> None:
    settings = coturn_settings(tls=certificate(tmp_path, "turn.example.org"))
    name = "turn.example.org"
    async with offered(lambda offer: TurnService(IceConfig(name=name), SECRET, offer, settings)) as offers:
        assert await asyncio.wait_for(offers.get(), 20) == [
            f"turn:{name}:{settings.port}?transport=udp",
            f"turn:{name}:{settings.port}?transport=tcp",
            f"turns:{name}:{settings.tls_port}?transport=tcp",
        ]


@needs_coturn
@asynchronous
async def test_of_the_urls_of_another_server_those_that_work_are_offered() -> None:
    settings = coturn_settings()
    good = f"turn:127.0.0.1:{settings.port}?transport=tcp"
    ice = IceConfig(turn_urls=[f"turn:127.0.0.1:{free_port()}?transport=tcp", good])
    async with running(settings):
        async with offered(lambda offer: TurnService(ice, SECRET, offer)) as offers:
            assert await asyncio.wait_for(offers.get(), 20) == [good]
        async with offered(lambda offer: TurnService(ice, OTHER_SECRET, offer)) as offers:
            assert await asyncio.wait_for(offers.get(), 20) == []


@needs_coturn
@asynchronous
async def test_sessions_are_told_of_turn_once_it_works_and_get_new_credentials_in_time() -> None:
    port = free_port()
    ice = IceConfig(turn="coturn", turn_port=port, turn_relay_ports=(20_000, 32_000))
    limits = Limits(turn_credentials_s=60, turn_refresh_s=59)
    async with (
        serving(limits, ice=ice) as server,
        await lesson(server.websocket_url) as beginner,
        await native(server.websocket_url, hello=False) as client,
    ):
        await client.send("hello")
        user_id = (await client.receive("welcome"))["userId"]
        seen = set()
        for _ in range(2):
            stun_server, turn_server = (await client.receive("ice-servers"))["iceServers"]
            assert stun_server == {"urls": [f"stun:{{host}}:{server.port}"]}
            assert turn_server["urls"] == [f"turn:{{host}}:{port}?transport={each}" for each in ("udp", "tcp")]
            expires_at, _, user = turn_server["username"].partition(":")
            assert user == user_id
            assert 50 < int(expires_at) - time.time() <= 60
            url = parse_turn_url(turn_server["urls"][0].replace("{host}", "127.0.0.1"))
            assert await try_relay(url, turn_server["username"], turn_server["credential"]) is None
            seen.add(turn_server["credential"])
        assert len(seen) == 2
        async with await native(server.websocket_url, hello=False) as newcomer:
            await newcomer.send("hello")
            assert len((await newcomer.receive("welcome"))["iceServers"]) == 2
        await beginner.send("dance")
        assert (await beginner.next_message())["code"] == "unknown_type", "a beginner is told nothing of it"


@needs_coturn
@asynchronous
async def test_a_secret_that_coturn_says_is_not_passed_on() -> None:
    said = "127.0.0.0-127.255.255.255"
    with capture_logs() as logs:
        async with running(coturn_settings(secrets=(said,))):
            pass
    lines = [entry["line"] for entry in logs if entry["event"] == "coturn"]
    assert any("Black listing: …" in line for line in lines)
    assert said not in "".join(lines)


@needs_coturn
def test_no_turn_secret_is_in_the_log_or_among_the_arguments() -> None:
    port = free_port()
    secrets = {"SHEETBEND_TURN_SECRET": SECRET, "SHEETBEND_TURN_SECRET_PREVIOUS": OTHER_SECRET}
    with ServerProcess([*turn_flags(port), "--log-level", "debug"], environment=secrets) as process:
        wait_until(lambda: len(events(process, "turn_works")) == 2)
        assert process.stop() == 0
        assert events(process, "coturn")
        for secret in (SECRET, OTHER_SECRET):
            assert secret not in process.errors + process.announcement


# What makes no sense.


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"turn": "coturn", "turn_urls": ["turn:h"]}, "--turn-url"),
        ({"turn_port": 0}, "--turn-port"),
        ({"turn_tls_port": 70_000}, "--turn-tls-port"),
        ({"turn_port": 5349}, "the same"),
        ({"turn_relay_ports": (2, 1)}, "--turn-relay-ports"),
        ({"turn_relay_ports": (3000, 4000)}, "listens on"),
        ({"turn_external_ip": ip_address("203.0.113.1")}, "--turn coturn"),
        ({"turn_allow": [ip_network("10.0.0.0/8")]}, "--turn coturn"),
        ({"turn_secret_files": [Path("x")]}, "--turn-secret-file"),
        ({"name": "a b"}, "--ice-name"),
        ({"name": "x:y"}, "--ice-name"),
    ],
    ids=str,
)
def test_a_contradiction_is_a_mistake(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        IceConfig(**settings)


@needs_coturn
def test_an_outer_address_of_another_kind_is_a_mistake() -> None:
    ice = IceConfig(turn="coturn", turn_external_ip=ip_address("2001:db8::1"))
    with pytest.raises(ConfigurationError, match="--turn-external-ip"):
        settings_of(ice, "127.0.0.1", stun_port=None, secrets=[SECRET], tls_cert=None, tls_key=None, limits=Limits())


@pytest.mark.parametrize(
    ("host", "ice", "is_fine"),
    [
        ("127.0.0.1", {}, False),
        ("127.0.0.1", {"host": "127.0.0.2", "stun_urls": ("stun:127.0.0.2:3478",)}, True),
        ("127.0.0.1", {"host": "127.0.0.2"}, True),
        ("0.0.0.0", {"host": "127.0.0.2", "stun_urls": ()}, False),
        ("127.0.0.1", {"host": "127.0.0.1", "stun_urls": ()}, False),
    ],
)
def test_coturn_may_have_our_port_number_on_an_address_that_is_all_its_own(
    host: str, ice: dict[str, Any], is_fine: bool
) -> None:
    config = IceConfig(turn="coturn", turn_port=3478, **ice)
    if is_fine:
        ServerConfig(host=host, port=3478, ice=config)
    else:
        with pytest.raises(ConfigurationError, match="is coturn's"):
            ServerConfig(host=host, port=3478, ice=config)
