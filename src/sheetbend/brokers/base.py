"""The contract between a node and whatever keeps its rooms.

Verbs return nothing. What they bring about comes back through `Node`, in the same call (`memory`) or later, and always
on the node's own event loop. So the hot path never waits for either.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import Raw

from ..core.effects import Moderation
from ..core.events import Entry, Event, Forwarded, LeftReason, Member, Notice
from ..core.grants import Permission
from ..core.room import Room
from ..errors import RefusedError

__all__ = ["Broker", "Node"]


class Node(Protocol):
    """What a broker calls back. None of these raises."""

    def entered(self, user_id: str, room: Room, entry: Entry) -> None:
        """`user_id` is in; `room` is as it was right after. Comes before any later event of the room."""

    def waits(self, user_id: str, room: Room) -> None:
        """`user_id` is in the lobby of `room`; `entered` or `refused` with `not_admitted` follows, unless it leaves."""

    def refused(self, user_id: str, error: RefusedError) -> None:
        """A verb of `user_id` was not done."""

    def left_lobby(self, user_id: str, room: Room) -> None:
        """`user_id` doesn't wait any longer, by its own `leave`."""

    def not_admitted(self, user_id: str, room: Room, ref: str | None) -> None:
        """`user_id` waited in vain; `ref` is that of its `enter`."""

    def happened(self, room: Room, event: Event) -> None:
        """An event for this node's members of `room`, in the order of offsets, each exactly once.

        A `MemberJoined` isn't for the newcomer, and a `Left` still is for the one who left.
        """

    def told(self, user_ids: Iterable[str], notice: Notice) -> None:
        """A notice for those of `user_ids` that are sessions of this node."""

    def forwarded(self, target: str, forwarded: Forwarded) -> None:
        """Signalling for the session `target` of this node; from one sender in the order it was sent."""

    def relayed(self, target: str, frame: bytearray) -> None:
        """A relay frame for the session `target` of this node, if it can take one now; may be dropped."""

    def forwarded_to_room(self, room: Room, forwarded: Forwarded) -> None:
        """Signalling for this node's members of `room`, except its sender."""


class Broker(Protocol):
    """What a node asks for. `ref` comes back with the answer."""

    def attach(self, node: Node) -> None:
        """Say who is called back. Once, before any other verb."""

    def enter(self, room_id: str, member: Member, entry: Entry) -> None:
        """Answered by `entered` or `waits`, or by `refused`: `already_in_room`, `room_full`, `server_full`,
        `room_locked`, `banned`."""

    def leave(self, room_id: str, user_id: str, reason: LeftReason, ref: str | None) -> None:
        """Answered by `happened` with `Left`, in a lobby by `left_lobby`, or by `refused` with `not_in_room`."""

    def update(
        self,
        room_id: str,
        user_id: str,
        name: str | None,
        attributes: bytes | None,
        can: frozenset[Permission] | None,
        ref: str | None,
    ) -> None:
        """Answered by `happened` with `MemberUpdated`, or by `refused`."""

    def say(
        self,
        room_id: str,
        sender: str,
        data: Raw,
        to: tuple[str, ...] | None,
        message_id: str | None,
        ref: str | None,
    ) -> None:
        """Answered by `happened` with `Said`, unless the sender has said `message_id` before, and by `told` with
        `Accepted` where there is an id or a ref; or by `refused`: `not_in_room`, `target_not_found`, `not_allowed`,
        `muted`."""

    def moderate(self, user_id: str, verb: Moderation, ref: str | None) -> None:
        """Answered by what it brings about, or by `refused`: `not_in_room`, `not_allowed`, `target_not_found`,
        `not_waiting`, `room_full`."""

    def forward(self, forwarded: Forwarded) -> None:
        """Bring signalling to its target, or without one to everyone else in its room, wherever they are.

        Answered by `forwarded` or `forwarded_to_room`. A target that has gone meanwhile gets nothing.
        """

    def relay(self, target: str, frame: bytearray) -> None:
        """Bring a relay frame to a session, wherever it is. Answered by `relayed`, or not at all."""

    def expire(self, now: float) -> None:
        """Let time pass: forget what is old. To be called about once a second."""
