"""The session (`core.client.session`) on a real WebSocket, real timers and the program's tokens: does its effects, in
order.

Leaves to others: what is said on it (`room`, `mesh`). `web/sdk/src/signalling.ts` is its twin.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import random
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from picows import WSError

from .. import __version__
from ..core.client.effects import (
    Deliver,
    Disconnect,
    Effect,
    Ended,
    Greeted,
    Json,
    Lost,
    NeedToken,
    Open,
    Transmit,
    Welcomed,
)
from ..core.client.messages import decode_server_message
from ..core.client.reconnect_policy import ReconnectPolicy
from ..core.client.session import ClientSession
from ..core.close_codes import CloseCode
from ..errors import ClientError, SheetbendError
from .events import CloseReason
from .limits import ClientLimits
from .websocket import WebSocket, WebSocketPort

__all__ = ["GetToken", "Signalling", "SignallingOptions", "SignallingPort"]

GetToken: TypeAlias = Callable[[], str | Awaitable[str]]

_SUBPROTOCOL = "sheetbend.v1"
_CHECK_S = 1.0
"""Whether the connection lives is asked at most so often."""
_TOKEN_TRIES = 3
_TOKEN_RETRY_S = 5.0
"""How often to ask for a token without which there is no connection, and how long to wait in between."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class SignallingOptions:
    url: str
    tls: ssl.SSLContext | None
    features: tuple[str, ...]
    relay_only: bool
    token: str | GetToken | None
    policy: ReconnectPolicy | None
    limits: ClientLimits


@dataclass(frozen=True)
class SignallingPort:
    """What signalling tells its owner.

    `greeted`: hello of a new session is on its way: what is sent now goes right behind it. `welcomed`: the session is
    open, as in `Welcomed`. `frame`: a binary message. `ready`: the connection takes more binary messages again. `lost`:
    it is gone, another will be tried, and what is sent meanwhile waits. `ended`: there will be no other; called once,
    and not after `close`.
    """

    greeted: Callable[[], None]
    welcomed: Callable[[Json, bool | None], None]
    received: Callable[[Json], None]
    frame: Callable[[bytes], None]
    ready: Callable[[], None]
    lost: Callable[[], None]
    ended: Callable[[CloseReason], None]


