"""The little of session descriptions (RFC 8829) that engines don't tell: who sends what, under which names."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

__all__ = [
    "CANDIDATES_MAX",
    "Section",
    "candidates_of",
    "ice_fragment",
    "ice_fragments",
    "is_reachable",
    "max_message_bytes",
    "may_send",
    "read_sections",
    "require_name",
    "with_agreed_numbers",
    "with_candidates",
    "with_reachable_candidates",
    "with_rejected",
    "with_streams",
    "without_candidates",
    "without_rejected",
]

CANDIDATES_MAX = 256
"""Of the other end's, after each of its descriptions; those that are more are dropped. A pair is tried for each of them
and each of ours."""
MESSAGE_BYTES_MAX = 1 << 30
"""What is believed of whoever takes messages of any size."""
_MESSAGE_BYTES_STANDARD = 1 << 16
_NAME = re.compile(r"[!#$%&'*+.^_`{|}~0-9A-Za-z-]{1,64}")
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


@dataclass(frozen=True)
class Section:
    """One m-section."""

    kind: str
    """`audio`, `video` or `application`."""
    mid: str
    direction: str
    stream_ids: tuple[str, ...]
    track_id: str
    rejected: bool


def require_name(name: str) -> str:
    """The id of a stream or track, if it can stand in a description (RFC 8830, section 2); else raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"An id of a stream or track has 1 to 64 letters, digits and -_., not {name!r}.")
    return name


def read_sections(sdp: str) -> list[Section]:
    """Those of a description, in order; lines that aren't understood are passed over."""
    session, *parts = _split(sdp)
    standard = next((line[2:] for line in session.splitlines() if line[2:] in _DIRECTIONS), "sendrecv")
    return [_read_section(part.splitlines(), standard) for part in parts]


def _read_section(lines: list[str], direction: str) -> Section:
    kind, port = [*lines[0][2:].split(), "", ""][:2]
    mid, track_id = "", ""
    stream_ids: list[str] = []
    for line in lines[1:]:
        if line[2:] in _DIRECTIONS:
            direction = line[2:]
        elif line.startswith("a=mid:"):
            mid = line[6:]
        elif line.startswith("a=msid:"):
            stream_id, _, track_id = line[7:].partition(" ")
            if stream_id != "-":
                stream_ids.append(stream_id)
    rejected = port == "0" and "a=bundle-only" not in lines
    return Section(kind, mid, direction, tuple(dict.fromkeys(stream_ids)), track_id, rejected)


def may_send(section: Section) -> bool:
    """Whether whoever wrote it sends media there."""
    return not section.rejected and section.direction in ("sendrecv", "sendonly")


def max_message_bytes(sdp: str) -> int:
    """The largest message that whoever wrote it takes (RFC 8841, section 6.1, where 0 is any)."""
    found = re.search(r"^a=max-message-size:0*([0-9]*)", sdp, re.MULTILINE)
    if found is None:
        return _MESSAGE_BYTES_STANDARD
    digits = found[1]
    return int(digits) if digits and len(digits) < len(str(MESSAGE_BYTES_MAX)) else MESSAGE_BYTES_MAX


def is_reachable(candidate: str, *, by_name: bool) -> bool:
    """Whether a candidate has an address, or, if `by_name`, a name of mDNS.

    Others are ignored (RFC 8839, section 5.1): to look up a name that the other end chose would tell it whose resolver
    asks, though only relays are to be used. One that can't be read is left to the engine to refuse.
    """
    fields = candidate.split()
    address = fields[4] if len(fields) > 5 else "0.0.0.0"
    if address.lower().removesuffix(".").endswith(".local"):
        return by_name
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def candidates_of(sdp: str) -> list[str]:
    return re.findall(r"^a=(candidate:[^\r\n]*)", sdp, re.MULTILINE)


