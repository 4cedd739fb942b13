"""Write down what clients' sessions did in some runs: protocol/fixtures/session-traces.json.

The sessions of other languages are held to them: given the same inputs at the same times, and the same random numbers,
they must answer with the same effects and the same deadlines. What a session doesn't look at is left out.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from .world import World, plan

__all__ = ["TRACES", "write_traces"]

TRACES = Path(__file__).parents[1] / "protocol" / "fixtures" / "session-traces.json"
_SEEDS = range(200)
_TRACES_COUNT = 20
_STEPS_MAX = 130
_TOKEN = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{64}|eyJ[\w.-]+")
_READ = {
    "welcome": ("userId", "resumeToken", "recovered", "received", "expiresInS", "limits"),
    "ack": ("received",),
    "draining": ("withinS",),
    "authorized": ("expiresInS",),
    "error": ("code",),
    "hello": ("client", "token", "resume"),
    "token": ("token",),
}
"""What a session reads or writes itself, by type of message."""


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
    lines = ",\n".join(_shorten(json.dumps(trace, separators=(",", ":"))) for trace in chosen)
    TRACES.write_text(f'{{"traces":[\n{lines}\n]}}\n')
    print(f"{len(chosen)} traces, {sum(len(trace['steps']) for trace in chosen)} steps, {dict(seen)}")


def _record(seed: int) -> list[dict[str, Any]]:
    world = World(seed, plan(seed))
    world.recorded = {}
    world.run()
    return [
        {
            "name": f"seed {seed}, {client.name}",
            "token": steps[0]["token"],
            "refreshes": world.has_tokens,
            "steps": [_slim(step) for step in steps],
        }
        for client, steps in world.recorded.items()
        if 10 < len(steps) <= _STEPS_MAX
    ]


def _shorten(text: str) -> str:
    """Give tokens short names: a session doesn't read them."""
    for number, token in enumerate(dict.fromkeys(_TOKEN.findall(text))):
        text = text.replace(token, f"token {number}")
    return text


def _slim(step: dict[str, Any]) -> dict[str, Any]:
    effects = msgspec.to_builtins(step["effects"])
    for holder in (step["input"], *effects):
        for field in ("message", "welcome"):
            if field in holder:
                holder[field] = _slim_message(holder[field])
    return {
        "now": step["now"],
        "input": step["input"],
        "random": step["random"],
        "effects": effects,
        "deadline": step["deadline"],
    }


def _slim_message(message: dict[str, Any]) -> dict[str, Any]:
    slim = {"type": message["type"]}
    slim |= {field: message[field] for field in _READ.get(message["type"], ()) if field in message}
    if "limits" in slim:
        slim["limits"] = {"pingIntervalS": slim["limits"]["pingIntervalS"]}
    return slim


def _kinds(trace: dict[str, Any]) -> list[str]:
    return [
        f"{step['input']['type']} {step['input'].get('message', {}).get('type', step['input'].get('code', ''))}: "
        + " ".join(
            f"{effect['effect']} {effect.get('message', {}).get('type', effect.get('recovered', ''))}"
            for effect in step["effects"][:4]
        )
        for step in trace["steps"]
    ]
