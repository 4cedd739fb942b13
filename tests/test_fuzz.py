"""What `make fuzz` plays, played with input that hypothesis makes up: the same oracle, on any Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.conversation import CLIENTS, converse
from fuzz.spoken import FIXTURES
from fuzz.targets import TARGETS, masked
from fuzz.wire import Wire

ROOMS = ["r", "s", "t"]
USERS = [f"@{number}" for number in range(CLIENTS)]
CLIENT_FIXTURES = [FIXTURES / "v1-client.json", FIXTURES / "lesson-client.json"]
EXAMPLES = [
    message
    for path in CLIENT_FIXTURES
    for examples in json.loads(path.read_text())["messages"].values()
    for message in examples["valid"]
]

small_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)

FITTING: dict[str, st.SearchStrategy[Any]] = {
    "roomId": st.sampled_from(ROOMS),
    "target": st.sampled_from(USERS),
    "userId": st.sampled_from(USERS),
    "to": st.lists(st.sampled_from(USERS), min_size=1, max_size=4),
    "resume": st.fixed_dictionaries(
        {"token": st.sampled_from([f"${number}" for number in range(CLIENTS)]), "received": st.integers(-1, 12)}
    ),
    "since": st.fixed_dictionaries(
        {"epoch": st.sampled_from(["epoch-1", "epoch-2", "epoch-3"]), "offset": st.integers(-1, 20)}
    ),
    "received": st.integers(-1, 40),
    "id": st.sampled_from(["i", "j", "k"]),
    "access": st.sampled_from(["open", "lobby", "locked"]),
    "messages": st.booleans(),
    "ref": st.sampled_from(["1", "2"]),
}
"""Values that mean something in a conversation."""


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """An example of the protocol with fields of this conversation, and now and then one of another."""
    message = dict(draw(st.sampled_from(EXAMPLES)))
    for field, values in FITTING.items():
        if field in message or draw(st.integers(0, 9)) == 0:
            message[field] = draw(values)
    if draw(st.integers(0, 9)) == 0:
        message[draw(st.sampled_from([*message, "more"]))] = draw(small_json)
    return json.dumps(message).encode()


clients = st.integers(0, CLIENTS - 1)
lines = st.one_of(
    st.builds(lambda client, message: b"%d%b" % (client, message), clients, messages()),
    st.builds(lambda client, message: b"%d%b" % (client, message), clients, messages()),
    st.builds(lambda client, text: b"%d%b" % (client, text), clients, st.binary(max_size=40)),
    st.builds(lambda client, kind: bytes([ord("A") + client]) + kind, clients, st.sampled_from([b"1", b"1", b"l"])),
    st.builds(lambda client: bytes([ord("a") + client]), clients),
    st.builds(lambda client: b"!%d" % client, clients),
    st.builds(lambda seconds: b"t%d" % seconds, st.sampled_from([0, 1, 29, 31, 301])),
)
OPENING = [b"Cl", *(b'%d{"type":"hello"}' % client for client in (0, 1, 3)), b'0{"type":"join","roomId":"r"}']


@settings(max_examples=200, deadline=None)
@given(st.lists(lines, max_size=60))
def test_any_conversation_leaves_others_alone(script: list[bytes]) -> None:
    converse(b"\n".join([*OPENING, *script]))


@pytest.mark.parametrize("name", ["json", "lesson", "v1", "addresses", "tokens", "claims"])
def test_any_bytes_are_taken_or_refused(name: str) -> None:
    play = TARGETS[name].prepare()

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=100) | small_json.map(lambda value: json.dumps(value).encode()) | messages())
    def take(data: bytes) -> None:
        play(data)

    take()


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_pass(name: str) -> None:
    play = TARGETS[name].prepare()
    for seed in TARGETS[name].seeds():
        play(seed)


frames = st.builds(masked, st.integers(0, 15), st.binary(max_size=130) | messages(), fin=st.booleans()) | st.binary(
    max_size=20
)


@pytest.fixture(scope="module")
def wire() -> Iterator[Callable[[bytes], None]]:
    yield Wire().play


def test_any_frames_leave_the_server_well(wire: Callable[[bytes], None]) -> None:
    @settings(max_examples=150, deadline=None)
    @given(st.sampled_from([b"\x00", b"\xff"]), st.lists(frames, max_size=12))
    def send(dialect: bytes, pieces: list[bytes]) -> None:
        wire(dialect + b"".join(pieces))

    send()
