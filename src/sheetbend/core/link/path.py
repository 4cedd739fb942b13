"""One path of a link: whether it answers, and how fast.

Frames that want an answer are numbered on each path, and an acknowledgement says which number it has seen. So silence
is noticed on each path by itself, after a few round trips, whatever the path says about itself; and as a path keeps its
order, an answer to a later frame shows that an earlier one is lost.
"""

from __future__ import annotations

from collections import deque

from .effects import PathName

__all__ = ["Path"]

ACK_DELAY_S = 0.01
"""For how long an acknowledgement waits for more to acknowledge."""
QUIET_MIN_S = 0.1
QUIET_MAX_S = 1.5
QUIET_UNKNOWN_S = 0.6
"""Before the first round trip is known."""
PING_MIN_S = 0.1
PING_MAX_S = 1.0
"""A quiet path is asked at intervals that double between these."""
HOLD_MIN_S = 0.25
HOLD_MAX_S = 0.5
"""How long a path that failed must have answered before it is used again; doubles with each failure."""
FAST_BYTES_S = 1 << 23
"""From here on a path is fast."""
HICCUP_S = 0.25
"""A path that answers so soon after it fell quiet hasn't failed: it was late, as under loss, or its timers were."""
FORGIVEN_S = 30.0
"""After so long without a failure the next one counts as the first."""


