"""Requests between members: one answer each, or an error that says what it was."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetbend.client.member_stream import MemberStream, StreamPort
from sheetbend.client.requests import REQUEST_LABEL, Request, RequestError, ask
from sheetbend.errors import ClientError, SheetbendError
from tests.support.in_process import asynchronous


def streams() -> tuple[MemberStream, MemberStream]:
    """The two ends of one, without a link in between."""
    ends: list[MemberStream] = []

    def end(index: int) -> MemberStream:
        def other() -> MemberStream:
            return ends[1 - index]

        def write(data: bytes) -> bool:
            other().take(data)
            return True

        return MemberStream(
            REQUEST_LABEL,
            StreamPort(
                write=write,
                finish=lambda: other().end(),
                reset=lambda: other().failed(ClientError("stream_reset", "")),
                stop=lambda: other().stopped(ClientError("stream_stopped", "")),
                consume=lambda size: None,
                over=lambda: None,
            ),
        )

    ends += [end(0), end(1)]
    return ends[0], ends[1]


async def answered(stream: MemberStream, data: bytes) -> None:
    async for _ in stream:
        pass
    await stream.write(data)
    await stream.close()


@asynchronous
async def test_a_reply_comes_back_as_what_it_was() -> None:
    for question, reply in (("how far?", "2 m"), (b"\x00\xff", b""), ("", "ä")):
        ours, theirs = streams()
        asking = asyncio.create_task(ask(ours, question, 1))
        request = await Request.read(theirs)
        assert request.data == question
        await request.reply(reply)
        assert await asking == reply


@asynchronous
async def test_a_refusal_says_why_to_programs_and_people() -> None:
    ours, theirs = streams()
    asking = asyncio.create_task(ask(ours, "jump", 1))
    await (await Request.read(theirs)).refuse("no_legs", "I only have wheels.")
    with pytest.raises(RequestError, match=r"I only have wheels\.") as caught:
        await asking
    assert (caught.value.code, caught.value.reason) == ("request_refused", "no_legs")


@asynchronous
async def test_who_waited_too_long_says_so_to_both() -> None:
    ours, theirs = streams()
    asking = asyncio.create_task(ask(ours, "?", 0.01))
    request = await Request.read(theirs)
    with pytest.raises(RequestError) as caught:
        await asking
    assert caught.value.code == "request_timed_out"
    with pytest.raises(ClientError) as late:
        await request.reply("!")
    assert late.value.code == "stream_stopped"


@asynchronous
async def test_a_cancelled_request_is_taken_back() -> None:
    ours, theirs = streams()
    asking = asyncio.create_task(ask(ours, "?", 10))
    request = await Request.read(theirs)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    with pytest.raises(ClientError):
        await request.reply("!")


@asynchronous
async def test_a_lost_member_ends_the_wait() -> None:
    ours, theirs = streams()
    asking = asyncio.create_task(ask(ours, "?", 10))
    await Request.read(theirs)
    ours.failed(ClientError("delivery_unknown", "lost"))
    with pytest.raises(ClientError) as caught:
        await asking
    assert caught.value.code == "delivery_unknown"


@asynchronous
async def test_a_second_answer_is_refused_here() -> None:
    ours, theirs = streams()
    asking = asyncio.create_task(ask(ours, "?", 1))
    request = await Request.read(theirs)
    await request.reply("one")
    with pytest.raises(ClientError) as caught:
        await request.reply("two")
    assert (await asking, caught.value.code) == ("one", "closed")


@asynchronous
async def test_what_can_not_be_sent_is_said_here() -> None:
    ours, theirs = streams()
    with pytest.raises(ClientError) as caught:
        await ask(ours, bytes((1 << 20) + 1), 1)
    assert caught.value.code == "message_too_big"
    ours, theirs = streams()
    asking = asyncio.create_task(ask(ours, "?", 1))
    request = await Request.read(theirs)
    for reason in ("", "Not now", "x" * 65):
        with pytest.raises(ClientError):
            await request.refuse(reason)
    await request.reply("the request can be answered all the same")
    await asking


@asynchronous
async def test_nonsense_for_an_answer_is_an_error_of_the_member() -> None:
    refusal = msgspec.json.encode
    for answer in (b"", b"\x03", b"\x02{", b"\x02" + refusal({"reason": "<b>", "sentence": ""}), b"\x02\xff"):
        ours, theirs = streams()
        answering = asyncio.create_task(answered(theirs, answer))
        with pytest.raises(RequestError) as caught:
            await ask(ours, "?", 1)
        assert caught.value.code == "invalid_reply"
        await answering


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_an_error(data: bytes) -> None:
    async def run() -> None:
        ours, theirs = streams()
        if data:
            await ours.write(data)
        await ours.close()
        try:
            assert isinstance((await Request.read(theirs)).data, str | bytes)
        except SheetbendError as error:
            assert error.code == "invalid_request"

    asyncio.run(run())
