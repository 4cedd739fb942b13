"""What a server sends, checked: a message that isn't as the protocol says counts like one of a type nobody knows.

Only shapes are checked here, so that whoever reads a message finds in it what the protocol promises. The structs below
are never made: they say to the decoder what must be there.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from .effects import Json

__all__ = ["decode_server_message"]

_UserId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
_Count = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
_Number = Annotated[float, Meta(ge=0)]
_Object = dict[str, Any]


class _Message(Struct, tag_field="type", rename="camel"):
    pass


class _Member(Struct, rename="camel"):
    user_id: _UserId
    name: str
    attributes: _Object
    polite: bool | UnsetType = UNSET
    can: list[str] | UnsetType = UNSET
    muted: bool | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    key: str | UnsetType = UNSET


class _IceServer(Struct):
    urls: list[str]
    username: str = ""
    credential: str = ""


class _Limits(Struct, rename="camel"):
    ping_interval_s: _Number


class _Welcome(_Message, tag="welcome"):
    user_id: _UserId
    features: list[str]
    ice_servers: list[_IceServer]
    limits: _Limits
    resume_token: str
    expires_in_s: _Number | UnsetType = UNSET
    recovered: bool = False
    received: _Count | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.recovered and self.received is UNSET:
            raise ValueError("received is missing")


class _Remembered(Struct):
    sender: _UserId
    name: str
    offset: _Count
    data: Any
    time: _Number


class _Roster(_Message, tag="roster"):
    epoch: str
    offset: _Count
    access: str
    you: _Member
    members: list[_Member]
    history: list[_Remembered]
    complete: bool
    waiting: list[_Member] | UnsetType = UNSET


class _Waiting(_Message, tag="waiting"):
    pass


class _UserJoined(_Message, tag="user-joined"):
    member: _Member
    offset: _Count


class _UserUpdated(_Message, tag="user-updated"):
    member: _Member
    offset: _Count


class _UserLeft(_Message, tag="user-left"):
    user_id: _UserId
    offset: _Count
    reason: str


class _RoomUpdated(_Message, tag="room-updated"):
    access: str
    offset: _Count


class _Said(_Message, tag="message"):
    sender: _UserId
    offset: _Count
    data: Any
    time: _Number
    to: list[_UserId] | UnsetType = UNSET


class _Accepted(_Message, tag="accepted"):
    epoch: str
    offset: _Count


class _Knock(_Message, tag="knock"):
    member: _Member


class _KnockEnded(_Message, tag="knock-ended"):
    user_id: _UserId


class _MuteRequested(_Message, tag="mute-requested"):
    sender: _UserId
    media: list[str]


class _Error(_Message, tag="error"):
    code: str
    message: str
    retryable: bool = False
    retry_after_s: _Number | UnsetType = UNSET
    ref: str | UnsetType = UNSET


class _Offer(_Message, tag="offer"):
    sender: _UserId
    sdp: Any


class _Answer(_Message, tag="answer"):
    sender: _UserId
    sdp: Any


class _IceCandidate(_Message, tag="ice-candidate"):
    sender: _UserId
    candidate: Any


class _IceServers(_Message, tag="ice-servers"):
    ice_servers: list[_IceServer]


class _Authorized(_Message, tag="authorized"):
    can: list[str]
    expires_in_s: _Number


class _Ack(_Message, tag="ack"):
    received: _Count


class _Pong(_Message, tag="pong"):
    pass


class _Draining(_Message, tag="draining"):
    within_s: _Number


_check = msgspec.json.Decoder(
    _Welcome
    | _Roster
    | _Waiting
    | _UserJoined
    | _UserUpdated
    | _UserLeft
    | _RoomUpdated
    | _Said
    | _Accepted
    | _Knock
    | _KnockEnded
    | _MuteRequested
    | _Error
    | _Offer
    | _Answer
    | _IceCandidate
    | _IceServers
    | _Authorized
    | _Ack
    | _Pong
    | _Draining
).decode
_decode = msgspec.json.Decoder(Json).decode


def decode_server_message(text: bytes) -> Json:
    """Return the message; `{"type": "unknown"}` for what this version doesn't know or what isn't as it must be."""
    try:
        _check(text)
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"type": "unknown"}
