"""Which path two networks allow, by the words of RFC 4787 (mapping, filtering) and RFC 8445 (ICE).

Both hosts know by STUN where the outside sees them, tell each other, and send there at the same time. Then:

- Without UDP there is no direct path: browsers open TCP candidates but accept none (RFC 6544, active only).
- A side whose filtering is endpoint-independent takes the other's first packet wherever it comes from, and answers to
  there: the other's filter knows that it wrote to here. Direct, whatever the other's mapping is.
- If both filter by address and port, each must write to exactly where the other will write from, so both must know the
  other's port. STUN tells it if the mapping is endpoint-independent, because then it is the same for everybody. A
  mapping that depends on the destination has another port for the peer than for the STUN server; nobody can know it
  before a packet comes through, and none does.

TURN needs one side to have a relayed address that both can write to. The lab's TURN answers on UDP and TCP port 443, so
every network reaches it. Whatever is left goes through the WebSocket.
"""

from __future__ import annotations

from enum import StrEnum

from .nat import Dependence, Nat

__all__ = ["Path", "direct", "expected"]


class Path(StrEnum):
    """What frames between two members travel on."""

    DIRECT = "direct"
    TURN = "turn"
    RELAY = "relay"


def direct(a: Nat, b: Nat) -> tuple[bool, str]:
    """Tell whether STUN alone makes a direct path, and why."""
    for nat in (a, b):
        if not nat.passes_udp:
            return False, f"no UDP behind {nat.name}"
    for nat in (a, b):
        if nat.filtering is Dependence.ENDPOINT_INDEPENDENT:
            return True, f"{nat.name} filters nobody, once it wrote"
    for nat in (a, b):
        if nat.mapping is not Dependence.ENDPOINT_INDEPENDENT:
            return False, f"nobody can know the port that {nat.name} will use, and both filter by port"
    return True, "both write to the port that the other uses for everybody"


def expected(a: Nat, b: Nat, *, with_turn: bool) -> tuple[Path, str]:
    """Return the best path that this pair allows, and why it isn't another."""
    is_direct, reason = direct(a, b)
    if is_direct:
        return Path.DIRECT, reason
    return (Path.TURN if with_turn else Path.RELAY), reason
