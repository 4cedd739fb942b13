"""What a link wants done: the caller does every effect, in order."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = [
    "Broken",
    "Delivered",
    "LinkEffect",
    "MessageAcknowledged",
    "PathChanged",
    "PathName",
    "StreamData",
    "StreamDrained",
    "StreamEnded",
    "StreamOpened",
    "StreamReset",
    "StreamStopped",
    "Transmit",
]

PathName = Literal["relay", "direct"]


class _Effect(Struct, tag_field="effect", rename="camel", frozen=True, gc=False):
    """The base: how effects stand in protocol/fixtures/link-traces.json."""


class Transmit(_Effect, tag="transmit", frozen=True, gc=False):
    """Send this on the path. `lossy` may be lost or late, and had better not wait for what was lost before it."""

    path: PathName
    frame: bytes
    lossy: bool = False


class Delivered(_Effect, tag="delivered", frozen=True, gc=False):
    """A message of the other side."""

    data: bytes
    is_text: bool
    reliable: bool = True


class MessageAcknowledged(_Effect, tag="acknowledged", frozen=True, gc=False):
    """The other side has this message, numbered from 1 in the order of `send`, and all before it."""

    message: int


class PathChanged(_Effect, tag="path", frozen=True, gc=False):
    """What is sent goes another way from now on; None if there is none."""

    path: PathName | None


class StreamOpened(_Effect, tag="stream-opened", frozen=True, gc=False):
    """The other side opened a stream."""

    stream: int
    label: str


class StreamData(_Effect, tag="stream-data", frozen=True, gc=False):
    """The next bytes of a stream. `consume` them, or the other side stops sending."""

    stream: int
    data: bytes


class StreamEnded(_Effect, tag="stream-ended", frozen=True, gc=False):
    """The other side has written all it had to."""

    stream: int


class StreamReset(_Effect, tag="stream-reset", frozen=True, gc=False):
    """The other side gave up writing."""

    stream: int
    reason: int


class StreamStopped(_Effect, tag="stream-stopped", frozen=True, gc=False):
    """The other side wants no more: what waited to be sent is dropped."""

    stream: int
    reason: int


class StreamDrained(_Effect, tag="stream-drained", frozen=True, gc=False):
    """There is place for more to write."""

    stream: int


class Broken(_Effect, tag="broken", frozen=True, gc=False):
    """The other side broke the protocol: the link is over."""

    code: str


LinkEffect = (
    Transmit
    | Delivered
    | MessageAcknowledged
    | PathChanged
    | StreamOpened
    | StreamData
    | StreamEnded
    | StreamReset
    | StreamStopped
    | StreamDrained
    | Broken
)
