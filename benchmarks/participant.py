"""A client as the SDKs have it: the real session and room logic of `sheetbend.core.client`, on picows.

It connects again by itself, with full jitter; resumes, or joins again where it can't; acknowledges; sends `ping`. Its
owner is told what happens, and can cut its connection or keep it from the network.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

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
from sheetbend.core.client.room import ClientRoom, Event, Output, Send
from sheetbend.core.client.session import ClientSession, Phase

__all__ = ["Participant", "loopback_address"]

_ABNORMAL = 1006
_NO_CODE = 1005
_HEADERS = {"Sec-WebSocket-Protocol": "sheetbend.v1"}
_READ_BUFFER_BYTES = 4096
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends RST and forgets what waits, as a network that is suddenly gone."""
_ADDRESSES = 200

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode

Tell = Callable[["Participant", Event | Welcomed | Lost | Ended], None]


def loopback_address(number: int) -> str:
    """Spread clients over 127.0.1.0/24: a crowd comes from many addresses, and limits by address stay as they are."""
    return f"127.0.1.{number % _ADDRESSES + 1}"


class Participant:
    """One session in one room. `tell` is called with all that its owner may want to know, in order."""

    def __init__(
        self,
        number: int,
        room_id: str,
        *,
        port: int,
        random: Random,
        tell: Tell,
        token: str | None = None,
    ) -> None:
        self.number = number
        self.name = f"p{number}"
        self.random = random
        self.session = ClientSession(client="benchmark", random=random.random, token=token)
        self.room = ClientRoom(room_id, name=self.name, new_id=self._new_id, random=random.random)
        self.is_over = False
        """It said goodbye, or there will be no other connection."""
        self.attempts = 0
        """How many connections it opened or tried to."""
        self._port = port
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._link: _Link | None = None
        self._opening: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0
        self._is_offline = False
        self._ids = 0
        self._due: deque[Effect] = deque()

    @property
    def is_settled(self) -> bool:
        """Whether it is in the room over an open connection, and nothing that it said waits for an answer."""
        return self.session.phase is Phase.READY and self.room.is_in and not self.room._pending

    # What its owner makes it do.

    def start(self) -> None:
        self._do(self.session.start(self._loop.time()))

    def say(self, data: Any, to: tuple[str, ...] | None = None) -> str:
        """Returns the id of the message."""
        message_id, outputs = self.room.say(data, to)
        self._take(outputs)
        return message_id

    def send(self, kind: str, **fields: Any) -> None:
        """Send another message about the room, if it is in it."""
        self._take(self.room.send(kind, **fields))

    def leave(self) -> None:
        """Say goodbye."""
        if not self.is_over:
            self.is_over = True
            self._do(self.session.close(self._loop.time()))
            self._take(self.room.ended())
        self._cancel()

    def cut(self) -> None:
        """Lose the connection, now and without a word; the server gets RST."""
        link, self._link = self._link, None
        if link is not None:
            link.reset()
            self._do(self.session.closed(_ABNORMAL, "", self._loop.time()))

    def go_offline(self) -> None:
        """Lose the connection, and have every attempt fail until `go_online`."""
        self._is_offline = True
        self.cut()

    def go_online(self) -> None:
        self._is_offline = False
        if not self.is_over:
            self._do(self.session.network_back(self._loop.time()))

    async def wait_closed(self) -> None:
        """Return when nothing of it is left."""
        self._cancel()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)

    # What its connection calls.

    def received(self, link: _Link, payload: bytes) -> None:
        if link is self._link:
            self._do(self.session.received(_decode(payload), self._loop.time()))

    def closed(self, link: _Link, code: int) -> None:
        if link is self._link:
            self._link = None
            self._do(self.session.closed(code, "", self._loop.time()))

    # The parts.

    def _do(self, effects: Iterable[Effect]) -> None:
        """What an effect brings about is done behind the effects that are still due: what is sent keeps its order."""
        self._due += effects
        while self._due:
            self._perform(self._due.popleft())
        self._wake()

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Open():
                self.attempts += 1
                self._opening = self._loop.create_task(self._open())
            case Transmit():
                if self._link is not None:
                    self._link.transport.send(WSMsgType.TEXT, _encode(effect.message))
            case Disconnect():
                link, self._link = self._link, None
                if link is not None:
                    link.transport.disconnect()
            case Greeted():
                self._take(self.room.greeted())
            case Welcomed():
                self._tell(self, effect)
                self._take(self.room.welcomed(effect.welcome, effect.recovered))
            case Deliver():
                self._take(self.room.delivered(effect.message, self._loop.time()))
            case Lost():
                self._tell(self, effect)
                self.room.lost()
            case NeedToken():
                raise AssertionError("it has no way to get another token")
            case Ended():
                self.is_over = True
                self._tell(self, effect)
                self._take(self.room.ended())

    def _take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self._do(self.session.send(output.message, self._loop.time()))
            else:
                self._tell(self, output)

    async def _open(self) -> None:
        link = _Link(self)
        try:
            if self._is_offline:
                raise OSError("offline")
            await ws_connect(
                lambda: link,
                f"ws://127.0.0.1:{self._port}/ws",
                extra_headers=_HEADERS,
                websocket_handshake_timeout=10,
                read_buffer_init_size=_READ_BUFFER_BYTES,
                local_addr=(loopback_address(self.number), 0),
                use_aiofastnet=False,  # with it uvloop trips over a connection that is refused
            )
        except (OSError, TimeoutError, WSError):
            self._do(self.session.closed(_ABNORMAL, "", self._loop.time()))
            return
        if self.session.phase is not Phase.CONNECTING or self._is_offline:  # it took too long, or was ended meanwhile
            link.reset()
            return
        self._link = link
        self._do(self.session.opened(self._loop.time()))

    def _wake(self) -> None:
        """Have `_expire` called at the next deadline. A timer that is early enough stays: deadlines mostly move on."""
        deadlines = [at for at in (self.session.next_deadline(), self.room.next_deadline()) if at is not None]
        if not deadlines or self.is_over:
            return
        at = min(deadlines)
        if self._timer is None or at < self._wakes_at:
            self._cancel()
            self._wakes_at = at
            self._timer = self._loop.call_at(at, self._expire)

    def _expire(self) -> None:
        self._timer = None
        if self.is_over:
            return
        now = self._loop.time()
        due = self.session.next_deadline()
        if due is not None and due <= now:
            self._do(self.session.expire(now))
        self._take(self.room.expire(now))
        self._wake()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self.name}-{self._ids}"


class _Link(WSListener):
    """One connection of a participant."""

    def __init__(self, owner: Participant) -> None:
        super().__init__()
        self.transport: WSTransport
        self._owner = owner
        self._code = _ABNORMAL

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self._owner.received(self, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            payload = frame.get_payload_as_bytes()
            self._code = int.from_bytes(payload[:2], "big") if payload else _NO_CODE
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._owner.closed(self, self._code)

    def reset(self) -> None:
        self.transport.underlying_transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _RESET
        )
        self.transport.disconnect(False)
