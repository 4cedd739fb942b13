"""Somebody else in the room, as the program sees it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..errors import ClientError
from .files import FILE_LABEL, Progress, send_file
from .member_data import BytesLike
from .member_link import MemberLink, Rates
from .member_stream import MemberStream
from .requests import REQUEST_LABEL, ask

if TYPE_CHECKING:
    from .engines.base import Statistics
    from .pair import MemberConnection, Pair

__all__ = ["Attributes", "Member", "Path", "Permission", "Sealing"]

Attributes: TypeAlias = Mapping[str, Any]
"""Free facts about a member, up to 4096 bytes as JSON."""
Path = Literal["relay", "direct", "turn"]
"""How what is sent to a member gets there: through the server, by the peer connection, or by the peer connection and a
TURN server."""
Sealing = Literal["secret", "keys"]
"""What closes the conversation with a member: the secret in the room's link, or keys that the two have agreed on, which
`safety_words` show to be theirs."""
Permission: TypeAlias = str
"""`publish` and `subscribe` are about media, `message` about room messages, `moderate` about other members. A newer
server may have more."""

_ORDINARY = ("publish", "subscribe", "message")
"""The rights of a member of which the server says nothing."""


def permissions(record: Mapping[str, Any]) -> frozenset[Permission]:
    """What the member that the server describes so may do."""
    return frozenset(record.get("can", _ORDINARY))


class Member:
    """Somebody else in the room. The object stays the same across reconnects of either side.

    case MemberJoined(member):
        await member.send(f"Hello, {member.name}!")
    """

    def __init__(self, key: str, record: Mapping[str, Any]) -> None:
        self.key = key
        """Names the member in this room object; never changes."""
        self.sealing: Sealing | None = None
        """None if the conversation is closed by nothing: the member has no keys. Then `send` raises."""
        self.connection: MemberConnection | None = None
        """The peer connection. Signalling doesn't count: who only lost the server stays `connected`. None where there
        is no engine."""
        self.path: Path | None = None
        """How what is sent reaches it now; None while nothing does."""
        self.safety_words: tuple[int, ...] | None = None
        """Seven numbers below 64, for people to compare: where they are the same on both sides, nobody stands in
        between. `SAFETY_WORDS` has pictures and names for them. None until both have them."""
        self._record = record
        self._can = permissions(record)
        self._link: MemberLink | None = None
        self._pair: Pair | None = None

    def __repr__(self) -> str:
        return f"<Member {self.key} {self.name!r} path={self.path}>"

    @property
    def user_id(self) -> str:
        """32 hexadecimal digits, chosen by the server; another after the member lost its session and came back."""
        user_id: str = self._record["userId"]
        return user_id

    @property
    def name(self) -> str:
        name: str = self._record["name"]
        return name

    @property
    def attributes(self) -> Attributes:
        attributes: Attributes = self._record["attributes"]
        return attributes

    @property
    def can(self) -> frozenset[Permission]:
        """What it may do. Without `publish` its media is not taken, without `subscribe` it is given none."""
        return self._can

    @property
    def muted(self) -> bool:
        """Whether a moderator has its room messages refused."""
        return bool(self._record.get("muted", False))

    @property
    def subject(self) -> str | None:
        """Whom its token is about; None without one."""
        return self._record.get("subject")

    @property
    def rtt_s(self) -> float | None:
        """Round-trip time of `path` in seconds; None until it is known."""
        return None if self._link is None else self._link.rtt_s

    @property
    def rates(self) -> Rates:
        """Bytes a second, of frames."""
        return Rates(0.0, 0.0) if self._link is None else self._link.rates

    async def get_stats(self) -> Statistics:
        """Statistics of the peer connection, under W3C's names; empty where there is none.

        ```python
        [pair] = [each for each in (await member.get_stats()).values() if each["type"] == "candidate-pair"]
        ```
        """
        return {} if self._pair is None else await self._pair.get_stats()

    async def send(self, data: str | BytesLike, *, reliable: bool = True) -> None:
        """Send a message to this member: text arrives as text, bytes as bytes.

            await member.send("left 10")
            await member.send(telemetry, reliable=False)

        It goes through the server at first, directly as soon as that works, and through the server again where it
        doesn't any more. Reliable messages of up to 1 MiB arrive once and in the order of the calls, also across
        reconnects of either side; it returns when the member has it. Cancelling it takes back nothing: the message may
        arrive all the same. With `reliable=False` one of up to 16 000 bytes arrives at most once, and is dropped where
        it can't be sent at once; it returns then too. Raises SheetbendError:

        - `delivery_unknown` if the member was lost before it acknowledged the message
        - `member_gone` if it is gone already, `closed` if the room is
        - `too_many_pending` while 8 MiB wait, `message_too_big`, `invalid_argument`
        - `sealing_unavailable` where `sealing` is None, `link_broken` if the member's program broke the protocol
        """
        await self._require_link().send(data, reliable=reliable)

    def stream(self, label: str = "") -> MemberStream:
        """Open a stream of bytes both ways; the member gets `StreamOpened`.

            async with member.stream("log") as stream:
                await stream.write(b"one line\\n")

        As reliable as messages, and in step with its reader. `label` says what it is, up to 1024 bytes. Raises
        SheetbendError `too_many_streams` if 128 of ours are open, `invalid_label`, and as `send`.
        """
        return self._require_link().open_stream(label)

    async def request(self, data: str | BytesLike, *, timeout_s: float = 10.0) -> str | bytes:
        """Ask this member something, and return its reply; it gets `RequestReceived`.

            reply = await member.request("go 1 0", timeout_s=2)

        Both have up to 1 MiB. Cancelling it tells the member that nobody waits any more. Raises RequestError
        `request_timed_out`, `request_refused` with the member's `reason`, and as `stream` and `MemberStream`.
        """
        return await ask(self.stream(REQUEST_LABEL), data, timeout_s)

    async def send_file(
        self, path: str | os.PathLike[str], *, name: str | None = None, left: int = 0, progress: Progress | None = None
    ) -> None:
        """Offer a file to this member, who gets `FileOffered`, and send it if it is accepted.

            await member.send_file("film.mp4", progress=lambda done, size: print(f"{done / size:.0%}"))

        Returns when the member has all of it, with the right SHA-256, under its name. `name` is what to call it there,
        `left` how many more follow, `progress` gets the bytes that are there and those of the whole, from when it is
        accepted on. It outlives changes of path and short losses of connection; where the member is lost for good, send
        it again, and it goes on where it broke off. Cancelling it ends the transfer. Raises FileError, and as `stream`
        and `MemberStream`.
        """
        await send_file(self.stream(FILE_LABEL), path, name=name, left=left, progress=progress)

    def _require_link(self) -> MemberLink:
        if self._link is None:
            raise ClientError("sealing_unavailable", "Nothing can be sealed by this member.")
        return self._link
