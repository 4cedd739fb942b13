"""Files of 200 MB between members behind NATs, with a fault in the middle: programs, commands and pages."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from netlab import faults
from netlab.browsers import Person, person
from netlab.lab import ROOT, Lab, Peer
from netlab.nat import PORT_RESTRICTED
from netlab.requirements import missing_for_browsers
from netlab.server import Server

SIZE = 200_000_000
FAULT_AT = SIZE // 8
FAULT_LASTS_S = 2.0
TIMEOUT_S = 120.0


@contextmanager
def both_cut(lab: Lab) -> Iterator[None]:
    with faults.udp_cut(lab.a), faults.websocket_cut(lab.a):
        yield


@contextmanager
def new_address(lab: Lab) -> Iterator[None]:
    faults.change_address(lab.a)
    yield


FAULTS: dict[str, Callable[[Lab], AbstractContextManager[None]]] = {
    "udp cut": lambda lab: faults.udp_cut(lab.a),
    "both paths cut": both_cut,
    "another address": new_address,
}


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Server]:
    for peer in lab.peers:
        peer.stand_behind(PORT_RESTRICTED)
    with Server(lab) as server:
        yield server


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sent") / "film.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


@contextmanager
def sheetbend(peer: Peer, command: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    line = [sys.executable, "-m", "sheetbend", command, *map(str, arguments), "--insecure"]
    process = peer.host.start(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with process:
        try:
            yield process
        finally:
            process.kill()


def bytes_in(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.iterdir())


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def break_off(fault: AbstractContextManager[None], done: Callable[[], int]) -> None:
    """Let it happen once an eighth of the file is there, and last a while."""
    deadline = time.monotonic() + TIMEOUT_S
    while (size := done()) < FAULT_AT:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert size < SIZE, "it was there before anything happened"
    with fault:
        time.sleep(FAULT_LASTS_S)


@pytest.mark.parametrize("engine", ["wrtc", "aiortc"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_is_whole_whatever_the_network_does(
    lab: Lab, server: Server, file: Path, tmp_path: Path, fault: str, engine: str
) -> None:
    url = f"{server.url}r/{fault.replace(' ', '-')}-{engine}#a%20secret"
    with (
        sheetbend(lab.b, "receive", url, "--folder", tmp_path, "--engine", engine) as receiving,
        sheetbend(lab.a, "send", file, url, "--engine", engine) as sending,
    ):
        break_off(FAULTS[fault](lab), lambda: bytes_in(tmp_path))
        received, _ = receiving.communicate(timeout=TIMEOUT_S)
        assert (receiving.returncode, sending.wait(TIMEOUT_S)) == (0, 0)
    path = Path(received.strip())
    assert (path.name, digest(path)) == (file.name, digest(file))


@pytest.fixture(scope="module")
def page(lab: Lab) -> Iterator[Person]:
    if reason := missing_for_browsers():
        pytest.skip(reason)
    with sync_playwright() as playwright, person(playwright, lab.a) as page:
        yield page


@pytest.mark.e2e
def test_a_page_gives_a_program_a_file_and_both_paths_are_cut_meanwhile(
    lab: Lab, server: Server, page: Person, tmp_path: Path
) -> None:
    tab = page.open("files.html")
    with sheetbend(lab.b, "receive", f"{server.url}r/from-page#s", "--folder", tmp_path) as receiving:
        tab.evaluate("(args) => void lab.give(...args)", [server.websocket_url, "from-page", "s", SIZE])
        break_off(both_cut(lab), lambda: bytes_in(tmp_path))
        received, _ = receiving.communicate(timeout=TIMEOUT_S)
        assert receiving.returncode == 0, tab.evaluate("() => lab.error")
    tab.wait_for_function("() => lab.digest ?? lab.error")
    assert tab.evaluate("() => lab.digest ?? lab.error") == digest(Path(received.strip()))


@pytest.mark.e2e
def test_a_program_gives_a_page_a_file_and_both_paths_are_cut_meanwhile(
    lab: Lab, server: Server, page: Person, file: Path
) -> None:
    tab = page.open("files.html")
    tab.evaluate("(args) => void lab.take(...args)", [server.websocket_url, "to-page", "s"])
    with sheetbend(lab.b, "send", file, f"{server.url}r/to-page#s") as sending:
        break_off(both_cut(lab), lambda: int(tab.evaluate("() => lab.done")))
        assert sending.wait(TIMEOUT_S) == 0, tab.evaluate("() => lab.error")
    tab.wait_for_function("() => lab.digest ?? lab.error")
    assert tab.evaluate("() => lab.digest ?? lab.error") == digest(file)