def with_reachable_candidates(sdp: str, *, by_name: bool) -> str:
    """The description without candidates that aren't `is_reachable`, and with `CANDIDATES_MAX` at most."""
    left = iter(range(CANDIDATES_MAX))

    def kept(found: re.Match[str]) -> str:
        return found[0] if is_reachable(found[1], by_name=by_name) and next(left, None) is not None else ""

    return re.sub(r"^a=(candidate:[^\r\n]*)\r?\n", kept, sdp, flags=re.MULTILINE)


def ice_fragment(sdp: str) -> str:
    """The `ufrag` of the whole bundle."""
    found = re.search(r"^a=ice-ufrag:(\S+)", sdp, re.MULTILINE)
    return found[1] if found else ""


def ice_fragments(sdp: str) -> set[str]:
    """The `ufrag`s of all sections that are alive."""
    _, *parts = _split(sdp)
    return {ice_fragment(part) for part in parts if not _is_rejected(part)} or {ice_fragment(sdp)}


def with_streams(sdp: str, names: Mapping[str, tuple[str, str]]) -> str:
    """The description with other ids of stream and track, by mid: engines that make up their own let nobody choose."""
    session, *parts = _split(sdp)
    return session + "".join(_with_names(part, names) for part in parts)


def _with_names(part: str, names: Mapping[str, tuple[str, str]]) -> str:
    ids = names.get(_mid(part))
    if ids is None:
        return part
    msid = " ".join(ids)
    return re.sub(r"^(a=(?:ssrc:\d+ )?msid:)[^\r\n]*", lambda found: found[1] + msid, part, flags=re.MULTILINE)


def with_candidates(sdp: str, candidates: Mapping[str, list[str]], *, complete: bool) -> str:
    """The description with the candidates found since, by mid."""
    session, *parts = _split(sdp)
    for number, part in enumerate(parts):
        found = candidates.get(_mid(part), [])
        lines = [f"a={candidate}" for candidate in found] + ["a=end-of-candidates"] * (complete and bool(found))
        parts[number] = part + "".join(f"{line}\r\n" for line in lines)
    return session + "".join(parts)


def without_candidates(sdp: str) -> str:
    return re.sub(r"^a=(?:candidate:[^\n]*|end-of-candidates\r?)\n", "", sdp, flags=re.MULTILINE)


def with_rejected(sdp: str, mids: Collection[str]) -> str:
    """The description with these sections rejected (port 0, in no bundle)."""
    session, *parts = _split(sdp)
    for number, part in enumerate(parts):
        if _mid(part) in mids:
            rejected = re.sub(r"^m=(\w+) \d+ ", r"m=\1 0 ", part)
            parts[number] = re.sub(r"^a=(?:sendrecv|sendonly|recvonly)", "a=inactive", rejected, flags=re.MULTILINE)
    bundle = [_mid(part) for part in parts if _mid(part) not in mids]
    return _with_bundle(session, bundle) + "".join(parts)


def without_rejected(sdp: str, *before: str) -> str:
    """The description with idle sections instead of rejected ones, for who doesn't know those.

    What an idle one is like is taken from descriptions of before, which had the section alive; its transport is that of
    the others.
    """
    session, *parts = _split(sdp)
    live = next((part for part in parts if not _is_rejected(part)), "")
    transport = re.findall(r"^a=(?:ice-ufrag|ice-pwd|fingerprint|setup):[^\n]*\n", live, re.MULTILINE)
    known = {_mid(part): part for text in before for part in _split(text)[1:] if "a=rtpmap:" in part}
    for number, part in enumerate(parts):
        if _is_rejected(part):
            idle = re.sub(r"^m=(\w+) \d+ ", r"m=\1 9 ", known.get(_mid(part), part))
            idle = re.sub(r"^a=(?:ice-ufrag|ice-pwd|fingerprint|setup):[^\n]*\n", "", idle, flags=re.MULTILINE)
            idle = re.sub(r"^a=(?:sendrecv|sendonly|recvonly)", "a=inactive", idle, flags=re.MULTILINE)
            parts[number] = without_candidates(idle) + "".join(transport)
    return _with_bundle(session, [_mid(part) for part in parts]) + "".join(parts)


