"""The command line: `sheetbend serve`, `sheetbend token`."""

from .main import main

__all__ = ["main"]
