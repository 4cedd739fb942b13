"""The claims of a token, and what they grant (docs/tokens.md)."""

from __future__ import annotations

from typing import Any, get_args

from ..core.grants import MEMBER, Grants, Permission
from ..core.limits import Limits
from ..core.names import is_printable, shows_something
from ..errors import RefusedError

__all__ = ["LEEWAY_S", "invalid_token", "read_claims"]

LEEWAY_S = 5.0
"""What the clock of whoever minted may differ from ours: a token begins so much earlier and ends so much later."""
SUBJECT_CHARS_MAX = 128
ROOMS_MAX = 64
_LATEST_TIME_S = 253_402_300_800
"""The year 10000. A claim past it is milliseconds, or nonsense."""

_PERMISSIONS: frozenset[str] = frozenset(get_args(Permission))


def read_claims(claims: dict[str, Any], limits: Limits, now: float) -> Grants:
    """Return what `claims` grant at `now`. Raises RefusedError with `invalid_token` or `token_expired`."""
    expires_at = _time(claims, "exp")
    if expires_at is None:
        raise invalid_token("The token has no exp: say when it ends.")
    if now >= expires_at + LEEWAY_S:
        raise RefusedError("token_expired", "The token has run out: get a fresh one.")
    begins_at = _time(claims, "nbf")
    if begins_at is not None and now < begins_at - LEEWAY_S:
        raise invalid_token("The token is not valid yet (nbf).")
    return Grants(
        can=_permissions(claims),
        rooms=_rooms(claims, limits),
        subject=_text(claims, "sub", SUBJECT_CHARS_MAX),
        name=_text(claims, "name", limits.name_chars_max) if "name" in claims else None,
        expires_at=expires_at + LEEWAY_S,
    )


def invalid_token(sentence: str) -> RefusedError:
    return RefusedError("invalid_token", sentence)


def _time(claims: dict[str, Any], claim: str) -> float | None:
    if claim not in claims:
        return None
    value = claims[claim]
    if type(value) not in (int, float) or not 0 <= value < _LATEST_TIME_S:
        raise invalid_token(f"The token's {claim} is a number of seconds since 1970.")
    return float(value)


def _text(claims: dict[str, Any], claim: str, chars_max: int) -> str:
    value = claims.get(claim)
    if type(value) is not str or len(value) > chars_max or not is_printable(value) or not shows_something(value):
        raise invalid_token(f"The token's {claim} has 1 to {chars_max} characters, all of which are seen.")
    return value


def _rooms(claims: dict[str, Any], limits: Limits) -> tuple[str, ...] | None:
    if "room" not in claims:
        raise invalid_token('The token has no room: say which it is for, or "*" for every one.')
    value = claims["room"]
    rooms = value if type(value) is list else [value]
    chars_max = limits.room_id_chars_max
    if not 1 <= len(rooms) <= ROOMS_MAX or not all(_is_room(room, chars_max) for room in rooms):
        raise invalid_token(
            f"The token's room is a string of up to {chars_max} characters, or a list of 1 to {ROOMS_MAX}."
        )
    return None if "*" in rooms else tuple(rooms)


def _is_room(room: object, chars_max: int) -> bool:
    return type(room) is str and 1 <= len(room) <= chars_max and is_printable(room)


def _permissions(claims: dict[str, Any]) -> frozenset[Permission]:
    if "can" not in claims:
        return MEMBER
    value = claims["can"]
    if type(value) is not list or not all(type(word) is str and word in _PERMISSIONS for word in value):
        raise invalid_token(f"The token's can is a list of some of {', '.join(sorted(_PERMISSIONS))}.")
    return frozenset(value)
