"""Two hundred clients of both dialects come, talk, change, leave and vanish; in the end all tell the same story."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Iterable
from random import Random

from tests.support.clients import Message, lesson, native
from tests.support.in_process import asynchronous
from tests.support.process import ServerProcess
from tests.support.witnesses import LessonWitness, Members, NativeWitness, Stay, Witness

SEED = os.environ.get("CHURN_SEED", "1")
"""CHURN_SEED=n pytest tests/server/test_churn.py repeats a run, as far as the network does."""

CLIENTS = 200
ACTIONS = 25
CROWDED = [f"churn {number}" for number in range(8)]
QUIET = [f"churn {number}" for number in range(8, 60)]
"""Rooms that end and begin anew."""
ROOMS_A_CLIENT = 3

Log = dict[tuple[str, str], dict[int, Message]]
"""The events of each life of each room, by offset, as far as anybody saw them."""


class Actor:
    """One participant after another, each with a fresh connection; chance decides what they do."""

    def __init__(self, url: str, number: int) -> None:
        self._url = url
        self._chance = Random(f"{SEED} {number}")
        self._counter = 0
        self.past: list[Witness] = []
        self.witness: Witness

    async def play(self) -> None:
        await self._connect()
        for _ in range(ACTIONS):
            await self._act()
            await asyncio.sleep(self._chance.random() / 50)
        await self.witness.catch_up()

    async def _connect(self) -> None:
        if self._chance.random() < 0.3:
            self.witness = LessonWitness(await lesson(self._url))
        else:
            self.witness = NativeWitness(await native(self._url))
        await self._join(self._chance.choice(CROWDED))

    async def _act(self) -> None:
        witness, chance = self.witness, self._chance
        rooms = sorted(witness.rooms)
        if isinstance(witness, NativeWitness) and chance.random() < 0.06:
            await witness.resume(self._url)
        elif chance.random() < 0.06:
            await witness.end(abruptly=chance.random() < 0.6)
            self.past.append(witness)
            await self._connect()
        elif not rooms or (len(rooms) < ROOMS_A_CLIENT and chance.random() < 0.15):
            some_rooms = CROWDED if chance.random() < 0.6 else QUIET
            await self._join(chance.choice([room for room in some_rooms if room not in rooms]))
        elif chance.random() < 0.1:
            await self._leave(chance.choice(rooms))
        elif isinstance(witness, NativeWitness):
            await self._talk(witness, chance.choice(rooms))
        else:
            self._counter += 1
            await witness.client.send("offer", sdp=self._counter, roomId=chance.choice(rooms))

    async def _join(self, room_id: str) -> None:
        if isinstance(self.witness, NativeWitness):
            await self.witness.join(room_id, f"member of {room_id}")
            await self.witness.catch_up()
        elif isinstance(self.witness, LessonWitness):
            await self.witness.join(room_id)

    async def _leave(self, room_id: str) -> None:
        if isinstance(self.witness, NativeWitness | LessonWitness):
            await self.witness.leave(room_id)

    async def _talk(self, witness: NativeWitness, room_id: str) -> None:
        self._counter += 1
        others = sorted(set(witness.members(room_id)) - {witness.client.user_id})
        some = self._chance.sample(others, min(3, len(others)))
        kind = self._chance.random()
        if kind < 0.3:
            await witness.client.send("message", roomId=room_id, data=self._counter)
        elif kind < 0.5 and some:
            await witness.client.send("message", roomId=room_id, data=self._counter, to=some)
        elif kind < 0.7:
            attributes = {self._chance.choice("abc"): self._chance.choice([None, self._counter])}
            await witness.client.send("update", roomId=room_id, attributes=attributes)
        elif some:
            for target in some:
                await witness.client.send("offer", roomId=room_id, target=target, sdp=self._counter)


@asynchronous
async def test_all_views_agree_after_churn() -> None:
    with ServerProcess(["--resume-grace", "6"]) as server:
        actors = [Actor(server.websocket_url, number) for number in range(CLIENTS)]
        try:
            async with asyncio.TaskGroup() as play:
                for actor in actors:
                    play.create_task(actor.play())
            await assert_one_story(server.websocket_url, actors)
        finally:
            await asyncio.gather(*(actor.witness.end(abruptly=True) for actor in actors), return_exceptions=True)
        assert "Traceback" not in server.errors


async def until_the_vanished_are_gone(url: str, actors: list[Actor]) -> None:
    """Their sessions outlive them by their grace."""
    gone = {witness.client.user_id for actor in actors for witness in actor.past}
    async with asyncio.timeout(20), await native(url) as newcomer:
        for room_id in CROWDED + QUIET:
            roster = await newcomer.join(room_id)
            waiting_for = gone.intersection(member["userId"] for member in roster["members"])
            while waiting_for:
                event = await newcomer.receive()
                if event["type"] == "user-left":
                    waiting_for.discard(event["userId"])
            await newcomer.send("leave", roomId=room_id)
            while (await newcomer.receive()).get("userId") != newcomer.user_id:
                pass


async def assert_one_story(url: str, actors: list[Actor]) -> None:
    witnesses = [actor.witness for actor in actors]
    await until_the_vanished_are_gone(url, actors)
    for _ in range(2):  # that is told of in a turn of the server's loop of its own
        await asyncio.gather(*(witness.catch_up() for witness in witnesses))
    natives = [witness for witness in witnesses if isinstance(witness, NativeWitness)]
    lessons = [witness for witness in witnesses if isinstance(witness, LessonWitness)]
    await assert_equal_views(url, natives, lessons)
    gone = [witness for actor in actors for witness in actor.past if isinstance(witness, NativeWitness)]
    log = merged_log([*natives, *gone])
    assert sum(map(len, log.values())) > CLIENTS * ACTIONS / 3
    assert_nothing_missed(log, natives, gone)
    assert {code for witness in witnesses for code in witness.refusals} <= {"target_not_found"}


async def assert_equal_views(url: str, natives: list[NativeWitness], lessons: list[LessonWitness]) -> None:
    """Everyone's members of each room are those that a newcomer is told of."""
    truth: dict[str, Members] = {}
    async with await native(url) as newcomer:
        for room_id in CROWDED + QUIET:
            roster = await newcomer.join(room_id)
            truth[room_id] = {member["userId"]: (member["name"], member["attributes"]) for member in roster["members"]}
            await newcomer.send("leave", roomId=room_id)
            await newcomer.receive("user-left")
    await asyncio.gather(*(witness.catch_up() for witness in (*natives, *lessons)))
    for witness in natives:
        for room_id, members in truth.items():
            if room_id in witness.rooms:
                assert witness.members(room_id) == members
            else:
                assert witness.client.user_id not in members
    for observer in lessons:
        assert all(observer.members(room_id) < truth[room_id].keys() for room_id in observer.rooms)
        missing = {
            user_id for room_id in observer.rooms for user_id in truth[room_id].keys() - observer.members(room_id)
        }
        assert len(missing) == bool(observer.rooms), "a lesson member knows everybody but itself"


