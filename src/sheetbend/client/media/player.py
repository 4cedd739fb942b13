"""A file, a device or a stream as tracks, with its own timing.

PyAV opens and decodes on a thread, a little ahead; frames are pushed when they are due.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import av

from ...errors import SheetbendError
from ..engines.tracks import LocalTrack
from .pacing import Pace

if TYPE_CHECKING:
    from ..engines.tracks import Frame

__all__ = ["MediaError", "MediaPlayer"]

_AHEAD_S = 0.5
_AHEAD_FRAMES_MAX = 64
"""Decoded frames that wait for their time; 720p takes 1.4 MB a frame."""
_AUDIO_RATE = 48_000
_AUDIO_SAMPLES = 960
"""20 ms a frame, as Opus has."""
_MICROSECOND = Fraction(1, 1_000_000)

Result = TypeVar("Result")


class MediaError(SheetbendError):
    """`media_unreadable`: what can't be opened or decoded; `media_unwritable`: what can't be recorded."""


class MediaPlayer:
    """Plays what FFmpeg can read: a file, a URL, or a device with its `format`.

    ```python
    async with MediaPlayer("film.mp4") as player:
        await room.publish(*player.tracks)
        await player.finished()

    MediaPlayer("/dev/video0", format="v4l2", options={"video_size": "1280x720", "framerate": "30"})
    ```

    Entering the context opens it, and raises `MediaError`; playing begins then. `video` and `audio` are its first of
    each, or None. With `loop` a file begins again when it ends.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,  # noqa: A002
        options: Mapping[str, str] | None = None,
        loop: bool = False,
    ) -> None:
        self._path = os.fspath(path)
        self._format = format
        self._options = dict(options or {})
        self._loops = loop
        self.video: LocalTrack | None = None
        self.audio: LocalTrack | None = None
        self._container: av.container.InputContainer | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="player")
        self._task: asyncio.Task[None] | None = None

    @property
    def tracks(self) -> tuple[LocalTrack, ...]:
        return tuple(track for track in (self.video, self.audio) if track is not None)

    async def __aenter__(self) -> Self:
        try:
            self._container = await self._run(self._open)
        except (OSError, ValueError, av.FFmpegError) as error:
            self._thread.shutdown(wait=False)
            raise MediaError("media_unreadable", f"{self._path} can't be played: {error}") from error
        streams = self._container.streams
        self.video = LocalTrack("video") if streams.video else None
        self.audio = LocalTrack("audio") if streams.audio else None
        if not self.tracks:
            await self._close()
            raise MediaError("media_unreadable", f"{self._path} has neither pictures nor sound.")
        self._task = asyncio.create_task(self._play(self._container), name=f"player {self._path}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._close()

    async def finished(self) -> None:
        """Return when all is played. Raises `MediaError` for what can't be decoded. Never returns with `loop`.

        ```python
        await player.finished()
        ```
        """
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _play(self, container: av.container.InputContainer) -> None:
        pace = Pace()
        order = itertools.count()
        waiting: list[tuple[float, int, LocalTrack, Frame]] = []
        decoded = self._decode(container)
        is_over = False
        newest_s = 0.0
        while True:
            while not is_over and len(waiting) < _AHEAD_FRAMES_MAX and newest_s < pace.now_s + _AHEAD_S:
                batch = await self._run(next, decoded, None)
                is_over = batch is None
                for time_s, track, frame in batch or ():
                    heapq.heappush(waiting, (time_s, next(order), track, frame))
                    newest_s = max(newest_s, time_s)
            if not waiting:
                return
            time_s, _, track, frame = heapq.heappop(waiting)
            await pace.wait_for(time_s)
            track.push(frame)

    async def _run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _close(self) -> None:
        if self._container is not None:
            await self._run(self._container.close)
        self._thread.shutdown(wait=False)

    # On the thread.

    def _open(self) -> av.container.InputContainer:
        return av.open(self._path, "r", format=self._format, options=self._options, timeout=(10.0, None))

    def _decode(self, container: av.container.InputContainer) -> Iterator[list[tuple[float, LocalTrack, Frame]]]:
        """Frames with their times from the beginning of all, in the order of the file; sound in pieces of 20 ms."""
        begins_s = 0.0
        while True:
            pass_ends_s = begins_s
            for time_s, frame in self._decode_once(container):
                track = self.video if isinstance(frame, av.VideoFrame) else self.audio
                if track is None:
                    continue
                at_s = begins_s + time_s
                pass_ends_s = max(pass_ends_s, at_s + _duration_s(frame))
                frame.time_base = _MICROSECOND
                frame.pts = round(at_s * 1_000_000)
                yield [(at_s, track, frame)]
            if not self._loops or pass_ends_s == begins_s:
                return
            begins_s = pass_ends_s
            container.seek(0)

    def _decode_once(self, container: av.container.InputContainer) -> Iterator[tuple[float, Frame]]:
        streams = container.streams
        chosen = [*streams.video[:1], *streams.audio[:1]]
        resampler = av.AudioResampler("s16", "stereo", _AUDIO_RATE, _AUDIO_SAMPLES)
        first_s: float | None = None
        try:
            for packet in container.demux(chosen):
                for decoded in packet.decode():
                    frames = resampler.resample(decoded) if isinstance(decoded, av.AudioFrame) else [decoded]
                    for frame in frames:
                        if isinstance(frame, av.AudioFrame | av.VideoFrame) and frame.time is not None:
                            first_s = frame.time if first_s is None else first_s
                            yield max(0.0, frame.time - first_s), frame
            if streams.audio and first_s is not None:
                for rest in resampler.resample(None):
                    yield max(0.0, (rest.time or first_s) - first_s), rest
        except av.FFmpegError as error:
            raise MediaError("media_unreadable", f"{self._path} can't be decoded: {error}") from error


def _duration_s(frame: Frame) -> float:
    if isinstance(frame, av.AudioFrame):
        return float(frame.samples / frame.sample_rate)
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 1 / 30
