"""What a relay-only session may not tell, however it is spelled."""

from __future__ import annotations

import json
import time
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sheetbend.core.addresses import tells_address

RELAYED = (
    "candidate:1 1 udp 41885439 192.0.2.7 50000 typ relay raddr 0.0.0.0 rport 0"
    " generation 0 ufrag a+/b network-cost 999"
)
FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)
DESCRIPTION = "\r\n".join(
    (
        "v=0",
        "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
        "m=application 50000 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 192.0.2.7",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a={RELAYED}",
        "a=ice-ufrag:abcd",
        FINGERPRINT,
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=rtpmap:111 opus/48000/2",
        "",
    )
)


def tells(value: Any) -> bool:
    return tells_address(Raw(json.dumps(value).encode()))


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        7,
        {"candidate": "", "sdpMid": "0", "usernameFragment": "abcd"},
        {"candidate": RELAYED, "sdpMid": "0", "sdpMLineIndex": 0},
        RELAYED.upper(),
        "candidate:1 1 tcp 1 2001:db8::7 443 typ relay raddr :: rport 9 tcptype passive",
        "candidate:1 1 udp 1 192.0.2.7 443 typ relay",
        {"type": "offer", "sdp": DESCRIPTION, "streams": {"5f0e-a1": "camera"}, "tag": "AAAAAA"},
        {"type": "offer", "sdp": DESCRIPTION.replace("\r\n", "\n")},
        DESCRIPTION.replace("\r\n", "\r"),
        DESCRIPTION.replace("a=rtcp:9 IN IP4 0.0.0.0", "a=rtcp:9"),
        DESCRIPTION.replace("a=rtcp:9 IN IP4 0.0.0.0", "a=rtcp:50000 IN IP4 192.0.2.7"),
        DESCRIPTION.replace("- 46", "mozilla...THIS_IS_SDPARTA-99.0 46").replace("127.0.0.1", "0.0.0.0"),
        {"candidate": f"a={RELAYED}"},
    ],
)
def test_relayed_addresses_and_none_pass(value: Any) -> None:
    assert not tells(value)


HOST = "candidate:1 1 udp 2122260223 10.0.0.5 50000 typ host generation 0"


@pytest.mark.parametrize(
    "text",
    [
        HOST,
        HOST.upper(),
        f"a={HOST}",
        f"  a={HOST}",
        f"\ta={HOST}",
        f"a=x:1 {HOST}",
        "candidate:1 1 udp 1 4c2e8f5a-0000.local 50000 typ host",
        "candidate:1 1 udp 1 203.0.113.5 50000 typ srflx raddr 10.0.0.5 rport 50000",
        "candidate:1 1 udp 1 203.0.113.5 50000 typ prflx raddr 0.0.0.0 rport 0",
        RELAYED.replace("0.0.0.0", "10.0.0.5"),
        RELAYED + " raddr 10.0.0.5 rport 9",
        RELAYED + " typ host",
        RELAYED.replace("rport 0", "rport 51234"),
        RELAYED.replace("192.0.2.7", "10.5"),
        RELAYED.replace("192.0.2.7", "1\u0669.0.0.5"),
        RELAYED + " note 10.0.0.5",
        RELAYED + " note fe80::5",
        RELAYED.replace("typ relay", "typ  relay"),
        RELAYED.replace("typ relay", "typ host typ relay"),
        RELAYED.replace(" ", "\u00a0"),
        RELAYED.replace("192.0.2.7", "home.example.org"),
        "candidate:",
        "1 1 udp 1 laptop.example.org 50000 typ host",
        "a=candidate :1 1 udp 1 laptop.example.org 50000 typ\thost",
        DESCRIPTION.replace("c=IN IP4 192.0.2.7", "c=IN IP4 laptop.example.org"),
        DESCRIPTION.replace("c=IN IP4 192.0.2.7", " C = IN IP4 laptop.example.org"),
        DESCRIPTION.replace("c=IN IP4 192.0.2.7", "c=IN IP4 167772165"),
        DESCRIPTION.replace("c=IN IP4 192.0.2.7", "c=IN IP4 0x0a.0.0.5"),
        DESCRIPTION.replace("c=IN IP4 192.0.2.7", "c=IN IP4 10.5"),
        DESCRIPTION.replace("c=IN IP4 192.0.2.7", "c=IN IP4 192.0.2.7 10.5"),
        DESCRIPTION.replace("127.0.0.1", "laptop.example.org"),
        DESCRIPTION.replace("IN IP4 0.0.0.0", "IN IP4 laptop.example.org"),
        DESCRIPTION.replace("IN IP4 0.0.0.0", "IN IP4 10.5"),
        DESCRIPTION + "a=note:\uff11\uff10.0.0.5\r\n",
        DESCRIPTION + "a=note:\u0661\u0660.0.0.5\r\n",
        DESCRIPTION + "a=note:10\u30020\u30020\u30025\r\n",
        DESCRIPTION.replace("0.0.0.0", "10.0.0.5"),
        DESCRIPTION.replace("127.0.0.1", "10.0.0.5"),
        DESCRIPTION.replace("c=IN IP4 192.0.2.7", "c=IN IP4 192.0.2.8"),
        DESCRIPTION + f"a={HOST}\r\n",
        DESCRIPTION.replace("\r\n", f"\ra={HOST}\r", 1),
        DESCRIPTION.replace("v=0", f"v=0\u2028a={HOST}"),
        DESCRIPTION + "a=note:[2001:db8::5]:50000\r\n",
        DESCRIPTION + "a=note:::ffff:10.0.0.5\r\n",
        DESCRIPTION + "a=note:10.0.0.5.\r\n",
        DESCRIPTION + "c=IN IP6 fe80::5%eth0\r\n",
        DESCRIPTION + "a=note:my-laptop.local\r\n",
        DESCRIPTION + "a=facade:2001:db8:0:0:0:0:0:5\r\n",
        DESCRIPTION + "a=x:2001:db8:0:0:0:0:0:5\r\n",
        DESCRIPTION + "a=x:2001:db8:0:0:0:0:0:5:50000\r\n",
        DESCRIPTION + "a=x:" + "cafe:" * 12 + "2001:db8::5\r\n",
        DESCRIPTION + FINGERPRINT + ":2001:db8:0:0:0:0:0:5\r\n",
    ],
)
def test_whatever_else_could_be_an_address_is_found(text: str) -> None:
    for value in (text, {"candidate": text}, {"sdp": text}, [{"deep": [{"er": text}]}], {text: 1}):
        assert tells(value)


