"""What engines raise; told on by `base`."""

from __future__ import annotations

from ...errors import SheetbendError

__all__ = ["EngineError", "RebuildNeededError"]


class EngineError(SheetbendError):
    """What an engine can't do; it has changed nothing.

    - `engine_missing`: its package isn't installed, or can't be loaded; the sentence says what brings it
    - `configuration_invalid`: an ICE server that the engine refuses
    - `description_invalid`: a session description that can't be read, or doesn't fit what was negotiated
    - `candidate_invalid`: a candidate that can't be read
    - `wrong_state`: not now: an answer without an offer, an offer over another one, anything on what is closed
    - `frame_invalid`: a frame of the wrong kind, or an empty one
    - `message_too_large`, `channel_full`, `channel_closed`: a message that was not sent
    - `rebuild_needed`: only `RebuildNeededError`
    """


class RebuildNeededError(EngineError):
    """This engine can't: roll back its offer, restart ICE, or follow what the other end did. Make a new connection."""

    def __init__(self, sentence: str) -> None:
        super().__init__("rebuild_needed", sentence)
