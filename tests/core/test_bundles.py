from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetbend.core.link.bundles import is_bundle, make_bundle, read_bundle
from sheetbend.errors import LinkError


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=2, max_size=20))
def test_a_bundle_holds_its_frames(frames: list[bytes]) -> None:
    bundle = make_bundle(frames)
    assert is_bundle(bundle)
    assert list(read_bundle(bundle)) == frames


def test_a_single_frame_stays_as_it_is() -> None:
    assert make_bundle([b"\x00\x01"]) == b"\x00\x01"


@given(st.binary(max_size=400))
def test_what_is_cut_off_is_short_and_raises_nothing(tail: bytes) -> None:
    frames = list(read_bundle(b"\x11" + tail))
    assert sum(map(len, frames)) <= len(tail)


def test_a_bundle_longer_than_the_protocol_has_them_is_refused() -> None:
    longest = b"\x11" + (16_061).to_bytes(2, "big") + bytes(16_061)
    assert list(read_bundle(longest)) == [bytes(16_061)]
    with pytest.raises(LinkError):
        list(read_bundle(longest + b"x"))
