"""Where the frames of local tracks come from, and where those of remote ones go."""

from .player import MediaError, MediaPlayer
from .recorder import MediaRecorder
from .source import AudioSource, VideoSource

__all__ = ["AudioSource", "MediaError", "MediaPlayer", "MediaRecorder", "VideoSource"]
