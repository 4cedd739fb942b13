"""One run: a plan drawn from a seed, carried out on simulated time, and checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from random import Random
from typing import Any

from sheetbend.core.client.effects import Effect, Json
from sheetbend.core.client.room import Send
from sheetbend.core.events import DialectName
from sheetbend.server.token_keys import secret_key
from sheetbend.server.tokens import TokenVerifier, mint

from .checks import MUTE_NAME, Checks
from .client import SimulatedClient
from .network import Item, Link
from .scheduler import Scheduler
from .server import LIMITS, PING, PONG, ServerConnection, SimulatedServer

__all__ = ["Action", "Outcome", "World", "plan"]

BUSY_S = 60.0
"""How long things are done and broken."""
CALM_S = 45.0
"""Then everything is mended, and so long later every promise must hold."""
ROOMS = ("red", "green")
_AUDIENCE = "simulator"
_SKEW_MAX_S = 5.0
_LEEWAY_S = 10.0
_EPOCH_S = 1_700_000_000.0
"""What the wall clock shows at the start."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that is done or broken. `seed` is for its own random choices."""

    at: float
    kind: str
    who: int
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went."""

    seed: int
    trace_hash: str
    events_count: int
    faults_count: int
    violation: str | None


_DOINGS = {
    "say": 60,
    "say_to": 8,
    "say_much": 3,
    "signal": 30,
    "update": 8,
    "repeat": 8,
    "stray": 2,
    "leave": 1,
    "moderate": 8,
    "lesson": 2,
    "twin": 2,
}
_FAULTS = {
    "partition": 5,
    "abrupt_close": 6,
    "half_open": 3,
    "server_forgets": 3,
    "slow_reader": 4,
    "network_change": 3,
    "storm": 1,
    "crash": 1,
    "drain": 1,
    "clock_jump": 2,
    "duplicate_tab": 2,
    "thief": 3,
    "flood": 1,
}


def plan(seed: int) -> list[Action]:
    """Return what happens in the run of `seed`: at least 20 faults among some 130 other things."""
    random = Random(f"plan {seed}")
    kinds = random.choices(list(_DOINGS), list(_DOINGS.values()), k=random.randint(100, 140))
    kinds += random.choices(list(_FAULTS), list(_FAULTS.values()), k=random.randint(20, 30))
    return sorted(
        (
            Action(round(random.uniform(2, BUSY_S), 3), kind, random.randrange(1000), random.getrandbits(32))
            for kind in kinds
        ),
        key=lambda action: action.at,
    )


class World:
    """The server, its clients, what is between them, and the checks."""

    def __init__(self, seed: int, actions: Sequence[Action]) -> None:
        self.seed = seed
        self.scheduler = Scheduler()
        random = Random(f"world {seed}")
        self._random = random
        self.has_tokens = random.random() < 0.5
        self._key = secret_key("a secret of the simulator, long enough", "of the simulator")
        self._skew_s = 0.0
        verifier = TokenVerifier(
            [self._key], audience=_AUDIENCE, limits=LIMITS, clock=lambda: _EPOCH_S + self.scheduler.now + self._skew_s
        )
        self._actions = actions
        self._hash = sha256()
        self.recorded: dict[SimulatedClient, list[dict[str, Any]]] | None = None
        self._drawn: list[float] = []
        self.server = SimulatedServer(self.scheduler, random, verifier if self.has_tokens else None)
        self.checks = Checks(self)
        self.server.on_checked = self.checks.bounds
        self.clients: list[SimulatedClient] = []
        self.stuck: dict[Link, float] = {}
        """Links that nothing gets through, and since when."""
        self.last_heard: dict[str, float] = {}
        """When the server last got anything of a session."""
        self.given_up: set[str] = set()
        """Sessions that ended otherwise than by their grace."""
        self.admitted: set[str] = set()
        self._token_ends: dict[SimulatedClient, float] = {}
        self._signals = 0
        for number in range(random.randint(8, 11)):
            client = SimulatedClient(self, f"c{number}", ROOMS[number % 2], Random(f"client {seed} {number}"))
            self.clients.append(client)
            self.scheduler.after(random.uniform(0, 2), client.start)

    def run(self) -> None:
        """Raises ViolationError."""
        for action in self._actions:
            self.scheduler.at(action.at, self._doer(action))
        self.scheduler.at(BUSY_S + 0.001, self._mend)
        for part in (0.4, 0.6):
            self.scheduler.at(BUSY_S + CALM_S * part, self._open_rooms)
        self.scheduler.run(BUSY_S + CALM_S)
        self.checks.finish()

    @property
    def trace_hash(self) -> str:
        return self._hash.hexdigest()[:16]

    # What clients ask for.

    def token_for(self, client: SimulatedClient) -> str:
        """Mint a token. The first two of a room moderate it, one may not speak."""
        expires_in_s = client.random.choice((12, 30, 90))
        self._token_ends[client] = self.scheduler.now + expires_in_s
        return self._mint(client, expires_in_s)

    def _mint(self, client: SimulatedClient, expires_in_s: float) -> str:
        number = int(client.name.removeprefix("c"))
        can = ["publish", "subscribe"]
        if client.name != MUTE_NAME:
            can.append("message")
        if number < 4:
            can.append("moderate")
        return mint(
            self._key,
            subject=client.name,
            rooms=[ROOMS[number % 2]],
            can=can,
            audience=_AUDIENCE,
            expires_in_s=expires_in_s,
            now=_EPOCH_S + self.scheduler.now,
        )

    def open(self, client: SimulatedClient) -> Link:
        """Open a connection from `client`, if it gets through."""
        connection = ServerConnection(self.server)
        link = Link(
            self.scheduler,
            self._random,
            to_server=lambda item: self._arrive(connection, item),
            to_client=lambda item: client.receive(link, item),
        )
        connection.link = link
        client.connection = connection
        self.scheduler.after(self._random.uniform(0.01, 0.3), lambda: self._shake_hands(client, link, connection))
        return link

    def _shake_hands(self, client: SimulatedClient, link: Link, connection: ServerConnection) -> None:
        if client.link is not link:
            return
        if not client.is_reachable:
            return  # a SYN without an answer
        if not self.server.is_up:
            client.closed(link, 1006, "refused")
            return
        if not self.server.accept(connection, client.name):
            client.closed(link, 1006, "429")
            return
        client._do("opened", {}, client.session.opened(self.scheduler.now))

    def _arrive(self, connection: ServerConnection, item: Item) -> None:
        if connection not in self.server.connections:
            return
        before = set(self.server.hub.clients)
        connection.receive(item)
        self.last_heard[connection.client.session.user_id] = self.scheduler.now
        self.given_up |= before - self.server.hub.clients.keys()

    # What is written down.

    def trace(self, client: SimulatedClient, item: Item) -> None:
        self._hash.update(f"{self.scheduler.now:.6f} {client.name} {item!r}\n".encode())

    def draw(self, number: float) -> float:
        self._drawn.append(number)
        return number

    def record(self, client: SimulatedClient, name: str, fields: dict[str, Any], effects: list[Effect]) -> None:
        """Keep a step of a client's session, for protocol/fixtures/session-traces.json."""
        drawn, self._drawn = self._drawn, []
        if self.recorded is not None:
            self.recorded.setdefault(client, []).append(
                {
                    "token": client.session._token,
                    "now": self.scheduler.now,
                    "input": {"type": name, **fields},
                    "random": drawn,
                    "effects": effects,
                    "deadline": client.session.next_deadline(),
                }
            )

    def has_run_out(self, client: SimulatedClient) -> bool:
        """Whether the token that `client` showed last is too old, whatever the server's clock says."""
        return self.has_tokens and self.scheduler.now > self._token_ends[client] + 2 * _SKEW_MAX_S + _LEEWAY_S

    # What happens.

    def _doer(self, action: Action) -> Callable[[], None]:
        def do() -> None:
            client = self.clients[action.who % len(self.clients)]
            getattr(self, f"_{action.kind}")(client, Random(action.seed))

        return do

    def _say(self, client: SimulatedClient, random: Random) -> None:
        client.say(size=random.choice((0, 0, 0, 200, 1500)))

    def _say_to(self, client: SimulatedClient, random: Random) -> None:
        others = list(client.room.members)
        if others:
            client.say(to=tuple(random.sample(others, random.randint(1, min(3, len(others))))))

    def _say_much(self, client: SimulatedClient, random: Random) -> None:
        for _ in range(random.randint(10, 40)):
            client.say(size=random.choice((0, 800)))

    def _repeat(self, client: SimulatedClient, random: Random) -> None:
        """Send something again that was not answered yet, as after a timeout of its own."""
        client.repeat()

    def _stray(self, client: SimulatedClient, random: Random) -> None:
        """Try a room that the token isn't for."""
        if self.has_tokens and not client.is_over:
            client.tell([Send({"type": "join", "roomId": "blue", "name": client.name, "ref": "stray"})])

    def _flood(self, client: SimulatedClient, random: Random) -> None:
        for _ in range(150):
            client.say()

    def _signal(self, client: SimulatedClient, random: Random) -> None:
        for target in random.sample(list(client.room.members), min(2, len(client.room.members))):
            self._signals += 1
            number = self._signals
            if client.send("offer", target=target, sdp={"n": number, "to": target}, ref=f"signal-{number}"):
                self.checks.signalled(client, target, number)

    def _update(self, client: SimulatedClient, random: Random) -> None:
        if not self.has_tokens or random.random() < 0.5:
            client.send("update", attributes={"mood": random.randrange(10)})

    def _leave(self, client: SimulatedClient, random: Random) -> None:
        if int(client.name[1]) >= 4:
            client.leave()

    def _moderate(self, client: SimulatedClient, random: Random) -> None:
        room = self.server.broker._rooms.get(client.room.id)
        if room is None or client.room.user_id not in room.moderators or not client.room.is_in:
            client.send("set-access", access="locked")  # and is refused
            return
        others = list(client.room.members)
        match random.choice(("mute", "unmute", "access", "access", "admit", "remove")):
            case "mute" if others:
                client.send("mute", userId=random.choice(others), messages=True)
            case "unmute" if others:
                client.send("mute", userId=random.choice(others), messages=False)
            case "access":
                client.send("set-access", access=random.choice(("open", "open", "lobby", "locked")))
            case "admit" if room.waiting:
                waiting = random.choice(list(room.waiting.values()))
                self.admitted.add(waiting.member.name)
                client.send("admit", userId=waiting.member.user_id)
            case "remove" if others:
                target = random.choice(others)
                name = client.room.members[target]["name"]
                if int(name[1]) >= 4:
                    client.send("remove", userId=target)

    def _lesson(self, client: SimulatedClient, random: Random) -> None:
        """In a room of its own somebody locks the door and goes, and who stays can't open it."""
        if self.has_tokens:
            return
        join = {"type": "join", "roomId": "school"}
        shut = {"type": "set-access", "roomId": "school", "access": random.choice(("lobby", "locked"))}
        hello = {"type": "hello"}
        self._visit("lesson", [(0, join)], random.uniform(3, 30))
        self._visit("sheetbend.v1", [(0.5, hello), (0.5, join), (2, shut)], random.uniform(2, 8))
        self._visit("sheetbend.v1", [(6, hello), (6, join)], random.uniform(7, 25))

    def _twin(self, client: SimulatedClient, random: Random) -> None:
        """The same person comes with a second device."""
        if self.has_tokens:
            hello = {"type": "hello", "token": self._mint(client, 60)}
            join = {"type": "join", "roomId": client.room.id, "name": f"{client.name} too"}
            self._visit("sheetbend.v1", [(0, hello), (0, join)], random.uniform(5, 25))

    # Faults.

    def _partition(self, client: SimulatedClient, random: Random) -> None:
        """Nothing gets through for a while; connections outlive it if it is short."""
        link = client.link
        client.is_reachable = False
        if link is not None:
            link.stick()
            self.stuck[link] = self.scheduler.now

        def heal() -> None:
            client.is_reachable = True
            if link is not None and self.stuck.pop(link, None) is not None:
                link.release()

        self.scheduler.after(random.choice((0.5, 2, 5, 9, 20)), heal)

    def _half_open(self, client: SimulatedClient, random: Random) -> None:
        """A connection that hangs for ever, while new ones work."""
        if client.link is not None:
            client.link.stick()
            self.stuck.setdefault(client.link, self.scheduler.now)

    def _abrupt_close(self, client: SimulatedClient, random: Random) -> None:
        """Reset by something in between: what was on its way is lost, both ends hear of it."""
        self._cut(client, random, server_too=True)

    def _server_forgets(self, client: SimulatedClient, random: Random) -> None:
        """Only the client hears that the connection is gone."""
        self._cut(client, random, server_too=False)

    def _cut(self, client: SimulatedClient, random: Random, *, server_too: bool) -> None:
        link, connection = client.link, client.connection
        if link is None or connection is None:
            return
        link.cut()
        self.stuck[link] = self.scheduler.now
        self.scheduler.after(random.uniform(0, 0.5), lambda: client.closed(link, 1006, "reset"))
        if server_too and connection in self.server.connections:
            self.scheduler.after(random.uniform(0, 1), connection.vanish)

    def _slow_reader(self, client: SimulatedClient, random: Random) -> None:
        link = client.link
        if link is not None:
            link.to_client.is_stuck = True
            after_s = random.choice((3, 6, 11))
            self.scheduler.after(after_s, lambda: None if link in self.stuck else link.to_client.release())

    def _network_change(self, client: SimulatedClient, random: Random) -> None:
        if random.random() < 0.5:
            self._half_open(client, random)
        client.network_back()

    def _storm(self, client: SimulatedClient, random: Random) -> None:
        for each in list(self.clients):
            self._cut(each, random, server_too=True)

    def _crash(self, client: SimulatedClient, random: Random) -> None:
        self._restart(self.server.crash, random)

    def _drain(self, client: SimulatedClient, random: Random) -> None:
        self._restart(self.server.drain, random)

    def _restart(self, end: Callable[[], None], random: Random) -> None:
        if self.server.is_up:
            self.given_up |= self.server.hub.clients.keys()
            end()
            self.scheduler.after(random.uniform(0.5, 6), self.server.start)

    def _clock_jump(self, client: SimulatedClient, random: Random) -> None:
        """The server's wall clock is set; by less than tokens are given for."""
        self._skew_s = random.uniform(-_SKEW_MAX_S, _SKEW_MAX_S)

    def _duplicate_tab(self, client: SimulatedClient, random: Random) -> None:
        """A copy of a page goes on with the same session; one of the two must end, and say so."""
        if client.session.resume_token is None or client.is_over:
            return
        received = client.session._stream.received if random.random() < 0.5 else 0
        self._raw_hello(client.session.resume_token, received, lambda welcome: None)

    def _thief(self, client: SimulatedClient, random: Random) -> None:
        """Somebody tries resume tokens that are used up, or guessed."""
        used_up = -1 if self._has_confirmed(client) else -2
        tokens = client.resume_tokens[:used_up]
        if client.resume_tokens:
            newest = client.resume_tokens[-1]
            tokens.append(f"{newest[:-8]}{random.getrandbits(32):08x}")
        if tokens:
            # With a count that the server could go on from, or it would refuse for that alone.
            self._raw_hello(random.choice(tokens), client.session._stream.received, self._require_refused)

    def _has_confirmed(self, client: SimulatedClient) -> bool:
        """Whether the server must know that its last token arrived: `ack` follows each recovered welcome at once."""
        return (
            client.is_ready
            and client.link is not None
            and client.link not in self.stuck
            and client.recovered_at is not None
            and self.scheduler.now > client.recovered_at + 2
        )

    def _require_refused(self, welcome: dict[str, Any]) -> None:
        self.checks._require(welcome.get("recovered") is not True, "a stolen resume token was good")

    def _visit(self, dialect: DialectName, says: Sequence[tuple[float, Json]], stays_s: float) -> None:
        """Let somebody without the logic of a client say this, each at its time, and vanish."""
        connection = ServerConnection(self.server)

        def hear(item: Item) -> None:
            if item == PING:
                connection.link.to_server.push(PONG)

        connection.link = Link(
            self.scheduler, self._random, to_server=lambda item: self._arrive(connection, item), to_client=hear
        )
        if self.server.is_up and self.server.accept(connection, "elsewhere", dialect):
            for after_s, message in says:
                self.scheduler.after(after_s, partial(connection.link.to_server.push, json.dumps(message).encode()))
            self.scheduler.after(stays_s, connection.vanish)

    def _raw_hello(self, resume_token: str, received: int, check: Callable[[dict[str, Any]], None]) -> None:
        """Say hello on a connection of nobody's, and close it after the answer."""
        if not self.server.is_up:
            return
        connection = ServerConnection(self.server)

        def hear(item: Item) -> None:
            if isinstance(item, bytes):
                message = json.loads(item)
                if message["type"] == "welcome":
                    check(message)
                    self.given_up.add(message["userId"])
                    self.scheduler.after(0.2, connection.vanish)

        connection.link = Link(
            self.scheduler, self._random, to_server=lambda item: self._arrive(connection, item), to_client=hear
        )
        self.server.accept(connection, "elsewhere")
        hello: dict[str, Any] = {"type": "hello", "resume": {"token": resume_token, "received": received}}
        if self.has_tokens:
            hello["token"] = self._mint(self.clients[0], 60)
        connection.link.to_server.push(json.dumps(hello).encode())

    def _mend(self) -> None:
        for client in self.clients:
            client.is_reachable = True
        for link in list(self.stuck):
            link.release()
        self.stuck.clear()
        self.server.start()

    def _open_rooms(self) -> None:
        """Let everybody in again, whatever moderators did."""
        for room in list(self.server.broker._rooms.values()):
            for client in self.clients:
                if room.access != "open" and client.room.user_id in room.moderators:
                    client.send("set-access", access="open")
