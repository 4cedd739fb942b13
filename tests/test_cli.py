"""The command line as its users meet it: a process, its output and its exit status."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sheetbend.cli.limit_options import LimitOptions
from sheetbend.core.limits import Limits
from sheetbend.core.rate_limits import Rate
from tests.support.frames import RawWebSocket, text, upgrade_request
from tests.support.http import get, request
from tests.support.process import ServerProcess
from tests.support.tokens import OTHER_SECRET, SECRET

OK, MISUSED = 0, 2
NO_HOST = "no.such.host.invalid"
"""With this a command ends even if the mistake under test is overlooked."""


def sheetbend(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself, in a folder of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SHEETBEND_")}
    return subprocess.run(
        [sys.executable, "-m", "sheetbend", *arguments],
        cwd=folder,
        env={**clean, "COLUMNS": "80", **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def assert_refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """What the operator got wrong costs one line that says what it was, and status 2."""
    assert result.returncode == MISUSED, result
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("sheetbend: ")
    assert result.stderr.endswith(".\n") or result.stderr.endswith("?\n")
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prot", "1"], ["--prot"]),
        (["--port"], ["--port"]),
        (["--port", "abc"], ["--port", "abc"]),
        (["--port", "65536"], ["--port", "65536"]),
        (["--port", "-1"], ["--port", "-1"]),
        (["surplus"], ["surplus"]),
        (["--host", NO_HOST, "--port", "0"], [NO_HOST, "--host"]),
        (["--host", "203.0.113.1", "--port", "0"], ["203.0.113.1", "--host"]),
        (["--log-level", "loud"], ["--log-level", "loud"]),
        (["--log-format", "xml"], ["--log-format", "xml"]),
        (["--tls", "manual"], ["--tls", "manual"]),
        (["--tls-cert", "cert.pem"], ["--tls-key"]),
        (["--tls-key", "key.pem"], ["--tls-cert"]),
        (["--tls", "auto", "--tls-cert", "cert.pem", "--tls-key", "key.pem"], ["--tls"]),
        (["--tls-cert", "none.pem", "--tls-key", "none.pem", "--port", "0"], ["none.pem"]),
        (["--tls-cert", "empty.pem", "--tls-key", "empty.pem", "--port", "0"], ["empty.pem"]),
        (["--tls-cert", ".", "--tls-key", ".", "--port", "0"], ["Can't read"]),
        (["--allow-origin", "example.org"], ["--allow-origin", "example.org"]),
        (["--allow-origin", "https://example.org/path"], ["--allow-origin"]),
        (["--allow-origin", "https://*"], ["--allow-origin"]),
        (["--allow-origin", "*"], ["--allow-origin"]),
        (["--allow-origin", "null"], ["--allow-origin"]),
        (["--trusted-proxy", "proxy.example"], ["--trusted-proxy", "proxy.example"]),
        (["--trusted-proxy", "0.0.0.0/0"], ["--trusted-proxy"]),
        (["--auth", "password"], ["--auth", "password"]),
        (["--auth", "token"], ["SHEETBEND_TOKEN_SECRET", "openssl rand -hex 32", "--token-key"]),
        (["--token-key", "empty.pem"], ["--auth token"]),
        (["--token-audience", "here"], ["--auth token"]),
        (["--auth", "token", "--token-audience", "", "--token-key", "empty.pem"], ["--token-audience"]),
        (["--auth", "token", "--token-key", "empty.pem", "--port", "0"], ["empty.pem", "JWKS"]),
        (["--auth", "token", "--token-secret-file", "none", "--port", "0"], ["Can't read none"]),
        (["--auth", "token", "--token-secret-file", "empty.pem", "--port", "0"], ["empty.pem", "openssl rand -hex 32"]),
        (["--stun-url", "example.org"], ["--stun-url", "example.org"]),
        (["--ice-host", NO_HOST, "--port", "0"], [NO_HOST, "--ice-host"]),
        (["--turn", "other"], ["--turn", "other"]),
        (["--turn", "coturn", "--port", "3478"], ["--port", "3478"]),
        (["--turn", "coturn", "--turn-url", "turn:example.org"], ["--turn-url"]),
        (["--turn-url", "turn:example.org", "--port", "0"], ["SHEETBEND_TURN_SECRET", "--turn-secret-file"]),
        (["--turn-url", "turn:h", "--turn-secret-file", "empty.pem", "--port", "0"], ["empty.pem", "openssl rand"]),
        (["--turn", "coturn", "--turn-relay-ports", "5"], ["--turn-relay-ports", "5"]),
        (["--turn", "coturn", "--turn-external-ip", "example.org"], ["--turn-external-ip", "example.org"]),
        (["--turn", "coturn", "--turn-allow", "here"], ["--turn-allow", "here"]),
        (["--turn-allocations", "0"], ["--turn-allocations"]),
        (["--resume-grace", "-1"], ["--resume-grace", "-1"]),
        (["--resume-grace", "inf"], ["--resume-grace", "inf"]),
        (["--history-age", "nan"], ["--history-age", "nan"]),
        (["--history-messages", "-1"], ["--history-messages", "-1"]),
        (["--history-bytes", "1.5"], ["--history-bytes", "1.5"]),
        (["--sessions-per-node", "0"], ["--sessions-per-node"]),
        (["--connections-per-address", "0"], ["--connections-per-address"]),
        (["--members-per-room", "9" * 400], ["--members-per-room"]),
        (["--rooms-per-session", "0"], ["--rooms-per-session"]),
        (["--rate-messages", "0"], ["--rate-messages"]),
        (["--rate-bytes", "-5"], ["--rate-bytes"]),
        (["--rate-joins", "0"], ["--rate-joins"]),
        (["--rate-handshakes", "x"], ["--rate-handshakes"]),
        (["--drain-timeout", "-1"], ["--drain-timeout"]),
        (["--config", "none.toml"], ["none.toml"]),
        (["--config", "."], ["Can't read"]),
        (["--config", "empty.pem", "--port", "x"], ["x"]),
    ],
    ids=" ".join,
)
def test_a_mistake_costs_one_line(tmp_path: Path, arguments: Sequence[str], words: Sequence[str]) -> None:
    (tmp_path / "empty.pem").touch(mode=0o600)
    assert_refused(sheetbend("serve", *arguments, folder=tmp_path), *words)


def test_an_unknown_command_is_a_mistake(tmp_path: Path) -> None:
    assert_refused(sheetbend("server", folder=tmp_path), "server")


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_refused(sheetbend("serve", "--port", port, folder=tmp_path), port, "taken", "--port")


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[serve]\nprot = 1", ["prot"]),
        ('[serve]\nport = "x"', ["port", "x"]),
        ("[serve]\nport = 70000", ["70000"]),
        ("[serve]\nport = 1.5", ["port", "1.5"]),
        ('[serve]\nallow_origin = ["nonsense"]', ["nonsense"]),
        ("[serve", ["sheetbend.toml"]),
        ("port = = 1", ["sheetbend.toml"]),
        ("\udcff", ["sheetbend.toml"]),
        ("[serve]\nresume_grace = -1", ["--resume-grace"]),
        ("[serve]\nmembers_per_room = 1.5", ["members_per_room", "1.5"]),
        pytest.param("port = 0", ["port"], id="outside of a table"),
        pytest.param("[server]\nport = 0", ["server"], id="table of an unknown command"),
    ],
)
def test_a_mistake_in_the_file_costs_one_line(tmp_path: Path, toml: str, words: Sequence[str]) -> None:
    (tmp_path / "sheetbend.toml").write_bytes(toml.encode(errors="surrogateescape"))
    assert_refused(sheetbend("serve", "--host", NO_HOST, folder=tmp_path), *words)


@pytest.mark.parametrize("origin", ["https://Example.org", "https://example.org:443", "http://a.example:80"])
def test_an_origin_that_no_browser_sends_is_a_mistake(tmp_path: Path, origin: str) -> None:
    assert_refused(sheetbend("serve", "--host", NO_HOST, "--allow-origin", origin, folder=tmp_path), "--allow-origin")


def test_a_mistake_in_a_variable_costs_one_line(tmp_path: Path) -> None:
    assert_refused(sheetbend("serve", folder=tmp_path, SHEETBEND_PORT="abc"), "SHEETBEND_PORT", "abc")
    assert_refused(sheetbend("serve", folder=tmp_path, SHEETBEND_CONFIG="none.toml"), "none.toml")


def test_a_flag_beats_a_variable_beats_the_file(tmp_path: Path) -> None:
    """Each says another impossible port; the error names the one that counts."""
    (tmp_path / "sheetbend.toml").write_text("[serve]\nport = 70001")
    (tmp_path / "other.toml").write_text("[serve]\nport = 70002")
    assert_refused(sheetbend("serve", folder=tmp_path), "70001")
    assert_refused(sheetbend("serve", folder=tmp_path, SHEETBEND_CONFIG="other.toml"), "70002")
    assert_refused(sheetbend("serve", "--config", "other.toml", folder=tmp_path), "70002")
    assert_refused(sheetbend("--config", "other.toml", "serve", folder=tmp_path), "70002")
    assert_refused(sheetbend("serve", folder=tmp_path, SHEETBEND_PORT="70003"), "70003")
    assert_refused(sheetbend("serve", "--port", "70004", folder=tmp_path, SHEETBEND_PORT="70003"), "70004")


def test_file_and_variables_are_obeyed(tmp_path: Path) -> None:
    (tmp_path / "sheetbend.toml").write_text('[serve]\nallow_origin = ["https://a.example", "https://b.example"]')
    with ServerProcess(folder=tmp_path, environment={"SHEETBEND_LOG_LEVEL": "error"}) as server:
        for origin, status in [("https://a.example", 101), ("https://b.example", 101), ("https://c.example", 403)]:
            with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
                connection.sendall(upgrade_request(extra=f"Origin: {origin}\r\n"))
                assert connection.recv(12) == f"HTTP/1.1 {status}".encode()
        assert server.stop() == OK
        assert server.errors == ""


@pytest.mark.parametrize(
    ("arguments", "lines_max"),
    [(["--help"], 24), ([], 24), (["token", "--help"], 24), (["serve", "--help"], 72)],
    ids=str,
)
def test_help_fits_a_terminal(tmp_path: Path, arguments: Sequence[str], lines_max: int) -> None:
    result = sheetbend(*arguments, folder=tmp_path)
    assert (result.returncode, result.stderr) == (OK, "")
    lines = result.stdout.splitlines()
    assert len(lines) <= lines_max
    assert max(map(len, lines)) <= 80
    assert "serve" in result.stdout


def test_help_names_every_flag(tmp_path: Path) -> None:
    help_ = sheetbend("serve", "--help", folder=tmp_path).stdout
    flags = ["host", "port", "allow-origin", "tls-cert", "tls-key", "tls", "log-level", "log-format", "config"]
    flags += ["auth", "token-secret-file", "token-key", "token-audience", "trusted-proxy", "resume-grace"]
    flags += ["history-messages", "history-bytes", "history-age", "connections-per-address", "members-per-room"]
    flags += ["sessions-per-node", "rooms-per-session", "rate-messages", "rate-bytes", "rate-joins"]
    flags += ["rate-handshakes", "drain-timeout"]
    flags += ["ice-host", "ice-name", "stun-url", "turn", "turn-url", "turn-secret-file", "turn-port", "turn-tls-port"]
    flags += ["turn-relay-ports", "turn-external-ip", "turn-allow", "turn-allocations", "rate-turn"]
    assert [flag for flag in flags if f"--{flag} " not in help_] == []


def test_version(tmp_path: Path) -> None:
    assert sheetbend("--version", folder=tmp_path).stdout.strip().count(".") == 2


def test_port_0_takes_a_free_one_each_time() -> None:
    with ServerProcess() as first, ServerProcess() as second:
        assert first.port != second.port
        assert get(first.port, "/healthz").status == get(second.port, "/healthz").status == 200
        assert (first.stop(), second.stop()) == (OK, OK)


def test_tls_auto_serves_the_page_with_a_certificate_for_localhost() -> None:
    with ServerProcess(["--tls", "auto"]) as server:
        assert server.url.startswith("https://")
        pem = ssl.get_server_certificate(("127.0.0.1", server.port))
        certificate = x509.load_pem_x509_certificate(pem.encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert "localhost" in names.get_values_for_type(x509.DNSName)
        assert "127.0.0.1" in map(str, names.get_values_for_type(x509.IPAddress))
        context = ssl.create_default_context(cadata=pem)
        assert request(server.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", tls=context).status == 200
        opened = request(server.port, b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", tls=context)
        assert opened.status == 426
        assert certificate.fingerprint(hashes.SHA256()).hex(":").upper() in server.announcement
        assert server.stop() == OK


def test_a_page_of_http_may_not_connect_to_a_server_of_https() -> None:
    with ServerProcess(["--tls", "auto"]) as server:
        context = ssl.create_default_context(cadata=ssl.get_server_certificate(("127.0.0.1", server.port)))
        host = f"localhost:{server.port}"
        refused = upgrade_request(replace={"Host": host}, extra=f"Origin: http://{host}\r\n")
        assert request(server.port, refused, tls=context).status == 403
        assert server.stop() == OK


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_listening_everywhere_names_an_address_to_open(host: str) -> None:
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6: enable net.ipv6")
    with ServerProcess(["--host", host]) as server:
        assert server.url == f"http://localhost:{server.port}/"
        assert get(server.port, "/healthz").status == 200
        assert server.stop() == OK


# Limits.


def test_limits_are_obeyed_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "sheetbend.toml").write_text("[serve]\nconnections_per_address = 1")
    with ServerProcess(folder=tmp_path) as server, RawWebSocket.open(server.port):
        assert request(server.port, upgrade_request()).status == 429
        assert server.stop() == OK
    with ServerProcess(folder=tmp_path, environment={"SHEETBEND_CONNECTIONS_PER_ADDRESS": "2"}) as server:
        with RawWebSocket.open(server.port), RawWebSocket.open(server.port):
            assert request(server.port, upgrade_request()).status == 429
        assert server.stop() == OK


def test_a_proxy_that_is_trusted_speaks_for_others(tmp_path: Path) -> None:
    flags = ["--connections-per-address", "1", "--trusted-proxy", "127.0.0.0/8", "--trusted-proxy", "::1"]
    with ServerProcess(flags, folder=tmp_path) as server, RawWebSocket.open(server.port):
        assert request(server.port, upgrade_request()).status == 429
        with RawWebSocket(server.port) as other:
            other.send(upgrade_request(extra="X-Forwarded-For: 203.0.113.7\r\n"))
            assert other.read_head().startswith("HTTP/1.1 101 ")
        assert server.stop() == OK


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Limits()),
        ({"rate_messages": 2000.0, "rate_bytes": 1_048_576.0}, Limits()),
        ({"rate_messages": 7.0}, Limits(message_rate=Rate(per_s=7, burst=35))),
        ({"rate_joins": 0.1}, Limits(join_rate=Rate(per_s=0.1, burst=1))),
        ({"rate_bytes": 10.0}, Limits(byte_rate=Rate(per_s=10, burst=65_536))),
        ({"rate_handshakes": 1.0}, Limits(address_handshake_rate=Rate(per_s=1, burst=5))),
        (
            {"resume_grace": 0.0, "history_messages": 0, "history_bytes": 0, "history_age": 0.0, "drain_timeout": 0.0},
            Limits(resume_grace_s=0, history_messages_max=0, history_bytes_max=0, history_age_s=0, drain_timeout_s=0),
        ),
        ({"turn_allocations": 5, "rate_turn": 6}, Limits(turn_allocations_max=5, turn_bytes_per_s_max=6)),
        (
            {"sessions_per_node": 4, "connections_per_address": 1, "members_per_room": 2, "rooms_per_session": 3},
            Limits(sessions_max=4, connections_per_address_max=1, members_per_room_max=2, rooms_per_session_max=3),
        ),
    ],
    ids=str,
)
def test_a_flag_is_a_limit(options: dict[str, Any], expected: Limits) -> None:
    assert LimitOptions(**options).as_limits() == expected


# Tokens.


def minted(folder: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    """Mint a token and return its claims; nothing but the token may be said."""
    result = sheetbend("token", *arguments, folder=folder, **environment)
    assert (result.returncode, result.stderr) == (OK, "")
    assert result.stdout.count("\n") == 1
    payload = result.stdout.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def test_a_token_is_minted(tmp_path: Path) -> None:
    before = int(time.time())
    claims = minted(tmp_path, "--sub", "ada", "--room", "demo", SHEETBEND_TOKEN_SECRET=SECRET)
    expires_at, issued_at = claims.pop("exp"), claims.pop("iat")
    assert claims == {"sub": "ada", "room": "demo"}
    assert before <= issued_at <= time.time()
    assert expires_at == issued_at + 3600
    flags = [
        "--sub",
        "ada",
        "--room",
        "demo",
        "--room",
        "team-*",
        "--name",
        "Ada",
        "--can",
        "message",
        "--can",
        "moderate",
    ]
    claims = minted(tmp_path, *flags, "--audience", "here", "--expires", "7d", SHEETBEND_TOKEN_SECRET=SECRET)
    assert claims.pop("exp") - claims.pop("iat") == 7 * 86_400
    assert claims == {
        "sub": "ada",
        "room": ["demo", "team-*"],
        "name": "Ada",
        "can": ["message", "moderate"],
        "aud": "here",
    }
    claims = minted(tmp_path, *flags, SHEETBEND_TOKEN_SECRET=SECRET, SHEETBEND_TOKEN_AUDIENCE="there")
    assert claims["aud"] == "there"


def test_a_settings_file_for_serving_does_not_disturb_minting(tmp_path: Path) -> None:
    (tmp_path / "sheetbend.toml").write_text('[serve]\nport = 1\nauth = "token"')
    assert minted(tmp_path, "--sub", "ada", "--room", "demo", SHEETBEND_TOKEN_SECRET=SECRET)["sub"] == "ada"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--sub"]),
        (["--sub", "ada"], ["--room"]),
        (["--sub", "", "--room", "x"], ["sub"]),
        (["--sub", "ada", "--room", ""], ["room"]),
        (["--sub", "ada", "--room", "x", "--name", "x" * 65], ["name"]),
        (["--sub", "ada", "--room", "x", "--can", "fly"], ["--can", "fly"]),
        (["--sub", "ada", "--room", "x", "--expires", "1"], ["--expires", "15m"]),
        (["--sub", "ada", "--room", "x", "--expires", "0h"], ["--expires"]),
        (["--sub", "ada", "--room", "x", "--expires", "-1h"], ["--expires"]),
        (["--sub", "ada", "--room", "x", "--expires", "999999999d"], ["exp"]),
        (["--sub", "ada", "--room", "x", "--private-key", "none.pem"], ["Can't read none.pem"]),
        (["--sub", "ada", "--room", "x", "--private-key", "empty.pem"], ["empty.pem"]),
        (["--sub", "ada", "--room", "x", "--token-secret-file", "empty.pem"], ["empty.pem", "openssl rand -hex 32"]),
        (["--sub", "ada", "--room", "x", "--private-key", "a", "--token-secret-file", "b"], ["--private-key"]),
        (["--sub", "ada", *["--room", "r" * 128] * 64], ["rooms"]),
    ],
    ids=str,
)
def test_a_mistake_in_minting_costs_one_line(tmp_path: Path, arguments: Sequence[str], words: Sequence[str]) -> None:
    (tmp_path / "empty.pem").touch(mode=0o600)
    assert_refused(sheetbend("token", *arguments, folder=tmp_path, SHEETBEND_TOKEN_SECRET=SECRET), *words)


def test_minting_takes_a_key(tmp_path: Path) -> None:
    words = ["SHEETBEND_TOKEN_SECRET", "--token-secret-file", "--private-key"]
    assert_refused(sheetbend("token", "--sub", "ada", "--room", "x", folder=tmp_path), *words)


def test_what_is_minted_is_taken(tmp_path: Path) -> None:
    """By a shared secret in a variable, by the one before it in a file, and by a key pair."""
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "key.pem").touch(mode=0o600)
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "secret").touch(mode=0o600)
    (tmp_path / "secret").write_text(f"{OTHER_SECRET}\n")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pub.pem").write_bytes(public)
    mint = ["token", "--sub", "ada", "--room", "demo", "--audience", "here"]
    by_variable = sheetbend(*mint, folder=tmp_path, SHEETBEND_TOKEN_SECRET=SECRET).stdout.strip()
    by_file = sheetbend(*mint, "--token-secret-file", "secret", folder=tmp_path).stdout.strip()
    by_key = sheetbend(*mint, "--private-key", "key.pem", "--kid", "k", folder=tmp_path).stdout.strip()
    serve = ["--auth", "token", "--token-audience", "here"]
    for flags, environment, taken in [
        (["--token-secret-file", "secret"], {"SHEETBEND_TOKEN_SECRET": SECRET}, [by_variable, by_file]),
        (
            [],
            {"SHEETBEND_TOKEN_SECRET": OTHER_SECRET, "SHEETBEND_TOKEN_SECRET_PREVIOUS": SECRET},
            [by_variable, by_file],
        ),
        (["--token-key", "key.pub.pem"], {}, [by_key]),
        ([], {"SHEETBEND_TOKEN_KEY": "key.pub.pem", "SHEETBEND_TOKEN_SECRET_FILE": "secret"}, [by_file, by_key]),
    ]:
        with ServerProcess([*serve, *flags], folder=tmp_path, environment=environment) as server:
            for token in (by_variable, by_file, by_key):
                assert hello(server.port, token) == ("welcome" if token in taken else "invalid_token")
            assert hello(server.port, None) == "token_required"
            assert server.stop() == OK
            for canary in (SECRET, OTHER_SECRET, by_variable, by_file, by_key):
                assert canary not in server.errors + server.announcement


def hello(port: int, token: str | None) -> str:
    """Return what a hello with `token` is answered by: `welcome`, or the code of an error."""
    answer = answer_to_hello(port, {} if token is None else {"token": token})
    return str(answer.get("code", answer["type"]))


def answer_to_hello(port: int, fields: dict[str, Any]) -> dict[str, Any]:
    with RawWebSocket.open(port, subprotocol="sheetbend.v1") as raw:
        raw.send(text("hello", **fields))
        return raw.read_message()


def test_a_secret_is_shown_nowhere(tmp_path: Path) -> None:
    """Not by help or errors, and no flag takes it, so that it isn't in the process list."""
    secrets = {"SHEETBEND_TOKEN_SECRET": SECRET, "SHEETBEND_TURN_SECRET": OTHER_SECRET}
    for arguments in (["serve", "--help"], ["token", "--help"], ["serve", "--prot", "1"], ["serve", "--host", NO_HOST]):
        result = sheetbend(*arguments, folder=tmp_path, **secrets)
        assert SECRET not in result.stdout + result.stderr
        assert OTHER_SECRET not in result.stdout + result.stderr
    for command in (["serve"], ["token", "--sub", "ada", "--room", "x"]):
        for flag in ("--token-secret", "--turn-secret"):
            refused = sheetbend(*command, f"{flag}={SECRET}", folder=tmp_path)
            assert_refused(refused, flag)
            assert SECRET not in refused.stderr
    (tmp_path / "sheetbend.toml").write_text(f'[serve]\ntoken_secret = "{SECRET}"')
    refused = sheetbend("serve", folder=tmp_path)
    assert_refused(refused, "token_secret")
    assert SECRET not in refused.stderr
    (tmp_path / "sheetbend.toml").unlink()
    short = sheetbend("serve", "--auth", "token", "--port", "0", folder=tmp_path, SHEETBEND_TOKEN_SECRET=SECRET[:31])
    assert_refused(short, "openssl rand -hex 32")
    assert SECRET[:31] not in short.stderr


