"""A client with the real session and room logic, on simulated connections; it writes down all that it is told."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Any

from sheetbend.core.client.effects import (
    Deliver,
    Disconnect,
    Effect,
    Ended,
    Greeted,
    Lost,
    NeedToken,
    Open,
    Transmit,
    Welcomed,
)
from sheetbend.core.client.room import ClientRoom, Output, Send
from sheetbend.core.client.session import ClientSession, Phase

from .network import Item, Link
from .server import PING, PONG, ServerConnection

if TYPE_CHECKING:
    from .world import World

__all__ = ["SimulatedClient"]


class SimulatedClient:
    """One participant: `name` is what it calls itself in everything it says."""

    def __init__(self, world: World, name: str, room_id: str, random: Random) -> None:
        self.world = world
        self.name = name
        self.random = random
        self.sees_pings = random.random() < 0.5
        """Programs do, pages don't."""
        self.session = ClientSession(
            client="simulator",
            random=lambda: world.draw(random.random()),
            token=world.token_for(self) if world.has_tokens else None,
            refreshes=world.has_tokens,
        )
        self.room = ClientRoom(room_id, name=name, new_id=self._new_id, random=random.random)
        self.link: Link | None = None
        self.connection: ServerConnection | None = None
        self.is_reachable = True
        self.is_over = False
        """It said goodbye, or was told that it is over."""
        self.is_outside = False
        self.resume_tokens: list[str] = []
        self.recovered_at: float | None = None
        self.said_count = 0
        self.repeated: set[str] = set()
        """Ids of messages that were sent twice, so that one may be refused and the other accepted."""
        self._ids = 0
        self._due: deque[Effect] = deque()
        self._wakes_at: float | None = None

    @property
    def now(self) -> float:
        return self.world.scheduler.now

    # What the plan makes it do.

    def start(self) -> None:
        self._do("start", {}, self.session.start(self.now))

    def say(self, to: tuple[str, ...] | None = None, size: int = 0) -> None:
        if self.is_over:
            return
        self.said_count += 1
        data = {"by": self.name, "n": self.said_count, "fill": "x" * size}
        said_id = f"{self.name}-{self._ids + 1}"
        self.world.checks.said(self, said_id, self.said_count, to)
        message_id, outputs = self.room.say(data, to)
        assert message_id == said_id
        self.tell(outputs)

    def repeat(self) -> None:
        """Send what it said first of all that is not answered yet once more; in the same session, as nobody knows what
        became of it in another."""
        pending = next((each for each in self.room._pending.values() if each.is_sent), None)
        if pending is not None and self.room.is_in:
            self.repeated.add(pending.message["id"])
            self.tell([Send(pending.message)])

    def try_to_return(self) -> None:
        """It was put out of its room."""
        self.tell([Send({"type": "join", "roomId": self.room.id, "name": self.name, "ref": "return"})])

    def send(self, kind: str, **fields: Any) -> bool:
        """Returns whether it could be sent."""
        outputs = [] if self.is_over else self.room.send(kind, **fields)
        self.tell(outputs)
        return bool(outputs)

    def leave(self) -> None:
        self.is_over = True
        self._do("close", {}, self.session.close(self.now))
        self.tell(self.room.ended())

    def network_back(self) -> None:
        self._do("networkBack", {}, self.session.network_back(self.now))

    # What happens to its connection.

    def receive(self, link: Link, item: Item) -> None:
        if link is not self.link:
            return
        self.world.trace(self, item)
        if isinstance(item, bytes):
            message = json.loads(item)
            self._do("received", {"message": message}, self.session.received(message, self.now))
        elif item == PING:
            link.to_server.push(PONG)
            if self.sees_pings:
                self.session.heard(self.now)
                self._do("heard", {}, [])
        else:
            code, reason = item
            self.closed(link, code, reason)

    def closed(self, link: Link, code: int, reason: str = "") -> None:
        if link is self.link:
            self.link = None
            self._do("closed", {"code": code, "reason": reason}, self.session.closed(code, reason, self.now))

    # The parts.

    def tell(self, outputs: Iterable[Output]) -> None:
        """Do what the room wants, and write down what it tells."""
        for output in outputs:
            if isinstance(output, Send):
                self._do("send", {"message": output.message}, self.session.send(output.message, self.now))
            else:
                self.world.checks.told(self, output)

    def _do(self, name: str, fields: dict[str, Any], effects: list[Effect]) -> None:
        """What an effect brings about is done behind the effects that are still due: what is sent keeps its order."""
        self.world.record(self, name, fields, effects)
        self._due += effects
        while self._due:
            self._perform(self._due.popleft())
        self._wake()

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Open():
                self.link = self.world.open(self)
            case Transmit():
                if self.link is not None:
                    self.link.to_server.push(json.dumps(effect.message).encode())
            case Disconnect():
                if self.link is not None:
                    self.link.to_server.push((1005, ""))
                self.link = None
            case Greeted():
                self.tell(self.room.greeted())
            case Welcomed():
                self.resume_tokens.append(effect.welcome["resumeToken"])
                self.recovered_at = self.now if effect.recovered else None
                self.world.checks.welcomed(self, effect)
                self.tell(self.room.welcomed(effect.welcome, effect.recovered))
            case Deliver():
                self.world.checks.delivered(self, effect.message)
                self.tell(self.room.delivered(effect.message, self.now))
            case Lost():
                self.room.lost()
            case NeedToken():
                self.world.scheduler.after(self.random.uniform(0.05, 2), self._bring_token)
            case Ended():
                self.is_over = True
                self.tell(self.room.ended())

    def _bring_token(self) -> None:
        if not self.is_over:
            token = self.world.token_for(self)
            self._do("authorize", {"token": token}, self.session.authorize(token, self.now))

    def _wake(self) -> None:
        deadlines = [at for at in (self.session.next_deadline(), self.room.next_deadline()) if at is not None]
        if not deadlines or self.is_over:
            return
        at = min(deadlines)
        if self._wakes_at is None or at < self._wakes_at:
            self._wakes_at = at
            self.world.scheduler.at(at, self._expire)

    def _expire(self) -> None:
        self._wakes_at = None
        if self.is_over:
            return
        if (due := self.session.next_deadline()) is not None and due <= self.now:
            self._do("expire", {}, self.session.expire(self.now))
        self.tell(self.room.expire(self.now))
        self._wake()

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self.name}-{self._ids}"

    @property
    def is_ready(self) -> bool:
        return self.session.phase is Phase.READY
