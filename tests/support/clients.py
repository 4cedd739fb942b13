"""Clients of both dialects on the `websockets` library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

__all__ = ["SUBPROTOCOL", "UNCOUNTED", "Client", "Message", "lesson", "native", "room_of", "settled"]

SUBPROTOCOL = Subprotocol("sheetbend.v1")
Message = dict[str, Any]

UNCOUNTED = frozenset({"hello", "welcome", "ack", "ping", "pong", "draining"})
_ASIDE = frozenset({"ack", "pong", "draining"})
_TIMEOUT_S = 10
_markers = count(1)


class Client:
    """One participant, on one connection after another. `user_id` is what the server calls it, once it is known.

    It counts what it sends and reads (PROTOCOL.md, "Resume"), and acknowledges nothing by itself.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.user_id = ""
        self.resume_token = ""
        self.received = 0
        self.sent: list[str] = []
        """Counted messages, for as long as the session lives."""

    async def send(self, kind: str, **fields: Any) -> None:
        await self.send_text(json.dumps({"type": kind, **fields}))

    async def send_text(self, text: str) -> None:
        if _is_counted(text):
            self.sent.append(text)
        await self.connection.send(text)

    async def receive(self, kind: str | None = None) -> Message:
        """Return the next message, which must be of type `kind` if that is given.

        `ack`, `pong` and `draining` come when they will: they are left aside unless asked for.
        """
        async with asyncio.timeout(_TIMEOUT_S):
            while (message := await self.next_message())["type"] in _ASIDE - {kind}:
                pass
        assert kind is None or message["type"] == kind, f"expected {kind}, received {message}"
        return message

    async def next_message(self) -> Message:
        """Return the next message, whatever it is, and count it."""
        message: Message = json.loads(await self.connection.recv(decode=True))
        self.received += message["type"] not in UNCOUNTED
        return message

    async def hello(self, **fields: Any) -> Message:
        """Greet, and return the welcome."""
        await self.send("hello", **fields)
        welcome = await self.receive("welcome")
        self.user_id = welcome["userId"]
        self.resume_token = welcome["resumeToken"]
        if not welcome.get("recovered"):
            self.received = 0
            self.sent.clear()
        return welcome

    async def resume(self, url: str, *, received: int | None = None, **fields: Any) -> Message:
        """Go on over another connection, send again what the server hasn't got, and return the welcome."""
        self.connection = await _connect_native(url)
        count = self.received if received is None else received
        welcome = await self.hello(resume={"token": self.resume_token, "received": count}, **fields)
        for text in self.sent[welcome.get("received", 0) :]:
            await self.connection.send(text)
        return welcome

    async def receive_many(self, number: int) -> list[Message]:
        return [await self.receive() for _ in range(number)]

    async def unread(self) -> list[Message]:
        """Return everything sent to this client until now.

        A message of a type that nobody knows is answered at once and in order, so its answer marks the present.
        """
        marker = f"marker-{next(_markers)}"
        await self.send(marker, ref=marker)
        messages = []
        while (message := await self.receive()).get("code") != "unknown_type":
            messages.append(message)
        return messages

    async def refusal(self, kind: str, **fields: Any) -> Message:
        """Send a message and return the error it must cause."""
        await self.send(kind, **fields)
        return await self.receive("error")

    async def close_code(self) -> int | None:
        """Read to the end of the connection; return the server's close code, None if it sent none."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                while True:
                    await self.next_message()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None

    async def lose_connection(self) -> None:
        """Vanish, and return when that has happened. What the server has sent is lost if it was not read."""
        self.abort()
        await self.connection.wait_closed()

    def abort(self) -> None:
        """Vanish: reset the TCP connection without a close handshake."""
        self.connection.transport.abort()

    async def join(self, room_id: str, **fields: Any) -> Message:
        """Enter a room (`sheetbend.v1`) and return the roster."""
        await self.send("join", roomId=room_id, **fields)
        return await self.receive("roster")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()


async def lesson(url: str) -> Client:
    """Connect without a subprotocol."""
    return Client(await connect(url, compression=None, ping_interval=None, max_size=None))


async def native(url: str, *, hello: bool = True, **fields: Any) -> Client:
    """Connect with `sheetbend.v1`, and greet with `fields`."""
    client = Client(await _connect_native(url))
    if hello:
        await client.hello(**fields)
    return client


async def _connect_native(url: str) -> ClientConnection:
    return await connect(url, subprotocols=[SUBPROTOCOL], compression=None, ping_interval=None, max_size=None)


def _is_counted(text: str) -> bool:
    """Also what is not valid counts."""
    try:
        value = json.loads(text)
    except ValueError:
        return True
    return not (isinstance(value, dict) and value.get("type") in UNCOUNTED)


@asynccontextmanager
async def room_of(url: str, room_id: str, dialects: str) -> AsyncIterator[list[Client]]:
    """Yield clients that are in one room, one for each letter of `dialects`: l is `lesson`, n `sheetbend.v1`.

    They have read everything that entering caused, and know their ids.
    """
    clients: list[Client] = []
    try:
        for letter in dialects:
            client = await (lesson(url) if letter == "l" else native(url))
            await client.send("join", roomId=room_id)
            await client.unread()
            for member in clients:
                (joined,) = await member.unread()
                client.user_id = joined["userId"] if "userId" in joined else joined["member"]["userId"]
            clients.append(client)
        if clients and not clients[0].user_id:
            clients[0].user_id = await _ask_for_id(url, room_id, clients)
        yield clients
    finally:
        for client in clients:
            await client.connection.close()


async def _ask_for_id(url: str, room_id: str, members: list[Client]) -> str:
    """Find out the id of a `lesson` client that was first: a newcomer is told."""
    async with await lesson(url) as visitor:
        await visitor.send("join", roomId=room_id)
        first: str = (await visitor.unread())[0]["userId"]
        await visitor.send("leave", roomId=room_id)
        await visitor.unread()
    for member in members:
        await member.unread()
    return first


async def settled(*clients: Client) -> list[list[Message]]:
    """Return what each client was sent until all that any of them had sent was done.

    The first round of markers follows everything the clients sent, the second everything that this caused.
    """
    first = [await client.unread() for client in clients]
    second = [await client.unread() for client in clients]
    return [early + late for early, late in zip(first, second, strict=True)]
