"""The room that a client is in: who is there, what was said, and what became of what it said itself.

Above a `ClientSession`, whose effects it takes (`greeted`, `welcomed`, `delivered`, `lost`, `ended`); what it wants
sent and told comes back as `Send` and events, to be done in order, and behind the session's effects that are still due.
Promises to its owner:

- every room message is told once, in the room's order; where some may be missing, `Gap` says so;
- every `request` is settled once: with its offset, or with an error. `delivery_unknown` means that nobody can tell.

A message carries an id of its own, so that it can be found again in a room's history after the session was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from ...errors import SheetbendError
from ..messages import Access
from .effects import Json
from .reconnect_policy import FullJitter, ReconnectPolicy

__all__ = [
    "AccessSeen",
    "Build",
    "ClientRoom",
    "Entered",
    "Event",
    "Failed",
    "Gap",
    "Heard",
    "IceServersNamed",
    "KnockEnded",
    "Knocked",
    "MemberChanged",
    "MemberGone",
    "MemberSeen",
    "MuteAsked",
    "Output",
    "Refused",
    "SelfSeen",
    "Send",
    "Settled",
    "Signalled",
    "Waiting",
]

IN_FLIGHT_MAX = 128
"""Messages that wait for the server's answer: as many ids as it remembers (`messageIds`)."""
PENDING_MAX = 256
"""Requests that wait to be sent or answered."""
_SHUT = "room_locked"
"""Retryable, but not by itself: somebody has to open the room first."""

Build = Callable[[str], Json | None]
"""Makes a message, with this as its id if it has one; None while it can't be said yet to whom. Raises SheetbendError if
it can't be sent."""


class Send(Struct, frozen=True):
    """Hand this to `ClientSession.send`."""

    message: Json


class Entered(Struct, frozen=True):
    """In the room, for the first time or again; `members` are the others, by user id.

    `you` is the client's own record, `waiting` who is in the lobby, `complete` whether the history is all there was.
    """

    members: dict[str, Json]
    you: Json = {}
    access: Access = "open"
    waiting: list[Json] = []
    complete: bool = True


class MemberSeen(Struct, frozen=True):
    """Somebody entered."""

    member: Json


class MemberChanged(Struct, frozen=True):
    """Somebody is other than before."""

    member: Json


class MemberGone(Struct, frozen=True):
    user_id: str
    reason: str


class SelfSeen(Struct, frozen=True):
    """The client itself is other than before."""

    member: Json


class AccessSeen(Struct, frozen=True):
    access: Access


class Heard(Struct, frozen=True):
    """A room message. `is_historic` if it was said before this client came; then `name` is what its sender was called.
    `time` is in milliseconds since 1970, `to` whom it was for, None for everybody."""

    sender: str
    offset: int
    data: Any
    id: str | None
    is_historic: bool
    time: float = 0
    name: str = ""
    to: list[str] | None = None


class Gap(Struct, frozen=True):
    """The session was lost. Messages for everybody that were missed are told now: all of them if `complete`.

    Those that were for some members only may be missing in any case.
    """

    complete: bool


class Settled(Struct, frozen=True):
    """What became of a request: done with `offset`, or refused with the code `error`, as `sentence` says."""

    id: str
    offset: int | None = None
    error: str | None = None
    sentence: str = ""
    retryable: bool = False
    retry_after_s: float | None = None


class Failed(Struct, frozen=True):
    """The room can't be entered (again), or the client was put out of it."""

    error: str
    sentence: str = ""
    retryable: bool = False
    retry_after_s: float | None = None


class Waiting(Struct, frozen=True):
    """The room has a lobby, and the client is in it."""


class Knocked(Struct, frozen=True):
    """Somebody waits in the lobby."""

    member: Json


class KnockEnded(Struct, frozen=True):
    user_id: str


class MuteAsked(Struct, frozen=True):
    sender: str
    media: list[str]


class Signalled(Struct, frozen=True):
    """An offer, an answer or a candidate of another member's."""

    message: Json


class IceServersNamed(Struct, frozen=True):
    ice_servers: list[Json]


class Refused(Struct, frozen=True):
    """The server refused something that no request waits for."""

    error: Json


Event = (
    Entered
    | MemberSeen
    | MemberChanged
    | MemberGone
    | SelfSeen
    | AccessSeen
    | Heard
    | Gap
    | Settled
    | Failed
    | Waiting
    | Knocked
    | KnockEnded
    | MuteAsked
    | Signalled
    | IceServersNamed
    | Refused
)
Output = Send | Event


class _Pending(Struct):
    build: Build
    message: Json = {}
    """As it was sent last."""
    is_sent: bool = False


