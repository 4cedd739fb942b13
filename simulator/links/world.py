"""One run of a link: a plan drawn from a seed, carried out on simulated time, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Any

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
from sheetbend.core.link.frames import Record, decode_frame
from sheetbend.core.link.link import STREAM_CREDIT_BYTES_MAX, WINDOW_BYTES, WINDOW_RECORDS, Link
from sheetbend.core.link.outgoing import BODY_BYTES, BODY_BYTES_MAX, STREAM_BUFFER_BYTES

from ..checks import ViolationError
from ..scheduler import Scheduler
from ..world import Action
from .paths import Direct, Relay

__all__ = ["Step", "World", "plan"]

BUSY_S = 30.0
CALM_S = 20.0
"""Then everything is mended, and so long later all that was sent must be there."""
EVENTS_MAX = 200_000
"""Several times as many as a run has."""
LATE_S = 2.5
"""How long a message may take while the relay works, bulk on its way included."""

_DOINGS = {"say": 120, "say_much": 6, "lossy": 25, "open": 6, "write": 40, "finish": 4, "reset": 2, "stop": 2}
_FAULTS = {
    "leg_cut": 10,
    "leg_stuck": 6,
    "server_restarts": 2,
    "server_drops": 5,
    "direct_cut": 10,
    "direct_stuck": 10,
    "direct_one_way": 6,
    "direct_replaced": 4,
    "path_full": 6,
    "reader_pauses": 4,
}
_FLAPPING_SHARE = 0.03
"""Of the runs, which have more than 1,000 changes of path."""


def plan(seed: int) -> list[Action]:
    random = Random(f"link plan {seed}")
    kinds = random.choices(list(_DOINGS), list(_DOINGS.values()), k=random.randint(150, 300))
    kinds += random.choices(list(_FAULTS), list(_FAULTS.values()), k=random.randint(20, 40))
    times = [(round(random.uniform(0.5, BUSY_S), 3), kind) for kind in kinds]
    if random.random() < _FLAPPING_SHARE:
        times += [(round(1 + 0.026 * index, 3), "path_flaps") for index in range(1100)]
    return sorted(
        (Action(at, kind, random.randrange(2), random.getrandbits(32)) for at, kind in times),
        key=lambda action: action.at,
    )


def _bytes(random: Random, size: int) -> bytes:
    """Like no other, and short to write down."""
    return (random.randbytes(8) + random.randbytes(1) * size)[:size]


@dataclass(frozen=True, slots=True)
class Step:
    """What a link was told, and what it answered."""

    at: float
    verb: str
    arguments: tuple[object, ...]
    answer: object
    effects: Sequence[LinkEffect]
    deadline: float | None


class _Stream:
    """One way of a stream, as both ends know it."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.read = bytearray()
        self.unread = 0
        self.is_finished = self.is_ended = self.is_reset = self.is_stopped = False

    @property
    def is_given_up(self) -> bool:
        return self.is_reset or self.is_stopped


