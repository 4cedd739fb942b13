"""Each fault does what its name says, to that peer alone, and is over when it is over."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from netlab import faults
from netlab.lab import SERVER_ADDRESS, SERVER_PORT, Lab
from netlab.nat import FULL_CONE, OPEN, PORT_RESTRICTED, SYMMETRIC, Nat
from netlab.probes import SILENCE_S, Probe, udp_socket

PACKETS = 400


@pytest.fixture(autouse=True)
def _cones(lab: Lab) -> None:
    for peer in lab.peers:
        peer.stand_behind(PORT_RESTRICTED)


@contextmanager
def tcp_connection(lab: Lab) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection of peer a's to where the server listens: its end, and the server's."""
    with lab.site.call(lambda: socket.create_server((SERVER_ADDRESS, SERVER_PORT))) as listener:
        client = lab.a.host.call(lambda: socket.create_connection((SERVER_ADDRESS, SERVER_PORT), SILENCE_S))
        with client, listener.accept()[0] as server:
            server.settimeout(SILENCE_S)
            yield client, server


def packets_of(lab: Lab, count: int, size: int = 16) -> int:
    """Let peer a send so many packets to the server's site, and count which come."""
    came = 0
    with udp_socket(lab.site, SERVER_ADDRESS) as server, udp_socket(lab.a.host) as own:
        for _ in range(count):
            own.sendto(bytes(size), server.getsockname())
        with suppress(TimeoutError):
            while came < count:
                server.recv(size)
                came += 1
    return came


def test_udp_is_cut_for_one_peer_and_restored(lab: Lab) -> None:
    with Probe.of(lab, lab.a) as a, Probe.of(lab, lab.b) as b:
        mapped = a.mapped()
        assert mapped is not None
        with faults.udp_cut(lab.a):
            assert a.mapped() is None
            assert not a.comes_in(mapped)
            assert b.mapped() is not None
        assert a.mapped() == mapped


def test_udp_cut_leaves_tcp_alone(lab: Lab) -> None:
    with tcp_connection(lab) as (client, server), faults.udp_cut(lab.a):
        client.send(b"hello")
        assert server.recv(16) == b"hello"


def test_loss_takes_about_its_share(lab: Lab) -> None:
    assert packets_of(lab, PACKETS) == PACKETS
    with faults.loss(lab.a, 30):
        # Six standard deviations to either side: once in 500 million runs.
        assert 0.56 * PACKETS < packets_of(lab, PACKETS) < 0.84 * PACKETS
    assert packets_of(lab, PACKETS) == PACKETS


def test_a_thin_line_drops_what_it_cannot_carry(lab: Lab) -> None:
    with faults.rate(lab.a, 500):
        # 500 kbit/s for 200 ms are 12 of these packets, and its burst is another five.
        assert 5 <= packets_of(lab, 100, size=1000) < 40
    assert packets_of(lab, 100, size=1000) == 100


@pytest.mark.parametrize("nat", [FULL_CONE, PORT_RESTRICTED, SYMMETRIC], ids=lambda nat: nat.name)
def test_rebinding_gives_other_mappings_and_ends_the_old_ones(lab: Lab, nat: Nat) -> None:
    lab.a.stand_behind(nat)
    with tcp_connection(lab) as (client, server), Probe.of(lab, lab.a) as probe:
        before = probe.mapped()
        assert before is not None
        faults.rebind(lab.a)
        after = probe.mapped()
        assert after is not None
        assert after[0] != before[0]
        assert probe.comes_in(after)
        assert nat is FULL_CONE or not probe.comes_in(before)
        server.send(b"hello")  # The client's own packet would make a flow anew.
        assert client.recv(16) == b"hello"


def test_a_fault_outlasts_another(lab: Lab) -> None:
    with Probe.of(lab, lab.a) as probe:
        with faults.udp_cut(lab.a):
            faults.rebind(lab.a)
            faults.change_address(lab.a)
            with faults.loss(lab.a, 0):
                pass
            assert probe.mapped() is None
        assert probe.mapped() is not None


@pytest.mark.parametrize("nat", [OPEN, FULL_CONE, PORT_RESTRICTED], ids=lambda nat: nat.name)
def test_another_address_ends_what_the_old_one_had(lab: Lab, nat: Nat) -> None:
    lab.a.stand_behind(nat)
    before = lab.a.host_address
    with tcp_connection(lab) as (client, server):
        faults.change_address(lab.a)
        with pytest.raises(TimeoutError):
            server.recv(client.send(b"lost"))
    assert lab.a.host_address != before
    with Probe.of(lab, lab.a) as probe:
        mapped = probe.mapped()
        assert mapped is not None
        assert probe.comes_in(mapped)


def test_a_cut_websocket_is_reset_and_none_comes_about(lab: Lab) -> None:
    with tcp_connection(lab) as (client, server):
        with faults.websocket_cut(lab.a):
            client.send(b"hello")
            with pytest.raises(ConnectionResetError):
                client.recv(16)
            server.send(b"hello")
            with pytest.raises(ConnectionResetError):
                server.recv(16)
            with pytest.raises(ConnectionRefusedError):
                lab.a.host.call(lambda: socket.create_connection((SERVER_ADDRESS, SERVER_PORT), SILENCE_S))
            with Probe.of(lab, lab.a) as probe:
                assert probe.mapped() is not None
        lab.a.host.call(lambda: socket.create_connection((SERVER_ADDRESS, SERVER_PORT), SILENCE_S)).close()


def test_a_lost_websocket_says_nothing_and_comes_back(lab: Lab) -> None:
    with tcp_connection(lab) as (client, server):
        with faults.websocket_lost(lab.a):
            client.send(b"hello")
            with pytest.raises(TimeoutError):
                server.recv(16)
        server.settimeout(5)
        assert server.recv(16) == b"hello"
