"""Who is in the room: a link and a peer connection with each of them.

Keeps members, what is on its way to them, and calls with them, through anything that happens to signalling on either
side: whose session is lost comes back under a new user id and with the same key, and shows by what it seals that the
key is its own. A member is, at any time,

    newcomer   just seen under a new id, with the key of somebody we know. For a moment it is nobody yet
    present    in the room under its `user_id`
    away       not in the room, but may come back: its peer connection lives, or its time isn't over

and, while our own session is lost, everybody is away. Who has no key is known by its id alone. Leaves to others: text
and sockets (`signalling`), room messages (`conversation`), frames and descriptions that only the two can have made
(`sealed_channel`), links (`member_link`), the peer connections themselves (`pair`). Without an engine there are none,
and members stay on the relay. `web/sdk/src/mesh.ts` is its twin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from ..core.client.effects import Json
from ..errors import ClientError, SealingError, SheetbendError
from .engines.base import Candidate, Engine, EngineError, IceConfiguration
from .events import Event, LeftReason
from .pair import Opening, Pair, PairPort
from .peer import LinkPort, Peer
from .peer_messages import PeerDescription, decode_candidate, decode_description, encode_candidate
from .sealed_channel import ChannelPort, SealedChannel
from .sealing import KeyPair, SafetyWords, description_parts

__all__ = ["Mesh", "MeshPort", "RoomKeys", "SignalType"]

SignalType = Literal["offer", "answer", "ice-candidate"]

RECOGNITION_S = 3.0
"""How long a newcomer can be someone we know. It takes them a round trip or two."""
AWAY_S = 5.0
"""How long an away member's peer connection may be disconnected: the server has waited for it already."""
RETURN_S = 30.0
"""Where our own session was lost, theirs is perhaps too: they have so long after us to come back."""
_FORMER_IDS_MAX = 16
"""Own ids remembered, so as not to meet ourselves while the server hasn't noticed that an old connection is dead."""
_HEADER_BYTES = 25
"""Of a relay frame: kind, room, member."""
_MEMBER_AT = 9


@dataclass(frozen=True)
class RoomKeys:
    """What this program seals with in one room. `room_tag` names the room in relay frames."""

    key_pair: KeyPair
    room_id: str
    room_tag: bytes
    secret: str | None


@dataclass(frozen=True)
class MeshPort:
    """What the mesh asks of the room.

    `signal`: send a value as the `sdp` or `candidate` of a signalling message. `relay`: send a relay frame.
    `suspect_relay`: the server doesn't bring anything back. `labels`: by stream id, of everything we publish.
    `review`: a member has a new peer connection, or other rights: give it our tracks, or take them away. `settled`: a
    newcomer was recognised, admitted, or is gone. `refused`: what came from this member isn't sealed by the keys we
    have agreed on. `tell`: events of members, each with the bytes in it.
    """

    signal: Callable[[SignalType, str, Json], None]
    relay: Callable[[bytes], None]
    is_relay_full: Callable[[], bool]
    suspect_relay: Callable[[], None]
    labels: Callable[[], dict[str, str]]
    review: Callable[[Peer], None]
    member: Callable[[Peer], None]
    left: Callable[[Peer, LeftReason], None]
    settled: Callable[[], None]
    refused: Callable[[Peer, SheetbendError], None]
    tell: Callable[[Event, int], None]


@dataclass
class _Newcomer:
    """`known` is whose key it has."""

    record: Json
    opening: Opening
    timer: asyncio.TimerHandle
    known: Peer


