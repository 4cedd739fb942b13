"""WebSocket close codes that the server sends (PROTOCOL.md, "Close codes")."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["CloseCode"]


class CloseCode(IntEnum):
    """Below 4500 a client must not reconnect by itself, from 4500 on it should."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    ABNORMAL = 1006
    """Never on the wire: there was no close code."""
    INVALID_TEXT = 1007
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    HELLO_TIMEOUT = 4000
    UNAUTHORIZED = 4001
    TOKEN_EXPIRED = 4002
    SESSION_TAKEN = 4003
    SLOW_CONSUMER = 4500
    SHUTTING_DOWN = 4501
    NOT_RESPONDING = 4502
    RATE_LIMITED = 4503
    SERVER_FULL = 4504
