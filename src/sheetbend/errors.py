"""Every error Sheetbend raises.

    SheetbendError
    ├── ConfigurationError      ours to mend: a flag, a file or a port
    ├── LinkError               ours: what a link can't send; theirs: what it can't read
    └── RefusedError            theirs: a message that can't be honoured

Each carries a stable `code` and a sentence for people.
"""

from __future__ import annotations

__all__ = ["RETRYABLE_CODES", "ConfigurationError", "LinkError", "RefusedError", "SheetbendError"]

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
