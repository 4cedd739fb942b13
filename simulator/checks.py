"""The promises (protocol/PROTOCOL.md), checked on the way and at the end of a run, from what clients were told alone.

Where a check needs the truth it compares clients with each other, not with the server: a server that is wrong in the
same way everywhere would be wrong about its own truth too. The server is only asked for its bounds and its rosters.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sheetbend.core.client.effects import Json, Welcomed
from sheetbend.core.client.room import Entered, Event, Failed, Gap, Heard, MemberGone, Settled
from sheetbend.core.client.session import Phase
from sheetbend.core.room import Room

from .server import LIMITS

if TYPE_CHECKING:
    from .client import SimulatedClient
    from .world import World

__all__ = ["MUTE_NAME", "Checks", "ViolationError"]

_NOBODY_KNOWS = frozenset({"delivery_unknown", "closed"})
MUTE_NAME = "c7"
"""Where there are tokens, this one's is without `message`."""
_TICK_S = 1.0
_SLACK_S = 1.5


class ViolationError(Exception):
    """A promise was broken."""


@dataclass(slots=True)
class _Stay:
    """One session of a client in one life of a room: from its roster to the last event it saw."""

    user_id: str
    epoch: str
    entered_at: int
    """Offset."""
    seen_to: int
    knows_from: int
    """It was told of every message for everybody behind this offset."""


