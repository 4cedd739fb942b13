"""A client's session: one connection after another, and nothing lost between them (PROTOCOL.md, "Resume").

              opened: hello            welcome
    CONNECTING ───────────> GREETING ──────────> READY
      │   ^                    │                   │ closed, or nothing heard
      │   └── retry_at, network_back ── WAITING <──┴── (not before the first welcome)
      └── first attempt failed, a final close code, close() ──> CLOSED

Inputs are what happens to the connection and what the owner wants; each answers with effects, which the caller owes in
order. `next_deadline` says when to call `expire`. Times are seconds on a monotonic clock. Leaves to others: sockets and
text (the peer's transport), rooms (`client.room`). `web/sdk/src/session.ts` is its twin, held to the same traces.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import msgspec

from ..close_codes import CloseCode
from ..stream import Stream
from .effects import (
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
from .reconnect_policy import FullJitter, ReconnectPolicy

__all__ = ["ACK_AFTER_MESSAGES", "ACK_AFTER_S", "ClientSession", "Phase"]

ACK_AFTER_MESSAGES = 256
ACK_AFTER_S = 5.0
CONNECT_TIMEOUT_S = 10.0
"""From opening a connection to `welcome`."""
PING_INTERVAL_S = 15.0
"""Used until the server names its own."""
CHECK_TIMEOUT_MIN_S = 1.0
CHECK_TIMEOUT_MAX_S = 2.5
"""How long to wait for an answer where something speaks for a dead connection: as long as connecting took, which is
three or four round trips. A connection that lives after all is resumed, with nothing lost."""
KEPT_MESSAGES_MAX = 4096
KEPT_BYTES_MAX = 4_194_304
"""What may wait for the server's acknowledgement; past these the session can't be resumed."""
REFRESH_AT_S = 30.0
"""A token is asked for so long before the old one runs out, or when four fifths of a short one's time are over."""

UNCOUNTED = frozenset({"hello", "welcome", "ack", "ping", "pong", "draining"})
_RECONNECT_ON = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1014})
_TOKEN_ERRORS = frozenset({"token_required", "invalid_token", "token_expired"})

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Json).decode

Effects = list[Effect]


class Phase(Enum):
    CONNECTING = "connecting"
    GREETING = "greeting"
    READY = "ready"
    WAITING = "waiting"
    CLOSED = "closed"


