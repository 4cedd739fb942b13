"""What an engine does to a process: it loads late, runs on asyncio's own loop, and lets the process end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sheetbend.client.engines import load_engine
from sheetbend.client.engines.base import EngineError
from tests.client.engines.calls import ENGINES

ROOT = Path(__file__).parents[3]

CALL = """
import asyncio, sys
from sheetbend.client.engines.base import LocalTrack
from tests.client.engines.calls import Channel, calling
from tests.client.engines.test_media import hear, one_track, playing, tone

async def main(name):
    async with calling((name, name)) as ends:
        channels = [Channel(end.connection) for end in ends]
        for channel in channels:
            await channel.until(lambda it: it.is_open)
        track = LocalTrack("audio")
        ends[0].connection.add_track(track, "0")
        async with playing(track, tone):
            await hear(await one_track(ends[1]), 0.1)
            if name == "wrtc" and "leave" in sys.argv:
                sys.exit()

asyncio.run(main(sys.argv[1]))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("how", ["close", "leave"])
def test_a_process_ends_by_itself(name: str, how: str) -> None:
    ended = run(CALL, name, how)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_nothing_heavy_is_imported_until_an_engine_is_loaded() -> None:
    heavy = "{'av', 'numpy', 'webrtc', 'wrtc', 'aiortc'}"
    ended = run(f"import sys, sheetbend.client.engines.base; assert not {heavy} & set(sys.modules)")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_an_engine_that_isn_t_there_says_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError) as caught:
        load_engine("none")
    assert caught.value.code == "engine_missing"
    monkeypatch.setitem(sys.modules, "sheetbend.client.engines.aiortc", None)
    with pytest.raises(EngineError) as caught:
        load_engine("aiortc")
    assert caught.value.code == "engine_missing"
    assert "sheetbend[aiortc]" in caught.value.sentence
