"""Files between two members, each over one stream of their link (PROTOCOL.md, "Files").

A transfer that breaks off is resumed: what has come stays beside the file to be, under a name made of the sender's id
of it, and the next offer of the same file begins where that ends. What is given a name at last has the size and the
SHA-256 that the sender said.

Leaves to others: how the stream's bytes travel (`member_stream`), whom a file is offered to, and whether one is taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import re
import struct
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from ..errors import SheetbendError

__all__ = ["FILE_LABEL", "ByteStream", "FileError", "FileOffer", "Progress", "safe_name", "send_file"]

FILE_LABEL = "sheetbend:file"
"""Of the streams on which files travel."""

_CONTROL_BYTES_MAX = 4096
_CHUNK_BYTES = 1 << 18
"""Read, hashed and written in one go, on a thread."""
_NAME_BYTES_MAX = 200
"""Of 255 that file systems take: room for a number, and for the part's name."""
_SIZE_MAX = 1 << 53
_ID = re.compile(r"[0-9a-f]{32}")
_SHA256_BYTES = 32
_UNSAFE = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols that are drawn as nothing."""
_GIVEN_UP = ("stream_reset", "stream_stopped")
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and those of the whole file, at first and after each piece."""


class ByteStream(Protocol):
    """What of a `MemberStream` is needed here."""

    async def write(self, data: bytes) -> None: ...
    async def close(self) -> None: ...
    def reset(self) -> None: ...
    def stop(self) -> None: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...


class FileError(SheetbendError):
    """A file that didn't arrive; what has come is kept for the next try, unless it was wrong.

    - `file_declined`: the other side doesn't want it
    - `file_cancelled`: the other side ended the transfer
    - `file_changed`: it became shorter or longer while it was being sent
    - `file_corrupt`: what came isn't what was sent; it was thrown away
    - `file_not_written`, `file_not_read`: the operating system says why
    - `invalid_transfer`: the other side broke the protocol
    """


class _Offer(msgspec.Struct, omit_defaults=True):
    id: str
    name: str
    size: int
    left: int = 0


class _Reply(msgspec.Struct, omit_defaults=True):
    """The receiver's, twice: where to begin, and what became of it. `error` is a code of `FileError`."""

    offset: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class _Source:
    path: Path
    id: str
    name: str
    size: int


async def send_file(
    stream: ByteStream,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    left: int = 0,
    progress: Progress | None = None,
) -> None:
    """Offer a file on a stream that was opened with `FILE_LABEL`, and send what the other side hasn't got.

    `left` says how many files will follow it.
    Returns when the other side has all of it under its name. Raises `FileError`, and what the stream raises when the
    member is lost; offer it again then, and it goes on where it broke off. Cancelling ends the transfer.
    """
    try:
        source = await asyncio.to_thread(_look_at, Path(path), name)
    except OSError as error:
        raise FileError("file_not_read", f"{path} can't be read: {error.strerror}.") from error
    reader = _Reader(stream)
    try:
        await _write(stream, _control(_Offer(source.id, source.name, source.size, left)))
        reply = await reader.control(_Reply)
        if reply.error is not None or reply.offset is None or not 0 <= reply.offset <= source.size:
            raise _refusal(reply)
        try:
            await _send_bytes(stream, source, reply.offset, progress)
        except FileError as error:
            if error.code == "file_cancelled":  # whoever wants no more may have said why
                raise _refusal(await reader.control(_Reply)) from error
            raise
        await stream.close()
        reply = await reader.control(_Reply)
        if reply.error is not None or reply.offset != source.size:
            raise _refusal(reply)
    except BaseException:
        stream.reset()
        stream.stop()
        raise


