"""Sound at the one rate and format of all tracks."""

from __future__ import annotations

import av

__all__ = ["RATE", "Resampling"]

RATE = 48_000


class Resampling:
    """Makes s16 at 48 kHz of frames whose rate, format and layout may change at any time."""

    def __init__(self, layouts: tuple[str, ...] = ("mono", "stereo")) -> None:
        self._layouts = layouts
        """What may stay as it is; all else becomes the last one."""
        self._shape: tuple[str, int, str] | None = None
        self._resampler: av.AudioResampler | None = None

    def frames(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        """The frame itself if it is as it must be; else as many as come out, maybe none."""
        shape = (frame.format.name, frame.sample_rate, frame.layout.name)
        if shape[:2] == ("s16", RATE) and shape[2] in self._layouts:
            return [frame]
        if self._resampler is None or shape != self._shape:
            self._shape = shape
            layout = shape[2] if shape[2] in self._layouts else self._layouts[-1]
            self._resampler = av.AudioResampler("s16", layout, RATE)
        return self._resampler.resample(frame)
