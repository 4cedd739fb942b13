"""The native dialect, `sheetbend.v1` (PROTOCOL.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from ...errors import RefusedError
from ..events import Event, Forwarded, Left, LeftReason, Member, MemberJoined, MemberUpdated, Said
from ..limits import Limits
from ..messages import (
    Answer,
    Bye,
    Hello,
    IceCandidate,
    Join,
    Leave,
    Message,
    Offer,
    RoomMessage,
    Update,
)
from ..room import Room
from ..strict_json import parse
from .base import USER_ID, Dialect, explain, is_printable, require_room_id

__all__ = ["V1Dialect"]

_FEATURES_MAX = 32
_FEATURE_CHARS_MAX = 64
_CLIENT_CHARS_MAX = 128

_TYPES = frozenset({"hello", "join", "leave", "update", "message", "offer", "answer", "ice-candidate", "bye"})

_decode = msgspec.json.Decoder(Hello | Join | Leave | Update | RoomMessage | Offer | Answer | IceCandidate | Bye).decode
_encode = msgspec.json.Encoder().encode
_SIGNALLING = frozenset({Offer, Answer, IceCandidate})


class _Out(msgspec.Struct, tag_field="type", rename="camel", omit_defaults=True, gc=False):
    """The base of what the server writes."""


class _Welcome(_Out, tag="welcome"):
    user_id: str
    server: str
    features: tuple[str, ...]
    ice_servers: Sequence[dict[str, Any]]
    limits: dict[str, float]
    ref: str | None = None


class _Member(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    user_id: str
    name: str
    attributes: Raw
    polite: bool | None = None


class _Roster(_Out, tag="roster"):
    room_id: str
    epoch: str
    offset: int
    members: list[_Member]
    ref: str | None = None


class _UserJoined(_Out, tag="user-joined"):
    room_id: str
    offset: int
    member: _Member


class _UserLeft(_Out, tag="user-left"):
    room_id: str
    offset: int
    user_id: str
    reason: LeftReason
    ref: str | None = None


class _UserUpdated(_Out, tag="user-updated"):
    room_id: str
    offset: int
    member: _Member
    ref: str | None = None


class _Message(_Out, tag="message"):
    room_id: str
    offset: int
    sender: str
    data: Raw
    to: tuple[str, ...] | None = None
    ref: str | None = None


class _Offer(_Out, tag="offer"):
    room_id: str
    sender: str
    sdp: Raw


class _Answer(_Out, tag="answer"):
    room_id: str
    sender: str
    sdp: Raw


class _IceCandidate(_Out, tag="ice-candidate"):
    room_id: str
    sender: str
    candidate: Raw


class _Error(_Out, tag="error"):
    code: str
    message: str
    retryable: bool
    ref: str | None = None


_FORWARD: dict[type[Message], Callable[[Any, str, str], _Out]] = {
    Offer: lambda message, room_id, sender: _Offer(room_id, sender, message.sdp),
    Answer: lambda message, room_id, sender: _Answer(room_id, sender, message.sdp),
    IceCandidate: lambda message, room_id, sender: _IceCandidate(room_id, sender, message.candidate),
}


class V1Dialect(Dialect):
    name = "sheetbend.v1"

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._checks: dict[type[Message], Callable[[Any, dict[str, Any]], None]] = {
            Hello: self._check_hello,
            Join: self._check_join,
            Update: self._check_update,
            RoomMessage: self._check_room_message,
        }

    def decode(self, text: bytes) -> tuple[Message, str | None]:
        value, canonical = parse(text, self._limits)
        try:
            message = _decode(canonical)
        except msgspec.ValidationError as error:
            raise self._with_ref(explain(value, error, _TYPES), value) from None
        ref = value.get("ref")
        kind = type(message)
        if kind in _SIGNALLING and (message.target is None or message.room_id is None):
            refusal = RefusedError("invalid_message", "Signalling needs a target and a roomId.")
            raise self._with_ref(refusal, value)
        check = self._checks.get(kind)
        if ref is not None:
            self._require_ref(ref)
        if check is not None:
            try:
                check(message, value)
            except RefusedError as error:
                raise self._with_ref(error, value) from None
        return message, ref

    def encode_event(self, event: Event) -> bytes:
        match event:
            case Said():
                return _encode(_Message(event.room_id, event.offset, event.sender, event.data, event.to, event.ref))
            case MemberJoined():
                # Whoever entered later is polite, but `lesson` members can't be.
                polite = event.member.dialect == "lesson"
                return _encode(_UserJoined(event.room_id, event.offset, _wire_member(event.member, polite)))
            case Left():
                return _encode(_UserLeft(event.room_id, event.offset, event.user_id, event.reason, event.ref))
            case MemberUpdated():
                return _encode(_UserUpdated(event.room_id, event.offset, _wire_member(event.member, None), event.ref))

    def encode_forwarded(self, forwarded: Forwarded) -> bytes:
        return _encode(_FORWARD[type(forwarded.message)](forwarded.message, forwarded.room_id, forwarded.sender))

    def encode_roster(self, room: Room, user_id: str, ref: str | None) -> list[bytes]:
        # A newcomer is polite towards everyone who was there before, whatever their dialect.
        others = [_wire_member(member, True) for member in room.members.values() if member.user_id != user_id]
        return [_encode(_Roster(room.id, room.epoch, room.offset, others, ref))]

    def encode_error(self, error: RefusedError) -> bytes:
        return _encode(_Error(error.code, error.sentence, error.retryable, error.ref))

    def encode_welcome(
        self,
        user_id: str,
        server: str,
        features: tuple[str, ...],
        ice_servers: Sequence[dict[str, Any]],
        ref: str | None,
    ) -> bytes:
        return _encode(_Welcome(user_id, server, features, ice_servers, self._limits.as_wire(), ref))

    def _is_ref(self, ref: object) -> bool:
        return isinstance(ref, str) and 1 <= len(ref) <= self._limits.ref_chars_max and is_printable(ref)

    def _require_ref(self, ref: object) -> None:
        if ref is not None and not self._is_ref(ref):
            raise RefusedError(
                "invalid_ref", f"A ref is a string of 1 to {self._limits.ref_chars_max} printable characters."
            )

    def _with_ref(self, error: RefusedError, value: Any) -> RefusedError:
        """Give an error the ref of the message it is about; a ref that is wrong itself is the graver fault."""
        ref = value.get("ref") if type(value) is dict else None
        self._require_ref(ref)
        error.ref = ref
        return error

    def _check_hello(self, message: Hello, value: dict[str, Any]) -> None:
        if (
            len(message.client) > _CLIENT_CHARS_MAX
            or not is_printable(message.client)
            or len(message.features) > _FEATURES_MAX
            or any(len(feature) > _FEATURE_CHARS_MAX for feature in message.features)
        ):
            raise RefusedError(
                "invalid_message",
                f"client has up to {_CLIENT_CHARS_MAX} printable characters, features up to {_FEATURES_MAX} "
                f"strings of up to {_FEATURE_CHARS_MAX}.",
            )

    def _check_join(self, message: Join, value: dict[str, Any]) -> None:
        require_room_id(message.room_id, self._limits)
        self._check_name(message.name)
        self._check_attributes(message.attributes, value.get("attributes", {}))

    def _check_update(self, message: Update, value: dict[str, Any]) -> None:
        if message.name is not None:
            self._check_name(message.name)
        if "attributes" in value:
            self._check_attributes(message.attributes, value["attributes"])

    def _check_room_message(self, message: RoomMessage, value: dict[str, Any]) -> None:
        to = message.to
        if to is None:
            return
        if not 1 <= len(to) <= self._limits.message_targets_max or not all(map(USER_ID.fullmatch, to)):
            raise RefusedError(
                "invalid_message", f"to has 1 to {self._limits.message_targets_max} user ids, or is left out."
            )

    def _check_name(self, name: str) -> None:
        if len(name) > self._limits.name_chars_max or not is_printable(name):
            raise RefusedError(
                "invalid_name",
                f"A name has up to {self._limits.name_chars_max} characters, none of them control characters.",
            )

    def _check_attributes(self, attributes: Raw, value: Any) -> None:
        if type(value) is not dict or len(bytes(attributes)) > self._limits.attributes_bytes_max:
            raise RefusedError(
                "invalid_attributes",
                f"Attributes are an object of up to {self._limits.attributes_bytes_max} bytes.",
            )


def _wire_member(member: Member, polite: bool | None) -> _Member:
    return _Member(member.user_id, member.name, Raw(member.attributes), polite)
