"""`python -m fuzz`: every target for a while, guided by coverage (atheris, on libFuzzer).

    python -m fuzz --executions 10000000            all targets, in proportion to their shares
    python -m fuzz --executions 100000 v1 frames    some of them
    python -m fuzz --play v1 artifacts/fuzz-v1-…    one input again

Prints how many inputs a second each target took. A fault ends it, and prints its trace and the command that plays its
input again. What reached more of the code stays in `--corpus` for the next run.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from .targets import Target

ROOT = Path(__file__).parents[1]
ARTIFACTS = ROOT / "artifacts"
INPUT_BYTES_MAX = 4096
INPUT_TIMEOUT_S = 10
MEMORY_MB_MAX = 2048
FAULT = "=== Uncaught Python exception"
DONE = re.compile(r"^Done (\d+) runs", re.MULTILINE)


def main() -> int:
    options = _parser().parse_args()
    if importlib.util.find_spec("atheris") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        print(
            f"fuzz: skipped, as atheris is not here. `make fuzz` installs it, if it has a wheel for Python {version}."
        )
        return 0
    if options.play:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        _hand_over(options)
    from .targets import TARGETS

    chosen = {name: TARGETS[name] for name in options.what or TARGETS}
    total = sum(target.share for target in chosen.values())
    for name, target in chosen.items():
        if not _fuzz(name, target, round(options.executions * target.share / total), options.corpus):
            return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("what", nargs="*", help="targets")
    parser.add_argument("--executions", type=int, default=100_000, help="of all targets together")
    parser.add_argument("--corpus", type=Path, help="where to keep what was found worth keeping")
    parser.add_argument("--play", action="store_true", help="take one target, in this process, and inputs to play")
    parser.add_argument("--seeds", type=Path, help=argparse.SUPPRESS)
    return parser


def _fuzz(name: str, target: Target, executions: int, corpus: Path | None) -> bool:
    """Fuzz one target in a process of its own, as libFuzzer ends its process; return whether all went well."""
    before = set(ARTIFACTS.glob("fuzz-*"))
    with tempfile.TemporaryDirectory(prefix="sheetbend-fuzz-") as seeds:
        for number, seed in enumerate(target.seeds()):
            Path(seeds, f"{number:04}").write_bytes(seed)
        command = [sys.executable, "-m", "fuzz", "--play", name, "--executions", str(executions), "--seeds", seeds]
        if corpus is not None:
            command += ["--corpus", str(corpus)]
        start = time.monotonic()
        ended = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, errors="replace")
        elapsed_s = time.monotonic() - start
    done = DONE.search(ended.stderr)
    if ended.returncode == 0 and done is not None:
        count = int(done[1])
        rate = count / elapsed_s
        print(f"fuzz: {name:<13}{count:>11,} executions in {elapsed_s:7.1f} s, {rate:8,.0f} a second", flush=True)
        return True
    fault = ended.stdout.find(FAULT)
    print(ended.stdout[max(0, fault) :][:10_000], ended.stderr[-3000:], sep="\n")
    for crash in sorted(set(ARTIFACTS.glob("fuzz-*")) - before):
        print(f"fuzz: {name} failed. To play it again: python -m fuzz --play {name} {crash.relative_to(ROOT)}")
    return False


def _hand_over(options: argparse.Namespace) -> None:
    """Let libFuzzer have this process, which it ends."""
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["sheetbend"]):
        from .targets import TARGETS
    name, *places = options.what
    ARTIFACTS.mkdir(exist_ok=True)
    if options.corpus is not None:
        (options.corpus / name).mkdir(parents=True, exist_ok=True)
        places.append(str(options.corpus / name))
    if options.seeds is not None:
        places.append(str(options.seeds))
    arguments = [
        f"-runs={options.executions}",
        f"-max_len={INPUT_BYTES_MAX}",
        f"-timeout={INPUT_TIMEOUT_S}",
        f"-rss_limit_mb={MEMORY_MB_MAX}",
        f"-artifact_prefix={ARTIFACTS}/fuzz-{name}-",
    ]
    atheris.Setup([sys.argv[0], *arguments, *places], TARGETS[name].prepare())
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
