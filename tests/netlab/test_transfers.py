"""Files between two Python members behind NATs, with a fault in the middle: `sheetbend send` and `receive` as they are."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from netlab import faults
from netlab.lab import ROOT, Lab
from netlab.nat import PORT_RESTRICTED
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


def sheetbend(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sheetbend", *arguments, "--insecure"]


def bytes_in(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.iterdir())


@pytest.mark.parametrize("engine", ["wrtc", "aiortc"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_is_whole_whatever_the_network_does(
    lab: Lab, server: Server, file: Path, tmp_path: Path, fault: str, engine: str
) -> None:
    url = f"{server.url}r/{fault.replace(' ', '-')}-{engine}#a%20secret"
    with ExitStack() as stack:

        def start(peer_command: subprocess.Popen[str]) -> subprocess.Popen[str]:
            stack.callback(peer_command.wait)
            stack.callback(peer_command.kill)
            return peer_command

        receive = sheetbend("receive", url, "--folder", str(tmp_path), "--engine", engine)
        receiving = start(lab.b.host.start(receive, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        send = sheetbend("send", str(file), url, "--engine", engine)
        sending = start(lab.a.host.start(send, cwd=ROOT, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + TIMEOUT_S
        while bytes_in(tmp_path) < FAULT_AT:
            assert time.monotonic() < deadline and receiving.poll() is None and sending.poll() is None
            time.sleep(0.01)
        with FAULTS[fault](lab):
            assert bytes_in(tmp_path) < SIZE, "it was there before anything happened"
            time.sleep(FAULT_LASTS_S)
        received, errors = receiving.communicate(timeout=TIMEOUT_S)
        assert receiving.returncode == 0, errors
        assert sending.wait(TIMEOUT_S) == 0
    path = Path(received.strip())
    assert path.name == file.name
    with file.open("rb") as sent, path.open("rb") as came:
        assert hashlib.file_digest(sent, "sha256").digest() == hashlib.file_digest(came, "sha256").digest()
