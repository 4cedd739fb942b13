"""What is read from descriptions and candidates of the other end's, without any engine."""

from __future__ import annotations

import pytest

from sheetbend.client.engines.descriptions import (
    CANDIDATES_MAX,
    candidates_of,
    is_reachable,
    max_message_bytes,
    read_sections,
    with_reachable_candidates,
)


@pytest.mark.parametrize(
    ("address", "by_name", "expected"),
    [
        ("192.0.2.1", False, True),
        ("2001:db8::1", False, True),
        ("fe80::1%eth0", False, True),
        ("0f9c3ab0-5b1c.local", True, True),
        ("0f9c3ab0-5b1c.local", False, False),
        ("0F9C3AB0.LOCAL.", False, False),
        ("example.org", True, False),
        ("local", True, False),
        ("localhost", True, False),
        ("3221225985", True, False),
    ],
)
def test_only_addresses_and_perhaps_names_of_mdns_are_reachable(address: str, by_name: bool, expected: bool) -> None:
    assert is_reachable(f"candidate:1 1 udp 1 {address} 9 typ host", by_name=by_name) is expected


def test_descriptions_keep_reachable_candidates_and_not_too_many() -> None:
    def line(address: str) -> str:
        return f"a=candidate:1 1 udp 1 {address} 9 typ host\r\n"

    head = "v=0\r\nm=audio 9 RTP/AVP 0\r\n"
    few = head + line("192.0.2.1") + line("example.org") + line("a.local") + "a=end-of-candidates\r\n"
    assert with_reachable_candidates(few, by_name=True) == few.replace(line("example.org"), "")
    assert len(candidates_of(with_reachable_candidates(few, by_name=False))) == 1
    many = head + "".join(line(f"10.0.{number // 256}.{number % 256}") for number in range(1000)) + line("b.local")
    assert candidates_of(with_reachable_candidates(many, by_name=True)) == candidates_of(many)[:CANDIDATES_MAX]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", 1 << 16),
        ("a=max-message-size:1\r\n", 1),
        ("a=max-message-size:0\r\n", 1 << 30),
        ("a=max-message-size:000262144\r\n", 1 << 18),
        (f"a=max-message-size:{'9' * 5000}\r\n", 1 << 30),
    ],
)
def test_the_largest_message_is_what_the_description_says(line: str, expected: int) -> None:
    assert max_message_bytes(f"v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{line}") == expected


@pytest.mark.parametrize("sdp", ["", "m=", "m=\r\nm=audio", "v=0\r\nm=video x\r\na=msid:\r\na=mid:\r\n", "m=audio 0\n"])
def test_nonsense_is_read_without_complaint(sdp: str) -> None:
    assert len(read_sections(sdp)) == sdp.count("m=")