def merged_log(witnesses: Iterable[NativeWitness]) -> Log:
    """Put together what all saw; two who saw the same offset saw the same event."""
    log: Log = defaultdict(dict)
    for witness in witnesses:
        for room_id, stays in witness.stays.items():
            for stay in stays:
                for offset, event in stay.events.items():
                    assert without_ref(log[room_id, stay.epoch].setdefault(offset, event)) == without_ref(event)
    return log


def without_ref(event: Message) -> Message:
    """Whether one is polite depends on who is told."""
    if event["type"] != "user-joined":
        return event
    return {**event, "member": {key: value for key, value in event["member"].items() if key != "polite"}}


def assert_nothing_missed(log: Log, present: list[NativeWitness], gone: list[NativeWitness]) -> None:
    """Everyone saw all that concerned them, from their first moment in a room to the last."""
    for witness in (*present, *gone):
        for room_id, stays in witness.stays.items():
            for stay in stays:
                events = log[room_id, stay.epoch]
                is_open = witness in present and stay is stays[-1] and room_id in witness.rooms
                end = max(events, default=0) if is_open else stay.last
                concerning = {offset for offset in events if concerns(events[offset], witness, stay, offset, end)}
                assert concerning == stay.events.keys()


def concerns(event: Message, witness: NativeWitness, stay: Stay, offset: int, end: int) -> bool:
    me = witness.client.user_id
    return stay.start < offset <= end and ("to" not in event or me in event["to"] or event["sender"] == me)
