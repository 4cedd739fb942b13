"""The link with one member, on real paths and real time: does its effects, and is what the program sends by.

Everything happens in the callback that brought a frame in; one timer says when the link wants to go on. What is sent in
one breath goes in one frame. Leaves to others: whether the two ends go on or begin anew (`core.link.greeting`), paths
(`sealed_channel`, `pair`), who the member is (`mesh`), the protocol itself (`core.link`). `web/sdk/src/member-link.ts`
is its twin.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..core.link import Link
from ..core.link.bundles import BUNDLE_BYTES_MAX, is_bundle, make_bundle, read_bundle
from ..core.link.effects import (
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
from ..core.link.greeting import (
    INCARNATION_BYTES,
    Begun,
    Greeter,
    GreetingEffect,
    Met,
    Renewed,
    Say,
    is_greeting,
)
from ..core.link.path import Path
from ..errors import ClientError, LinkError, SealingError, SheetbendError
from .member_data import BytesLike, decode_data, encode_data
from .member_stream import MemberStream, StreamPort
from .sealing import SafetyWords

__all__ = ["MemberLink", "MemberLinkPort", "Rates"]

PATHS: tuple[PathName, ...] = ("relay", "direct")
WORDS_LABEL = "sheetbend:words"
"""The stream on which the first member begins the exchange of safety words. Programs can't open it."""
_WORDS_BYTES = 33
_RATE_S = 1.0
"""Rates are averages that forget like this."""


@dataclass(frozen=True)
class Rates:
    """Bytes a second, of frames, over about the last second."""

    sent: float
    received: float


@dataclass(frozen=True)
class MemberLinkPort:
    """What a link asks of its member.

    `transmit`: send a frame on a path that is up, lossy or not. `is_ready`: whether the path takes more at once.
    `moved`: what is sent goes another way now. `silent`: whether a path that is up should have answered by now, and
    didn't; told again and again. `safety_words` begins the exchange; None where there has been one.
    """

    transmit: Callable[[PathName, bytes, bool], None]
    is_ready: Callable[[PathName], bool]
    message: Callable[[str | bytes, bool], None]
    stream: Callable[[MemberStream], None]
    moved: Callable[[PathName | None], None]
    silent: Callable[[PathName, bool], None]
    safety_words: Callable[[], SafetyWords | None]
    words: Callable[[tuple[int, ...]], None]


