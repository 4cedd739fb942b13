"""Each example, run as its docstring says, does what it says."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from numpy.typing import NDArray

import sheetbend
from sheetbend import AudioSource, MessageReceived, RemoteTrack, RequestError, Room, TrackReceived, VideoSource
from sheetbend.core.limits import Limits
from tests.support.in_process import asynchronous, serving

EXAMPLES = Path(__file__).parents[2] / "examples"
RATE = 48_000
WAIT_S = 30.0

Found = TypeVar("Found")


@asynccontextmanager
async def beside(example: str, *arguments: str) -> AsyncIterator[tuple[Room, sheetbend.Member]]:
    """Be in a room with an example."""
    async with serving(Limits()) as server:
        url = f"http://127.0.0.1:{server.port}/r/example"
        command = [str(EXAMPLES / example), url, *arguments]
        process = await asyncio.create_subprocess_exec(sys.executable, *command, stderr=asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(WAIT_S), sheetbend.connect(url, name="test") as room:
                yield room, await first(room, lambda event: getattr(event, "member", None))
        finally:
            if process.returncode is None:
                process.terminate()
            _, errors = await process.communicate()
        assert b"Error" not in errors, errors.decode()


async def first(room: Room, pick: Callable[[sheetbend.Event], Found | None]) -> Found:
    async for event in room:
        if (found := pick(event)) is not None:
            return found
    raise AssertionError("the room ended")


def track(event: sheetbend.Event) -> RemoteTrack | None:
    return event.track if isinstance(event, TrackReceived) else None


def test_none_is_longer_than_50_lines() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 50, path.name
    for path in EXAMPLES.glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        assert sum(len(cell["source"]) for cell in cells if cell["cell_type"] == "code") <= 50, path.name


@asynchronous
async def test_the_echo_bot_says_back_what_it_is_told() -> None:
    async with beside("echo_bot.py") as (room, bot):
        await bot.send("hello")
        await bot.send(b"\x00\x01")
        said = [await first(room, lambda e: e.data if isinstance(e, MessageReceived) else None) for _ in range(3)]
        assert said == ["Say something!", "hello", b"\x00\x01"]


@asynchronous
async def test_the_robot_goes_where_it_is_told_and_tells_where_it_is() -> None:
    def position(event: sheetbend.Event) -> float | None:
        x: float = json.loads(event.data)["position"][0] if isinstance(event, MessageReceived) else 0.0
        return x or None

    async with beside("robot.py") as (room, robot):
        assert await robot.request("go 1 0") == "going"
        assert await first(room, position) > 0
        with pytest.raises(RequestError) as refused:
            await robot.request("dance")
        assert refused.value.reason == "unknown_command"


@asynchronous
async def test_the_video_filter_sends_back_outlines() -> None:
    async def halves() -> AsyncIterator[NDArray[np.uint8]]:
        picture = np.zeros((240, 320, 3), np.uint8)
        picture[:, 160:] = 255
        while True:
            yield picture

    async with beside("video_filter.py") as (room, _), VideoSource(halves(), fps=15) as source:
        await room.publish(source.track)
        async for frame in await first(room, track):
            grey = frame.to_ndarray(format="gray")
            middle = grey.shape[1] // 2
            edge, sides = grey[:, middle - 4 : middle + 4], np.delete(grey, range(middle - 20, middle + 20), axis=1)
            if edge.max(axis=1).mean() > 150 and sides.mean() < 30:
                return


async def grey(frames: int) -> AsyncIterator[NDArray[np.uint8]]:
    for _ in range(frames):
        yield np.full((120, 160, 3), 128, np.uint8)


async def tone(seconds: float) -> AsyncIterator[NDArray[Any]]:
    """440 Hz, then silence."""
    samples = np.arange(int(RATE * seconds))
    sound = (10_000 * np.sin(2 * np.pi * 440 * samples / RATE)).astype(np.int16)
    for at in range(0, len(sound), 960):
        yield sound[at : at + 960]
    while True:
        yield np.zeros(960, np.int16)


@asynchronous
async def test_the_voice_agent_answers_when_it_is_silent() -> None:
    async with beside("voice_agent.py") as (room, _):
        voice = await first(room, track)
        async with AudioSource(tone(1.0)) as source:
            await room.publish(source.track)
            said: list[NDArray[Any]] = []
            async for frame in voice:
                sound = frame.to_ndarray()[0, :: frame.layout.nb_channels]
                if np.abs(sound).max() > 2000:
                    said.append(sound)
                elif sum(map(len, said)) >= RATE / 2:
                    break
    spectrum = np.abs(np.fft.rfft(np.concatenate(said)))
    assert abs(spectrum.argmax() * RATE / sum(map(len, said)) - 440) < 10


@asynchronous
async def test_the_recorder_writes_a_film(tmp_path: Path) -> None:
    film = tmp_path / "call.webm"
    async with serving(Limits()) as server:
        url = f"http://127.0.0.1:{server.port}/r/example"
        process = await asyncio.create_subprocess_exec(sys.executable, str(EXAMPLES / "recorder.py"), url, str(film))
        async with asyncio.timeout(WAIT_S):
            async with (
                VideoSource(grey(45), fps=15) as video,
                AudioSource(tone(1.0)) as audio,
                sheetbend.connect(url, name="test") as room,
            ):
                await room.publish(video.track, audio.track)
                await first(room, lambda e: isinstance(e, sheetbend.ConnectionChanged) or None)
                await video.finished()
            assert await process.wait() == 0
    with av.open(str(film)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        assert sum(1 for _ in container.decode(video=0)) >= 15


class Publisher(CapturingDisplayPublisher):
    """Where a notebook's output appears."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.changed = asyncio.Event()

    def publish(self, *arguments: Any, **options: Any) -> None:
        super().publish(*arguments, **options)  # type: ignore[no-untyped-call]
        self.changed.set()

    async def until(self, words: str) -> str:
        while True:
            for output in self.outputs:
                if words in (html := output["data"].get("text/html", "")):
                    return str(html)
            self.changed.clear()
            await self.changed.wait()


@asynchronous
async def test_the_notebook_shows_who_is_there_and_what_they_show() -> None:
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text())["cells"]
    enter, show, leave = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    shell: Any = InteractiveShell.instance()
    shell.display_pub = publisher = Publisher()

    async def run(cell: str) -> None:
        (await shell.run_cell_async(cell, transformed_cell=shell.transform_cell(cell))).raise_error()

    async with serving(Limits()) as server, asyncio.timeout(WAIT_S):
        url = f"http://127.0.0.1:{server.port}/r/demo"
        async with (
            VideoSource(grey(1000), fps=15) as video,
            sheetbend.connect(url, name="<b>Ada</b>") as room,
        ):
            await room.publish(video.track)
            await run(enter.replace("http://localhost:8080/r/demo", url))
            await run(show)
            assert "&lt;b&gt;Ada" in await publisher.until("data:image/jpeg")
            await run(leave)
