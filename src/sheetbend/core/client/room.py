"""The room that a client is in: who is there, what was said, and what became of what it said itself.

Above a `ClientSession`, whose effects it takes (`greeted`, `welcomed`, `delivered`, `ended`); what it wants sent and
told comes back as `Send` and events. Promises to its owner:

- every room message is told once, in the room's order; where some may be missing, `Gap` says so;
- every `say` is settled once: with its offset, or with an error. `delivery_unknown` means that nobody can tell.

A message carries an id of its own, so that it can be found again in a room's history after the session was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from ..messages import Access
from .effects import Json
from .reconnect_policy import FullJitter

__all__ = [
    "ClientRoom",
    "Entered",
    "Event",
    "Failed",
    "Gap",
    "Heard",
    "MemberGone",
    "MemberSeen",
    "Output",
    "Send",
    "Settled",
]

IN_FLIGHT_MAX = 128
"""Messages that wait for the server's answer: as many ids as it remembers (`messageIds`)."""
PENDING_MAX = 256


class Send(Struct, frozen=True):
    """Hand this to `ClientSession.send`."""

    message: Json


class Entered(Struct, frozen=True):
    """In the room, for the first time or again; `members` are the others, by user id."""

    members: dict[str, Json]


class MemberSeen(Struct, frozen=True):
    """Somebody entered or changed."""

    member: Json


class MemberGone(Struct, frozen=True):
    user_id: str
    reason: str


class Heard(Struct, frozen=True):
    """A room message. `is_historic` if it was said before this client came."""

    sender: str
    offset: int
    data: Any
    id: str | None
    is_historic: bool


class Gap(Struct, frozen=True):
    """The session was lost. Messages for everybody that were missed are told now: all of them if `complete`.

    Those that were for some members only may be missing in any case.
    """

    complete: bool


class Settled(Struct, frozen=True):
    """What became of `say`: accepted with `offset`, or refused with the code `error`."""

    id: str
    offset: int | None = None
    error: str | None = None


class Failed(Struct, frozen=True):
    """The room can't be entered (again)."""

    error: str


Event = Entered | MemberSeen | MemberGone | Heard | Gap | Settled | Failed
Output = Send | Event


class _Pending(Struct):
    message: Json
    is_sent: bool = False


