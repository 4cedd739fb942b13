"""A member that knows the protocol, has keys of its own, and says what no client of ours would."""

from __future__ import annotations

import json
from typing import Any, Self

from websockets.asyncio.client import connect

from sheetbend.client.sealing import KeyPair, Seal, description_parts
from sheetbend.core.relay import KIND_KEPT, room_tag
from tests.support.clients import SUBPROTOCOL, Client, Message

__all__ = ["Stranger"]


class Stranger(Client):
    """In the room `room_id`, without a secret. `frames` are those that came on the relay, sealed."""

    room_id: str
    keys: KeyPair
    seals: dict[str, Seal]
    frames: list[bytes]
    known_keys: dict[str, str]

    @classmethod
    async def enter(cls, url: str, room_id: str = "demo", name: str = "Stranger") -> Self:
        stranger = cls(await connect(url, subprotocols=[SUBPROTOCOL], compression=None, max_size=None))
        stranger.room_id, stranger.keys, stranger.seals, stranger.frames = room_id, KeyPair(), {}, []
        await stranger.hello(features=["relay"])
        roster = await stranger.join(room_id, name=name, key=stranger.keys.key)
        stranger.known_keys = {member["userId"]: member["key"] for member in roster["members"]}
        for member in roster["members"]:
            stranger.seals[member["userId"]] = stranger.keys.agree(
                room_id=room_id,
                own_id=stranger.user_id,
                other_id=member["userId"],
                other_key=member["key"],
                secret=None,
            )
        return stranger

    async def __aexit__(self, *_: object) -> None:
        self.abort()  # it hasn't read everything

    async def next_message(self) -> Message:
        while isinstance(data := await self.connection.recv(), bytes):
            self.frames.append(data)
        self.received += 1
        message: Message = json.loads(data)
        return message

    async def relay(self, frame: bytes) -> None:
        """Send a link frame, sealed, to everybody it met on entering."""
        for user_id, seal in self.seals.items():
            await self.relay_unsealed(user_id, seal.seal(frame, bytes([KIND_KEPT])))

    async def relay_unsealed(self, user_id: str, sealed: bytes) -> None:
        header = bytes([KIND_KEPT]) + room_tag(self.room_id) + bytes.fromhex(user_id)
        await self.connection.send(header + sealed)

    async def describe(self, kind: str, sdp: str, *, labels: Any = None, tag: object = None) -> None:
        """Send a description, with the right tag unless another is given."""
        labels = {} if labels is None else labels
        for user_id, seal in self.seals.items():
            value = {"type": kind, "sdp": sdp, "streams": labels}
            if tag is None:
                bound = {key: label for key, label in labels.items() if isinstance(label, str)}
                value["tag"] = seal.bind(description_parts(kind, sdp, bound))
            else:
                value["tag"] = tag
            await self.signal(user_id, kind, sdp=value)

    async def signal(self, user_id: str, kind: str, **fields: Any) -> None:
        await self.send(kind, roomId=self.room_id, target=user_id, **fields)
