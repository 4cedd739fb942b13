"""Who is connected to this node, and who was a moment ago: sessions, their dialects and connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ..core.dialects import Dialect
from ..core.rate_limits import TokenBucket
from ..core.session import Session

__all__ = ["RELAY_ROOM_BYTES", "Address", "Client", "Outbox", "Text"]

RELAY_ROOM_BYTES = 14
"""In front of a relay frame, for the header of the WebSocket frame: picows writes it there."""
Text = bytes
"""A message as UTF-8, written once for all its readers."""


class Outbox(Protocol):
    """The sending side of a connection. None of these raises; after a close they do nothing."""

    @property
    def send(self) -> Callable[[Text], None]:
        """What sends a small message, of a few kB at most. Another one after a close: don't keep it."""

    def send_many(self, texts: Iterable[Text]) -> None:
        """Send messages of any size, with one system call and without a copy."""

    def relay(self, frame: bytearray) -> None:
        """Send a relay frame, for which `RELAY_ROOM_BYTES` are free at its front, behind all that waits; or drop it."""

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

    __slots__ = (
        "address",
        "dialect",
        "excess",
        "expires_at",
        "keep",
        "oldest",
        "outbox",
        "session",
        "silent_s",
        "told",
    )

    def __init__(self, session: Session, dialect: Dialect, outbox: Outbox, address: Address) -> None:
        self.session = session
        self.dialect = dialect
        self.outbox: Outbox | None = outbox
        self.keep: Callable[[Text], None] | None = None
        """Takes what is sent, so that it can be sent again; None in `lesson`."""
        self.address = address
        self.excess: TokenBucket | None = None
        """What it may still send over its rates before it is cut off; None as long as it keeps to them."""
        self.told = 0
        """How many of its messages it knows to have arrived."""
        self.oldest = 0
        """The number of the oldest message that it hadn't acknowledged a second ago."""
        self.silent_s = 0
        """For how many seconds that has been the same one."""
        self.expires_at: float | None = None
        """When its token runs out, on the hub's clock."""
