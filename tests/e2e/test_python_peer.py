"""Programs and pages in one room: each finds in the other a member like any."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import numpy as np
import pytest
import uvloop
from numpy.typing import NDArray
from playwright.sync_api import BrowserContext, Page

from sheetbend.client import (
    Event,
    Member,
    MemberJoined,
    MessageReceived,
    PathChanged,
    Room,
    RoomMessageReceived,
    SafetyWordsReady,
    StreamOpened,
    TrackReceived,
    connect,
)
from sheetbend.client.media import AudioSource, VideoSource
from tests.client.people import TIMEOUT_S, next_of
from tests.e2e.browsers import SDK, wait_for_media
from tests.e2e.test_member import MEMBER, said, start, wait_for_path
from tests.e2e.test_sdk import events, wait_for_event
from tests.support.process import ServerProcess

Person = Callable[..., BrowserContext]
_Result = TypeVar("_Result")

pytestmark = pytest.mark.skipif(not SDK.exists(), reason="The SDK is not built. To build it: make web")

WAYS = pytest.mark.parametrize(
    ("engine", "path"), [(None, "relay"), ("wrtc", "direct"), ("aiortc", "direct")], ids=["relay", "wrtc", "aiortc"]
)


class Program:
    """A program's loop, on a thread of its own: Playwright's loop has this one."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(3 * TIMEOUT_S)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def program() -> Iterator[Program]:
    program = Program()
    yield program
    program.close()


async def enter(server: ServerProcess, **options: Any) -> Room:
    return await connect(f"{server.url}r/sdk", name="Python", **options)


async def met(room: Room, path: str) -> tuple[Member, list[Event]]:
    """The page, once what is sent to it goes this way and its safety words are there; and all events up to then."""
    seen: list[Event] = []
    async with asyncio.timeout(TIMEOUT_S):
        async for event in room:
            seen.append(event)
            words = [event.words for event in seen if isinstance(event, SafetyWordsReady)]
            paths = [event.path for event in seen if isinstance(event, PathChanged)]
            if words and paths and paths[-1] == path:
                break
    return next(event.member for event in seen if isinstance(event, MemberJoined)), seen


@WAYS
@pytest.mark.parametrize("secret", [None, "s3cret"], ids=["open", "secret"])
@pytest.mark.parametrize("first", ["page", "program"])
def test_messages_and_streams_go_both_ways_and_the_safety_words_are_the_same(
    first: str,
    secret: str | None,
    engine: str | None,
    path: str,
    server: ServerProcess,
    person: Person,
    program: Program,
) -> None:
    options = {} if secret is None else {"secret": secret}
    page: Page
    if first == "page":
        page = start(person(), server, "Page", **options)
        room = program.run(enter(server, engine=engine, secret=secret))
    else:
        room = program.run(enter(server, engine=engine, secret=secret))
        page = start(person(), server, "Page", **options)
    member, _ = program.run(met(room, path))
    wait_for_path(page, path)
    page.wait_for_function(f"() => {MEMBER}.safetyWords")
    assert list(member.safety_words or ()) == page.evaluate(f"() => {MEMBER}.safetyWords")
    assert member.sealing == page.evaluate(f"() => {MEMBER}.sealing") == ("keys" if secret is None else "secret")
    assert (member.name, page.evaluate(f"() => {MEMBER}.name")) == ("Page", "Python")

    program.run(_say(member))
    page.evaluate(f"() => Promise.all([{MEMBER}.send('text ✓'), {MEMBER}.send(new Uint8Array([1, 2, 255]))])")
    assert said(page) == ["text ✓", [0, 128, 255]]
    assert program.run(_hear(room)) == ["text ✓", b"\x01\x02\xff"]

    page.evaluate("() => { window.sent = program.stream('from the page', 4); }")
    digest = program.run(_take_stream(room))
    assert page.evaluate("() => sent") == [digest, "thanks"]
    digest = program.run(_give_stream(member))
    wait_for_event(page, "streamed", "from the program", digest)

    program.run(room.send({"text": "to all"}))
    wait_for_event(page, "message", "Python", {"text": "to all"})
    page.evaluate("() => room.send([1, null])")
    heard = program.run(next_of(room, RoomMessageReceived, lambda event: not event.message.is_own))
    assert (heard.message.sender, heard.message.data) == (member, [1, None])

    program.run(room.leave())
    wait_for_event(page, "left", page.evaluate("() => program.events.find(([type]) => type === 'member')[1]"), "leave")
    assert events(page, "error") == []


async def _say(member: Member) -> None:
    await asyncio.gather(member.send("text ✓"), member.send(b"\x00\x80\xff"))


async def _hear(room: Room) -> list[str | bytes]:
    return [(await next_of(room, MessageReceived)).data for _ in range(2)]


async def _take_stream(room: Room) -> str:
    opened = await next_of(room, StreamOpened)
    assert opened.stream.label == "from the page"
    digest = hashlib.sha256()
    async with opened.stream as stream:
        async for chunk in stream:
            digest.update(chunk)
        await stream.write(b"thanks")
    return digest.hexdigest()


async def _give_stream(member: Member) -> str:
    piece = bytes(range(256)) * 300
    async with member.stream("from the program") as stream:
        for _ in range(50):
            await stream.write(piece)
        await stream.close()
        assert b"".join([chunk async for chunk in stream]) == b"thanks"
    return hashlib.sha256(piece * 50).hexdigest()


@pytest.mark.parametrize("engine", ["wrtc", "aiortc"])
def test_a_page_and_a_program_see_and_hear_each_other(
    engine: str, server: ServerProcess, person: Person, program: Program
) -> None:
    page = start(person(), server, "Page")
    page.evaluate("() => program.publishCamera()")
    room = program.run(enter(server, engine=engine))

    async def watch() -> dict[str, object]:
        tracks = [(await next_of(room, TrackReceived)).track for _ in range(2)]
        return {track.kind: await asyncio.wait_for(anext(aiter(track.frames)), TIMEOUT_S) for track in tracks}

    async def show() -> None:
        sources = VideoSource(_pictures(), fps=15), AudioSource(_tone())
        async with sources[0], sources[1]:
            publication = await room.publish(sources[0].track, sources[1].track)
            assert publication.label == "camera"
            await is_seen.wait()
            publication.unpublish()

    is_seen = asyncio.Event()
    assert program.run(watch()).keys() == {"audio", "video"}
    showing = asyncio.run_coroutine_threadsafe(show(), program._loop)
    wait_for_media(page, peers=1)
    program._loop.call_soon_threadsafe(is_seen.set)
    wait_for_event(page, "streamremoved")
    showing.result(TIMEOUT_S)
    program.run(room.leave())
    assert events(page, "error") == []


async def _pictures() -> AsyncIterator[NDArray[np.uint8]]:
    number = 0
    while True:
        number += 1
        yield np.full((120, 160, 3), number % 256, np.uint8)


async def _tone() -> AsyncIterator[NDArray[np.int16]]:
    samples = np.arange(480)
    while True:
        yield (np.sin(samples * 2 * np.pi * 440 / 48_000) * 10_000).astype(np.int16)
