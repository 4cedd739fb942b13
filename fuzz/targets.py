"""What is fuzzed: a name, what plays an input, and the inputs to begin with.

A target returns, or raises what is a fault of ours. All of them are pure but `frames`, which has a server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from msgspec import Raw

from sheetbend.core.addresses import tells_address
from sheetbend.core.dialects import Dialect, LessonDialect, V1Dialect
from sheetbend.core.limits import Limits
from sheetbend.core.messages import Message
from sheetbend.core.strict_json import InvalidUtf8Error, parse
from sheetbend.errors import RefusedError

from . import links, tokens
from .conversation import converse
from .spoken import FIXTURES, parse_strictly
from .wire import Wire

__all__ = ["TARGETS", "Target"]

_LIMITS = Limits(json_depth_max=16, json_number_chars_max=32, json_unchecked_bytes_max=32, name_chars_max=8)


class Target(NamedTuple):
    prepare: Callable[[], Callable[[bytes], None]]
    """Makes what plays an input; called once."""
    seeds: Callable[[], Iterator[bytes]]
    share: float
    """Of all executions: fast targets get more."""


def play_json(text: bytes) -> None:
    """What is taken is what the standard library reads, strictly, and comes out in one spelling."""
    try:
        value, canonical = parse(text, _LIMITS)
    except (RefusedError, InvalidUtf8Error):
        return
    assert parse_strictly(text) == value
    assert parse_strictly(canonical) == value
    assert parse(canonical, _LIMITS) == (value, canonical)


def play_dialect(dialect: Dialect) -> Callable[[bytes], None]:
    def play(text: bytes) -> None:
        try:
            message, ref = dialect.decode(text)
        except RefusedError as error:
            parse_strictly(dialect.encode_error(error))
        except InvalidUtf8Error:
            pass
        else:
            assert isinstance(message, Message)
            assert ref is None or 0 < len(ref) <= _LIMITS.ref_chars_max
        dialect.peek(text)

    return play


def play_addresses(text: bytes) -> None:
    """What passes for relay-only has no word that is an address, but for none and those of its relayed candidates."""
    try:
        value, canonical = parse(text, _LIMITS)
    except (RefusedError, InvalidUtf8Error):
        return
    if tells_address(Raw(canonical)):
        return
    words = re.split(r"[^0-9A-Za-z.:]+", repr(value).replace("\\n", " ").replace("\\r", " "))
    relayed = {words[at - 2].lower() for at, word in enumerate(words) if at > 1 and word.lower() == "typ"}
    own = {word.lower() for word in words if is_address(word)} - relayed - {"0.0.0.0", "::", "127.0.0.1"}
    assert not own, own


def is_address(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return True


def signalled() -> Iterator[bytes]:
    candidate = "candidate:1 1 udp 1 192.0.2.7 5 typ relay raddr 0.0.0.0 rport 0 generation 0"
    lines = ("v=0", "o=- 1 2 IN IP4 127.0.0.1", "c=IN IP4 192.0.2.7", "a=rtcp:9 IN IP6 ::", f"a={candidate}", "")
    for value in (
        {"candidate": candidate, "sdpMid": "0"},
        {"candidate": "candidate:1 1 tcp 1 2001:db8::7 5 typ relay"},
        {"candidate": "candidate:1 1 udp 1 10.0.0.5 5 typ host"},
        {"type": "offer", "sdp": "\r\n".join(lines)},
        ["a=x:2001:db8:0:0:0:0:0:5", "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)],
    ):
        yield json.dumps(value).encode()


def client_messages(name: str) -> Iterator[bytes]:
    """Every valid and invalid message that the fixtures have."""
    for examples in json.loads((FIXTURES / f"{name}-client.json").read_text())["messages"].values():
        for message in (*examples["valid"], *(invalid["message"] for invalid in examples["invalid"])):
            yield json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    yield from ODD_TYPES


def all_messages() -> Iterator[bytes]:
    yield from client_messages("lesson")
    yield from client_messages("v1")


ODD_TYPES = (b'{"type":{}}', b'{"type":["join"]}', b'{"type":1.5}', b'{"type":null,"ref":{}}', b"[[]]", b'{"ref":[1]}')


def odd_json() -> Iterator[bytes]:
    yield from all_messages()
    yield from (
        rb'{"\u0061":1,"a":2}',
        b"[" * 17 + b"]" * 17,
        b"1" * 33,
        b"-1.5e-3",
        rb'"\ud83d\ude00"',
        b'"\xff"',
        b"[NaN]",
    )


_OPENING = b"""A
B
Cl
0{"type":"hello"}
1{"type":"hello"}
0{"type":"join","roomId":"r","name":"Ada","attributes":{"a":1}}
1{"type":"join","roomId":"r","since":{"epoch":"epoch-2","offset":1}}
2{"type":"join","roomId":"r"}
"""
_TURNS = (
    b'0{"type":"offer","roomId":"r","target":"@2","sdp":1}\n2{"type":"offer","sdp":{"a":[1]}}\n1{"type":"ack","received":2}',
    b'0{"type":"message","roomId":"r","data":1,"id":"i"}\na\n1{"type":"message","roomId":"r","data":2}\nA\n'
    b'0{"type":"hello","resume":{"token":"$0","received":1}}\n0{"type":"message","roomId":"r","data":1,"id":"i"}',
    b'0{"type":"set-access","roomId":"r","access":"lobby"}\nD\n3{"type":"hello"}\n3{"type":"join","roomId":"r"}\n'
    b'0{"type":"admit","roomId":"r","userId":"@4"}\n0{"type":"mute","roomId":"r","userId":"@4","messages":true}\n'
    b'3{"type":"message","roomId":"r","data":1}\n0{"type":"remove","roomId":"r","userId":"@4"}\n3{"type":"join","roomId":"r"}',
    b'0{"type":"set-access","roomId":"r","access":"lobby"}\nD\n3{"type":"hello"}\n3{"type":"join","roomId":"r"}\n'
    b'0{"type":"leave","roomId":"r"}\n1{"type":"reject","roomId":"r","userId":"@4"}\n1{"type":"bye"}',
    b'a\nt31\nA\n0{"type":"hello","resume":{"token":"$0","received":0}}\nt1\n0{"type":"update","roomId":"r","name":"x"}',
    b'0{"type":"leave","roomId":"r"}\n1{"type":"leave","roomId":"r"}\nc\nt2\n0{"type":"join","roomId":"r"}\nt99\n0{"type":"ping"}',
    b'A\n0{"type":"hello","relayOnly":true}\n0{"type":"join","roomId":"r"}\n'
    b'0{"type":"ice-candidate","roomId":"r","target":"@3","candidate":"candidate:1 1 udp 1 10.0.0.5 5 typ host"}\n'
    b'0{"type":"offer","roomId":"r","target":"@3","sdp":"c=IN IP4 0.0.0.0"}',
    b'A\n0{"type":"hello","resume":{"token":"$1","received":0}}\n1{"type":"ping"}\n!0\n0{"type":"token","token":"a.b.c"}',
)


def conversations() -> Iterator[bytes]:
    for turn in _TURNS:
        yield _OPENING + turn
    for message in all_messages():
        yield _OPENING + b"0" + message.replace(b"\n", b" ") + b"\n2" + message.replace(b"\n", b" ")


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A client's frame. Its key is zero, so that its payload can be read, and changed."""
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([0x80 * fin | opcode]) + size + bytes(4) + payload


