"""The traces that every language's client session is held to are what the Python one does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sheetbend.core.client.effects import Effect
from sheetbend.core.client.session import ClientSession

TRACES = json.loads((Path(__file__).parents[2] / "protocol/fixtures/session-traces.json").read_text())["traces"]


@pytest.mark.parametrize("trace", TRACES, ids=[trace["name"] for trace in TRACES])
def test_a_session_repeats_its_trace(trace: dict[str, Any]) -> None:
    drawn: list[float] = []
    session = ClientSession(
        client="simulator", random=lambda: drawn.pop(0), token=trace["token"], refreshes=trace["refreshes"]
    )
    for number, step in enumerate(trace["steps"]):
        drawn[:] = step["random"]
        effects = _inputs(session)[step["input"]["type"]](step["input"], step["now"])
        written = [_slim(effect) for effect in msgspec.to_builtins(effects)]
        assert written == [_slim(effect) for effect in step["effects"]], f"step {number}: {step['input']}"
        assert session.next_deadline() == pytest.approx(step["deadline"]), f"step {number}: {step['input']}"


def _inputs(session: ClientSession) -> dict[str, Callable[[dict[str, Any], float], list[Effect]]]:
    def heard(given: dict[str, Any], now: float) -> list[Effect]:
        session.heard(now)
        return []

    return {
        "start": lambda given, now: session.start(now),
        "opened": lambda given, now: session.opened(now),
        "received": lambda given, now: session.received(given["message"], now),
        "heard": heard,
        "closed": lambda given, now: session.closed(given["code"], given["reason"], now),
        "send": lambda given, now: session.send(given["message"], now),
        "authorize": lambda given, now: session.authorize(given["token"], now),
        "networkBack": lambda given, now: session.network_back(now),
        "expire": lambda given, now: session.expire(now),
        "close": lambda given, now: session.close(now),
    }


def _slim(effect: dict[str, Any]) -> dict[str, Any]:
    """Without what only says who the client is."""
    message = effect.get("message", {})
    return {**effect, "message": {**message, "client": ""}} if message.get("type") == "hello" else effect
