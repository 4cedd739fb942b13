"""Every bound of the server, in one value."""

from __future__ import annotations

from dataclasses import dataclass

from .rate_limits import Rate

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
    outbox_total_bytes_max: int = 1_073_741_824
    """The same for all connections; past them those with most waiting are closed."""
    resume_grace_s: float = 30
    """How long a session outlives its connection; then it ends, and its rooms hear of it."""
    resume_messages_max: int = 4096
    """Messages kept for a session until its client acknowledges them; past them the oldest go, and a client that
    missed one of those can't resume."""
    resume_bytes_max: int = 1_048_576
    """The same in bytes."""
    resume_total_bytes_max: int = 268_435_456
    """The same for all sessions; past them those without a connection end, then those with most lose what is kept."""
    acknowledgement_timeout_s: float = 15
    """How long messages are kept for a client that acknowledges none, if `resume_grace_s` isn't longer. One that does
    as it should needs 5 s and the way to the server."""
    message_ids_max: int = 128
    """The last ids of each member's room messages, by which a repeat is known; an older one would be taken for new."""
    history_messages_max: int = 200
    """Room messages kept for newcomers; past them the oldest go."""
    history_bytes_max: int = 262_144
    """The same in bytes of their data."""
    history_age_s: float = 86_400
    """Older room messages go."""
    history_total_bytes_max: int = 268_435_456
    """The histories of all rooms; past them a room that gets a message loses its oldest ones."""
    rooms_max: int = 100_000
    """Rooms of a node: `server_full`."""
    empty_room_s: float = 300
    """How long a room that everybody left keeps its history and epoch."""
    empty_rooms_max: int = 1024
    """Such rooms; past them the one that has been empty for longest is forgotten."""
    waiting_per_room_max: int = 256
    """Newcomers in a room's lobby: `room_full`."""
    bans_per_room_max: int = 1024
    """Removed members who may not return, and as many muted ones; past them the oldest is forgotten."""
    sessions_max: int = 100_000
    """Sessions of a node, those without a connection included: `server_full`, and closed with it."""
    connections_max: int = 100_000
    """WebSocket connections of a node: HTTP 503."""
    connections_per_address_max: int = 20_000
    """Connections, and sessions that outlive theirs, of one address (IPv6: one /64): HTTP 429."""
    idle_addresses_max: int = 16_384
    """Addresses without a connection that are remembered for what they did (9 MB); past them the one that has been idle
    for longest is forgotten, and so begins anew."""
    message_rate: Rate = Rate(per_s=2000, burst=10_000)
    """Messages of a session: `rate_limited`. A message to many counts one more for every 50 of them."""
    byte_rate: Rate = Rate(per_s=1_048_576, burst=8_388_608)
    """Bytes of messages of a session: `rate_limited`."""
    frame_rate: Rate = Rate(per_s=4000, burst=20_000)
    """Pings, pongs, fragments and binary frames of a connection, and the messages of a session that are over one of the
    rates above: closed with `rate_limited`."""
    relay_frame_bytes_max: int = 65_536
    """A longer relay frame is answered with `message_too_big`."""
    relay_rate: Rate = Rate(per_s=33_554_432, burst=8_388_608)
    """Bytes of relay frames of a connection, each counted as 256 at least; past them it is read more slowly."""
    relay_pair_bytes_max: int = 524_288
    """Relay frames of one sender that wait for one slow receiver: more are dropped, and sent again by the link."""
    relay_lossy_bytes_max: int = 32_768
    """The same for those that may get lost."""
    relay_session_bytes_max: int = 4_194_304
    """Relay frames of all senders that wait for one receiver: more are dropped."""
    join_rate: Rate = Rate(per_s=20, burst=200)
    """Joins of a session: `rate_limited`."""
    address_handshake_rate: Rate = Rate(per_s=1000, burst=10_000)
    """WebSocket handshakes of one address (IPv6: one /64): HTTP 429."""
    address_hello_rate: Rate = Rate(per_s=1000, burst=10_000)
    """Hellos of one address: `rate_limited`, and closed."""
    address_join_rate: Rate = Rate(per_s=1000, burst=10_000)
    """Joins of one address: `rate_limited`."""
    address_failure_rate: Rate = Rate(per_s=0.2, burst=20)
    """Hellos of one address with a wrong token of either kind; past them any hello with a token is `rate_limited`."""
    stun_rate: Rate = Rate(per_s=5000, burst=10_000)
    """Datagrams read on the STUN port; more wait in the kernel, which drops what it has no room for."""
    stun_address_rate: Rate = Rate(per_s=100, burst=1000)
    """STUN answers to one address (IPv6: one /64), 6 kB a second at most; past them it gets none."""
    stun_request_bytes_max: int = 548
    """A longer one has no answer. RFC 8489 section 6.1 allows no more where the path isn't known."""
    turn_credentials_s: float = 300
    """How long TURN credentials can be used to begin. What was begun with them goes on."""
    turn_refresh_s: float = 60
    """So long before that end a session gets new ones."""
    turn_allocations_per_session_max: int = 120
    """TURN error 486. A browser makes one for each URL, network interface and peer connection, twice in a restart."""
    turn_allocations_max: int = 4096
    """The same for all sessions."""
    turn_bytes_per_s_max: int = 1_250_000
    """Of one allocation, each way; coturn drops what is more."""
    drain_timeout_s: float = 5
    """Time in which a server that ends closes its connections, batch after batch."""
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
            "resumeGraceS": self.resume_grace_s,
            "resumeMessages": self.resume_messages_max,
            "resumeBytes": self.resume_bytes_max,
            "messageIds": self.message_ids_max,
            "historyMessages": self.history_messages_max,
            "historyBytes": self.history_bytes_max,
            "historyAgeS": self.history_age_s,
            "messagesPerS": self.message_rate.per_s,
            "messagesBurst": self.message_rate.burst,
        }