def frames() -> Iterator[bytes]:
    hello, join = b'{"type":"hello"}', b'{"type":"join","roomId":"r"}'
    for dialect in (b"\x00", b"\xff"):
        yield dialect + masked(1, hello) + masked(1, join) + masked(1, b'{"type":"offer","roomId":"r","sdp":1}')
        yield dialect + masked(1, hello[:5], fin=False) + masked(9, b"ping") + masked(0, hello[5:])
        yield dialect + masked(2, b"\x00\xff") + masked(0xA, b"") + masked(8, b"\x03\xe8bye")
        yield dialect + masked(1, b"x" * 600) + masked(1, b"\xf0\x9f\x98\x80", fin=False) + masked(0, b"", fin=True)
        yield dialect + masked(8, b"") + masked(1, hello)
        yield dialect + b"\x81\xff" + bytes(8) + b"\xc1\x80" + bytes(4)


def minted() -> Iterator[bytes]:
    for token in tokens.MINTED:
        yield token.encode()
    yield from (b"..", b"eyJhbGciOiJub25lIn0.e30.", b"eyJhbGciOiJIUzI1NiIsImtpZCI6Im9uZSJ9.e30.AA")


def claims() -> Iterator[bytes]:
    yield b'{"sub":"ada","room":"demo","exp":1700000060,"aud":"fuzz"}'
    yield b'{"sub":"ada","room":["a","b*"],"exp":1700000060.5,"nbf":1,"aud":["fuzz"],"name":"Ada","can":["message"]}'


TARGETS: dict[str, Target] = {
    "json": Target(lambda: play_json, odd_json, 0.3),
    "lesson": Target(lambda: play_dialect(LessonDialect(_LIMITS)), lambda: client_messages("lesson"), 0.2),
    "v1": Target(lambda: play_dialect(V1Dialect(_LIMITS)), lambda: client_messages("v1"), 0.25),
    "addresses": Target(lambda: play_addresses, signalled, 0.1),
    "conversation": Target(lambda: converse, conversations, 0.1),
    "frames": Target(lambda: Wire().play, frames, 0.02),
    "tokens": Target(lambda: tokens.verify, minted, 0.08),
    "claims": Target(lambda: tokens.read_claims, claims, 0.05),
    "links": Target(lambda: links.play, links.conversations, 0.1),
}