class _End:
    """A link, and what its application did."""

    def __init__(self, world: World, who: int) -> None:
        self.world = world
        self.who = who
        self.link = Link(is_first=who == 0)
        self.sent: list[tuple[bytes, bool]] = []
        self.sent_at: list[float] = []
        self.delivered: list[tuple[bytes, bool]] = []
        self.acknowledged = 0
        self.lossy_sent: list[bytes] = []
        self.lossy_seen: list[bytes] = []
        self.path: PathName | None = None
        self.changes = 0
        self.streams: dict[int, _Stream] = {}
        """What this end writes, by stream."""
        self.is_paused = False
        self._wakes_at: float | None = None

    def call(self, verb: str, *arguments: object) -> Any:
        """Have the link do something, and do what it wants done. Returns what the verb returns besides."""
        now = self.world.scheduler.now
        result = getattr(self.link, verb)(*arguments, now)
        answer, effects = result if isinstance(result, tuple) else (None, result)
        if self.world.recorded is not None:
            self.world.recorded[self.who].append(Step(now, verb, arguments, answer, effects, self.link.next_deadline()))
        if verb == "open_stream":
            self.streams[answer] = _Stream()
        self._do(effects)
        return answer

    @property
    def other(self) -> _End:
        return self.world.ends[1 - self.who]

    def _do(self, effects: Sequence[LinkEffect]) -> None:
        world = self.world
        for effect in effects:
            match effect:
                case Transmit():
                    world.transmit(self.who, effect)
                    continue
                case Delivered():
                    self._delivered(effect)
                case MessageAcknowledged():
                    world.require(effect.message > self.acknowledged, "an acknowledgement went back")
                    self.acknowledged = effect.message
                    world.require(len(self.other.delivered) >= effect.message, "acknowledged, but not delivered")
                case PathChanged():
                    world.require(effect.path != self.path, "a change of path to the same one")
                    self.path = effect.path
                    self.changes += 1
                case StreamOpened():
                    world.require(effect.stream in self.other.streams, "a stream that nobody opened")
                    self.streams[effect.stream] = _Stream()
                case StreamData():
                    self._read(effect)
                case StreamEnded():
                    stream = self.other.streams[effect.stream]
                    world.require(
                        stream.is_finished and stream.read == stream.written, "a stream ended before its last byte"
                    )
                    stream.is_ended = True
                case StreamReset():
                    world.require(self.other.streams[effect.stream].is_reset, "a reset that nobody asked for")
                    self.other.streams[effect.stream].is_ended = True
                case StreamStopped():
                    world.require(self.streams[effect.stream].is_stopped, "a stop that nobody asked for")
                case StreamDrained():
                    pass
                case Broken():
                    world.require(False, f"the link broke: {effect.code}")
            world.note(self.who, effect)
        self._sleep()

    def say(self, data: bytes, is_text: bool) -> None:
        self.sent.append((data, is_text))
        self.sent_at.append(self.world.scheduler.now)
        self.call("send", data, is_text)

    def consume(self) -> None:
        """Use what was read."""
        if not self.is_paused:
            for number, stream in self.other.streams.items():
                if stream.unread:
                    size, stream.unread = stream.unread, 0
                    self.call("consume", number, size)

    def _delivered(self, message: Delivered) -> None:
        world = self.world
        if not message.reliable:
            sent, seen = self.other.lossy_sent, self.lossy_seen
            world.require(message.data in sent, "a lossy message that nobody sent")
            if seen:
                world.require(sent.index(message.data) > sent.index(seen[-1]), "a lossy message came late or twice")
            seen.append(message.data)
            return
        place = len(self.delivered)
        self.delivered.append((message.data, message.is_text))
        world.require(self.other.sent[place : place + 1] == self.delivered[-1:], "not the next message that was sent")

    def _read(self, effect: StreamData) -> None:
        stream = self.other.streams[effect.stream]
        stream.read += effect.data
        stream.unread += len(effect.data)
        self.world.require(stream.unread <= STREAM_CREDIT_BYTES_MAX, "more of a stream unread than is allowed")
        self.world.require(
            stream.written[len(stream.read) - len(effect.data) : len(stream.read)] == effect.data,
            "not the next bytes of the stream",
        )
        if not self.is_paused:
            self.world.scheduler.after(0.01, self.consume)

    def _sleep(self) -> None:
        """Call `tick` when the link asks for it."""
        at = self.link.next_deadline()
        if at is None or (self._wakes_at is not None and self._wakes_at <= at):
            return
        self._wakes_at = at
        self.world.scheduler.at(at, self._wake)

    def _wake(self) -> None:
        now = self.world.scheduler.now
        if self._wakes_at is not None and self._wakes_at <= now:
            self._wakes_at = None
            self.world.require(self.world.scheduler.events_count < EVENTS_MAX, "it never comes to rest")
            self.call("tick")


