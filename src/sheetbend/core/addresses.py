"""Whether signalling tells an address of its sender's own: what a relay-only session must not pass on.

A candidate is understood or refused: `typ relay`, with nothing but relayed and empty addresses in it (RFC 8839, section
5.1). Elsewhere in a description only those may stand, and what browsers write for "none": `0.0.0.0`, `::` and, in
`o=`, `127.0.0.1` (RFC 9429, section 5.2.1). Names that end in `.local` are host candidates (mDNS).

It catches a browser or a program that doesn't keep to its own policy. A program that wants to be found can say its
address in any text or sealed frame, and no server can know whether a relayed address is really one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

import msgspec

__all__ = ["tells_address"]

_NONE = frozenset({"0.0.0.0", "::", "127.0.0.1"})

_RELAYED = re.compile(
    r"(?:a=)?candidate:[a-z0-9+/]{1,32} [0-9]{1,5} (?:udp|tcp) [0-9]{1,10} (?P<address>[0-9a-f.:]{2,45}) [0-9]{1,5}"
    r" typ relay(?: raddr (?:0\.0\.0\.0|::) rport [0-9]{1,5})?(?: (?!raddr |rport )[a-z0-9-]+ [a-z0-9+/-]+)*",
    re.ASCII,
)
_LINE_END = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_FOUR = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", re.ASCII)
_SIX_LIKE = re.compile(r"[0-9a-f.:]+", re.ASCII)
_SIX_CHARS_MAX = 56
_NAME = re.compile(r"\.local\b")


def tells_address(value: msgspec.Raw) -> bool:
    """`value` is the `sdp` or `candidate` of a message, any JSON. Takes time in proportion to its size."""
    allowed = set(_NONE)
    rest: list[str] = []
    for text in _texts(msgspec.json.decode(value)):
        for line in _LINE_END.split(text.lower()):
            if "candidate:" not in line:
                rest.append(line)
            elif (match := _RELAYED.fullmatch(line.strip(" \t"))) is None:
                return True
            else:
                allowed.add(match["address"])
    return any(_NAME.search(line) or not _addresses(line) <= allowed for line in rest)


def _texts(value: object) -> Iterator[str]:
    """Every string in `value`, keys included."""
    pending = [value]
    while pending:
        match pending.pop():
            case str(text):
                yield text
            case list(items):
                pending += items
            case dict(fields):
                yield from fields
                pending += fields.values()


def _addresses(line: str) -> set[str]:
    # A certificate's fingerprint has colons too, but is longer than any address with what may stand before it.
    six = (text.strip(".") for text in _SIX_LIKE.findall(line) if text.count(":") > 1 and len(text) <= _SIX_CHARS_MAX)
    return {*_FOUR.findall(line), *(found for text in six if (found := _address_at_end(text)))}


def _address_at_end(text: str) -> str | None:
    """The longest that `text` ends in: `a=x:` before one reads like a part of it."""
    while text.count(":") > 1:
        try:
            ip_address(text)
            return text
        except ValueError:
            text = text[text.index(":") + 1 :]
    return None
