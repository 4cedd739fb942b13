"""What two members say through the server, closed to it: the frames of their link, and the descriptions of their peer
connection. A channel is for one pair of user ids, since each has its own keys.

What isn't right is dropped, and told once. Leaves to others: the cryptography (`sealing`), the WebSocket
(`signalling`), what the frames say (`member_link`). `web/sdk/src/sealed-channel.ts` is its twin; here nothing waits, as
sealing a frame takes microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..errors import SealingError
from .sealing import SafetyWords, Seal

__all__ = ["ChannelPort", "SealedChannel"]

_KEPT = b"\x01"
_LOSSY = b"\x02"
"""Kinds of relay frames."""


@dataclass(frozen=True)
class ChannelPort:
    """What a channel tells its owner.

    `transmit`: send this through the server, with the kind of the relay's header in front. `opened`: the other member
    sent this frame; nobody else can have. `refused`: what came in its name isn't sealed with its key, or with our
    secret; called once, and not after anything was right: then it is noise.
    """

    transmit: Callable[[bytes, bytes], None]
    opened: Callable[[bytes], None]
    refused: Callable[[SealingError], None]


class SealedChannel:
    def __init__(self, agree: Callable[[], Seal], port: ChannelPort) -> None:
        """`agree` is called when the seal is needed first, and not again if it raises SealingError."""
        self._agree = agree
        self._port = port
        self._seal: Seal | None = None
        self._is_closed = False
        self._is_dead = False
        """There is no agreement."""
        self._is_proven = False
        self._is_refused = False
        self._had_words = False

    def send(self, frame: bytes, *, lossy: bool) -> None:
        """Send a frame; a lossy one had better be dropped than come late."""
        seal = self._ready()
        if seal is None:
            return
        kind = _LOSSY if lossy else _KEPT
        try:
            sealed = seal.seal(frame, kind)
        except SealingError as error:
            self._refuse(error)
        else:
            self._port.transmit(kind, sealed)

    def receive(self, kind: bytes, sealed: bytes) -> None:
        """Take what came on the relay."""
        seal = self._ready()
        if seal is None:
            return
        try:
            frame = seal.open(sealed, kind)
        except SealingError as error:
            self._refuse(error)
        else:
            self._is_proven = True
            self._port.opened(frame)

    def bind(self, parts: Iterable[str]) -> str | None:
        """The tag that shows `parts` to be ours; None if there can be none, and they mustn't be sent."""
        seal = self._ready()
        if seal is None:
            return None
        try:
            return seal.bind(parts)
        except SealingError as error:
            self._refuse(error)
            return None

    def verify(self, parts: Iterable[str], tag: object) -> bool:
        """Whether the tag shows `parts` to be the other member's."""
        seal = self._ready()
        if seal is None:
            return False
        try:
            seal.verify(parts, tag)
        except SealingError as error:
            self._refuse(error)
            return False
        self._is_proven = True
        return True

    def safety_words(self) -> SafetyWords | None:
        """Begin the exchange of safety words; None if there was one: a channel has one in its life."""
        seal = self._ready()
        if seal is None or self._had_words:
            return None
        self._had_words = True
        return seal.safety_words()

    def close(self) -> None:
        """Neither send nor take anything any more."""
        self._is_closed = True

    def _ready(self) -> Seal | None:
        if self._is_closed or self._is_dead:
            return None
        if self._seal is None:
            try:
                self._seal = self._agree()
            except SealingError as error:
                self._is_dead = True
                self._refuse(error)
        return self._seal

    def _refuse(self, error: SealingError) -> None:
        if not (self._is_closed or self._is_refused or self._is_proven):
            self._is_refused = True
            self._port.refused(error)