class Signalling:
    def __init__(self, options: SignallingOptions, port: SignallingPort) -> None:
        self._options = options
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._session = ClientSession(
            client=f"sheetbend-python/{__version__}",
            features=options.features,
            relay_only=options.relay_only,
            random=random.random,
            policy=options.policy,
            refreshes=callable(options.token),
        )
        self._due: deque[Effect] = deque()
        self._is_busy = False
        self._is_begun = False
        self._is_closed = False
        self._socket: WebSocket | None = None
        self._sockets: set[WebSocket] = set()
        """All that aren't gone yet."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening: asyncio.Task[None] | None = None
        self._checked_at = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._token_timer: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        """Whether the connection had better be given no more binary messages for now."""
        return self._socket is not None and self._socket.is_full

    def start(self) -> None:
        """Open the first connection."""
        token = self._options.token
        if callable(token):
            self._ask_for_token(1)
        else:
            self._begin(token)

    def send(self, message: Json) -> None:
        """Send a message, now or when the session goes on. Does nothing where there is none."""
        self._do(self._session.send(message, self._loop.time()))

    def send_frame(self, frame: bytes) -> None:
        """Send a binary message, if there is a connection that takes it."""
        if self._socket is not None:
            self._socket.send_binary(frame)

    def check(self) -> None:
        """Find out whether the connection still works: something doesn't come back."""
        now = self._loop.time()
        if now - self._checked_at >= _CHECK_S:
            self._checked_at = now
            self._do(self._session.check(now))

    def network_changed(self) -> None:
        self._do(self._session.network_back(self._loop.time()))

    def close(self) -> None:
        """Say goodbye and end."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._token_timer is not None:
            self._token_timer.cancel()
        self._do(self._session.close(self._loop.time()))
        self._discard()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def wait_closed(self) -> None:
        """Return when nothing of it is left. Cancelling it ends the sockets at once."""
        try:
            while self._sockets or self._other_tasks():
                gone = [asyncio.ensure_future(socket.wait_gone()) for socket in self._sockets]
                await asyncio.wait([*gone, *self._other_tasks()])
        finally:
            for socket in self._sockets:
                socket.abort()

    # The parts.

    def _other_tasks(self) -> list[asyncio.Task[None]]:
        return [task for task in self._tasks if task is not asyncio.current_task()]

    def _begin(self, token: str | None) -> None:
        self._is_begun = True
        now = self._loop.time()
        if token is not None:
            self._do(self._session.authorize(token, now))
        self._do(self._session.start(now))

    def _do(self, effects: list[Effect]) -> None:
        """What an effect brings about is done behind the effects that are still due: what is sent keeps its order."""
        self._due += effects
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._due:
                self._perform(self._due.popleft())
        finally:
            self._is_busy = False
        self._arm()

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Transmit(message):
                if self._socket is not None:
                    self._socket.send_text(_encode(message))
            case Disconnect():
                self._discard()
            case _ if self._is_closed:
                pass
            case Open():
                self._discard()
                self._opening = self._start(self._open(), "connection")
            case Greeted():
                self._port.greeted()
            case Welcomed(welcome, recovered):
                self._port.welcomed(welcome, recovered)
            case Deliver(message):
                self._port.received(message)
            case Lost():
                self._port.lost()
            case NeedToken():
                self._ask_for_token(_TOKEN_TRIES)
            case Ended(code, reason, error):
                name = error or ("token_expired" if code == CloseCode.TOKEN_EXPIRED else "connection_failed")
                self._end(code, ClientError(name, reason or f"The connection ended with code {code}."))

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._loop.create_task(work, name=f"sheetbend {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _open(self) -> None:
        options = self._options
        port = WebSocketPort(self._text, self._binary, self._heard, self._port.ready, self._closed, self._failed)
        try:
            socket = await WebSocket.open(options.url, _SUBPROTOCOL, port, tls=options.tls, limits=options.limits)
        except (OSError, WSError, ValueError) as error:  # ValueError: no name of a host
            self._opening = None
            self._do(self._session.closed(CloseCode.ABNORMAL, str(error), self._loop.time()))
            return
        except Exception as error:
            self._failed(error)  # else `connect` would wait for ever
            return
        self._opening = None
        self._socket = socket
        self._sockets.add(socket)
        socket.when_gone(lambda: self._sockets.discard(socket))
        self._do(self._session.opened(self._loop.time()))

    def _text(self, text: bytes) -> None:
        self._do(self._session.received(decode_server_message(text), self._loop.time()))

    def _binary(self, frame: bytes) -> None:
        self._session.heard(self._loop.time())
        if not self._is_closed:
            self._port.frame(frame)

    def _heard(self) -> None:
        self._session.heard(self._loop.time())

    def _closed(self, code: int, reason: str) -> None:
        self._socket = None
        self._do(self._session.closed(code, reason, self._loop.time()))

    def _failed(self, cause: Exception) -> None:
        error = ClientError("internal_error", f"A fault of Sheetbend's: {cause!r}.")
        error.__cause__ = cause
        self._end(CloseCode.INTERNAL_ERROR, error)

    def _ask_for_token(self, tries: int) -> None:
        self._start(self._bring_token(tries), "token")

    async def _bring_token(self, tries: int) -> None:
        try:
            token = await self._fresh_token()
        except SheetbendError as error:
            left = tries if self._is_begun and not self._session.awaits_token else tries - 1
            if left == 0:
                self._end(CloseCode.NORMAL, error)
            else:
                self._token_timer = self._loop.call_later(_TOKEN_RETRY_S, self._ask_for_token, left)
            return
        if self._is_begun:
            self._do(self._session.authorize(token, self._loop.time()))
        else:
            self._begin(token)

    async def _fresh_token(self) -> str:
        get = self._options.token
        try:
            token = get() if callable(get) else get
            if inspect.isawaitable(token):
                token = await token
        except Exception as cause:
            raise ClientError("token_unavailable", f"The function that gets tokens raised {cause!r}.") from cause
        if not isinstance(token, str):
            raise ClientError("token_unavailable", "The function that gets tokens gave none.")
        return token

    def _end(self, code: int, error: SheetbendError) -> None:
        if not self._is_closed:
            self.close()
            self._port.ended(CloseReason(int(code), str(error), error))

    def _arm(self) -> None:
        at = None if self._is_closed else self._session.next_deadline()
        if self._timer is not None:
            if at is not None and self._timer_at <= at:
                return  # it will see that it came early
            self._timer.cancel()
            self._timer = None
        if at is not None:
            self._timer_at = at
            self._timer = self._loop.call_at(at, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._do(self._session.expire(self._loop.time()))

    def _discard(self) -> None:
        """Forget the socket: nothing it still does is heard."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.discard()
