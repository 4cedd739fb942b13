"""Every bound of the server, in one value."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a client may ask for, and what happens at each bound.

    The names on the wire and in protocol/codes.json are the same without `_max`, in camel case.
    """

    message_bytes_max: int = 65_536
    """A longer text message is answered with `message_too_big`."""
    room_id_chars_max: int = 128
    """`invalid_room_id`."""
    name_chars_max: int = 64
    """`invalid_name`."""
    ref_chars_max: int = 64
    """`invalid_ref`."""
    attributes_bytes_max: int = 4096
    """A member's attributes as JSON: `invalid_attributes`."""
    room_attributes_bytes_max: int = 2_097_152
    """The attributes of all members of a room, so that a roster fits `outbox_bytes_max`: `room_full`."""
    message_targets_max: int = 64
    """Members in a message's `to`: `invalid_message`."""
    rooms_per_session_max: int = 64
    """`too_many_rooms`."""
    members_per_room_max: int = 5000
    """`room_full`."""
    json_depth_max: int = 200
    """Nesting of arrays and objects: `nesting_too_deep`."""
    json_number_chars_max: int = 400
    """Length of one number; the longest finite double without exponent has 309 digits: `number_out_of_range`."""
    json_unchecked_bytes_max: int = 400
    """A text this short can't hold a number longer than `json_number_chars_max`, nor nest deeper than
    `json_depth_max`, as each level takes two bytes: it is spared those checks."""
    frame_bytes_max: int = 262_144
    """A longer WebSocket frame, or fragments that come to more, close the connection with 1009."""
    outbox_bytes_max: int = 4_194_304
    """Bytes waiting for one connection; past them it is closed with `slow_consumer`."""
    hello_timeout_s: float = 10
    """Time for `hello` in `sheetbend.v1`; then `hello_timeout`."""
    ping_interval_s: float = 15
    """A connection that has been quiet for this long is pinged."""
    liveness_timeout_s: float = 30
    """A connection that has been quiet for this long is closed with `not_responding`."""
    handshake_timeout_s: float = 10
    """Time for the HTTP request; then the socket is closed."""
    close_timeout_s: float = 2
    """Time for the peer's CLOSE after ours; then the socket is closed."""

    def __post_init__(self) -> None:
        if self.json_unchecked_bytes_max > min(self.json_number_chars_max, 2 * self.json_depth_max):
            raise ValueError("json_unchecked_bytes_max would let a long number or a deep nesting pass")

    def as_wire(self) -> dict[str, float]:
        """The bounds a client can use, as `welcome` names them."""
        return {
            "messageBytes": self.message_bytes_max,
            "roomIdChars": self.room_id_chars_max,
            "nameChars": self.name_chars_max,
            "refChars": self.ref_chars_max,
            "attributesBytes": self.attributes_bytes_max,
            "roomAttributesBytes": self.room_attributes_bytes_max,
            "messageTargets": self.message_targets_max,
            "roomsPerSession": self.rooms_per_session_max,
            "membersPerRoom": self.members_per_room_max,
            "jsonDepth": self.json_depth_max,
            "jsonNumberChars": self.json_number_chars_max,
            "frameBytes": self.frame_bytes_max,
            "outboxBytes": self.outbox_bytes_max,
            "helloTimeoutS": self.hello_timeout_s,
            "pingIntervalS": self.ping_interval_s,
            "livenessTimeoutS": self.liveness_timeout_s,
        }
