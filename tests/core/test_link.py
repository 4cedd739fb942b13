"""A link, verb by verb; what it does under every fault is `simulator/links`' affair."""

from __future__ import annotations

from collections import deque
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetbend.core.link import Link
from sheetbend.core.link.effects import (
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
from sheetbend.core.link.frames import (
    RUNS_MAX,
    Ack,
    Record,
    RecordKind,
    decode_frame,
    encode_ack,
    encode_lossy,
    encode_ping,
    encode_record,
    read_varint,
    varint,
)
from sheetbend.core.link.link import (
    LABEL_BYTES_MAX,
    LOSSY_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    PENDING_BYTES_MAX,
    STREAM_CREDIT_BYTES,
    STREAM_CREDIT_BYTES_MAX,
    STREAMS_MAX,
    WINDOW_RECORDS,
)
from sheetbend.core.link.outgoing import BODY_BYTES, BODY_BYTES_MAX
from sheetbend.errors import LinkError

ONE_WAY_S = 0.02
T = TypeVar("T")


class Pair:
    """Two links, paths of 40 ms there and back, and time that passes when it is told to."""

    def __init__(self, *paths: PathName, one_way_s: float = ONE_WAY_S) -> None:
        self.one_way_s = one_way_s
        self.now = 0.0
        self.links = (Link(is_first=True), Link(is_first=False))
        self.told: tuple[list[LinkEffect], list[LinkEffect]] = ([], [])
        self.told_at: list[float] = []
        """When the second was told each."""
        self.cut: set[PathName] = set()
        self.frames: dict[PathName, list[int]] = {"relay": [], "direct": []}
        """The sizes of those that were sent."""
        self._on_way: deque[tuple[float, int, PathName, bytes]] = deque()
        for path in paths:
            for who in (0, 1):
                self.do(who, self.links[who].path_up(path, self.now))

    def do(self, who: int, effects: list[LinkEffect]) -> None:
        for effect in effects:
            if not isinstance(effect, Transmit):
                self.told[who].append(effect)
                if who:
                    self.told_at.append(self.now)
                continue
            self.frames[effect.path].append(len(effect.frame))
            if effect.path not in self.cut:
                self._on_way.append((self.now + self.one_way_s, 1 - who, effect.path, effect.frame))

    def say(self, data: bytes, who: int = 0) -> None:
        self.do(who, self.links[who].send(data, False, self.now))

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            due = [at for link in self.links if (at := link.next_deadline()) is not None]
            arrival = self._on_way[0][0] if self._on_way else until
            self.now = max(self.now, min([until, arrival, *due]))
            if self.now >= until:
                return
            while self._on_way and self._on_way[0][0] <= self.now:
                _, who, path, frame = self._on_way.popleft()
                if path not in self.cut:
                    self.do(who, self.links[who].receive(path, frame, self.now))
            for who in (0, 1):
                if (at := self.links[who].next_deadline()) is not None and at <= self.now:
                    self.do(who, self.links[who].tick(self.now))

    def heard(self, who: int = 1) -> list[bytes]:
        return [effect.data for effect in self.told[who] if isinstance(effect, Delivered)]

    def of(self, kind: type[T], who: int = 1) -> list[T]:
        return [effect for effect in self.told[who] if isinstance(effect, kind)]


# Frames.


@given(st.integers(0, (1 << 53) - 1))
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert read_varint(varint(number) + b"more", 0) == (number, len(varint(number)))


@pytest.mark.parametrize(("number", "size"), [(63, 1), (64, 2), (16383, 2), (16384, 4), (2**30 - 1, 4), (2**30, 8)])
def test_a_number_takes_as_little_as_rfc_9000_allows(number: int, size: int) -> None:
    assert len(varint(number)) == size


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x04\x01",
        b"\x00",
        b"\x00\x01\x01",
        b"\x01\x01\x01",
        b"\x02\x01\x01",
        b"\x02\x01\x01\x00",
        b"\x02\x01\x01\x14",
        b"\x03\x01\x02",
        b"\x00\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x01\x01\x00\x01\x00\x01",
        b"\x01\x01\x00\x01\x01\x00",
        b"\x01\x01\x00\x01\x01",
        encode_ack(1, 0, 1, [(3 + 2 * run, 3 + 2 * run) for run in range(RUNS_MAX + 1)]),
    ],
)
def test_what_is_not_a_frame_is_an_error(frame: bytes) -> None:
    with pytest.raises(LinkError, match="can't be read"):
        decode_frame(frame)


