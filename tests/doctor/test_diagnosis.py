"""The doctor against real servers, and against what only looks like one."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sheetbend.core.limits import Limits
from sheetbend.doctor import Check, Report, ServerAddress, diagnose, parse_address
from sheetbend.doctor.stun import Answer, nat_of
from sheetbend.doctor.trying import Skipped
from sheetbend.doctor.turn import TurnServer
from sheetbend.errors import ConfigurationError
from sheetbend.server.token_keys import secret_key
from sheetbend.server.tokens import mint
from tests.support.in_process import asynchronous, serving
from tests.support.process import ServerProcess
from tests.support.tokens import SECRET
from tests.support.turn import SECRET as TURN_SECRET
from tests.support.turn import certificate, needs_coturn, somebody_elses

WORKS, BLOCKED, MISUSED = 0, 1, 2


def by_id(report: Report) -> dict[str, Check]:
    return {check.id: check for check in report.checks}


def here(port: int) -> ServerAddress:
    return ServerAddress("127.0.0.1", port, is_secure=False)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.org", "wss://example.org/ws"),
        ("https://example.org:443/r/demo?a=b#secret", "wss://example.org/ws"),
        ("http://example.org:8080/", "ws://example.org:8080/ws"),
        ("ws://example.org/ws", "ws://example.org/ws"),
        ("wss://example.org/behind/ws?x#y", "wss://example.org/behind/ws"),
        ("wss://example.org", "wss://example.org/ws"),
        ("http://[2001:db8::1]:8080", "ws://[2001:db8::1]:8080/ws"),
    ],
)
def test_an_address_is_what_people_have_at_hand_without_its_secret(text: str, url: str) -> None:
    assert parse_address(text).websocket_url == url


@pytest.mark.parametrize(
    "text", ["", "example.org", "localhost:8080", "ftp://example.org", "https://", "https://u:p@h", "http://h:x"]
)
def test_what_is_no_address_costs_one_sentence(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"https://example\.org"):
        parse_address(text)


@asynchronous
async def test_all_is_well_and_nothing_is_left() -> None:
    seen: list[str] = []
    async with serving(Limits()) as server:
        report = await diagnose(here(server.port), on_check=lambda check: seen.append(check.id))
    found = by_id(report)
    assert report.verdict.code == "all_well"
    assert sorted(seen) == sorted(found)
    assert found["relay"].detail["rttMs"] > 0
    assert found["relay"].detail["bytesPerS"] > 1_000_000
    assert found["nat"].code == "no_nat"
    assert found["turn_udp"].code == "not_offered"
    assert report.server is not None
    assert asyncio.all_tasks() == {asyncio.current_task()}


@needs_coturn
@asynchronous
async def test_turn_is_tried_over_udp_tcp_and_tls_and_no_credential_is_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sheetbend.server.ice_config import IceConfig

    tls = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[0]))
    async with somebody_elses("--allow-loopback-peers", tls=tls) as port:
        urls = [f"turn:127.0.0.1:{port}?transport={transport}" for transport in ("udp", "tcp")]
        urls.append(f"turns:127.0.0.1:{port}?transport=tcp")
        async with serving(Limits(), ice=IceConfig(turn_urls=urls, turn_secrets=[TURN_SECRET])) as server:
            async with asyncio.timeout(20):  # offered once it was tried
                while by_id(report := await diagnose(here(server.port)))["turn_tls"].status != "ok":
                    pass
    found = by_id(report)
    assert [found[f"turn_{how}"].status for how in ("udp", "tcp", "tls")] == ["ok"] * 3, report
    text = msgspec.json.encode(report).decode()
    assert "credential" not in text
    assert "username" not in text


@asynchronous
async def test_a_token_is_asked_for_taken_and_kept_out_of_the_report() -> None:
    token = mint(secret_key(SECRET, "here", None), subject="ada", rooms=["*"], expires_in_s=60, now=time.time())
    narrow = mint(secret_key(SECRET, "here", None), subject="ada", rooms=["x"], expires_in_s=60, now=time.time())
    async with serving(Limits(), auth="token", token_secrets=[SECRET]) as server:
        assert (await diagnose(here(server.port))).verdict.code == "token_needed"
        assert (await diagnose(here(server.port), token="x")).verdict.code == "token_needed"
        report = await diagnose(here(server.port), token=token)
        limited = await diagnose(here(server.port), token=narrow)
    assert report.verdict.code == "all_well"
    assert token not in msgspec.json.encode(report).decode()
    assert (by_id(limited)["relay"].status, by_id(limited)["relay"].code) == ("skipped", "not_allowed")


@asynchronous
async def test_one_session_is_enough_to_look_further() -> None:
    async with serving(Limits(connections_per_address_max=1)) as server:
        report = await diagnose(here(server.port))
    assert by_id(report)["websocket"].status == "ok"
    assert (by_id(report)["relay"].status, by_id(report)["relay"].code) == ("failed", "rate_limited")
    assert by_id(report)["stun"].status == "ok"


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """A server that says the same to everybody, except to /healthz, which is well."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        is_health = request.startswith(b"GET /healthz") and answer.startswith(b"HTTP")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n" if is_health else answer)
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@asynchronous
async def test_a_proxy_that_stops_websockets_is_told_from_a_server_that_is_away() -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as port:
        report = await diagnose(here(port))
    assert report.verdict.code == "websocket_blocked"
    assert by_id(report)["websocket"].detail["httpStatus"] == 400
    assert (await diagnose(here(port))).verdict.code == "server_unreachable"


