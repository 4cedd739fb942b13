"""The commands that go into a room, as somebody types them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

import sheetbend
from sheetbend import AudioSource, MemberJoined, RoomMessageReceived, TrackReceived, VideoSource
from sheetbend.core.limits import Limits
from tests.support.in_process import asynchronous, serving

WAIT_S = 30.0
RATE = 48_000
Process = asyncio.subprocess.Process


@asynccontextmanager
async def a_room(secret: str = "") -> AsyncIterator[str]:
    """The link of a room on a server of its own."""
    async with serving(Limits()) as server, asyncio.timeout(WAIT_S):
        yield f"http://127.0.0.1:{server.port}/r/demo{secret and '#' + secret}"


@asynccontextmanager
async def running(*arguments: str | Path, stdin: bytes | None = None) -> AsyncIterator[Process]:
    pipe = asyncio.subprocess.PIPE
    command = ["-m", "sheetbend", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    if stdin is not None:
        process.stdin.write(stdin)
        process.stdin.close()
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def outcome(process: Process) -> tuple[int, str, str]:
    """Status, output and errors, once it has ended."""
    assert process.stdout is not None and process.stderr is not None
    output, errors = await asyncio.gather(process.stdout.read(), process.stderr.read())
    return await process.wait(), output.decode(), errors.decode()


async def run(*arguments: str | Path, stdin: bytes | None = None) -> tuple[int, str, str]:
    async with running(*arguments, stdin=stdin) as process:
        return await outcome(process)


async def tone() -> AsyncIterator[NDArray[Any]]:
    samples = np.arange(RATE)
    sound = (10_000 * np.sin(2 * np.pi * 440 * samples / RATE)).astype(np.int16)
    while True:
        for at in range(0, RATE, 960):
            yield sound[at : at + 960]


async def grey() -> AsyncIterator[NDArray[np.uint8]]:
    while True:
        yield np.full((120, 160, 3), 128, np.uint8)


@asynchronous
async def test_files_go_from_one_machine_to_another(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    files = [tmp_path / name for name in ("a.bin", "b c.txt")]
    for file in files:
        file.write_bytes(os.urandom(3_000_000))
    async with a_room("a%20secret") as url, running("receive", url, "--folder", folder) as receiving:
        status, _, errors = await run("send", *files, url)
        assert status == 0, errors
        status, output, errors = await outcome(receiving)
    assert (status, output.splitlines()) == (0, [str(folder / file.name) for file in files]), errors
    assert [(folder / file.name).read_bytes() for file in files] == [file.read_bytes() for file in files]


@asynchronous
async def test_who_sends_to_somebody_waits_for_that_one(tmp_path: Path) -> None:
    for name in ("bob", "eve"):
        (tmp_path / name).mkdir()
    file = tmp_path / "a.bin"
    file.write_bytes(b"for bob")
    async with (
        a_room() as url,
        running("receive", url, "--folder", tmp_path / "eve", "--name", "eve"),
        running("send", file, url, "--to", "bob") as sending,
    ):
        status, output, _ = await run("receive", url, "--folder", tmp_path / "bob", "--name", "bob")
        assert (status, output.strip()) == (0, str(tmp_path / "bob" / "a.bin"))
        assert (await outcome(sending))[0] == 0
    assert list((tmp_path / "eve").iterdir()) == []


@asynchronous
async def test_what_can_not_be_done_is_said_in_one_sentence(tmp_path: Path) -> None:
    for arguments, status in (
        (("send", "nothing.bin", "http://localhost/r/demo"), 2),
        (("send", "http://localhost/r/demo"), 2),
        (("receive", "http://localhost/r/demo", "--folder", "nowhere"), 2),
        (("chat", "http://127.0.0.1:9/r/demo"), 1),
        (("chat", "gopher://localhost/r/demo"), 1),
        (("load", "http://localhost/r/demo", "--members", "1"), 2),
    ):
        ended, output, errors = await run(*arguments, stdin=b"")
        assert (ended, output) == (status, ""), errors
        assert errors.startswith("sheetbend: ") and errors.count("\n") == 1 and "Traceback" not in errors


@asynchronous
async def test_chat_says_what_is_piped_in_and_shows_what_is_said() -> None:
    async with (
        a_room() as url,
        sheetbend.connect(url, name="ada", engine=None) as room,
        running("chat", url, "--name", "bob") as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("hello\nund tschüß\n".encode())
        said = []
        async for event in room:
            match event:
                case MemberJoined():
                    await room.send({"type": "chat", "text": "\x1b]0;owned\x07hi\nthere"})
                    await room.send({"type": "not chat", "text": "unseen"})
                case RoomMessageReceived(message) if not message.is_own:
                    said.append(message.data)
            if len(said) == 2:
                break
        assert said == [{"type": "chat", "text": "hello"}, {"type": "chat", "text": "und tschüß"}]
        process.stdin.close()
        status, output, errors = await outcome(process)
    assert (status, errors) == (0, "")
    assert "\x1b" not in output and "\x07" not in output
    shown = [line.partition(" ada: ")[2] for line in output.splitlines() if ": " in line]
    assert shown == [" ]0;owned hi", "there"]


@asynchronous
async def test_play_shows_a_film(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    with av.open(str(film), "w") as container:
        video = container.add_stream("mpeg4", rate=30)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        for number in range(60):
            picture = av.VideoFrame.from_ndarray(np.full((120, 160, 3), number * 4, np.uint8), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 30)
            container.mux(video.encode(picture))
        sound = (10_000 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        for ready in av.AudioResampler(audio.format, "mono", RATE, 1024).resample(frame):
            container.mux(audio.encode(ready))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))

    async def count(track: sheetbend.RemoteTrack) -> int:
        return sum([1 async for _ in track])

    async with a_room() as url, sheetbend.connect(url) as room, running("play", film, url) as playing:
        counting: dict[str, asyncio.Task[int]] = {}
        async for event in room:
            if isinstance(event, TrackReceived):
                counting[event.track.kind] = asyncio.create_task(count(event.track))
            elif isinstance(event, sheetbend.MemberLeft):
                break
        frames = {kind: await task for kind, task in counting.items()}
        status, _, errors = await outcome(playing)
    assert status == 0, errors
    assert frames["video"] >= 30 and frames["audio"] >= 100  # of 60, and of 200 of 10 ms


@asynchronous
async def test_record_keeps_what_everybody_shows(tmp_path: Path) -> None:
    async with (
        a_room() as url,
        running("record", url, "--folder", tmp_path, "--seconds", "4") as recording,
        VideoSource(grey(), fps=15) as video,
        AudioSource(tone()) as audio,
        sheetbend.connect(url, name="ada/../x") as room,
    ):
        await room.publish(video.track, audio.track)
        status, output, errors = await outcome(recording)
    assert status == 0, errors
    (path,) = map(Path, output.splitlines())
    assert path.parent == tmp_path and path.suffix == ".webm"
    with av.open(str(path)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        assert sum(1 for _ in container.decode(video=0)) >= 15


@asynchronous
async def test_load_counts_and_times_every_message() -> None:
    async with a_room() as url:
        status, output, errors = await run(
            "load", url, "--members", "4", "--rooms", "2", "--rate", "20", "--seconds", "1", "--json"
        )
    report = json.loads(output)
    assert status == 0, errors
    assert report["members"] == 8 and report["lost"] == report["duplicated"] == report["disordered"] == 0
    assert 100 < report["sent"] <= 160 + 8 and report["delivered"] == report["sent"] * 3
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"] <= report["latency_ms"]["longest"] * 1.01
