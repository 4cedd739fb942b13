"""What is said in the room: each message once, in the room's order, and by whom.

A message of somebody who may turn out to be someone we know waits until that is settled, and all behind it wait too.
That none comes twice or late is `core.client.room`'s. `web/sdk/src/conversation.ts` is its twin.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..core.client.room import Heard
from .events import FormerMember, History, Me, Place, RoomMessage
from .member import Member
from .mesh import Mesh

__all__ = ["Conversation", "ConversationPort"]

_HELD_MESSAGES_MAX = 256
"""Messages kept back while it is open who their sender is; then the senders are taken for strangers."""


@dataclass(frozen=True)
class ConversationPort:
    """What a conversation needs of the room."""

    me: Callable[[], Me]
    epoch: Callable[[], str]
    message: Callable[[RoomMessage], None]


class Conversation:
    def __init__(self, mesh: Mesh, port: ConversationPort) -> None:
        self._mesh = mesh
        self._port = port
        self._held: deque[Heard] = deque()

    @property
    def is_holding(self) -> bool:
        """Whether messages wait to be delivered."""
        return bool(self._held)

    def recall(self, heard: list[Heard], *, complete: bool) -> History:
        """What was said before we came."""
        messages = (self._present(words) for words in heard)
        return History(tuple(message for message in messages if message is not None), complete)

    def said(self, heard: Heard) -> None:
        self._held.append(heard)
        if len(self._held) > _HELD_MESSAGES_MAX:
            self._mesh.admit_all()
        self.deliver()

    def deliver(self) -> None:
        """Deliver what is held, in order, up to the first message of somebody who may be someone we know."""
        while self._held and not self._mesh.is_newcomer(self._held[0].sender):
            message = self._present(self._held.popleft())
            if message is not None:
                self._port.message(message)

    def _present(self, heard: Heard) -> RoomMessage | None:
        """None for a message of nobody: only who is in the room can say something now."""
        sender = self._former(heard) if heard.is_historic else self._someone(heard.sender)
        if sender is None:
            return None
        to = None
        if heard.to is not None:
            known = (self._someone(user_id) for user_id in heard.to)
            to = tuple(each for each in known if each is not None)
        place = Place(heard.offset, self._port.epoch())
        return RoomMessage(sender, heard.data, place, heard.time / 1000, isinstance(sender, Me), to)

    def _former(self, heard: Heard) -> Member | Me | FormerMember:
        if self._mesh.is_self(heard.sender):
            return self._port.me()
        return self._mesh.known_as(heard.sender) or FormerMember(heard.sender, heard.name)

    def _someone(self, user_id: str) -> Member | Me | None:
        me = self._port.me()
        return me if user_id == me.user_id else self._mesh.present_as(user_id)