@asynchronous
async def test_what_speaks_no_http_is_no_sheetbend() -> None:
    async with answering(b"220 mail.example ESMTP\r\n") as port:
        assert (await diagnose(here(port))).verdict.code == "not_sheetbend"


@asynchronous
async def test_what_is_cancelled_leaves_nothing() -> None:
    """A listener whose queue takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        diagnosis = asyncio.create_task(diagnose(here(silent.getsockname()[1])))
        accepted = await asyncio.to_thread(silent.accept)
        diagnosis.cancel()
        with pytest.raises(asyncio.CancelledError):
            await diagnosis
        assert asyncio.all_tasks() == {asyncio.current_task()}
        accepted[0].close()


V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)
LOCAL = ("10.0.0.2", 5000)
TURN = TurnServer("turn:example.org", "", "")


def seen(server: tuple[str, int], mapped: tuple[str, int] | None, family: int = V4) -> Answer:
    return Answer("stun:example.org", None, family, server, LOCAL, mapped)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([seen(("a", 1), LOCAL)], "no_nat"),
        ([seen(("a", 1), ("x", 9)), seen(("b", 1), ("x", 9))], "endpoint_independent"),
        ([seen(("a", 1), ("x", 9)), seen(("a", 2), ("x", 9))], "endpoint_independent"),
        ([seen(("a", 1), ("x", 9)), seen(("b", 1), ("x", 8))], "symmetric"),
        ([seen(("a", 1), ("x", 9)), seen(("b", 1), ("y", 9))], "symmetric"),
        ([seen(("a", 1), LOCAL, V6), seen(("a", 1), ("x", 9)), seen(("b", 1), ("x", 8))], "symmetric"),
    ],
)
def test_a_nat_is_known_by_what_two_servers_see(answers: list[Answer], code: str) -> None:
    assert nat_of(answers).code == code


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([], "no_answer"),
        ([seen(("a", 1), None)], "no_answer"),
        ([seen(("a", 1), ("x", 9))], "one_address"),
        ([seen(("a", 1), ("x", 9)), seen(("b", 1), None)], "one_address"),
        ([seen(("a", 1), ("x", 9)), seen(("a", 1), ("z", 7), V6)], "one_address"),
    ],
)
def test_with_one_place_to_ask_it_says_that_it_does_not_know(answers: list[Answer], code: str) -> None:
    with pytest.raises(Skipped) as why:
        nat_of(answers)
    assert why.value.code == code


# The command.


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sheetbend", "doctor", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_command_prints_a_table_and_a_verdict_or_the_report_alone() -> None:
    with ServerProcess() as server:
        for_people = doctor(f"{server.url}r/demo#hidden")
        for_programs = doctor(server.websocket_url, "--json")
    assert (for_people.returncode, for_people.stderr) == (WORKS, "")
    assert "ok      server's relay" in for_people.stdout
    assert for_people.stdout.splitlines()[-1].startswith("Everything works")
    assert "hidden" not in for_people.stdout
    assert (for_programs.returncode, for_programs.stderr) == (WORKS, "")
    report: dict[str, Any] = json.loads(for_programs.stdout)
    assert report["verdict"]["code"] == "all_well"
    assert list(report) == ["version", "url", "by", "server", "startedAt", "tookMs", "checks", "verdict"]
    assert doctor(server.url).returncode == BLOCKED


def test_the_command_takes_the_token_from_a_variable() -> None:
    environment = {"SHEETBEND_TOKEN_SECRET": SECRET}
    token = mint(secret_key(SECRET, "here", None), subject="ada", rooms=["*"], expires_in_s=60, now=time.time())
    with ServerProcess(["--auth", "token"], environment=environment) as server:
        assert doctor(server.url).returncode == BLOCKED
        assert doctor(server.url, SHEETBEND_TOKEN=token).returncode == WORKS


def test_a_certificate_that_nobody_knows_is_refused_unless_told_not_to() -> None:
    with ServerProcess(["--tls", "auto"]) as server:
        refused = doctor(server.url, "--json")
        assert refused.returncode == BLOCKED
        assert json.loads(refused.stdout)["verdict"]["code"] == "certificate_refused"
        assert doctor(server.url, "--insecure").returncode == WORKS


def test_what_is_no_address_costs_one_line_and_status_2(tmp_path: Path) -> None:
    done = doctor("example.org")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (MISUSED, "", 1)
