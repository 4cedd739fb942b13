"""The `lesson` dialect: plain JSON that a beginner's client can speak (PROTOCOL.md, "lesson")."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from ...errors import RefusedError
from ..events import Entry, Event, Forwarded, Left, MemberJoined, Notice
from ..history import Remembered
from ..messages import Answer, IceCandidate, Join, Leave, Message, Offer
from ..room import Room
from ..strict_json import parse
from .base import Dialect, explain, require_room_id

__all__ = ["LessonDialect"]


class _Join(Message, tag="join", frozen=True):
    """Unlike `messages.Join`, without name and attributes: what stands there is ignored."""

    room_id: str


_TYPES = frozenset({"join", "leave", "offer", "answer", "ice-candidate"})
_decode = msgspec.json.Decoder(_Join | Leave | Offer | Answer | IceCandidate).decode
_encode = msgspec.json.Encoder().encode


class _Out(msgspec.Struct, tag_field="type", rename="camel", omit_defaults=True, gc=False):
    """The base of what the server writes."""


class _ExistingUser(_Out, tag="existing-user"):
    user_id: str
    room_id: str


class _UserJoined(_Out, tag="user-joined"):
    user_id: str
    room_id: str


class _UserLeft(_Out, tag="user-left"):
    user_id: str
    room_id: str


class _Error(_Out, tag="error"):
    code: str
    message: str


class _Offer(_Out, tag="offer"):
    sdp: Raw
    sender: str
    target: str | None = None
    room_id: str | None = None


class _Answer(_Out, tag="answer"):
    sdp: Raw
    sender: str
    target: str | None = None
    room_id: str | None = None


class _IceCandidate(_Out, tag="ice-candidate"):
    candidate: Raw
    sender: str
    target: str | None = None
    room_id: str | None = None


class LessonDialect(Dialect):
    name = "lesson"

    def decode(self, text: bytes) -> tuple[Message, None]:
        value, canonical = parse(text, self._limits)
        try:
            message = _decode(canonical)
        except msgspec.ValidationError as error:
            raise explain(value, error, _TYPES) from None
        if type(message) is _Join:
            require_room_id(message.room_id, self._limits)
            return Join(message.room_id), None
        return message, None

    def encode_event(self, event: Event) -> bytes | None:
        match event:
            case MemberJoined():
                return _encode(_UserJoined(event.member.user_id, event.room_id))
            case Left():
                return _encode(_UserLeft(event.user_id, event.room_id))
            case _:
                return None

    def encode_forwarded(self, forwarded: Forwarded) -> bytes:
        message = forwarded.message
        if isinstance(message, IceCandidate):  # most of them are
            return _encode(_IceCandidate(message.candidate, forwarded.sender, message.target, message.room_id))
        forward = _Offer if isinstance(message, Offer) else _Answer
        return _encode(forward(message.sdp, forwarded.sender, message.target, message.room_id))

    def encode_notice(self, notice: Notice) -> None:
        return None

    def encode_roster(
        self, room: Room, user_id: str, entry: Entry, history: list[Remembered], complete: bool
    ) -> list[bytes]:
        return [_encode(_ExistingUser(other, room.id)) for other in room.members if other != user_id]

    def encode_error(self, error: RefusedError) -> bytes:
        return _encode(_Error(error.code, error.sentence))
