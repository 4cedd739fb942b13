"""Clients that believe only what they are told: each keeps its own view of every room, and objects to nonsense."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.support.clients import Client, Message

__all__ = ["LessonWitness", "Members", "NativeWitness", "Stay", "Witness"]

Members = dict[str, tuple[str, Any]]
"""Name and attributes by user id."""


@dataclass
class Stay:
    """From a roster to the departure: what one native client saw of one life of a room."""

    epoch: str
    start: int
    members: Members
    events: dict[int, Message] = field(default_factory=dict)
    last: int = 0
    """Offset of the newest event."""


class Witness:
    """Reads everything a connection brings, in a task of its own. `rooms` are those it is in, as far as it knows."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.rooms: set[str] = set()
        self.refusals: list[str] = []
        self._signalled: dict[tuple[str, str], int] = {}
        self._marked = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def catch_up(self) -> None:
        """Return when everything sent so far has been answered, and the answers are in the view."""
        self._marked.clear()
        await self.client.send("marker")
        marked = asyncio.create_task(self._marked.wait())
        done, _ = await asyncio.wait({self._reading, marked}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        marked.cancel()
        if self._reading in done:
            self._reading.result()
        assert marked in done, "the connection ended, or does not answer"

    async def end(self, *, abruptly: bool) -> None:
        if abruptly:
            await self._break()
        else:
            await self._say_goodbye()
            await self._reading

    async def _break(self) -> None:
        self.client.connection.transport.write(b"\x81\xfe\x01")  # half a frame
        self.client.abort()
        await self._reading

    async def _say_goodbye(self) -> None:
        await self.client.connection.close()

    async def acknowledge(self) -> None:
        """Say how much has come, so that the server needn't keep it."""

    def members(self, room_id: str) -> Members | set[str]:
        raise NotImplementedError

    def hear(self, message: Message) -> None:
        raise NotImplementedError

    def hear_signalling(self, message: Message) -> None:
        """`sdp` counts up for each sender and room, so that repeated and reordered signalling shows."""
        key = message["sender"], message["roomId"]
        assert message["sdp"] > self._signalled.get(key, -1), message
        self._signalled[key] = message["sdp"]

    async def _read(self) -> None:
        try:
            while True:
                message = await self.client.next_message()
                if message["type"] == "ack":  # about once a second, where this client sends anything
                    await self.acknowledge()
                    continue
                if message["type"] != "error":
                    self.hear(message)
                elif message["code"] == "unknown_type":
                    self._marked.set()
                else:
                    self.refusals.append(message["code"])
        except ConnectionClosed:
            pass


class LessonWitness(Witness):
    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._others: dict[str, set[str]] = {}

    def members(self, room_id: str) -> set[str]:
        """Everyone but itself: it isn't told its own id."""
        return self._others[room_id]

    async def join(self, room_id: str) -> None:
        self.rooms.add(room_id)
        self._others[room_id] = set()
        await self.client.send("join", roomId=room_id)

    async def leave(self, room_id: str) -> None:
        await self.client.send("leave", roomId=room_id)
        await self.catch_up()
        self.rooms.discard(room_id)

    def hear(self, message: Message) -> None:
        if message["type"] == "offer":
            self.hear_signalling(message)
            return
        others = self._others[message["roomId"]]
        if message["type"] == "user-left":
            others.remove(message["userId"])
        else:
            assert message["type"] in ("existing-user", "user-joined")
            assert message["userId"] not in others, message
            others.add(message["userId"])


class NativeWitness(Witness):
    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.stays: dict[str, list[Stay]] = {}
        """By room, in order of time."""

    def members(self, room_id: str) -> Members:
        """Everyone, itself included."""
        return self.stays[room_id][-1].members

    async def join(self, room_id: str, name: str) -> None:
        await self.client.send("join", roomId=room_id, name=name)

    async def leave(self, room_id: str) -> None:
        self.rooms.discard(room_id)
        await self.client.send("leave", roomId=room_id)
        await self.catch_up()

    async def acknowledge(self) -> None:
        await self.client.send("ack", received=self.client.received)

    async def resume(self, url: str) -> None:
        """Lose the connection with whatever is under way on it, and go on over another."""
        await self._break()
        welcome = await self.client.resume(url)
        assert welcome["recovered"] is True
        self._reading = asyncio.create_task(self._read())

    async def _say_goodbye(self) -> None:
        await self.client.send("bye")

    def hear(self, message: Message) -> None:
        room_id = message["roomId"]
        if message["type"] == "roster":
            self._enter(room_id, message)
        elif message["type"] == "offer":
            self.hear_signalling(message)
        else:
            stay = self.stays[room_id][-1]
            assert message["offset"] > stay.last, message
            stay.last = message["offset"]
            stay.events[stay.last] = message
            self._apply(message, stay.members)

    def _enter(self, room_id: str, roster: Message) -> None:
        assert room_id not in self.rooms
        self.rooms.add(room_id)
        members = {member["userId"]: (member["name"], member["attributes"]) for member in roster["members"]}
        assert len(members) == len(roster["members"])
        assert self.client.user_id not in members
        members[self.client.user_id] = (f"member of {room_id}", {})
        stay = Stay(roster["epoch"], roster["offset"], members, last=roster["offset"])
        self.stays.setdefault(room_id, []).append(stay)

    def _apply(self, event: Message, members: Members) -> None:
        match event["type"]:
            case "user-joined":
                assert event["member"]["userId"] not in members
                members[event["member"]["userId"]] = (event["member"]["name"], event["member"]["attributes"])
            case "user-updated":
                assert event["member"]["userId"] in members
                members[event["member"]["userId"]] = (event["member"]["name"], event["member"]["attributes"])
            case "user-left":
                del members[event["userId"]]
            case "message":
                assert event["sender"] in members
            case other:
                raise AssertionError(other)
