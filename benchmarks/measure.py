"""What a server process has used: CPU time, read at nanoseconds, and memory."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Memory", "cpu_s", "memory", "open_descriptors", "rss_bytes", "until_quiet"]

_CPUCLOCK_SCHED = 2
_PAGE_BYTES = resource.getpagesize()
_QUIET_SHARE = 0.03
_QUIET_STEP_S = 0.1
_QUIET_STEPS = 2


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process: resident, and the part of it that is its own data and no file's.

    Pages of the program come and go with what else runs on the machine, so a difference is to be taken of the latter.
    """

    rss_bytes: int
    anonymous_bytes: int


def cpu_s(pid: int) -> float:
    """User and system time of all threads of a process, dead ones included.

    It is the clock of clock_getcpuclockid(3), whose number Linux makes from the pid. It counts what utime + stime in
    /proc/PID/stat count, but in nanoseconds, where they count ticks of 10 ms: 5 % of the windows measured here.
    Raises ProcessLookupError if it has ended.
    """
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        raise ProcessLookupError(f"process {pid} has ended") from None


def memory(pid: int) -> Memory:
    """Read /proc/PID/smaps_rollup."""
    fields: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value, _unit = line.split()
        fields[name] = int(value) * 1024
    return Memory(fields["Rss:"], fields["Anonymous:"])


def rss_bytes(pid: int) -> int:
    """What is resident, read fast enough to look often."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def open_descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  # half as long


async def until_quiet(pid: int, timeout_s: float = 20.0) -> None:
    """Return when the process has done nearly nothing for a fifth of a second. Raises TimeoutError."""
    quiet = 0
    async with asyncio.timeout(timeout_s):
        while quiet < _QUIET_STEPS:
            used_s, at = cpu_s(pid), time.monotonic()
            await asyncio.sleep(_QUIET_STEP_S)
            share = (cpu_s(pid) - used_s) / (time.monotonic() - at)
            quiet = quiet + 1 if share < _QUIET_SHARE else 0
