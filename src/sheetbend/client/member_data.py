"""What programs send, as bytes, and back."""

from __future__ import annotations

from ..errors import ClientError

__all__ = ["BytesLike", "bytes_of", "decode_data", "encode_data"]

BytesLike = bytes | bytearray | memoryview
"""At run time anything with the buffer protocol, numpy's arrays included."""


def bytes_of(data: BytesLike) -> bytes:
    """What stays as it is, whatever the program does with what it gave. Raises ClientError `invalid_argument`."""
    if isinstance(data, bytes):
        return data
    try:
        return memoryview(data).tobytes()
    except TypeError:
        raise ClientError("invalid_argument", f"Text or bytes can be sent, not {type(data).__name__}.") from None


def encode_data(data: str | BytesLike) -> bytes:
    """Raises ClientError `invalid_argument`."""
    if not isinstance(data, str):
        return bytes_of(data)
    try:
        return data.encode()
    except UnicodeEncodeError:
        raise ClientError("invalid_argument", "The text has surrogates in it, which no Unicode text has.") from None


def decode_data(data: bytes, is_text: bool) -> str | bytes:
    """What came, as it was sent."""
    return data.decode(errors="replace") if is_text else data
