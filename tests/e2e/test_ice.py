"""Chromium with the STUN and TURN that the server tells it of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext

from tests.support.process import ServerProcess
from tests.support.turn import free_port, needs_coturn

TOLD = """
const told = (isIt) => new Promise((resolve) => {
  const socket = new WebSocket(`ws://${location.host}/ws`, ["sheetbend.v1"]);
  socket.onopen = () => socket.send('{"type":"hello"}');
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data.replaceAll("{host}", location.hostname));
    if (message.iceServers && isIt(message.iceServers)) resolve(message.iceServers);
  };
});
"""

STUN_ERRORS = f"""
async () => {{
  {TOLD}
  const peer = new RTCPeerConnection({{ iceServers: await told((servers) => servers.length > 0) }});
  const errors = [];
  peer.createDataChannel("x");
  peer.onicecandidateerror = ({{ errorCode }}) => errors.push(errorCode);
  const gathered = new Promise((resolve) => {{
    peer.onicecandidate = ({{ candidate }}) => candidate ?? resolve(errors);
  }});
  await peer.setLocalDescription();
  return gathered;
}}
"""

RELAYED = f"""
async (scheme) => {{
  {TOLD}
  const servers = await told((all) => all.some(({{ username }}) => username));
  const iceServers = servers.filter(({{ username }}) => username).map((server) => ({{
    ...server, urls: server.urls.filter((url) => url.endsWith(scheme)),
  }}));
  const [one, other] = [0, 1].map(() => new RTCPeerConnection({{ iceServers, iceTransportPolicy: "relay" }}));
  one.onicecandidate = ({{ candidate }}) => other.addIceCandidate(candidate);
  other.onicecandidate = ({{ candidate }}) => one.addIceCandidate(candidate);
  const channel = one.createDataChannel("x");
  const heard = new Promise((resolve) => {{
    other.ondatachannel = (event) => (event.channel.onmessage = ({{ data }}) => resolve(data));
  }});
  channel.onopen = () => channel.send("hello");
  await one.setLocalDescription();
  await other.setRemoteDescription(one.localDescription);
  await other.setLocalDescription();
  await one.setRemoteDescription(other.localDescription);
  const data = await heard;
  const stats = [...(await one.getStats()).values()];
  const pair = stats.find(({{ type, state }}) => type === "candidate-pair" && state === "succeeded");
  const ends = [pair.localCandidateId, pair.remoteCandidateId].map((id) => stats.find((each) => each.id === id));
  return [data, ends.map(({{ candidateType }}) => candidateType), ends[0].relayProtocol];
}}
"""


def test_stun_is_taken_for_an_answer(person: Callable[..., BrowserContext]) -> None:
    """Without a NAT no candidate comes of it; but no complaint either, as there is (701) of a server that is silent."""
    with ServerProcess(["--host", "0.0.0.0"]) as server:
        page = person().new_page()
        page.goto(server.url.replace("localhost", "127.0.0.1"))
        assert page.evaluate(STUN_ERRORS) == []


@needs_coturn
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_two_who_are_both_relayed_meet(person: Callable[..., BrowserContext], transport: str) -> None:
    flags = ["--host", "0.0.0.0", "--turn", "coturn", "--turn-port", str(free_port())]
    with ServerProcess([*flags, "--turn-relay-ports", "20000-32000"]) as server:
        page = person().new_page()
        page.goto(server.url)
        assert page.evaluate(RELAYED, transport) == ["hello", ["relay", "relay"], transport]