class FileOffer:
    """A file that a member wants to send; `accept` or `decline` it.

    case FileOffered(member, offer):
        path = await offer.accept("inbox")
    """

    def __init__(self, stream: ByteStream, reader: _Reader, offer: _Offer) -> None:
        self._stream = stream
        self._reader = reader
        self.id = offer.id
        """The sender's: the same for each try at the same file."""
        self.name = safe_name(offer.name)
        """Harmless as a name in a folder, whatever the sender called it."""
        self.size = offer.size
        """In bytes."""
        self.left = offer.left
        """How many files will follow it, as the sender says."""

    @classmethod
    async def read(cls, stream: ByteStream) -> FileOffer:
        """Read what a stream with `FILE_LABEL` begins with. Raises `FileError` `invalid_transfer`."""
        reader = _Reader(stream)
        try:
            offer = await reader.control(_Offer)
            if _ID.fullmatch(offer.id) is None or not 0 <= offer.size <= _SIZE_MAX or offer.left < 0:
                raise _broken()
        except FileError:
            stream.reset()
            stream.stop()
            raise
        return cls(stream, reader, offer)

    async def decline(self) -> None:
        """Say no, for which its sender gets `file_declined`.

        ```python
        await offer.decline()
        ```
        """
        await self._stream.write(_control(_Reply(error="file_declined")))
        await self._stream.close()
        self._stream.stop()

    async def accept(self, folder: str | os.PathLike[str], *, progress: Progress | None = None) -> Path:
        """Receive the file into `folder`, which exists, and return its path: `name`, with a number if there is such a
        file already.

            path = await offer.accept("inbox", progress=lambda done, size: print(f"{done / size:.0%}"))

        Raises `FileError`, and what the stream raises when the member is lost. Then what has come stays in `folder` as
        `.{id}.part`, and is used when the same file is offered again. Cancelling does the same.
        """
        part = Path(folder) / f".{self.id}.part"
        try:
            with await asyncio.to_thread(_Part, part, self.size) as target:
                await _write(self._stream, _control(_Reply(offset=target.size)))
                await self._receive(target, progress)
            path = await asyncio.to_thread(_give_name, part, Path(folder), self.name)
        except FileError as error:
            await self._fail(error)
            raise
        except OSError as error:
            failure = FileError("file_not_written", f"{self.name} can't be written: {error.strerror}.")
            await self._fail(failure)
            raise failure from error
        except BaseException:
            self._stream.reset()
            self._stream.stop()
            raise
        await _write(self._stream, _control(_Reply(offset=self.size)))
        await self._stream.close()
        return path

    async def _receive(self, target: _Part, progress: Progress | None) -> None:
        tell = progress or _tell_nobody
        tell(target.size, self.size)
        while target.size < self.size:
            data = await self._reader.some(min(self.size - target.size, _CHUNK_BYTES))
            await asyncio.to_thread(target.add, data)
            tell(target.size, self.size)
        if await self._reader.exactly(_SHA256_BYTES) != target.digest():
            target.discard()
            raise FileError("file_corrupt", f"What came of {self.name} isn't what was sent: it is to be sent again.")

    async def _fail(self, error: FileError) -> None:
        with contextlib.suppress(SheetbendError):
            await self._stream.write(_control(_Reply(error=error.code)))
            await self._stream.close()
        self._stream.stop()


def safe_name(name: str) -> str:
    """Return a name for a file that is one on every system, hides nothing and leads nowhere else.

    ```python
    safe_name("../../etc/passwd") == "passwd"
    ```
    """
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(each for each in name if each not in _BLANK and unicodedata.category(each) not in _UNSEEN)
    # Behind many spaces the end of a name isn't looked for.
    name = re.sub(r"\s+", " ", _UNSAFE.sub("_", name)).strip(" .")
    if _DEVICES.fullmatch(name):
        name = f"_{name}"
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) > 20:
        stem, dot, suffix = name, "", ""
    stem = stem.encode()[: _NAME_BYTES_MAX - len(suffix.encode())].decode("utf-8", "ignore").rstrip(" .")
    return f"{stem}{dot}{suffix}" or "file"


# The parts.


