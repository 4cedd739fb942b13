"""The command line: `sheetbend serve`, `sheetbend doctor`, `sheetbend token`."""

from .main import main

__all__ = ["main"]
