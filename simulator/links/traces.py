"""Write down what links did in some runs: protocol/fixtures/link-traces.json.

The links of other languages are held to them: told the same at the same times they must answer with the same effects
and the same deadlines.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from sheetbend.core.link.effects import LinkEffect
from sheetbend.core.link.outgoing import BODY_BYTES

from .world import Step, World, plan

__all__ = ["TRACES", "as_text", "write_traces"]

TRACES = Path(__file__).parents[2] / "protocol" / "fixtures" / "link-traces.json"
_SEEDS = range(60)
_TRACES_COUNT = 10
_STEPS_MAX = 250
_RUN = re.compile(rb"(.)\1{15,}", re.DOTALL)


def write_traces() -> None:
    """Choose the traces that show most: each adds a kind of step that those before it haven't, or show rarely."""
    found = [trace for seed in _SEEDS for trace in _record(seed)]
    seen: Counter[str] = Counter()
    chosen = []
    for _ in range(_TRACES_COUNT):
        best = max(found, key=lambda trace: sum(1 / (1 + seen[kind] ** 2) for kind in set(_kinds(trace))))
        found.remove(best)
        seen.update(_kinds(best))
        chosen.append(best)
    lines = ",\n".join(json.dumps(trace, separators=(",", ":")) for trace in chosen)
    TRACES.write_text(f'{{"traces":[\n{lines}\n]}}\n')
    print(f"{len(chosen)} traces, {sum(len(trace['steps']) for trace in chosen)} steps, {dict(seen)}")


def as_text(data: bytes) -> str:
    """Hexadecimal, where `(ab*16000)` stands for so many of a byte."""
    parts, at = [], 0
    for run in _RUN.finditer(data):
        parts.append(f"{data[at : run.start()].hex()}({run[1].hex()}*{len(run[0])})")
        at = run.end()
    return "".join(parts) + data[at:].hex()


def _record(seed: int) -> list[dict[str, Any]]:
    world = World(seed, plan(seed))
    world.recorded = ([], [])
    world.run()
    return [
        {"name": f"seed {seed}, end {who}", "isFirst": who == 0, "steps": [_step(step) for step in steps[:_STEPS_MAX]]}
        for who, steps in enumerate(world.recorded)
    ]


def _step(step: Step) -> dict[str, Any]:
    written = {
        "at": step.at,
        "verb": re.sub("_(.)", lambda match: match[1].upper(), step.verb),
        "arguments": [_value(each) for each in step.arguments],
        "effects": [_effect(each) for each in step.effects],
        "deadline": step.deadline,
    }
    return written if step.answer is None else {**written, "answer": step.answer}


def _effect(effect: LinkEffect) -> dict[str, Any]:
    fields = {key: _value(value) for key, value in msgspec.structs.asdict(effect).items()}
    return {"effect": effect.__struct_config__.tag, **fields}


def _value(value: object) -> object:
    return as_text(value) if isinstance(value, bytes) else value


def _kinds(trace: dict[str, Any]) -> list[str]:
    return [kind for step in trace["steps"] for kind in (step["verb"], *map(_kind_of_effect, step["effects"]))]


def _kind_of_effect(effect: dict[str, Any]) -> str:
    is_large = any(int(size) > BODY_BYTES for size in re.findall(r"\*(\d+)", effect.get("frame", "")))
    return f"{effect['effect']} {effect.get('path')}{' large' * is_large}"