runs = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=RUNS_MAX)


@given(st.integers(0, 1 << 40), st.integers(0, 5000), st.integers(0, 1 << 40), runs)
def test_an_ack_is_read_as_it_was_written(
    echo: int, delay_ms: int, cumulative: int, gaps: list[tuple[int, int]]
) -> None:
    early, at = [], cumulative
    for missing, size in gaps:
        early.append((at + missing + 1, at + missing + size))
        at += missing + size
    assert decode_frame(encode_ack(echo, delay_ms, cumulative, early)) == Ack(echo, delay_ms, cumulative, tuple(early))


@given(st.binary(max_size=60), st.sampled_from(["relay", "direct"]))
def test_hostile_frames_break_the_link_and_nothing_else(frame: bytes, path: PathName) -> None:
    link = Link(is_first=True)
    link.path_up("relay", 0.0)
    effects = link.receive(path, frame, 0.1)
    if any(isinstance(effect, Broken) for effect in effects):
        assert link.receive(path, encode_ping(9), 0.2) == []
        assert link.next_deadline() is None
        with pytest.raises(LinkError, match="broke the protocol"):
            link.send(b"", False, 0.3)


record_bodies = st.builds(
    lambda kind, stream, more: bytes((kind,)) + varint(stream) + more,
    st.sampled_from(list(RecordKind)),
    st.integers(0, 300),
    st.binary(max_size=20),
)


@given(st.lists(st.tuples(st.integers(1, 12), record_bodies), max_size=40))
def test_hostile_records_break_the_link_and_nothing_else(records: list[tuple[int, bytes]]) -> None:
    link = Link(is_first=True)
    link.path_up("relay", 0.0)
    for number, (sequence, body) in enumerate(records, 1):
        link.receive("relay", encode_record(number, sequence, body), number / 100)


# Messages.


def test_a_message_goes_over_the_relay_at_once_and_is_acknowledged() -> None:
    pair = Pair("relay")
    pair.say(b"hello")
    pair.run(0.1)
    assert pair.heard() == [b"hello"]
    assert pair.told_at[-1] == pytest.approx(ONE_WAY_S)
    assert pair.of(MessageAcknowledged, 0) == [MessageAcknowledged(1)]


def test_what_is_sent_before_there_is_a_path_goes_when_there_is_one() -> None:
    pair = Pair()
    pair.say(b"early")
    pair.run(0.1)
    assert pair.heard() == []
    for who in (0, 1):
        pair.do(who, pair.links[who].path_up("relay", pair.now))
    pair.run(0.1)
    assert pair.heard() == [b"early"]


