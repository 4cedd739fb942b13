"""The lab takes the time it is told to, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from netlab.lab import ROOT, SERVER_ADDRESS, Lab
from netlab.namespaces import remove_leftovers
from netlab.probes import udp_socket


def names(process_id: int) -> list[str]:
    return [path.name for path in Path("/run/netns").glob(f"sheetbend-lab-{process_id}-*")]


def round_trip_ms(lab: Lab) -> float:
    """The shortest of five, between peer a's host and the server's site."""
    with udp_socket(lab.site, SERVER_ADDRESS) as server, udp_socket(lab.a.host) as own:
        times_ms = []
        for _ in range(5):
            before = time.perf_counter()
            own.sendto(b"ping", server.getsockname())
            server.sendto(b"pong", server.recvfrom(16)[1])
            own.recv(16)
            times_ms.append((time.perf_counter() - before) * 1000)
        return min(times_ms)


def test_a_round_trip_takes_what_it_should(lab: Lab) -> None:
    assert round_trip_ms(lab) < 10
    with Lab(round_trip_ms=60) as slow:
        assert 60 <= round_trip_ms(slow) < 75


def test_a_lab_removes_its_namespaces_and_processes(lab: Lab) -> None:
    before = names(os.getpid())
    with Lab(round_trip_ms=10) as other:
        assert len(names(os.getpid())) == len(before) + 6
        process = other.site.start(["cat"], stdin=subprocess.PIPE)
    assert process.wait(5) != 0
    assert process.stdin is not None
    process.stdin.close()
    assert sorted(names(os.getpid())) == sorted(before)


def test_what_a_killed_run_left_is_found_and_what_lives_is_left(lab: Lab) -> None:
    program = "from netlab.lab import Lab; import os; lab = Lab(round_trip_ms=10).__enter__(); os._exit(9)"
    killed = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    killed.wait(30)
    left = names(killed.pid)
    assert len(left) == 6
    own = names(os.getpid())
    assert set(remove_leftovers()) >= set(left)
    assert names(killed.pid) == []
    assert names(os.getpid()) == own
