"""Files over a stream: what arrives, under which name, and what becomes of a transfer that breaks off."""

from __future__ import annotations

import asyncio
import os
import resource
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetbend.client.files import FileError, FileOffer, safe_name, send_file
from sheetbend.errors import SheetbendError
from tests.support.in_process import asynchronous

MEGABYTE = 1 << 20


class LostError(SheetbendError):
    def __init__(self) -> None:
        super().__init__("delivery_unknown", "The member was lost.")


class GivenUpError(SheetbendError):
    pass


class Stream:
    """One end of a stream in memory, with the credit of 256 kB that a link gives."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes | None] = asyncio.Queue(4)
        self.other: Stream
        self.breaks_after: int | None = None
        self.flips_at: int | None = None
        self.sent = 0
        self.is_unwanted = False
        self.is_reset = False

    async def write(self, data: bytes) -> None:
        if self.is_unwanted:
            raise GivenUpError("stream_stopped", "The member wants no more of this stream.")
        if self.breaks_after is not None and self.sent + len(data) > self.breaks_after:
            self.reset()
            raise LostError
        if self.flips_at is not None and self.sent <= self.flips_at < self.sent + len(data):
            at = self.flips_at - self.sent
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        self.sent += len(data)
        for start in range(0, len(data), 65_536):
            await self.other.inbox.put(data[start : start + 65_536])

    async def close(self) -> None:
        await self.other.inbox.put(None)

    def reset(self) -> None:
        self.other.lose()

    def stop(self) -> None:
        self.other.is_unwanted = True
        while not self.inbox.empty():
            self.inbox.get_nowait()

    def lose(self) -> None:
        self.is_reset = True
        while not self.inbox.empty():
            self.inbox.get_nowait()
        self.inbox.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self.inbox.get()) is not None:
            yield chunk
        if self.is_reset:
            raise GivenUpError("stream_reset", "The member gave up writing this stream.")


def streams() -> tuple[Stream, Stream]:
    ours, theirs = Stream(), Stream()
    ours.other, theirs.other = theirs, ours
    return ours, theirs


async def transfer(path: Path, folder: Path, ours: Stream, theirs: Stream) -> Path:
    async def receive() -> Path:
        return await (await FileOffer.read(theirs)).accept(folder)

    sending = asyncio.create_task(send_file(ours, path))
    try:
        received = await receive()
    except SheetbendError:
        await asyncio.gather(sending, return_exceptions=True)
        raise
    await sending
    return received


def a_file(folder: Path, size: int, name: str = "cat.jpg") -> Path:
    path = folder / name
    path.write_bytes(os.urandom(size))
    return path


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("size", [0, 1, MEGABYTE // 4, 3 * MEGABYTE + 1])
def test_a_file_arrives_as_it_was_sent(size: int, tmp_path: Path, inbox: Path) -> None:
    @asynchronous
    async def run() -> None:
        path = a_file(tmp_path, size)
        received = await transfer(path, inbox, *streams())
        assert received == inbox / "cat.jpg"
        assert received.read_bytes() == path.read_bytes()
        assert [each.name for each in inbox.iterdir()] == ["cat.jpg"]
        assert stat.S_IMODE(received.stat().st_mode) == 0o600

    run()


def test_a_transfer_goes_on_where_it_broke_off(tmp_path: Path, inbox: Path) -> None:
    @asynchronous
    async def run() -> None:
        path = a_file(tmp_path, 4 * MEGABYTE)
        ours, theirs = streams()
        ours.breaks_after = 3 * MEGABYTE
        with pytest.raises(FileError):
            await transfer(path, inbox, ours, theirs)
        [part] = inbox.iterdir()
        kept = part.stat().st_size
        assert 2 * MEGABYTE <= kept <= 3 * MEGABYTE
        ours, theirs = streams()
        received = await transfer(path, inbox, ours, theirs)
        assert received.read_bytes() == path.read_bytes()
        assert ours.sent < 4 * MEGABYTE - kept + 1000
        assert not part.exists()

    run()


def test_what_arrives_altered_gets_no_name_and_is_not_kept(tmp_path: Path, inbox: Path) -> None:
    @asynchronous
    async def run() -> None:
        path = a_file(tmp_path, MEGABYTE)
        ours, theirs = streams()
        ours.flips_at = MEGABYTE // 2
        with pytest.raises(FileError) as refused:
            await transfer(path, inbox, ours, theirs)
        assert refused.value.code == "file_corrupt"
        assert [each.stat().st_size for each in inbox.iterdir()] == [0]
        assert (await transfer(path, inbox, *streams())).read_bytes() == path.read_bytes()

    run()


def test_no_file_is_ever_overwritten(tmp_path: Path, inbox: Path) -> None:
    @asynchronous
    async def run() -> None:
        path = a_file(tmp_path, 10)
        received = [await transfer(path, inbox, *streams()) for _ in range(3)]
        assert [each.name for each in received] == ["cat.jpg", "cat (1).jpg", "cat (2).jpg"]

    run()


def test_the_sender_learns_that_nobody_wants_it(tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        ours, theirs = streams()
        sending = asyncio.create_task(send_file(ours, a_file(tmp_path, 10)))
        offer = await FileOffer.read(theirs)
        assert (offer.name, offer.size) == ("cat.jpg", 10)
        await offer.decline()
        with pytest.raises(FileError) as declined:
            await sending
        assert declined.value.code == "file_declined"

    run()


def test_a_folder_that_is_not_there_is_said_to_both(tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        ours, theirs = streams()
        sending = asyncio.create_task(send_file(ours, a_file(tmp_path, 10)))
        with pytest.raises(FileError) as failed:
            await (await FileOffer.read(theirs)).accept(tmp_path / "nowhere")
        assert failed.value.code == "file_not_written"
        with pytest.raises(FileError) as told:
            await sending
        assert told.value.code == "file_not_written"

    run()


def test_a_disk_that_is_full_is_said_to_both_in_the_midst_of_a_file(tmp_path: Path, inbox: Path) -> None:
    @asynchronous
    async def run() -> None:
        ours, theirs = streams()
        sending = asyncio.create_task(send_file(ours, a_file(tmp_path, 4 * MEGABYTE)))
        offer = await FileOffer.read(theirs)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTE, before[1]))
        try:
            with pytest.raises(FileError) as failed:
                await offer.accept(inbox)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert failed.value.code == "file_not_written"
        with pytest.raises(FileError) as told:
            await sending
        assert told.value.code == "file_not_written"

    run()


def test_whoever_ends_a_transfer_is_named_to_the_other(tmp_path: Path, inbox: Path) -> None:
    @asynchronous
    async def run() -> None:
        ours, theirs = streams()
        sending = asyncio.create_task(send_file(ours, a_file(tmp_path, 4 * MEGABYTE)))
        offer = await FileOffer.read(theirs)

        def stop(done: int, _size: int) -> None:
            if done > MEGABYTE:
                receiving.cancel()

        receiving = asyncio.create_task(offer.accept(inbox, progress=stop))
        with pytest.raises(asyncio.CancelledError):
            await receiving
        with pytest.raises(FileError) as told:
            await sending
        assert told.value.code == "file_cancelled"

    run()


@pytest.mark.parametrize("missing", ["nothing.jpg", "."])
def test_what_is_no_file_is_said_before_anything_is_sent(missing: str, tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        ours, _ = streams()
        with pytest.raises(FileError) as failed:
            await send_file(ours, tmp_path / missing)
        assert (failed.value.code, ours.sent) == ("file_not_read", 0)

    run()


@pytest.mark.parametrize(
    "said",
    [b"", b"\0\0\0\2{}", b"\xff\xff\xff\xff", b"\0\0\0\5hello", b'\0\0\0\x22{"id":"../x","name":"x","size":-1}  '],
)
def test_a_sender_that_talks_nonsense_is_refused(said: bytes) -> None:
    @asynchronous
    async def run() -> None:
        ours, theirs = streams()
        await ours.write(said)
        await ours.close()
        with pytest.raises(FileError) as refused:
            await FileOffer.read(theirs)
        assert refused.value.code == "invalid_transfer"

    run()


def test_progress_is_told_from_where_it_begins_to_the_end(tmp_path: Path, inbox: Path) -> None:
    @asynchronous
    async def run() -> None:
        path = a_file(tmp_path, MEGABYTE)
        ours, theirs = streams()
        sent: list[int] = []
        came: list[int] = []
        sending = asyncio.create_task(send_file(ours, path, progress=lambda done, _: sent.append(done)))
        await (await FileOffer.read(theirs)).accept(inbox, progress=lambda done, _: came.append(done))
        await sending
        assert (came[0], came[-1], sent[0], sent[-1]) == (0, MEGABYTE, 0, MEGABYTE)
        assert sent == sorted(sent)
        assert came == sorted(came)

    run()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("cat.jpg", "cat.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\a.txt", "a.txt"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("", "file"),
        ("a\0b\nc", "abc"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("what?.txt", "what_.txt"),
        ("con.txt", "_con.txt"),
        (f"invoice.pdf{' ' * 90}\u2800\u3164.exe", "invoice.pdf.exe"),
        ("a  b\u00a0c.txt", "a b c.txt"),
        ("x. . ", "x"),
        ("\udcff.txt", "_.txt"),
        ("é" * 300 + ".txt", "é" * 98 + ".txt"),
    ],
)
def test_a_name_is_harmless(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text())
def test_any_name_is_one_in_a_folder(name: str) -> None:
    safe = safe_name(name)
    assert Path("/folder", safe).parent == Path("/folder")
    assert safe not in ("", ".", "..")
    assert len(safe.encode()) <= 255 - len(" (999)")
    assert not safe.startswith(".")
    assert safe_name(safe) == safe
