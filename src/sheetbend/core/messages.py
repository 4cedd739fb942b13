"""What clients can ask for: one frozen struct a message type, the same for both dialects.

A dialect decodes its text into these; `Session.receive` takes them. Fields that pass through unread (`sdp`,
`candidate`, `data`, `attributes`) are `Raw`: canonical JSON that `strict_json.parse` has validated. A message's `ref`
stands beside it, not in it.
"""

from __future__ import annotations

from msgspec import Raw, Struct

__all__ = [
    "ABSENT",
    "NO_ATTRIBUTES",
    "Answer",
    "Bye",
    "Hello",
    "IceCandidate",
    "Join",
    "Leave",
    "Message",
    "Offer",
    "RoomMessage",
    "Signalling",
    "Update",
]

NO_ATTRIBUTES = Raw(b"{}")
ABSENT = Raw(b"")


class Message(Struct, tag_field="type", rename="camel", frozen=True, gc=False):
    """The base: `type` is the tag, names on the wire are camel case."""


class Hello(Message, tag="hello", frozen=True):
    client: str = ""
    features: tuple[str, ...] = ()


class Join(Message, tag="join", frozen=True):
    room_id: str
    name: str = ""
    attributes: Raw = NO_ATTRIBUTES


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


class Bye(Message, tag="bye", frozen=True):
    pass


Signalling = Offer | Answer | IceCandidate
"""What goes to one other member (or, in `lesson`, to all others) unread."""
