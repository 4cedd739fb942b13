"""STUN and TURN at the server's site, and what browsers are told of them.

This is the place to change once the server brings its own: give `Server` its flags, and pages None instead of these
lists, so that they take what `welcome` names.
"""

from __future__ import annotations

import socket
import socketserver
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .lab import SERVER_ADDRESS, TURN_ADDRESS, Lab
from .probes import udp_socket

__all__ = ["ice_servers"]

STUN_PORT = 3478
#: The port that strict networks leave open, so that TURN over TCP comes through as well.
TURN_PORT = 443
_READY_TIMEOUT_S = 10
_BINDING_REQUEST, _BINDING_SUCCESS = 0x0001, 0x0101
_XOR_MAPPED_ADDRESS = 0x0020
_MAGIC_COOKIE = 0x2112A442


@contextmanager
def ice_servers(lab: Lab, *, with_turn: bool) -> Iterator[list[dict[str, Any]] | None]:
    """Run STUN, and TURN if asked; give what to tell `connect`."""
    stun = {"urls": [f"stun:{SERVER_ADDRESS}:{STUN_PORT}"]}
    with _stun_responder(lab):
        if not with_turn:
            yield [stun]
            return
        with _coturn(lab):
            urls = [f"turn:{TURN_ADDRESS}:{TURN_PORT}?transport={transport}" for transport in ("udp", "tcp")]
            yield [stun, {"urls": urls, "username": "lab", "credential": "lab"}]


class _StunHandler(socketserver.BaseRequestHandler):
    """Answers Binding requests (RFC 8489) with where they came from."""

    def handle(self) -> None:
        request, udp = self.request
        if len(request) >= 20 and request[:2] == struct.pack(">H", _BINDING_REQUEST):
            udp.sendto(_binding_success(request[8:20], *self.client_address), self.client_address)


@contextmanager
def _stun_responder(lab: Lab) -> Iterator[None]:
    server = lab.site.call(lambda: socketserver.UDPServer((SERVER_ADDRESS, STUN_PORT), _StunHandler))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _binding_success(transaction_id: bytes, address: str, port: int) -> bytes:
    (number,) = struct.unpack(">I", socket.inet_aton(address))
    value = struct.pack(">BBHI", 0, 1, port ^ _MAGIC_COOKIE >> 16, number ^ _MAGIC_COOKIE)
    attribute = struct.pack(">HH", _XOR_MAPPED_ADDRESS, len(value)) + value
    return struct.pack(">HHI", _BINDING_SUCCESS, len(attribute), _MAGIC_COOKIE) + transaction_id + attribute


@contextmanager
def _coturn(lab: Lab) -> Iterator[None]:
    """Run Debian's coturn, which lets its users reach the lab's private addresses too."""
    with tempfile.TemporaryDirectory(prefix="sheetbend-lab-") as folder:
        command = ["turnserver", "-n", "--listening-ip", TURN_ADDRESS, "--relay-ip", TURN_ADDRESS]
        command += ["--listening-port", str(TURN_PORT), "--lt-cred-mech", "--user", "lab:lab", "--realm", "lab"]
        command += ["--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout", "--simple-log"]
        command += ["--pidfile", f"{folder}/pid", "--userdb", f"{folder}/userdb"]
        with open(f"{folder}/log", "w") as log:  # noqa: PTH123
            process = lab.site.start(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for_stun(lab, process, f"{folder}/log")
            yield
        finally:
            process.kill()
            process.wait()


def _wait_for_stun(lab: Lab, process: subprocess.Popen[str], log: str) -> None:
    """Return when coturn answers, which is the first sign of it that isn't the wording of its log."""
    request = struct.pack(">HHI", _BINDING_REQUEST, 0, _MAGIC_COOKIE) + bytes(12)
    with udp_socket(lab.site, TURN_ADDRESS) as udp:
        udp.settimeout(0.1)
        for _ in range(_READY_TIMEOUT_S * 10):
            if process.poll() is not None:
                break
            with suppress(TimeoutError, ConnectionRefusedError):
                udp.sendto(request, (TURN_ADDRESS, TURN_PORT))
                udp.recv(2048)
                return
    with open(log) as text:  # noqa: PTH123
        raise RuntimeError(f"coturn did not start: {text.read()}")
