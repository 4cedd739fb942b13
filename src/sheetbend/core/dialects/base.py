"""What a dialect is, and the checks of fields that both share."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any

import msgspec

from ...errors import RefusedError
from ..events import DialectName, Entry, Event, Forwarded, Notice
from ..history import Remembered
from ..limits import Limits
from ..messages import Message
from ..names import is_printable
from ..room import Room

__all__ = ["USER_ID", "Dialect", "explain", "require_room_id"]

USER_ID = re.compile(r"[0-9a-f]{32}")


class Dialect(ABC):
    """Text in, messages out; events in, text out. Stateless, one instance serves every connection."""

    name: DialectName

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    @abstractmethod
    def decode(self, text: bytes) -> tuple[Message, str | None]:
        """Return the message and its `ref`. Raises RefusedError, and InvalidUtf8Error of `strict_json`."""

    @abstractmethod
    def encode_event(self, event: Event) -> bytes | None:
        """Return what the members of a room see of `event`; None if this dialect has no word for it."""

    @abstractmethod
    def encode_forwarded(self, forwarded: Forwarded) -> bytes: ...

    @abstractmethod
    def encode_notice(self, notice: Notice) -> bytes | None:
        """Return what concerns some sessions alone; None if this dialect has no word for it."""

    @abstractmethod
    def encode_roster(
        self, room: Room, user_id: str, entry: Entry, history: list[Remembered], complete: bool
    ) -> list[bytes]:
        """Return the messages that tell the newcomer `user_id` who is there, and what was said."""

    def peek(self, text: bytes) -> tuple[str | None, bool]:
        """Return the `ref` of a message that is not decoded any further, if it has a usable one, and whether it counts
        (PROTOCOL.md, "Resume")."""
        return None, True

    @abstractmethod
    def encode_error(self, error: RefusedError) -> bytes: ...


def explain(value: Any, error: msgspec.ValidationError, types: frozenset[str]) -> RefusedError:
    """Turn a decoder's complaint about valid JSON into a refusal."""
    if isinstance(value, dict) and isinstance(kind := value.get("type"), str) and kind not in types:
        return RefusedError("unknown_type", f"Unknown type; known are {', '.join(sorted(types))}.")
    return RefusedError("invalid_message", f"{error}.")


def require_room_id(room_id: str, limits: Limits) -> None:
    if not 1 <= len(room_id) <= limits.room_id_chars_max or not is_printable(room_id):
        raise RefusedError(
            "invalid_room_id",
            f"A roomId has 1 to {limits.room_id_chars_max} characters, all of which are seen.",
        )
