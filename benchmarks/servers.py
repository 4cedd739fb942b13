"""The servers as child processes: each pinned to the server core, on a free port, ready when it says so."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "FLOOR",
    "PEERSERVER",
    "PLAIN",
    "RELAY",
    "RELAY_WITH_BUFFERUTIL",
    "SHEETBEND",
    "SHEETBEND_WITH_TOKENS",
    "SOCKET_IO",
    "Command",
    "Cores",
    "Server",
    "running",
    "sheetbend",
]

_HERE = Path(__file__).resolve().parent
_READY = re.compile(rb"http://127\.0\.0\.1:(\d+)/")
_READY_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Command:
    """How a server is started. `is_node` ones collect garbage on SIGUSR2."""

    argv: tuple[str, ...]
    is_node: bool = False
    secret: str | None = None
    """What tokens are signed with."""
    has_bufferutil: bool = False
    """Whether `ws` masks in C, by a package it doesn't bring, or in JavaScript, as it comes."""


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of the server under test, and that of the load generator."""

    server: int
    generator: int

    @classmethod
    def choose(cls) -> Cores:
        """Take the first and the last core this process may run on. Raises RuntimeError if it is one."""
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            raise RuntimeError("the benchmark needs two cores: one for the server, one for the load generator")
        return cls(allowed[0], allowed[-1])


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    pid: int
    port: int
    command: Command
    log: Path
    """Its standard error."""

    def collect_garbage(self) -> None:
        """Ask a Node server for a full collection; the others count references and have nothing to collect."""
        if self.command.is_node:
            os.kill(self.pid, signal.SIGUSR2)


def _node(script: str, *, has_bufferutil: bool = False) -> Command:
    argv = ("node", "--expose-gc", str(_HERE / "node" / script))
    return Command(argv, is_node=True, has_bufferutil=has_bufferutil)


def sheetbend(*flags: str, port: int = 0, secret: str | None = None) -> Command:
    """Sheetbend as it comes. With a `secret` it asks for tokens."""
    auth = () if secret is None else ("--auth", "token")
    serve = (sys.executable, "-m", "sheetbend", "serve", "--host", "127.0.0.1", "--port", str(port))
    return Command((*serve, *auth, *flags), secret=secret)


_MORE_THAN_ANYBODY_SENDS = ("--rate-messages", "1e7", "--rate-bytes", "1e10")
"""So that a benchmark isn't one of refusals. What is counted is counted all the same."""
SHEETBEND = sheetbend(*_MORE_THAN_ANYBODY_SENDS)
SHEETBEND_WITH_TOKENS = sheetbend(*_MORE_THAN_ANYBODY_SENDS, secret=secrets.token_hex(32))
PLAIN = _node("plain.mjs")
RELAY = _node("relay.mjs")
RELAY_WITH_BUFFERUTIL = _node("relay.mjs", has_bufferutil=True)
SOCKET_IO = _node("socketio.mjs")
PEERSERVER = _node("peer.mjs")
FLOOR = Command((sys.executable, str(_HERE / "floor.py")))


@asynccontextmanager
async def running(command: Command, core: int) -> AsyncIterator[Server]:
    """Start a server, and end it with the block. Raises RuntimeError, with its log, if it doesn't get ready."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        log = Path(folder) / "stderr"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *command.argv,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env=_environment(command),
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            )
        try:
            port = await _port(process)
            if port is None:
                said = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{' '.join(command.argv)} did not get ready:\n{said}")
            yield Server(process.pid, port, command, log)
        finally:
            await _stop(process)


def _environment(command: Command) -> dict[str, str]:
    """Ours without settings that would change what is measured."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SHEETBEND_", "NODE_OPTIONS", "WS_NO_"))
    }
    if command.is_node and not command.has_bufferutil:
        ours["WS_NO_BUFFER_UTIL"] = "1"
    if command.secret is not None:
        ours["SHEETBEND_TOKEN_SECRET"] = command.secret
    return ours


async def _port(process: asyncio.subprocess.Process) -> int | None:
    """Read standard output up to the address, the end or the time limit."""
    assert process.stdout is not None
    with suppress(TimeoutError):
        async with asyncio.timeout(_READY_TIMEOUT_S):
            async for line in process.stdout:
                if found := _READY.search(line):
                    return int(found[1])
    return None


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
