"""`sheetbend doctor`."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import uvloop
from cyclopts import Parameter

if TYPE_CHECKING:
    from ..doctor import Check, Report, ServerAddress

__all__ = ["any_certificate", "doctor"]

_WORKS, _BLOCKED = 0, 1
_NAMES = {
    "http": "pages",
    "websocket": "WebSocket",
    "relay": "server's relay",
    "stun": "STUN",
    "nat": "NAT",
    "direct": "direct data channel",
    "turn_udp": "TURN over UDP",
    "turn_tcp": "TURN over TCP",
    "turn_tls": "TURN over TLS",
}
_COLUMN = max(map(len, _NAMES.values()))


def doctor(
    url: str,
    *,
    token: Annotated[str | None, Parameter(env_var="SHEETBEND_TOKEN", show_env_var=False)] = None,
    insecure: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Try every way to a server and say what it means for calls. Status 0: they will work; 1: something is blocked.

    Parameters
    ----------
    url
        Its page, a room's link, or wss://host/ws.
    token
        For --auth token; or set SHEETBEND_TOKEN.
    insecure
        Take any certificate, as of --tls auto.
    json
        Print the report alone, as JSON.
    """
    from ..doctor import parse_address  # its STUN and TURN clients take 50 ms to load, which no other command needs

    report = uvloop.run(_diagnose(parse_address(url), token, insecure=insecure, show_progress=not json))
    if json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        print("\n".join(_conclusion(report)))
    sys.exit(_WORKS if report.verdict.ok else _BLOCKED)


async def _diagnose(address: ServerAddress, token: str | None, *, insecure: bool, show_progress: bool) -> Report:
    from ..doctor import diagnose

    tls = any_certificate() if insecure else None
    if not show_progress:
        return await diagnose(address, token=token, tls=tls)
    print(f"{address.websocket_url}\n")
    return await diagnose(address, token=token, tls=tls, on_check=lambda check: print(_line(check), flush=True))


def _line(check: Check) -> str:
    return f"  {check.status:8}{_NAMES[check.id]:{_COLUMN}}  {check.note}"


def _conclusion(report: Report) -> Sequence[str]:
    return ["", report.verdict.sentence, *(f"- {advice}" for advice in report.verdict.advice)]


def any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
