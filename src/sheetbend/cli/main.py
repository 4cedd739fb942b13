"""The commands, and where their flags come from: the command line, else the environment, else a TOML file."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Annotated, NoReturn

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Env, Toml

from .. import __version__
from ..errors import ConfigurationError
from .chat import chat
from .doctor import doctor
from .load import load
from .play import play
from .receive import receive
from .record import record
from .send import send
from .serve import serve
from .token import token

__all__ = ["main"]

_CONFIG = Path("sheetbend.toml")

app = App(
    name="sheetbend",
    help="WebSocket and WebRTC joined into one room.",
    version=__version__,
    help_format="plaintext",
)
app.command(serve)
app.command(doctor)
app.command(token)
app.command(send)
app.command(receive)
app.command(play)
app.command(record)
app.command(chat)
app.command(load)


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
