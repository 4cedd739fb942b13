"""A link: the conversation of two members, above any path.

What is sent reliably arrives once and in order, whatever the paths do; what is sent lossily at most once and never
late. Records have one sequence. Each goes over the path that is in use then; where a path falls quiet or goes down,
what it hasn't delivered goes over the other, and where an answer shows that a record was lost on its way it is sent
again. The receiver puts things in order and drops what comes twice.

    relay ──(direct answers, and has for long enough)──> direct
    direct ──(quiet for a few round trips, or down)────> relay

Both members hold one, alike but for `is_first`. Leaves to others: transports (`Transmit`), sealing, what is said.
Every verb returns effects, and the caller owes each of them, in order; `next_deadline` says when to call `tick`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from ...errors import LinkError
from .effects import (
    Broken,
    Delivered,
    LinkEffect,
    MessageAcknowledged,
    PathChanged,
    PathName,
    StreamData,
    StreamDrained,
    StreamEnded,
    StreamOpened,
    StreamReset,
    StreamStopped,
    Transmit,
)
from .frames import (
    RUNS_MAX,
    Ack,
    Lossy,
    Ping,
    Record,
    RecordKind,
    decode_frame,
    encode_ack,
    encode_lossy,
    encode_ping,
    encode_record,
    read_varint,
)
from .outgoing import BODY_BYTES, BODY_BYTES_MAX, MESSAGE_OVERHEAD_BYTES, Outgoing
from .path import Path

__all__ = [
    "LOSSY_BYTES_MAX",
    "MESSAGE_BYTES_MAX",
    "PENDING_BYTES_MAX",
    "STREAMS_MAX",
    "STREAM_CREDIT_BYTES",
    "STREAM_CREDIT_BYTES_MAX",
    "WINDOW_BYTES",
    "WINDOW_RECORDS",
    "Link",
]

MESSAGE_BYTES_MAX = 1 << 20
"""Of a reliable message; longer things are streams."""
LOSSY_BYTES_MAX = BODY_BYTES
PENDING_BYTES_MAX = 1 << 23
"""Of messages that wait to be sent."""
WINDOW_BYTES: dict[PathName, int] = {"relay": 1 << 18, "direct": 1 << 20}
"""What may be on its way on a path. A server holds more than a link's window, so that a slow reader costs no loss."""
WINDOW_RECORDS = 4096
"""How far ahead of the oldest unacknowledged record one may be: bounds what a receiver has to put in order."""
STREAM_CREDIT_BYTES = 1 << 18
"""Of a stream, what its reader takes unread at first."""
STREAM_CREDIT_BYTES_MAX = 1 << 20
"""And what it comes to take where it keeps up: else the writer would wait for it a round trip at a time."""
STREAMS_MAX = 128
"""That the other side may have open."""
FRAME_BYTES_MAX = BODY_BYTES_MAX + 64
"""Of whole frames that come in."""
LABEL_BYTES_MAX = 1024
REASONS = range(1 << 30)
LOSSES_MAX = 100
"""How often one record may get lost: who claims more makes us send for nothing."""
REFUSALS_MAX = 1024
"""Of streams, that wait to be told."""
UNACKNOWLEDGED_BYTES_MAX = 1 << 21
"""Of records, on their way or behind one that got lost."""
EARLY_BYTES_MAX = UNACKNOWLEDGED_BYTES_MAX + BODY_BYTES_MAX
"""Of records behind a gap; what is more is dropped, and comes again."""
ACKS_A_WINDOW = 4
"""Behind such a part of what may be on its way an acknowledgement doesn't wait."""
IDLE_PING_S = 2.0
"""A direct path in use is asked so often when nothing else is sent."""

Effects = list[LinkEffect]


class _Entry:
    """A record on its way."""

    __slots__ = ("is_acknowledged", "is_lost", "losses", "message", "number", "path", "record", "sequence")

    def __init__(self, sequence: int, record: bytes, message: int | None) -> None:
        self.sequence = sequence
        self.record = record
        self.message = message
        """Which message it ends."""
        self.path: Path
        self.number = 0
        self.is_lost = False
        self.losses = 0
        self.is_acknowledged = False


