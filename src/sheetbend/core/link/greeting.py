"""Whether the two ends of a link go on or begin anew (PROTOCOL.md, "Links").

A link outlives sessions and peer connections. Each end has a random *incarnation* for as long as its state of the link
lives, and each path begins with a greeting: own incarnation, the other's as far as known. Frames on a path are taken
once a greeting has shown that the other end knows ours, or is new and knows none:

    their incarnation     they know of us      then
    the one we know       ours, or none        the path is open
    another, or the first ours, or none        the path is open; if we knew another, ours begins anew before that
    any                   an old one of ours   we greet, so that they begin anew

The caller owes every effect, in order. Leaves to others: what the frames say (`link`), paths.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from .effects import PathName

__all__ = ["INCARNATION_BYTES", "Begun", "Greeter", "GreetingEffect", "Met", "Renewed", "Say", "is_greeting"]

INCARNATION_BYTES = 8
GREET_AGAIN_S = 0.5
"""A path on which frames come that can't be taken is greeted again, at most so often."""

_GREETING, _ANSWER = 0x10, 0x12
_GREETING_BYTES = 1 + 2 * INCARNATION_BYTES
_NONE = bytes(INCARNATION_BYTES)


class Say(Struct, frozen=True):
    """Send this on the path, reliably."""

    path: PathName
    frame: bytes


class Begun(Struct, frozen=True):
    """Frames may be sent on the path, behind what was said: `Link.path_up`."""

    path: PathName


class Renewed(Struct, frozen=True):
    """The other end knows nothing of us any more: what it hasn't acknowledged is lost, or not. Make another Link."""


class Met(Struct, frozen=True):
    """The other end is new, or began anew."""


GreetingEffect = Say | Begun | Renewed | Met


def is_greeting(frame: bytes) -> bool:
    """Whether a frame is for `Greeter.receive`, be it well-formed or not."""
    return frame[:1] in (b"\x10", b"\x12")


class Greeter:
    """One end. `new_incarnation` returns INCARNATION_BYTES that nobody has used before."""

    def __init__(self, new_incarnation: Callable[[], bytes]) -> None:
        self._new_incarnation = new_incarnation
        self._own = new_incarnation()
        self._other = _NONE
        self._greeted_at: dict[PathName, float] = {}
        """Of the paths that are up, when we greeted last."""
        self._open: set[PathName] = set()

    @property
    def greeting(self) -> bytes:
        """What begins a path."""
        return bytes((_GREETING,)) + self._own + self._other

    def is_up(self, path: PathName) -> bool:
        return path in self._greeted_at

    def is_open(self, path: PathName) -> bool:
        """Whether frames on the path are taken."""
        return path in self._open

    def path_up(self, path: PathName, now: float) -> list[GreetingEffect]:
        """A path has a transport, or another one than before."""
        self._open.discard(path)
        greeting = self._greet(path, now)
        # The relay is used in the same breath; a data channel once it has brought the other end's greeting.
        return [greeting, Begun(path)] if path == "relay" else [greeting]

    def path_down(self, path: PathName) -> bool:
        """Returns whether it was up."""
        self._open.discard(path)
        return self._greeted_at.pop(path, None) is not None

    def puzzled(self, path: PathName, now: float) -> list[GreetingEffect]:
        """A frame came that isn't taken."""
        at = self._greeted_at.get(path)
        return [] if at is None or now - at < GREET_AGAIN_S else [self._greet(path, now)]

    def receive(self, path: PathName, frame: bytes, now: float) -> list[GreetingEffect]:
        """A greeting or an answer came on a path that is up."""
        if len(frame) != _GREETING_BYTES or path not in self._greeted_at:
            return []
        theirs, known = frame[1 : 1 + INCARNATION_BYTES], frame[1 + INCARNATION_BYTES :]
        if known not in (self._own, _NONE):
            self._open.discard(path)
            return [self._greet(path, now)]
        is_new = theirs != self._other
        is_renewal = is_new and self._other != _NONE
        self._other = theirs
        effects = self._renew(now) if is_renewal else []
        if frame[0] == _GREETING:
            effects.append(Say(path, bytes((_ANSWER,)) + self._own + self._other))
        if path not in self._open:
            self._open.add(path)
            if path == "direct":
                effects.append(Begun(path))
        if is_new:
            effects.append(Met())
        return effects

    def _renew(self, now: float) -> list[GreetingEffect]:
        self._own = self._new_incarnation()
        self._open.clear()
        effects: list[GreetingEffect] = [Renewed()]
        for path in self._greeted_at:
            effects += self.path_up(path, now)
        return effects

    def _greet(self, path: PathName, now: float) -> Say:
        self._greeted_at[path] = now
        return Say(path, self.greeting)