def with_agreed_numbers(offer: str, agreed: str) -> str:
    """The offer with the payload types and header extensions that both ends agreed on before.

    A number means the same for as long as a connection lives (RFC 8829, section 5.2.2), and in all of a bundle.
    """
    session, *parts = _split(offer)
    _, *before = _split(agreed)
    by_mid = {_mid(part): part for part in before}
    by_kind = {part.split(" ", 1)[0]: part for part in reversed(before) if "a=rtpmap:" in part}
    types = set(re.findall(r"^a=rtpmap:(\d+)", "".join(by_kind.values()), re.MULTILINE))
    extensions = {uri: id for id, uri in re.findall(r"^a=extmap:(\d+)\S* (\S+)", agreed, re.MULTILINE)}  # noqa: A001
    for number, part in enumerate(parts):
        kind = part.split(" ", 1)[0]
        known = by_mid.get(_mid(part), "")
        model = known if "a=rtpmap:" in known else by_kind.get(kind)
        if kind == "m=application":
            continue
        parts[number] = _renumbered(part, types, extensions) if model is None else _like(part, model)
    return session + "".join(parts)


_CODEC_LINES = re.compile(r"^a=(?:rtpmap|fmtp|rtcp-fb|extmap):[^\n]*\n", re.MULTILINE)


def _like(part: str, model: str) -> str:
    """The section with another's codecs and extensions."""
    formats = model.split("\n", 1)[0].split()[3:]
    head, _, rest = _CODEC_LINES.sub("", part).partition("\n")
    line = " ".join([*head.split()[:3], *formats])
    return f"{line}\r\n{rest}{''.join(_CODEC_LINES.findall(model))}"


def _renumbered(part: str, types: Collection[str], extensions: Mapping[str, str]) -> str:
    """The section, the first of its kind, without the numbers that mean something else already."""
    own = re.findall(r"^a=rtpmap:(\d+)", part, re.MULTILINE)
    free = (str(number) for number in range(96, 128) if str(number) not in {*types, *own})
    new = {number: next(free) if number in types else number for number in own}
    head, _, rest = part.partition("\n")
    line = " ".join([*head.split()[:3], *(new.get(number, number) for number in head.split()[3:])])
    rest = re.sub(
        r"^(a=(?:rtpmap|fmtp|rtcp-fb):)(\d+)", lambda found: found[1] + new.get(found[2], found[2]), rest, flags=re.M
    )
    rest = re.sub(r"\bapt=(\d+)", lambda found: f"apt={new.get(found[1], found[1])}", rest)
    uris = re.findall(r"^a=extmap:\d+ (\S+)", rest, re.MULTILINE)
    ids = (str(number) for number in range(1, 15) if str(number) not in extensions.values())
    named = {uri: extensions.get(uri) or next(ids) for uri in uris}
    rest = re.sub(r"^a=extmap:\d+ (\S+)", lambda found: f"a=extmap:{named[found[1]]} {found[1]}", rest, flags=re.M)
    return f"{line}\r\n{rest}"


def _split(sdp: str) -> list[str]:
    """What stands before the sections, and the sections."""
    return re.split(r"^(?=m=)", sdp, flags=re.MULTILINE)


def _mid(part: str) -> str:
    found = re.search(r"^a=mid:(\S+)", part, re.MULTILINE)
    return found[1] if found else ""


def _is_rejected(part: str) -> bool:
    return part.split(" ", 2)[1] == "0" and "a=bundle-only" not in part


def _with_bundle(session: str, mids: list[str]) -> str:
    return re.sub(r"^a=group:BUNDLE[^\r\n]*", f"a=group:BUNDLE {' '.join(mids)}", session, flags=re.MULTILINE)
