"""Every bound of a room's client, in one place."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClientLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """What waits, and for how long. At each bound something is said; nothing is dropped silently."""

    events_max: int = 65_536
    """Events that nobody has read yet. One more ends the room with `events_unread`."""
    events_bytes_max: int = 33_554_432
    """The same of the bytes in them, each event with 256 for itself."""
    message_bytes_max: int = 33_554_432
    """Of a message from the server; a longer one ends the connection with 1009."""
    write_buffer_bytes: int = 131_072
    """Of what the connection to the server hasn't sent. From there on links give it no more for now: that would delay
    what is said in the room."""
    leave_timeout_s: float = 2.0
    """How long members may take to acknowledge what was sent to them when the room is left."""
    close_timeout_s: float = 1.0
    """How long the server may take to answer a close; then the socket is ended."""