class ClientRoom:
    """One room. `new_id` returns a string that nobody has used before."""

    def __init__(self, room_id: str, *, name: str, new_id: Callable[[], str], random: Callable[[], float]) -> None:
        self.id = room_id
        self.name = name
        self.user_id = ""
        self.members: dict[str, Json] = {}
        """The others, by user id. Empty while it is not in the room."""
        self.access: Access = "open"
        self.is_in = False
        self.epoch = ""
        self.offset = 0
        """Of the last event seen."""
        self._new_id = new_id
        self._random = random
        self._policy = FullJitter(base_s=1)
        self._pending: dict[str, _Pending] = {}
        self._join_ref: str | None = None
        self._has_joined = False
        """Right behind the hello that `welcomed` will answer."""
        self._is_back = False
        """A roster now tells what was missed."""
        self._failure: str | None = None
        """Why it can't be in the room any more."""
        self._rejoin_at: float | None = None
        self._attempt = 0

    # What the owner wants.

    def say(self, data: Any, to: tuple[str, ...] | None = None) -> tuple[str, list[Output]]:
        """Say something to everybody, or to some. Returns its id and what follows."""
        message_id = self._new_id()
        if self._failure is not None:
            return message_id, [Settled(message_id, error=self._failure)]
        if len(self._pending) >= PENDING_MAX:
            return message_id, [Settled(message_id, error="too_many_pending")]
        message: Json = {"type": "message", "roomId": self.id, "data": data, "id": message_id, "ref": message_id}
        if to is not None:
            message["to"] = to
        self._pending[message_id] = _Pending(message)
        return message_id, self._flush()

    def send(self, kind: str, **fields: Any) -> list[Output]:
        """Send another message about this room, such as an offer or `set-access`."""
        return [Send({"type": kind, "roomId": self.id, **fields})] if self.is_in else []

    # What comes from the session.

    def greeted(self) -> list[Output]:
        """A new session is being opened: join right behind hello."""
        self._has_joined = True
        self.is_in = False
        self.members = {}
        return self._join()

    def welcomed(self, welcome: Json, recovered: bool | None) -> list[Output]:
        self.user_id = welcome["userId"]
        if recovered:
            return []
        if recovered is False:
            self._is_back = True
            self.is_in = False
            self.members = {}
        has_joined, self._has_joined = self._has_joined, False
        return [] if has_joined else self._join()

    def delivered(self, message: Json, now: float) -> list[Output]:
        """Take a message of the server's."""
        if message.get("roomId", self.id) != self.id:
            return []
        match message["type"]:
            case "roster":
                return self._entered(message)
            case "user-joined" | "user-updated" if self._is_news(message):
                return self._seen(message["member"])
            case "user-left" if self._is_news(message):
                return self._gone(message["userId"], message["reason"])
            case "room-updated" if self._is_news(message):
                self.access = message["access"]
            case "message" if self._is_news(message):
                heard: list[Output] = [_heard(message, is_historic=False)]
                if message["sender"] == self.user_id:  # as good as `accepted`, which may be lost with the session
                    heard += self._settle(message.get("id"), message["offset"], None)
                return heard
            case "accepted":
                return [*self._settle(message.get("id"), message["offset"], None), *self._flush()]
            case "error":
                return self._refused(message, now)
        return []

    def ended(self) -> list[Output]:
        """There is no session any more."""
        return self._fail("closed")

    def expire(self, now: float) -> list[Output]:
        """Try again to enter a room that had no place."""
        if self._rejoin_at is None or now < self._rejoin_at:
            return []
        self._rejoin_at = None
        return self._join()

    def next_deadline(self) -> float | None:
        return self._rejoin_at

    # The parts.

    def _join(self) -> list[Output]:
        if self._failure is not None:
            return []
        self._rejoin_at = None
        self._join_ref = self._new_id()
        join: Json = {"type": "join", "roomId": self.id, "name": self.name, "ref": self._join_ref}
        if self.epoch:
            join["since"] = {"epoch": self.epoch, "offset": self.offset}
        return [Send(join)]

    def _entered(self, roster: Json) -> list[Output]:
        self._attempt = 0
        self._join_ref = None
        is_same_life = roster["epoch"] == self.epoch
        last_seen = self.offset if is_same_life else 0
        missed = [entry for entry in roster["history"] if entry["offset"] > last_seen]
        self.epoch = roster["epoch"]
        self.offset = roster["offset"]
        self.access = roster["access"]
        self.members = {member["userId"]: member for member in roster["members"]}
        self.is_in = True
        outputs: list[Output] = [Entered(self.members)]
        is_back, self._is_back = self._is_back, False
        if is_back:
            outputs.append(Gap(roster["complete"]))
        outputs += (_heard(entry, is_historic=True) for entry in missed)
        if is_back:
            outputs += self._reconcile(roster)
        return [*outputs, *self._flush()]

    def _reconcile(self, roster: Json) -> list[Output]:
        """Find out what became of the messages that the last session was not told of."""
        accepted = {entry.get("id"): entry["offset"] for entry in roster["history"]}
        outputs: list[Output] = []
        sent = [(message_id, pending) for message_id, pending in self._pending.items() if pending.is_sent]
        last = max((place for place, (message_id, _) in enumerate(sent) if message_id in accepted), default=-1)
        for place, (message_id, pending) in enumerate(sent):
            if message_id in accepted:
                outputs += self._settle(message_id, accepted[message_id], None)
            elif place > last and roster["complete"] and "to" not in pending.message:
                pending.is_sent = False  # it never arrived: the old session is over, so it never will
            else:  # before one that was accepted stands only what was refused: it must not come after it now
                outputs += self._settle(message_id, None, "delivery_unknown")
        return outputs

    def _is_news(self, event: Json) -> bool:
        """Whether an event is one of the room this client is in; it takes its place."""
        if not self.is_in or event["offset"] <= self.offset:
            return False
        self.offset = event["offset"]
        return True

    def _seen(self, member: Json) -> list[Output]:
        if member["userId"] == self.user_id:
            return []
        self.members[member["userId"]] = member
        return [MemberSeen(member)]

    def _gone(self, user_id: str, reason: str) -> list[Output]:
        if user_id == self.user_id:
            return [Failed(reason), *self._fail("not_in_room")]
        if self.members.pop(user_id, None) is None:
            return []
        return [MemberGone(user_id, reason)]

    def _refused(self, error: Json, now: float) -> list[Output]:
        ref = error.get("ref")
        if ref is not None and ref == self._join_ref:
            return self._not_let_in(error, now)
        return [*self._settle(ref, None, error["code"]), *self._flush()]

    def _not_let_in(self, error: Json, now: float) -> list[Output]:
        if self.epoch and error["retryable"]:
            delay_s = self._policy.next_delay_s(self._attempt, self._random())
            self._attempt += 1
            self._rejoin_at = now + max(delay_s, error.get("retryAfterS", 0.0))
            return []
        return [Failed(error["code"]), *self._fail(error["code"])]

    def _flush(self) -> list[Output]:
        """Send what waits, in order, as far as the server remembers ids."""
        if not self.is_in:
            return []
        in_flight = sum(pending.is_sent for pending in self._pending.values())
        outputs: list[Output] = []
        for pending in self._pending.values():
            if pending.is_sent:
                continue
            if in_flight >= IN_FLIGHT_MAX:
                break
            pending.is_sent = True
            in_flight += 1
            outputs.append(Send(pending.message))
        return outputs

    def _settle(self, message_id: str | None, offset: int | None, error: str | None) -> list[Output]:
        if message_id is None or self._pending.pop(message_id, None) is None:
            return []
        return [Settled(message_id, offset, error)]

    def _fail(self, error: str) -> list[Output]:
        self._failure = error
        self.is_in = False
        self.members = {}
        is_known = error != "closed" and not self._is_back  # the server would have said so, had it accepted any
        settled = [
            Settled(message_id, error=error if is_known or not pending.is_sent else "delivery_unknown")
            for message_id, pending in self._pending.items()
        ]
        self._pending.clear()
        return list(settled)


def _heard(message: Json, *, is_historic: bool) -> Heard:
    return Heard(message["sender"], message["offset"], message["data"], message.get("id"), is_historic)
