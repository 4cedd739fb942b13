"""Who may have a session: hello, tokens, resuming, and the end of a token's time (PROTOCOL.md, "Resume", "Tokens")."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import structlog

from .. import __version__
from ..core.close_codes import CloseCode
from ..core.dialects import V1Dialect
from ..core.effects import Greet, Renew
from ..core.grants import Grants
from ..core.limits import Limits
from ..core.messages import Resume
from ..errors import RefusedError
from .clients import Client, Text
from .ice_servers import IceServers

if TYPE_CHECKING:
    from .hub import Hub

__all__ = ["Greeter", "Verifier"]

SERVER = f"sheetbend/{__version__}"
_FULL_WAIT_S = 10.0
"""When to try again at the bound of sessions: nobody knows when one ends."""
_LESSON_REFUSED = (
    "This server asks for tokens, which the lesson dialect has no place for: offer the subprotocol sheetbend.v1."
)

log = structlog.get_logger("sheetbend")


class Verifier(Protocol):
    """What tells whether a token is good."""

    def verify(self, token: str) -> Grants:
        """Raises RefusedError with `invalid_token` or `token_expired`."""

    def left_s(self, grants: Grants) -> float | None:
        """Return for how many seconds more; None for ever."""


class Greeter:
    """The part of the hub that opens sessions and goes on with them."""

    def __init__(
        self,
        hub: Hub,
        limits: Limits,
        dialect: V1Dialect,
        verifier: Verifier | None,
        new_secret: Callable[[], str],
        clock: Callable[[], float],
        ice_servers: IceServers,
    ) -> None:
        self._hub = hub
        self._limits = limits
        self._dialect = dialect
        self._verifier = verifier
        self._new_secret = new_secret
        self._clock = clock
        self._ice_servers = ice_servers
        self._failure_wait_s = 1 / limits.address_failure_rate.per_s
        self._expiries: list[tuple[float, str]] = []
        """When tokens run out, soonest first. A renewed one leaves its old entry, which then says nothing."""

    def take(self, client: Client) -> None:
        """Open the session of a `lesson` client, which says no hello; or close its connection."""
        if self._verifier is not None:
            client.session.end()
            self._turn_away(client, CloseCode.UNAUTHORIZED, RefusedError("token_required", _LESSON_REFUSED))
        elif self._is_full:
            client.session.end()
            self._turn_away(client, CloseCode.SERVER_FULL, self._full())
        else:
            self._hub.register(client)

    def greet(self, client: Client, greet: Greet) -> None:
        """Answer a hello with `welcome`, or with an error and a close."""
        now = self._clock()
        if not client.address.take_hello(now):
            self._turn_away(client, CloseCode.RATE_LIMITED, _too_many("hellos", 1.0), greet.ref)
            return
        try:
            grants = self._verify(client, greet.token, now)
            session = self._find(client, greet.resume, grants, now)
        except RefusedError as error:
            code = CloseCode.RATE_LIMITED if error.code == "rate_limited" else CloseCode.UNAUTHORIZED
            self._turn_away(client, code, error, greet.ref)
            return
        replay = None
        if session is not None and greet.resume is not None:
            replay = session.session.stream.replay(greet.resume.received)
            if replay is None:
                self._give_up(session)
        if session is not None and replay is not None:
            self._resume(session, client, greet, grants, replay)
        elif self._is_full:
            self._turn_away(client, CloseCode.SERVER_FULL, self._full(), greet.ref)
        else:
            self._open(client, greet, grants)

    def renew(self, client: Client, renew: Renew) -> None:
        """Take a fresh token for an open session."""
        try:
            if self._verifier is None:
                raise RefusedError("not_allowed", "This server asks for no tokens.")
            grants = self._verify(client, renew.token, self._clock())
            if not client.session.covers(grants):
                raise RefusedError("invalid_token", "The token is for somebody else, or not for a room you are in.")
        except RefusedError as error:
            error.ref = renew.ref
            self._hub.refuse(client, error)
            return
        self._hub.authorize(client, grants)
        left_s = self._note_expiry(client, grants)
        text = self._dialect.encode_authorized(grants, left_s or 0.0, renew.ref)
        self._hub.send(client, text)

    def expire(self, now: float) -> None:
        """End the sessions whose token has run out."""
        while self._expiries and self._expiries[0][0] <= now:
            at, user_id = heapq.heappop(self._expiries)
            client = self._hub.clients.get(user_id)
            if client is not None and client.expires_at == at:
                outbox = client.outbox
                self._hub.end_session(client, "expired")
                if outbox is not None:
                    outbox.close(CloseCode.TOKEN_EXPIRED, "the token has run out")

    def renew_ice_servers(self, now: float) -> None:
        """Tell those sessions anew whose TURN credentials run out soon, or all when TURN comes or goes."""
        for user_id in self._ice_servers.due(now, self._hub.clients):
            client = self._hub.clients.get(user_id)
            if client is not None and client.dialect is self._dialect:
                servers = self._ice_servers.for_session(user_id, now)
                self._hub.send(client, self._dialect.encode_ice_servers(servers))

    def _verify(self, client: Client, token: str | None, now: float) -> Grants:
        if self._verifier is None:
            return Grants()
        if token is None:
            raise RefusedError("token_required", "This server asks for a token: put one into hello.")
        if not client.address.has_failures_left(now):
            raise _too_many("wrong tokens", self._failure_wait_s)
        try:
            return self._verifier.verify(token)
        except RefusedError:
            client.address.count_failure(now)
            raise

    def _find(self, client: Client, resume: Resume | None, grants: Grants, now: float) -> Client | None:
        """Return whose session `resume` names; None if there is no such session any more."""
        found = None if resume is None else self._hub.clients.get(resume.token.partition(".")[0])
        if resume is None or found is None:
            return None  # no guess: whoever comes back after a restart of the server has such a token
        if not client.address.has_failures_left(now):
            raise _too_many("wrong resume tokens", self._failure_wait_s)
        if not found.session.is_resumed_by(resume.token):
            client.address.count_failure(now)
            return None
        if not found.session.covers(grants):
            raise RefusedError("invalid_token", "The token is for somebody else, or not for a room of the session.")
        return found

    def _open(self, client: Client, greet: Greet, grants: Grants) -> None:
        token = self._new_token(client)
        client.session.open(grants, token)
        client.keep = client.session.stream.keep
        self._hub.register(client)
        left_s = self._note_expiry(client, grants)
        self._welcome(client, greet, grants, token, left_s, None)

    def _resume(self, client: Client, newcomer: Client, greet: Greet, grants: Grants, replay: Sequence[Text]) -> None:
        token = self._new_token(client)
        client.session.resume(token)
        self._hub.move(client, newcomer)
        left_s = self._note_expiry(client, grants)
        client.told = client.session.stream.received
        self._welcome(client, greet, grants, token, left_s, client.told)
        if client.outbox is not None:
            client.outbox.send_many(replay)
        if grants != client.session.grants:
            self._hub.authorize(client, grants)
        log.debug("session_resumed", user_id=client.session.user_id, replayed=len(replay))

    def _give_up(self, client: Client) -> None:
        """Its client comes back, but missed what is no longer kept."""
        outbox = client.outbox
        self._hub.end_session(client, "disconnect")
        if outbox is not None:
            outbox.close(CloseCode.SESSION_TAKEN, "the session has ended: its client came back over another connection")

    def _welcome(
        self,
        client: Client,
        greet: Greet,
        grants: Grants,
        token: str,
        left_s: float | None,
        received: int | None,
    ) -> None:
        session = client.session
        session.features = greet.features
        session.is_relay_only = session.is_relay_only or greet.relay_only
        servers = self._ice_servers.for_session(session.user_id, self._clock())
        text = self._dialect.encode_welcome(
            session.user_id, SERVER, greet, servers, grants, left_s, token, received, session.is_relay_only
        )
        if client.outbox is not None:
            client.outbox.send_many((text,))

    @property
    def _is_full(self) -> bool:
        return len(self._hub.clients) >= self._limits.sessions_max

    def _full(self) -> RefusedError:
        sentence = f"The server has its {self._limits.sessions_max} sessions: try again later."
        return RefusedError("server_full", sentence, retry_after_s=_FULL_WAIT_S)

    def _turn_away(self, client: Client, code: int, error: RefusedError, ref: str | None = None) -> None:
        error.ref = ref
        self._hub.refuse(client, error)
        if client.outbox is not None:
            client.outbox.close(code, error.sentence)

    def _new_token(self, client: Client) -> str:
        return f"{client.session.user_id}.{self._new_secret()}"

    def _note_expiry(self, client: Client, grants: Grants) -> float | None:
        left_s = None if self._verifier is None else self._verifier.left_s(grants)
        client.expires_at = None if left_s is None else self._clock() + left_s
        if client.expires_at is not None:
            heapq.heappush(self._expiries, (client.expires_at, client.session.user_id))
        return left_s


def _too_many(what: str, wait_s: float) -> RefusedError:
    sentence = f"Too many {what} come from your address: try again in {wait_s:g} s or more."
    return RefusedError("rate_limited", sentence, retry_after_s=wait_s)
