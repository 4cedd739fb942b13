"""TURN credentials that a TURN server and we can make of a shared secret (draft-uberti-behave-turn-rest).

They are for one session and for a few minutes, so a page can be told them. No sentence here holds a secret.
"""

from __future__ import annotations

import base64
import hmac
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from ...errors import ConfigurationError

__all__ = ["TURN_SECRET_VARIABLES", "load_turn_secrets", "turn_credentials", "turn_secrets_of"]

TURN_SECRET_VARIABLES = ("SHEETBEND_TURN_SECRET", "SHEETBEND_TURN_SECRET_PREVIOUS")
_SECRETS_MAX = 2
_SECRET_CHARS_MIN = 16
"""Whoever has been given credentials can try secrets against them for as long as they like."""
_SECRET_CHARS_MAX = 256
_NEW_SECRET = "`openssl rand -hex 32` makes one"  # noqa: S105

log = structlog.get_logger("sheetbend")


def turn_credentials(secret: str, user_id: str, expires_at: float) -> tuple[str, str]:
    """Return a user name and a password that are good until `expires_at`, in seconds since the Unix epoch."""
    username = f"{int(expires_at)}:{user_id}"
    # SHA-1 is what the scheme says; in an HMAC it is sound.
    digest = hmac.digest(secret.encode(), username.encode(), "sha1")
    return username, base64.b64encode(digest).decode()


def turn_secrets_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the secrets in TURN_SECRET_VARIABLES, newest first."""
    secrets = tuple(environment[name] for name in TURN_SECRET_VARIABLES if environment.get(name))
    if secrets and not environment.get(TURN_SECRET_VARIABLES[0]):
        raise ConfigurationError(
            "bad_turn_secret", f"{TURN_SECRET_VARIABLES[1]} is set, but {TURN_SECRET_VARIABLES[0]} isn't."
        )
    return secrets


def load_turn_secrets(secrets: Sequence[str], files: Sequence[Path]) -> list[str]:
    """Return the secrets, newest first: those given, then those in `files`; none or up to two.

    Raises ConfigurationError for one that is no secret.
    """
    found = [(secret, f"in {name}") for secret, name in zip(secrets, TURN_SECRET_VARIABLES, strict=False)]
    found += [(_read(path), f"in {path}") for path in files]
    if len(found) > _SECRETS_MAX:
        raise ConfigurationError(
            "bad_turn_secret", f"There are {len(found)} TURN secrets, and at most {_SECRETS_MAX} may be in use at once."
        )
    for secret, where in found:
        _check(secret, where)
    return [secret for secret, _ in found]


def _check(secret: str, where: str) -> None:
    if not (secret.isascii() and secret.isprintable()) or set(secret) & set(" \"'#"):
        raise ConfigurationError(
            "bad_turn_secret", f"The TURN secret {where} is not one line of letters and digits: {_NEW_SECRET}."
        )
    if not _SECRET_CHARS_MIN <= len(secret) <= _SECRET_CHARS_MAX:
        raise ConfigurationError(
            "bad_turn_secret",
            f"The TURN secret {where} has {len(secret)} characters and needs {_SECRET_CHARS_MIN} to "
            f"{_SECRET_CHARS_MAX}: {_NEW_SECRET}.",
        )


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(_SECRET_CHARS_MAX + 3)
            if path.stat().st_mode & stat.S_IROTH:
                log.warning("secret_readable_by_everybody", path=str(path))
    except OSError as error:
        raise ConfigurationError("unreadable_file", f"Can't read {path}: {error.strerror}.") from None
    return text.decode("ascii", "replace").rstrip("\r\n")
