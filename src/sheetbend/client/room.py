"""A room: puts signalling, what is known of the room, the mesh and what we publish together, and is what the program
holds. `web/sdk/src/room.ts` is its twin.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import secrets
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..core.client.effects import Json
from ..core.client.reconnect_policy import ReconnectPolicy
from ..core.client.room import (
    AccessSeen,
    ClientRoom,
    Entered,
    Failed,
    Gap,
    Heard,
    IceServersNamed,
    Knocked,
    MemberChanged,
    MemberGone,
    MemberSeen,
    MuteAsked,
    Output,
    Refused,
    SelfSeen,
    Send,
    Settled,
    Signalled,
    Waiting,
)
from ..core.client.room import KnockEnded as KnockOver
from ..core.messages import Access, MediaKind
from ..errors import ClientError, SheetbendError
from .conversation import Conversation, ConversationPort
from .encode import frozen_json, require_sendable
from .engines.base import Engine, IceConfiguration, IceServer
from .engines.tracks import LocalTrack
from .event_queue import EventQueue
from .events import (
    AccessChanged,
    CloseReason,
    ErrorOccurred,
    Event,
    GapOccurred,
    History,
    KnockEnded,
    KnockReceived,
    LeftReason,
    Me,
    MemberJoined,
    MemberLeft,
    MuteRequested,
    Place,
    RoomClosed,
    RoomMessage,
    RoomMessageReceived,
    RoomState,
    SelfChanged,
    StateChanged,
    WaitingMember,
)
from .limits import ClientLimits
from .member import Attributes, Member, permissions
from .mesh import Mesh, MeshPort, RoomKeys, SignalType
from .peer import Peer
from .publisher import Publication, Publisher
from .sealing import KeyPair
from .signalling import GetToken, Signalling, SignallingOptions, SignallingPort

__all__ = ["ConnectOptions", "Room"]

MESSAGE_TARGETS_MAX = 64
_RELAY = "relay"
_SIGNAL_REF = "signal"
"""Nobody waits for signalling: a target that is gone is told by `user-left` too."""
_ROOM_TAG_BYTES = 8
"""Of the hash of its id that names a room in relay frames."""
_ID_BYTES = 16
_NORMAL = 1000
_SENTENCES = {
    "closed": "The room has ended.",
    "delivery_unknown": "The session was lost before the answer came: nobody knows whether this was delivered.",
    "too_many_pending": "Too many requests wait for the server already.",
}
"""Of codes that come from here. Why else a request isn't done that the server didn't refuse: the room has ended."""


@dataclass(frozen=True, kw_only=True)
class ConnectOptions:
    """What `connect` takes, checked."""

    url: str
    room_id: str
    name: str
    attributes: Attributes
    token: str | GetToken | None
    secret: str | None
    relay_only: bool
    engine: Engine | None
    owns_engine: bool
    ice_servers: Sequence[IceServer] | None
    reconnect: ReconnectPolicy | None
    tls: ssl.SSLContext | None
    on_waiting: Callable[[], None] | None
    limits: ClientLimits


class Room:
    """A room you are in, from `connect` until `leave` or RoomClosed.

        async for event in room:
            match event:
                case MemberJoined(member):
                    print(member.name, "is here")
                case MessageReceived(member, data):
                    print(member.name, "says", data)

    Events come in order and wait until they are read, those of members found on arrival too; the iteration ends behind
    RoomClosed. One task at a time may read them. Whoever never does ends the room: see `ClientLimits.events_max`.
    """

    def __init__(self, options: ConnectOptions) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._events = EventQueue(options.limits, self._overflowed)
        self._state: RoomState = "connected"
        self._me = Me("", options.name, options.attributes)
        self._access: Access = "open"
        self._lobby: dict[str, WaitingMember] = {}
        self._history = History()
        self._configuration = IceConfiguration()
        self._is_relay_only = options.relay_only
        self._entered: asyncio.Future[None] = self._loop.create_future()
        """Done when we are in the room for the first time, or can't be."""
        self._is_open = False
        self._due: deque[Output] = deque()
        self._is_busy = False
        self._requests: dict[str, asyncio.Future[int]] = {}
        self._rejoin_timer: asyncio.TimerHandle | None = None
        keys = _new_keys(options)
        self._core: ClientRoom = ClientRoom(
            options.room_id,
            name=options.name,
            attributes=dict(options.attributes),
            key=keys.key_pair.key,
            new_id=_new_id,
            random=random.random,
            policy=options.reconnect,
        )
        self._publisher = Publisher(
            lambda: [peer.pair for peer in self._mesh.members.values() if peer.pair and self._may_have(peer)]
        )
        self._mesh = Mesh(options.engine, keys, self._mesh_port())
        self._conversation = Conversation(
            self._mesh, ConversationPort(lambda: self._me, lambda: self._core.epoch, self._said)
        )
        self._signalling = Signalling(
            SignallingOptions(
                options.url,
                options.tls,
                (_RELAY,),
                options.relay_only,
                options.token,
                options.reconnect,
                options.limits,
            ),
            SignallingPort(
                greeted=self._greeted,
                welcomed=self._welcomed,
                received=lambda message: self._take(self._core.delivered(message, self._loop.time())),
                frame=self._mesh.receive,
                ready=self._mesh.relay_ready,
                lost=self._lost,
                ended=self._close,
            ),
        )

    @classmethod
    async def open(cls, options: ConnectOptions) -> Room:
        """Connect, and return when it is known who is there. Cancelling it ends the attempt."""
        room = cls(options)
        try:
            room._signalling.start()
            await room._entered
        except BaseException:
            await room.abort()
            raise
        return room

    def __repr__(self) -> str:
        return f"<Room {self.id!r} {self._state} of {len(self.members) + 1}>"

    def __aiter__(self) -> Room:
        return self

    async def __anext__(self) -> Event:
        event = await self._events.get()
        if event is None:
            raise StopAsyncIteration
        return event

    # What is known.

    @property
    def id(self) -> str:
        return self._core.id

    @property
    def state(self) -> RoomState:
        return self._state

    @property
    def me(self) -> Me:
        """You; another object with each change."""
        return self._me

    @property
    def members(self) -> Mapping[str, Member]:
        """The others, by `Member.key`."""
        return self._mesh.members

    @property
    def publications(self) -> tuple[Publication, ...]:
        return self._publisher.publications

    @property
    def access(self) -> Access:
        """Who may enter: anybody, those who are let in from the lobby, nobody. Whoever may moderate enters always."""
        return self._access

    @property
    def lobby(self) -> Mapping[str, WaitingMember]:
        """Who waits to be let in, by user id; empty unless you may moderate."""
        return self._lobby

    @property
    def history(self) -> History:
        """What was said before you came; the same for as long as you are in the room."""
        return self._history

    # What can be done.

    async def send(self, data: Any, *, to: Sequence[Member] | None = None) -> Place:
        """Send a room message, any value of JSON, to everybody or to some. It reaches each of them once, and in the
        order of the calls.

            await room.send({"type": "chat", "text": "Hello!"})

        Returns when the server has accepted it: then everybody whose session lives gets it. While the connection is
        away it waits; 128 messages are on their way at a time, and 256 requests wait at most. Cancelling it takes back
        nothing: the message may arrive all the same. Raises ClientError:

        - `delivery_unknown` if the session was lost while it was on its way, and the room's history can't tell whether
          it had been accepted. To send it again may deliver it twice.
        - `rate_limited`, with `retry_after_s`. It was not delivered, later ones may have been: it is not sent again by
          itself.
        - `not_allowed` without the right `message`, `muted`, `target_not_found` if one of `to` is gone,
          `message_too_big` above 65 536 bytes as JSON, `too_many_pending`, `closed`, or `invalid_argument` for what
          JSON can't hold
        """
        if to is not None and not 0 < len(to) <= MESSAGE_TARGETS_MAX:
            raise ClientError("invalid_argument", f"to has 1 to {MESSAGE_TARGETS_MAX} members, or is left out.")
        message: Json = {"type": "message", "roomId": self.id, "data": frozen_json(data)}
        targets = None if to is None else list(to)

        def build(ref: str) -> Json | None:
            if targets is None:
                return {**message, "id": ref}
            user_ids = self._user_ids(targets)
            return None if user_ids is None else {**message, "id": ref, "to": user_ids}

        return Place(await self._ask(build), self._core.epoch)

    async def publish(self, *tracks: LocalTrack, label: str = "camera") -> Publication:
        """Give tracks, as one stream, to everybody in the room, now and later.

            async with MediaPlayer("film.mp4") as player:
                await room.publish(*player.tracks)
                await player.finished()

        `label` says what it is: `camera`, `screen`, or a word of yours, up to 64 characters. Members without the right
        `subscribe` don't get it. Raises ClientError `not_allowed` without the right `publish`, `invalid_argument` if a
        track is published already or 16 streams are, and `closed`.
        """
        self._require_open()
        if "publish" not in self._me.can:
            raise ClientError("not_allowed", "You may not publish in this room.")
        frozen_json(label)  # or every description would be refused
        return self._publisher.publish(tracks, label)

    async def update(self, *, name: str | None = None, attributes: Attributes | None = None) -> None:
        """Change your name, or your attributes key by key, where None removes a key.

            await room.update(name="Ada", attributes={"battery": 0.4, "charging": None})

        Returns when the room knows; while the connection is away, after it is back. Raises ClientError `invalid_name`,
        `invalid_attributes` or `closed`.
        """
        change: Json = {}
        if name is not None:
            change["name"] = name
        if attributes is not None:
            change["attributes"] = frozen_json(dict(attributes))
        await self._ask(lambda _: {**change, "type": "update", "roomId": self.id})

    async def set_access(self, access: Access) -> None:
        """Say who may enter; everybody gets AccessChanged. `open` lets in who is in the lobby.

            await room.set_access("lobby")

        This and the verbs below return when the server has done it, while the connection is away after it is back, and
        raise ClientError `not_allowed` without the right `moderate`, `rate_limited` or `closed`.
        """
        await self._ask(lambda _: {"type": "set-access", "roomId": self.id, "access": access})

    async def admit(self, user_id: str) -> None:
        """Let somebody in from the lobby. Raises `not_waiting` too.

        case KnockReceived(member):
            await room.admit(member.user_id)
        """
        await self._moderate("admit", user_id)

    async def reject(self, user_id: str) -> None:
        """Send somebody in the lobby away: their `connect` raises `not_admitted`. Raises `not_waiting` too.

        ```python
        await room.reject(member.user_id)
        ```
        """
        await self._moderate("reject", user_id)

    async def mute(self, member: Member, *, messages: bool | None = None, media: Sequence[MediaKind] = ()) -> None:
        """`messages`: have the server refuse the member's room messages, or take them again (`Member.muted`). `media`:
        ask the member to stop sending these (MuteRequested). Raises `target_not_found` too.

            await room.mute(member, messages=True, media=["audio"])
        """
        what: Json = {}
        if messages is not None:
            what["messages"] = messages
        if media:
            what["media"] = list(media)
        if not what:
            raise ClientError("invalid_argument", "messages, media or both say what to mute.")
        await self._moderate("mute", member, what)

    async def remove(self, member: Member) -> None:
        """Put a member out; the room ends for it with `removed`, and it can't come back for as long as the room lives.
        Raises `target_not_found` too.

            await room.remove(member)
        """
        await self._moderate("remove", member)

    async def leave(self) -> None:
        """Say goodbye and close everything, once the members have what was sent to them, or two seconds later.

        RoomClosed comes last. Local tracks go on: they are yours. Again does nothing.

            room = await connect(url)
            await room.leave()
        """
        try:
            if self._state != "closed":
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._options.limits.leave_timeout_s):
                        await self._mesh.delivered()
        finally:
            self._say_goodbye()
        await self._signalling.wait_closed()

    async def abort(self) -> None:
        """Leave without waiting for what is on its way to members.

        ```python
        await room.abort()
        ```
        """
        self._say_goodbye()
        await self._signalling.wait_closed()

    # What happens to our session.

    def _mesh_port(self) -> MeshPort:
        return MeshPort(
            signal=self._signal,
            relay=self._relay,
            is_relay_full=lambda: self._signalling.is_full,
            suspect_relay=self._suspect_relay,
            labels=self._publisher.labels,
            review=self._review,
            member=lambda peer: self._tell(MemberJoined(peer)),
            left=self._left,
            settled=self._settled,
            refused=lambda peer, error: self._tell(ErrorOccurred(error, peer)),
            tell=self._tell,
        )

    def _greeted(self) -> None:
        self._mesh.lost()
        self._take(self._core.greeted())

    def _welcomed(self, welcome: Json, recovered: bool | None) -> None:
        self._mesh.use_relay(_RELAY in welcome["features"])
        # A server has it so for everybody, perhaps; what was asked for here holds in any case.
        self._is_relay_only = self._options.relay_only or welcome.get("relayOnly") is True
        self._configure(welcome["iceServers"])
        if recovered is False:
            self._mesh.lost()
        outputs = self._core.welcomed(welcome, recovered)
        if recovered and self._core.is_in:
            self._mesh.go_on()
            self._set_state("connected")
        self._take(outputs)

    def _lost(self) -> None:
        self._core.lost()
        self._mesh.suspend()
        if self._is_open and self._state == "connected":
            self._set_state("reconnecting")

    def _configure(self, ice_servers: list[Json]) -> None:
        self._configuration = self._ice_configuration(ice_servers)
        self._mesh.configure(self._configuration)

    def _ice_configuration(self, named: list[Json]) -> IceConfiguration:
        servers = self._options.ice_servers
        if servers is None:
            host = urlsplit(self._options.url).hostname or ""
            servers = [_ice_server(server, f"[{host}]" if ":" in host else host) for server in named]
        return IceConfiguration(tuple(servers), "relay" if self._is_relay_only else "all")

    # What the room tells.

    def _take(self, outputs: list[Output]) -> None:
        """What an output brings about is done behind the outputs that are still due: what is sent keeps its order."""
        self._due += outputs
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._due:
                self._perform(self._due.popleft())
        finally:
            self._is_busy = False
        self._arm()

    def _perform(self, output: Output) -> None:
        match output:
            case Settled():
                self._settle(output)
            case _ if self._state == "closed":
                pass
            case Send(message):
                self._signalling.send(message)
            case Heard():
                self._conversation.said(output)
            case Signalled(message):
                self._mesh.signal(message)
            case MemberSeen(member):
                self._mesh.joined(member)
            case MemberChanged(member):
                self._mesh.updated(member)
            case MemberGone(user_id, reason):
                if self._conversation.is_holding:
                    self._mesh.admit_all()
                self._mesh.left(user_id, reason)
            case Entered():
                self._enter(output)
            case _:
                self._perform_rarer(output)

    def _perform_rarer(self, output: Output) -> None:
        match output:
            case SelfSeen(member):
                self._changed(member)
            case AccessSeen(access):
                self._set_access(access)
            case Gap(complete):
                self._tell(GapOccurred(complete))
            case Knocked(member):
                self._knocked(member)
            case KnockOver(user_id):
                self._knock_ended(user_id)
            case MuteAsked(sender, media):
                self._mute_asked(sender, media)
            case IceServersNamed(servers):
                self._configure(servers)
            case Refused(error):
                self._refused(error)
            case Waiting() if self._options.on_waiting is not None:
                self._loop.call_soon(self._options.on_waiting)
            case Failed(code, sentence, retryable, retry_after_s):
                self._end(_failure(code, sentence, retryable=retryable, retry_after_s=retry_after_s))

    def _enter(self, entered: Entered) -> None:
        """We are in the room, for the first time or in another session than before."""
        is_first, self._is_open = not self._is_open, True
        self._me = _me_of(entered.you)
        if is_first:
            self._access = entered.access
        self._mesh.enter(self._me.user_id, list(entered.members.values()), self._configuration)
        self._replace_lobby(entered.waiting)
        if is_first:
            self._history = self._conversation.recall(self._take_history(), complete=entered.complete)
            if not self._entered.done():
                self._entered.set_result(None)
        else:
            self._set_state("connected")
            self._tell(SelfChanged(self._me))
            self._set_access(entered.access)

    def _take_history(self) -> list[Heard]:
        """It comes right behind the entrance."""
        heard = []
        while self._due and isinstance(words := self._due[0], Heard) and words.is_historic:
            heard.append(words)
            self._due.popleft()
        return heard

    def _changed(self, record: Json) -> None:
        """We are other than we were."""
        self._me = _me_of(record)
        for peer in list(self._mesh.members.values()):
            self._review(peer)
        if "moderate" not in self._me.can:
            self._replace_lobby([])
        self._tell(SelfChanged(self._me))

    def _said(self, message: RoomMessage) -> None:
        self._tell(RoomMessageReceived(message), _size_of(message.data))

    def _left(self, peer: Peer, reason: LeftReason) -> None:
        self._tell(MemberLeft(peer, reason))

    def _replace_lobby(self, records: list[Json]) -> None:
        waiting = {record["userId"] for record in records}
        for user_id in self._lobby.keys() - waiting:
            self._knock_ended(user_id)
        for record in records:
            self._knocked(record)

    def _knocked(self, record: Json) -> None:
        user_id = record["userId"]
        if user_id not in self._lobby:
            member = WaitingMember(user_id, record["name"], record["attributes"], record.get("subject"))
            self._lobby[user_id] = member
            self._tell(KnockReceived(member))

    def _knock_ended(self, user_id: str) -> None:
        member = self._lobby.pop(user_id, None)
        if member is not None:
            self._tell(KnockEnded(member))

    def _mute_asked(self, sender: str, media: list[str]) -> None:
        self._mesh.admit(sender)
        moderator = self._mesh.present_as(sender)
        kinds: list[MediaKind] = [kind for kind in ("audio", "video") if kind in media]
        if moderator is not None and kinds:
            self._tell(MuteRequested(tuple(kinds), moderator))

    def _refused(self, error: Json) -> None:
        """Something that nobody waits for."""
        code = error["code"]
        if error.get("ref") != _SIGNAL_REF or code != "target_not_found":
            self._tell(ErrorOccurred(_refusal(error)))

    def _settled(self) -> None:
        self._conversation.deliver()
        self._take(self._core.flush())

    def _arm(self) -> None:
        at = self._core.next_deadline()
        if self._rejoin_timer is not None:
            self._rejoin_timer.cancel()
            self._rejoin_timer = None
        if at is not None and self._state != "closed":
            self._rejoin_timer = self._loop.call_at(at, self._rejoin)

    def _rejoin(self) -> None:
        self._take(self._core.expire(self._loop.time()))

    # What the program wants.

    async def _ask(self, build: Callable[[str], Json | None]) -> int:
        """Send a request, and return the offset of the event that it caused."""
        self._require_open()

        def checked(ref: str) -> Json | None:
            message = build(ref)
            if message is not None:
                require_sendable({**message, "ref": ref})
            return message

        ref, outputs = self._core.request(checked)
        done: asyncio.Future[int] = self._loop.create_future()
        self._requests[ref] = done
        self._take(outputs)
        try:
            return await done
        finally:
            self._requests.pop(ref, None)

    async def _moderate(self, kind: str, target: Member | str, what: Json | None = None) -> None:
        def build(_: str) -> Json | None:
            user_ids = [target] if isinstance(target, str) else self._user_ids([target])
            if user_ids is None:
                return None
            return {**(what or {}), "type": kind, "roomId": self.id, "userId": user_ids[0]}

        await self._ask(build)

    def _settle(self, settled: Settled) -> None:
        done = self._requests.pop(settled.id, None)
        if done is None or done.done():  # nobody waits any more
            return
        if settled.error is None:
            done.set_result(settled.offset or 0)
        else:
            done.set_exception(_reason_of(settled))

    def _user_ids(self, members: Sequence[Member]) -> list[str] | None:
        """What the server calls these now; None while one may still be on its way back.

        Raises ClientError `target_not_found`.
        """
        if all(self._mesh.present_as(member.user_id) is member for member in members):
            return [member.user_id for member in members]
        if self._mesh.is_settling:
            return None
        raise ClientError("target_not_found", "Somebody it is for is not in the room.")

    def _signal(self, kind: SignalType, target: str, value: Json) -> None:
        field = "candidate" if kind == "ice-candidate" else "sdp"
        outputs = self._core.send(kind, target=target, ref=_SIGNAL_REF, **{field: value})
        try:
            for output in outputs:
                if isinstance(output, Send):
                    require_sendable(output.message)
        except ClientError:
            return  # a description beyond 64 kB: the server would refuse it, and nobody waits for it
        self._take(outputs)

    def _relay(self, frame: bytes) -> None:
        self._signalling.send_frame(frame)

    def _suspect_relay(self) -> None:
        self._signalling.check()

    def _may_have(self, peer: Peer) -> bool:
        return "publish" in self._me.can and "subscribe" in peer.can

    def _review(self, peer: Peer) -> None:
        if peer.pair is not None:
            self._publisher.review(peer.pair, is_allowed=self._may_have(peer))

    # The end.

    def _say_goodbye(self) -> None:
        self._signalling.close()
        self._close(CloseReason(_NORMAL, "left"))

    def _require_open(self) -> None:
        if self._state == "closed":
            raise ClientError("closed", _SENTENCES["closed"])

    def _set_state(self, state: RoomState) -> None:
        if self._state != state:
            self._state = state
            self._tell(StateChanged(state))

    def _set_access(self, access: Access) -> None:
        if self._access != access:
            self._access = access
            self._tell(AccessChanged(access))

    def _tell(self, event: Event, size: int = 0) -> None:
        self._events.put(event, size)

    def _overflowed(self) -> None:
        error = ClientError("events_unread", "Too many events waited: read them, with `async for event in room`.")
        self._loop.call_soon(self._end, error)  # not in the midst of what brought the event

    def _end(self, error: SheetbendError) -> None:
        self._signalling.close()
        self._close(CloseReason(_NORMAL, error.code, error))

    def _close(self, reason: CloseReason) -> None:
        if self._state == "closed":
            return
        self._state = "closed"
        self._mesh.close()
        self._take(self._core.ended())
        if self._options.engine is not None and self._options.owns_engine:
            self._options.engine.close()
        if not self._entered.done():
            self._entered.set_exception(reason.error or ClientError("closed", _SENTENCES["closed"]))
        self._tell(StateChanged("closed"))
        self._events.end(RoomClosed(reason))