@dataclass(slots=True)
class _Record:
    """What one client was told."""

    stays: list[_Stay] = field(default_factory=list)
    heard: dict[tuple[str, int], str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    heard_to: dict[str, int] = field(default_factory=dict)
    muted: dict[str, bool] = field(default_factory=dict)
    can: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    access: str = "open"
    signals: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    gaps: int = 0
    gaps_due: int = 0


class Checks:
    """One run's. Each method raises ViolationError."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._records: dict[SimulatedClient, _Record] = defaultdict(_Record)
        self._owner: dict[str, SimulatedClient] = {}
        self._said: dict[str, tuple[SimulatedClient, int, tuple[str, ...] | None]] = {}
        self._settled: dict[str, Settled] = {}
        self._place: dict[str, tuple[str, int]] = {}
        self._at: dict[tuple[str, int], str] = {}
        self._gone: dict[str, str] = {}
        self._removed: dict[tuple[str, str], int] = {}
        """Where in which life of a room somebody was put out."""
        self._signalled: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._refused_signals: set[int] = set()
        self._recovered_count = 0
        self._times: dict[tuple[str, int], float] = {}
        """When each session said something, by the server's clock."""
        self._messages_of: dict[str, list[tuple[str, int, int]]] = defaultdict(list)

    # What clients do.

    def said(self, client: SimulatedClient, message_id: str, number: int, to: tuple[str, ...] | None) -> None:
        self._said[message_id] = (client, number, to)

    def signalled(self, client: SimulatedClient, target: str, number: int) -> None:
        self._signalled[client.room.user_id, target].append(number)

    # What clients are told.

    def welcomed(self, client: SimulatedClient, effect: Welcomed) -> None:
        user_id = effect.welcome["userId"]
        self._require(not self._world.has_run_out(client), f"{client.name} came in with a token that has run out")
        if effect.recovered:
            self._require(self._owner.get(user_id) is client, f"{client.name} went on with a session not its own")
            is_gone = self._gone.get(user_id) == "disconnect" and user_id not in self._world.given_up
            self._require(not is_gone, f"{client.name} recovered, but others heard that it left")
            self._recovered_count += 1
            return
        self._require(user_id not in self._owner, f"user id {user_id} was given twice")
        self._owner[user_id] = client
        if effect.recovered is False:
            record = self._records[client]
            record.gaps_due = record.gaps + 1

    def delivered(self, client: SimulatedClient, message: Json) -> None:
        record = self._records[client]
        is_its_room = message.get("roomId", client.room.id) == client.room.id
        self._require(is_its_room or message["type"] == "error", f"{client.name} is in a room its token isn't for")
        match message["type"]:
            case "offer":
                self._signal(client, message)
            case "error" if str(message.get("ref", "")).startswith("signal-"):
                self._refused_signals.add(int(message["ref"].removeprefix("signal-")))
            case "roster":
                self._roster(client, record, message)
            case "user-joined":
                self._joined(client, record, message)
            case "user-updated":
                self._note_rights(record, message["member"])
                self._see(client, record, message["offset"])
            case "room-updated":
                record.access = message["access"]
                self._see(client, record, message["offset"])
            case "user-left":
                self._see(client, record, message["offset"])
            case "message":
                self._message(client, record, message)

    def told(self, client: SimulatedClient, event: Event) -> None:
        record = self._records[client]
        match event:
            case Heard():
                self._heard(client, record, event)
            case Settled():
                self._settle(client, event)
            case MemberGone():
                self._member_gone(client, event)
            case Gap():
                record.gaps += 1
            case Failed():
                client.is_outside = True
                if event.error == "removed":
                    self._removed[client.room.epoch, client.name] = client.room.offset
                    self._world.scheduler.after(1, client.try_to_return)
            case Entered():
                self._require(record.gaps <= record.gaps_due, f"{client.name} was told of a gap that is none")

    # On the way.

    def bounds(self) -> None:
        """Nothing grows beyond what it may. Every second."""
        world = self._world
        now = world.scheduler.now
        hub = world.server.hub
        for user_id, member in hub.clients.items():
            stream = member.session.stream
            self._require(stream.kept_count <= LIMITS.resume_messages_max, "too many messages are kept")
            self._require(stream.kept_bytes <= LIMITS.resume_bytes_max, "too many bytes are kept")
            self._require(
                member.expires_at is None or now <= member.expires_at + _TICK_S, "a session outlived its token"
            )
            since = hub._away.get(user_id)
            self._require((since is None) == (member.outbox is not None), "a session is neither here nor away")
            self._require(
                since is None or now - since <= LIMITS.resume_grace_s + _SLACK_S, "a session outlived its grace"
            )
        for room in world.server.broker._rooms.values():
            self._require(len(room.members) <= LIMITS.members_per_room_max, "too many members")
            self._require(len(room.history) <= LIMITS.history_messages_max, "too many messages in a history")
            self._require(room.history.kept_bytes <= LIMITS.history_bytes_max, "too many bytes in a history")
            ids = max(map(len, room._ids.values()), default=0)
            self._require(ids <= LIMITS.message_ids_max, "too many ids are remembered")
            self._require(room._ids.keys() <= room.members.keys(), "ids of somebody gone are remembered")
            self._rights_in(room)
        for connection in world.server.connections:
            self._require(connection.client.outbox is connection, "a session goes on over two connections")
            waiting = connection.link.to_client.waiting_bytes
            self._require(waiting <= LIMITS.outbox_bytes_max + 70_000, "too much waits for a connection")
        self._half_open()

    def _rights_in(self, room: Room) -> None:
        members = room.members.values()
        if not self._world.has_tokens and not room.moderators:
            self._require(all(member.dialect == "lesson" for member in members), "a room has no moderator")
            self._require(not members or room.access == "open", "nobody is left who could open a room")
        people: dict[str | None, bool] = {}
        for member in members:
            self._require(f"subject:{member.subject}" not in room._bans, f"{member.name} was banned and is there")
            is_muted = people.setdefault(member.subject or member.user_id, member.muted)
            self._require(is_muted == member.muted, f"{member.name} is muted in one of its sessions only")

    def _half_open(self) -> None:
        now = self._world.scheduler.now
        latest = LIMITS.liveness_timeout_s + _SLACK_S + 0.5
        for link, since in self._world.stuck.items():
            if now - since <= latest:
                continue
            for connection in self._world.server.connections:
                self._require(connection.link is not link, "the server didn't find a half-open connection")
            for client in self._world.clients:
                is_fooled = client.link is link and client.session.phase is Phase.READY
                self._require(not is_fooled, f"{client.name} didn't find its half-open connection")

    # At the end.

    def finish(self) -> None:
        """All faults are mended, and time enough has passed."""
        for message_id, (client, _, _) in self._said.items():
            is_known = message_id in self._settled or self._is_shut_out(client)
            self._require(is_known, f"nobody ever said what became of {message_id}")
        for message_id, settled in self._settled.items():
            if settled.offset is not None:
                self._require(message_id in self._place, f"{message_id} was accepted, but its sender never heard it")
                place = self._place[message_id][1]
                self._require(place == settled.offset, f"{message_id} was accepted elsewhere than heard")
            elif settled.error not in _NOBODY_KNOWS and message_id not in self._said[message_id][0].repeated:
                self._require(message_id not in self._place, f"{message_id} was refused, and heard all the same")
        for client, record in self._records.items():
            self._complete(client, record)
            if client.room.is_in:
                self._require(record.gaps == record.gaps_due, f"{client.name} was not told of a lost session")
        self._rosters()
        self._signals()
        self._rates()
        self._order_of_each_sender()

    def _complete(self, client: SimulatedClient, record: _Record) -> None:
        """Whatever had a place while a client was there, it has heard."""
        for stay in record.stays:
            for message_id, (epoch, offset) in self._place.items():
                if epoch != stay.epoch or offset > stay.seen_to or (epoch, offset) in record.heard:
                    continue
                sender, _, to = self._said[message_id]
                is_missing = (
                    offset > stay.knows_from
                    if to is None
                    else offset > stay.entered_at and (stay.user_id in to or self._owner[stay.user_id] is sender)
                )
                self._require(not is_missing, f"{client.name} never heard {message_id} at {epoch}:{offset}, {stay}")

    def _rosters(self) -> None:
        rooms = self._world.server.broker._rooms
        for client in self._world.clients:
            if client.is_over or client.is_outside:
                continue
            room = rooms.get(client.room.id)
            if self._is_shut_out(client):
                continue
            self._require(client.room.is_in, f"{client.name} is not back in its room")
            assert room is not None
            self._require(client.room.user_id in room.members, f"{client.name} believes it is in its room")
            self._require(room.epoch == client.room.epoch, f"{client.name} is in another life of its room")
            expected = {user_id: member.name for user_id, member in room.members.items()}
            del expected[client.room.user_id]
            seen = {user_id: member["name"] for user_id, member in client.room.members.items()}
            self._require(seen == expected, f"{client.name} sees {seen}, there are {expected}")
            self._require(room.access == client.room.access, f"{client.name} believes the room is {client.room.access}")
        living = {client.room.user_id for client in self._world.clients if not client.is_over}
        for room in rooms.values():
            ghosts = room.members.keys() - living
            self._require(not ghosts, f"{sorted(ghosts)} left, but the room wasn't told")

    def _is_shut_out(self, client: SimulatedClient) -> bool:
        """Whether it waits for a room that no moderator is left to open."""
        room = self._world.server.broker._rooms.get(client.room.id)
        return room is not None and room.access != "open" and not client.room.is_in

    def _signals(self) -> None:
        """Between two sessions that lived to the end everything arrived, but what was refused."""
        living = {
            client.room.user_id: client for client in self._world.clients if client.room.is_in and not client.is_over
        }
        for (sender, target), numbers in self._signalled.items():
            if sender in living and target in living:
                expected = [number for number in numbers if number not in self._refused_signals]
                arrived = self._records[living[target]].signals[sender, target]
                self._require(arrived == expected, f"signals {expected} were sent, {arrived} arrived")

    def _rates(self) -> None:
        """No session got more through than its rate lets: up to two bursts, as the clock is read late."""
        times: dict[str, list[float]] = defaultdict(list)
        for (sender, _), time in self._times.items():
            times[sender].append(time)
        rate = LIMITS.message_rate
        for sender, said in times.items():
            for first in said:
                count = sum(first <= time <= first + 1 for time in said)
                self._require(count <= 2 * rate.burst + rate.per_s, f"{sender} said {count} things in a second")

    def _order_of_each_sender(self) -> None:
        for name, places in self._messages_of.items():
            by_epoch: dict[str, list[tuple[int, int]]] = defaultdict(list)
            for epoch, offset, number in places:
                by_epoch[epoch].append((offset, number))
            for found in by_epoch.values():
                numbers = [number for _, number in sorted(found)]
                self._require(numbers == sorted(numbers), f"what {name} said stands in another order: {numbers}")

    # The parts.

    def _roster(self, client: SimulatedClient, record: _Record, roster: Json) -> None:
        epoch, offset = roster["epoch"], roster["offset"]
        before = next((stay for stay in reversed(record.stays) if stay.epoch == epoch), None)
        oldest = min((entry["offset"] for entry in roster["history"]), default=offset + 1) - 1
        if before is not None:
            knows_from = before.seen_to if roster["complete"] else max(before.seen_to, oldest)
        else:
            knows_from = 0 if roster["complete"] else oldest
        record.stays.append(_Stay(client.room.user_id, epoch, offset, offset, knows_from))
        record.access = roster["access"]
        record.muted.clear()
        for member in (roster["you"], *roster["members"]):
            self._note_rights(record, member)
        self._require(
            roster["access"] == "open"
            or client.name in self._world.admitted
            or "moderate" in roster["you"].get("can", ()),
            f"{client.name} entered a room that is {roster['access']}",
        )

    def _joined(self, client: SimulatedClient, record: _Record, message: Json) -> None:
        member = message["member"]
        may_enter = record.access == "open" or "moderate" in (member.get("can") or ())
        name, epoch = member["name"], record.stays[-1].epoch
        self._require(may_enter or name in self._world.admitted, f"{name} entered a {record.access} room")
        removed_at = self._removed.get((epoch, name), message["offset"])
        self._require(message["offset"] <= removed_at, f"{name} was banned and came back")
        self._note_rights(record, member)
        self._see(client, record, message["offset"])

    def _note_rights(self, record: _Record, member: Json) -> None:
        record.muted[member["userId"]] = member.get("muted", False)
        record.can[member["userId"]] = member.get("can")

    def _see(self, client: SimulatedClient, record: _Record, offset: int) -> None:
        stay = record.stays[-1]
        self._require(offset > stay.seen_to, f"{client.name} saw {offset} after {stay.seen_to}")
        stay.seen_to = offset

    def _message(self, client: SimulatedClient, record: _Record, message: Json) -> None:
        self._see(client, record, message["offset"])
        sender = message["sender"]
        self._times[sender, message["offset"]] = message["time"] / 1000
        self._require(not record.muted.get(sender, False), f"{client.name} heard somebody muted")
        rights = record.can.get(sender)
        self._require(rights is None or "message" in rights, f"{client.name} heard somebody who may not speak")
        to = message.get("to")
        is_for_it = to is None or client.room.user_id in (*to, sender)
        self._require(is_for_it, f"{client.name} heard what was for others")

    def _heard(self, client: SimulatedClient, record: _Record, heard: Heard) -> None:
        assert heard.id is not None
        author, number, _ = self._said[heard.id]
        data: Any = heard.data
        self._require(data["by"] == author.name and data["n"] == number, f"{heard.id} says something else")
        owner = self._owner.get(heard.sender)
        self._require(owner is None or owner.name == author.name, f"{heard.id} has a forged sender")
        may_speak = not self._world.has_tokens or author.name != MUTE_NAME
        self._require(may_speak, f"{author.name}'s token doesn't let it speak")
        self._require(author.room.id == client.room.id, f"{client.name} heard another room")
        epoch = record.stays[-1].epoch
        self._require(heard.id not in record.ids, f"{client.name} heard {heard.id} twice")
        self._require(
            heard.offset > record.heard_to.get(epoch, 0),
            f"{client.name} heard {heard.offset} after {record.heard_to.get(epoch)}",
        )
        record.ids.add(heard.id)
        record.heard_to[epoch] = heard.offset
        record.heard[epoch, heard.offset] = heard.id
        if heard.id not in self._place and heard.id not in author.repeated:
            self._messages_of[author.name].append((epoch, heard.offset, number))
        place = self._place.setdefault(heard.id, (epoch, heard.offset))
        self._require(place == (epoch, heard.offset), f"{heard.id} is at {place} and at {(epoch, heard.offset)}")
        there = self._at.setdefault((epoch, heard.offset), heard.id)
        self._require(there == heard.id, f"{there} and {heard.id} are both at {(epoch, heard.offset)}")

    def _settle(self, client: SimulatedClient, settled: Settled) -> None:
        self._require(settled.id not in self._settled, f"{settled.id} was settled twice")
        self._settled[settled.id] = settled

    def _member_gone(self, client: SimulatedClient, event: MemberGone) -> None:
        self._gone[event.user_id] = event.reason
        if event.reason != "disconnect":
            return
        last = self._world.last_heard.get(event.user_id)
        owner = self._owner.get(event.user_id)
        if last is None or owner is None or event.user_id in self._world.given_up:
            return
        silent_s = self._world.scheduler.now - last
        self._require(silent_s >= LIMITS.resume_grace_s - 0.001, f"{owner.name} was declared gone too early")

    def _signal(self, client: SimulatedClient, message: Json) -> None:
        number = message["sdp"]["n"]
        sender, target = message["sender"], message["sdp"]["to"]
        self._require(target == client.room.user_id, f"{client.name} got a signal for another session")
        arrived = self._records[client].signals[sender, target]
        self._require(not arrived or number > arrived[-1], f"signal {number} came after {arrived[-1:]}")
        self._require(number in self._signalled[sender, target], f"signal {number} has a forged sender")
        arrived.append(number)

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            raise ViolationError(f"at {self._world.scheduler.now:.3f} s: {what}")
