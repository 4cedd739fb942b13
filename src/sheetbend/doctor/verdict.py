"""From what was found to what it means: one rule in both languages, held to protocol/fixtures/doctor.json."""

from __future__ import annotations

from collections.abc import Sequence

from .report import Check, CheckId, Status, Verdict

__all__ = ["verdict_of"]

_NOT_LET_IN = {
    "token_required": "token_needed",
    "invalid_token": "token_needed",
    "token_expired": "token_needed",
    "server_full": "server_busy",
    "rate_limited": "server_busy",
    "bad_certificate": "certificate_refused",
}
_TURN: Sequence[CheckId] = ("turn_udp", "turn_tcp", "turn_tls")

_OPEN_UDP = "If you run the server: open its UDP port as well, in its firewall and at the provider."
_ASK_FOR_UDP = "Ask whoever runs this network to let UDP out, or try another network."
_ADD_TURN = "If you run the server: --turn coturn brings a TURN server (docs/nat.md)."

_SAID: dict[str, tuple[bool, str, Sequence[str]]] = {
    "all_well": (True, "Everything works; calls will be direct wherever the other side allows it.", []),
    "turn_needed": (
        True,
        "Calls will work; with some people they go through the TURN server, because the NAT here is symmetric.",
        [],
    ),
    "turn_over_tcp": (
        True,
        "UDP is blocked here; calls will go through the TURN server.",
        [f"Sound and pictures may be late in bad moments. {_ASK_FOR_UDP}"],
    ),
    "stun_unreachable": (
        True,
        "The STUN server doesn't answer; calls will go through the TURN server.",
        [_OPEN_UDP],
    ),
    "turn_missing": (
        False,
        "The NAT here is symmetric and there is no TURN server that works; with some people only messages will go "
        "through.",
        [_ADD_TURN, "Try another network."],
    ),
    "turn_broken": (
        False,
        "Direct calls will work, but the TURN server can't be used from here; in strict networks calls will fail.",
        ["If you run the server: look at the failed TURN checks below, and at what its log says (docs/nat.md)."],
    ),
    "direct_blocked": (
        True,
        "No direct connection came about in this browser; calls will go through the TURN server.",
        ["Look for a setting, policy or extension of the browser that hides addresses or blocks WebRTC."],
    ),
    "webrtc_blocked": (
        False,
        "No direct connection came about in this browser, and there is no TURN server that works; only messages will "
        "go through.",
        ["Look for a setting, policy or extension of the browser that hides addresses or blocks WebRTC.", _ADD_TURN],
    ),
    "webrtc_missing": (
        False,
        "This browser has no WebRTC; only messages will go through.",
        ["Use a current browser, or look for a policy or extension that switches WebRTC off."],
    ),
    "udp_blocked": (
        False,
        "UDP is blocked here; messages will go through the server, but sound and pictures need TURN.",
        [_ASK_FOR_UDP, f"If everybody sees this, it is the server: {_OPEN_UDP[0].lower()}{_OPEN_UDP[1:]}", _ADD_TURN],
    ),
    "no_ice_servers": (
        False,
        "The server offers no STUN and no TURN; calls beyond one network will not be direct.",
        ["If you run the server: look for stun_unavailable or ice_out_of_reach in its log (docs/nat.md)."],
    ),
    "relay_broken": (
        False,
        "Direct calls will work, but nothing comes through the server's own relay; others may be out of reach.",
        ["If you run the server: let whatever stands in front of it pass binary WebSocket messages on."],
    ),
    "nothing_through": (
        False,
        "UDP is blocked here and nothing comes through the server's own relay; calls will not work.",
        [_ASK_FOR_UDP, "If you run the server: let what stands in front of it pass binary WebSocket messages on."],
    ),
    "token_needed": (
        False,
        "The server can be reached, but lets nobody in without a valid token.",
        ["Give the doctor a token, so that it can look further."],
    ),
    "server_busy": (False, "The server can be reached, but takes nobody in now.", ["Try again in a minute."]),
    "certificate_refused": (
        False,
        "The server can be reached, but its certificate isn't trusted here.",
        ["If you run the server: give it a certificate of a known authority; --tls auto makes one that nobody knows."],
    ),
    "websocket_blocked": (
        False,
        "Pages of the server can be opened, but no WebSocket; nothing will work.",
        [
            "Look for a proxy, firewall or virus scanner between here and the server that stops WebSockets.",
            "If you run the server behind a proxy: let it pass upgrades of /ws on, and name its origin with "
            "--allow-origin.",
        ],
    ),
    "not_sheetbend": (
        False,
        "Something answers at this address, but it isn't a Sheetbend server.",
        ["Check the address.", "If you run the server behind a proxy: is it running, and are all paths passed on?"],
    ),
    "server_unreachable": (
        False,
        "The server can't be reached from here.",
        ["Check the address, and that you are online.", "If you run the server: is it running, and is its port open?"],
    ),
}

_NOTES: Sequence[tuple[CheckId, str]] = (
    ("relay", "Nothing came through the server's own relay: messages wait until members are connected directly."),
    ("turn_udp", "TURN over UDP doesn't work from here."),
    ("turn_tcp", "TURN over TCP doesn't work from here; networks that block UDP may need it."),
    ("turn_tls", "TURN over TLS doesn't work from here; the strictest networks need it."),
)
"""What is worth saying beside a verdict that it didn't decide."""

_NOTED = frozenset({"all_well", "turn_needed", "turn_over_tcp", "stun_unreachable", "direct_blocked"})


def verdict_of(checks: Sequence[Check]) -> Verdict:
    """Return what `checks` mean together. Looks at nothing but their ids, statuses and codes."""
    key = _decide({check.id: check for check in checks})
    ok, sentence, advice = _SAID[key]
    if key in _NOTED:
        failed = {check.id for check in checks if check.status == "failed"}
        if key == "turn_over_tcp":
            failed.discard("turn_udp")  # the verdict says so
        advice = [*advice, *(note for check_id, note in _NOTES if check_id in failed)]
    return Verdict(code=key, ok=ok, sentence=sentence, advice=advice)


def _decide(checks: dict[CheckId, Check]) -> str:
    def status(check_id: CheckId) -> Status:
        return checks[check_id].status if check_id in checks else "skipped"

    def code(check_id: CheckId) -> str | None:
        return checks[check_id].code if check_id in checks else None

    if status("websocket") != "ok":
        return _NOT_LET_IN.get(code("websocket") or "") or _unreachable(status("http"), code("http"))
    if code("direct") == "no_webrtc":
        return "webrtc_missing"
    turn = [status(check_id) for check_id in _TURN]
    by_udp = (status("stun"), status("turn_udp"))
    if "ok" not in by_udp and "failed" in by_udp:
        if "ok" in turn:
            return "turn_over_tcp"
        return "nothing_through" if status("relay") == "failed" else "udp_blocked"
    if status("direct") == "failed":
        return "direct_blocked" if "ok" in turn else "webrtc_blocked"
    if code("nat") == "symmetric":
        return "turn_needed" if "ok" in turn else "turn_missing"
    if "failed" in turn and "ok" not in turn:
        return "turn_broken"
    if status("stun") == "failed":
        return "stun_unreachable"
    if code("stun") == "not_offered" and "ok" not in turn:
        return "no_ice_servers"
    return "relay_broken" if status("relay") == "failed" else "all_well"


def _unreachable(http: Status, code: str | None) -> str:
    if http == "ok":
        return "websocket_blocked"
    return code if code == "not_sheetbend" else _NOT_LET_IN.get(code or "", "server_unreachable")
