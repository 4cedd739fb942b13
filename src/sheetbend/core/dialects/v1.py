"""The native dialect, `sheetbend.v1` (PROTOCOL.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from ...errors import RefusedError
from ..effects import Greet
from ..events import (
    Accepted,
    Entry,
    Event,
    Forwarded,
    Knocked,
    KnockEnded,
    Left,
    LeftReason,
    Member,
    MemberJoined,
    MemberUpdated,
    MuteRequested,
    Notice,
    RoomUpdated,
    Said,
    Waits,
)
from ..grants import MEMBER, Grants
from ..history import Remembered
from ..limits import Limits
from ..messages import (
    Access,
    Ack,
    Admit,
    Answer,
    Authorize,
    Bye,
    Hello,
    IceCandidate,
    Join,
    Leave,
    MediaKind,
    Message,
    Mute,
    Offer,
    Ping,
    Reject,
    Remove,
    RoomMessage,
    SetAccess,
    Update,
)
from ..names import is_printable, shows_something
from ..room import Room
from ..strict_json import parse
from .base import USER_ID, Dialect, explain, require_room_id

__all__ = ["V1Dialect"]

_FEATURES_MAX = 32
_FEATURE_CHARS_MAX = 64
_CLIENT_CHARS_MAX = 128

_RESUME_TOKEN_CHARS_MAX = 128
_EPOCH_CHARS_MAX = 64
_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")

_UNCOUNTED = ("hello", "welcome", "ack", "ping", "pong", "draining")

_MESSAGES = (
    Hello
    | Authorize
    | Join
    | Leave
    | Update
    | RoomMessage
    | Offer
    | Answer
    | IceCandidate
    | SetAccess
    | Admit
    | Reject
    | Mute
    | Remove
    | Ack
    | Ping
    | Bye
)
_SIGNALLING = frozenset({Offer, Answer, IceCandidate})
_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in _MESSAGES.__args__)

_decode = msgspec.json.Decoder(_MESSAGES).decode
_encode = msgspec.json.Encoder().encode


class _Out(msgspec.Struct, tag_field="type", rename="camel", omit_defaults=True, gc=False):
    """The base of what the server writes."""


class _Welcome(_Out, tag="welcome"):
    user_id: str
    server: str
    features: tuple[str, ...]
    ice_servers: Sequence[dict[str, Any]]
    limits: dict[str, float]
    resume_token: str
    can: tuple[str, ...]
    subject: str | None = None
    name: str | None = None
    expires_in_s: float | None = None
    recovered: bool | None = None
    received: int | None = None
    relay_only: bool | None = None
    ref: str | None = None


class _IceServers(_Out, tag="ice-servers"):
    ice_servers: Sequence[dict[str, Any]]


class _Authorized(_Out, tag="authorized"):
    can: tuple[str, ...]
    expires_in_s: float
    ref: str | None = None


class _Ack(_Out, tag="ack"):
    received: int


class _Pong(_Out, tag="pong"):
    pass


class _Draining(_Out, tag="draining"):
    within_s: float


class _Member(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    user_id: str
    name: str
    attributes: Raw
    polite: bool | None = None
    can: tuple[str, ...] | None = None
    muted: bool = False
    subject: str | None = None
    key: str | None = None


class _Remembered(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    offset: int
    sender: str
    name: str
    data: Raw
    time: int
    id: str | None = None


class _Roster(_Out, tag="roster"):
    room_id: str
    epoch: str
    offset: int
    access: Access
    you: _Member
    members: list[_Member]
    history: list[_Remembered]
    complete: bool
    waiting: list[_Member] | None = None
    ref: str | None = None


class _Waiting(_Out, tag="waiting"):
    room_id: str
    ref: str | None = None


class _Knock(_Out, tag="knock"):
    room_id: str
    member: _Member


class _KnockEnded(_Out, tag="knock-ended"):
    room_id: str
    user_id: str
    ref: str | None = None


class _MuteRequested(_Out, tag="mute-requested"):
    room_id: str
    sender: str
    media: tuple[MediaKind, ...]


class _Accepted(_Out, tag="accepted"):
    room_id: str
    epoch: str
    offset: int
    id: str | None = None
    ref: str | None = None


class _RoomUpdated(_Out, tag="room-updated"):
    room_id: str
    offset: int
    access: Access
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
    time: int
    to: tuple[str, ...] | None = None
    id: str | None = None
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
    retry_after_s: float | None = None
    ref: str | None = None


class _Head(msgspec.Struct, gc=False):
    type: str = ""
    ref: str | None = None


_decode_head = msgspec.json.Decoder(_Head).decode


class V1Dialect(Dialect):
    name = "sheetbend.v1"

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._checks: dict[type[Message], Callable[[Any, dict[str, Any]], None]] = {
            Hello: self._check_hello,
            Join: self._check_join,
            Update: self._check_update,
            RoomMessage: self._check_room_message,
            Mute: self._check_mute,
        }

    def decode(self, text: bytes) -> tuple[Message, str | None]:
        value, canonical = parse(text, self._limits)
        try:
            message = _decode(canonical)
            if type(message) in _SIGNALLING:  # nearly always, so without a call
                if message.target is None or message.room_id is None:
                    raise RefusedError("invalid_message", "Signalling needs a target and a roomId.")
            elif (check := self._checks.get(type(message))) is not None:
                check(message, value)
            if (ref := value.get("ref")) is not None:
                self._require_ref(ref)
        except msgspec.ValidationError as error:
            raise self._place(explain(value, error, _TYPES), value) from None
        except RefusedError as refusal:
            raise self._place(refusal, value) from None
        return message, ref

    def encode_event(self, event: Event) -> bytes:
        match event:
            case Said():
                return _encode(
                    _Message(
                        event.room_id,
                        event.offset,
                        event.sender,
                        event.data,
                        event.time,
                        event.to,
                        event.id,
                        event.ref,
                    )
                )
            case MemberJoined():
                # Whoever entered later is polite, but `lesson` members can't be.
                polite = event.member.dialect == "lesson"
                return _encode(_UserJoined(event.room_id, event.offset, _wire_member(event.member, polite)))
            case Left():
                return _encode(_UserLeft(event.room_id, event.offset, event.user_id, event.reason, event.ref))
            case MemberUpdated():
                return _encode(_UserUpdated(event.room_id, event.offset, _wire_member(event.member, None), event.ref))
            case RoomUpdated():
                return _encode(_RoomUpdated(event.room_id, event.offset, event.access, event.ref))

    def encode_forwarded(self, forwarded: Forwarded) -> bytes:
        message = forwarded.message
        if isinstance(message, IceCandidate):  # most of them are
            return _encode(_IceCandidate(forwarded.room_id, forwarded.sender, message.candidate))
        forward = _Offer if isinstance(message, Offer) else _Answer
        return _encode(forward(forwarded.room_id, forwarded.sender, message.sdp))

    def encode_notice(self, notice: Notice) -> bytes:
        match notice:
            case Accepted():
                return _encode(_Accepted(notice.room_id, notice.epoch, notice.offset, notice.id, notice.ref))
            case Waits():
                return _encode(_Waiting(notice.room_id, notice.ref))
            case Knocked():
                return _encode(_Knock(notice.room_id, _wire_member(notice.member, None)))
            case KnockEnded():
                return _encode(_KnockEnded(notice.room_id, notice.user_id, notice.ref))
            case MuteRequested():
                return _encode(_MuteRequested(notice.room_id, notice.sender, notice.media))

    def encode_roster(
        self, room: Room, user_id: str, entry: Entry, history: list[Remembered], complete: bool
    ) -> list[bytes]:
        # A newcomer is polite towards everyone who was there before, whatever their dialect.
        others = [_wire_member(member, True) for member in room.members.values() if member.user_id != user_id]
        waiting = [_wire_member(each.member, None) for each in room.waiting.values()]
        return [
            _encode(
                _Roster(
                    room.id,
                    room.epoch,
                    room.offset,
                    room.access,
                    _wire_member(room.members[user_id], None),
                    others,
                    [_wire_remembered(each) for each in history],
                    complete,
                    waiting if user_id in room.moderators else None,
                    entry.ref,
                )
            )
        ]

    def encode_error(self, error: RefusedError) -> bytes:
        return _encode(_Error(error.code, error.sentence, error.retryable, error.retry_after_s, error.ref))

    def encode_welcome(
        self,
        user_id: str,
        server: str,
        greet: Greet,
        ice_servers: Sequence[dict[str, Any]],
        grants: Grants,
        expires_in_s: float | None,
        resume_token: str,
        received: int | None,
        relay_only: bool,
    ) -> bytes:
        """`received` is None where no session is gone on with."""
        return _encode(
            _Welcome(
                user_id,
                server,
                greet.features,
                ice_servers,
                self._limits.as_wire(),
                resume_token,
                tuple(sorted(grants.can)),
                grants.subject,
                grants.name,
                expires_in_s,
                None if greet.resume is None else received is not None,
                received,
                relay_only or None,
                greet.ref,
            )
        )

    def encode_authorized(self, grants: Grants, expires_in_s: float, ref: str | None) -> bytes:
        return _encode(_Authorized(tuple(sorted(grants.can)), expires_in_s, ref))

    def encode_ice_servers(self, ice_servers: Sequence[dict[str, Any]]) -> bytes:
        return _encode(_IceServers(ice_servers))

    def encode_ack(self, received: int) -> bytes:
        return _encode(_Ack(received))

    def encode_pong(self) -> bytes:
        return _encode(_Pong())

    def encode_draining(self, within_s: float) -> bytes:
        return _encode(_Draining(within_s))

    def peek(self, text: bytes) -> tuple[str | None, bool]:
        try:
            head = _decode_head(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None, True
        return (head.ref if self._is_ref(head.ref) else None), head.type not in _UNCOUNTED

    def _is_ref(self, ref: object) -> bool:
        return isinstance(ref, str) and 1 <= len(ref) <= self._limits.ref_chars_max and is_printable(ref)

    def _require_ref(self, ref: object) -> None:
        if ref is not None and not self._is_ref(ref):
            raise RefusedError(
                "invalid_ref", f"A ref is a string of 1 to {self._limits.ref_chars_max} printable characters."
            )

    def _place(self, error: RefusedError, value: Any) -> RefusedError:
        """Say which message an error is about; a ref that is wrong itself is the graver fault."""
        is_object = type(value) is dict
        ref = value.get("ref") if is_object else None
        try:
            self._require_ref(ref)
            error.ref = ref
        except RefusedError as graver:
            error = graver
        error.is_counted = not (is_object and value.get("type") in _UNCOUNTED)
        return error

    def _check_hello(self, message: Hello, value: dict[str, Any]) -> None:
        if message.resume is not None and len(message.resume.token) > _RESUME_TOKEN_CHARS_MAX:
            raise RefusedError("invalid_message", f"A resume token has up to {_RESUME_TOKEN_CHARS_MAX} characters.")
        client, features = message.client or "", message.features or ()
        if (
            len(client) > _CLIENT_CHARS_MAX
            or not is_printable(client)
            or len(features) > _FEATURES_MAX
            or any(len(feature) > _FEATURE_CHARS_MAX for feature in features)
        ):
            raise RefusedError(
                "invalid_message",
                f"client has up to {_CLIENT_CHARS_MAX} printable characters, features up to {_FEATURES_MAX} "
                f"strings of up to {_FEATURE_CHARS_MAX}.",
            )

    def _check_join(self, message: Join, value: dict[str, Any]) -> None:
        require_room_id(message.room_id, self._limits)
        self._check_name(message.name or "")
        self._check_attributes(message.attributes, value.get("attributes", {}))
        if message.key is not None and not _KEY.fullmatch(message.key):
            raise RefusedError("invalid_message", "A key has 1 to 128 characters of base64url, without padding.")
        if message.since is not None and len(message.since.epoch) > _EPOCH_CHARS_MAX:
            raise RefusedError("invalid_message", f"An epoch has up to {_EPOCH_CHARS_MAX} characters.")

    def _check_update(self, message: Update, value: dict[str, Any]) -> None:
        if message.name is not None:
            self._check_name(message.name)
        if "attributes" in value:
            self._check_attributes(message.attributes, value["attributes"])

    def _check_room_message(self, message: RoomMessage, value: dict[str, Any]) -> None:
        if message.id is not None and not self._is_ref(message.id):
            raise RefusedError(
                "invalid_message", f"An id is a string of 1 to {self._limits.ref_chars_max} printable characters."
            )
        to = message.to
        if to is None:
            return
        if not 1 <= len(to) <= self._limits.message_targets_max or not all(map(USER_ID.fullmatch, to)):
            raise RefusedError(
                "invalid_message", f"to has 1 to {self._limits.message_targets_max} user ids, or is left out."
            )

    def _check_mute(self, message: Mute, value: dict[str, Any]) -> None:
        if message.messages is None and not message.media:
            raise RefusedError("invalid_message", "mute needs messages, media or both.")

    def _check_name(self, name: str) -> None:
        if len(name) > self._limits.name_chars_max or not is_printable(name) or (name and not shows_something(name)):
            raise RefusedError(
                "invalid_name",
                f"A name has up to {self._limits.name_chars_max} characters, all of which are seen, or none at all.",
            )

    def _check_attributes(self, attributes: Raw, value: Any) -> None:
        if type(value) is not dict or len(bytes(attributes)) > self._limits.attributes_bytes_max:
            raise RefusedError(
                "invalid_attributes",
                f"Attributes are an object of up to {self._limits.attributes_bytes_max} bytes.",
            )


def _wire_member(member: Member, polite: bool | None) -> _Member:
    can = None if member.can == MEMBER else tuple(sorted(member.can))
    return _Member(
        member.user_id, member.name, Raw(member.attributes), polite, can, member.muted, member.subject, member.key
    )


def _wire_remembered(entry: Remembered) -> _Remembered:
    said = entry.said
    return _Remembered(said.offset, said.sender, entry.name, said.data, said.time, said.id)
