"""Planted bugs of links, put in from outside; the simulator must notice each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from sheetbend.core.link import link as link_module
from sheetbend.core.link import path as path_module
from sheetbend.core.link.frames import Ack, RecordKind
from sheetbend.core.link.link import Link
from sheetbend.core.link.outgoing import BODY_BYTES_MAX, Outgoing
from sheetbend.core.link.path import Path

__all__ = ["MUTANTS"]

Original = Callable[..., Any]


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass


def _delivers_twice(original: Original) -> Original:
    def receive_record(self: Link, path: Path, record: Any, size: int, now: float) -> None:
        if record.sequence <= self._received:
            self._deliver(record)
            self._received += 0
        original(self, path, record, size, now)

    return receive_record


def _delivers_out_of_order(original: Original) -> Original:
    def keep_early(self: Link, path: Path, record: Any, now: float) -> None:
        original(self, path, record, now)
        if len(self._early) > 3:
            self._received = min(self._early) - 1

    return keep_early


def _acknowledges_one_more(original: Original) -> Original:
    def encode_ack(echo: int, delay_ms: int, cumulative: int, early: Any = ()) -> bytes:
        return bytes(original(echo, delay_ms, cumulative + (1 if early else 0), ()))

    return encode_ack


def _early_records_are_told_wrongly(original: Original) -> Original:
    return lambda self: [(first - (first > self._received + 2), last) for first, last in original(self)]


def _trusts_the_echo_for_all(original: Original) -> Original:
    def receive_ack(self: Link, path: Path, ack: Ack, now: float) -> None:
        original(self, path, replace(ack, cumulative=max(ack.cumulative, *(last for _, last in ack.early), 0)), now)

    return receive_ack


def _waits_for_ever(original: Original) -> Original:
    def fell_quiet(self: Path, now: float) -> None:
        original(self, now)
        self.is_quiet = False

    return fell_quiet


def _forgets_the_last_of_a_message(original: Original) -> Original:
    def next_of_message(self: Outgoing, size_max: int) -> Any:
        record, is_last, nothing = original(self, size_max)
        return (record[:-1] if is_last and len(record) > 2000 else record), is_last, nothing

    return next_of_message


def _ignores_credit(original: Original) -> Original:
    def open_half(self: Outgoing, stream: int, allowed: int) -> None:
        original(self, stream, 1 << 40)

    return open_half


def _end_overtakes(original: Original) -> Original:
    def finish(self: Outgoing, stream: int) -> None:
        self.put(RecordKind.STREAM_END, stream)
        original(self, stream)

    return finish


def _credit_is_forgotten(original: Original) -> Original:
    return lambda self, stream, allowed: None


def _message_numbers_begin_at_zero(original: Original) -> Original:
    def next_new(self: Link, path: Path) -> Any:
        entry = original(self, path)
        if entry is not None and entry.message is not None:
            entry.message += 1
        return entry

    return next_new


def _window_has_no_end(original: Original) -> Original:
    return {"relay": 1 << 40, "direct": 1 << 40}  # type: ignore[return-value]


def _numbers_start_again(original: Original) -> Original:
    def up(self: Path) -> None:
        original(self)
        self.sent = 0

    return up


def _direct_for_ever(original: Original) -> Original:
    def best(self: Link, now: float) -> Any:
        return self.direct if self.direct.is_up else original(self, now)

    return best


def _never_direct_again(original: Original) -> Original:
    return lambda self, now: self.relay if self.relay.is_up else original(self, now)


def _late_lossy_is_delivered(original: Original) -> Original:
    def receive_lossy(self: Link, lossy: Any) -> None:
        self._lossy_received = 0
        original(self, lossy)

    return receive_lossy


def _streams_mix(original: Original) -> Original:
    def write(self: Outgoing, stream: int, data: bytes) -> Any:
        chunks = self._writing[stream].chunks
        answer = original(self, stream, data)
        if len(chunks) > 1:
            chunks.rotate(1)
        return answer

    return write


MUTANTS: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "acks_are_forgotten": (Link, "_acknowledge_if_due", lambda original: _nothing),
    "acknowledges_one_more": (link_module, "encode_ack", _acknowledges_one_more),
    "credit_is_forgotten": (Outgoing, "allow", _credit_is_forgotten),
    "delivers_out_of_order": (Link, "_keep_early", _delivers_out_of_order),
    "delivers_twice": (Link, "_receive_record", _delivers_twice),
    "direct_for_ever": (Link, "_best", _direct_for_ever),
    "early_records_are_dropped_silently": (Link, "_deliver_early", lambda original: _nothing),
    "early_records_are_told_wrongly": (Link, "_find_runs", _early_records_are_told_wrongly),
    "echo_is_taken_for_all": (Link, "_receive_ack", _trusts_the_echo_for_all),
    "end_overtakes": (Outgoing, "finish", _end_overtakes),
    "forgets_the_last_of_a_message": (Outgoing, "_next_of_message", _forgets_the_last_of_a_message),
    "ignores_credit": (Outgoing, "open", _ignores_credit),
    "large_on_any_path": (Outgoing, "next", lambda original: lambda self, size_max: original(self, BODY_BYTES_MAX)),
    "late_lossy_is_delivered": (Link, "_receive_lossy", _late_lossy_is_delivered),
    "lost_is_never_sent_again": (Link, "_find_lost", lambda original: lambda self, ack: []),
    "message_numbers_begin_at_two": (Link, "_next_new", _message_numbers_begin_at_zero),
    "never_direct_again": (Link, "_best", _never_direct_again),
    "nothing_is_given_up": (Link, "_give_up_on", lambda original: _nothing),
    "numbers_start_again": (Path, "up", _numbers_start_again),
    "quiet_paths_are_not_asked": (Path, "pinged", lambda original: lambda self, now: setattr(self, "ping_at", None)),
    "quiet_paths_are_trusted": (Path, "fell_quiet", _waits_for_ever),
    "reset_is_not_told": (
        link_module,
        "_STREAM_HANDLERS",
        lambda original: {**original, RecordKind.STREAM_RESET: _nothing},
    ),
    "streams_mix": (Outgoing, "write", _streams_mix),
    "very_patient": (path_module, "QUIET_MIN_S", lambda original: 30.0),
    "window_has_no_end": (link_module, "WINDOW_BYTES", _window_has_no_end),
}
"""Where each is put in."""