@pytest.mark.parametrize("value", [{"candidate": "laptop.example.org 50000"}, [{"candidate": " "}]])
def test_a_candidate_that_is_not_understood_is_refused(value: Any) -> None:
    assert tells(value)


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
NONE_TOLD = st.sampled_from(["", " raddr 0.0.0.0 rport 0", " raddr 0.0.0.0 rport 9", " raddr :: rport 9"])


@given(ADDRESSES, NONE_TOLD, st.sampled_from(["\r\n", "\n", "\r"]))
def test_any_relayed_address_passes_wherever_a_description_has_it(address: str, related: str, end: str) -> None:
    place = f"IN IP{6 if ':' in address else 4} {address}"
    candidate = f"a=candidate:1 1 udp 41885439 {address} 50000 typ relay{related} generation 0"
    lines = ["v=0", f"o=- 1 2 {place}", f"c={place}", f"a=rtcp:50000 {place}", candidate, FINGERPRINT, ""]
    assert not tells({"type": "offer", "sdp": end.join(lines)})
    assert not tells({"candidate": candidate.removeprefix("a=")})


@given(ADDRESSES, st.sampled_from(["host", "srflx", "prflx", "relay"]), ADDRESSES | st.none())
def test_no_other_candidate_passes(address: str, kind: str, related: str | None) -> None:
    """Nor one of a relayed address behind which another stands."""
    behind = "" if related is None else f" raddr {related} rport 9"
    passes = kind == "relay" and related in (None, "0.0.0.0", "::")
    assert tells({"candidate": f"candidate:1 1 udp 1 {address} 50000 typ {kind}{behind}"}) is not passes


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), st.sampled_from(["c=IN IP {}", "a=x:{}", "{}", "x {} y"]))
def test_any_address_in_any_line_is_found(address: IPv4Address | IPv6Address, line: str) -> None:
    allowed = {"0.0.0.0", "::", "127.0.0.1", "192.0.2.7"}
    for spelled in {str(address), address.exploded, address.exploded.upper()}:
        assert tells(DESCRIPTION + line.format(spelled)) or spelled in allowed


@given(
    st.recursive(
        st.text() | st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json_is_judged(value: Any) -> None:
    assert tells(value) in (True, False)


@pytest.mark.parametrize(
    "text", [":" * 56 + " ", "1:" * 28 + " ", "1111:" * 7 + "x ", "1:", "typ ", "c= \n", f"{RELAYED} x", f"{RELAYED}\n"]
)
def test_a_hostile_text_costs_little(text: str) -> None:
    """16 of the largest messages; an address looked for at every colon took four seconds."""
    began_s = time.process_time()
    tells((text * 2**20)[: 2**20])
    assert time.process_time() - began_s < 1