class MemberLink:
    """`is_first` is true for the member whose key is smaller."""

    def __init__(self, *, is_first: bool, port: MemberLinkPort) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_first = is_first
        self._port = port
        self._greeter = Greeter(lambda: secrets.token_bytes(INCARNATION_BYTES))
        self._link = Link(is_first=is_first)
        self._clock = 0.0
        """No earlier than any time that the link was told of."""
        self._due: deque[LinkEffect] = deque()
        self._is_busy = False
        self._has_sent = False
        """Since paths were last asked whether they take more."""
        self._quiet: set[Path] = set()
        """Those of which it was said."""
        self._bundles: dict[PathName, list[bytes]] = {"relay": [], "direct": []}
        """Frames that go out together, once the caller is done."""
        self._bundled_bytes = 0
        self._error: SheetbendError | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._sent: deque[asyncio.Future[None]] = deque()
        """Messages on their way."""
        self._acknowledged = 0
        """How many were before."""
        self._delivered: list[asyncio.Future[None]] = []
        """Those who wait until all is."""
        self._streams: dict[int, MemberStream] = {}
        self._words_stream: int | None = None
        self._exchange: SafetyWords | None = None
        self._outgoing, self._incoming = _Rate(self._loop), _Rate(self._loop)

    @property
    def path(self) -> PathName | None:
        return self._link.path

    @property
    def rtt_s(self) -> float | None:
        """Round-trip time of the path in use."""
        path = self._link.path
        if path is None:
            return None
        return self._link.relay.rtt_s if path == "relay" else self._link.direct.rtt_s

    @property
    def rates(self) -> Rates:
        return Rates(self._outgoing.per_s(), self._incoming.per_s())

    @property
    def greeting(self) -> bytes:
        """What begins a path."""
        return self._greeter.greeting

    # Paths.

    def path_up(self, path: PathName) -> None:
        """A path has a transport, or another one than before."""
        if self._error is None:
            self._greet(self._greeter.path_up(path, self._now()))

    def path_down(self, path: PathName) -> None:
        if self._greeter.path_down(path):
            self._do(self._link.path_down(path, self._now()))

    def path_ready(self, path: PathName) -> None:
        """The path takes more again."""
        if self._greeter.is_up(path):
            self._do(self._link.path_ready(path, self._port.is_ready(path), self._now()))

    def receive(self, path: PathName, frame: bytes) -> None:
        if self._error is not None or not self._greeter.is_up(path):
            return
        self._incoming.add(len(frame))
        if is_greeting(frame):
            self._greet(self._greeter.receive(path, frame, self._now()))
        elif not self._greeter.is_open(path):
            self._greet(self._greeter.puzzled(path, self._now()))
        elif is_bundle(frame):
            self._receive_bundle(path, frame)
        else:
            self._do(self._link.receive(path, frame, self._now()))

    # What the program wants.

    async def send(self, data: str | BytesLike, *, reliable: bool) -> None:
        if self._error is not None:
            raise self._error
        encoded, is_text = encode_data(data), isinstance(data, str)
        if not reliable:
            self._do(self._link.send_lossy(encoded, is_text, self._now()))
            return
        effects = self._link.send(encoded, is_text, self._now())
        done: asyncio.Future[None] = self._loop.create_future()
        self._sent.append(done)  # before the effects are done: one of them may end the link
        self._do(effects)
        await done

    def open_stream(self, label: str) -> MemberStream:
        if self._error is not None:
            raise self._error
        if label == WORDS_LABEL:
            raise ClientError("invalid_label", "Streams of this label are Sheetbend's own.")
        number, effects = self._link.open_stream(label, self._now())
        stream = self._add_stream(number, label)
        self._do(effects)
        return stream

    async def delivered(self) -> None:
        """Return when the member has all that was sent, or is lost."""
        if self._error is None and not self._link.is_delivered:
            done: asyncio.Future[None] = self._loop.create_future()
            self._delivered.append(done)
            await done

    def close(self, error: SheetbendError) -> None:
        """End it: what wasn't acknowledged may or may not have come."""
        if self._error is not None:
            return
        self._error = error
        self._abandon(error if error.code == "closed" else _lost())
        for path in PATHS:
            self._greeter.path_down(path)
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()

    # The parts.

    def _greet(self, effects: list[GreetingEffect]) -> None:
        for effect in effects:
            match effect:
                case Say(path, frame):
                    self._port.transmit(path, frame, False)
                case Begun(path):
                    self._do(self._link.path_up(path, self._now()))
                case Renewed():
                    self._renew()
                case Met():
                    if self._is_first:
                        self._begin_words()

    def _receive_bundle(self, path: PathName, bundle: bytes) -> None:
        now = self._now()
        link = self._link
        effects: list[LinkEffect] = []
        try:
            for frame in read_bundle(bundle):
                effects += link.receive(path, frame, now)
        except LinkError as error:
            effects.append(Broken(error.code))
        self._do(effects)

    def _renew(self) -> None:
        """They know nothing of us any more: what they haven't acknowledged is lost, or not, and new things begin
        anew."""
        self._abandon(_lost())
        self._due.clear()
        for frames in self._bundles.values():
            frames.clear()
        had_path = self._link.path is not None
        self._link = Link(is_first=self._is_first)
        self._quiet.clear()
        self._acknowledged = 0
        self._words_stream = self._exchange = None
        if had_path:
            self._port.moved(None)

    def _abandon(self, error: SheetbendError) -> None:
        sent, self._sent = self._sent, deque()
        for done in sent:
            if not done.done():
                done.set_exception(error)
        self._end_waits()
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.failed(error)
            stream.stopped(error)

    def _end_waits(self) -> None:
        waits, self._delivered = self._delivered, []
        for done in waits:
            if not done.done():
                done.set_result(None)

    def _do(self, effects: list[LinkEffect]) -> None:
        """What an effect brings about is done behind the effects that are still due."""
        self._due += effects
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._due:
                self._perform(self._due.popleft())
        finally:
            self._is_busy = False
        if self._error is None:
            self._watch_paths()
            self._arm()
        if self._delivered and self._link.is_delivered:
            self._end_waits()

    def _perform(self, effect: LinkEffect) -> None:
        match effect:
            case Transmit(path, frame, lossy):
                self._has_sent = True
                self._outgoing.add(len(frame))
                if lossy:
                    self._port.transmit(path, frame, True)
                else:
                    self._bundle(path, frame)
            case StreamData(number, data):
                self._receive_data(number, data)
            case Delivered(data, is_text, reliable):
                self._port.message(decode_data(data, is_text), reliable)
            case MessageAcknowledged(message):
                for _ in range(message - self._acknowledged):
                    done = self._sent.popleft()
                    if not done.done():  # else nobody waits any more
                        done.set_result(None)
                self._acknowledged = message
            case PathChanged(path):
                self._port.moved(path)
            case StreamOpened(number, label):
                self._stream_opened(number, label)
            case Broken(code):
                self.close(ClientError("link_broken", f"The member's program broke the protocol: {code}."))
            case _:
                self._perform_of_stream(effect)

    def _bundle(self, path: PathName, frame: bytes) -> None:
        size = len(frame) + 2
        if self._bundled_bytes == 0:
            self._loop.call_soon(self._send_bundles)
        elif self._bundled_bytes + size > BUNDLE_BYTES_MAX:
            self._send_bundles()
        self._bundles[path].append(frame)
        self._bundled_bytes += size

    def _send_bundles(self) -> None:
        self._bundled_bytes = 0
        for path, frames in self._bundles.items():
            if frames:
                if self._greeter.is_up(path):
                    self._port.transmit(path, make_bundle(frames), False)
                frames.clear()

    def _perform_of_stream(self, effect: StreamEnded | StreamReset | StreamStopped | StreamDrained) -> None:
        stream = self._streams.get(effect.stream)
        if stream is None:
            return
        match effect:
            case StreamEnded():
                stream.end()
            case StreamReset():
                stream.failed(ClientError("stream_reset", "The member gave up writing this stream."))
            case StreamStopped():
                stream.stopped(ClientError("stream_stopped", "The member wants no more of this stream."))
            case StreamDrained():
                stream.drained()

    def _add_stream(self, number: int, label: str) -> MemberStream:
        link = self._link

        def is_over() -> bool:
            return link is not self._link or self._error is not None

        def write(data: bytes) -> bool:
            if is_over():
                return True
            has_place, effects = link.write(number, data, self._now())
            self._do(effects)
            return has_place

        def do(verb: Callable[[float], list[LinkEffect]]) -> None:
            if not is_over() and (effects := verb(self._now())):
                self._do(effects)

        stream = MemberStream(
            label,
            StreamPort(
                write=write,
                finish=lambda: do(lambda now: link.finish(number, now)),
                reset=lambda: do(lambda now: link.reset(number, 0, now)),
                stop=lambda: do(lambda now: link.stop(number, 0, now)),
                consume=lambda size: do(lambda now: link.consume(number, size, now)),
                over=lambda: None if is_over() else self._forget_stream(number),
            ),
        )
        self._streams[number] = stream
        return stream

    def _forget_stream(self, number: int) -> None:
        self._streams.pop(number, None)

    def _receive_data(self, number: int, data: bytes) -> None:
        if number == self._words_stream:
            self._continue_words(data)
        elif stream := self._streams.get(number):
            stream.take(data)

    def _stream_opened(self, number: int, label: str) -> None:
        if label == WORDS_LABEL and not self._is_first:
            self._words_stream = number
            self._exchange = self._port.safety_words()
        else:
            self._port.stream(self._add_stream(number, label))

    # Safety words.

    def _begin_words(self) -> None:
        """Where another stands in between, it can't get the same words on both sides: it has this one try."""
        self._exchange = self._port.safety_words()
        self._words_stream, effects = self._link.open_stream(WORDS_LABEL, self._now())
        self._do(effects)
        if self._exchange is not None:
            self._say_words(self._exchange.start())

    def _continue_words(self, message: bytes) -> None:
        if len(message) != _WORDS_BYTES or self._exchange is None:
            return
        try:
            answer = self._exchange.receive(message)
        except SealingError:
            self._exchange = None  # they broke the exchange: there are no words, and so nothing to trust
            return
        self._say_words(answer)

    def _say_words(self, message: bytes | None) -> None:
        number, exchange = self._words_stream, self._exchange
        if number is None or exchange is None:
            return
        if message is not None:
            self._do(self._link.write(number, message, self._now())[1])
        if exchange.words is not None:
            self._do(self._link.finish(number, self._now()))
            self._port.words(exchange.words)

    # Time.

    def _now(self) -> float:
        self._clock = max(self._clock, self._loop.time())
        return self._clock

    def _watch_paths(self) -> None:
        """Tell of paths that hang, and hold back those that take no more."""
        for path in (self._link.relay, self._link.direct):
            if not path.is_up:
                continue
            if path.is_quiet or path in self._quiet:
                self._tell_of_silence(path)
            if self._has_sent or not path.is_ready:
                is_ready = self._port.is_ready(path.name)
                if is_ready != path.is_ready:
                    self._due += self._link.path_ready(path.name, is_ready, self._now())
        self._has_sent = False
        if self._due:
            self._do([])

    def _tell_of_silence(self, path: Path) -> None:
        if path.is_quiet:
            self._quiet.add(path)
        else:
            self._quiet.remove(path)
        self._port.silent(path.name, path.is_quiet)

    def _arm(self) -> None:
        at = self._link.next_deadline()
        if at is None:
            at = math.inf
        if self._timer is not None:
            if self._timer_at <= at and self._timer_at != math.inf:
                return  # it will see that it came early
            self._timer.cancel()
            self._timer = None
        self._timer_at = at
        if at != math.inf:
            self._timer = self._loop.call_at(at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._timer_at = math.inf
        self._do(self._link.tick(self._now()))


class _Rate:
    """Bytes a second."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._bytes = 0.0
        self._at = 0.0

    def add(self, size: int) -> None:
        self._bytes = self.per_s() + size / _RATE_S

    def per_s(self) -> float:
        now = self._loop.time()
        self._bytes *= math.exp((self._at - now) / _RATE_S)
        self._at = now
        return self._bytes


def _lost() -> ClientError:
    return ClientError("delivery_unknown", "The member was lost before it had acknowledged this.")
