"""Requests between two members, each over one stream of their link (PROTOCOL.md, "Requests").

Leaves to others: how the stream's bytes travel (`member_stream`), and what is asked.
"""

from __future__ import annotations

import asyncio
import re

import msgspec

from ..errors import ClientError, SheetbendError
from .member_data import BytesLike, decode_data, encode_data
from .member_stream import MemberStream

__all__ = ["REQUEST_LABEL", "Request", "RequestError", "ask"]

REQUEST_LABEL = "sheetbend:request"
"""Of the streams on which requests travel."""

_DATA_BYTES_MAX = 1 << 20
"""Of a request, and of a reply."""
_REASON = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SENTENCE_BYTES_MAX = 1024
_TEXT, _BINARY, _REFUSAL = range(3)


class RequestError(SheetbendError):
    """A request without a reply.

    - `request_timed_out`: none came in time; whether the member did what was asked can't be known
    - `request_refused`: the member says that it won't or can't; `reason` is its word for why, the sentence its own too
    - `invalid_reply`, `invalid_request`: the member broke the protocol
    """

    def __init__(self, code: str, sentence: str, reason: str | None = None) -> None:
        super().__init__(code, sentence)
        self.reason = reason


class _Refusal(msgspec.Struct):
    reason: str
    sentence: str


class Request:
    """What a member asks. `reply` or `refuse` it, once; another time raises ClientError `closed`.

    case RequestReceived(member, request):
        await request.reply(f"You asked {request.data!r}.")
    """

    def __init__(self, stream: MemberStream, data: str | bytes) -> None:
        self._stream = stream
        self.data = data

    @classmethod
    async def read(cls, stream: MemberStream) -> Request:
        """Read what came on a stream with `REQUEST_LABEL`; `RequestReceived` is its result. Raises RequestError
        `invalid_request`.

            request = await Request.read(stream)
        """
        data = await _read(stream)
        if not data or data[0] not in (_TEXT, _BINARY):
            _give_up(stream)
            raise RequestError("invalid_request", "The member broke the protocol of requests.")
        return cls(stream, _decoded(data))

    async def reply(self, data: str | BytesLike) -> None:
        """Answer it, with up to 1 MiB.

            await request.reply("going")

        Raises ClientError `stream_stopped` if the member doesn't wait any more."""
        await self._answer(_encoded(data))

    async def refuse(self, reason: str, sentence: str = "") -> None:
        """Say that it isn't done: `reason` for programs, up to 64 of a-z, 0-9 and _; `sentence` for people.

        ```python
        await request.refuse("unknown_command", "I only know 'stop'.")
        ```
        """
        if _REASON.fullmatch(reason) is None or len(sentence.encode()) > _SENTENCE_BYTES_MAX:
            raise ClientError(
                "invalid_argument", "A reason is a word such as not_now; a sentence has up to 1024 bytes."
            )
        await self._answer(bytes([_REFUSAL]) + msgspec.json.encode(_Refusal(reason, sentence)))

    async def _answer(self, data: bytes) -> None:
        await self._stream.write(data)
        await self._stream.close()


async def ask(stream: MemberStream, data: str | BytesLike, timeout_s: float) -> str | bytes:
    """Send a request on a stream that was opened with `REQUEST_LABEL`, and return the reply.

    Raises RequestError, and what the stream raises when the member is lost. Cancelling tells the member that nobody
    waits any more.
    """
    try:
        async with asyncio.timeout(timeout_s):
            await stream.write(_encoded(data))
            await stream.close()
            answer = await _read(stream)
    except TimeoutError:
        _give_up(stream)
        raise RequestError("request_timed_out", f"No reply came in {timeout_s:g} s.") from None
    except BaseException:
        _give_up(stream)
        raise
    if not answer or answer[0] > _REFUSAL:
        raise _invalid_reply()
    if answer[0] != _REFUSAL:
        return _decoded(answer)
    raise _refused(answer[1:])


def _refused(data: bytes) -> RequestError:
    try:
        refusal = msgspec.json.decode(data, type=_Refusal)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _invalid_reply()
    if _REASON.fullmatch(refusal.reason) is None:
        return _invalid_reply()
    return RequestError(
        "request_refused",
        refusal.sentence[:_SENTENCE_BYTES_MAX] or f"The member refused: {refusal.reason}.",
        refusal.reason,
    )


def _invalid_reply() -> RequestError:
    return RequestError("invalid_reply", "The member broke the protocol of requests.")


async def _read(stream: MemberStream) -> bytes:
    """All that comes; nothing if it is too much."""
    data = bytearray()
    async for chunk in stream:
        data += chunk
        if len(data) > _DATA_BYTES_MAX + 1:
            return b""
    return bytes(data)


def _encoded(data: str | BytesLike) -> bytes:
    encoded = encode_data(data)
    if len(encoded) > _DATA_BYTES_MAX:
        raise ClientError("message_too_big", f"Requests and replies have at most {_DATA_BYTES_MAX} bytes.")
    return bytes([_TEXT if isinstance(data, str) else _BINARY]) + encoded


def _decoded(data: bytes) -> str | bytes:
    return decode_data(data[1:], is_text=data[0] == _TEXT)


def _give_up(stream: MemberStream) -> None:
    stream.reset()
    stream.stop()
