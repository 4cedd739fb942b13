"""Network namespaces: made, entered, and removed with everything in them.

A name says which process made it, so what a killed run left behind is found again (`remove_leftovers`).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

__all__ = ["Namespace", "remove_leftovers"]

T = TypeVar("T")

_PREFIX = "sheetbend-lab"
_NAMES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network of its own, with nothing in it but a loopback interface."""

    _made = 0

    def __init__(self, part: str) -> None:
        Namespace._made += 1  # A process may build several labs one after the other.
        self.name = f"{_PREFIX}-{os.getpid()}-{Namespace._made}-{part}"
        _run(["ip", "netns", "add", self.name])
        self.ip("link set lo up")

    def ip(self, *lines: str) -> None:
        """Do what `ip` does, a line each, here."""
        _run(["ip", "-n", self.name, "-batch", "-"], "\n".join(lines))

    def nft(self, rules: str) -> None:
        """Load nftables rules."""
        self.run("nft", "-f", "-", stdin=rules)

    def set(self, key: str, value: int) -> None:
        """Set a sysctl below `net`, such as `ipv4/ip_forward`."""
        self.call(lambda: Path("/proc/sys/net", key).write_text(str(value)))

    def run(self, *command: str, stdin: str = "") -> str:
        """Run a command to its end; return its output.

        Raises:
            RuntimeError: it failed; with its own words.
        """
        return _run(self.inside(command), stdin)

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a process, which lives no longer than the namespace."""
        return subprocess.Popen(self.inside(command), text=True, **options)

    def inside(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs `command` here."""
        return ["ip", "netns", "exec", self.name, *command]

    def call(self, function: Callable[[], T]) -> T:
        """Call a function here. A socket that it makes stays here, whoever uses it.

        A namespace belongs to a thread; so this is one that does nothing else.
        """
        result: list[T] = []
        failure: list[BaseException] = []

        def enter_and_call() -> None:
            try:
                with open(_NAMES / self.name) as namespace:  # noqa: PTH123  # its descriptor is what counts
                    _enter(namespace)
                result.append(function())
            except BaseException as error:
                failure.append(error)

        thread = threading.Thread(target=enter_and_call)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        return result[0]

    def remove(self) -> None:
        """End every process in it, and remove it with its interfaces."""
        _remove(self.name)


def remove_leftovers() -> list[str]:
    """Remove the namespaces of runs that are over and didn't get to it; return their names."""
    names = [path.name for path in _NAMES.glob(f"{_PREFIX}-*")] if _NAMES.exists() else []
    orphans = [name for name in names if not Path("/proc", name.removeprefix(f"{_PREFIX}-").split("-")[0]).exists()]
    for name in orphans:
        with suppress(RuntimeError):  # Another run may be at it too.
            _remove(name)
    return orphans


def _enter(namespace: IO[str]) -> None:
    # os.setns() is there from Python 3.12 on.
    if _libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def _remove(name: str) -> None:
    for process_id in _run(["ip", "netns", "pids", name]).split():
        with suppress(ProcessLookupError):
            os.kill(int(process_id), signal.SIGKILL)
    _run(["ip", "netns", "del", name])


def _run(command: list[str], stdin: str = "") -> str:
    ended = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(ended.stderr or ended.stdout).strip()}\n{stdin}".strip())
    return ended.stdout
