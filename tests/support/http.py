"""HTTP requests as bytes, and what came back."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser

__all__ = ["Response", "get", "request"]

_TIMEOUT_S = 10


@dataclass(frozen=True)
class Response:
    status: int
    headers: Message
    body: bytes


def get(port: int, target: str = "/", **headers: str) -> Response:
    """GET `target` as it stands; an underscore in a header's name is a hyphen."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return request(port, f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{lines}\r\n".encode())


def request(port: int, raw: bytes, *, tls: ssl.SSLContext | None = None) -> Response:
    """Send `raw` and read until the server ends the connection, as it must after each answer."""
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as plain:
        if tls is None:
            answer = _exchange(plain, raw)
        else:
            with tls.wrap_socket(plain, server_hostname="localhost") as secure:
                answer = _exchange(secure, raw)
    head, body = answer.split(b"\r\n\r\n", 1)
    status_line, _, fields = head.partition(b"\r\n")
    return Response(int(status_line.split(b" ")[1]), BytesParser().parsebytes(fields + b"\r\n\r\n"), body)


def _exchange(connection: socket.socket, raw: bytes) -> bytes:
    connection.sendall(raw)
    answer = b""
    while piece := connection.recv(65_536):
        answer += piece
    return answer