class World:
    """Two ends, the paths between them, and the checks."""

    def __init__(self, seed: int, actions: Sequence[Action]) -> None:
        self.scheduler = Scheduler()
        self._random = Random(f"link world {seed}")
        self._actions = actions
        self._hash = sha256()
        self._large: tuple[set[int], set[int]] = (set(), set())
        """Which records of each end are."""
        self.ends = (_End(self, 0), _End(self, 1))
        first, second = self.ends
        self.relay = Relay(
            self.scheduler,
            self._random,
            (lambda frame: self._receive(first, "relay", frame), lambda frame: self._receive(second, "relay", frame)),
            (lambda is_up: self._told(first, "relay", is_up), lambda is_up: self._told(second, "relay", is_up)),
        )
        self.direct = Direct(
            self.scheduler,
            self._random,
            (lambda frame: self._receive(first, "direct", frame), lambda frame: self._receive(second, "direct", frame)),
            (lambda is_up: self._told(first, "direct", is_up), lambda is_up: self._told(second, "direct", is_up)),
        )
        self.recorded: tuple[list[Step], list[Step]] | None = None
        self._good_since: float | None = None

    @property
    def trace_hash(self) -> str:
        return self._hash.hexdigest()[:16]

    @property
    def changes(self) -> int:
        """How often an end changed its path."""
        return sum(end.changes for end in self.ends)

    def run(self) -> None:
        for leg in self.relay.legs:
            self.scheduler.at(self._random.uniform(0, 0.3), leg.up)
        self.scheduler.at(self._random.uniform(0, 2), self.direct.up)
        for action in self._actions:
            self.scheduler.at(action.at, lambda action=action: self._act(action))  # type: ignore[misc]
        self.scheduler.at(BUSY_S, self._mend)
        for tenth in range(int((BUSY_S + CALM_S) * 10)):
            self.scheduler.at(tenth / 10, self._check_on_the_way)
        self.scheduler.run(BUSY_S + CALM_S)
        self._check_at_the_end()

    def require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise ViolationError(f"at {self.scheduler.now:.3f} s: {otherwise}")

    def note(self, who: int, effect: LinkEffect) -> None:
        self._hash.update(f"{self.scheduler.now:.6f} {who} {effect!r:.200}".encode())

    def transmit(self, who: int, effect: Transmit) -> None:
        self._check_size(who, effect)
        (self.relay if effect.path == "relay" else self.direct).send(who, effect.frame)

    def _receive(self, end: _End, path: PathName, frame: bytes) -> None:
        end.call("receive", path, frame)

    def _told(self, end: _End, path: PathName, is_up: bool) -> None:
        end.call("path_up" if is_up else "path_down", path)

    # What is done and broken.

    def _act(self, action: Action) -> None:
        getattr(self, f"_{action.kind}")(self.ends[action.who], Random(action.seed))

    def _say(self, end: _End, random: Random) -> None:
        size = random.choice((0, 1, 20, 300, 2_000, BODY_BYTES, BODY_BYTES + 1, 40_000, 120_001))
        end.say(_bytes(random, size), random.random() < 0.5)

    def _say_much(self, end: _End, random: Random) -> None:
        for _ in range(random.randint(10, 200)):
            end.say(_bytes(random, random.randint(0, 500)), False)

    def _lossy(self, end: _End, random: Random) -> None:
        data = _bytes(random, 16)
        end.lossy_sent.append(data)
        end.call("send_lossy", data, False)

    def _open(self, end: _End, random: Random) -> None:
        end.call("open_stream", f"stream {random.randrange(1000)}")

    def _write(self, end: _End, random: Random) -> None:
        if (number := self._pick(end, random)) is None:
            return
        stream = end.streams[number]
        data = _bytes(random, random.choice((1, 1_000, 50_000, STREAM_BUFFER_BYTES)))
        stream.written += data
        end.call("write", number, data)

    def _finish(self, end: _End, random: Random) -> None:
        if (number := self._pick(end, random)) is not None:
            end.streams[number].is_finished = True
            end.call("finish", number)

    def _reset(self, end: _End, random: Random) -> None:
        if (number := self._pick(end, random)) is not None:
            end.streams[number].is_reset = True
            end.call("reset", number, 7)

    def _stop(self, end: _End, random: Random) -> None:
        if (number := self._pick(end.other, random)) is not None:
            end.other.streams[number].is_stopped = True
            end.call("stop", number, 8)

    def _pick(self, end: _End, random: Random) -> int | None:
        """A stream that `end` may write to."""
        open_ones = [number for number, each in end.streams.items() if not (each.is_finished or each.is_given_up)]
        return random.choice(open_ones) if open_ones else None

    def _leg_cut(self, end: _End, random: Random) -> None:
        leg = self.relay.legs[end.who]
        leg.down()
        self.scheduler.after(random.uniform(0, 4), leg.up)

    def _leg_stuck(self, end: _End, random: Random) -> None:
        """Half-open, until it is noticed or goes on."""
        leg = self.relay.legs[end.who]
        for pipe in random.sample((leg.to_server, leg.to_end), random.randint(1, 2)):
            pipe.is_stuck = True
            self.scheduler.after(random.uniform(0, 4), pipe.release)
        if random.random() < 0.5:
            self.scheduler.after(random.uniform(0, 4), lambda: self._leg_cut(end, random))

    def _server_restarts(self, end: _End, random: Random) -> None:
        for each in self.ends:
            self._leg_cut(each, random)

    def _server_drops(self, end: _End, random: Random) -> None:
        self.relay.drops_share = random.uniform(0.05, 1)
        self.scheduler.after(random.uniform(0.1, 3), self._server_holds)

    def _server_holds(self) -> None:
        self.relay.drops_share = 0.0

    def _direct_cut(self, end: _End, random: Random) -> None:
        self.direct.down()
        self.scheduler.after(random.uniform(0.1, 5), self.direct.up)

    def _direct_replaced(self, end: _End, random: Random) -> None:
        self.direct.up()

    def _direct_stuck(self, end: _End, random: Random) -> None:
        for pipe in self.direct.pipes:
            pipe.is_stuck = True
            self.scheduler.after(random.uniform(0.1, 6), pipe.release)

    def _direct_one_way(self, end: _End, random: Random) -> None:
        pipe = self.direct.pipes[end.who]
        pipe.is_stuck = True
        self.scheduler.after(random.uniform(0.1, 6), pipe.release)

    def _path_flaps(self, end: _End, random: Random) -> None:
        """The path in use breaks, and is there again."""
        self._good_since = None
        if end.path == "direct":
            self._told(end, "direct", False)
            self._told(end, "direct", True)
        else:
            leg = self.relay.legs[end.who]
            leg.down()
            leg.up()

    def _path_full(self, end: _End, random: Random) -> None:
        path: PathName = random.choice(("relay", "direct"))
        end.call("path_ready", path, False)
        self.scheduler.after(random.uniform(0, 1), lambda: end.call("path_ready", path, True))

    def _reader_pauses(self, end: _End, random: Random) -> None:
        end.is_paused = True

        def go_on() -> None:
            end.is_paused = False
            end.consume()

        self.scheduler.after(random.uniform(0, 3), go_on)

    def _mend(self) -> None:
        self._server_holds()
        for leg in self.relay.legs:
            leg.up()
            leg.to_server.release()
            leg.to_end.release()
        for pipe in self.direct.pipes:
            pipe.release()
        self.direct.up()

    # What must hold.

    def _check_on_the_way(self) -> None:
        for end in self.ends:
            link = end.link
            for path in (link.relay, link.direct):
                self.require(
                    path.in_flight <= WINDOW_BYTES[path.name] + BODY_BYTES_MAX + 16, f"too much on the {path.name} path"
                )
                self.require(path.in_flight >= 0, f"less than nothing on the {path.name} path")
            self.require(len(link._early) <= WINDOW_RECORDS, "too many records behind a gap")
        self._check_lateness()

    def _check_size(self, who: int, effect: Transmit) -> None:
        """Frames are below 16 KiB but for large records, which are first sent on a fast direct path."""
        if len(effect.frame) < 16_384:
            return
        self.require(len(effect.frame) < 60_100, "a frame is too large")
        record = decode_frame(effect.frame)
        self.require(isinstance(record, Record), "a frame is large and no record")
        assert isinstance(record, Record)
        path = self.ends[who].link.direct
        if record.sequence not in self._large[who]:
            self.require(effect.path == "direct" and path.is_fast, "a large record isn't for a fast direct path")
            self._large[who].add(record.sequence)

    def _check_lateness(self) -> None:
        """While the relay works, messages come in time, whatever the direct path does."""
        now = self.scheduler.now
        is_good = self.relay.is_good and all(end.link.relay.is_ready and end.link.direct.is_ready for end in self.ends)
        if not is_good:
            self._good_since = None
            return
        self._good_since = now if self._good_since is None else self._good_since
        if now - self._good_since < LATE_S:
            return
        for end in self.ends:
            waiting = end.sent_at[len(end.other.delivered) : len(end.other.delivered) + 1]
            self.require(not waiting or now - waiting[0] < LATE_S, "a message is late although the relay works")

    def _check_at_the_end(self) -> None:
        for end in self.ends:
            self.require(end.other.delivered == end.sent, "not all messages arrived")
            self.require(end.acknowledged == len(end.sent), "not all messages were acknowledged")
            self.require(end.path == "direct", f"{end.path} is in use although the direct path works")
            for stream in end.streams.values():
                if not stream.is_given_up:
                    self.require(stream.read == stream.written, "not all of a stream arrived")
                    self.require(stream.is_ended == stream.is_finished, "a stream didn't end")
                elif not stream.is_stopped:
                    self.require(stream.is_ended, "nobody heard of a reset")
