"""`sheetbend serve` of this work tree, at the server's site, on the port that even strict networks leave open.

It answers STUN itself. With TURN coturn listens on the site's second address, on that port too, and answers STUN there.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from .lab import PRIVATE_NETWORKS, ROOT, SERVER_ADDRESS, SERVER_PORT, TURN_ADDRESS, Lab

__all__ = ["Server"]

_READY = "Sheetbend is ready: "
_TURN_WORKS = '"event": "turn_works"'
_TURN_URLS = 2
"""Over UDP and over TCP: each is tried by the server before it is offered."""
_TURN_TIMEOUT_S = 20.0
_TURN = (
    *("--turn", "coturn", "--turn-port", str(SERVER_PORT)),
    *("--ice-host", TURN_ADDRESS, "--ice-name", TURN_ADDRESS),
    *(argument for network in PRIVATE_NETWORKS for argument in ("--turn-allow", network)),
)


class Server:
    """Ready on entering the context, ended on leaving it."""

    url = f"https://{SERVER_ADDRESS}/"
    websocket_url = f"wss://{SERVER_ADDRESS}/ws"

    def __init__(self, lab: Lab, *, with_turn: bool = False) -> None:
        self._site = lab.site
        self._with_turn = with_turn
        # Browsers give camera and cryptography to secure pages alone.
        self._command = [sys.executable, "-m", "sheetbend", "serve", "--tls", "auto", *(_TURN if with_turn else ())]
        self._command += ["--host", SERVER_ADDRESS, "--port", str(SERVER_PORT), "--log-format", "json"]
        self._process: subprocess.Popen[str] | None = None
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        self._errors = self._exit.enter_context(tempfile.TemporaryFile("w+"))
        self._exit.callback(self._kill)
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exit.close()

    def restart(self) -> None:
        """Kill it without a word to anybody, and start it again; it is ready when this returns."""
        self._kill()
        self._start()

    def _start(self) -> None:
        self._process = self._site.start(self._command, cwd=ROOT, stdout=subprocess.PIPE, stderr=self._errors)
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        if not first.startswith(_READY):
            self._errors.seek(0)
            raise RuntimeError(f"the server did not start: {first}{self._errors.read()}")
        if self._with_turn:
            self._wait_for_turn()

    def _wait_for_turn(self) -> None:
        deadline = time.monotonic() + _TURN_TIMEOUT_S
        while (log := self._log()).count(_TURN_WORKS) < _TURN_URLS:
            if time.monotonic() > deadline:
                raise RuntimeError(f"TURN does not work: {log}")
            time.sleep(0.05)

    def _log(self) -> str:
        self._errors.seek(0)
        return self._errors.read()

    def _kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
