"""The command line of the soak."""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import uvloop

from ..measure import open_descriptors, rss_bytes
from .population import Population
from .server import EMPTY_ROOM_S, RESUME_GRACE_S, Counts

__all__ = ["main"]

_RESULT = Path(__file__).resolve().parent.parent / "results" / "soak.json"
_SIZE = 60
_ACTS_PER_S = 60
_REST_EVERY_S = 15.0
_WARM_UP_SHARE = 0.4
"""Of the time, at most `_WARM_UP_S_MAX`: Python's allocator takes memory until it has seen the worst mixture."""
_WARM_UP_S_MAX = 600.0
_SAMPLES = 720
_SAMPLE_S_MIN = 1.0
_GROWTH_SHARE_MAX = 0.05
"""Of the memory at the end of the warm-up, by the line through all samples after it."""
_STRANGERS_MAX = 50
"""Sockets that have not sent a request yet, or are being closed."""
_FORGOTTEN_TIMEOUT_S = RESUME_GRACE_S + EMPTY_ROOM_S + 30.0
_START_TIMEOUT_S = 30.0


class Sample(msgspec.Struct, frozen=True):
    at_s: float
    rss_bytes: int
    descriptors: int
    counts: Counts


class Outcome(msgspec.Struct, frozen=True):
    """Of a soak."""

    seed: int
    faults: list[str]
    before: Sample
    after: Sample
    samples: list[Sample]


class _Server:
    """The server's process, from outside."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process

    @classmethod
    async def start(cls) -> tuple[_Server, int]:
        """Returns its port too."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.soak.server"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        server = cls(process)
        return server, msgspec.json.decode(await server._read(), type=dict[str, int])["port"]

    async def sample(self, at_s: float) -> Sample:
        assert self._process.stdin is not None
        self._process.stdin.write(b"?\n")
        counts = msgspec.json.decode(await self._read(), type=Counts)
        return Sample(at_s, rss_bytes(self.pid), open_descriptors(self.pid), counts)

    async def stop(self) -> int:
        """Returns its exit status."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()

    async def _read(self) -> bytes:
        assert self._process.stdout is not None
        async with asyncio.timeout(_START_TIMEOUT_S):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server has ended")
        return line


def main() -> int:
    """Soak, print and write. Returns 1 if anything grew, stayed or didn't fit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="Sheetbend under churn.")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="what the churn is drawn from (default 1)")
    parser.add_argument("--json", type=Path, default=_RESULT, help="where to write")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    outcome = uvloop.run(_soak(options.minutes * 60, options.seed))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_bytes(msgspec.json.format(msgspec.json.encode(outcome), indent=1) + b"\n")
    return 1 if outcome.faults else 0


async def _soak(seconds: float, seed: int) -> Outcome:
    server, port = await _Server.start()
    try:
        before = await server.sample(0.0)
        population = Population(port, _SIZE, seed)
        samples = await _churn(server, population, seconds)
        await population.leave()
        after = await _forgotten(server, before, seconds)
    finally:
        status = await server.stop()
    faults = [*population.faults, *_growth(before, samples, seconds), *_left(before, after)]
    if status != 0:
        faults.append(f"the server ended with status {status}")
    _report(population, samples, before, after, faults)
    return Outcome(seed, faults, before, after, samples)


async def _churn(server: _Server, population: Population, seconds: float) -> list[Sample]:
    """Let things happen at a steady rate; every now and then all come to rest."""
    start = time.monotonic()
    sample_every_s = max(_SAMPLE_S_MIN, seconds / _SAMPLES)
    next_sample, next_rest = sample_every_s, _REST_EVERY_S
    samples: list[Sample] = []
    while (now := time.monotonic() - start) < seconds and not population.faults:
        population.act()
        if now >= next_sample:
            next_sample = now + sample_every_s
            samples.append(await server.sample(now))
        if now >= next_rest:
            await population.rest()
            next_rest = time.monotonic() - start + _REST_EVERY_S
            _progress(await server.sample(now), population)
        await asyncio.sleep(1 / _ACTS_PER_S)
    await population.rest()
    return samples


async def _forgotten(server: _Server, before: Sample, seconds: float) -> Sample:
    """Return what there is when all are gone and what they left had time to be forgotten."""
    deadline = time.monotonic() + _FORGOTTEN_TIMEOUT_S
    while True:
        sample = await server.sample(seconds)
        if not _left(before, sample) or time.monotonic() > deadline:
            return sample
        await asyncio.sleep(0.5)


def _left(before: Sample, after: Sample) -> list[str]:
    """What is still there that was not there before."""
    was, now = msgspec.structs.asdict(before.counts), msgspec.structs.asdict(after.counts)
    grown = [name for name in was if name != "objects" and now[name] > was[name]]
    left = [f"{now[name]} {name} are left, and {was[name]} were there before" for name in grown]
    if after.descriptors > before.descriptors:
        left.append(f"{after.descriptors} descriptors are open, and {before.descriptors} were before")
    return left


def _growth(before: Sample, samples: Sequence[Sample], seconds: float) -> list[str]:
    """Whether memory, descriptors or tasks grew after the warm-up."""
    warm_up_s = min(_WARM_UP_SHARE * seconds, _WARM_UP_S_MAX)
    warm = [sample for sample in samples if sample.at_s >= warm_up_s]
    if len(warm) < 3:
        return ["it was too short to say anything about memory"]
    faults = []
    growth, base = _line(warm, [sample.rss_bytes for sample in warm])
    if growth > _GROWTH_SHARE_MAX * base:
        faults.append(f"memory grew by {growth / 1e6:.1f} MB from {base / 1e6:.1f} MB after the warm-up")
    spare = max(sample.descriptors - sample.counts.connections for sample in samples) - before.descriptors
    if spare > _STRANGERS_MAX:
        faults.append(f"{spare} descriptors belonged to no connection")
    tasks = max(sample.counts.tasks for sample in samples) - before.counts.tasks
    if tasks > 0:
        faults.append(f"{tasks} tasks were there that are not at rest")
    return faults


def _line(samples: Sequence[Sample], values: Sequence[float]) -> tuple[float, float]:
    """Return by how much a straight line through the values rises from the first to the last, and where it begins."""
    slope, _ = statistics.linear_regression([sample.at_s for sample in samples], values)
    rise = slope * (samples[-1].at_s - samples[0].at_s)
    return rise, statistics.fmean(values) - rise / 2


def _progress(sample: Sample, population: Population) -> None:
    counts = sample.counts
    print(
        f"{sample.at_s / 60:7.1f} min  RSS {sample.rss_bytes / 1e6:6.1f} MB  descriptors {sample.descriptors:4}  "
        f"sessions {counts.sessions:3}  rooms {counts.rooms:3}  tasks {counts.tasks}  objects {counts.objects:,}  "
        f"heard {population.chronicle.heard_count:,}",
        flush=True,
    )


def _report(
    population: Population, samples: Sequence[Sample], before: Sample, after: Sample, faults: Sequence[str]
) -> None:
    print("\n" + ", ".join(f"{what} {count:,}" for what, count in population.done.most_common()))
    print(f"{population.chronicle.heard_count:,} messages heard, {population.chronicle.gaps} gaps told")
    with suppress(IndexError):
        print(
            f"RSS {before.rss_bytes / 1e6:.1f} MB before, {samples[-1].rss_bytes / 1e6:.1f} at the end of the churn, "
            f"{after.rss_bytes / 1e6:.1f} when all were gone"
        )
    for fault in faults:
        print(f"FAILED: {fault}")
    print("The soak has failed." if faults else "Nothing grew, nothing was left, and everybody agreed.")