class ClientSession:
    """One session after another if it must be, one connection after another as often as needed.

    `random` is uniform in [0, 1). `refreshes` says whether the owner can answer `NeedToken`, `features` which optional
    parts of the protocol it has. `relay_only`: the server shall pass no address of ours on.
    """

    def __init__(
        self,
        *,
        client: str,
        random: Callable[[], float],
        features: tuple[str, ...] = (),
        relay_only: bool = False,
        policy: ReconnectPolicy | None = None,
        token: str | None = None,
        refreshes: bool = False,
    ) -> None:
        self._client = client
        self._features = features
        self._relay_only = relay_only
        self._random = random
        self._policy: ReconnectPolicy = policy or FullJitter()
        self._token = token
        self._refreshes = refreshes
        self._phase = Phase.WAITING
        self._stream: Stream = Stream(KEPT_MESSAGES_MAX, KEPT_BYTES_MAX)
        self._resume_token: str | None = None
        self._was_welcomed = False
        self._attempt = 0
        self._reconnect_within_s: float | None = None
        self._ping_interval_s = PING_INTERVAL_S
        self._check_timeout_s = CHECK_TIMEOUT_MAX_S
        self._error: str | None = None
        self._awaits_token = False
        self._asked_for_token = False
        self._told = 0
        self._connect_by: float | None = None
        self._retry_at: float | None = None
        self._ack_at: float | None = None
        self._ping_at: float | None = None
        self._dead_at: float | None = None
        self._refresh_at: float | None = None

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def resume_token(self) -> str | None:
        """What another connection could go on with this session by. A secret."""
        return self._resume_token

    @property
    def awaits_token(self) -> bool:
        """Whether only a token is missing to connect."""
        return self._awaits_token

    # Inputs.

    def start(self, now: float) -> Effects:
        """Open the first connection. Once."""
        return self._connect(now)

    def opened(self, now: float) -> Effects:
        """The connection is open and speaks `sheetbend.v1`."""
        if self._phase is not Phase.CONNECTING:
            return []
        self._phase = Phase.GREETING
        self._error = None
        hello: Json = {"type": "hello", "client": self._client}
        if self._features:
            hello["features"] = self._features
        if self._relay_only:
            hello["relayOnly"] = True
        if self._token is not None:
            hello["token"] = self._token
        if self._resume_token is not None:
            hello["resume"] = {"token": self._resume_token, "received": self._stream.received}
            return [Transmit(hello)]
        self._stream = Stream(KEPT_MESSAGES_MAX, KEPT_BYTES_MAX)
        return [Transmit(hello), Greeted()]

    def received(self, message: Json, now: float) -> Effects:
        """A message came in."""
        kind = message.get("type")
        if self._phase is Phase.GREETING:
            if kind == "error":
                self._error = str(message.get("code"))
            return self._welcomed(message, now) if kind == "welcome" else []
        if self._phase is not Phase.READY:
            return []
        self.heard(now)
        if kind in UNCOUNTED:
            return self._control(message, now)
        self._stream.received += 1
        effects: Effects = [Deliver(message)]
        if kind == "authorized":
            self._asked_for_token = False
            self._note_expiry(message, now)
        if self._stream.received - self._told >= ACK_AFTER_MESSAGES:
            effects.append(self._acknowledge())
        elif self._ack_at is None:
            self._ack_at = now + ACK_AFTER_S
        return effects

    def heard(self, now: float) -> None:
        """Something came in, be it a ping of the transport: the server lives."""
        if self._phase is Phase.READY:
            self._ping_at = now + self._ping_interval_s
            self._dead_at = None

    def closed(self, code: int, reason: str, now: float) -> Effects:
        """The connection is gone, or could not be opened (1006)."""
        if self._phase not in (Phase.CONNECTING, Phase.GREETING, Phase.READY):
            return []
        was_ready = self._phase is Phase.READY
        self._forget_connection()
        lost: Effects = [Lost()] if was_ready else []
        if self._refreshes and not self._asked_for_token and self._is_about_token(code):
            if code == CloseCode.TOKEN_EXPIRED:
                self._resume_token = None
            self._phase = Phase.WAITING
            self._awaits_token = True
            return [*lost, *self._ask_for_token()]
        if not self._was_welcomed or not _reconnects_after(code):
            return self._end(code, reason)
        delay_s = self._next_delay_s()
        if delay_s is None:
            return self._end(code, reason)
        self._phase = Phase.WAITING
        self._retry_at = now + delay_s
        return lost

    def send(self, message: Json, now: float) -> Effects:
        """Send a counted message, now or as soon as the session goes on. Without a session it does nothing."""
        if self._phase is Phase.CLOSED or (self._resume_token is None and self._phase is not Phase.GREETING):
            return []
        self._stream.keep(_encode(message))
        self._stream.bound()
        is_open = self._phase is Phase.READY or (self._phase is Phase.GREETING and self._resume_token is None)
        return [Transmit(message)] if is_open else []

    def authorize(self, token: str, now: float) -> Effects:
        """Take a fresh token: for the next hello, and for the session that is open."""
        self._token = token
        if self._phase is Phase.READY:
            return self.send({"type": "token", "token": token}, now)
        if self._awaits_token:
            self._awaits_token = False
            return self._connect(now)
        return []

    def check(self, now: float) -> Effects:
        """Something speaks for a dead connection: find out at once."""
        if self._phase is not Phase.READY:
            return []
        if self._dead_at is None or self._dead_at > now + self._check_timeout_s:
            self._dead_at = now + self._check_timeout_s
        return [Transmit({"type": "ping"})]

    def network_back(self, now: float) -> Effects:
        """The network changed or came back: connect at once, or find out at once whether the connection still works."""
        if self._phase is Phase.READY:
            return self.check(now)
        if not self._was_welcomed or self._awaits_token or self._phase is Phase.CLOSED:
            return []
        drop: Effects = [] if self._phase is Phase.WAITING else [Disconnect()]
        return [*drop, *self._connect(now)]

    def close(self, now: float) -> Effects:
        """Say goodbye and end."""
        # Before `welcome` too: `join` may be on its way, and nobody shall linger in the room.
        is_open = self._phase in (Phase.GREETING, Phase.READY)
        bye: Effects = [Transmit({"type": "bye"})] if is_open else []
        drop: Effects = [] if self._phase in (Phase.WAITING, Phase.CLOSED) else [Disconnect()]
        self._forget_connection()
        self._awaits_token = False
        self._phase = Phase.CLOSED
        return [*bye, *drop]

    def expire(self, now: float) -> Effects:
        """Do what is due."""
        if self._connect_by is not None and now >= self._connect_by:
            return [Disconnect(), *self.closed(CloseCode.ABNORMAL, "timed out", now)]
        if self._dead_at is not None and now >= self._dead_at:
            return [Disconnect(), *self.closed(CloseCode.ABNORMAL, "nothing was heard from the server", now)]
        if self._retry_at is not None and now >= self._retry_at:
            return self._connect(now)
        effects: Effects = []
        if self._ack_at is not None and now >= self._ack_at:
            effects.append(self._acknowledge())
        if self._ping_at is not None and now >= self._ping_at:
            # Dead is only who was asked and didn't answer: a timer may come hours late, after a sleep.
            self._ping_at = None
            self._dead_at = now + self._ping_interval_s
            effects.append(Transmit({"type": "ping"}))
        if self._refresh_at is not None and now >= self._refresh_at:
            self._refresh_at = None
            effects += self._ask_for_token()
        return effects

    def next_deadline(self) -> float | None:
        """When to call `expire`; None for not yet."""
        deadlines = (
            self._connect_by,
            self._retry_at,
            self._ack_at,
            self._ping_at,
            self._dead_at,
            self._refresh_at,
        )
        return min((at for at in deadlines if at is not None), default=None)

    # The parts.

    def _connect(self, now: float) -> Effects:
        self._forget_connection()
        self._phase = Phase.CONNECTING
        self._connect_by = now + CONNECT_TIMEOUT_S
        return [Open()]

    def _welcomed(self, welcome: Json, now: float) -> Effects:
        if self._connect_by is not None:
            connecting_s = now - self._connect_by + CONNECT_TIMEOUT_S
            self._check_timeout_s = min(max(connecting_s, CHECK_TIMEOUT_MIN_S), CHECK_TIMEOUT_MAX_S)
        self._connect_by = None
        self._phase = Phase.READY
        self._attempt = 0
        self._reconnect_within_s = None
        self._asked_for_token = False
        limits = welcome.get("limits", {})
        self._ping_interval_s = limits.get("pingIntervalS", PING_INTERVAL_S)
        self.heard(now)
        self._note_expiry(welcome, now)
        asked = self._resume_token is not None
        self._resume_token = welcome["resumeToken"]
        if asked and welcome.get("recovered"):
            return self._go_on(welcome, now)
        recovered = False if self._was_welcomed else None
        self._was_welcomed = True
        if asked:
            self._stream = Stream(KEPT_MESSAGES_MAX, KEPT_BYTES_MAX)
        self._told = 0
        return [Welcomed(welcome, recovered)]

    def _go_on(self, welcome: Json, now: float) -> Effects:
        missed = self._stream.replay(welcome["received"])
        if missed is None:  # more was waiting than is kept: begin anew, honestly
            self._resume_token = None
            return [Transmit({"type": "bye"}), Disconnect(), Lost(), *self._connect(now)]
        self._told = self._stream.received
        self._ack_at = None
        # An acknowledgement first: it shows the server that this welcome has arrived.
        again = [Transmit(_decode(text)) for text in missed]
        return [Welcomed(welcome, True), self._acknowledge(), *again]

    def _control(self, message: Json, now: float) -> Effects:
        if message["type"] == "ack":
            self._stream.acknowledge(message["received"])
        elif message["type"] == "draining":
            self._reconnect_within_s = message["withinS"]
        return []

    def _acknowledge(self) -> Transmit:
        self._ack_at = None
        self._told = self._stream.received
        return Transmit({"type": "ack", "received": self._told})

    def _note_expiry(self, message: Json, now: float) -> None:
        left_s = message.get("expiresInS")
        if left_s is not None and self._refreshes:
            self._refresh_at = now + max(left_s - REFRESH_AT_S, left_s * 0.8 if left_s < REFRESH_AT_S * 5 else 0)

    def _ask_for_token(self) -> Effects:
        self._asked_for_token = True
        return [NeedToken()]

    def _is_about_token(self, code: int) -> bool:
        return code == CloseCode.TOKEN_EXPIRED or (code == CloseCode.UNAUTHORIZED and self._error in _TOKEN_ERRORS)

    def _next_delay_s(self) -> float | None:
        if self._reconnect_within_s is not None:
            delay_s = self._reconnect_within_s * self._random()
            self._reconnect_within_s = None
            return delay_s
        self._attempt += 1
        return self._policy.next_delay_s(self._attempt - 1, self._random())

    def _end(self, code: int, reason: str) -> Effects:
        self._phase = Phase.CLOSED
        return [Ended(code, reason, self._error)]

    def _forget_connection(self) -> None:
        self._connect_by = self._retry_at = self._ack_at = None
        self._ping_at = self._dead_at = self._refresh_at = None


def _reconnects_after(code: int) -> bool:
    return code in _RECONNECT_ON or 4500 <= code <= 4999
