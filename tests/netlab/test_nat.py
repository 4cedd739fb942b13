"""The networks are what they are called: mapping and filtering are probed as RFC 5780 does."""

from __future__ import annotations

import pytest

from netlab.lab import Lab, Peer
from netlab.nat import FULL_CONE, NATS, OPEN, PORT_RESTRICTED, SYMMETRIC, TCP_443, Nat
from netlab.probes import Probe, reaches_tcp

TRANSLATING = [FULL_CONE, PORT_RESTRICTED, SYMMETRIC]

every_nat = pytest.mark.parametrize("nat", NATS.values(), ids=lambda nat: nat.name)


@pytest.fixture
def peer(lab: Lab) -> Peer:
    return lab.a


@every_nat
@pytest.mark.parametrize("name", ["a", "b"])
def test_mapping_and_filtering_are_what_the_kind_says(lab: Lab, name: str, nat: Nat) -> None:
    peer: Peer = getattr(lab, name)
    peer.stand_behind(nat)
    with Probe.of(lab, peer) as probe:
        assert probe.filtering() is nat.filtering
    with Probe.of(lab, peer) as probe:
        assert probe.mapping() is nat.mapping


def test_an_open_host_is_seen_as_it_is_and_reached_unasked(lab: Lab, peer: Peer) -> None:
    peer.stand_behind(OPEN)
    with Probe.of(lab, peer) as probe:
        assert probe.comes_in(probe.local)
        assert probe.mapped() == probe.local


@pytest.mark.parametrize("nat", TRANSLATING, ids=lambda nat: nat.name)
def test_a_nat_hides_its_host(lab: Lab, peer: Peer, nat: Nat) -> None:
    peer.stand_behind(nat)
    with Probe.of(lab, peer) as probe:
        assert not probe.comes_in(probe.local)
        mapped = probe.mapped()
        assert mapped is not None
        assert mapped[0] == peer.udp_address != peer.host_address


@pytest.mark.parametrize("nat", [FULL_CONE, PORT_RESTRICTED], ids=lambda nat: nat.name)
def test_a_cone_keeps_the_port(lab: Lab, peer: Peer, nat: Nat) -> None:
    peer.stand_behind(nat)
    with Probe.of(lab, peer) as probe:
        assert probe.mapped() == (peer.udp_address, probe.local[1])


def test_a_full_cone_lets_nobody_in_before_its_host_wrote(lab: Lab, peer: Peer) -> None:
    peer.stand_behind(FULL_CONE)
    with Probe.of(lab, peer) as probe:
        address = (peer.udp_address, probe.local[1])
        assert not probe.comes_in(address)
        assert probe.mapped() == address


@pytest.mark.parametrize("nat", [FULL_CONE, PORT_RESTRICTED], ids=lambda nat: nat.name)
def test_a_packet_that_comes_too_early_does_not_spoil_the_mapping(lab: Lab, peer: Peer, nat: Nat) -> None:
    """Of two peers that send to each other at once, one is first."""
    peer.stand_behind(nat)
    with Probe.of(lab, peer) as probe:
        address = (peer.udp_address, probe.local[1])
        assert not probe.comes_in(address)
        assert probe.mapped() == address


def test_each_flow_of_a_symmetric_nat_has_a_port_of_its_own(lab: Lab, peer: Peer) -> None:
    peer.stand_behind(SYMMETRIC)
    with Probe.of(lab, peer) as probe:
        assert len(probe.mapped_by_all()) == 4


@every_nat
def test_tcp_is_let_out_where_the_kind_says(lab: Lab, peer: Peer, nat: Nat) -> None:
    peer.stand_behind(nat)
    assert reaches_tcp(lab, peer, 443)
    assert reaches_tcp(lab, peer, 3478) is (nat is not TCP_443)


def test_two_cones_reach_each_other_when_both_send(lab: Lab) -> None:
    for peer in lab.peers:
        peer.stand_behind(PORT_RESTRICTED)
    assert _punch(lab)


def test_a_cone_and_a_symmetric_nat_do_not(lab: Lab) -> None:
    lab.a.stand_behind(PORT_RESTRICTED)
    lab.b.stand_behind(SYMMETRIC)
    assert not _punch(lab)


def _punch(lab: Lab) -> bool:
    """Let each peer send twice to where the server saw the other; whether each hears the other."""
    with Probe.of(lab, lab.a) as a, Probe.of(lab, lab.b) as b:
        seen_a, seen_b = a.mapped(), b.mapped()
        assert seen_a is not None
        assert seen_b is not None
        for _ in range(2):
            a.send(seen_b)
            b.send(seen_a)
        return a.hears() and b.hears()


def test_changing_the_network_forgets_its_flows(lab: Lab, peer: Peer) -> None:
    peer.stand_behind(PORT_RESTRICTED)
    with Probe.of(lab, peer) as probe:
        mapped = probe.mapped()
        assert mapped is not None
        assert probe.comes_in(mapped)
        peer.stand_behind(PORT_RESTRICTED)
        assert not probe.comes_in(mapped)
