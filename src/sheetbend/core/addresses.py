"""Whether signalling tells an address of its sender's own: what a relay-only session must not pass on.

Where addresses belong, a line is understood or refused. A candidate is `typ relay` with nothing of its sender's own
behind it (RFC 8839, section 5.1); `c=`, `o=` and `a=rtcp:` (RFC 8866, RFC 3605) have a relayed address or what browsers
write for "none": `0.0.0.0`, `::` and, in `o=`, `127.0.0.1` (RFC 9429, section 5.2.1). No other address stands anywhere
else, nor a name that ends in `.local`, which is a host candidate's (mDNS).

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

_LINE_END = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")

_CANDIDATE = re.compile(r"candidate:|\btyp\s+(?:host|srflx|prflx|relay)\b")
_RELAYED = re.compile(
    r"(?:a=)?candidate:[a-z0-9+/]{1,32} [0-9]{1,5} (?:udp|tcp) [0-9]{1,10} (?P<address>[0-9a-f.:]{2,45}) [0-9]{1,5}"
    r" typ relay(?: raddr (?:0\.0\.0\.0|::)(?: rport [09])?)?(?: (?!raddr |rport |typ )[a-z0-9-]+ [a-z0-9+/-]+)*",
    re.ASCII,
)

_PLACE = re.compile(r"\s*(?:[co]\s*=|a\s*=\s*rtcp\s*:)")
_PLACED = re.compile(
    r"(?:(?:c=|o=[!-~]+ [0-9]{1,20} [0-9]{1,20} )in ip[46] (?P<address>[0-9a-f.:]+)"
    r"|a=rtcp:[0-9]{1,5}(?: in ip[46] (?P<of_rtcp>[0-9a-f.:]+))?)[ \t]*",
    re.ASCII,
)

_FOUR = re.compile(r"\d{1,3}(?:[.\u2024\u3002\uff0e\uff61]\d{1,3}){3}")  # digits of any script
_SIX_LIKE = re.compile(r"[0-9a-f.:]+", re.ASCII)
_EIGHT_GROUPS = re.compile(r"(?:[0-9a-f]{1,4}:){7}[0-9a-f]", re.ASCII)
_FINGERPRINT = re.compile(r"(?:[0-9a-f]{2}:){15,}[0-9a-f]{2}", re.ASCII)
_NAME = re.compile(r"\.local\b")


def tells_address(value: msgspec.Raw) -> bool:
    """`value` is the `sdp` or `candidate` of a message, any JSON. Takes time in proportion to its size."""
    allowed = set(_NONE)
    rest: list[str] = []
    for key, text in _texts(msgspec.json.decode(value)):
        for line in _LINE_END.split(text.lower()):
            if not _CANDIDATE.search(line) and (key != "candidate" or not line):
                rest.append(line)
            elif (address := _relayed_address(line)) is None:
                return True
            else:
                allowed.add(address)
    return not all(_tells_only(allowed, line) for line in rest)


def _texts(value: object) -> Iterator[tuple[str | None, str]]:
    """Every string in `value`, with the key that it stands behind; keys are strings too."""
    pending: list[tuple[str | None, object]] = [(None, value)]
    while pending:
        key, item = pending.pop()
        match item:
            case str(text):
                yield key, text
            case list(items):
                pending += ((None, each) for each in items)
            case dict(fields):
                yield from ((None, field) for field in fields)
                pending += fields.items()


def _relayed_address(line: str) -> str | None:
    """None if `line` isn't a relayed candidate, or tells more."""
    match = _RELAYED.fullmatch(line.strip(" \t"))
    if match is None:
        return None
    try:
        ip_address(match["address"])
    except ValueError:
        return None
    return match["address"]


def _tells_only(allowed: set[str], line: str) -> bool:
    if _PLACE.match(line):
        match = _PLACED.fullmatch(line)
        if match is None or (match["address"] or match["of_rtcp"] or "::") not in allowed:
            return False
    return not _NAME.search(line) and allowed.issuperset(_FOUR.findall(line)) and allowed.issuperset(_sixes(line))


def _sixes(line: str) -> Iterator[str]:
    """What could have an IPv6 address in it. Nothing is parsed: whatever a hostile client writes costs one look."""
    for text in _SIX_LIKE.findall(line):
        if "::" in text or (text.count(":") > 6 and _EIGHT_GROUPS.search(text) and not _FINGERPRINT.fullmatch(text)):
            yield text.strip(".")