class _Part:
    """A file that has come in part; hashes it as it grows. Blocks: for threads."""

    def __init__(self, path: Path, size_max: int) -> None:
        self._path = path
        self._hash = hashlib.sha256()
        self.size = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(path, flags, 0o600), "r+b", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until it is closed: one transfer at a time
        while piece := self._file.read(_CHUNK_BYTES):
            self._hash.update(piece)
            self.size += len(piece)
        if self.size > size_max:
            self.discard()

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = self._file.write(view)
            self._hash.update(view[:written])
            self.size += written
            view = view[written:]

    def digest(self) -> bytes:
        os.fsync(self._file.fileno())
        return self._hash.digest()

    def discard(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()
        self.size = 0


class _Reader:
    """The stream's bytes, in the pieces that are wanted."""

    def __init__(self, stream: ByteStream) -> None:
        self._chunks = aiter(stream)
        self._left = b""

    async def some(self, size_max: int) -> bytes:
        """Return 1 to `size_max` bytes."""
        if not self._left:
            with _in_our_words():
                self._left = await anext(self._chunks, b"")
            if not self._left:
                raise _broken()
        data, self._left = self._left[:size_max], self._left[size_max:]
        return data

    async def exactly(self, size: int) -> bytes:
        pieces = []
        while size:
            pieces.append(await self.some(size))
            size -= len(pieces[-1])
        return b"".join(pieces)

    async def control(self, kind: type[_Struct]) -> _Struct:
        (size,) = struct.unpack(">I", await self.exactly(4))
        if size > _CONTROL_BYTES_MAX:
            raise _broken()
        try:
            return msgspec.json.decode(await self.exactly(size), type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise _broken() from None


async def _send_bytes(stream: ByteStream, source: _Source, offset: int, progress: Progress | None) -> None:
    tell = progress or _tell_nobody
    hashed = hashlib.sha256()
    sent = 0
    tell(offset, source.size)
    file = await asyncio.to_thread(source.path.open, "rb", 0)
    try:
        while sent < source.size:
            data = await asyncio.to_thread(_read, file, hashed, min(_CHUNK_BYTES, source.size - sent))
            if not data:
                break
            new = data[max(offset - sent, 0) :]
            sent += len(data)
            if new:
                await _write(stream, new)
                tell(sent, source.size)
        more = await asyncio.to_thread(file.read, 1)
        if sent < source.size or more:
            raise FileError("file_changed", f"{source.path} changed while it was being sent: send it again.")
    except OSError as error:
        raise FileError("file_not_read", f"{source.path} can't be read: {error.strerror}.") from error
    finally:
        await asyncio.to_thread(file.close)
    await _write(stream, hashed.digest())


async def _write(stream: ByteStream, data: bytes) -> None:
    with _in_our_words():
        await stream.write(data)


@contextlib.contextmanager
def _in_our_words() -> Iterator[None]:
    """What the stream says when the other side gave up is a word about files here; all else is as it was."""
    try:
        yield
    except SheetbendError as error:
        if error.code not in _GIVEN_UP:
            raise
        raise FileError("file_cancelled", "The other side ended the transfer.") from error


def _look_at(path: Path, name: str | None) -> _Source:
    status = path.stat()
    if not path.is_file():
        raise IsADirectoryError(0, "it is no file")
    # The same file, unchanged, is known again; whoever sees the id learns nothing of where it lies.
    identity = f"{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}".encode()
    return _Source(path, hashlib.sha256(identity).hexdigest()[:32], name or path.name, status.st_size)


def _read(file: Any, hashed: Any, size: int) -> bytes:
    data: bytes = file.read(size)
    hashed.update(data)
    return data


def _give_name(part: Path, folder: Path, name: str) -> Path:
    """Never in place of another file, whoever makes one meanwhile."""
    plain = folder / name
    number = 0
    while True:
        path = plain.with_name(f"{plain.stem} ({number}){plain.suffix}") if number else plain
        try:
            os.link(part, path)
        except FileExistsError:
            number += 1
            continue
        except OSError:  # a file system without links
            if path.exists():
                number += 1
                continue
            part.rename(path)
            return path
        part.unlink()
        return path


def _control(message: _Offer | _Reply) -> bytes:
    text = msgspec.json.encode(message)
    return struct.pack(">I", len(text)) + text


def _refusal(reply: _Reply) -> FileError:
    match reply.error:
        case "file_declined":
            return FileError("file_declined", "The other side doesn't want the file.")
        case "file_corrupt":
            return FileError("file_corrupt", "The file arrived altered: send it again.")
        case "file_not_written":
            return FileError("file_not_written", "The other side couldn't write the file.")
        case _:
            return _broken()


def _broken() -> FileError:
    return FileError("invalid_transfer", "The other side doesn't speak the protocol of files.")


def _tell_nobody(done: int, size: int) -> None:
    pass
