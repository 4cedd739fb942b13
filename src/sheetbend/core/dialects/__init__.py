"""How messages look on a connection: `lesson` and `sheetbend.v1` read and write the same messages and events."""

from .base import Dialect
from .lesson import LessonDialect
from .v1 import V1Dialect

__all__ = ["Dialect", "LessonDialect", "V1Dialect"]
