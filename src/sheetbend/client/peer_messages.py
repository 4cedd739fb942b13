"""What members say to each other through the server, inside `sdp` and `candidate`.

All of it comes from strangers: each function returns None for what has not the right shape, and bounds the rest.
`web/sdk/src/peer-messages.ts` is its twin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from .engines.base import Candidate

__all__ = [
    "LABEL_CHARS_MAX",
    "STREAMS_MAX",
    "PeerDescription",
    "decode_candidate",
    "decode_description",
    "encode_candidate",
    "fingerprint_of",
    "is_label",
    "label_of",
]

STREAMS_MAX = 16
LABEL_CHARS_MAX = 64
_DEFAULT_LABEL = "camera"
_ID_CHARS_MAX = 256
_FINGERPRINT = re.compile(r"^a=fingerprint:.*$", re.MULTILINE)


@dataclass(frozen=True)
class PeerDescription:
    """A session description and the labels of its streams.

    `labels` are by stream id; None from a peer that doesn't know of labels, such as one of the `lesson` dialect. `tag`
    shows it to be the member's, where the two have keys.
    """

    type: Literal["offer", "answer"]
    sdp: str
    labels: dict[str, str] | None
    tag: object = None


def decode_description(kind: str, value: object) -> PeerDescription | None:
    """The `sdp` of an offer or answer. A plain string, which some beginners' clients send, takes the message's type."""
    fields = {"type": kind, "sdp": value} if isinstance(value, str) else value
    if not isinstance(fields, dict) or fields.get("type") != kind or (kind != "offer" and kind != "answer"):
        return None
    sdp = fields.get("sdp")
    if not isinstance(sdp, str):
        return None
    return PeerDescription("offer" if kind == "offer" else "answer", sdp, _labels(fields), fields.get("tag"))


def _labels(fields: dict[str, Any]) -> dict[str, str] | None:
    streams = fields.get("streams")
    if not isinstance(streams, dict):
        return None
    first = list(streams.items())[:STREAMS_MAX]
    return {id_: label for id_, label in first if len(id_) <= _ID_CHARS_MAX and is_label(label)}


def is_label(label: object) -> TypeGuard[str]:
    """Whether `label` can name a stream: 1 to 64 characters."""
    return isinstance(label, str) and 0 < len(label) <= LABEL_CHARS_MAX


def label_of(labels: Mapping[str, str] | None, stream_id: str) -> str:
    """The label of a stream; `camera` where the peer gave none."""
    return (labels or {}).get(stream_id, _DEFAULT_LABEL)


def decode_candidate(value: object) -> Candidate | None:
    """An ICE candidate, or with `""` the end of them."""
    if not isinstance(value, dict) or not isinstance(value.get("candidate"), str):
        return None
    mid, index, fragment = value.get("sdpMid"), value.get("sdpMLineIndex"), value.get("usernameFragment")
    return Candidate(
        value["candidate"],
        mid if isinstance(mid, str) else None,
        index if type(index) is int and index >= 0 else None,
        fragment if isinstance(fragment, str) else None,
    )


def encode_candidate(candidate: Candidate) -> dict[str, Any]:
    """As W3C's `RTCIceCandidateInit`."""
    return {
        "candidate": candidate.candidate,
        "sdpMid": candidate.sdp_mid,
        "sdpMLineIndex": candidate.sdp_m_line_index,
        "usernameFragment": candidate.username_fragment,
    }


def fingerprint_of(sdp: str) -> str:
    """The certificate fingerprints in a session description, in one string: what DTLS holds the other end to
    (RFC 8122). One peer connection keeps one certificate for life."""
    return ",".join(sorted({line.strip().lower() for line in _FINGERPRINT.findall(sdp)}))