class Path:
    """Times are seconds on any clock."""

    __slots__ = (
        "_backoff_s",
        "_fell_quiet_at",
        "_good_before",
        "_on_way",
        "_pinged_at",
        "_sample",
        "_waiting_since",
        "ack_due",
        "echoed",
        "failures",
        "good_since",
        "in_flight",
        "is_fast",
        "is_proven",
        "is_quiet",
        "is_ready",
        "is_up",
        "name",
        "ping_at",
        "received",
        "received_at",
        "rtt_s",
        "rtt_variation_s",
        "sent",
        "unanswered_bytes",
    )

    def __init__(self, name: PathName) -> None:
        self.name: PathName = name
        self.is_up = False
        """Whether there is a transport."""
        self.is_ready = True
        """Whether the transport takes more."""
        self.is_proven = False
        """Whether it has answered since it is up."""
        self.is_quiet = False
        """Whether it ought to have answered by now and didn't."""
        self.sent = 0
        """The number of the last frame that wants an answer."""
        self.echoed = 0
        """The largest that was answered."""
        self.received = 0
        """The largest number that came in."""
        self.received_at = 0.0
        self.unanswered_bytes = 0
        """What came in since the last acknowledgement went out."""
        self.ack_due: float | None = None
        self.in_flight = 0
        """Bytes of records that were sent here and may still be on their way."""
        self._on_way: deque[tuple[int, int]] = deque()
        """Their numbers and sizes."""
        self.is_fast = False
        """Whether it has shown to carry large records at once."""
        self.rtt_s: float | None = None
        self.rtt_variation_s = 0.0
        self.failures = 0
        self.good_since = 0.0
        """Since when it answers, or when it failed."""
        self._fell_quiet_at = self._good_before = 0.0
        self.ping_at: float | None = None
        self._backoff_s = PING_MIN_S
        self._pinged_at = 0.0
        self._waiting_since: float | None = None
        self._sample: tuple[int, float, int] | None = None
        """The frame whose answer will be timed, when it was sent, and what was in flight then."""

    @property
    def quiet_after_s(self) -> float:
        """How long a frame may go unanswered: less than RFC 6298 allows, as it costs little to be wrong."""
        if self.rtt_s is None:
            return QUIET_UNKNOWN_S
        expected_s = self.rtt_s + 2 * self.rtt_variation_s + ACK_DELAY_S
        return min(QUIET_MAX_S, max(QUIET_MIN_S, expected_s))

    @property
    def quiet_at(self) -> float | None:
        """When it is quiet if nothing comes; None if nothing has to, or it is already."""
        if self._waiting_since is None or self.is_quiet:
            return None
        return self._waiting_since + self.quiet_after_s

    @property
    def hold_s(self) -> float:
        """For how long it must have answered to be used again."""
        return min(HOLD_MAX_S, HOLD_MIN_S * 2.0 ** min(self.failures - 1, 10)) if self.failures else 0.0

    def up(self) -> None:
        """There is a transport, or another one than before."""
        self.is_up = self.is_ready = True
        self.is_proven = self.is_quiet = self.is_fast = False
        self._waiting_since = self._sample = self.ping_at = None
        self._backoff_s = PING_MIN_S
        self._on_way.clear()
        self.in_flight = 0

    def down(self, now: float) -> None:
        self.is_up = self.is_proven = self.is_quiet = False
        self.ack_due = self.ping_at = self._waiting_since = self._sample = None
        self._on_way.clear()
        self.in_flight = 0
        self._count_failure(now)

    def next_number(self, now: float, size: int = 0) -> int:
        """Number a frame that is being sent, with a record of `size` bytes."""
        self.sent += 1
        if size:
            self._on_way.append((self.sent, size))
            self.in_flight += size
        if self._waiting_since is None:
            self._waiting_since = now
        if self._sample is None:
            self._sample = self.sent, now, self.in_flight
        return self.sent

    def arrived(self, number: int, size: int, now: float) -> None:
        """A numbered frame came in."""
        if number > self.received:
            self.received, self.received_at = number, now
        self.unanswered_bytes += size
        if self.ack_due is None:
            self.ack_due = now + ACK_DELAY_S

    def answered(self, echo: int, delay_s: float, now: float) -> bool:
        """An acknowledgement came in. Returns whether it is news that the path works."""
        if echo <= self.echoed or not self.is_up:
            return False
        self.echoed = echo
        while self._on_way and self._on_way[0][0] <= echo:
            self.in_flight -= self._on_way.popleft()[1]
        if self._sample is not None and echo >= self._sample[0]:
            _, sent_at, in_flight = self._sample
            rtt_s = max(0.0, now - sent_at - delay_s)
            self._measure(rtt_s)
            if in_flight:
                self.is_fast = self.name == "direct" and in_flight >= FAST_BYTES_S * rtt_s
            self._sample = None
        self._waiting_since = now if self.sent > echo else None
        if self.is_proven and not self.is_quiet:
            return False
        self.good_since = now
        if self.is_quiet and now <= self._fell_quiet_at + HICCUP_S:
            self.failures -= 1
            self.good_since = self._good_before
        self.is_proven, self.is_quiet = True, False
        self.ping_at, self._backoff_s = None, PING_MIN_S
        return True

    def fell_quiet(self, now: float) -> None:
        """It should have answered by now."""
        self.is_quiet = True
        self._sample = None
        self.ping_at = now
        self._fell_quiet_at, self._good_before = now, self.good_since
        self._count_failure(now)

    def lives(self) -> None:
        """Something came in, so that a quiet path works one way at least: ask soon whether it does both ways."""
        if self.is_quiet and self.ping_at is not None:
            self.ping_at = min(self.ping_at, self._pinged_at + PING_MIN_S)

    def pinged(self, now: float) -> None:
        """Plan the next ping of a quiet path."""
        self._pinged_at = now
        self.ping_at = now + self._backoff_s
        self._backoff_s = min(PING_MAX_S, 2 * self._backoff_s)

    def _count_failure(self, now: float) -> None:
        if now - self.good_since > FORGIVEN_S:
            self.failures = 0
        self.failures += 1
        self.good_since = now

    def _measure(self, rtt_s: float) -> None:
        """As RFC 6298 section 2, but quick to believe in less, slow in more: a path that hung once isn't a slow one."""
        if self.rtt_s is None:
            self.rtt_s, self.rtt_variation_s = rtt_s, rtt_s / 2
            return
        rtt_s = min(rtt_s, 2 * self.rtt_s + QUIET_MIN_S)
        gain = 0.5 if rtt_s < self.rtt_s else 0.125
        self.rtt_variation_s = (1 - gain) * self.rtt_variation_s + gain * abs(self.rtt_s - rtt_s)
        self.rtt_s = (1 - gain) * self.rtt_s + gain * rtt_s
