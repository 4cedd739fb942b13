"""One peer connection with one member: its media, its data channels, its health.

Restarts ICE when it is disconnected or fails, when the link says that nothing comes through, and when the network has
changed. Says when it is beyond repair; what then happens is the mesh's decision. `web/sdk/src/pair.ts` is its twin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from .data_channels import DataChannels, DataChannelsPort
from .engines.base import (
    Candidate,
    ConnectionPort,
    ConnectionState,
    Engine,
    EngineError,
    IceConfiguration,
    Sender,
    Statistics,
)
from .engines.tracks import LocalTrack, RemoteTrack
from .mending import Mending
from .negotiation import Negotiation, NegotiationPort
from .peer_messages import PeerDescription, fingerprint_of, label_of

__all__ = ["MemberConnection", "Opening", "Pair", "PairPort"]

MemberConnection = Literal["connecting", "connected", "reconnecting", "failed"]

Opening = Literal["offer", "wait", "plain"]
"""Who makes the first offer:

- `offer`: we, at once
- `wait`: they, or we if they haven't within a second
- `plain`: we, to a member of the `lesson` dialect: no data channels, and room for its audio and video, because such a
  member answers but doesn't offer
"""

_RESTART_AFTER_SILENCE_S = 0.5
"""How long nothing may come through before ICE is restarted: shorter silences mend themselves."""
_RESTART_AFTER_CONNECTING_S = 8.0
"""How long the first connection may take before ICE begins again."""
_FIRST_OFFER_AFTER_S = 1.0
"""How long a newcomer leaves the first offer to the other side, who makes one at once if it can."""


@dataclass(frozen=True)
class PairPort:
    """What a pair tells its owner.

    `track`: one that the other end sends, with the id and the label of its stream. `changed`: `state` may have.
    `opened`: the data channels are open; `frame`: one came on them; `ready`: they take more again. `rerouted`: media
    and data go another way than before. `ended`: the other end is gone, or the connection can't be mended; called once.
    """

    send_description: Callable[[Literal["offer", "answer"], str], None]
    send_candidate: Callable[[Candidate], None]
    track: Callable[[RemoteTrack, str, str], None]
    track_ended: Callable[[RemoteTrack], None]
    changed: Callable[[], None]
    opened: Callable[[], None]
    frame: Callable[[bytes], None]
    ready: Callable[[], None]
    rerouted: Callable[[], None]
    ended: Callable[[], None]


class Pair:
    """Raises `EngineError` where the engine can't make one more peer connection."""

    def __init__(
        self, engine: Engine, configuration: IceConfiguration, opening: Opening, polite: bool, port: PairPort
    ) -> None:
        self._engine = engine
        self._port = port
        connection_port = ConnectionPort(
            connection_state_changed=self._changed,
            track=self._receive_track,
            track_ended=port.track_ended,
            rerouted=self._rerouted,
        )
        self._connection = engine.create(configuration, connection_port)
        self._negotiation = Negotiation(
            self._connection,
            polite,
            NegotiationPort(port.send_description, port.send_candidate, self._prepare_for, self._end),
        )
        connection_port.candidate = self._negotiation.found
        connection_port.negotiation_needed = self._negotiation.offer
        self._mending = Mending(lambda: self._negotiation.polite, self._restart)
        self._sent: dict[LocalTrack, tuple[Sender, str]] = {}
        self._channels: DataChannels | None = None
        self.is_open = False
        """Whether the data channels are."""
        self._labels: dict[str, str] | None = None
        self._peer_fingerprint = ""
        """Of the other end's certificate, from its first description on."""
        self._was_connected = False
        self._ended = False
        self._is_silent = False
        """Nothing comes through, whatever the engine says."""
        self._is_restarting = False
        """A restart of ours isn't answered yet."""
        self._offer_timer: asyncio.TimerHandle | None = None
        self._open(opening)

    @property
    def state(self) -> MemberConnection:
        """As `Member.connection`."""
        match self._connection.connection_state:
            case "connected":
                return "connected"
            case "disconnected":
                return "reconnecting"
            case "failed" | "closed":
                return "failed"
            case _:
                return "reconnecting" if self._was_connected else "connecting"

    @property
    def paused(self) -> bool:
        """Whether signalling is held back, because nobody knows under which id the other end can be reached."""
        return self._negotiation.paused

    @property
    def awaits_answer(self) -> bool:
        """Whether an offer of ours is out."""
        return self._negotiation.awaits_answer

    @property
    def is_ready(self) -> bool:
        """Whether the data channels take more."""
        return self._channels is not None and self._channels.is_ready

    def pause(self) -> None:
        self._stop_waiting()
        self._negotiation.pause()

    def hold_candidates(self) -> None:
        """While the server can't be reached, and nobody knows whether the session will go on."""
        self._negotiation.hold_candidates()

    def release_candidates(self) -> None:
        self._negotiation.release_candidates()
        self._reachable()

    def resume(self, polite: bool) -> None:
        """The other end can be reached again."""
        self._negotiation.polite = polite
        self._negotiation.resume()
        self._reachable()

    def receive(self, description: PeerDescription) -> None:
        if description.type == "offer":
            self._mending.postpone()
        self._negotiation.receive(description)

    def add_candidate(self, candidate: Candidate) -> None:
        self._negotiation.add_candidate(candidate)

    def is_from_another(self, description: PeerDescription) -> bool:
        """Whether a description comes from another peer connection than the one this is connected to."""
        return self._peer_fingerprint not in ("", fingerprint_of(description.sdp))

    def configure(self, configuration: IceConfiguration) -> None:
        """Use other ICE servers from the next restart on."""
        with suppress(EngineError):  # the server named something that this engine refuses; what worked so far stays
            self._connection.set_configuration(configuration)

    def send(self, frame: bytes, *, lossy: bool) -> None:
        if self._channels is not None:
            self._channels.send(frame, lossy=lossy)

    def silent(self, is_silent: bool) -> None:
        """The link says whether anything comes through."""
        if self._is_silent == is_silent:
            return
        self._is_silent = is_silent
        if is_silent:
            self._mending.begin(_RESTART_AFTER_SILENCE_S)
        elif self._is_well:
            self._mending.end()

    def network_changed(self) -> None:
        """The network has changed: what works may end, and what didn't may work."""
        self._mending.hurry()

    async def is_turned(self) -> bool:
        """Whether media and data go through a TURN server."""
        return await self._connection.is_turned()

    def set_receiving(self, receives: bool) -> None:
        """Whether the other end's tracks are taken. What is not taken is negotiated away, so that it isn't sent
        either."""
        self._connection.set_receiving(receives)

    def add_track(self, track: LocalTrack, stream_id: str) -> None:
        """Does nothing if the track is being sent already."""
        if track not in self._sent:
            self._sent[track] = self._connection.add_track(track, stream_id), stream_id

    def remove_track(self, track: LocalTrack) -> None:
        if sent := self._sent.pop(track, None):
            sent[0].stop()

    async def replace_track(self, old: LocalTrack, new: LocalTrack) -> None:
        """Without renegotiation."""
        if sent := self._sent.pop(old, None):
            self._sent[new] = sent
            await sent[0].replace(new)

    async def get_stats(self) -> Statistics:
        return await self._connection.get_stats()

    def close(self) -> None:
        """End it without another word to its owner."""
        self._ended = True
        self.is_open = False
        self._mending.end()
        self._stop_waiting()
        self._negotiation.close()
        self._connection.close()

    # The parts.

    def _open(self, opening: Opening) -> None:
        if opening == "wait":
            loop = asyncio.get_running_loop()
            self._offer_timer = loop.call_later(_FIRST_OFFER_AFTER_S, self._open, "offer")
            return
        if opening == "offer":
            self._open_channels()
        else:
            self._connection.expect("audio")
            self._connection.expect("video")
        self._negotiation.resume()

    def _open_channels(self) -> None:
        if self._channels is not None:
            return
        self._mending.begin(_RESTART_AFTER_CONNECTING_S)
        self._channels = DataChannels(
            self._connection, DataChannelsPort(self._opened, self._port.frame, self._port.ready, self._end)
        )

    def _opened(self) -> None:
        self.is_open = True
        self._port.opened()

    def _rerouted(self) -> None:
        self._mending.settle()
        self._port.rerouted()

    def _prepare_for(self, description: PeerDescription) -> None:
        self._stop_waiting()
        self._peer_fingerprint = self._peer_fingerprint or fingerprint_of(description.sdp)
        self._labels = description.labels
        if description.type == "answer":
            self._is_restarting = False
        # Who has no labels is of another kind, and wouldn't know what to do with the channels.
        if description.labels is not None:
            self._open_channels()

    def _stop_waiting(self) -> None:
        if self._offer_timer is not None:
            self._offer_timer.cancel()

    def _receive_track(self, track: RemoteTrack) -> None:
        for stream_id in track.stream_ids or ("",):
            self._port.track(track, stream_id, label_of(self._labels, stream_id))

    def _changed(self, state: ConnectionState) -> None:
        self._was_connected = self._was_connected or state == "connected"
        self._port.changed()
        if self._ended:
            return
        if self._connection.is_beyond_repair:
            self._end()
        elif state in ("disconnected", "failed"):
            self._mending.begin()
        elif self._is_well:
            self._mending.end()

    @property
    def _is_well(self) -> bool:
        return self._connection.connection_state == "connected" and not self._is_silent

    def _reachable(self) -> None:
        """What was tried in vain is worth another try, unless it goes out just now."""
        if self._is_restarting:
            self._mending.postpone()
        elif not self._is_well:
            self._mending.hurry()

    def _restart(self) -> None:
        if not self._negotiation.is_reachable:
            return
        if not self._engine.can_restart_ice:
            self._end()
            return
        self._is_restarting = True
        self._connection.restart_ice()

    def _end(self) -> None:
        if not self._ended:
            self.close()
            self._port.ended()
