"""Perfect negotiation (W3C WebRTC, section 10.7) for one peer connection, and what a signalling path that comes and
goes adds to it.

Offers, answers and candidates are dealt with one after another, so an offer of theirs meets either no offer of ours or
one that is out: then the polite side takes its own back. While paused nothing is sent: offers become due, candidates
wait. `resume` sends what is due, and repeats an offer that was never answered, for it or its answer may have been lost
with the connection.

Leaves to others: who the peer is (`mesh`), what is negotiated (`pair`), how it travels (`signalling`).
`web/sdk/src/negotiation.ts` is its twin.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from .engines.base import Candidate, EngineError, PeerConnection, RebuildNeededError
from .peer_messages import PeerDescription

__all__ = ["Negotiation", "NegotiationPort"]

_CANDIDATES_MAX = 128
"""Kept in each direction until they can be used; more are dropped. libwebrtc gathers about 30 at most."""
_STEPS_MAX = 256
"""Of what waits for its turn; a stranger's descriptions and candidates past it are dropped."""


@dataclass(frozen=True)
class NegotiationPort:
    """What negotiation asks of its owner.

    `accepting`: a description will be applied: the last moment to prepare for it. `rebuild`: this peer connection can't
    follow, another must take its place.
    """

    send_description: Callable[[Literal["offer", "answer"], str], None]
    send_candidate: Callable[[Candidate], None]
    accepting: Callable[[PeerDescription], None]
    rebuild: Callable[[], None]


class Negotiation:
    def __init__(self, connection: PeerConnection, polite: bool, port: NegotiationPort) -> None:
        self.polite = polite
        """Whether this side gives way when offers collide."""
        self.paused = True
        self._connection = connection
        self._port = port
        self._holds_candidates = False
        self._offer_due = False
        self._ignores_offer = False
        self._local_type: Literal["offer", "answer"] = "offer"
        self._is_describing = False
        """A description of ours is being made: candidates go behind it."""
        self._early: list[Candidate] = []
        self._unsent: list[Candidate] = []
        self._steps: deque[Callable[[], Awaitable[None]]] = deque()
        self._runner: asyncio.Task[None] | None = None

    @property
    def is_reachable(self) -> bool:
        """Whether what is sent now arrives soon, candidates included."""
        return not self.paused and not self._holds_candidates

    @property
    def awaits_answer(self) -> bool:
        return self._connection.signaling_state == "have-local-offer"

    def pause(self) -> None:
        """Send nothing until `resume`."""
        self.paused = True

    def hold_candidates(self) -> None:
        """Keep candidates back until `release_candidates`: nothing repeats one that is lost, as `resume` repeats an
        offer."""
        self._holds_candidates = True

    def release_candidates(self) -> None:
        self._holds_candidates = False
        if not self.paused:
            self._send_found_candidates()

    def resume(self) -> None:
        """The peer can be reached, again or for the first time."""
        self.paused = False
        self._ignores_offer = False
        if self.awaits_answer:
            self._send_local_description()
        elif self._offer_due:
            self.offer()
        if self.is_reachable:
            self._send_found_candidates()

    def offer(self) -> None:
        """Something is to be negotiated."""
        if self.paused:
            self._offer_due = True
        else:
            self._then(self._offer)

    def receive(self, description: PeerDescription) -> None:
        """Apply what the peer sent; nonsense is dropped."""
        self._then(lambda: self._receive(description))

    def add_candidate(self, candidate: Candidate) -> None:
        """Apply a candidate, or keep it until there is a description that it can belong to."""
        self._then(lambda: self._add_candidate(candidate))

    def found(self, candidate: Candidate | None) -> None:
        """A candidate of ours was found; None: those were all."""
        mine = candidate or self._end_of_candidates()
        if self.is_reachable and not self._is_describing:
            self._port.send_candidate(mine)
        elif len(self._unsent) < _CANDIDATES_MAX:
            self._unsent.append(mine)

    def close(self) -> None:
        self._steps.clear()
        if self._runner is not None:
            self._runner.cancel()

    # The parts.

    def _then(self, step: Callable[[], Awaitable[None]]) -> None:
        if len(self._steps) >= _STEPS_MAX:
            return
        self._steps.append(step)
        if self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._run(), name="sheetbend negotiation")

    async def _run(self) -> None:
        try:
            while self._steps:
                try:
                    await self._steps.popleft()()
                except RebuildNeededError:
                    self._steps.clear()
                    self._port.rebuild()
                except EngineError:
                    pass  # a stranger's description or candidate that can't be applied, or closed meanwhile
        finally:
            self._runner = None

    async def _offer(self) -> None:
        if self.paused or self._connection.signaling_state != "stable":
            self._offer_due = True
            return
        self._offer_due = False
        await self._describe("offer", self._connection.offer())

    async def _receive(self, description: PeerDescription) -> None:
        if description.type == "answer":
            if self.awaits_answer:
                self._port.accepting(description)
                await self._connection.accept_answer(description.sdp)
                await self._apply_early()
                if self._offer_due:
                    self.offer()
            return
        self._ignores_offer = not self.polite and self.awaits_answer
        if self._ignores_offer:
            return
        self.paused = False  # whoever offers can be reached
        self._port.accepting(description)
        await self._describe("answer", self._connection.accept_offer(description.sdp))
        await self._apply_early()
        if self._offer_due:
            self.offer()

    async def _describe(self, kind: Literal["offer", "answer"], making: Awaitable[str]) -> None:
        self._is_describing = True
        try:
            await making
        finally:
            self._is_describing = False
        self._local_type = kind
        self._send_local_description()
        if self.is_reachable:
            self._send_found_candidates()

    async def _add_candidate(self, candidate: Candidate) -> None:
        if self._connection.remote_description is not None:
            await self._apply(candidate)
        elif not self._ignores_offer and len(self._early) < _CANDIDATES_MAX:
            self._early.append(candidate)

    async def _apply_early(self) -> None:
        early, self._early = self._early, []
        for candidate in early:
            await self._apply(candidate)

    async def _apply(self, candidate: Candidate) -> None:
        with suppress(EngineError):  # of an offer that was ignored or rolled back, or nonsense
            await self._connection.add_candidate(candidate)

    def _send_local_description(self) -> None:
        sdp = self._connection.local_description
        if sdp is not None and not self.paused:
            self._port.send_description(self._local_type, sdp)

    def _send_found_candidates(self) -> None:
        unsent, self._unsent = self._unsent, []
        for candidate in unsent:
            self._port.send_candidate(candidate)

    def _end_of_candidates(self) -> Candidate:
        """Engines tell the end of all by nothing, which doesn't say whose end it is (RFC 8838, section 8.2)."""
        fragment = re.search(r"^a=ice-ufrag:(\S+)", self._connection.local_description or "", re.MULTILINE)
        return Candidate("", "0", 0, fragment[1] if fragment else None)
