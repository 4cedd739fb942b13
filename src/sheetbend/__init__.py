"""Sheetbend: WebSocket and WebRTC joined into one room, for browsers and Python."""

__all__ = ["__version__"]

__version__ = "0.1.0"
