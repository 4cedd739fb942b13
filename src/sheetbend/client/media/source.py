"""Tracks from numpy arrays or frames that a program makes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import av
import numpy as np

from ..engines.tracks import LocalTrack
from .pacing import Pace

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AudioSource", "VideoSource"]


class _Source:
    """Pushes what an iterable gives, when it is due. Ends with it; `finished` raises what it raised."""

    def __init__(self, track: LocalTrack) -> None:
        self.track = track
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._push(), name=f"source of {self.track.id}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def finished(self) -> None:
        """Return when the iterable has ended."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _push(self) -> None:
        raise NotImplementedError


class VideoSource(_Source):
    """Pictures: `av.VideoFrame`, or arrays of uint8 and the shape (height, width, 3), RGB.

    ```python
    async with VideoSource(pictures(), fps=15) as source:
        await room.publish(source.track)
    ```

    A frame that has a `time` is shown then, others `fps` a second. With `fps` None each is sent as it comes: the
    iterable keeps the time.
    """

    def __init__(self, frames: AsyncIterable[av.VideoFrame | NDArray[np.uint8]], *, fps: float | None = 30) -> None:
        super().__init__(LocalTrack("video"))
        self._frames = frames
        self._fps = fps

    async def _push(self) -> None:
        pace = Pace()
        number = 0
        async for picture in self._frames:
            frame = picture if isinstance(picture, av.VideoFrame) else _video_frame(picture)
            if self._fps is not None:
                time_s = number / self._fps if frame.time is None else frame.time
                await pace.wait_for(time_s)
                frame.pts, frame.time_base = round(time_s * 90_000), Fraction(1, 90_000)
            self.track.push(frame)
            number += 1


class AudioSource(_Source):
    """Sound: `av.AudioFrame`, or arrays of int16 or of floats from -1 to 1, of the shape (samples,) or
    (samples, channels), at `sample_rate`.

    ```python
    async with AudioSource(speech()) as source:
        await room.publish(source.track, label="voice")
    ```

    Played without a gap: a piece is due when those before it are over, to the sample. Who has nothing to say gives
    silence.
    """

    def __init__(self, pieces: AsyncIterable[av.AudioFrame | NDArray[Any]], *, sample_rate: int = 48_000) -> None:
        super().__init__(LocalTrack("audio"))
        self._pieces = pieces
        self._rate = sample_rate

    async def _push(self) -> None:
        pace = Pace()
        samples = 0
        async for piece in self._pieces:
            frame = piece if isinstance(piece, av.AudioFrame) else _audio_frame(piece, self._rate)
            await pace.wait_for(samples / frame.sample_rate)
            frame.pts, frame.time_base = samples, Fraction(1, frame.sample_rate)
            samples += frame.samples
            self.track.push(frame)


def _video_frame(picture: NDArray[np.uint8]) -> av.VideoFrame:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"A picture is uint8 of (height, width, 3), not {picture.dtype} of {picture.shape}.")
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")


def _audio_frame(piece: NDArray[Any], rate: int) -> av.AudioFrame:
    samples = piece.reshape(len(piece), -1)
    if samples.shape[1] not in (1, 2) or piece.ndim > 2:
        raise ValueError(f"Sound is of (samples,) or (samples, 1 or 2), not of {piece.shape}.")
    if np.issubdtype(samples.dtype, np.floating):
        samples = np.clip(samples * 32_767, -32_768, 32_767).astype(np.int16)
    elif samples.dtype != np.int16:
        raise ValueError(f"Sound is int16, or floats from -1 to 1, not {samples.dtype}.")
    layout = "mono" if samples.shape[1] == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = rate
    return frame
