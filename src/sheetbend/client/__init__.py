"""The Python peer: be in a room from a program."""

from ..core.client.reconnect_policy import FullJitter, ReconnectPolicy
from ..errors import ClientError, SheetbendError
from .connect import Connecting, connect
from .engines import load_engine
from .engines.base import Engine, EngineError, IceServer, LocalTrack, RemoteTrack
from .events import (
    AccessChanged,
    CloseReason,
    ConnectionChanged,
    ErrorOccurred,
    Event,
    FileOffered,
    FormerMember,
    GapOccurred,
    History,
    KnockEnded,
    KnockReceived,
    Me,
    MemberJoined,
    MemberLeft,
    MemberUpdated,
    MessageReceived,
    MuteRequested,
    PathChanged,
    Place,
    RequestReceived,
    RoomClosed,
    RoomMessage,
    RoomMessageReceived,
    SafetyWordsReady,
    SelfChanged,
    StateChanged,
    StreamOpened,
    TrackEnded,
    TrackReceived,
    WaitingMember,
)
from .files import FileError, FileOffer, safe_name
from .limits import ClientLimits
from .member import Member
from .member_stream import MemberStream
from .publisher import Publication
from .requests import Request, RequestError
from .room import Room
from .room_url import RoomAddress, parse_room_url
from .safety_words import SAFETY_WORDS
from .sealing import new_room_secret

__all__ = [
    "SAFETY_WORDS",
    "AccessChanged",
    "ClientError",
    "ClientLimits",
    "CloseReason",
    "Connecting",
    "ConnectionChanged",
    "Engine",
    "EngineError",
    "ErrorOccurred",
    "Event",
    "FileError",
    "FileOffer",
    "FileOffered",
    "FormerMember",
    "FullJitter",
    "GapOccurred",
    "History",
    "IceServer",
    "KnockEnded",
    "KnockReceived",
    "LocalTrack",
    "Me",
    "Member",
    "MemberJoined",
    "MemberLeft",
    "MemberStream",
    "MemberUpdated",
    "MessageReceived",
    "MuteRequested",
    "PathChanged",
    "Place",
    "Publication",
    "ReconnectPolicy",
    "RemoteTrack",
    "Request",
    "RequestError",
    "RequestReceived",
    "Room",
    "RoomAddress",
    "RoomClosed",
    "RoomMessage",
    "RoomMessageReceived",
    "SafetyWordsReady",
    "SelfChanged",
    "SheetbendError",
    "StateChanged",
    "StreamOpened",
    "TrackEnded",
    "TrackReceived",
    "WaitingMember",
    "connect",
    "load_engine",
    "new_room_secret",
    "parse_room_url",
    "safe_name",
]