class ClientRoom:
    """One room. `new_id` returns a string that nobody has used before, nor can guess: all members see some of them.

    `attributes` are the member's at first; `key` is the public key it shows, if it has one.
    """

    def __init__(
        self,
        room_id: str,
        *,
        name: str,
        new_id: Callable[[], str],
        random: Callable[[], float],
        attributes: Json | None = None,
        key: str | None = None,
        policy: ReconnectPolicy | None = None,
    ) -> None:
        self.id = room_id
        self.name = name
        self.attributes = attributes or {}
        self.user_id = ""
        self.members: dict[str, Json] = {}
        """The others, by user id. Empty while it is not in the room."""
        self.access: Access = "open"
        self.is_in = False
        self.epoch = ""
        self.offset = 0
        """Of the last event seen."""
        self._key = key
        self._new_id = new_id
        self._random = random
        self._policy: ReconnectPolicy = policy or FullJitter(base_s=1)
        self._pending: dict[str, _Pending] = {}
        self._join_ref: str | None = None
        self._has_joined = False
        """Right behind the hello that `welcomed` will answer."""
        self._is_reachable = True
        """Else what is asked for waits here: the session keeps only so much."""
        self._is_back = False
        """A roster now tells what was missed."""
        self._failure: str | None = None
        """Why it can't be in the room any more."""
        self._rejoin_at: float | None = None
        self._attempt = 0

    # What the owner wants.

    def say(self, data: Any, to: tuple[str, ...] | None = None) -> tuple[str, list[Output]]:
        """Say something to everybody, or to some. Returns its id and what follows."""
        message: Json = {"type": "message", "roomId": self.id, "data": data}
        if to is not None:
            message["to"] = to
        return self.request(lambda ref: {**message, "id": ref})

    def request(self, build: Build) -> tuple[str, list[Output]]:
        """Send a message that is answered, such as `message`, `update` or `set-access`, once the room is there.

        Returns what `Settled` will name it by, and what follows. `build` leaves `ref` out.
        """
        ref = self._new_id()
        if self._failure is not None:
            return ref, [Settled(ref, error=self._failure)]
        if len(self._pending) >= PENDING_MAX:
            return ref, [Settled(ref, error="too_many_pending")]
        self._pending[ref] = _Pending(build)
        return ref, self.flush()

    def flush(self) -> list[Output]:
        """Send what waits, in order, up to what can't be said yet to whom, and as far as the server remembers ids."""
        if not self.is_in or not self._is_reachable:
            return []
        outputs: list[Output] = []
        in_flight = sum(pending.is_sent and _is_message(pending.message) for pending in self._pending.values())
        for ref, pending in list(self._pending.items()):
            if pending.is_sent:
                continue
            if in_flight >= IN_FLIGHT_MAX:
                break
            try:
                message = pending.build(ref)
            except SheetbendError as error:
                del self._pending[ref]
                outputs.append(Settled(ref, None, error.code, error.sentence, error.retryable, error.retry_after_s))
                continue
            if message is None:
                break
            pending.message = {**message, "ref": ref}
            pending.is_sent = True
            in_flight += _is_message(message)
            outputs.append(Send(pending.message))
            if message["type"] == "mute" and "messages" not in message:
                outputs += self._settle(ref, self.offset)  # the server answers it only if it refuses
        return outputs

    def send(self, kind: str, **fields: Any) -> list[Output]:
        """Send another message about this room, such as an offer, that nobody waits for."""
        return [Send({"type": kind, "roomId": self.id, **fields})] if self.is_in else []

    # What comes from the session.

    def greeted(self) -> list[Output]:
        """A new session is being opened: join right behind hello."""
        self._has_joined = True
        self.is_in = False
        self.members = {}
        return self._join()

    def lost(self) -> None:
        """The connection broke; another will be tried."""
        self._is_reachable = False

    def welcomed(self, welcome: Json, recovered: bool | None) -> list[Output]:
        self.user_id = welcome["userId"]
        self._is_reachable = True
        if recovered:
            return self.flush()
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
            case "user-joined" if self._is_news(message):
                return self._seen(message["member"])
            case "user-updated" if self._is_news(message):
                return [*self._changed(message["member"]), *self._answered(message)]
            case "user-left" if self._is_news(message):
                return [*self._gone(message["userId"], message["reason"]), *self._answered(message)]
            case "room-updated" if self._is_news(message):
                self.access = message["access"]
                return [AccessSeen(self.access), *self._answered(message)]
            case "message" if self._is_news(message):
                heard: list[Output] = [_heard(message, is_historic=False)]
                if message["sender"] == self.user_id:  # as good as `accepted`, which may be lost with the session
                    heard += self._settle(message.get("id"), message["offset"])
                return heard
            case "accepted":
                return [*self._settle(message.get("id"), message["offset"]), *self.flush()]
            case "error":
                return self._refused(message, now)
            case "waiting":
                return [Waiting()]
            case "knock":
                return [Knocked(message["member"])]
            case "knock-ended":
                return [KnockEnded(message["userId"]), *self._answered(message)]
            case "mute-requested":
                return [MuteAsked(message["sender"], message["media"])]
            case "offer" | "answer" | "ice-candidate":
                return [Signalled(message)]
            case "ice-servers":
                return [IceServersNamed(message["iceServers"])]
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
        if self.attributes:
            join["attributes"] = self.attributes
        if self._key is not None:
            join["key"] = self._key
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
        you = roster.get("you", {})
        self._know_self(you)
        waiting = roster.get("waiting", [])
        outputs: list[Output] = [Entered(self.members, you, self.access, waiting, roster["complete"])]
        is_back, self._is_back = self._is_back, False
        if is_back:
            outputs.append(Gap(roster["complete"]))
        outputs += (_heard(entry, is_historic=True) for entry in missed)
        if is_back:
            outputs += self._reconcile(roster)
        return [*outputs, *self.flush()]

    def _reconcile(self, roster: Json) -> list[Output]:
        """Find out what became of the messages that the last session was not told of."""
        accepted = {entry.get("id"): entry["offset"] for entry in roster["history"]}
        outputs: list[Output] = []
        sent = [(message_id, pending) for message_id, pending in self._pending.items() if pending.is_sent]
        last = max((place for place, (message_id, _) in enumerate(sent) if message_id in accepted), default=-1)
        for place, (message_id, pending) in enumerate(sent):
            if message_id in accepted:
                outputs += self._settle(message_id, accepted[message_id])
            elif not _is_message(pending.message):
                pending.is_sent = False  # it does no harm to do it twice
            elif place > last and roster["complete"] and "to" not in pending.message:
                pending.is_sent = False  # it never arrived: the old session is over, so it never will
            else:  # before one that was accepted stands only what was refused: it must not come after it now
                outputs.append(self._unknown(message_id))
        return outputs

    def _unknown(self, ref: str) -> Settled:
        del self._pending[ref]
        return Settled(ref, error="delivery_unknown")

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

    def _changed(self, member: Json) -> list[Output]:
        if member["userId"] == self.user_id:
            self._know_self(member)
            return [SelfSeen(member)]
        self.members[member["userId"]] = member
        return [MemberChanged(member)]

    def _know_self(self, member: Json) -> None:
        """What it is called now, by its own wish or its token's, it is to be called after another `join` too."""
        self.name = member.get("name", self.name)
        self.attributes = member.get("attributes", self.attributes)

    def _answered(self, event: Json) -> list[Output]:
        """An event came that a request may have caused."""
        return [*self._settle(event.get("ref"), event.get("offset", self.offset)), *self.flush()]

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
        if ref is None or self._pending.pop(ref, None) is None:
            return [Refused(error)]
        return [Settled(ref, None, *_why(error)), *self.flush()]

    def _not_let_in(self, error: Json, now: float) -> list[Output]:
        if self.epoch and error.get("retryable") and error["code"] != _SHUT:
            delay_s = self._policy.next_delay_s(self._attempt, self._random())
            if delay_s is not None:
                self._attempt += 1
                self._rejoin_at = now + max(delay_s, error.get("retryAfterS", 0.0))
                return []
        return [Failed(*_why(error)), *self._fail(error["code"])]

    def _settle(self, ref: str | None, offset: int) -> list[Output]:
        if ref is None or self._pending.pop(ref, None) is None:
            return []
        return [Settled(ref, offset)]

    def _fail(self, error: str) -> list[Output]:
        self._failure = error
        self.is_in = False
        self.members = {}
        is_known = error != "closed" and not self._is_back  # the server would have said so, had it accepted any
        settled = [
            Settled(ref, error=error if is_known or not pending.is_sent else "delivery_unknown")
            for ref, pending in self._pending.items()
        ]
        self._pending.clear()
        return list(settled)


def _is_message(message: Json) -> bool:
    return message.get("type") == "message"


def _why(error: Json) -> tuple[str, str, bool, float | None]:
    return error["code"], error["message"], error.get("retryable", False), error.get("retryAfterS")


def _heard(message: Json, *, is_historic: bool) -> Heard:
    return Heard(
        message["sender"],
        message["offset"],
        message["data"],
        message.get("id"),
        is_historic,
        message["time"],
        message.get("name", ""),
        message.get("to"),
    )
