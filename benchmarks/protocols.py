"""The protocols of the servers under test, behind one small interface, so that one load generator serves them all.

A `Protocol` says how to connect, greet and join, how to write an ICE candidate, and how to read what comes back. The
candidate carries a number of eight digits (its foundation, in ICE's words), by which the receiver knows that nothing
was lost, doubled or put out of order.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

__all__ = [
    "V1",
    "Connection",
    "Delivery",
    "Floor",
    "Lesson",
    "PeerServer",
    "Protocol",
    "SocketIo",
    "Template",
    "V1Connection",
    "V1WithTokens",
    "candidate",
    "mint",
    "number_in",
    "template",
]

_MARK = b"candidate:"
_DIGITS = 8
_READ_BUFFER_BYTES = 4096
_HANDSHAKE_TIMEOUT_S = 30.0
_TEXT = WSMsgType.TEXT
_ACK_MESSAGES = 256
_ACK_S = 5.0
_ACK = b'{"type":"ack",'
_UNCOUNTED = (b'{"type":"welcome"', _ACK, b'{"type":"pong"', b'{"type":"draining"')
_ERROR = b'{"type":"error"'

Template = tuple[bytes, bytes]
"""What stands before and after the number."""
Delivery = tuple[str | None, object]
"""The sender that the server stamped (None where it stamps none), and the candidate."""


def candidate(number: int) -> dict[str, object]:
    """Return a server-reflexive candidate as Chromium writes it."""
    return {
        "candidate": f"candidate:{number:0{_DIGITS}} 1 udp 1677729535 203.0.113.45 54321 typ srflx raddr 192.168.1.17"
        " rport 51472 generation 0 ufrag EsAw network-id 1 network-cost 10",
        "sdpMid": "0",
        "sdpMLineIndex": 0,
        "usernameFragment": "EsAw",
    }


def number_in(payload: bytes) -> int:
    """Return the number in a delivered candidate. Raises ValueError if there is none."""
    at = payload.index(_MARK) + len(_MARK)
    return int(payload[at : at + _DIGITS])


class Connection(WSListener):
    """A client's WebSocket. Each text goes to `receive`, which whoever uses the connection sets."""

    farewell: ClassVar[bytes | None] = None
    """What ends the session, where one would outlive its connection; the server then closes."""

    def __init__(self) -> None:
        super().__init__()
        self.transport: WSTransport
        self.user_id = ""
        self.is_closed = False
        self.close_code: int | None = None
        """As the server gave it. Known in `sheetbend.v1` only."""
        self._early: asyncio.Queue[bytes] = asyncio.Queue()
        self.receive: Callable[[bytes], None] = self._early.put_nowait

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.receive(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.is_closed = True

    def send(self, payload: bytes) -> None:
        self.transport.send(_TEXT, payload)

    async def next_text(self) -> bytes:
        """Wait for a text that nobody has set `receive` for."""
        async with asyncio.timeout(_HANDSHAKE_TIMEOUT_S):
            return await self._early.get()


class V1Connection(Connection):
    """Counts what comes and acknowledges it, as PROTOCOL.md asks of a client (section "Resume")."""

    farewell = b'{"type":"bye"}'

    def __init__(self) -> None:
        super().__init__()
        self.received = 0
        self._acknowledged = 0
        self._timer: asyncio.TimerHandle | None = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if not payload.startswith(b"{"):  # cheaper than a look at the type, of which picows makes an enum each time
            self._take_close(payload)
            return
        if not payload.startswith(_UNCOUNTED):
            self.received += 1
            if self.received - self._acknowledged >= _ACK_MESSAGES:
                self._acknowledge()
            elif self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(_ACK_S, self._acknowledge)
        self.receive(payload)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        super().on_ws_disconnected(transport)
        self._cancel()

    def _take_close(self, payload: bytes) -> None:
        self.close_code = int.from_bytes(payload[:2], "big")
        self.transport.disconnect()

    def _acknowledge(self) -> None:
        self._cancel()
        self._acknowledged = self.received
        self.send(b'{"type":"ack","received":%d}' % self.received)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Protocol:
    """The lesson dialect, which others derive from where they differ."""

    path = "/ws"
    headers: ClassVar[Mapping[str, str]] = {}
    has_rooms = True
    """Whether members are told of each other; where not, ids are the client's and `target` may be ignored."""
    echoes = False
    """Whether what goes to a room comes back to its sender."""

    connection: type[Connection] = Connection

    async def connect(self, port: int, room: str, user_id: str) -> Connection:
        """Open and greet. `room` and `user_id` are told to servers that read them from the URL."""
        connection = self.connection()
        connection.user_id = user_id
        await ws_connect(
            lambda: connection,
            f"ws://127.0.0.1:{port}{self.path.format(room=room, user_id=user_id)}",
            extra_headers=dict(self.headers),
            websocket_handshake_timeout=_HANDSHAKE_TIMEOUT_S,
            read_buffer_init_size=_READ_BUFFER_BYTES,
        )
        await self.greet(connection)
        return connection

    async def greet(self, connection: Connection) -> None:
        """Do what must come before a join."""

    def join(self, room: str) -> bytes:
        return _json({"type": "join", "roomId": room})

    def members_in(self, payload: bytes) -> list[str]:
        """Return the members that a message tells a newcomer or a member of. Raises ValueError if it is another."""
        message = msgspec.json.decode(payload)
        if message["type"] not in ("existing-user", "user-joined"):
            raise ValueError(payload)
        return [message["userId"]]

    def join_messages(self, size: int) -> int:
        """How many messages tell everybody of everybody when `size` members join a room."""
        return size * (size - 1)

    def to_member(self, room: str, target: str) -> Template:
        """A candidate for one member."""
        return template(_json({"type": "ice-candidate", "target": target, "candidate": candidate(0)}))

    def to_room(self, room: str) -> Template:
        """A candidate for everybody in the room."""
        return template(_json({"type": "ice-candidate", "roomId": room, "candidate": candidate(0)}))

    def read(self, payload: bytes) -> Delivery:
        message = msgspec.json.decode(payload)
        return message["sender"], message["candidate"]

    def is_housekeeping(self, connection: Connection, payload: bytes) -> bool:
        """Answer what keeps a connection alive, and say whether it was that."""
        return False

    def describe(self, payload: bytes) -> str:
        """Say what came that should not have: a refusal is not to be taken for anything else."""
        what = "THE SERVER REFUSED" if payload.startswith(_ERROR) else "unexpected"
        return f"{what}: {payload[:200]!r}"


class Lesson(Protocol):
    """`lesson`: Sheetbend's, and the plain Node server's."""


class V1(Protocol):
    """`sheetbend.v1`. What goes to the room is a room message, which comes back to its sender too."""

    headers: ClassVar[Mapping[str, str]] = {"Sec-WebSocket-Protocol": "sheetbend.v1"}
    connection = V1Connection
    echoes = True

    async def greet(self, connection: Connection) -> None:
        connection.send(self.hello(connection))
        _expect(b'"welcome"', await connection.next_text())

    def hello(self, connection: Connection) -> bytes:
        return _json({"type": "hello", "client": "benchmark"})

    def members_in(self, payload: bytes) -> list[str]:
        message = msgspec.json.decode(payload)
        if message["type"] == "roster":
            return [member["userId"] for member in message["members"]]
        if message["type"] != "user-joined":
            raise ValueError(payload)
        return [message["member"]["userId"]]

    def join_messages(self, size: int) -> int:
        return size + size * (size - 1) // 2  # a roster for each newcomer, and an event for each who was there

    def to_member(self, room: str, target: str) -> Template:
        message = {"type": "ice-candidate", "roomId": room, "target": target, "candidate": candidate(0)}
        return template(_json(message))

    def to_room(self, room: str) -> Template:
        return template(_json({"type": "message", "roomId": room, "data": candidate(0)}))

    def read(self, payload: bytes) -> Delivery:
        message = msgspec.json.decode(payload)
        return message["sender"], message["data" if message["type"] == "message" else "candidate"]

    def is_housekeeping(self, connection: Connection, payload: bytes) -> bool:
        return payload.startswith(_ACK)


class V1WithTokens(V1):
    """`sheetbend.v1` where the server asks for a token. Each client has its own."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def hello(self, connection: Connection) -> bytes:
        token = mint(self._secret, subject=f"client-{connection.user_id}", room="*")
        return _json({"type": "hello", "client": "benchmark", "token": token})


class SocketIo(Protocol):
    """Engine.IO 4 on WebSocket from the start, Socket.IO 5: `0` open, `2` ping, `3` pong, `40` connect, `42` event."""

    path = "/socket.io/?EIO=4&transport=websocket"

    async def greet(self, connection: Connection) -> None:
        _expect(b"0{", await connection.next_text())
        connection.send(b"40")
        _expect(b"40{", await connection.next_text())

    def join(self, room: str) -> bytes:
        return b"42" + _json(["join", {"roomId": room}])

    def members_in(self, payload: bytes) -> list[str]:
        event, message = msgspec.json.decode(payload[2:])
        if event not in ("existing-user", "user-joined"):
            raise ValueError(payload)
        return [message["userId"]]

    def to_member(self, room: str, target: str) -> Template:
        return template(b"42" + _json(["ice-candidate", {"target": target, "candidate": candidate(0)}]))

    def to_room(self, room: str) -> Template:
        return template(b"42" + _json(["ice-candidate", {"roomId": room, "candidate": candidate(0)}]))

    def read(self, payload: bytes) -> Delivery:
        _event, message = msgspec.json.decode(payload[2:])
        return message["sender"], message["candidate"]

    def is_housekeeping(self, connection: Connection, payload: bytes) -> bool:
        if payload != b"2":
            return False
        connection.send(b"3")
        return True


class PeerServer(Protocol):
    """PeerJS' server: no rooms, and each client chooses its id."""

    path = "/peerjs?key=peerjs&id={user_id}&token=benchmark"
    has_rooms = False

    async def greet(self, connection: Connection) -> None:
        _expect(b'"OPEN"', await connection.next_text())

    def to_member(self, room: str, target: str) -> Template:
        return template(_json({"type": "CANDIDATE", "dst": target, "payload": {"candidate": candidate(0)}}))

    def read(self, payload: bytes) -> Delivery:
        message = msgspec.json.decode(payload)
        return message["src"], message["payload"]["candidate"]


class Floor(Protocol):
    """The floor forwards what the lesson's client writes, and stamps nothing."""

    path = "/{room}"
    has_rooms = False

    def read(self, payload: bytes) -> Delivery:
        return None, msgspec.json.decode(payload)["candidate"]


def mint(secret: str, *, subject: str, room: str, expires_in_s: float = 86_400) -> str:
    """Return a token signed with HS256 (docs/tokens.md), by hand: thousands are needed, each with its own subject."""
    claims = {"sub": subject, "room": room, "exp": int(time.time() + expires_in_s)}
    signed = b".".join(_base64url(_json(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return b".".join((signed, _base64url(hmac.digest(secret.encode(), signed, "sha256")))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


def template(message: bytes) -> Template:
    """Cut a message that carries `candidate(0)` where its number stands."""
    at = message.index(_MARK) + len(_MARK)
    return message[:at], message[at + _DIGITS :]


def _expect(part: bytes, payload: bytes) -> None:
    if part not in payload:
        raise RuntimeError(f"expected {part!r} in {payload!r}")