class Mesh:
    def __init__(self, engine: Engine | None, keys: RoomKeys, port: MeshPort) -> None:
        self.members: dict[str, Peer] = {}
        """By key, in order of appearance."""
        self._engine = engine
        self._keys = keys
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._present: dict[str, Peer] = {}
        self._newcomers: dict[str, _Newcomer] = {}
        self._channels: dict[str, SealedChannel] = {}
        """What is said through the server with those in the room who have a key, by user id."""
        self._openings: dict[Peer, Opening] = {}
        """How to make the peer connections that come behind the first messages."""
        self._own_ids: list[str] = []
        self._configuration = IceConfiguration()
        self._is_online = False
        """Our session is in the room."""
        self._is_relayed = False
        """And the server can be reached, and relays."""
        self._relays = False
        self._is_returning = False
        """After each entrance, while those who were here may still be on their way back."""
        self._return_timer: asyncio.TimerHandle | None = None
        self._return_by = 0.0
        self._member_keys = 0

    # What is asked.

    def present_as(self, user_id: str) -> Peer | None:
        """Who has this id in the room now; None for nobody, a newcomer included."""
        return self._present.get(user_id)

    def known_as(self, user_id: str) -> Peer | None:
        """Who had this id when something was said; None if it is nobody of those we know."""
        known = (peer for peer in self.members.values() if peer.user_id == user_id or user_id in peer.former_ids)
        return self.present_as(user_id) or next(known, None)

    def is_self(self, user_id: str) -> bool:
        """Whether we have, or had, this id."""
        return user_id in self._own_ids

    def is_present(self, peer: Peer) -> bool:
        return self._present.get(peer.user_id) is peer

    def is_newcomer(self, user_id: str) -> bool:
        return user_id in self._newcomers

    @property
    def is_settling(self) -> bool:
        """Whether somebody who is away may yet turn out to be in the room."""
        return self._is_returning or bool(self._newcomers)

    # What happens to our session.

    def enter(self, own_id: str, others: Iterable[Json], configuration: IceConfiguration) -> None:
        """We are in the room, as `own_id`, with these others."""
        self._is_online = True
        self._is_relayed = self._relays
        self._await_returns()
        self._configuration = configuration
        self._own_ids = [own_id, *self._own_ids][:_FORMER_IDS_MAX]
        known = {peer.user_id: peer for peer in self.members.values()}
        for record in others:
            peer = known.get(record["userId"])
            if peer is not None and peer.public_key == record.get("key"):
                self._welcome_back(peer, record)
            else:
                self._meet(record, "wait" if record.get("polite") else "offer")
        for peer in list(self.members.values()):
            if peer.pair is not None:
                peer.pair.configure(configuration)
            if not self.is_present(peer):
                self._watch(peer)

    def configure(self, configuration: IceConfiguration) -> None:
        """Use other ICE servers from now on; what is connected, from its next restart on."""
        self._configuration = configuration
        for peer in self.members.values():
            if peer.pair is not None:
                peer.pair.configure(configuration)

    def use_relay(self, relays: bool) -> None:
        """Whether the server relays frames."""
        self._relays = relays

    def relay_ready(self) -> None:
        """The connection to the server takes more again."""
        for peer in list(self._present.values()):
            if peer.link is not None:
                peer.link.path_ready("relay")

    def suspend(self) -> None:
        """The server can't be reached for now."""
        self._is_relayed = False
        for peer in list(self.members.values()):
            if peer.pair is not None:
                peer.pair.hold_candidates()
            if peer.link is not None:
                peer.link.path_down("relay")

    def go_on(self) -> None:
        """And now it can again, and nothing has changed."""
        self._is_relayed = self._relays
        for peer in list(self.members.values()):
            if peer.pair is not None:
                peer.pair.release_candidates()
        for peer in list(self._present.values()):
            self._reach(peer)

    def network_changed(self) -> None:
        """The network has changed."""
        for peer in list(self.members.values()):
            if peer.pair is not None:
                peer.pair.network_changed()

    def lost(self) -> None:
        """Our own session is lost: nobody can be reached, nothing can be known."""
        self._is_online = False
        self._is_relayed = False
        self._stop_returns()
        self.admit_all()
        self._present.clear()
        for user_id in list(self._channels):
            self._close_channel(user_id)
        for peer in list(self.members.values()):
            peer.stop_timer()
            if peer.link is not None:
                peer.link.path_down("relay")
            if peer.pair is not None:
                peer.pair.pause()
                peer.pair.release_candidates()

    async def delivered(self) -> None:
        """Return when everybody who can be reached has all that was sent to them."""
        links = [peer.link for peer in self._present.values() if peer.link is not None and peer.link.path is not None]
        await asyncio.gather(*(link.delivered() for link in links))

    def close(self) -> None:
        """End every link and peer connection, silently."""
        self._is_online = False
        self._stop_returns()
        for newcomer in self._newcomers.values():
            newcomer.timer.cancel()
        for channel in self._channels.values():
            channel.close()
        members = list(self.members.values())
        for each in (self._channels, self._newcomers, self._present, self.members, self._openings):
            each.clear()
        for peer in members:
            peer.stop_timer()
            peer.disconnect()
            if peer.link is not None:
                peer.link.close(ClientError("closed", "The room has ended."))

    # What happens to others.

    def joined(self, record: Json) -> None:
        # A newcomer towards whom we are the polite one is of the lesson dialect (PROTOCOL.md).
        self._meet(record, "plain" if record.get("polite") else "offer")

    def left(self, user_id: str, reason: LeftReason) -> None:
        peer = self._present.pop(user_id, None)
        self._take_newcomer(user_id)
        self._close_channel(user_id)
        if peer is not None and reason != "disconnect":
            self._drop(peer, reason)
        elif peer is not None:
            self._watch(peer)
        self._port.settled()

    def updated(self, record: Json) -> None:
        newcomer = self._newcomers.get(record["userId"])
        if newcomer is not None:
            newcomer.record = {**newcomer.record, **record}
        peer = self._present.get(record["userId"])
        if peer is not None:
            peer.describe(record)
            self._port.review(peer)

    def signal(self, message: Json) -> None:
        """Take signalling from another member."""
        kind, sender = message["type"], message["sender"]
        if kind == "ice-candidate":
            candidate = decode_candidate(message["candidate"])
            peer = self._present.get(sender)
            if candidate is not None and peer is not None and peer.pair is not None:
                peer.pair.add_candidate(candidate)
            return
        description = decode_description(kind, message["sdp"])
        if description is None:
            return
        channel = self._channels.get(sender)
        if channel is not None:
            self._verify(channel, sender, description)
        else:
            peer = self._present.get(sender)
            if (peer is None or peer.link is None) and self._keys.secret is None:
                self._negotiate(sender, description)

    def receive(self, frame: bytes) -> None:
        """Take a relay frame."""
        channel = self._channels.get(frame[_MEMBER_AT:_HEADER_BYTES].hex())
        if channel is not None:
            channel.receive(frame[:1], frame[_HEADER_BYTES:])

    def admit(self, user_id: str) -> None:
        """Take a newcomer for somebody we don't know."""
        newcomer = self._take_newcomer(user_id)
        if newcomer is not None:
            self._add(newcomer.record, newcomer.opening)
            self._port.settled()

    def admit_all(self) -> None:
        """Take all of them so."""
        for user_id in list(self._newcomers):
            self.admit(user_id)

    # The parts: who is who.

    def _await_returns(self) -> None:
        self._stop_returns()
        if not self.members:
            return
        self._is_returning = True
        self._return_by = self._loop.time() + RETURN_S
        self._return_timer = self._loop.call_later(RECOGNITION_S, self._end_returns)

    def _end_returns(self) -> None:
        self._is_returning = False
        self._port.settled()

    def _stop_returns(self) -> None:
        self._is_returning = False
        if self._return_timer is not None:
            self._return_timer.cancel()

    def _meet(self, record: Json, opening: Opening) -> None:
        user_id = record["userId"]
        if user_id in self._present or user_id in self._newcomers or user_id in self._own_ids:
            return
        self._open_channel(record)
        key = self._key_of(record)
        known = next((peer for peer in self.members.values() if key is not None and peer.public_key == key), None)
        if known is None or known.link is None:
            self._add(record, opening)
            return
        timer = self._loop.call_later(RECOGNITION_S, self.admit, user_id)
        self._newcomers[user_id] = _Newcomer(record, opening, timer, known)
        # By this it recognises us, if it is who it seems to be.
        self._channels[user_id].send(known.link.greeting, lossy=False)

    def _add(self, record: Json, opening: Opening) -> None:
        peer = self._make_peer(record)
        self.members[peer.key] = peer
        self._present[peer.user_id] = peer
        self._port.member(peer)
        self._reach(peer)
        if peer.link is None:
            self._connect(peer, opening)
        else:  # making a peer connection takes milliseconds, in which the first messages would wait
            self._openings[peer] = opening
            self._loop.call_soon(self._connect_now, peer)

    def _make_peer(self, record: Json) -> Peer:
        self._member_keys += 1
        other_key = self._key_of(record)
        port = None
        if other_key is not None:
            port = LinkPort(
                is_first=self._keys.key_pair.key < other_key,
                sealing="keys" if self._keys.secret is None else "secret",
                safety_words=self._begin_words,
                relay=self._relay,
                is_relay_ready=lambda: not self._port.is_relay_full(),
                suspect_relay=self._port.suspect_relay,
            )
        key = f"m{self._member_keys}"
        return Peer(key, record, self._port.tell, port, has_engine=self._engine is not None)

    def _begin_words(self, peer: Peer) -> SafetyWords | None:
        channel = self._channels.get(peer.user_id)
        return None if channel is None else channel.safety_words()

    def _relay(self, peer: Peer, frame: bytes, lossy: bool) -> None:
        channel = self._channels.get(peer.user_id)
        if channel is not None:
            channel.send(frame, lossy=lossy)

    def _take_newcomer(self, user_id: str) -> _Newcomer | None:
        newcomer = self._newcomers.pop(user_id, None)
        if newcomer is not None:
            newcomer.timer.cancel()
        return newcomer

    def _key_of(self, record: Json) -> str | None:
        """The key we can agree with somebody on. Our own is a key that was taken from us."""
        key: str | None = record.get("key")
        return None if key == self._keys.key_pair.key else key

    def _open_channel(self, record: Json) -> None:
        user_id, other_key = record["userId"], self._key_of(record)
        if other_key is None:
            return
        keys = self._keys
        agree = partial(
            keys.key_pair.agree,
            room_id=keys.room_id,
            own_id=self._own_ids[0],
            other_id=user_id,
            other_key=other_key,
            secret=keys.secret,
        )
        header = keys.room_tag + bytes.fromhex(user_id)

        def transmit(kind: bytes, sealed: bytes) -> None:
            if self._is_relayed:
                self._port.relay(kind + header + sealed)

        def opened(frame: bytes) -> None:
            self._proved(user_id)
            peer = self._present.get(user_id)
            if peer is not None and peer.link is not None:
                peer.link.receive("relay", frame)

        self._channels[user_id] = SealedChannel(
            agree, ChannelPort(transmit, opened, lambda error: self._refused(user_id, error))
        )

    def _close_channel(self, user_id: str) -> None:
        channel = self._channels.pop(user_id, None)
        if channel is not None:
            channel.close()

    def _reach(self, peer: Peer) -> None:
        """`peer` is the one with whom the channel of its user id is."""
        peer.refuse(False)
        if self._is_relayed and peer.link is not None and peer.user_id in self._channels:
            peer.link.path_up("relay")

    def _proved(self, sender: str) -> None:
        """`sender` has sealed something with the key it shows."""
        peer = self._present.get(sender)
        if peer is not None:
            peer.refuse(False)
        newcomer = self._take_newcomer(sender)
        if newcomer is None:
            return
        known = newcomer.known
        if known.key not in self.members:
            self._add(newcomer.record, newcomer.opening)
        else:
            if self.is_present(known):
                self._close_channel(known.user_id)
                del self._present[known.user_id]
            self._present[sender] = known
            known.describe(newcomer.record)
            self._port.review(known)
            self._reach(known)
            self._reunite(known, newcomer.opening)
        self._port.settled()

    def _refused(self, user_id: str, error: SealingError) -> None:
        peer = self._present.get(user_id)
        if peer is not None:
            peer.refuse(True)
            self._port.refused(peer, error)

    def _welcome_back(self, peer: Peer, record: Json) -> None:
        """We reconnected, and `peer` has kept its id and its key."""
        self._present[record["userId"]] = peer
        self._open_channel(record)
        peer.describe(record)
        self._port.review(peer)
        self._reach(peer)
        self._reunite(peer, "wait")

    def _watch(self, peer: Peer) -> None:
        """`peer` is away: keep it while its peer connection does well, and for a time where it doesn't."""
        if peer.pair is not None:
            peer.pair.pause()
        if peer.link is None:
            self._drop(peer, "disconnect")
            return
        peer.link.path_down("relay")
        if peer.pair is not None and peer.pair.state == "connected":
            peer.stop_timer()
        elif peer.timer is None:
            for_s = max(AWAY_S, self._return_by - self._loop.time())
            peer.timer = self._loop.call_later(for_s, self._drop, peer, "disconnect")

    def _drop(self, peer: Peer, reason: LeftReason) -> None:
        if self.members.pop(peer.key, None) is None:
            return
        peer.stop_timer()
        self._openings.pop(peer, None)
        if self.is_present(peer):
            del self._present[peer.user_id]
        peer.disconnect()
        if peer.link is not None:
            peer.link.close(ClientError("member_gone", "The member is gone."))
        self._port.left(peer, reason)

    # The parts: peer connections.

    def _connect_now(self, peer: Peer | None) -> None:
        if peer is not None and self.is_present(peer) and (opening := self._openings.get(peer)) is not None:
            self._connect(peer, opening)

    def _reunite(self, peer: Peer, opening: Opening) -> None:
        """`peer` can be reached again: go on with its peer connection, if there is one that knows the other end."""
        peer.stop_timer()
        if peer.link is not None and peer.pair is not None:
            peer.pair.resume(peer.is_polite)
        else:
            self._connect(peer, opening)

    def _connect(self, peer: Peer, opening: Opening) -> None:
        """Make a peer connection with `peer`, in place of the one there may be."""
        self._openings.pop(peer, None)
        peer.stop_timer()
        peer.disconnect()
        if not self._is_online:
            return
        if self._keys.secret is not None and peer.link is None:
            peer.report("failed")  # it can't show that it has the secret
            return
        if self._engine is None:
            return
        try:
            pair = Pair(self._engine, self._configuration, opening, peer.is_polite, self._pair_port(peer))
        except EngineError:
            peer.report("failed")  # the room itself goes on
            return
        peer.pair = pair
        peer.enforce_rights()
        peer.report(pair.state)
        self._port.review(peer)
        self._port.settled()

    def _pair_port(self, peer: Peer) -> PairPort:
        link = peer.link

        def frame(data: bytes) -> None:
            if link is not None:
                link.receive("direct", data)

        return PairPort(
            send_description=lambda kind, sdp: self._describe(peer, kind, sdp),
            send_candidate=lambda candidate: self._send_candidate(peer, candidate),
            track=peer.receive_track,
            track_ended=peer.track_ended,
            changed=lambda: self._changed(peer),
            opened=lambda: None if link is None else link.path_up("direct"),
            frame=frame,
            ready=lambda: None if link is None else link.path_ready("direct"),
            rerouted=peer.look,
            ended=lambda: self._ended(peer),
        )

    def _describe(self, peer: Peer, kind: Literal["offer", "answer"], sdp: str) -> None:
        """With a tag, where the two have keys."""
        labels = self._port.labels()
        value: Json = {"type": kind, "sdp": sdp, "streams": labels}
        channel = self._channels.get(peer.user_id)
        if channel is not None:
            tag = channel.bind(description_parts(kind, sdp, labels))
            if tag is not None:
                self._port.signal(kind, peer.user_id, {**value, "tag": tag})
        elif peer.link is None:
            self._port.signal(kind, peer.user_id, value)

    def _send_candidate(self, peer: Peer, candidate: Candidate) -> None:
        if peer.link is None or peer.user_id in self._channels:
            self._port.signal("ice-candidate", peer.user_id, encode_candidate(candidate))

    def _verify(self, channel: SealedChannel, sender: str, description: PeerDescription) -> None:
        try:
            parts = description_parts(description.type, description.sdp, description.labels or {})
        except SealingError as error:
            self._refused(sender, error)
            return
        if channel.verify(parts, description.tag):
            self._proved(sender)
            self._negotiate(sender, description)

    def _negotiate(self, sender: str, description: PeerDescription) -> None:
        peer = self._present.get(sender)
        if peer is None:
            return
        self._connect_now(peer)
        if peer.pair is not None and peer.pair.is_from_another(description):
            # The other side has started anew. If this answers our offer, only another offer can bring us together: a
            # beginner's client makes a peer connection for every offer it gets.
            if description.type == "offer":
                self._connect(peer, "wait")
            elif peer.pair.awaits_answer:
                self._connect(peer, "plain" if description.labels is None else "offer")
            if description.type == "answer":
                return
        if peer.pair is not None:
            peer.pair.receive(description)

    def _changed(self, peer: Peer) -> None:
        if peer.pair is not None:
            peer.report(peer.pair.state)
        if self._is_online and not self.is_present(peer):
            self._watch(peer)

    def _ended(self, peer: Peer) -> None:
        if self.is_present(peer):
            self._connect(peer, "wait")
        else:
            peer.disconnect()
            peer.report("failed")
            if self._is_online:
                self._watch(peer)
