"""Planted bugs: each takes one rule of the protocol away, and the simulator must notice.

They are put in from outside, so that nothing of them is in the product.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from sheetbend.core.client import session as client_session
from sheetbend.core.client.room import ClientRoom
from sheetbend.core.client.session import ClientSession
from sheetbend.core.dialects import V1Dialect
from sheetbend.core.grants import EVERYTHING, Grants
from sheetbend.core.history import History, Remembered
from sheetbend.core.liveness import Liveness, Verdict
from sheetbend.core.messages import Ack
from sheetbend.core.room import Room
from sheetbend.core.session import Session
from sheetbend.core.stream import Stream
from sheetbend.server.greeter import Greeter
from sheetbend.server.hub import Hub

from .server import SimulatedServer

__all__ = ["MUTANTS"]

Original = Callable[..., Any]


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass


def _welcome_with(change: Callable[[int], int]) -> Callable[[Original], Original]:
    """The count in a welcome that resumes is another."""

    def plant(original: Original) -> Original:
        parameters = signature(original)

        def encode_welcome(*args: Any) -> Any:
            call = parameters.bind(*args)
            received = call.arguments["received"]
            call.arguments["received"] = None if received is None else change(received)
            return original(*call.args)

        return encode_welcome

    return plant


def _replay_skips_the_first(original: Original) -> Original:
    def replay(self: Stream, received: int) -> Any:
        kept = original(self, received)
        return kept and kept[1:]

    return replay


def _replay_ignores_the_count(original: Original) -> Original:
    def replay(self: Stream, received: int) -> Any:
        kept = tuple(self._kept)
        return None if original(self, received) is None else kept

    return replay


def _replay_is_reversed(original: Original) -> Original:
    def replay(self: Stream, received: int) -> Any:
        kept = original(self, received)
        return kept and kept[::-1]

    return replay


def _replay_hides_a_gap(original: Original) -> Original:
    def replay(self: Stream, received: int) -> Any:
        return tuple(self._kept) if (kept := original(self, received)) is None else kept

    return replay


def _away_sessions_get_nothing(original: Original) -> Original:
    def keep(self: Hub, user_ids: Any, encode: Any, without: Any = None) -> None:
        here = [user_id for user_id in user_ids if (c := self.clients.get(user_id)) and c.outbox is not None]
        original(self, here, encode, without)

    return keep


def _acks_are_counted(original: Original) -> Original:
    def receive(self: Session, message: Any, ref: Any = None) -> Any:
        effects = original(self, message, ref)
        self.stream.received += type(message) is Ack
        return effects

    return receive


def _old_resume_tokens_stay_good(original: Original) -> Original:
    def resume(self: Session, token: str) -> None:
        self._tokens = (*self._tokens, token)

    return resume


def _previous_token_stays_good(original: Original) -> Original:
    def receive(self: Session, message: Any, ref: Any = None) -> Any:
        tokens = self._tokens
        effects = original(self, message, ref)
        self._tokens = tokens
        return effects

    return receive


def _disconnected_is_gone(original: Original) -> Original:
    def disconnect(self: Hub, client: Any, outbox: Any) -> None:
        original(self, client, outbox)
        if client.outbox is None and client.session.user_id in self.clients:
            self.end_session(client, "disconnect")

    return disconnect


def _old_connection_stays(original: Original) -> Original:
    def move(self: Hub, client: Any, newcomer: Any) -> None:
        client.outbox = None
        original(self, client, newcomer)

    return move


def _grace_never_ends(original: Original) -> Original:
    def expire(self: Hub, now: float) -> None:
        self._greeter.expire(now)
        self._broker.expire(now)

    return expire


def _departure_is_not_told(original: Original) -> Original:
    def left(self: Hub, room: Any, event: Any) -> None:
        if event.reason != "disconnect":
            original(self, room, event)

    return left


def _history_starts_one_late(original: Original) -> Original:
    def since(self: History, seen: Any, epoch: str) -> Any:
        entries, complete = original(self, seen, epoch)
        return (entries[1:] if seen else entries), complete

    return since


def _history_has_no_bound(original: Original) -> Original:
    def remember(self: History, said: Any, name: str, now: float) -> None:
        entry = Remembered(said, name, now)
        self._entries.append(entry)
        self._bytes += entry.size

    return remember


def _history_claims_to_be_complete(original: Original) -> Original:
    return lambda self, seen, epoch: (original(self, seen, epoch)[0], True)


def _offsets_repeat(original: Original) -> Original:
    def say(self: Room, *args: Any) -> Any:
        outcome = original(self, *args)
        if outcome[0] is not None and outcome[0].offset % 20 == 0:
            self.offset -= 1
        return outcome

    return say


def _private_messages_go_to_all(original: Original) -> Original:
    def happened(self: Hub, room: Any, event: Any) -> None:
        if getattr(event, "to", None) is not None:
            self._deliver(room.members, lambda d: d.encode_event(event))
        else:
            original(self, room, event)

    return happened


def _muted_are_heard(original: Original) -> Original:
    def say(self: Room, sender: str, *args: Any) -> Any:
        member = self.members.get(sender)
        if member is None or not member.muted:
            return original(self, sender, *args)
        self.members[sender] = type(member)(member.user_id, member.dialect, member.name, member.attributes, member.can)
        try:
            return original(self, sender, *args)
        finally:
            self.members[sender] = member

    return say


def _access_is_ignored(original: Original) -> Original:
    return lambda self, member, entry: (
        original(self, member, entry)
        if self.access == "open" or member.user_id in self.members or self._bans
        else self._let_in(member, entry)
    )


def _banned_may_return(original: Original) -> Original:
    def enter(self: Room, member: Any, entry: Any) -> Any:
        self._bans.clear()
        return original(self, member, entry)

    return enter


def _rooms_stay_shut(original: Original) -> Original:
    def elect(self: Room) -> Any:
        return [] if all(member.dialect == "lesson" for member in self.members.values()) else original(self)

    return elect


def _rights_are_ignored(original: Original) -> Original:
    def authorize(self: Session, grants: Grants) -> Any:
        return original(self, Grants(EVERYTHING, grants.rooms, grants.subject, grants.name, grants.expires_at))

    return authorize


def _forged_sender(original: Original) -> Original:
    def say(self: Room, sender: str, *args: Any) -> Any:
        return original(self, next(iter(self.members), sender), *args)

    return say


def _signals_go_twice(original: Original) -> Original:
    def forwarded(self: Hub, target: str, forwarded: Any) -> None:
        original(self, target, forwarded)
        client = self.clients.get(target)
        if client is not None and client.session.stream.sent % 7 == 0:
            original(self, target, forwarded)

    return forwarded


def _server_is_patient(original: Original) -> Original:
    return lambda self, elapsed_s, heard: (
        Verdict.QUIET if original(self, elapsed_s, heard=heard) is Verdict.DEAD else Verdict.ALIVE
    )


def _client_is_patient(original: Original) -> Original:
    def expire(self: ClientSession, now: float) -> Any:
        self._dead_at = None
        return original(self, now)

    return expire


def _epochs_repeat(original: Original) -> Original:
    def start(self: SimulatedServer) -> None:
        original(self)
        self.broker._new_epoch = lambda: "epoch"

    return start


def _client_sends_again_blindly(original: Original) -> Original:
    def reconcile(self: ClientRoom, roster: Any) -> Any:
        for pending in self._pending.values():
            pending.is_sent = False
        return []

    return reconcile


def _client_ignores_lost_sessions(original: Original) -> Original:
    def welcomed(self: ClientRoom, welcome: Any, recovered: Any) -> Any:
        outputs = original(self, welcome, recovered)
        self._is_back = False
        return outputs

    return welcomed


def _without_accepted(original: Any) -> Any:
    return original | {"accepted"}


def _client_forgets_what_it_sent(original: Original) -> Original:
    def go_on(self: ClientSession, welcome: Any, now: float) -> Any:
        return original(self, welcome, now)[:2]

    return go_on


def _everything_fits(original: Original) -> Original:
    return lambda self, client, text: True


MUTANTS: dict[str, tuple[Any, str, Callable[[Original], Original]]] = {
    "acks_are_counted": (Session, "receive", _acks_are_counted),
    "access_is_ignored": (Room, "enter", _access_is_ignored),
    "any_resume_token_is_good": (Session, "is_resumed_by", lambda original: lambda self, token: True),
    "away_sessions_get_nothing": (Hub, "_deliver", _away_sessions_get_nothing),
    "banned_may_return": (Room, "enter", _banned_may_return),
    "client_counts_one_less": (client_session, "UNCOUNTED", _without_accepted),
    "client_forgets_what_it_sent": (ClientSession, "_go_on", _client_forgets_what_it_sent),
    "client_ignores_lost_sessions": (ClientRoom, "welcomed", _client_ignores_lost_sessions),
    "client_is_patient": (ClientSession, "expire", _client_is_patient),
    "client_sends_again_blindly": (ClientRoom, "_reconcile", _client_sends_again_blindly),
    "departure_is_not_told": (Hub, "_left", _departure_is_not_told),
    "disconnected_is_gone": (Hub, "disconnect", _disconnected_is_gone),
    "epochs_repeat": (SimulatedServer, "start", _epochs_repeat),
    "everything_fits_the_rate": (Hub, "_may_pass", _everything_fits),
    "expired_sessions_stay": (Greeter, "expire", lambda original: _nothing),
    "forged_sender": (Room, "say", _forged_sender),
    "grace_never_ends": (Hub, "expire", _grace_never_ends),
    "history_claims_to_be_complete": (History, "since", _history_claims_to_be_complete),
    "history_starts_one_late": (History, "since", _history_starts_one_late),
    "history_has_no_bound": (History, "remember", _history_has_no_bound),
    "message_ids_are_forgotten": (Room, "_note_id", lambda original: _nothing),
    "muted_are_heard": (Room, "say", _muted_are_heard),
    "nobody_is_elected": (Room, "_elect", lambda original: lambda self: []),
    "offsets_repeat": (Room, "say", _offsets_repeat),
    "one_session_of_many_is_moderated": (Room, "_alike", lambda original: lambda self, target, members: [target]),
    "old_connection_stays": (Hub, "move", _old_connection_stays),
    "old_resume_tokens_stay_good": (Session, "resume", _old_resume_tokens_stay_good),
    "previous_resume_token_stays_good": (Session, "receive", _previous_token_stays_good),
    "private_messages_go_to_all": (Hub, "happened", _private_messages_go_to_all),
    "replay_hides_a_gap": (Stream, "replay", _replay_hides_a_gap),
    "replay_ignores_the_count": (Stream, "replay", _replay_ignores_the_count),
    "replay_is_reversed": (Stream, "replay", _replay_is_reversed),
    "replay_skips_the_first": (Stream, "replay", _replay_skips_the_first),
    "rights_are_ignored": (Session, "authorize", _rights_are_ignored),
    "rooms_stay_shut": (Room, "_elect", _rooms_stay_shut),
    "server_counts_one_less": (V1Dialect, "encode_welcome", _welcome_with(lambda received: max(received - 1, 0))),
    "server_counts_one_more": (V1Dialect, "encode_welcome", _welcome_with(lambda received: received + 1)),
    "server_is_patient": (Liveness, "tick", _server_is_patient),
    "signals_go_twice": (Hub, "forwarded", _signals_go_twice),
    "token_for_any_room": (Grants, "admits_to", lambda original: lambda self, room_id: True),
}
"""Where each is put in."""
