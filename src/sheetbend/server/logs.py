"""Structured logs on standard error: one line per life-cycle change at info, the rest at debug."""

from __future__ import annotations

import logging
import sys

import structlog

from .config import LogFormat, LogLevel

__all__ = ["configure_logs", "picows_logger"]


def configure_logs(level: LogLevel, form: LogFormat) -> None:
    """Set up structlog for this process."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def picows_logger() -> logging.LoggerAdapter[logging.Logger]:
    """Return the logger for picows: only faults of ours, as what peers do wrong is theirs.

    An adapter, because picows makes a logger of its own for every connection where it gets a plain one.
    """
    logger = logging.getLogger("picows.server")
    logger.setLevel(logging.CRITICAL)
    return logging.LoggerAdapter(logger, {})
