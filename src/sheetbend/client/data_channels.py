"""The direct path: two negotiated data channels of a peer connection (PROTOCOL.md, "Links").

Both ends open both, so that none waits for the other's word. Frames keep their order on the first; the second is for
those that had better be dropped than come late. `web/sdk/src/data-channels.ts` is its twin.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from .engines.base import ChannelPort, EngineError, PeerConnection

__all__ = ["DataChannels", "DataChannelsPort"]

_RELIABLE_ID = 1
_LOSSY_ID = 2
_BUFFERED_BYTES_MAX = 1 << 18
"""Of frames that wait in the engine; from there on it is not ready, until it is down to the other."""
_BUFFERED_BYTES_LOW = 1 << 16


@dataclass(frozen=True)
class DataChannelsPort:
    """What the channels tell their owner. `ready`: they take more again. `closed`: the other end has closed its peer
    connection: engines tell of it here first."""

    opened: Callable[[], None]
    frame: Callable[[bytes], None]
    ready: Callable[[], None]
    closed: Callable[[], None]


class DataChannels:
    def __init__(self, connection: PeerConnection, port: DataChannelsPort) -> None:
        self._reliable = connection.create_data_channel(
            "sheetbend",
            ChannelPort(opened=port.opened, message=port.frame, buffered_amount_low=port.ready, closed=port.closed),
            id=_RELIABLE_ID,
            low_bytes=_BUFFERED_BYTES_LOW,
        )
        self._lossy = connection.create_data_channel(
            "sheetbend-lossy", ChannelPort(message=port.frame), id=_LOSSY_ID, ordered=False, max_retransmits=0
        )

    @property
    def is_ready(self) -> bool:
        return self._reliable.buffered_amount < _BUFFERED_BYTES_MAX

    def send(self, frame: bytes, *, lossy: bool) -> None:
        channel = self._lossy if lossy else self._reliable
        if channel.ready_state != "open" or (lossy and channel.buffered_amount > _BUFFERED_BYTES_LOW):
            return
        with suppress(EngineError):  # closed, or full, in this moment; the link finds out
            channel.send(frame)