def _new_keys(options: ConnectOptions) -> RoomKeys:
    tag = hashlib.sha256(options.room_id.encode()).digest()[:_ROOM_TAG_BYTES]
    return RoomKeys(KeyPair(), options.room_id, tag, options.secret)


def _new_id() -> str:
    return secrets.token_hex(_ID_BYTES)


def _me_of(record: Json) -> Me:
    return Me(
        record["userId"],
        record["name"],
        record["attributes"],
        permissions(record),
        bool(record.get("muted", False)),
        record.get("subject"),
    )


def _ice_server(server: Json, host: str) -> IceServer:
    """The same with the host by which we know the server in place of `{host}`."""
    urls = tuple(url.replace("{host}", host) for url in server["urls"])
    return IceServer(urls, server.get("username", ""), server.get("credential", ""))


def _size_of(data: Any) -> int:
    return len(frozen_json(data))


def _refusal(error: Json) -> ClientError:
    return ClientError(
        error["code"],
        error["message"],
        retryable=error.get("retryable", False),
        retry_after_s=error.get("retryAfterS"),
    )


def _failure(code: str, sentence: str, *, retryable: bool, retry_after_s: float | None) -> ClientError:
    if code == "removed":
        return ClientError(code, "A moderator has put you out of the room.")
    if code == "expired":
        return ClientError("token_expired", "The time of the token is over.")
    return ClientError(
        code, sentence or f"The room has ended: {code}.", retryable=retryable, retry_after_s=retry_after_s
    )


def _reason_of(settled: Settled) -> ClientError:
    code = settled.error or ""
    if settled.sentence:
        return ClientError(code, settled.sentence, retryable=settled.retryable, retry_after_s=settled.retry_after_s)
    code = code if code in _SENTENCES else "closed"
    return ClientError(code, _SENTENCES[code])
