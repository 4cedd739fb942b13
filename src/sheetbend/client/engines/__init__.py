"""The WebRTC engines behind one interface (`base`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import EngineError

if TYPE_CHECKING:
    from .base import Engine

__all__ = ["load_engine"]


def load_engine(name: str) -> Engine:
    """The engine `wrtc` (libwebrtc: the default) or `aiortc` (all in Python: slower, no restart of ICE).

        async with connect(url, engine=load_engine("aiortc")) as room: ...

    Cheap: what libwebrtc needs is shared by all engines of a process, and begins with the first connection.

    Raises `EngineError` `engine_missing`.
    """
    try:
        if name == "wrtc":
            from .wrtc import WrtcEngine

            return WrtcEngine()
        if name == "aiortc":
            from .aiortc import AiortcEngine

            return AiortcEngine()
    except ImportError as error:
        extra = "aiortc" if name == "aiortc" else "client"
        sentence = f"The engine {name} can't be loaded ({error}). To install it: pip install 'sheetbend[{extra}]'"
        raise EngineError("engine_missing", sentence) from error
    raise EngineError("engine_missing", f"There is no engine {name!r}: wrtc or aiortc.")
