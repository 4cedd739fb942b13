"""Every error Sheetbend raises.

    SheetbendError
    ├── ConfigurationError      ours to mend: a flag, a file or a port
    ├── LinkError               ours: what a link can't send; theirs: what it can't read
    ├── SealingError            theirs: what the other member didn't seal, or not for us; ours: a key that is worn out
    └── RefusedError            theirs: a message that can't be honoured

Each carries a stable `code` and a sentence for people.
"""

from __future__ import annotations

__all__ = ["RETRYABLE_CODES", "ConfigurationError", "LinkError", "RefusedError", "SealingError", "SheetbendError"]

RETRYABLE_CODES = frozenset({"target_not_found", "room_full", "server_full", "rate_limited", "room_locked", "muted"})
"""The error codes of the protocol after which the same message may succeed later."""


class SheetbendError(Exception):
    """The root. `code` is stable, the sentence is not."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


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

    @property
    def retryable(self) -> bool:
        return self.code in RETRYABLE_CODES
