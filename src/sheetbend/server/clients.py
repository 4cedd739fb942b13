"""Who is connected to this node, and who was a moment ago: sessions, their dialects and connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ..core.dialects import Dialect
from ..core.session import Session

__all__ = ["FRAME_HEADER_ROOM", "SMALL_BYTES_MAX", "Address", "Client", "Outbox", "Text", "frame_text", "payload_of"]

FRAME_HEADER_ROOM = 14
"""Bytes a WebSocket frame header can take; picows writes it in front of the payload, in place."""
SMALL_BYTES_MAX = 8192

Text = bytes | bytearray
"""A message ready to send: bytes, or past SMALL_BYTES_MAX a bytearray with FRAME_HEADER_ROOM bytes in front.

picows copies small messages into its write buffer; large ones it would hand on beside a pointer into that buffer,
which the next send overwrites, unless they come with room for their header.
"""


def frame_text(payload: bytes) -> Text:
    """Return `payload` in the form that `Outbox.send` takes."""
    return payload if len(payload) <= SMALL_BYTES_MAX else bytearray(FRAME_HEADER_ROOM) + payload


def payload_of(text: Text) -> bytes | memoryview:
    """Return what `frame_text` was given."""
    return text if isinstance(text, bytes) else memoryview(text)[FRAME_HEADER_ROOM:]


class Outbox(Protocol):
    """The sending side of a connection. None of these raises; after a close they do nothing."""

    def send(self, text: Text) -> None: ...

    def send_many(self, texts: Iterable[Text]) -> None: ...

    def close(self, code: int, reason: str) -> None:
        """End the connection. `Hub.disconnect` may be called within."""

    def belongs_to(self, client: Client) -> None:
        """What comes in is `client`'s from now on."""


class Address(Protocol):
    """Where a connection comes from: what it may still do, together with all others from there."""

    def take_hello(self, now: float) -> bool: ...

    def take_join(self, now: float) -> bool: ...

    def has_failures_left(self, now: float) -> bool: ...

    def count_failure(self, now: float) -> None: ...

    def release(self) -> None:
        """The connection, and the session that outlived it, are gone. Again does nothing."""


class Client:
    """A session, the dialect it speaks, and the connection it speaks on; None while that is broken."""

    __slots__ = ("address", "dialect", "expires_at", "keep", "oldest", "outbox", "session", "silent_s", "told")

    def __init__(self, session: Session, dialect: Dialect, outbox: Outbox, address: Address) -> None:
        self.session = session
        self.dialect = dialect
        self.outbox: Outbox | None = outbox
        self.keep: Callable[[Text], None] | None = None
        """Takes what is sent, so that it can be sent again; None in `lesson`."""
        self.address = address
        self.told = 0
        """How many of its messages it knows to have arrived."""
        self.oldest = 0
        """The number of the oldest message that it hadn't acknowledged a second ago."""
        self.silent_s = 0
        """For how many seconds that has been the same one."""
        self.expires_at: float | None = None
        """When its token runs out, on the hub's clock."""
