"""Clients that have nothing to do with an attack: what it does to them is what it does to everybody."""

from __future__ import annotations

import secrets
from types import TracebackType
from typing import Self

from tests.support.frames import RawWebSocket, text

__all__ = ["Bystanders"]


class Bystanders:
    """Two `lesson` clients in a room of their own."""

    def __init__(self, port: int) -> None:
        self._room_id = f"bystanders {secrets.token_hex(4)}"
        self._alice = RawWebSocket.open(port)
        self._bob = RawWebSocket.open(port)
        self._alice.send(text("join", roomId=self._room_id), text("marker"))
        assert self._alice.read_message()["code"] == "unknown_type"
        self._bob.send(text("join", roomId=self._room_id))
        assert self._alice.read_message()["type"] == "user-joined"
        assert self._bob.read_message()["type"] == "existing-user"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._alice.socket.close()
        self._bob.socket.close()

    def assert_unharmed(self) -> None:
        """What they say to each other is the first thing that either of them hears."""
        word = secrets.token_hex(4)
        self._alice.send(text("offer", roomId=self._room_id, sdp=word))
        assert self._bob.read_message()["sdp"] == word
        for member in (self._alice, self._bob):
            member.send(text("marker"))
            assert member.read_message()["code"] == "unknown_type"
