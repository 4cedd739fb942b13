"""Sealing: what attackers try (docs/sealing.md), and the vectors that both languages are held to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetbend.client import sealing
from sheetbend.client.safety_words import SAFETY_WORDS
from sheetbend.client.sealing import (
    OVERHEAD_BYTES,
    REPLAY_WINDOW_FRAMES,
    KeyPair,
    SafetyWords,
    Seal,
    description_parts,
    new_room_secret,
)
from sheetbend.errors import SealingError
from tests.client import sealing_reference

VECTORS = json.loads(sealing_reference.FIXTURE.read_text())
ADA, BOB = "0f" * 16, "a0" * 16
SDP = sealing_reference.SDP
AAD = b"\x01"


def named(cases: list[dict[str, Any]]) -> Callable[..., Any]:
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def refused(code: str) -> Any:
    return pytest.raises(SealingError, check=lambda error: error.code == code)


def seals(secret: str | None = None) -> tuple[Seal, Seal]:
    """Ada's and Bob's, fresh."""
    ada, bob = KeyPair(), KeyPair()
    return (
        ada.agree(room_id="demo", own_id=ADA, other_id=BOB, other_key=bob.key, secret=secret),
        bob.agree(room_id="demo", own_id=BOB, other_id=ADA, other_key=ada.key, secret=secret),
    )


def vector_seal(pair: dict[str, Any], role: str) -> Seal:
    own, other = (pair[role], pair["second" if role == "first" else "first"])
    return KeyPair(bytes.fromhex(own["privateKey"])).agree(
        room_id=pair["roomId"],
        own_id=own["userId"],
        other_id=other["userId"],
        other_key=other["key"],
        secret=pair["secret"],
    )


def both(pair: dict[str, Any]) -> dict[str, Seal]:
    return {role: vector_seal(pair, role) for role in ("first", "second")}


def test_the_fixture_is_what_the_reference_writes() -> None:
    assert sealing_reference.fixture() == VECTORS


@named(VECTORS["pairs"])
def test_who_is_first_is_known_to_both(case: dict[str, Any]) -> None:
    assert {role: seal.is_first for role, seal in both(case).items()} == {"first": True, "second": False}


@named(VECTORS["pairs"])
def test_frames_of_the_vectors(case: dict[str, Any]) -> None:
    members = both(case)
    for frame in case["frames"]:
        aad, plaintext, sealed = (bytes.fromhex(frame[part]) for part in ("aad", "plaintext", "sealed"))
        assert members[frame["by"]].seal(plaintext, aad) == sealed
        receiver = members["second" if frame["by"] == "first" else "first"]
        assert receiver.open(sealed, aad) == plaintext


@named(VECTORS["pairs"])
def test_tags_of_the_vectors(case: dict[str, Any]) -> None:
    members = both(case)
    for tag in case["tags"]:
        assert members[tag["by"]].bind(tag["parts"]) == tag["tag"]
        members["second" if tag["by"] == "first" else "first"].verify(tag["parts"], tag["tag"])


@named(VECTORS["pairs"])
def test_words_of_the_vectors(case: dict[str, Any]) -> None:
    nonces = [bytes.fromhex(nonce) for nonce in case["words"]["nonces"]]
    first, second = (seal.safety_words(nonce=nonce) for seal, nonce in zip(both(case).values(), nonces, strict=True))
    assert second.start() is None
    messages = [first.start()]
    for member in (second, first):
        assert messages[-1] is not None
        messages.append(member.receive(messages[-1]))
    assert [message.hex() for message in messages if message is not None] == case["words"]["messages"]
    assert second.words is None
    assert messages[-1] is not None
    assert second.receive(messages[-1]) is None
    assert first.words == second.words == tuple(case["words"]["words"])


@named(VECTORS["frames"])
def test_a_frame_is_opened_or_refused(case: dict[str, Any]) -> None:
    seal = vector_seal(VECTORS["pairs"][0], "second")
    for opened in case["opened"]:
        seal.open(bytes.fromhex(opened), AAD)
    sealed, aad = bytes.fromhex(case["sealed"]), bytes.fromhex(case["aad"])
    if case["code"] is None:
        assert seal.open(sealed, aad) == b"hello"
    else:
        with refused(case["code"]):
            seal.open(sealed, aad)


@named(VECTORS["tags"])
def test_a_tag_is_taken_or_refused(case: dict[str, Any]) -> None:
    seal = vector_seal(VECTORS["pairs"][0], "second")
    for tag in case["verified"]:
        seal.verify(case["verifiedParts"], tag)
    if case["code"] is None:
        seal.verify(case["parts"], case["tag"])
    else:
        with refused(case["code"]):
            seal.verify(case["parts"], case["tag"])


@named(VECTORS["keys"])
def test_a_key_that_gives_no_secret_is_refused(case: dict[str, Any]) -> None:
    pair = VECTORS["pairs"][0]
    with refused("key_refused"):
        vector_seal({**pair, "second": {**pair["second"], "key": case["key"]}}, "first")


@named(VECTORS["words"])
def test_an_exchange_of_words_that_is_broken_ends(case: dict[str, Any]) -> None:
    pair = VECTORS["pairs"][0]
    nonce = bytes.fromhex(pair["words"]["nonces"][0 if case["at"] == "first" else 1])
    exchange = vector_seal(pair, case["at"]).safety_words(nonce=nonce)
    exchange.start()
    for message in case["messages"]:
        exchange.receive(bytes.fromhex(message))
    words = exchange.words
    with refused("words_refused"):
        exchange.receive(bytes.fromhex(case["last"]))
    assert exchange.words == words
    for message in pair["words"]["messages"]:
        with refused("words_refused"):
            exchange.receive(bytes.fromhex(message))


def test_a_key_pair_makes_the_same_seal_once() -> None:
    ada, bob = KeyPair(), KeyPair()
    met = {"room_id": "demo", "own_id": ADA, "other_id": BOB, "other_key": bob.key}
    ada.agree(**met, secret=None)
    with refused("key_refused"):
        ada.agree(**met, secret=None)
    ada.agree(**{**met, "other_id": "b0" * 16}, secret=None)
    ada.agree(**{**met, "own_id": "b0" * 16}, secret=None)
    ada.agree(**{**met, "room_id": "other"}, secret=None)
    ada.agree(**met, secret="a secret")
    with refused("key_refused"):
        ada.agree(**met, secret="another")


def test_a_key_pair_wears_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "AGREEMENTS_MAX", 1)
    ada = KeyPair()
    ada.agree(room_id="demo", own_id=ADA, other_id=BOB, other_key=KeyPair().key, secret=None)
    with refused("key_worn_out"):
        ada.agree(room_id="demo", own_id=ADA, other_id=BOB, other_key=KeyPair().key, secret=None)


def test_an_empty_secret_is_a_mistake_and_not_none() -> None:
    with pytest.raises(ValueError, match="empty"):
        seals("")


@pytest.mark.parametrize("bound", ["FRAMES_MAX", "SEALED_BYTES_MAX"])
def test_a_key_that_is_worn_out_seals_no_more(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, bound, 2)
    ada, _ = seals()
    ada.seal(b"1", AAD)
    ada.seal(b"2", AAD)
    for _ in range(2):
        with refused("key_worn_out"):
            ada.seal(b"3", AAD)


def test_a_key_that_is_worn_out_binds_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "FRAMES_MAX", 1)
    ada, _ = seals()
    ada.bind(["offer"])
    with refused("key_worn_out"):
        ada.bind(["offer"])


def test_a_forged_frame_moves_nothing() -> None:
    ada, bob = seals()
    frames = [ada.seal(b"%d" % number, AAD) for number in range(3)]
    for counter in (0, 1, 100_000, 2**32 - 1):
        with refused("frame_refused"):
            bob.open(counter.to_bytes(8, "big") + frames[0][8:-1] + b"x", AAD)
    assert [bob.open(frame, AAD) for frame in frames] == [b"0", b"1", b"2"]


def test_a_forged_tag_moves_nothing() -> None:
    ada, bob = seals()
    tag = ada.bind(["offer", SDP])
    with refused("description_refused"):
        bob.verify(["offer", SDP], "_____" + tag[5:])
    bob.verify(["offer", SDP], tag)


def test_words_are_had_once() -> None:
    ada, _ = seals()
    ada.safety_words()
    with pytest.raises(ValueError, match="once"):
        ada.safety_words()


def test_words_are_begun_once() -> None:
    ada, bob = (seal.safety_words() for seal in seals())
    first, second, message = ada, bob, ada.start()
    if message is None:
        first, second, message = bob, ada, bob.start()
    with refused("words_refused"):
        first.start()
    assert message is not None
    answer = second.receive(message)
    assert answer is not None
    first.receive(answer)
    with refused("words_refused"):
        first.start()


def converse(a: SafetyWords, b: SafetyWords) -> None:
    """Carry the messages of the exchange until there are no more."""
    message, receiver = a.start(), b
    if message is None:
        message, receiver = b.start(), a
    while message is not None:
        message, receiver = receiver.receive(message), (a if receiver is b else b)


def test_words_differ_where_somebody_stands_between() -> None:
    ada, bob, eve = KeyPair(), KeyPair(), KeyPair()
    exchanges = []
    for member, own_id, other_id in ((ada, ADA, BOB), (bob, BOB, ADA)):
        towards = member.agree(room_id="demo", own_id=own_id, other_id=other_id, other_key=eve.key, secret=None)
        pretended = eve.agree(room_id="demo", own_id=other_id, other_id=own_id, other_key=member.key, secret=None)
        exchange = towards.safety_words()
        converse(exchange, pretended.safety_words())
        exchanges.append(exchange)
    assert None not in (exchanges[0].words, exchanges[1].words)
    assert exchanges[0].words != exchanges[1].words


def test_words_are_fresh_each_time() -> None:
    seen = set()
    for _ in range(8):
        ada, bob = (seal.safety_words() for seal in seals("secret"))
        converse(ada, bob)
        assert ada.words == bob.words
        seen.add(ada.words)
    assert len(seen) == 8


def test_words_look_as_the_protocol_says() -> None:
    listed = json.loads((sealing_reference.FIXTURE.parents[1] / "safety-words.json").read_text())
    assert [list(word) for word in SAFETY_WORDS] == listed
    assert len(listed) == 64
    assert len({picture for picture, _ in listed} | {name for _, name in listed}) == 128


def test_a_description_without_a_fingerprint_has_no_parts() -> None:
    with refused("description_refused"):
        description_parts("offer", SDP.replace("a=fingerprint", "a=crypto"), {})


def test_labels_are_bound_in_one_order() -> None:
    labels = {"\U0001f3bb": "3", "b": "2", "\uffff": "4", "a": "1"}
    assert description_parts("offer", SDP, labels) == ["offer", SDP, *"a1b2", "\U0001f3bb", "3", "\uffff", "4"]


def test_room_secrets_are_128_random_bits_that_a_link_can_hold() -> None:
    found = {new_room_secret() for _ in range(100)}
    assert len(found) == 100
    assert all(len(each) == 22 and each.replace("-", "").replace("_", "").isalnum() for each in found)


@given(plaintext=st.binary(max_size=300), aad=st.binary(max_size=30), place=st.integers(0), secret=st.text(min_size=1))
def test_any_bit_that_is_flipped_shows(plaintext: bytes, aad: bytes, place: int, secret: str) -> None:
    ada, bob = seals(secret)
    sealed = ada.seal(plaintext, aad)
    assert len(sealed) == len(plaintext) + OVERHEAD_BYTES
    bits = len(sealed + aad) * 8
    whole = int.from_bytes(sealed + aad, "big") ^ (1 << place % bits)
    forged = whole.to_bytes(bits // 8, "big")
    with refused("frame_refused"):
        bob.open(forged[: len(sealed)], forged[len(sealed) :])
    assert bob.open(sealed, aad) == plaintext


@given(st.lists(st.integers(0, 3 * REPLAY_WINDOW_FRAMES), max_size=60), st.randoms(use_true_random=False))
def test_a_frame_is_opened_once_if_it_is_within_the_window(near: list[int], random: Any) -> None:
    bob = vector_seal(VECTORS["pairs"][0], "second")
    newest = -1
    opened = set()
    for counter in near + random.choices(near, k=len(near)) if near else []:
        if newest - counter >= REPLAY_WINDOW_FRAMES or counter in opened:
            with refused("frame_replayed"):
                bob.open(FRAMES[counter], AAD)
        else:
            assert bob.open(FRAMES[counter], AAD) == b"%d" % counter
            opened.add(counter)
            newest = max(newest, counter)


@given(st.lists(st.text(st.characters(), max_size=20)), st.lists(st.text(st.characters(), max_size=20)))
def test_a_tag_is_good_for_its_own_parts_alone(parts: list[str], others: list[str]) -> None:
    ada, bob = seals()
    tag = ada.bind(parts)
    if parts != others:
        with refused("description_refused"):
            bob.verify(others, tag)
    bob.verify(parts, tag)
    with refused("description_refused"):
        bob.verify(parts, tag)


def test_text_that_is_not_unicode_is_bound_as_it_is() -> None:
    ada, bob = seals()
    tag = ada.bind(["\ud800"])
    for other in ("\ud801", "\ufffd", "?", ""):
        with refused("description_refused"):
            bob.verify([other], tag)
    bob.verify(["\ud800"], tag)


@given(st.text(max_size=60) | st.none() | st.integers() | st.binary())
def test_no_tag_of_a_stranger_does_more_than_be_refused(tag: object) -> None:
    with refused("description_refused"):
        IDLE.verify(["offer", SDP], tag)


@given(st.binary(max_size=80))
def test_no_frame_of_a_stranger_does_more_than_be_refused(frame: bytes) -> None:
    with refused("frame_refused"):
        IDLE.open(frame, AAD)


@given(st.text(max_size=50), st.text(st.characters(), max_size=5), st.text(st.characters(), min_size=1, max_size=5))
def test_no_key_of_a_stranger_does_more_than_be_refused(key: str, user_id: str, secret: str) -> None:
    with refused("key_refused"):
        KeyPair().agree(room_id="demo", own_id=ADA, other_id=user_id, other_key=key, secret=secret)


def all_frames() -> list[bytes]:
    ada = vector_seal(VECTORS["pairs"][0], "first")
    return [ada.seal(b"%d" % number, AAD) for number in range(3 * REPLAY_WINDOW_FRAMES + 1)]


FRAMES = all_frames()
IDLE = seals()[0]
