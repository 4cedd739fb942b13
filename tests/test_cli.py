"""The command line as its users meet it: a process, its output and its exit status."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.support.frames import upgrade_request
from tests.support.http import get, request
from tests.support.process import ServerProcess

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
        (["--config", "none.toml"], ["none.toml"]),
        (["--config", "."], ["Can't read"]),
        (["--config", "empty.pem", "--port", "x"], ["x"]),
    ],
    ids=" ".join,
)
def test_a_mistake_costs_one_line(tmp_path: Path, arguments: Sequence[str], words: Sequence[str]) -> None:
    (tmp_path / "empty.pem").touch()
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


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], []], ids=" ".join)
def test_help_fits_a_terminal(tmp_path: Path, arguments: Sequence[str]) -> None:
    result = sheetbend(*arguments, folder=tmp_path)
    assert (result.returncode, result.stderr) == (OK, "")
    lines = result.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert "serve" in result.stdout


def test_help_names_every_flag(tmp_path: Path) -> None:
    text = sheetbend("serve", "--help", folder=tmp_path).stdout
    flags = ["host", "port", "allow-origin", "tls-cert", "tls-key", "tls", "log-level", "log-format", "config"]
    assert [flag for flag in flags if f"--{flag} " not in text] == []


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
