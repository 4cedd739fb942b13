"""What a client's session wants done: the caller does every effect, in order."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

__all__ = [
    "Deliver",
    "Disconnect",
    "Effect",
    "Ended",
    "Greeted",
    "Json",
    "Lost",
    "NeedToken",
    "Open",
    "Transmit",
    "Welcomed",
]

Json = dict[str, Any]
"""A message as an object of JSON."""


class _Effect(Struct, tag_field="effect", rename="camel", frozen=True, omit_defaults=True):
    """The base: how effects stand in protocol/fixtures/session-traces.json."""


class Open(_Effect, tag="open", frozen=True):
    """Open a new connection."""


class Transmit(_Effect, tag="transmit", frozen=True):
    """Send this on the connection."""

    message: Json


class Disconnect(_Effect, tag="disconnect", frozen=True):
    """Close the connection, and hear nothing of it any more."""


class Greeted(_Effect, tag="greeted", frozen=True):
    """Hello of a new session is on its way: `send` what is to go right behind it, such as `join`."""


class Welcomed(_Effect, tag="welcomed", frozen=True):
    """The session is open.

    `recovered` is None for the first one of all; False if it is another one than before, in no room: what was sent
    and not answered yet may or may not have arrived.
    """

    welcome: Json
    recovered: bool | None = None


class Deliver(_Effect, tag="deliver", frozen=True):
    """A message for the application."""

    message: Json


class Lost(_Effect, tag="lost", frozen=True):
    """The connection broke; another will be tried. What is sent meanwhile waits."""


class NeedToken(_Effect, tag="need-token", frozen=True):
    """Call `authorize` with a fresh token."""


class Ended(_Effect, tag="ended", frozen=True):
    """There will be no other connection. `error` is the code of the server's last error before `welcome`."""

    code: int
    reason: str
    error: str | None = None


Effect = Open | Transmit | Disconnect | Greeted | Welcomed | Deliver | Lost | NeedToken | Ended
