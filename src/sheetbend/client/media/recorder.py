"""Remote tracks into a file, each at its own time.

Frames are encoded and written on a thread; what comes faster than it can be written waits in the tracks' queues, which
drop the oldest and count them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import av

from ..engines.tracks import RemoteTrack
from .player import MediaError

if TYPE_CHECKING:
    from ..engines.tracks import Frame

__all__ = ["MediaRecorder"]

_FIRST_FRAMES_S = 2.0
"""How long the first frame of one track waits for those of the others: a file begins with all its streams."""
_WAITING_MAX = 64
"""Frames between the tracks and the thread."""
_RATE = 48_000
_MICROSECOND = Fraction(1, 1_000_000)
_CODECS = {"webm": ("libvpx", "libopus"), "mp4": ("libx264", "aac"), "matroska": ("libvpx", "libopus")}
"""Of video and sound, where FFmpeg's own choice would be slow or not play in browsers."""

Result = TypeVar("Result")


class MediaRecorder:
    """Records tracks into one file, whose suffix says the format: `.webm`, `.mkv`, `.mp4`, `.wav`, `.ogg`.

    ```python
    async with MediaRecorder("call.webm") as recorder:
        recorder.add(track)
        await recorder.finished()
    ```

    A file has the streams it begins with: who is added, or sends a first frame, more than two seconds after the first
    frame of all is left out, and counted in `left_out`. Pictures keep the size of the first one. Leaving the context
    writes what has come and ends the file. Raises `MediaError` `media_unwritable`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.left_out = 0
        """Frames of tracks that came too late for the file."""
        self._path = os.fspath(path)
        self._file = _File(self._path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._readers: list[asyncio.Task[None]] = []
        self._inputs: list[_Input] = []
        self._waiting: asyncio.Queue[tuple[_Input, Frame, float] | None] = asyncio.Queue(_WAITING_MAX)
        self._has_all = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._began_at = 0.0

    async def __aenter__(self) -> Self:
        try:
            await self._run(self._file.open)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        self._began_at = asyncio.get_running_loop().time()
        self._writer = asyncio.create_task(self._write(), name=f"recorder of {self._path}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for reader in self._readers:
            reader.cancel()
        try:
            await asyncio.gather(*self._readers, return_exceptions=True)
            if self._writer is not None:
                await self._end(self._writer)
        finally:
            await self._run(self._file.close)
            self._thread.shutdown(wait=False)

    def add(self, track: RemoteTrack) -> None:
        """Record this one too, from now until it ends.

        case TrackReceived(_, track):
            recorder.add(track)
        """
        read = _Input(track.kind)
        self._inputs.append(read)
        self._readers.append(asyncio.create_task(self._read(read, track), name=f"recorder of {track.id}"))

    async def finished(self) -> None:
        """Return when all tracks that were added have ended.

        ```python
        await recorder.finished()
        ```
        """
        await asyncio.gather(*(asyncio.shield(reader) for reader in self._readers))

    async def _end(self, writer: asyncio.Task[None]) -> None:
        """Let it write what waits; raises what it raised."""
        ending = asyncio.create_task(self._waiting.put(None))
        try:
            await asyncio.wait((writer, ending), return_when=asyncio.FIRST_COMPLETED)
            await writer
        finally:
            ending.cancel()
            writer.cancel()

    async def _read(self, read: _Input, track: RemoteTrack) -> None:
        loop = asyncio.get_running_loop()
        async for frame in track.frames:
            time_s = frame.time or 0.0
            if read.offset_s is None:  # tracks have clocks of their own: they meet where their first frames came
                read.offset_s = loop.time() - self._began_at - time_s
                if all(each.offset_s is not None for each in self._inputs):
                    self._has_all.set()
            await self._waiting.put((read, frame, time_s + read.offset_s))

    async def _write(self) -> None:
        first = await self._waiting.get()
        if first is None:
            return
        held: list[tuple[_Input, Frame, float] | None] = [first]
        try:
            async with asyncio.timeout(_FIRST_FRAMES_S):
                while not self._has_all.is_set() and held[-1] is not None and len(held) < _WAITING_MAX:
                    held.append(await self._waiting.get())
        except TimeoutError:
            pass
        for item in held:
            if item is not None and not item[0].is_written:
                item[0].is_written = True
                await self._run(self._file.add_stream, item[0], item[1])
        while True:
            item = held.pop(0) if held else await self._waiting.get()
            if item is None:
                return
            read, frame, time_s = item
            if read.is_written:
                await self._run(self._file.write, read, frame, time_s)
            else:
                self.left_out += 1

    async def _run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


@dataclass(eq=False)
class _Input:
    kind: str
    offset_s: float | None = None
    """From the track's clock to the file's."""
    is_written: bool = False


@dataclass
class _Output:
    stream: Any
    resampler: av.AudioResampler | None = None
    size: tuple[int, int] = (0, 0)
    last_pts: int = -1


@dataclass
class _File:
    """The container and its encoders. Blocks: for the recorder's thread."""

    path: str
    container: Any = None
    outputs: dict[_Input, _Output] = field(default_factory=dict)

    def open(self) -> None:
        try:
            Path(self.path).touch()  # FFmpeg would say only later that it can't
            self.container = av.open(self.path, "w")
        except (OSError, ValueError, av.FFmpegError) as error:
            raise self._failure(error) from error

    def add_stream(self, read: _Input, frame: Frame) -> None:
        format_name = self.container.format.name
        video, audio = _CODECS.get(
            format_name, (self.container.default_video_codec, self.container.default_audio_codec)
        )
        codec = video if read.kind == "video" else audio
        if not codec or codec == "none":
            raise MediaError("media_unwritable", f"{self.path}: {format_name} has no place for {read.kind}.")
        try:
            if isinstance(frame, av.VideoFrame):
                size = (frame.width - frame.width % 2, frame.height - frame.height % 2)
                stream = self.container.add_stream(codec, rate=30)
                stream.width, stream.height = size
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = stream.time_base = _MICROSECOND
                stream.options = {"deadline": "realtime", "cpu-used": "8"} if codec == "libvpx" else {}
                self.outputs[read] = _Output(stream, size=size)
            else:
                stream = self.container.add_stream(codec, rate=_RATE, layout="stereo")
                resampler = av.AudioResampler(stream.format, "stereo", _RATE, stream.codec_context.frame_size or 960)
                self.outputs[read] = _Output(stream, resampler)
        except (OSError, ValueError, av.FFmpegError) as error:
            raise self._failure(error) from error

    def write(self, read: _Input, frame: Frame, time_s: float) -> None:
        output = self.outputs[read]
        try:
            for ready in self._prepared(output, frame, time_s):
                self.container.mux(output.stream.encode(ready))
        except (OSError, ValueError, av.FFmpegError) as error:
            raise self._failure(error) from error

    def close(self) -> None:
        if self.container is None:
            return
        try:
            for output in self.outputs.values():
                if output.resampler is not None:
                    for rest in output.resampler.resample(None):
                        self.container.mux(output.stream.encode(rest))
                self.container.mux(output.stream.encode(None))
            self.container.close()
        except (OSError, ValueError, av.FFmpegError) as error:
            raise self._failure(error) from error

    def _prepared(self, output: _Output, frame: Frame, time_s: float) -> list[Frame]:
        if isinstance(frame, av.AudioFrame):
            # Sound has no holes: what is missing is missing in its time too.
            frame.pts, frame.time_base = round(time_s * frame.sample_rate), Fraction(1, frame.sample_rate)
            return list(output.resampler.resample(frame)) if output.resampler else []
        if (frame.width, frame.height) != output.size or frame.format.name != "yuv420p":
            frame = frame.reformat(*output.size, format="yuv420p")
        output.last_pts = max(output.last_pts + 1, round(time_s * 1_000_000))
        frame.pts, frame.time_base = output.last_pts, _MICROSECOND
        return [frame]

    def _failure(self, error: Exception) -> MediaError:
        return MediaError("media_unwritable", f"{self.path} can't be recorded to: {error}")