def test_a_server_that_asks_for_no_tokens_warns_of_a_secret_that_does_nothing(tmp_path: Path) -> None:
    with ServerProcess(folder=tmp_path, environment={"SHEETBEND_TOKEN_SECRET": SECRET}) as server:
        assert server.stop() == OK
        assert [line["event"] for line in server.log if line["level"] == "warning"] == ["token_secret_unused"]
        assert SECRET not in server.errors


def test_stun_and_turn_are_set_wherever_settings_stand(tmp_path: Path) -> None:
    """The TURN server isn't there, so it is not offered; a secret without one does nothing, which is said."""
    (tmp_path / "sheetbend.toml").write_text(
        '[serve]\nstun_url = ["stun:192.0.2.1"]\nturn_url = ["turn:127.0.0.1:9?transport=tcp"]'
    )
    secret = {"SHEETBEND_TURN_SECRET": SECRET}
    with ServerProcess(folder=tmp_path, environment=secret) as server:
        assert answer_to_hello(server.port, {})["iceServers"] == [{"urls": ["stun:192.0.2.1"]}]
        assert server.stop() == OK
    environment = {**secret, "SHEETBEND_STUN_URL": "none"}
    with ServerProcess(environment=environment) as server:
        assert answer_to_hello(server.port, {})["iceServers"] == []
        assert [line["event"] for line in server.log if line["level"] == "warning"] == ["turn_secret_unused"]
        assert server.stop() == OK
