"""Every error Sheetbend raises.

    SheetbendError
    ├── ConfigurationError      ours to mend: a flag, a file or a port
    ├── LinkError               ours: what a link can't send; theirs: what it can't read
    ├── SealingError            theirs: what the other member didn't seal, or not for us; ours: a key that is worn out
    ├── RefusedError            theirs: a message that can't be honoured
    └── ClientError             what a program in a room meets
        ├── theirs: a code of the protocol that the server refused something with
        └── ours:   of the codes at the class

Each carries a stable `code`, a sentence for people and whether the same may succeed later.
"""

from __future__ import annotations

__all__ = [
    "RETRYABLE_CODES",
    "ClientError",
    "ConfigurationError",
    "LinkError",
    "RefusedError",
    "SealingError",
    "SheetbendError",
]

RETRYABLE_CODES = frozenset({"target_not_found", "room_full", "server_full", "rate_limited", "room_locked", "muted"})
"""The error codes of the protocol after which the same message may succeed later."""

_OWN_RETRYABLE_CODES = frozenset(
    {"connection_failed", "delivery_unknown", "token_unavailable", "too_many_pending", "too_many_streams"}
)


class SheetbendError(Exception):
    """The root. `code` is stable, the sentence is not."""

    retry_after_s: float | None = None
    """When to try again, where that is known."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence

    @property
    def retryable(self) -> bool:
        """Whether the same may succeed later."""
        return self.code in RETRYABLE_CODES or self.code in _OWN_RETRYABLE_CODES


class ConfigurationError(SheetbendError):
    """What the operator asked for can't be done; the sentence says what to change."""


class LinkError(SheetbendError):
    """What was to be sent doesn't fit, or what came breaks the protocol of links."""


class SealingError(SheetbendError):
    """What came is refused, or what was to go can't be sealed. The caller drops it: it's never used unsealed instead.

    - `key_refused`: a public key that is no key, or our own, or one that we have agreed with under these ids before
    - `key_worn_out`: the bound of a key is reached; a new session with a new key pair is needed
    - `frame_refused`: not sealed by the other member for us, or altered
    - `frame_replayed`: was there before, or is older than the replay window
    - `description_refused`: without a tag, with a wrong one or an old one, or with no fingerprint to hold DTLS to
    - `words_refused`: the other member broke the exchange behind the safety words
    """


class RefusedError(SheetbendError):
    """A client's message can't be honoured. Costs its sender an `error` and nobody else anything.

    `code` is one of protocol/codes.json, `ref` the message's own where it had a usable one. `retry_after_s` says when
    to try again, where that is known. `is_counted` is false for a message that has no place in the stream of its
    session (PROTOCOL.md, "Resume").
    """

    def __init__(self, code: str, sentence: str, ref: str | None = None, *, retry_after_s: float | None = None) -> None:
        super().__init__(code, sentence)
        self.ref = ref
        self.retry_after_s = retry_after_s
        self.is_counted = True


class ClientError(SheetbendError):
    """Anything that goes wrong for a program in a room. Tell errors apart by `code`: one of protocol/codes.json that
    the server refused with (a newer server may use codes that this version doesn't know), or

    - `connection_failed`: the server could not be reached, or ended the connection before the room was there
    - `delivery_unknown`: it was sent, then the session or the member was lost; whether it arrived can't be found out
    - `token_unavailable`: the program's function for tokens raised, or gave none; what it raised is the `__cause__`
    - `closed`: the room has ended
    - `too_many_pending`: more than 256 requests wait for the server
    - `invalid_argument`: what was passed can't be sent
    - `member_gone`: the member has left
    - `sealing_unavailable`: nothing can be sealed by that member
    - `link_broken`: the member's program broke the protocol of links
    - `stream_reset`, `stream_stopped`: the member gave up writing, or reading, a stream
    - `invalid_label`: of a stream to a member, see also LinkError
    - `events_unread`: nobody read the room's events, and too many waited
    - `internal_error`: a fault of Sheetbend's; the `__cause__` says more
    """

    def __init__(
        self, code: str, sentence: str, *, retryable: bool | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(code, sentence)
        self.retry_after_s = retry_after_s
        self._retryable = retryable

    @property
    def retryable(self) -> bool:
        return super().retryable if self._retryable is None else self._retryable
