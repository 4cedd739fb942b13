"""Sheetbend: WebSocket and WebRTC joined into one room, for browsers and Python.

    async with sheetbend.connect("http://localhost:8080/r/demo", name="echo") as room:
        async for event in room:
            match event:
                case sheetbend.MessageReceived(member, data):
                    await member.send(data)

What a program in a room needs is loaded when it is first named: servers need none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import *  # noqa: F403
    from .client.media import *  # noqa: F403
    from .errors import ClientError as ClientError
    from .errors import SheetbendError as SheetbendError

__version__ = "0.1.0"

_MODULES = ("errors", "client", "client.media")


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        for module in map(_load, _MODULES):
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({"__version__", *(name for module in map(_load, _MODULES) for name in module.__all__)})


def _load(module: str) -> Any:
    try:
        return importlib.import_module(f".{module}", __name__)
    except ModuleNotFoundError as error:
        if error.name in ("av", "numpy"):
            raise ImportError(f"{error}. To install it: pip install 'sheetbend[client]'") from error
        raise
