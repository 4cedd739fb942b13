"""What clients can ask for: one frozen struct a message type, the same for both dialects.

A dialect decodes its text into these; `Session.receive` takes them. Fields that pass through unread (`sdp`,
`candidate`, `data`, `attributes`) are `Raw`: canonical JSON that `strict_json.parse` has validated. A message's `ref`
stands beside it, not in it.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

__all__ = [
    "ABSENT",
    "NO_ATTRIBUTES",
    "Access",
    "Ack",
    "Admit",
    "Answer",
    "Authorize",
    "Bye",
    "Hello",
    "IceCandidate",
    "Join",
    "Leave",
    "MediaKind",
    "Message",
    "Mute",
    "Offer",
    "Ping",
    "Reject",
    "Remove",
    "Resume",
    "RoomMessage",
    "SetAccess",
    "Signalling",
    "Since",
    "Update",
]

Access = Literal["open", "lobby", "locked"]
MediaKind = Literal["audio", "video"]

NO_ATTRIBUTES = Raw(b"{}")
ABSENT = Raw(b"")


class Message(Struct, tag_field="type", rename="camel", frozen=True, gc=False):
    """The base: `type` is the tag, names on the wire are camel case."""


class Resume(Struct, frozen=True, gc=False):
    """Which session to go on with, and how many of its messages have arrived."""

    token: str
    received: int


class Hello(Message, tag="hello", frozen=True):
    client: str | None = None
    features: tuple[str, ...] | None = None
    token: str | None = None
    resume: Resume | None = None
    relay_only: bool | None = None


class Since(Struct, frozen=True, gc=False):
    """The last event of a room that a client has seen."""

    epoch: str
    offset: int


class Join(Message, tag="join", frozen=True):
    room_id: str
    name: str | None = None
    attributes: Raw = NO_ATTRIBUTES
    since: Since | None = None
    key: str | None = None


class Leave(Message, tag="leave", frozen=True):
    room_id: str


class Update(Message, tag="update", frozen=True):
    """`attributes` is merged key by key; empty text means that the field was not there."""

    room_id: str
    name: str | None = None
    attributes: Raw = ABSENT


class RoomMessage(Message, tag="message", frozen=True):
    room_id: str
    data: Raw
    to: tuple[str, ...] | None = None
    id: str | None = None


class Offer(Message, tag="offer", frozen=True):
    sdp: Raw
    target: str | None = None
    room_id: str | None = None


class Answer(Message, tag="answer", frozen=True):
    sdp: Raw
    target: str | None = None
    room_id: str | None = None


class IceCandidate(Message, tag="ice-candidate", frozen=True):
    candidate: Raw
    target: str | None = None
    room_id: str | None = None


class Authorize(Message, tag="token", frozen=True):
    token: str


class SetAccess(Message, tag="set-access", frozen=True):
    room_id: str
    access: Access


class Admit(Message, tag="admit", frozen=True):
    room_id: str
    user_id: str


class Reject(Message, tag="reject", frozen=True):
    room_id: str
    user_id: str


class Mute(Message, tag="mute", frozen=True):
    """`messages` is enforced, `media` is asked for."""

    room_id: str
    user_id: str
    messages: bool | None = None
    media: tuple[MediaKind, ...] | None = None


class Remove(Message, tag="remove", frozen=True):
    room_id: str
    user_id: str


class Ack(Message, tag="ack", frozen=True):
    received: int


class Ping(Message, tag="ping", frozen=True):
    pass


class Bye(Message, tag="bye", frozen=True):
    pass


Signalling = Offer | Answer | IceCandidate
"""What goes to one other member (or, in `lesson`, to all others) unread."""