@pytest.mark.parametrize("size", [0, 1, 16_000, 16_001, 32_000, MESSAGE_BYTES_MAX])
def test_messages_of_any_size_come_whole(size: int) -> None:
    pair = Pair("relay", "direct")
    pair.say(b"ab" * (size // 2) + b"c" * (size % 2))
    pair.say(b"next")
    pair.run(2)
    assert pair.heard() == [b"ab" * (size // 2) + b"c" * (size % 2), b"next"]


def full_frames(size: int) -> range:
    """What frames with so many bytes of a message have."""
    return range(size, size + 20)


def test_records_are_large_once_a_direct_path_has_shown_to_be_fast() -> None:
    pair = Pair("relay", "direct")
    pair.run(0.1)
    for _ in range(4):
        pair.say(bytes(MESSAGE_BYTES_MAX))
    assert max(pair.frames["direct"]) in full_frames(BODY_BYTES), "nothing is known of it yet"
    pair.run(2)
    assert max(pair.frames["direct"]) in full_frames(BODY_BYTES_MAX)
    assert [len(data) for data in pair.heard()] == [MESSAGE_BYTES_MAX] * 4


@pytest.mark.parametrize(("paths", "one_way_s"), [(["relay"], ONE_WAY_S), (["relay", "direct"], 0.2)])
def test_on_a_slow_path_and_on_the_relay_records_stay_small(paths: list[PathName], one_way_s: float) -> None:
    pair = Pair(*paths, one_way_s=one_way_s)
    pair.run(1)
    for _ in range(4):
        pair.say(bytes(MESSAGE_BYTES_MAX))
    pair.run(5)
    assert max(pair.frames[paths[-1]]) in full_frames(BODY_BYTES)
    assert len(pair.heard()) == 4


def test_large_records_that_a_direct_path_lost_go_over_the_relay_as_they_are() -> None:
    pair = Pair("relay", "direct")
    pair.run(0.1)
    for _ in range(6):
        pair.say(bytes(MESSAGE_BYTES_MAX))
    pair.run(0.12)
    pair.cut.add("direct")
    pair.run(5)
    assert max(pair.frames["relay"]) in full_frames(BODY_BYTES_MAX)
    assert [len(data) for data in pair.heard()] == [MESSAGE_BYTES_MAX] * 6


def test_text_stays_text() -> None:
    pair = Pair("relay")
    pair.do(0, pair.links[0].send(b"text", True, pair.now))
    pair.run(0.1)
    assert pair.of(Delivered) == [Delivered(b"text", is_text=True)]


def test_what_is_too_much_is_refused() -> None:
    link = Link(is_first=True)
    with pytest.raises(LinkError, match="use a stream"):
        link.send(bytes(MESSAGE_BYTES_MAX + 1), False, 0.0)
    for _ in range(PENDING_BYTES_MAX // MESSAGE_BYTES_MAX - 1):
        link.send(bytes(MESSAGE_BYTES_MAX), False, 0.0)
    with pytest.raises(LinkError, match="wait already"):
        for _ in range(MESSAGE_BYTES_MAX // 256 + 1):
            link.send(b"", False, 0.0)
    with pytest.raises(LinkError, match="may be lost"):
        link.send_lossy(bytes(LOSSY_BYTES_MAX + 1), False, 0.0)
    with pytest.raises(LinkError, match="label"):
        link.open_stream("x" * (LABEL_BYTES_MAX + 1), 0.0)


def test_lossy_messages_come_once_and_never_late() -> None:
    link = Link(is_first=True)
    link.path_up("relay", 0.0)
    seen = [
        effect.data
        for sequence in (1, 3, 2, 3, 4)
        for effect in link.receive("relay", encode_lossy(sequence, False, b"%d" % sequence), 0.1)
        if isinstance(effect, Delivered)
    ]
    assert seen == [b"1", b"3", b"4"]


# Paths.


def test_the_direct_path_is_used_as_soon_as_it_answers() -> None:
    pair = Pair("relay", "direct")
    assert pair.links[0].path == "relay"
    pair.run(2 * ONE_WAY_S + 0.011)
    assert [link.path for link in pair.links] == ["direct", "direct"]


@pytest.mark.parametrize("gap_s", [0.001, 0.02, 0.1])
def test_when_the_direct_path_goes_silent_nothing_waits_longer_than_300_ms(gap_s: float) -> None:
    pair = Pair("relay", "direct")
    pair.run(1)
    pair.told_at.clear()
    sent = 0
    for _ in range(int(1 / gap_s)):
        if sent == int(0.3 / gap_s):
            pair.cut.add("direct")
        pair.say(b"%d" % sent)
        sent += 1
        pair.run(gap_s)
    pair.run(0.5)
    assert pair.heard() == [b"%d" % number for number in range(sent)]
    gaps = [after - before for before, after in zip(pair.told_at, pair.told_at[1:], strict=False)]
    assert max(gaps) < 0.3
    assert pair.links[0].path == "relay"


def test_a_direct_path_that_says_it_is_down_costs_a_round_trip() -> None:
    pair = Pair("relay", "direct")
    pair.run(1)
    pair.cut.add("direct")
    pair.say(b"lost at first")
    for who in (0, 1):
        pair.do(who, pair.links[who].path_down("direct", pair.now))
    pair.run(0.05)
    assert pair.heard() == [b"lost at first"]


def test_the_direct_path_is_used_again_once_it_has_answered_for_a_while() -> None:
    pair = Pair("relay", "direct")
    pair.run(1)
    for outages, hold_s in enumerate((0.25, 0.5, 0.5, 0.5), 1):
        pair.cut.add("direct")
        pair.say(b"x")
        pair.run(3)
        assert pair.links[0].path == "relay"
        pair.cut.clear()
        back_at = pair.now
        while "direct" not in {pair.links[0].path}:
            pair.run(0.01)
        assert hold_s <= pair.now - back_at <= hold_s + 1.2, outages


def test_a_direct_path_that_fails_while_nothing_is_sent_is_noticed() -> None:
    pair = Pair("relay", "direct")
    pair.run(1)
    pair.cut.add("direct")
    pair.run(3)
    assert [link.path for link in pair.links] == ["relay", "relay"]


def test_what_a_relay_dropped_is_sent_again_within_three_round_trips() -> None:
    pair = Pair("relay")
    pair.run(1)
    pair.say(b"first")
    pair.run(0.1)
    pair.cut.add("relay")
    for number in range(5):
        pair.say(b"%d" % number)
    pair.cut.clear()
    pair.say(b"last")
    pair.run(6 * ONE_WAY_S)
    assert pair.heard() == [b"first", b"0", b"1", b"2", b"3", b"4", b"last"]


def test_nothing_is_sent_twice_where_nothing_is_lost() -> None:
    pair = Pair("relay", "direct")
    for number in range(500):
        pair.say(b"%d" % number)
        pair.run(0.001)
    pair.run(1)
    assert pair.heard() == [b"%d" % number for number in range(500)]
    assert pair.links[0].direct.sent + pair.links[0].relay.sent < 500 + 10


def test_no_more_records_than_the_window_are_ahead() -> None:
    link = Link(is_first=True)
    link.path_up("relay", 0.0)
    sent = [e for _ in range(WINDOW_RECORDS + 50) for e in link.send(b"", False, 0.0) if isinstance(e, Transmit)]
    assert len(sent) == WINDOW_RECORDS


# Streams.


def test_a_stream_carries_bytes_both_ways_and_ends() -> None:
    pair = Pair("relay")
    stream, effects = pair.links[0].open_stream("a file", pair.now)
    pair.do(0, effects)
    pair.do(0, pair.links[0].write(stream, b"there", pair.now)[1])
    pair.do(0, pair.links[0].finish(stream, pair.now))
    pair.run(0.1)
    assert pair.told[1][-3:] == [StreamOpened(stream, "a file"), StreamData(stream, b"there"), StreamEnded(stream)]
    pair.do(1, pair.links[1].write(stream, b"and back", pair.now)[1])
    pair.do(1, pair.links[1].finish(stream, pair.now))
    pair.run(0.1)
    assert pair.told[0][-2:] == [StreamData(stream, b"and back"), StreamEnded(stream)]


def test_a_reader_that_consumes_nothing_stops_the_writer() -> None:
    pair = Pair("relay")
    stream, effects = pair.links[0].open_stream("", pair.now)
    pair.do(0, effects)
    has_place, effects = pair.links[0].write(stream, bytes(2 * STREAM_CREDIT_BYTES), pair.now)
    pair.do(0, effects)
    assert not has_place
    pair.run(2)
    assert sum(len(effect.data) for effect in pair.of(StreamData)) == STREAM_CREDIT_BYTES
    pair.say(b"a message goes by")
    pair.run(0.1)
    assert pair.heard() == [b"a message goes by"]
    pair.do(1, pair.links[1].consume(stream, STREAM_CREDIT_BYTES, pair.now))
    pair.run(2)
    assert sum(len(effect.data) for effect in pair.of(StreamData)) == 2 * STREAM_CREDIT_BYTES
    assert pair.of(StreamDrained, 0) == [StreamDrained(stream)]


def test_a_reader_that_keeps_up_comes_to_take_more_at_once_and_a_slow_one_does_not() -> None:
    for keeps_up in (True, False):
        pair = Pair("relay")
        stream, effects = pair.links[0].open_stream("", pair.now)
        pair.do(0, effects)
        for _ in range(8):
            pair.do(0, pair.links[0].write(stream, bytes(STREAM_CREDIT_BYTES), pair.now)[1])
        unread = read = 0
        for _ in range(6):
            pair.run(2)
            came = sum(len(effect.data) for effect in pair.of(StreamData))
            unread = max(unread, came - read)
            size = came - read if keeps_up else (came - read) * 3 // 4
            read += size
            pair.do(1, pair.links[1].consume(stream, size, pair.now))
        assert unread == (STREAM_CREDIT_BYTES_MAX if keeps_up else STREAM_CREDIT_BYTES)


def test_a_stream_can_be_given_up_by_either_side() -> None:
    pair = Pair("relay")
    first, effects = pair.links[0].open_stream("", pair.now)
    pair.do(0, effects)
    second, effects = pair.links[0].open_stream("", pair.now)
    pair.do(0, effects)
    pair.run(0.1)
    pair.do(0, pair.links[0].reset(first, 7, pair.now))
    pair.do(1, pair.links[1].stop(second, 8, pair.now))
    pair.run(0.1)
    assert pair.of(StreamReset) == [StreamReset(first, 7)]
    assert pair.of(StreamStopped, 0) == [StreamStopped(second, 8)]
    assert pair.links[0].write(second, b"goes nowhere", pair.now) == (True, [])


def test_streams_past_the_bound_are_refused() -> None:
    link = Link(is_first=True)
    for _ in range(STREAMS_MAX):
        link.open_stream("", 0.0)
    with pytest.raises(LinkError, match="streams are open"):
        link.open_stream("", 0.0)


def test_streams_of_the_other_side_past_the_bound_are_turned_down() -> None:
    link = Link(is_first=True)
    link.path_up("relay", 0.0)
    effects = []
    for number in range(1, STREAMS_MAX + 2):
        record = bytes((RecordKind.STREAM_OPEN,)) + varint(2 * number)
        effects += link.receive("relay", encode_record(number, number, record), 0.1)
    assert sum(isinstance(effect, StreamOpened) for effect in effects) == STREAMS_MAX
    answers = [decode_frame(effect.frame) for effect in effects if isinstance(effect, Transmit)]
    kinds = [answer.kind for answer in answers if isinstance(answer, Record)]
    assert kinds == [RecordKind.STREAM_STOP, RecordKind.STREAM_RESET]


def test_who_claims_that_all_is_lost_makes_us_send_it_so_often_and_no_more() -> None:
    link = Link(is_first=True)
    link.path_up("relay", 0.0)
    link.send(b"x", False, 0.0)
    sent = []
    for turn in range(1, 300):
        sent += link.receive("relay", encode_ack(link.relay.sent, 0, 0), turn / 100)
    assert sum(isinstance(effect, Transmit) for effect in sent) == 100
    assert Broken("too_many_losses") in sent


def test_nothing_but_data_is_owed_to_a_transport_that_takes_no_more() -> None:
    link = Link(is_first=True)
    link.path_up("relay", 0.0)
    link.path_ready("relay", False, 0.0)
    for number in range(1, 100):
        assert link.receive("relay", encode_ping(number), number / 1000) == []
    (ack,) = link.path_ready("relay", True, 0.2)
    assert isinstance(ack, Transmit)
    assert decode_frame(ack.frame) == Ack(99, 101, 0)


@pytest.mark.parametrize(
    ("code", "records"),
    [
        ("invalid_stream", [bytes((RecordKind.STREAM_OPEN,)) + varint(1)]),
        ("invalid_stream", [bytes((RecordKind.STREAM_OPEN,)) + varint(2)] * 2),
        ("invalid_stream", [bytes((RecordKind.STREAM_DATA,)) + varint(2)]),
        ("invalid_stream", [bytes((RecordKind.STREAM_CREDIT,)) + varint(1) + varint(1)]),
        ("invalid_label", [bytes((RecordKind.STREAM_OPEN,)) + varint(2) + b"x" * (LABEL_BYTES_MAX + 1)]),
        ("invalid_frame", [bytes((RecordKind.STREAM_OPEN,)) + varint(2) + b"\xff"]),
        ("invalid_frame", [bytes((RecordKind.STREAM_END,))]),
        (
            "too_much_data",
            [
                bytes((RecordKind.STREAM_OPEN,)) + varint(2),
                *[bytes((RecordKind.STREAM_DATA,)) + varint(2) + bytes(16_000)] * 17,
            ],
        ),
        ("invalid_frame", [bytes((RecordKind.TEXT,)) + b"x", bytes((RecordKind.BINARY_END,)) + b"x"]),
        ("invalid_frame", [bytes((RecordKind.TEXT_END,)) + bytes(60_100)]),
        ("message_too_big", [bytes((RecordKind.BINARY,)) + bytes(16_000)] * 66),
    ],
)
def test_who_breaks_the_rules_ends_the_link(code: str, records: list[bytes]) -> None:
    link = Link(is_first=True)
    link.path_up("relay", 0.0)
    effects: list[LinkEffect] = []
    for number, record in enumerate(records, 1):
        effects = link.receive("relay", encode_record(number, number, record), 0.1)
    assert effects[-1] == Broken(code)


def test_an_ack_of_what_was_never_sent_ends_the_link() -> None:
    for ack in (encode_ack(9, 0, 0), encode_ack(1, 0, 1)):
        link = Link(is_first=True)
        link.path_up("relay", 0.0)
        assert link.receive("relay", ack, 0.1)[-1] == Broken("invalid_ack")


def test_a_record_that_comes_twice_or_far_too_early_changes_nothing() -> None:
    link = Link(is_first=True)
    link.path_up("relay", 0.0)
    record = bytes((RecordKind.BINARY_END,)) + b"x"
    assert Delivered(b"x", is_text=False) in link.receive("relay", encode_record(1, 1, record), 0.1)
    for sequence in (1, 2 + WINDOW_RECORDS, 10**9):
        effects = link.receive("relay", encode_record(sequence, sequence, record), 0.2)
        assert not [effect for effect in effects if not isinstance(effect, Transmit)]


def test_it_says_when_there_is_no_path() -> None:
    link = Link(is_first=True)
    assert PathChanged("relay") in link.path_up("relay", 0.0)
    assert link.path_down("relay", 1.0) == [PathChanged(None)]
    assert link.path is None


def test_records_are_as_documented() -> None:
    assert decode_frame(bytes.fromhex("02 05 4100 11 6869".replace(" ", ""))) == Record(
        5, 256, RecordKind.TEXT_END, b"hi"
    )
