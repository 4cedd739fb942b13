"""The gate of the public port: reads one HTTP request and answers with a page, a refusal, or a WebSocket."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus

from multidict import CIMultiDict
from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener

from ..core.events import DialectName
from .admission import Admission, TooMany
from .config import ServerConfig
from .connection import Connection
from .hub import Hub
from .origins import is_origin_allowed
from .pages import SECURITY_HEADERS, Page, Pages

__all__ = ["Gate"]

SUBPROTOCOL: DialectName = "sheetbend.v1"
_KEY = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")
"""16 bytes in base64."""
_FULL_WAIT_S = 10
"""When to try again at the bound of connections: nobody knows when one ends."""
_TEXT = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}


class Gate:
    """Called with every request and its peer, before picows checks the WebSocket headers. Never raises.

    `is_ready` says what `GET /healthz` answers, and whether connections are taken. Open ones stand in `connections`.
    """

    def __init__(
        self,
        hub: Hub,
        pages: Pages,
        admission: Admission,
        config: ServerConfig,
        *,
        is_loopback: bool,
        is_ready: Callable[[], bool],
    ) -> None:
        self._hub = hub
        self._admission = admission
        self._pages = pages
        self._config = config
        self._is_loopback = is_loopback
        self._is_ready = is_ready
        self.connections: set[Connection] = set()

    def __call__(self, request: WSUpgradeRequest, peer: str) -> WSUpgradeResponseWithListener:
        path = request.path.decode("ascii", "replace").split("?", 1)[0]
        if path == "/ws":
            return self._open_websocket(request, peer)
        if path == "/healthz":
            ready = self._is_ready()
            return _answer(200 if ready else 503, b"ok\n" if ready else b"shutting down\n")
        page = self._pages.find(path)
        return _answer(404, b"There is nothing here.\n") if page is None else _answer_page(page, request.headers)

    def _open_websocket(self, request: WSUpgradeRequest, peer: str) -> WSUpgradeResponseWithListener:
        headers = request.headers
        if headers.get("Upgrade", "").lower() != "websocket" or headers.get("Sec-WebSocket-Version") != "13":
            return _answer(
                426,
                b"This address speaks WebSocket, version 13.\n",
                {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
            )
        if not self._is_ready():
            return _answer(503, b"The server is shutting down.\n")
        if len(self.connections) >= self._config.limits.connections_max:
            return _answer(503, b"The server is full.\n", {"Retry-After": str(_FULL_WAIT_S)})
        origins = headers.getall("Origin", [])
        if not is_origin_allowed(
            origins,
            headers.getall("Host", []),
            self._config.allow_origins,
            is_secure=self._config.is_secure,
            is_loopback=self._is_loopback,
        ):
            return _answer(403, b"Pages of this origin may not connect: the operator can say --allow-origin.\n")
        offered = _tokens(headers, "Sec-WebSocket-Protocol")
        if offered and SUBPROTOCOL not in offered:
            return _answer(400, f"Offer the subprotocol {SUBPROTOCOL}, or none.\n".encode())
        if "upgrade" not in map(str.lower, _tokens(headers, "Connection")) or not _is_key(headers):
            return _answer(400, b"Not a WebSocket handshake: see RFC 6455 section 4.1.\n")
        address = self._admission.address_of(peer, headers.getall("X-Forwarded-For", []))
        lease = self._admission.admit(address)
        if isinstance(lease, TooMany):
            return _answer(429, f"{lease.sentence}\n".encode(), {"Retry-After": str(math.ceil(lease.retry_after_s))})
        headers["Connection"] = "Upgrade"  # Firefox sends "keep-alive, Upgrade", which picows refuses
        dialect: DialectName = SUBPROTOCOL if offered else "lesson"
        connection = Connection(self._hub, dialect, self._config.limits, lease, self.connections)
        extra = {"Sec-WebSocket-Protocol": SUBPROTOCOL} if offered else None
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(extra), connection)


def _tokens(headers: CIMultiDict[str], name: str) -> list[str]:
    """The comma-separated values of a header that may stand there several times."""
    values = ",".join(headers.getall(name, [])).split(",")
    return [value.strip() for value in values if value.strip()]


def _is_key(headers: CIMultiDict[str]) -> bool:
    keys = headers.getall("Sec-WebSocket-Key", [])
    return len(keys) == 1 and _KEY.fullmatch(keys[0]) is not None


def _accepts_gzip(request: CIMultiDict[str]) -> bool:
    codings = [token.replace(" ", "").lower() for token in _tokens(request, "Accept-Encoding")]
    return any(coding == "gzip" or coding.startswith("gzip;q=") for coding in codings) and "gzip;q=0" not in codings


def _answer_page(page: Page, request: CIMultiDict[str]) -> WSUpgradeResponseWithListener:
    headers = dict(page.headers)
    known = {tag.removeprefix("W/") for tag in _tokens(request, "If-None-Match")}
    if headers["ETag"] in known:
        return _answer(304, b"", headers)
    if page.gzipped is not None and _accepts_gzip(request):
        return _answer(200, page.gzipped, {**headers, "Content-Encoding": "gzip"})
    return _answer(200, page.body, headers)


def _answer(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> WSUpgradeResponseWithListener:
    response = WSUpgradeResponse()
    response.version = b"HTTP/1.1"
    response.status = HTTPStatus(status)
    response.headers = CIMultiDict({**SECURITY_HEADERS, **_TEXT, **(headers or {})})
    response.body = body
    return WSUpgradeResponseWithListener(response, None)
