"""The contract between a node and whatever keeps its rooms.

Verbs return nothing. What they bring about comes back through `Node`, in the same call (`memory`) or later, and always
on the node's own event loop. So the hot path never waits for either.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Raw

from ..core.events import Event, Forwarded, LeftReason, Member
from ..core.room import Room
from ..errors import RefusedError

__all__ = ["Broker", "Node"]


class Node(Protocol):
    """What a broker calls back. None of these raises."""

    def entered(self, user_id: str, room: Room, ref: str | None) -> None:
        """`user_id` is in; `room` is as it was right after. Comes before any later event of the room."""

    def refused(self, user_id: str, error: RefusedError) -> None:
        """A verb of `user_id` was not done."""

    def happened(self, room: Room, event: Event) -> None:
        """An event for this node's members of `room`, in the order of offsets, each exactly once.

        A `MemberJoined` isn't for the newcomer, and a `Left` still is for the one who left.
        """

    def forwarded(self, target: str, forwarded: Forwarded) -> None:
        """Signalling for the session `target` of this node; from one sender in the order it was sent."""

    def forwarded_to_room(self, room: Room, forwarded: Forwarded) -> None:
        """Signalling for this node's members of `room`, except its sender."""


class Broker(Protocol):
    """What a node asks for. `ref` comes back with the answer."""

    def attach(self, node: Node) -> None:
        """Say who is called back. Once, before any other verb."""

    def enter(self, room_id: str, member: Member, ref: str | None) -> None:
        """Answered by `entered`, or by `refused` with `already_in_room` or `room_full`."""

    def leave(self, room_id: str, user_id: str, reason: LeftReason, ref: str | None) -> None:
        """Answered by `happened` with `Left`, or by `refused` with `not_in_room`."""

    def update(self, room_id: str, user_id: str, name: str | None, attributes: bytes | None, ref: str | None) -> None:
        """Answered by `happened` with `MemberUpdated`, or by `refused`."""

    def say(self, room_id: str, sender: str, data: Raw, to: tuple[str, ...] | None, ref: str | None) -> None:
        """Answered by `happened` with `Said`, or by `refused` with `not_in_room` or `target_not_found`."""

    def forward(self, forwarded: Forwarded) -> None:
        """Bring signalling to its target, or without one to everyone else in its room, wherever they are.

        Answered by `forwarded` or `forwarded_to_room`. A target that has gone meanwhile gets nothing.
        """
