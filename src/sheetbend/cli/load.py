"""`sheetbend load`."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from ..errors import ConfigurationError
from .numbers import Whole
from .room_options import RoomOptions, console, run_in_room

if TYPE_CHECKING:
    from ..client.events import CloseReason
    from ..client.signalling import Signalling, SignallingOptions
    from ..core.client.effects import Json
    from ..core.client.room import ClientRoom, Output

__all__ = ["load"]

_JOIN_TIMEOUT_S = 30.0
_DRAIN_S = 5.0
"""How long what is on its way may take behind the last message."""
_BUCKET = 1.01
_SHORTEST_S = 1e-6
_LOST = 1


def load(
    url: str,
    *,
    members: Whole = 10,
    rate: float = 1.0,
    seconds: float = 10.0,
    size: Whole = 100,
    rooms: Whole = 1,
    json: Annotated[bool, Parameter(negative="")] = False,
    options: Annotated[RoomOptions, Parameter(name="*")] = RoomOptions(),  # noqa: B008
) -> None:
    """Fill rooms with members that talk, and measure.

    Says how long messages took, and whether any was lost (status 1). All members are in this one process: where it
    needs a whole core, it measures itself.

    Parameters
    ----------
    url
        The room's link.
    members
        In each room.
    rate
        Messages a second of each member, to everybody in its room.
    seconds
        For so long, from when all are in.
    size
        Bytes of each message, at least.
    rooms
        With more than one: NAME-1, NAME-2 and so on.
    json
        Print the report alone, as JSON.
    """
    if members < 2 or rooms < 1 or not 0 < rate <= 1000 or not seconds > 0 or not 0 <= size <= 60_000:
        raise ConfigurationError(
            "bad_load", "load takes 2 or more members, up to 1000 messages a second and up to 60000 bytes."
        )
    run_in_room(_load(url, _Plan(members, rate, seconds, size, rooms), options, as_json=json))


@dataclass(frozen=True)
class _Plan:
    members: int
    rate: float
    seconds: float
    size: int
    rooms: int


async def _load(url: str, plan: _Plan, options: RoomOptions, *, as_json: bool) -> int:
    from ..client import parse_room_url
    from ..client.limits import ClientLimits
    from ..client.signalling import SignallingOptions
    from .doctor import any_certificate

    address = parse_room_url(url)
    if address.room is None:
        raise ConfigurationError("bad_url", "load takes a room's link, such as https://example.org/r/demo.")
    tls = any_certificate() if options.insecure else None
    signalling = SignallingOptions(address.url, tls, (), False, options.token, None, ClientLimits())
    tally = _Tally()
    crowd = [
        _Talker(number, address.room if plan.rooms == 1 else f"{address.room}-{number % plan.rooms + 1}", plan, tally)
        for number in range(plan.members * plan.rooms)
    ]
    try:
        await _enter(crowd, signalling)
        began_at = time.monotonic()
        await asyncio.gather(*(talker.talk(began_at) for talker in crowd))
        await _drain(tally, plan)
    finally:
        await asyncio.gather(*(talker.leave() for talker in crowd))
    report = tally.report(plan)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        print("\n".join(_lines(report)))
    return _LOST if report.lost or report.duplicated or report.disordered else 0


async def _enter(crowd: list[_Talker], signalling: SignallingOptions) -> None:
    console.print(f"{len(crowd)} members enter.")
    for talker in crowd:
        talker.start(signalling)
    try:
        async with asyncio.timeout(_JOIN_TIMEOUT_S):
            await asyncio.gather(*(talker.is_in for talker in crowd))
    except TimeoutError:
        missing = sum(not talker.is_in.done() for talker in crowd)
        raise ConfigurationError(
            "load_incomplete", f"{missing} of {len(crowd)} members didn't get in within {_JOIN_TIMEOUT_S:g} s."
        ) from None
    console.print("All are in, and talk.")


async def _drain(tally: _Tally, plan: _Plan) -> None:
    """Wait for what is on its way, but not for ever."""
    tally.awaited = (tally.sent - tally.refused.total()) * (plan.members - 1)
    tally.look()
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            await tally.all_came.wait()


class Report(msgspec.Struct):
    """Times are in milliseconds."""

    members: int
    seconds: float
    enter_ms: dict[str, float]
    sent: int
    delivered: int
    lost: int
    duplicated: int
    disordered: int
    refused: dict[str, int]
    latency_ms: dict[str, float]
    reconnects: int


def _lines(report: Report) -> list[str]:
    def times(of: dict[str, float]) -> str:
        return "  ".join(f"{name} {value:.1f} ms" for name, value in of.items())

    refused = ", ".join(f"{count} {code}" for code, count in report.refused.items()) or "none"
    return [
        f"entering    {times(report.enter_ms)}",
        f"latency     {times(report.latency_ms)}",
        f"sent        {report.sent} messages, {report.delivered / report.seconds:.0f} deliveries a second",
        f"delivered   {report.delivered}",
        f"lost        {report.lost}  twice {report.duplicated}  out of order {report.disordered}",
        f"refused     {refused}",
        f"reconnects  {report.reconnects}",
    ]


class _Times:
    """Durations by their size to 1%, so that any number of them takes the same memory."""

    def __init__(self) -> None:
        self.count = 0
        self._buckets: Counter[int] = Counter()
        self._longest_s = 0.0

    def add(self, duration_s: float) -> None:
        self.count += 1
        self._longest_s = max(self._longest_s, duration_s)
        self._buckets[round(math.log(max(duration_s, _SHORTEST_S), _BUCKET))] += 1

    def summary_ms(self) -> dict[str, float]:
        if not self.count:
            return {}
        shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
        return {**{name: self._at(share) for name, share in shares.items()}, "longest": self._longest_s * 1000}

    def _at(self, share: float) -> float:
        left = math.ceil(share * self.count)
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return float(_BUCKET**bucket * 1000)
        return self._longest_s * 1000


@dataclass
class _Tally:
    entering: _Times = field(default_factory=_Times)
    latency: _Times = field(default_factory=_Times)
    sent: int = 0
    delivered: int = 0
    duplicated: int = 0
    disordered: int = 0
    reconnects: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    awaited: int | None = None
    """How many are to be delivered in all; None while there may be more."""
    all_came: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self) -> None:
        if self.delivered == self.awaited:
            self.all_came.set()

    def report(self, plan: _Plan) -> Report:
        return Report(
            members=plan.members * plan.rooms,
            seconds=plan.seconds,
            enter_ms=self.entering.summary_ms(),
            sent=self.sent,
            delivered=self.delivered,
            lost=max(0, (self.awaited or 0) - self.delivered),
            duplicated=self.duplicated,
            disordered=self.disordered,
            refused=dict(self.refused),
            latency_ms=self.latency.summary_ms(),
            reconnects=self.reconnects,
        )


class _Talker:
    """One member: only signalling and the room's messages, no links."""

    def __init__(self, number: int, room_id: str, plan: _Plan, tally: _Tally) -> None:
        from ..core.client.room import ClientRoom

        self._number = number
        self._plan = plan
        self._tally = tally
        self._random = Random(number)  # noqa: S311
        self._room: ClientRoom = ClientRoom(
            room_id, name=f"load {number + 1}", new_id=lambda: secrets.token_hex(8), random=self._random.random
        )
        self._signalling: Signalling | None = None
        self._began_at = 0.0
        self._heard: dict[int, int] = {}
        """The number of each other's last message."""
        self.is_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, options: SignallingOptions) -> None:
        from ..client.signalling import Signalling, SignallingPort

        self._began_at = time.monotonic()
        port = SignallingPort(
            greeted=lambda: self._take(self._room.greeted()),
            welcomed=lambda welcome, recovered: self._take(self._room.welcomed(welcome, recovered)),
            received=self._received,
            frame=lambda frame: None,
            ready=lambda: None,
            lost=self._lost,
            ended=self._ended,
        )
        self._signalling = Signalling(options, port)
        self._signalling.start()

    async def talk(self, began_at: float) -> None:
        """Messages at the plan's rate; the members' turns are spread over it."""
        interval_s = 1 / self._plan.rate
        due = began_at + self._random.random() * interval_s
        padding = "." * self._plan.size
        number = 0
        while due < began_at + self._plan.seconds:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            number += 1
            self._tally.sent += 1
            data = [self._number, number, time.monotonic(), padding]
            self._take(self._room.say(data)[1])
            due += interval_s

    async def leave(self) -> None:
        if self._signalling is not None:
            self._signalling.close()
            await self._signalling.wait_closed()

    def _received(self, message: Json) -> None:
        self._take(self._room.delivered(message, asyncio.get_running_loop().time()))

    def _lost(self) -> None:
        self._tally.reconnects += 1
        self._room.lost()

    def _ended(self, reason: CloseReason) -> None:
        self._fail(reason.error or ConfigurationError("load_incomplete", reason.reason))

    def _fail(self, error: Exception) -> None:
        if not self.is_in.done():
            self.is_in.set_exception(error)

    def _take(self, outputs: list[Output]) -> None:
        from ..core.client.room import Entered, Failed, Heard, Send, Settled

        for output in outputs:
            match output:
                case Send(message) if self._signalling is not None:
                    self._signalling.send(message)
                case Heard(data=data, sender=sender) if sender != self._room.user_id:
                    self._hear(data)
                case Settled(error=str(code)):
                    self._tally.refused[code] += 1
                case Entered() if not self.is_in.done():
                    self._tally.entering.add(time.monotonic() - self._began_at)
                    self.is_in.set_result(None)
                case Failed(error=code, sentence=sentence):
                    self._fail(ConfigurationError(code, sentence or f"The room can't be entered: {code}."))

    def _hear(self, data: Any) -> None:
        now = time.monotonic()
        match data:
            case [int(sender), int(number), float(sent_at), str()]:
                last = self._heard.get(sender, 0)
                self._tally.duplicated += number == last
                self._tally.disordered += number < last
                self._tally.delivered += number > last
                self._heard[sender] = max(last, number)
                self._tally.latency.add(now - sent_at)
                self._tally.look()
