"""The command line: `sheetbend serve`. Every flag is an environment variable and a TOML key too."""

from __future__ import annotations

import contextlib
import resource
import sys
import tomllib
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import segno
import uvloop
from cyclopts import App, CycloptsError, Parameter, Token
from cyclopts.config import Env, Toml

from . import __version__
from .errors import ConfigurationError
from .server.app import Server
from .server.config import LogFormat, LogLevel, ServerConfig
from .server.logs import configure_logs

__all__ = ["main"]

_CONFIG = Path("sheetbend.toml")

app = App(
    name="sheetbend",
    help="WebSocket and WebRTC joined into one room.",
    version=__version__,
    help_format="plaintext",
)


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(env_var="SHEETBEND_CONFIG", show_env_var=False)] = None,
) -> None:
    """Read the configuration, then run the command.

    Parameters
    ----------
    config
        TOML file; ./sheetbend.toml if it exists.
    """
    if config is not None or _CONFIG.exists():
        _check_toml(config or _CONFIG)
    app.config = (
        Env("SHEETBEND_", command=False, show=False),
        Toml(config or _CONFIG, must_exist=False, search_parents=False),
    )
    app(tokens, exit_on_error=False, print_error=False)


def _whole(kind: type[int], tokens: Sequence[Token]) -> int:
    """Cyclopts alone would round 1.5 to 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f'"{tokens[0].value}" is not a whole number.') from None


@app.command
def serve(
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(converter=_whole)] = 8080,
    allow_origin: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    tls: Annotated[Literal["auto"] | None, Parameter(show_choices=False)] = None,
    log_level: LogLevel = "info",
    log_format: LogFormat = "text",
) -> None:
    """Serve rooms until Ctrl-C. Also: variables (SHEETBEND_PORT), TOML ([serve] port).

    Parameters
    ----------
    host
        Address; 0.0.0.0 or :: for the network.
    port
        Port; 0 takes a free one.
    allow_origin
        Another origin that may connect; repeatable.
    tls_cert
        PEM certificate chain.
    tls_key
        PEM key of the certificate.
    tls
        auto: self-signed, so phones get their camera.
    log_level
        From:
    log_format
        For people or programs:
    """
    config = ServerConfig(
        host=host,
        port=port,
        allow_origins=frozenset(allow_origin),
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_auto=tls == "auto",
        log_level=log_level,
        log_format=log_format,
    )
    configure_logs(config.log_level, config.log_format)
    _raise_file_limit()
    uvloop.run(_serve(config))


async def _serve(config: ServerConfig) -> None:
    server = Server(config)
    await server.run(lambda: _announce(server))


def _announce(server: Server) -> None:
    """Print what to open. A phone can scan the LAN address."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without block characters shows no QR code
    here, *lan = server.urls
    print(f"Sheetbend is ready: {here}")
    if not (lan or server.is_loopback):
        lan = [here]
    for url in lan:
        print(f"On your network:    {url}")
        segno.make(url).terminal(compact=True)
    if server.fingerprint:
        print(
            "The certificate is self-signed: browsers will warn that the connection is not private. That is\n"
            "expected; choose to go on (Advanced, Proceed). Its SHA-256 fingerprint, to compare:\n"
            f"{server.fingerprint}"
        )
    elif lan:
        print("Browsers give cameras to secure pages only: add --tls auto to use them from another device.")
    sys.stdout.flush()


def _check_toml(path: Path) -> None:
    try:
        tables = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError("unreadable_file", f"Can't read {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError("bad_toml", f"{path} is not valid TOML: {error}.") from None
    for name, table in tables.items():
        if name != "serve" or not isinstance(table, dict):
            raise ConfigurationError("bad_toml", f"{path}: {name!r} is not known; settings stand below [serve].")


def _raise_file_limit() -> None:
    """A connection is a file; take as many as this user may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS names a limit that it then refuses
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Run the command line. What the operator got wrong costs one sentence and exit status 2."""
    try:
        app.meta(exit_on_error=False, print_error=False)
    except ConfigurationError as error:
        _fail(error.sentence)
    except CycloptsError as error:
        _fail(" ".join(str(error).split()))
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(sentence: str) -> NoReturn:
    print(f"sheetbend: {sentence}", file=sys.stderr)
    sys.exit(2)
