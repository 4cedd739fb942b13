"""Who comes and goes in a soak: participants that talk, lose connections and moderate each other, and strangers.

What happens is drawn from a seed, as far as the timing of a real server lets it repeat.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any

import msgspec
from picows import WSError

from sheetbend.core.client.effects import Ended, Lost, Welcomed
from sheetbend.core.client.room import Event, Failed

from ..participant import Participant
from ..protocols import Lesson
from ..rooms import close_all
from ..witness import Chronicle, differences
from .server import RESUME_GRACE_S

__all__ = ["Population"]

_ROOMS = 6
_PASSING_SHARE = 0.2
"""Of the newcomers that enter a room which nobody has used before, and few will."""
_REST_TIMEOUT_S = 45.0
"""As long as a session may outlive its connection, and as a client may wait before it tries again."""
_REST_STEP_S = 0.1
_OPEN_EVERY = 10
"""Steps after which a room is asked to open again: the moderator may have gone meanwhile."""
_SIGNALLING = ("offer", "answer")


class Population:
    """`size` participants, as many at the end as at the beginning."""

    def __init__(self, port: int, size: int, seed: int) -> None:
        self.chronicle = Chronicle()
        self.done: Counter[str] = Counter()
        """How often each thing was done, or happened."""
        self._port = port
        self._random = Random(seed)
        self._numbers = itertools.count()
        self._passing = itertools.count()
        self._over: dict[Participant, None] = {}
        """Those who are to be replaced."""
        self._offline: dict[Participant, None] = {}
        self._visits: set[asyncio.Task[None]] = set()
        self._everybody: dict[Participant, None] = {}
        for _ in range(size):
            self._admit_one()
        self._deeds: dict[Callable[[Participant], None], float] = {
            self._say: 40,
            self._say_to_some: 8,
            self._say_much: 1,
            self._signal: 10,
            self._update: 6,
            self._cut: 10,
            self._vanish: 3,
            self._leave: 4,
            self._moderate: 8,
            self._visit: 3,
            self._disturb: 4,
        }

    @property
    def faults(self) -> list[str]:
        return self.chronicle.faults

    def act(self) -> None:
        """Do one thing, whatever it is, and replace who is gone."""
        self._replace()
        actor = self._random.choice(list(self._everybody))
        (deed,) = self._random.choices(list(self._deeds), list(self._deeds.values()))
        deed(actor)

    async def rest(self) -> None:
        """Have everybody come to rest, and compare what they were told."""
        deadline = asyncio.get_running_loop().time() + _REST_TIMEOUT_S
        for participant in list(self._offline):
            self._return(participant)
        await asyncio.gather(*self._visits, return_exceptions=True)
        wrong = ["nothing was looked at"]
        for step in itertools.count():
            self._replace()
            if step % _OPEN_EVERY == 0:
                self._open_rooms()
            restless = [each for each in self._everybody if not each.is_settled]
            wrong = [f"{len(restless)} are not at rest, such as {_describe(restless[0])}"] if restless else []
            wrong = wrong or differences(self._by_room())
            if not wrong or asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_REST_STEP_S)
        self.faults.extend(wrong[:5])
        self.chronicle.check(self._everybody)

    async def leave(self) -> None:
        """Everybody goes, half of them without a word."""
        for number, participant in enumerate(self._everybody):
            if number % 2:
                participant.cut()
            participant.leave()
        for participant in self._everybody:
            await participant.wait_closed()
        await asyncio.gather(*self._visits, return_exceptions=True)

    # What happens.

    def _say(self, actor: Participant) -> None:
        size = int(self._random.paretovariate(1.2) * 30) % 8000
        self.chronicle.said(actor, actor.say({"fill": "x" * size}))

    def _say_to_some(self, actor: Participant) -> None:
        others = [each for each in self._members(actor.room.id) if each is not actor]
        if others and actor.room.is_in:
            some = self._random.sample(others, min(len(others), 2))
            to = tuple(each.room.user_id for each in some)
            self.chronicle.said(actor, actor.say("to some", to), some)

    def _say_much(self, actor: Participant) -> None:
        for _ in range(100):
            self._say(actor)

    def _signal(self, actor: Participant) -> None:
        if actor.room.members:
            target = self._random.choice(list(actor.room.members))
            kind = self._random.choice(_SIGNALLING)
            actor.send(kind, target=target, sdp={"type": kind, "sdp": "v=0\r\n" + "a=x\r\n" * 200})
            actor.send("ice-candidate", target=target, candidate=None)

    def _update(self, actor: Participant) -> None:
        mood = self._random.choice(["well", "ill", None])
        actor.send("update", name=f"{actor.name} the {mood}", attributes={"mood": mood})

    def _cut(self, actor: Participant) -> None:
        """It will resume."""
        actor.cut()

    def _vanish(self, actor: Participant) -> None:
        """It will come back when its session is over."""
        if actor not in self._offline:
            self._offline[actor] = None
            actor.go_offline()
            asyncio.get_running_loop().call_later(RESUME_GRACE_S + self._random.uniform(1, 3), self._return, actor)

    def _leave(self, actor: Participant) -> None:
        """For good, perhaps while it has no connection."""
        if self._random.random() < 0.3:
            actor.cut()
        self._over[actor] = None

    def _moderate(self, actor: Participant) -> None:
        """The moderator of a room does something to the actor, or to who may enter."""
        room = actor.room
        moderator = self._moderator_of(room.id)
        if moderator is None:
            return
        deed = self._random.choice(["mute", "unmute", "ask", "remove", "set-access", "set-access", "admit", "reject"])
        self.done[deed] += 1
        match deed:
            case "mute" | "unmute":
                moderator.send("mute", userId=room.user_id, messages=deed == "mute")
            case "ask":
                moderator.send("mute", userId=room.user_id, media=["audio"])
            case "remove" if actor is not moderator:
                moderator.send("remove", userId=room.user_id)
            case "set-access":
                moderator.send("set-access", access=self._random.choice(["open", "open", "lobby", "locked"]))
            case "admit" | "reject":
                for waiting in self._members(room.id):
                    if not waiting.room.is_in and waiting.room.user_id:
                        moderator.send(deed, userId=waiting.room.user_id)

    def _visit(self, actor: Participant) -> None:
        self._run(self._visit_in_lesson(actor.room.id))

    def _disturb(self, actor: Participant) -> None:
        self._run(self._disturb_once())

    # The parts.

    def _admit_one(self) -> None:
        number = next(self._numbers)
        room_id = f"room-{number % _ROOMS}"
        if self._random.random() < _PASSING_SHARE:
            room_id = f"passing-{next(self._passing) // 3}"
        participant = Participant(
            number, room_id, port=self._port, random=Random(self._random.random()), tell=self._tell
        )
        self._everybody[participant] = None
        participant.start()

    def _tell(self, participant: Participant, event: Event | Welcomed | Lost | Ended) -> None:
        self.chronicle.tell(participant, event)
        match event:
            case Welcomed(recovered=True):
                self.done["resumed"] += 1
            case Welcomed(recovered=False):
                self.done["lost its session"] += 1
            case Failed() | Ended():
                self.done[f"over: {event.error}"] += 1
                self._over[participant] = None

    def _replace(self) -> None:
        for participant in self._over:
            if participant in self._everybody:
                participant.leave()
                del self._everybody[participant]
                self._offline.pop(participant, None)
                self.chronicle.forget(participant)
                self.done["replaced"] += 1
                self._admit_one()
        self._over.clear()

    def _return(self, participant: Participant) -> None:
        if self._offline.pop(participant, self) is not self:
            participant.go_online()

    def _members(self, room_id: str) -> list[Participant]:
        return [each for each in self._everybody if each.room.id == room_id]

    def _by_room(self) -> dict[str, list[Participant]]:
        rooms: dict[str, list[Participant]] = {}
        for participant in self._everybody:
            rooms.setdefault(participant.room.id, []).append(participant)
        return rooms

    def _moderator_of(self, room_id: str) -> Participant | None:
        """Any who may moderate, as the others see it; in a room of one that one."""
        members = [each for each in self._members(room_id) if each.room.is_in]
        if len(members) == 1:
            return members[0]
        views = (view for each in members for view in each.room.members.values())
        moderators = {view["userId"] for view in views if "moderate" in view.get("can", ())}
        return next((each for each in members if each.room.user_id in moderators), None)

    def _open_rooms(self) -> None:
        """Let in whoever waits. It is an event for everybody, so that all have the same offset after it: a message to
        some counts, and the others don't see it."""
        for room_id in self._by_room():
            moderator = self._moderator_of(room_id)
            if moderator is not None:
                moderator.send("set-access", access="open")

    def _run(self, visit: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(visit)
        self._visits.add(task)
        task.add_done_callback(self._visits.discard)

    async def _visit_in_lesson(self, room_id: str) -> None:
        """Somebody who speaks the other dialect comes for a moment."""
        with suppress(OSError, TimeoutError, WSError):
            connection = await Lesson().connect(self._port, room_id, "")
            connection.receive = _ignore
            connection.send(Lesson().join(room_id))
            connection.send(msgspec.json.encode({"type": "offer", "roomId": room_id, "sdp": "v=0"}))
            await asyncio.sleep(self._random.random())
            await close_all([connection])

    async def _disturb_once(self) -> None:
        """Somebody connects who doesn't mean it well, or doesn't know how."""
        address = ("127.0.0.1", self._port)
        opened = socket.socket()
        opened.setblocking(False)
        with suppress(OSError), opened:
            await asyncio.get_running_loop().sock_connect(opened, address)
            await asyncio.get_running_loop().sock_sendall(opened, self._random.choice(_DISTURBANCES))
            await asyncio.sleep(self._random.random())


_HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
_V1 = _HANDSHAKE + b"Sec-WebSocket-Protocol: sheetbend.v1\r\n\r\n"
_DISTURBANCES = (
    b"",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /ws HTTP/1.1\r\n" + b"X: y\r\n" * 50,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    _HANDSHAKE + b"Sec-WebSocket-Protocol: sheetbend.v9\r\n\r\n",
    _V1,
    _V1 + b"\x81\x85\x00\x00\x00\x00[[[[[",
    _V1 + b"\x01\x83\x00\x00\x00\x00abc",
    _V1 + b"\xf1\x80\x00\x00\x00\x00",
)


def _describe(participant: Participant) -> str:
    room = participant.room
    return (
        f"{participant.name} in {room.id} ({participant.session.phase.value}, "
        f"{'in' if room.is_in else 'not in'} the room, {len(room._pending)} messages unsettled)"
    )


def _ignore(payload: bytes) -> None:
    pass
