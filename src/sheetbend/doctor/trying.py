"""How a check is made: within its time, and never an exception, always an answer."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable
from typing import Any

from .report import Check, CheckId

__all__ = ["CHECK_TIMEOUT_S", "Failed", "Found", "Skipped", "attempt", "explain", "skipped"]

CHECK_TIMEOUT_S = 5.0
"""Of each check. Those that need no other run at once, and there are two rounds of them."""


class Found:
    """What a check that went well has to say."""

    def __init__(self, note: str, code: str | None = None, **detail: Any) -> None:
        self.note = note
        self.code = code
        self.detail = detail


class Failed(Exception):  # noqa: N818  # it is an answer
    """What a check that didn't go well has to say."""

    def __init__(self, code: str, note: str, **detail: Any) -> None:
        super().__init__(code)
        self.code = code
        self.note = note
        self.detail = detail


class Skipped(Failed):
    """Why a check has no answer."""


async def attempt(check_id: CheckId, trying: Awaitable[Found], timeout_s: float = CHECK_TIMEOUT_S) -> Check:
    """Await `trying`; return what came of it, whatever that is."""
    started_at = time.monotonic()

    def ms() -> float:
        return round((time.monotonic() - started_at) * 1000, 1)

    try:
        async with asyncio.timeout(timeout_s):
            found = await trying
    except Skipped as why:
        return Check(id=check_id, status="skipped", code=why.code, note=why.note, detail=why.detail)
    except Failed as why:
        return Check(id=check_id, status="failed", ms=ms(), code=why.code, note=why.note, detail=why.detail)
    except (OSError, TimeoutError) as error:
        code, note = explain(error)
        return Check(id=check_id, status="failed", ms=ms(), code=code, note=note)
    return Check(id=check_id, status="ok", ms=ms(), code=found.code, note=found.note, detail=found.detail)


def skipped(check_id: CheckId, code: str, note: str) -> Check:
    return Check(id=check_id, status="skipped", code=code, note=note)


def explain(error: OSError | TimeoutError) -> tuple[str, str]:
    """Return the code and the sentence for what went wrong on a socket."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "bad_certificate", f"The certificate isn't trusted here: {error.verify_message}."
    if isinstance(error, ssl.SSLError):
        return "tls_failed", f"No TLS came about: {error.reason or error}."
    if isinstance(error, socket.gaierror):
        return "unknown_host", "Nobody knows this name."
    if isinstance(error, TimeoutError):
        return "no_answer", "No answer came in time."
    if isinstance(error, ConnectionRefusedError):
        return "refused", "Nobody listens there."
    return "unreachable", f"It can't be reached: {error.strerror or error}."
