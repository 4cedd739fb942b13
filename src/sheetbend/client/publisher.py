"""What we give to the room: labelled groups of tracks, and the pairs they go to.

`web/sdk/src/publisher.ts` is its twin.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from ..errors import ClientError
from .engines.tracks import LocalTrack
from .pair import Pair
from .peer_messages import LABEL_CHARS_MAX, STREAMS_MAX, is_label

__all__ = ["Publication", "Publisher"]


class Publication:
    """Tracks given to the room, as one stream. `Room.publish` makes it.

    ```python
    publication = await room.publish(camera.track)
    publication.unpublish()
    ```
    """

    def __init__(self, publisher: Publisher, label: str, tracks: tuple[LocalTrack, ...]) -> None:
        self.label = label
        self.stream_id = uuid.uuid4().hex
        """What members know the stream by."""
        self._publisher = publisher
        self._tracks = dict.fromkeys(tracks)

    def __repr__(self) -> str:
        return f"<Publication {self.label!r} of {len(self._tracks)} tracks>"

    @property
    def tracks(self) -> tuple[LocalTrack, ...]:
        return tuple(self._tracks)

    def add_track(self, track: LocalTrack) -> None:
        """Publish one more.

            publication.add_track(microphone.track)

        Raises ClientError `invalid_argument` if it is published already, or this is no more."""
        if self not in self._publisher.publications:
            raise _invalid("It is not published any more.")
        self._publisher.require_unpublished(track)
        self._tracks[track] = None
        for pair in self._publisher.pairs():
            pair.add_track(track, self.stream_id)

    def remove_track(self, track: LocalTrack) -> None:
        """Take one away. Does nothing if it isn't there.

        ```python
        publication.remove_track(microphone.track)
        ```
        """
        if track in self._tracks:
            del self._tracks[track]
            for pair in self._publisher.pairs():
                pair.remove_track(track)

    async def replace_track(self, old: LocalTrack, new: LocalTrack) -> None:
        """Put one in the place of another, without renegotiation.

            await publication.replace_track(camera.track, screen.track)

        Raises ClientError `invalid_argument` if `old` isn't published here, the kinds differ, or `new` is published.
        """
        if old not in self._tracks or old.kind != new.kind:
            raise _invalid("Only a published track can be replaced, by one of its kind.")
        if old is new:
            return
        self._publisher.require_unpublished(new)
        self._tracks = dict.fromkeys(new if track is old else track for track in self._tracks)
        for pair in self._publisher.pairs():
            await pair.replace_track(old, new)

    def unpublish(self) -> None:
        """Take all of it from every member. Does nothing the second time.

        ```python
        publication.unpublish()
        ```
        """
        self._publisher.forget(self)
        for track in self.tracks:
            self.remove_track(track)


class Publisher:
    """`pairs` gives those that may have what we publish."""

    def __init__(self, pairs: Callable[[], list[Pair]]) -> None:
        self.pairs = pairs
        self._publications: list[Publication] = []

    @property
    def publications(self) -> tuple[Publication, ...]:
        return tuple(self._publications)

    def publish(self, tracks: tuple[LocalTrack, ...], label: str) -> Publication:
        """Raises ClientError `invalid_argument`."""
        if not is_label(label):
            raise _invalid(f"A label has 1 to {LABEL_CHARS_MAX} characters.")
        if len(self._publications) >= STREAMS_MAX:
            raise _invalid(f"At most {STREAMS_MAX} streams can be published.")
        if not tracks or len(set(tracks)) < len(tracks):
            raise _invalid("A stream has one or more tracks, each once.")
        for track in tracks:
            self.require_unpublished(track)
        publication = Publication(self, label, tracks)
        self._publications.append(publication)
        for pair in self.pairs():
            self._give(pair, publication)
        return publication

    def review(self, pair: Pair, *, is_allowed: bool) -> None:
        """A pair was made, or what it may have has changed: it gets everything, or nothing any more."""
        for publication in self._publications:
            if is_allowed:
                self._give(pair, publication)
            else:
                for track in publication.tracks:
                    pair.remove_track(track)

    def labels(self) -> dict[str, str]:
        """By stream id, to send with a session description."""
        return {publication.stream_id: publication.label for publication in self._publications}

    def forget(self, publication: Publication) -> None:
        if publication in self._publications:
            self._publications.remove(publication)

    def require_unpublished(self, track: LocalTrack) -> None:
        """A peer connection sends a track once."""
        if any(track in publication.tracks for publication in self._publications):
            raise _invalid("The track is published already.")

    def _give(self, pair: Pair, publication: Publication) -> None:
        for track in publication.tracks:
            pair.add_track(track, publication.stream_id)


def _invalid(sentence: str) -> ClientError:
    return ClientError("invalid_argument", sentence)
