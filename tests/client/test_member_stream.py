"""A stream in the program's hands, on a link that the test plays."""

from __future__ import annotations

import asyncio

import pytest

from sheetbend.client.member_stream import MemberStream, StreamPort
from sheetbend.errors import ClientError
from tests.support.in_process import asynchronous


class FakeLink:
    """Takes what is written. While `is_full` it has no place for more; `drains_at_once` says so and has some again."""

    def __init__(self) -> None:
        self.is_full = False
        self.drains_at_once = False
        self.written = b""
        self.told: list[str] = []
        self.consumed = 0
        self.stream = MemberStream(
            "log",
            StreamPort(
                write=self._write,
                finish=lambda: self.told.append("finish"),
                reset=lambda: self.told.append("reset"),
                stop=lambda: self.told.append("stop"),
                consume=self._consume,
                over=lambda: self.told.append("over"),
            ),
        )

    def _write(self, data: bytes) -> bool:
        self.written += data
        if self.drains_at_once:
            self.stream.drained()
        return not self.is_full

    def _consume(self, size: int) -> None:
        self.consumed += size


async def is_waiting(task: asyncio.Task[object]) -> bool:
    for _ in range(3):
        await asyncio.sleep(0)
    return not task.done()


@asynchronous
async def test_a_writer_waits_for_place() -> None:
    link = FakeLink()
    await link.stream.write(b"1")
    link.is_full = True
    writing: asyncio.Task[object] = asyncio.create_task(link.stream.write(b"2"))
    assert await is_waiting(writing)
    link.stream.drained()
    await writing
    assert link.written == b"12"


@asynchronous
async def test_place_that_comes_within_the_write_is_not_missed() -> None:
    link = FakeLink()
    link.is_full = link.drains_at_once = True
    await asyncio.wait_for(link.stream.write(b"1"), 1)
    await asyncio.wait_for(link.stream.write(b"2"), 1)


@pytest.mark.parametrize("end", ["stopped", "reset", "close"])
def test_a_writer_that_waits_hears_of_the_end(end: str) -> None:
    @asynchronous
    async def test() -> None:
        link = FakeLink()
        link.is_full = True
        writing: asyncio.Task[object] = asyncio.create_task(link.stream.write(b"1"))
        assert await is_waiting(writing)
        if end == "stopped":
            link.stream.stopped(ClientError("stream_stopped", ""))
        elif end == "reset":
            link.stream.reset()
        else:
            await link.stream.close()
        with pytest.raises(ClientError) as ended:
            await asyncio.wait_for(writing, 1)
        assert ended.value.code == ("stream_stopped" if end == "stopped" else "closed")

    test()


@asynchronous
async def test_only_what_is_read_is_consumed() -> None:
    link = FakeLink()
    link.stream.take(b"abcdef")
    link.stream.take(b"gh")
    assert link.consumed == 0
    assert await link.stream.read_exactly(4) == b"abcd"
    assert link.consumed == 4
    assert await anext(link.stream) == b"ef"
    assert await link.stream.read_exactly(0) == b""
    link.stream.end()
    assert [chunk async for chunk in link.stream] == [b"gh"]
    assert link.consumed == 8


@asynchronous
async def test_it_is_over_once_when_both_sides_are() -> None:
    link = FakeLink()
    await link.stream.close()
    await link.stream.close()
    assert link.told == ["finish"]
    link.stream.end()
    link.stream.stop()
    link.stream.reset()
    assert link.told == ["finish", "over"]


@asynchronous
async def test_leaving_it_gives_up_what_is_open_and_an_exception_what_was_written() -> None:
    link = FakeLink()
    async with link.stream:
        pass
    assert link.told == ["finish", "stop", "over"]
    other = FakeLink()
    with pytest.raises(ZeroDivisionError):
        async with other.stream:
            raise ZeroDivisionError
    assert other.told == ["reset", "stop", "over"]


@asynchronous
async def test_a_cancelled_reader_takes_nothing_with_it() -> None:
    link = FakeLink()
    reading: asyncio.Task[object] = asyncio.create_task(link.stream.read_exactly(1))
    assert await is_waiting(reading)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    link.stream.take(b"x")
    assert await anext(link.stream) == b"x"
