"""A link whose other end is hostile: each line of an input is a frame, in hexadecimal, or what the application does."""

from __future__ import annotations

from collections.abc import Iterator

from sheetbend.core.link import Link
from sheetbend.core.link.effects import Broken, StreamData
from sheetbend.core.link.frames import RecordKind, encode_ack, encode_lossy, encode_ping, encode_record, varint
from sheetbend.core.link.link import EARLY_BYTES_MAX, MESSAGE_BYTES_MAX, STREAMS_MAX, WINDOW_RECORDS
from sheetbend.errors import LinkError

__all__ = ["conversations", "play"]


def play(data: bytes) -> None:
    """Whatever comes, only LinkError is raised, nothing is unbounded, and a link that broke stays so."""
    link = Link(is_first=True)
    link.path_up("relay", 0.0)
    stream, _ = link.open_stream("ours", 0.0)
    is_broken = False
    for turn, line in enumerate(data.split(b"\n")[:64], 1):
        now = turn / 8
        verb, argument = line[:1], line[1:]
        if verb in b"rd" and verb:
            effects = link.receive("relay" if verb == b"r" else "direct", argument, now)
        elif verb == b"s":
            try:
                effects = link.send(argument, True, now)
            except LinkError:
                assert is_broken
                effects = []
        elif verb == b"w":
            effects = link.write(stream, argument * 100, now)[1]
        elif verb == b"u":
            effects = link.path_up("direct", now)
        elif verb == b"x":
            effects = link.path_down("relay", now)
        else:
            effects = link.tick(now)
        assert not (is_broken and effects), "nothing comes of a broken link"
        is_broken |= any(isinstance(effect, Broken) for effect in effects)
        for effect in effects:
            if isinstance(effect, StreamData):
                link.consume(effect.stream, len(effect.data), now)
        assert len(link._early) <= WINDOW_RECORDS
        assert link._early_bytes <= EARLY_BYTES_MAX
        assert len(link._message) <= MESSAGE_BYTES_MAX + 4096
        assert len(link._reading) <= STREAMS_MAX + 1


def conversations() -> Iterator[bytes]:
    """One of each kind of frame, alone and together."""
    records = [
        bytes((kind,)) + varint(stream) + more
        for kind in RecordKind
        for stream in (1, 2)
        for more in (b"", varint(9), b"label")
    ]
    frames = [
        encode_ping(1),
        encode_ack(2, 3, 1),
        encode_ack(2, 3, 1, [(3, 4), (9, 9)]),
        encode_lossy(1, True, b"x"),
        *(encode_record(number, number, record) for number, record in enumerate(records, 1)),
        *(encode_record(1, 1, record) for record in records),
    ]
    yield from (b"r" + frame for frame in frames)
    yield b"\n".join((b"u", b"shello", b"wstream", *(b"d" + frame for frame in frames[:12]), b"x", b"t", b"u"))
