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

__all__ = ["SUBPROTOCOL", "Client", "Message", "lesson", "native", "room_of", "settled"]

SUBPROTOCOL = Subprotocol("sheetbend.v1")
Message = dict[str, Any]

_TIMEOUT_S = 10
_markers = count(1)


class Client:
    """One connection. `user_id` is what the server calls it, once it is known."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.user_id = ""

    async def send(self, kind: str, **fields: Any) -> None:
        await self.send_text(json.dumps({"type": kind, **fields}))

    async def send_text(self, text: str) -> None:
        await self.connection.send(text)

    async def receive(self, kind: str | None = None) -> Message:
        """Return the next message, which must be of type `kind` if that is given."""
        async with asyncio.timeout(_TIMEOUT_S):
            message: Message = json.loads(await self.connection.recv(decode=True))
        assert kind is None or message["type"] == kind, f"expected {kind}, received {message}"
        return message

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
                    await self.connection.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None

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


async def native(url: str, *, hello: bool = True) -> Client:
    """Connect with `sheetbend.v1`, and greet."""
    client = Client(await connect(url, subprotocols=[SUBPROTOCOL], compression=None, ping_interval=None, max_size=None))
    if hello:
        await client.send("hello")
        client.user_id = (await client.receive("welcome"))["userId"]
    return client


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
