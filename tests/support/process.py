"""The server as its users start it: a process with a port of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["ServerProcess"]

_READY = "Sheetbend is ready: "
_STOP_TIMEOUT_S = 10


class ServerProcess:
    """`sheetbend serve` with JSON logs, on a free port if none is named.

    It is ready when this is made, and leaving the context ends it.
    Standard error goes to a file, so that a server under load never waits for its reader.
    """

    def __init__(
        self,
        arguments: Sequence[str] = (),
        *,
        port: int = 0,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sheetbend", "serve", "--port", str(port), "--log-format", "json", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            text=True,
        )
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        assert first.startswith(_READY), f"the server is not ready: {first}{self.errors}"
        self.url = first.removeprefix(_READY).strip()
        self.port = int(self.url.rstrip("/").rsplit(":", 1)[1])
        self.websocket_url = self.url.replace("http", "ws", 1) + "ws"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(_STOP_TIMEOUT_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()

    @property
    def errors(self) -> str:
        """Everything on standard error so far."""
        return os.pread(self._errors.fileno(), os.fstat(self._errors.fileno()).st_size, 0).decode()

    @property
    def log(self) -> list[dict[str, Any]]:
        """Standard error, which must be nothing but structured log lines."""
        return [json.loads(line) for line in self.errors.splitlines()]

    @property
    def open_files(self) -> int:
        """How many files and sockets the server holds (Linux)."""
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))

    @property
    def announcement(self) -> str:
        """What it said on standard output after its first line; waits for its end."""
        assert self._process.stdout is not None
        self.stop()
        return self._process.stdout.read()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Return the exit status."""
        return self._process.wait(_STOP_TIMEOUT_S)

    def stop(self) -> int:
        """End it as a service manager does; return the exit status."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()
