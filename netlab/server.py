"""`sheetbend serve` of this work tree, at the server's site, on the port that even strict networks leave open."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from .lab import ROOT, SERVER_ADDRESS, SERVER_PORT, Lab

__all__ = ["Server"]

_READY = "Sheetbend is ready: "


class Server:
    """Ready on entering the context, ended on leaving it."""

    url = f"https://{SERVER_ADDRESS}/"
    websocket_url = f"wss://{SERVER_ADDRESS}/ws"

    def __init__(self, lab: Lab, arguments: tuple[str, ...] = ()) -> None:
        self._site = lab.site
        # Browsers give camera and cryptography to secure pages alone.
        self._command = [sys.executable, "-m", "sheetbend", "serve", "--tls", "auto", *arguments]
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

    def _kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
