"""The bounds that an operator can set (`core/limits.py` has them all), as flags."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.limits import Limits
from ..core.rate_limits import Rate
from ..errors import ConfigurationError
from .numbers import Whole

__all__ = ["LimitOptions"]

_DEFAULTS = Limits()
_BURST_S = 5
"""A rate of one's own allows at once what comes in so many seconds."""
_MOST = 1e12
_MAY_BE_ZERO = frozenset({"resume_grace", "history_messages", "history_bytes", "history_age", "drain_timeout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOptions:
    """What `sheetbend serve` takes. `as_limits` checks it."""

    resume_grace: float = _DEFAULTS.resume_grace_s
    """Seconds a session outlives its connection."""
    history_messages: Whole = _DEFAULTS.history_messages_max
    """Messages a room keeps for newcomers."""
    history_bytes: Whole = _DEFAULTS.history_bytes_max
    """The same in bytes."""
    history_age: float = _DEFAULTS.history_age_s
    """And in seconds."""
    sessions_per_node: Whole = _DEFAULTS.sessions_max
    """More are refused."""
    connections_per_address: Whole = _DEFAULTS.connections_per_address_max
    """IPv6: per /64."""
    members_per_room: Whole = _DEFAULTS.members_per_room_max
    """Who comes later is refused."""
    rooms_per_session: Whole = _DEFAULTS.rooms_per_session_max
    """Rooms one may be in at once."""
    rate_messages: float = _DEFAULTS.message_rate.per_s
    """Of a session, per second."""
    rate_bytes: float = _DEFAULTS.byte_rate.per_s
    """Of a session, per second."""
    rate_joins: float = _DEFAULTS.join_rate.per_s
    """Of a session, per second."""
    rate_handshakes: float = _DEFAULTS.address_handshake_rate.per_s
    """Of an address, per second."""
    turn_allocations: Whole = _DEFAULTS.turn_allocations_max
    """Of coturn, for all sessions."""
    rate_turn: Whole = _DEFAULTS.turn_bytes_per_s_max
    """Bytes of a TURN allocation, per second."""
    drain_timeout: float = _DEFAULTS.drain_timeout_s
    """Seconds for closing connections at the end."""

    def as_limits(self) -> Limits:
        """Raises ConfigurationError for what makes no sense."""
        for name in self.__slots__:
            _check(name, getattr(self, name))
        return Limits(
            resume_grace_s=self.resume_grace,
            history_messages_max=self.history_messages,
            history_bytes_max=self.history_bytes,
            history_age_s=self.history_age,
            sessions_max=self.sessions_per_node,
            connections_per_address_max=self.connections_per_address,
            members_per_room_max=self.members_per_room,
            rooms_per_session_max=self.rooms_per_session,
            message_rate=_rate(self.rate_messages, _DEFAULTS.message_rate, 1),
            # A bucket that can't hold the longest message would refuse it for ever.
            byte_rate=_rate(self.rate_bytes, _DEFAULTS.byte_rate, _DEFAULTS.message_bytes_max),
            join_rate=_rate(self.rate_joins, _DEFAULTS.join_rate, 1),
            address_handshake_rate=_rate(self.rate_handshakes, _DEFAULTS.address_handshake_rate, 1),
            turn_allocations_max=self.turn_allocations,
            turn_bytes_per_s_max=self.rate_turn,
            drain_timeout_s=self.drain_timeout,
        )


def _rate(per_s: float, default: Rate, burst_min: float) -> Rate:
    if per_s == default.per_s:
        return default
    return Rate(per_s=per_s, burst=max(_BURST_S * per_s, burst_min))


def _check(name: str, value: float) -> None:
    may_be_zero = name in _MAY_BE_ZERO
    if 0 < value <= _MOST or (value == 0 and may_be_zero):  # neither is true of NaN
        return
    least = "0 or more" if may_be_zero else "more than 0"
    raise ConfigurationError("bad_limit", f"--{name.replace('_', '-')} takes {least}, up to {_MOST:g}; not {value}.")
