"""`python -m autobahn`: runs Autobahn's cases and prints a table; ends with status 1 where Sheetbend has got worse."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).parent
INSTALLED = HERE / ".installed"
RESULTS = HERE / "results"

SERVERS = ("sheetbend", "websockets", "aiohttp", "picows")
ENVIRONMENTS = {
    "aiohttp": {"PYTHONPATH": str(INSTALLED / "servers")},
    "websockets": {"WEBSOCKETS_MAX_FRAGMENTS": "100000"},
}
CASES = 301
"""All but compression (12.* and 13.*), which Sheetbend doesn't offer; 54 of them are 9.*, long messages."""
KNOWN = {
    **dict.fromkeys(("4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5", "6.4.3", "6.4.4"), "NON-STRICT"),
    "7.1.2": "FAILED",
}
"""What picows decides before Sheetbend sees the frame: docs/autobahn.md."""
VERDICTS = ("OK", "INFORMATIONAL", "NON-STRICT", "FAILED")
"""From the best to the worst."""
CLIENT_TIMEOUT_S = 1800

Outcomes = dict[str, str]
"""One of VERDICTS by case."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m autobahn")
    parser.add_argument("--all", action="store_true", help="run websockets, aiohttp and plain picows as well")
    parser.add_argument("--cases", nargs="+", default=["*"], metavar="CASE", help="such as 7.* or 9.1.1")
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    with ExitStack() as stack:
        names = SERVERS if options.all else SERVERS[:1]
        urls = dict(stack.enter_context(echo_server(name)) for name in names)
        outcomes = run_client(urls, options.cases)
    print_table(outcomes)
    return judge(next(iter(outcomes.values())), whole=options.cases == ["*"])


@contextmanager
def echo_server(name: str) -> Iterator[tuple[str, str]]:
    """Run a server; return its name with its version, and its address."""
    with (RESULTS / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"autobahn.echo_{name}"],
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=HERE.parent,
            env={**os.environ, **ENVIRONMENTS.get(name, {})},
            text=True,
        )
    with process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            if not ready:
                raise SystemExit(f"{name} didn't start: see {log.name}")
            agent, url = ready.strip().rsplit(" ", 1)
            yield agent, url
        finally:
            process.terminate()


def run_client(urls: Mapping[str, str], cases: Sequence[str]) -> dict[str, Outcomes]:
    """Run the cases against each server, one after the other; return the outcomes by server."""
    spec = {
        "outdir": str(RESULTS),
        "servers": [{"agent": agent, "url": url} for agent, url in urls.items()],
        "cases": list(cases),
        "exclude-cases": ["12.*", "13.*"],
        "exclude-agent-cases": {},
    }
    index, spec_file = RESULTS / "index.json", RESULTS / "spec.json"
    index.unlink(missing_ok=True)
    spec_file.write_text(json.dumps(spec))
    with (RESULTS / "client.log").open("wb") as log:
        subprocess.run(
            [INSTALLED / "wstest", "--mode=fuzzingclient", f"--spec={spec_file}"],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=RESULTS,
            timeout=CLIENT_TIMEOUT_S,
            check=True,
        )
    found = json.loads(index.read_text())
    return {agent: {case: verdict(result) for case, result in found.get(agent, {}).items()} for agent in urls}


def verdict(result: Mapping[str, str]) -> str:
    """The worse of what Autobahn says of the case itself and of the close after it, where it has more words for bad."""
    words = (result["behavior"], result["behaviorClose"])
    return max((word if word in VERDICTS else "FAILED" for word in words), key=VERDICTS.index)


def print_table(outcomes: Mapping[str, Outcomes]) -> None:
    print(f"| server | {' | '.join(VERDICTS).lower()} | which are non-strict | which failed |")
    print("| --- " * (len(VERDICTS) + 3) + "|")
    for agent, found in outcomes.items():
        cases = {word: [case for case in found if found[case] == word] for word in VERDICTS}
        counts = " | ".join(str(len(named)) for named in cases.values())
        print(f"| {agent} | {counts} | {brief(cases['NON-STRICT'])} | {brief(cases['FAILED'])} |")


def brief(cases: Sequence[str]) -> str:
    """`4.1.3, 4.1.4, 4.2.1` is `4.1.3-4, 4.2.1`."""
    runs: list[list[int]] = []
    for *group, number in sorted([int(part) for part in case.split(".")] for case in cases):
        if runs and runs[-1][:-2] == group and runs[-1][-1] == number - 1:
            runs[-1][-1] = number
        else:
            runs.append([*group, number, number])
    return ", ".join(".".join(map(str, run[:-1])) + (f"-{run[-1]}" if run[-1] > run[-2] else "") for run in runs)


def judge(ours: Outcomes, *, whole: bool) -> int:
    """Return the exit status; `whole` says that every case ran."""
    surprises = {case: word for case, word in ours.items() if word not in ("OK", "INFORMATIONAL", KNOWN.get(case))}
    if surprises:
        print(f"\nNot as it should be: {surprises}. What was sent and received: {RESULTS / 'index.html'}")
    missing = whole and len(ours) != CASES
    if missing:
        print(f"\n{len(ours)} cases ran, not {CASES}.")
    return 1 if surprises or missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
