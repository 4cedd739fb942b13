"""`sheetbend token`."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..core.grants import Permission
from ..errors import ConfigurationError
from ..server.logs import configure_logs
from ..server.token_keys import (
    SECRET_VARIABLES,
    TokenKey,
    read_private_key,
    read_secret_key,
    secret_key,
    secrets_of,
)
from ..server.tokens import mint

__all__ = ["token"]

_LIST = Parameter(negative="", show_default=False)
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def token(
    *,
    sub: str,
    room: Annotated[tuple[str, ...], _LIST],
    name: str | None = None,
    can: Annotated[tuple[Permission, ...] | None, _LIST] = None,
    audience: Annotated[str | None, Parameter(env_var="SHEETBEND_TOKEN_AUDIENCE", show_env_var=False)] = None,
    expires: str = "1h",
    token_secret_file: Annotated[tuple[Path, ...], _LIST] = (),
    private_key: Path | None = None,
    kid: str | None = None,
) -> None:
    """Print a token for a server with --auth token. The key is SHEETBEND_TOKEN_SECRET or a file.

    Parameters
    ----------
    sub
        Whom it is about.
    room
        Room, or prefix ending in *; repeatable.
    name
        Display name they must have.
    can
        Repeatable; left out: all but moderate.
    audience
        The server's --token-audience.
    expires
        After 90s, 15m, 1h or 7d.
    token_secret_file
        Shared secret.
    private_key
        PEM: Ed25519, P-256 or RSA.
    kid
        Name of the key, for servers with two.
    """
    configure_logs("warning", "text")
    print(
        mint(
            _key(private_key, token_secret_file, kid),
            subject=sub,
            rooms=room,
            name=name,
            can=can,
            audience=audience,
            expires_in_s=_seconds(expires),
            now=time.time(),
        )
    )


def _key(private_key: Path | None, secret_files: tuple[Path, ...], kid: str | None) -> TokenKey:
    if private_key is not None and secret_files:
        raise ConfigurationError("bad_token_key", "Give either --private-key or --token-secret-file, not both.")
    if private_key is not None:
        return read_private_key(private_key, kid)
    if secret_files:
        return read_secret_key(secret_files[0], kid)
    for secret in secrets_of(os.environ):
        return secret_key(secret, f"in {SECRET_VARIABLES[0]}", kid)
    raise ConfigurationError(
        "no_token_key", f"Which key? Set {SECRET_VARIABLES[0]}, or give --token-secret-file or --private-key."
    )


def _seconds(duration: str) -> int:
    match = _DURATION.fullmatch(duration)
    if match is None or int(match[1]) == 0:
        raise ConfigurationError(
            "bad_duration", f"--expires takes a time such as 90s, 15m, 1h or 7d, not {duration!r}."
        )
    return int(match[1]) * _SECONDS[match[2]]
