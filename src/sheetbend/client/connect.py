"""The way in."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import Any, Literal, TypeAlias

from ..core.client.reconnect_policy import ReconnectPolicy
from ..errors import ClientError
from .encode import require_sendable
from .engines import load_engine
from .engines.base import Engine, IceServer
from .limits import ClientLimits
from .member import Attributes
from .room import ConnectOptions, Room
from .room_url import parse_room_url
from .signalling import GetToken

__all__ = ["Connecting", "EngineChoice", "connect"]

EngineChoice: TypeAlias = Literal["wrtc", "aiortc"] | Engine | None


class Connecting:
    """What `connect` returns: to be entered by `async with`, or awaited. Once.

    ```python
    async with connect(url) as room: ...
    ```
    """

    def __init__(self, options: Callable[[], ConnectOptions]) -> None:
        self._options = options
        self._room: Room | None = None

    def __await__(self) -> Generator[Any, None, Room]:
        return self._open().__await__()

    async def __aenter__(self) -> Room:
        self._room = await self._open()
        return self._room

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._room is not None:
            await (self._room.leave() if error is None else self._room.abort())

    async def _open(self) -> Room:
        return await Room.open(self._options())


def connect(
    url: str,
    *,
    room: str | None = None,
    name: str = "",
    attributes: Attributes | None = None,
    token: str | GetToken | None = None,
    secret: str | None = None,
    relay_only: bool = False,
    engine: EngineChoice = "wrtc",
    ice_servers: Sequence[IceServer] | None = None,
    reconnect: ReconnectPolicy | None = None,
    tls: ssl.SSLContext | None = None,
    on_waiting: Callable[[], None] | None = None,
    limits: ClientLimits | None = None,
) -> Connecting:
    """Enter a room.

        async with connect("https://example.org/r/demo#secret", name="robot") as room:
            async for event in room:
                ...

    `room = await connect(...)` does too; then `room.leave()` is to be called at last. It takes as long as it takes to
    know who is there; while one waits in the room's lobby, until somebody lets one in.

    - `url`: the room's link, as the app shows it, or with `room` the server: `https://example.org`, or its WebSocket
      `wss://example.org/ws`
    - `room`: its id, 1 to 128 characters
    - `name`: for others to see, up to 64 characters
    - `attributes`: free facts, up to 4096 bytes as JSON
    - `token`: what a server with `--auth token` asks for, or a function, async or not, that gets one. A function is
      asked again before each token's time is over, and once more when the server refuses one; so with a function the
      room lives on, and with a string it ends with `token_expired`.
    - `secret`: the text behind `#` in the room's link, if it isn't in `url`; `new_room_secret()` makes one. What
      members send each other, calls included, is then closed to the server itself, and to whoever hasn't the same
      text: such members are there, but can't be reached. Never sent to anybody.
    - `relay_only`: let no address of this computer out: only TURN servers and the WebSocket are used
    - `engine`: what does WebRTC: `wrtc`, `aiortc`, one of your own, which is yours to close, or None: then everything
      goes through the server, and there are no audio and video
    - `ice_servers`: used in place of the servers that the server names
    - `reconnect`: how long to wait before each attempt; left out, `FullJitter()`, which never gives up
    - `tls`: whom to trust; left out, whom the system trusts
    - `on_waiting`: called when one comes to wait in the room's lobby
    - `limits`: what waits, and for how long

    Raises ClientError: `connection_failed` if the first attempt doesn't succeed, `invalid_argument`,
    `token_unavailable`, or the code the server refused with, such as `room_full`, `room_locked`, `not_admitted`,
    `banned`, `token_required` or `invalid_name`; and EngineError `engine_missing` where the engine isn't installed.
    """

    def options() -> ConnectOptions:
        address = parse_room_url(url)
        room_id = address.room if room is None else room
        if room_id is None:
            raise ClientError("invalid_argument", "Which room? Give its link, or room=...")
        if secret == "":
            raise ClientError("invalid_argument", "An empty secret is none: leave it out.")
        # Refused here, as the server couldn't say what of it was wrong.
        require_sendable({"roomId": room_id, "name": name, "attributes": attributes, "secret": secret})
        return ConnectOptions(
            url=address.url,
            room_id=room_id,
            name=name,
            attributes=attributes or {},
            token=token,
            secret=address.secret if secret is None else secret,
            relay_only=relay_only,
            engine=load_engine(engine) if isinstance(engine, str) else engine,
            owns_engine=isinstance(engine, str),
            ice_servers=ice_servers,
            reconnect=reconnect,
            tls=tls,
            on_waiting=on_waiting,
            limits=limits or ClientLimits(),
        )

    return Connecting(options)
