"""Witnesses: what participants were told, held against each other. Whatever doesn't fit is a fault.

- An offset of a room's epoch stands for one message, the same to everybody.
- Nobody hears a message twice or before an earlier one.
- Nobody misses a message to everybody from where it entered on, unless it was told of a gap that can't be filled.
- A message to some is heard by nobody else.
- What is accepted was heard; what was said is settled once.
- Whoever's session was lost is told of a gap.
- At rest everybody in a room has the same roster, offset, epoch and access, and is in its own roster.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sheetbend.core.client.effects import Ended, Lost, Welcomed
from sheetbend.core.client.room import Entered, Event, Failed, Gap, Heard, Settled

from .participant import Participant

__all__ = ["Chronicle", "differences"]

_FAULTS_KEPT = 20


class _Witness:
    """What one participant was told."""

    def __init__(self) -> None:
        self.epoch = ""
        self.heard: dict[int, None] = {}
        """The offsets of the messages it heard in this epoch, in order."""
        self.last = 0
        self.complete_from = 0
        """It must have heard every message to everybody behind this offset."""
        self.lacks_gap = False
        """Its session was lost, and it is to be told so with its next roster."""
        self.unsettled: set[str] = set()
        self.accepted: dict[int, str] = {}
        """What it said, by offset."""


class Chronicle:
    """All rooms. Let it have each event of each participant, in order; ask for `faults`."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.heard_count = 0
        self.gaps = 0
        self._witnesses: defaultdict[Participant, _Witness] = defaultdict(_Witness)
        self._messages: defaultdict[tuple[str, str], dict[int, tuple[str, str | None]]] = defaultdict(dict)
        """What stands at each offset of a room's epoch: sender and id."""
        self._readers: dict[str, set[str]] = {}
        """Who may hear a message to some, by its id: the members' names."""

    def said(self, participant: Participant, message_id: str, to: Sequence[Participant] | None = None) -> None:
        """To be called right after it said something."""
        witness = self._witnesses[participant]
        if message_id not in participant.room._pending:
            return  # refused at once
        witness.unsettled.add(message_id)
        if to is not None:
            self._readers[message_id] = {participant.name, *(reader.name for reader in to)}

    def tell(self, participant: Participant, event: Event | Welcomed | Lost | Ended) -> None:
        """Take what a participant was told."""
        witness = self._witnesses[participant]
        match event:
            case Welcomed():
                witness.lacks_gap = witness.lacks_gap or event.recovered is False
            case Entered():
                self._entered(participant, witness)
            case Gap():
                self._gap(participant, witness, event)
            case Heard():
                self._heard(participant, witness, event)
            case Settled():
                self._settled(participant, witness, event)
            case Failed():
                witness.lacks_gap = False

    def forget(self, participant: Participant) -> None:
        """It is gone for good."""
        witness = self._witnesses.pop(participant, None)
        if witness is not None and witness.unsettled:
            self.fault(participant, f"{len(witness.unsettled)} messages were never settled")

    def check(self, participants: Iterable[Participant]) -> None:
        """Everybody is at rest: see who missed what, then begin a new page."""
        for participant in participants:
            witness = self._witnesses[participant]
            if participant.room.epoch != witness.epoch:
                self.fault(participant, "it is in another epoch than it was told of")
            messages = self._messages[participant.room.id, witness.epoch]
            missed = [
                offset
                for offset, (_, message_id) in messages.items()
                if offset > witness.complete_from and offset not in witness.heard and message_id not in self._readers
            ]
            if missed:
                self.fault(participant, f"missed {len(missed)} messages, the first with offset {min(missed)}")
            if witness.lacks_gap:
                self.fault(participant, "was not told that its session was lost")
            if witness.unsettled:
                self.fault(participant, f"{len(witness.unsettled)} messages are not settled at rest")
            if strange := [
                message_id
                for offset, message_id in witness.accepted.items()
                if messages.get(offset, ("", ""))[1] != message_id
            ]:
                self.fault(participant, f"{strange[0]} was accepted, and never heard at its place")
            witness.heard.clear()
            witness.accepted.clear()
            witness.complete_from = participant.room.offset
        self._messages.clear()
        self._readers.clear()

    def fault(self, participant: Participant, what: str) -> None:
        if len(self.faults) < _FAULTS_KEPT:
            self.faults.append(f"{participant.name} in {participant.room.id}: {what}")

    def _entered(self, participant: Participant, witness: _Witness) -> None:
        room = participant.room
        if room.epoch == witness.epoch:
            return  # its place in the order goes on
        if not witness.lacks_gap and witness.epoch:
            self.fault(participant, "the room's epoch changed, and its session was not lost")
        witness.epoch = room.epoch
        witness.heard.clear()
        witness.accepted.clear()
        witness.last = 0
        witness.complete_from = room.offset

    def _gap(self, participant: Participant, witness: _Witness, gap: Gap) -> None:
        self.gaps += 1
        if not witness.lacks_gap:
            self.fault(participant, "was told of a gap, and its session was not lost")
        witness.lacks_gap = False
        witness.accepted.clear()  # of a session that is over nothing more is promised
        if not gap.complete:
            witness.complete_from = participant.room.offset

    def _heard(self, participant: Participant, witness: _Witness, heard: Heard) -> None:
        self.heard_count += 1
        if heard.offset <= witness.last:
            self.fault(participant, f"heard the message with offset {heard.offset} after {witness.last}")
        witness.last = heard.offset
        witness.heard[heard.offset] = None
        entry = (heard.sender, heard.id)
        known = self._messages[participant.room.id, witness.epoch].setdefault(heard.offset, entry)
        if known != entry:
            self.fault(participant, f"heard {entry} with offset {heard.offset}, where others heard {known}")
        readers = self._readers.get(heard.id or "")
        if readers is not None and participant.name not in readers:
            self.fault(participant, f"heard {heard.id}, which was not for it")

    def _settled(self, participant: Participant, witness: _Witness, settled: Settled) -> None:
        if settled.id not in witness.unsettled:
            self.fault(participant, f"{settled.id} was settled again")
        witness.unsettled.discard(settled.id)
        if settled.offset is not None:
            witness.accepted[settled.offset] = settled.id


def differences(rooms: Mapping[str, Sequence[Participant]]) -> list[str]:
    """Compare the views of all who are in a room; all must be at rest. Empty if they agree."""
    found = []
    for room_id, members in rooms.items():
        everybody = {member.room.user_id for member in members}
        views: dict[str, set[Any]] = {
            "roster": {frozenset({member.room.user_id, *member.room.members}) for member in members},
            "offset": {member.room.offset for member in members},
            "epoch": {member.room.epoch for member in members},
            "access": {member.room.access for member in members},
        }
        found += [f"{room_id}: {len(view)} different {name}s" for name, view in views.items() if len(view) != 1]
        if views["roster"] != {frozenset(everybody)}:
            found.append(f"{room_id}: a roster isn't who is there")
        if len(everybody) != len(members):
            found.append(f"{room_id}: two members have one id")
    return found