class _Reading(Struct, gc=False):
    """The receiving half of a stream."""

    received: int = 0
    consumed: int = 0
    allowed: int = STREAM_CREDIT_BYTES
    credit: int = STREAM_CREDIT_BYTES


class Link:
    """One end of a link. `is_first` is true for one of the two: its streams have odd numbers, the other's even ones."""

    def __init__(self, *, is_first: bool) -> None:
        self.relay = Path("relay")
        self.direct = Path("direct")
        self._paths: dict[PathName, Path] = {"relay": self.relay, "direct": self.direct}
        self._active: Path | None = None
        self._effects: Effects = []
        self._is_broken = False

        self._outgoing = Outgoing()
        self._sequence = 0
        """Of the last record that was sent."""
        self._unacknowledged: deque[_Entry] = deque()
        self._unacknowledged_bytes = 0
        self._lost: deque[_Entry] = deque()
        """To be sent again, in order."""
        self._messages_sent = 0
        """Those whose last record was."""
        self._lossy_sent = 0
        self._sent_at = 0.0
        """When a numbered frame went over the path in use."""

        self._received = 0
        """All records up to this one are here."""
        self._early: dict[int, Record] = {}
        """Those behind a gap."""
        self._early_bytes = 0
        self._runs: list[tuple[int, int]] | None = []
        """Of the early ones; None if they have changed."""
        self._lossy_received = 0
        self._message = bytearray()
        """The message that isn't complete."""
        self._is_text = False

        self._next_stream = 1 if is_first else 2
        self._last_peer_stream = 0 if is_first else -1
        self._reading: dict[int, _Reading] = {}

    # What it is asked.

    @property
    def path(self) -> PathName | None:
        """Where what is sent goes now."""
        return None if self._active is None else self._active.name

    @property
    def pending_bytes(self) -> int:
        """Of messages that wait to be sent."""
        return self._outgoing.messages_bytes

    @property
    def is_delivered(self) -> bool:
        """Whether the other side has all that was sent reliably."""
        return not self._unacknowledged and self._outgoing.is_empty

    def next_deadline(self) -> float | None:
        """When `tick` has something to do."""
        if self._is_broken:
            return None
        deadlines = []
        for path in self._paths.values():
            if path.is_up:
                due = (path.quiet_at, path.ack_due, path.ping_at) if path.is_ready else (path.quiet_at,)
                deadlines += [at for at in due if at is not None]
        if self._active is not None:
            if self._active is self.direct and not self.direct.is_quiet:
                if self.direct.is_ready:
                    deadlines.append(self._sent_at + IDLE_PING_S)
            elif self._answers(self.direct):
                deadlines.append(self.direct.good_since + self.direct.hold_s)
        return min(deadlines, default=None)

    # What happens to it.

    def path_up(self, name: PathName, now: float) -> Effects:
        """A path has a transport now, or another one than before. What was on its way on the old one may be lost."""
        path = self._paths[name]
        if path.is_up:
            path.down(now)
        path.up()
        self._give_up_on(path)
        self._ping(path, now)
        return self._go_on(now)

    def path_down(self, name: PathName, now: float) -> Effects:
        """A path has no transport any more."""
        path = self._paths[name]
        if path.is_up:
            path.down(now)
            self._give_up_on(path)
        return self._go_on(now)

    def path_ready(self, name: PathName, is_ready: bool, now: float) -> Effects:
        """The transport of a path takes more, or had better be given no more for now."""
        self._paths[name].is_ready = is_ready
        return self._go_on(now)

    def receive(self, name: PathName, frame: bytes, now: float) -> Effects:
        """A frame came in."""
        if self._is_broken:
            return []
        if len(frame) > FRAME_BYTES_MAX:
            return self._break("invalid_frame")
        path = self._paths[name]
        try:
            message = decode_frame(frame)
            match message:
                case Record():
                    self._receive_record(path, message, len(frame), now)
                case Ack():
                    self._receive_ack(path, message, now)
                case Lossy():
                    self._receive_lossy(message)
                case Ping():
                    path.arrived(message.number, 0, now)
                    path.ack_due = now
        except LinkError as error:
            return self._break(error.code)
        path.lives()
        return self._go_on(now)

    def tick(self, now: float) -> Effects:
        """Time has passed."""
        for path in self._paths.values():
            if path.is_up and path.quiet_at is not None and now >= path.quiet_at:
                path.fell_quiet(now)
                self._give_up_on(path)
        direct = self.direct
        if self._active is direct and direct.is_ready and not direct.is_quiet and now >= self._sent_at + IDLE_PING_S:
            self._ping(direct, now)
        return self._go_on(now)

    # What the application wants.

    def send(self, data: bytes, is_text: bool, now: float) -> Effects:
        """Send a reliable message. Raises LinkError `message_too_big`, `too_many_pending`, `link_broken`."""
        if self._is_broken:
            raise LinkError("link_broken", "The other side broke the protocol.")
        if len(data) > MESSAGE_BYTES_MAX:
            raise LinkError("message_too_big", f"A message has up to {MESSAGE_BYTES_MAX} bytes: use a stream.")
        if self._outgoing.messages_bytes + len(data) + MESSAGE_OVERHEAD_BYTES > PENDING_BYTES_MAX:
            raise LinkError("too_many_pending", f"{PENDING_BYTES_MAX} bytes of messages wait already.")
        self._outgoing.put_message(data, is_text)
        return self._go_on(now)

    def send_lossy(self, data: bytes, is_text: bool, now: float) -> Effects:
        """Send a message once, if there is a path that takes it now. Raises LinkError `message_too_big`."""
        if len(data) > LOSSY_BYTES_MAX:
            raise LinkError("message_too_big", f"A message that may be lost has up to {LOSSY_BYTES_MAX} bytes.")
        path = self._active
        if path is not None and path.is_ready and not self._is_broken:
            self._lossy_sent += 1
            self._effects.append(Transmit(path.name, encode_lossy(self._lossy_sent, is_text, data), lossy=True))
        return self._go_on(now)

    def open_stream(self, label: str, now: float) -> tuple[int, Effects]:
        """Open a stream, which both sides can write to. Raises LinkError `invalid_label`, `too_many_streams`."""
        encoded = label.encode(errors="replace")
        if len(encoded) > LABEL_BYTES_MAX:
            raise LinkError("invalid_label", f"A label has up to {LABEL_BYTES_MAX} bytes.")
        if self._count_streams(self._next_stream) >= STREAMS_MAX:
            raise LinkError("too_many_streams", f"{STREAMS_MAX} streams are open.")
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        self._reading[stream] = _Reading()
        self._outgoing.put(RecordKind.STREAM_OPEN, stream, label=encoded)
        self._outgoing.open(stream, STREAM_CREDIT_BYTES)
        return stream, self._go_on(now)

    def write(self, stream: int, data: bytes, now: float) -> tuple[bool, Effects]:
        """Write to a stream. Returns whether there is place for more; if not, `StreamDrained` will say so. What is
        written to a stream that is finished, reset or stopped goes nowhere."""
        has_place = True
        if data and not self._is_broken and self._outgoing.is_writable(stream):
            has_place = self._outgoing.write(stream, data)
        return has_place, self._go_on(now)

    def finish(self, stream: int, now: float) -> Effects:
        """Say that all is written."""
        if self._outgoing.is_writable(stream):
            self._outgoing.finish(stream)
        return self._go_on(now)

    def reset(self, stream: int, reason: int, now: float) -> Effects:
        """Give up writing; what waits isn't sent. `reason` is below 2^30. Raises LinkError `invalid_reason`."""
        _require_reason(reason)
        if self._outgoing.drop(stream):
            self._outgoing.put(RecordKind.STREAM_RESET, stream, reason)
        return self._go_on(now)

    def stop(self, stream: int, reason: int, now: float) -> Effects:
        """Want no more of a stream; what still comes is dropped. Raises LinkError `invalid_reason`."""
        _require_reason(reason)
        if self._reading.pop(stream, None) is not None:
            self._outgoing.put(RecordKind.STREAM_STOP, stream, reason)
        return self._go_on(now)

    def consume(self, stream: int, size: int, now: float) -> Effects:
        """`size` more bytes of a stream were used, so that the other side may send as many more."""
        reading = self._reading.get(stream)
        if reading is None:
            return []
        reading.consumed += size
        if reading.allowed - reading.consumed > reading.credit // 2:
            return []
        if reading.consumed == reading.received:
            reading.credit = min(2 * reading.credit, STREAM_CREDIT_BYTES_MAX)
        reading.allowed = reading.consumed + reading.credit
        self._outgoing.put(RecordKind.STREAM_CREDIT, stream, reading.allowed)
        return self._go_on(now)

    # Sending.

    def _go_on(self, now: float) -> Effects:
        """Choose the path, send what can be sent, and hand over the effects."""
        if self._is_broken:
            self._effects.clear()
            return []
        self._choose(now)
        self._flush(now)
        for path in self._paths.values():
            if path.is_up and path.is_ready:
                if path.ping_at is not None and now >= path.ping_at:
                    self._ping(path, now)
                    path.pinged(now)
                if path.ack_due is not None:
                    self._acknowledge_if_due(path, path.ack_due, now)
        effects, self._effects = self._effects, []
        return effects

    def _choose(self, now: float) -> None:
        """Take the direct path if it answers and is to be trusted, else the relay; of two that don't answer, the one
        in use."""
        best = self._best(now)
        if best is self._active:
            return
        self._active = best
        self._sent_at = now
        self._effects.append(PathChanged(self.path))
        if best is not None:
            for path in self._paths.values():
                if path is not best and (path.is_quiet or not path.is_up):
                    self._give_up_on(path)

    def _best(self, now: float) -> Path | None:
        relay, direct = self.relay, self.direct
        if self._answers(relay):
            is_held = now < direct.good_since + direct.hold_s
            return direct if self._answers(direct) and not is_held else relay
        if self._answers(direct):
            return direct
        if self._active is not None and self._active.is_up:
            return self._active
        return relay if relay.is_up else direct if direct.is_up else None

    def _answers(self, path: Path) -> bool:
        """Whether it may be used. The relay is believed in before it has answered."""
        return path.is_up and not path.is_quiet and (path.is_proven or path is self.relay)

    def _give_up_on(self, path: Path) -> None:
        """What is on its way on `path` goes over another, if there is one that answers (or a fresh one of its own)."""
        other = self.relay if path is self.direct else self.direct
        if path.is_up and path.is_quiet and not self._answers(other):
            return
        self._lose([each for each in self._unacknowledged if each.path is path and not each.is_lost])

    def _lose(self, entries: list[_Entry]) -> None:
        """Send these again, before anything newer."""
        for entry in entries:
            entry.is_lost = True
        if entries:
            self._lost = deque(sorted([*self._lost, *entries], key=lambda entry: entry.sequence))

    def _flush(self, now: float) -> None:
        path = self._active
        if path is None or not path.is_up:
            return
        window = WINDOW_BYTES[path.name]
        while path.is_ready and path.in_flight < window:
            entry = self._next_lost() or self._next_new(path)
            if entry is None:
                return
            entry.path, entry.is_lost = path, False
            entry.number = path.next_number(now, len(entry.record))
            self._sent_at = now
            self._effects.append(Transmit(path.name, encode_record(entry.number, entry.sequence, entry.record)))

    def _next_lost(self) -> _Entry | None:
        while self._lost:
            entry = self._lost.popleft()
            if not entry.is_acknowledged:
                return entry
        return None

    def _next_new(self, path: Path) -> _Entry | None:
        if self._unacknowledged_bytes >= UNACKNOWLEDGED_BYTES_MAX or (
            self._unacknowledged and self._sequence - self._unacknowledged[0].sequence >= WINDOW_RECORDS - 1
        ):
            return None
        taken = self._outgoing.next(BODY_BYTES_MAX if path.is_fast else BODY_BYTES)
        if taken is None:
            return None
        record, ends_message, drained = taken
        if drained is not None:
            self._effects.append(StreamDrained(drained))
        self._sequence += 1
        if ends_message:
            self._messages_sent += 1
        entry = _Entry(self._sequence, record, self._messages_sent if ends_message else None)
        self._unacknowledged.append(entry)
        self._unacknowledged_bytes += len(record)
        return entry

    def _ping(self, path: Path, now: float) -> None:
        if path is self._active:
            self._sent_at = now
        self._effects.append(Transmit(path.name, encode_ping(path.next_number(now))))

    def _acknowledge_if_due(self, path: Path, due: float, now: float) -> None:
        if now < due and path.unanswered_bytes < WINDOW_BYTES[path.name] // ACKS_A_WINDOW:
            return
        delay_ms = int((now - path.received_at) * 1000)
        path.ack_due, path.unanswered_bytes = None, 0
        self._effects.append(
            Transmit(path.name, encode_ack(path.received, delay_ms, self._received, self._find_runs()))
        )

    # Receiving.

    def _receive_ack(self, path: Path, ack: Ack, now: float) -> None:
        if ack.echo > path.sent or ack.cumulative > self._sequence:
            raise LinkError("invalid_ack", "The other side acknowledged what was never sent.")
        is_later = ack.echo > path.echoed
        path.answered(ack.echo, ack.delay_ms / 1000, now)
        message = None
        while self._unacknowledged and self._unacknowledged[0].sequence <= ack.cumulative:
            entry = self._unacknowledged.popleft()
            entry.is_acknowledged = True
            self._unacknowledged_bytes -= len(entry.record)
            message = entry.message or message
        if message is not None:
            self._effects.append(MessageAcknowledged(message))
        if is_later:
            lost = self._find_lost(ack)
            for entry in lost:
                entry.losses += 1
                if entry.losses > LOSSES_MAX:
                    raise LinkError("too_many_losses", "The other side loses whatever it is sent.")
            self._lose(lost)

    def _find_lost(self, ack: Ack) -> list[_Entry]:
        """What went over a path before a frame that is answered, and isn't there, is lost: a path keeps its order."""
        lost = []
        runs = iter(ack.early)
        run = next(runs, None)
        for entry in self._unacknowledged:
            while run is not None and entry.sequence > run[1]:
                run = next(runs, None)
            if run is None and len(ack.early) == RUNS_MAX:
                break  # there may be more runs than were told
            is_here = run is not None and entry.sequence >= run[0]
            if not is_here and not entry.is_lost and entry.number <= entry.path.echoed:
                lost.append(entry)
        return lost

    def _receive_record(self, path: Path, record: Record, size: int, now: float) -> None:
        path.arrived(record.number, size, now)
        expected = self._received + 1
        if record.sequence == expected:
            self._deliver(record)
            if self._early:
                self._deliver_early()
        elif expected < record.sequence < expected + WINDOW_RECORDS and record.sequence not in self._early:
            self._keep_early(path, record, now)

    def _keep_early(self, path: Path, record: Record, now: float) -> None:
        """A record came before its turn: the first of these is told at once, as something may be lost."""
        if self._early_bytes + len(record.body) > EARLY_BYTES_MAX:
            return
        if not self._early:
            path.ack_due = now
        self._early[record.sequence] = record
        self._runs = None
        self._early_bytes += len(record.body)

    def _deliver_early(self) -> None:
        while (record := self._early.pop(self._received + 1, None)) is not None:
            self._runs = None
            self._early_bytes -= len(record.body)
            self._deliver(record)

    def _find_runs(self) -> list[tuple[int, int]]:
        """The early records, in runs."""
        if self._runs is None:
            self._runs = []
            for sequence in sorted(self._early):
                if self._runs and self._runs[-1][1] == sequence - 1:
                    self._runs[-1] = self._runs[-1][0], sequence
                elif len(self._runs) == RUNS_MAX:
                    break
                else:
                    self._runs.append((sequence, sequence))
        return self._runs

    def _receive_lossy(self, lossy: Lossy) -> None:
        if lossy.sequence > self._lossy_received:
            self._lossy_received = lossy.sequence
            self._effects.append(Delivered(lossy.body, lossy.is_text, reliable=False))

    def _deliver(self, record: Record) -> None:
        self._received = record.sequence
        kind = record.kind
        if kind < RecordKind.STREAM_OPEN:
            self._receive_message(record)
            return
        try:
            stream, at = read_varint(record.body, 0)
            _STREAM_HANDLERS[kind](self, stream, record.body, at)
        except (IndexError, UnicodeDecodeError):
            raise LinkError("invalid_frame", "The other side sent a record that can't be read.") from None

    def _receive_message(self, record: Record) -> None:
        kind = record.kind
        is_text = kind in (RecordKind.TEXT, RecordKind.TEXT_END)
        is_last = kind in (RecordKind.TEXT_END, RecordKind.BINARY_END)
        if self._message and is_text != self._is_text:
            raise LinkError("invalid_frame", "The other side sent a message that is text in part.")
        if is_last and not self._message:
            self._effects.append(Delivered(record.body, is_text))
            return
        self._is_text = is_text
        self._message += record.body
        if len(self._message) > MESSAGE_BYTES_MAX:
            raise LinkError("message_too_big", "The other side sent a message that is too long.")
        if is_last:
            self._effects.append(Delivered(bytes(self._message), is_text))
            self._message.clear()

    def _stream_opened(self, stream: int, body: bytes, at: int) -> None:
        if stream <= self._last_peer_stream or stream % 2 == self._next_stream % 2:
            raise LinkError("invalid_stream", "The other side opened a stream that it can't open.")
        if len(body) - at > LABEL_BYTES_MAX:
            raise LinkError("invalid_label", "The other side gave a stream a label that is too long.")
        self._last_peer_stream = stream
        if self._count_streams(stream) >= STREAMS_MAX:
            if self._outgoing.control_count > REFUSALS_MAX:
                raise LinkError("too_many_streams", "The other side opens streams and takes no answers.")
            self._outgoing.put(RecordKind.STREAM_STOP, stream, 0)
            self._outgoing.put(RecordKind.STREAM_RESET, stream, 0)
            return
        label = body[at:].decode()
        self._reading[stream] = _Reading()
        self._outgoing.open(stream, STREAM_CREDIT_BYTES)
        self._effects.append(StreamOpened(stream, label))

    def _count_streams(self, like: int) -> int:
        """How many of the same side are open."""
        return sum(each % 2 == like % 2 for each in {*self._reading, *self._outgoing.streams})

    def _stream_data(self, stream: int, body: bytes, at: int) -> None:
        self._require_known(stream)
        reading = self._reading.get(stream)
        if reading is None:
            return  # it was stopped
        reading.received += len(body) - at
        if reading.received > reading.allowed:
            raise LinkError("too_much_data", "The other side sent more of a stream than it may.")
        self._effects.append(StreamData(stream, body[at:]))

    def _stream_ended(self, stream: int, body: bytes, at: int) -> None:
        self._require_known(stream)
        if self._reading.pop(stream, None) is not None:
            self._effects.append(StreamEnded(stream))

    def _stream_reset(self, stream: int, body: bytes, at: int) -> None:
        self._require_known(stream)
        reason, _ = read_varint(body, at)
        if self._reading.pop(stream, None) is not None:
            self._effects.append(StreamReset(stream, reason))

    def _stream_stopped(self, stream: int, body: bytes, at: int) -> None:
        self._require_known(stream)
        reason, _ = read_varint(body, at)
        if self._outgoing.drop(stream):
            self._outgoing.put(RecordKind.STREAM_RESET, stream, reason)
            self._effects.append(StreamStopped(stream, reason))

    def _stream_allowed(self, stream: int, body: bytes, at: int) -> None:
        self._require_known(stream)
        allowed, _ = read_varint(body, at)
        self._outgoing.allow(stream, allowed)

    def _require_known(self, stream: int) -> None:
        """A stream that is over is known too: what was on its way still comes."""
        is_ours = stream % 2 == self._next_stream % 2
        if stream > (self._next_stream - 2 if is_ours else self._last_peer_stream):
            raise LinkError("invalid_stream", "The other side spoke of a stream that isn't open.")

    def _break(self, code: str) -> Effects:
        """The other side can't be understood any more."""
        self._is_broken = True
        effects, self._effects = self._effects, []
        return [*effects, Broken(code)]


def _require_reason(reason: int) -> None:
    if reason not in REASONS:
        raise LinkError("invalid_reason", "A reason is a number from 0 to 2^30 - 1.")


_STREAM_HANDLERS: dict[RecordKind, Callable[[Any, int, bytes, int], None]] = {
    RecordKind.STREAM_OPEN: Link._stream_opened,
    RecordKind.STREAM_DATA: Link._stream_data,
    RecordKind.STREAM_END: Link._stream_ended,
    RecordKind.STREAM_RESET: Link._stream_reset,
    RecordKind.STREAM_STOP: Link._stream_stopped,
    RecordKind.STREAM_CREDIT: Link._stream_allowed,
}
