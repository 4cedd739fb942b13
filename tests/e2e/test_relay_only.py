"""What Chromium signals in a relay-only session, by a page of no SDK: all of it passes, or it's refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import BrowserContext

from tests.support.process import ServerProcess
from tests.support.turn import free_port, needs_coturn

SIGNAL = """
async ({ iceTransportPolicy, scheme, room }) => {
  const begin = (hello) => new Promise((resolve) => {
    const socket = new WebSocket(`ws://${location.host}/ws`, ["sheetbend.v1"]);
    const session = { heard: [], say: (message) => socket.send(JSON.stringify({ roomId: room, ...message })) };
    socket.onopen = () => { session.say({ type: "hello", ...hello }); };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data.replaceAll("{host}", location.hostname));
      session.heard.push(message);
      session.iceServers = message.iceServers ?? session.iceServers;
      session.userId ??= message.userId;
      session.wakes?.();
      if (session.iceServers?.some(({ username }) => username)) resolve(session);
    };
    session.until = async (isIt) => {
      while (!session.heard.some(isIt)) await new Promise((wakes) => { session.wakes = wakes; });
    };
  });
  const ada = await begin({ relayOnly: true });
  const bob = await begin({});
  for (const session of [ada, bob]) {
    session.say({ type: "join" });
    await session.until(({ type }) => type === "roster");
  }
  const iceServers = ada.iceServers.filter(({ username }) => username).map((server) => ({
    ...server, urls: server.urls.filter((url) => url.endsWith(scheme)),
  }));
  const peer = new RTCPeerConnection({ iceServers, iceTransportPolicy });
  peer.createDataChannel("x");
  peer.addTransceiver("audio");
  peer.addTransceiver("video");
  let count = 0;
  const relayed = [];
  const say = (message) => ada.say({ ...message, target: bob.userId, ref: String(++count) });
  const gathered = new Promise((resolve) => {
    const end = () => {
      peer.onicecandidate = null;
      say({ type: "ice-candidate", candidate: null });
      resolve();
    };
    peer.onicecandidate = ({ candidate }) => {
      if (!candidate) return end();
      say({ type: "ice-candidate", candidate });
      // Chromium itself says the end half a minute later: it waits for interfaces from which nothing is reached.
      if (candidate.type === "relay" && relayed.push(candidate.relatedAddress) === 1) setTimeout(end, 1000);
    };
  });
  await peer.setLocalDescription();
  say({ type: "offer", sdp: peer.localDescription });
  await gathered;
  say({ type: "offer", sdp: peer.localDescription });
  say({ type: "answer", sdp: { end: true } });
  await bob.until(({ type }) => type === "answer");
  ada.say({ type: "ping" });
  await ada.until(({ type }) => type === "pong");
  return {
    said: count,
    relayed,
    refused: ada.heard.filter(({ type }) => type === "error").map(({ code }) => code),
    arrived: bob.heard.filter(({ sender }) => sender === ada.userId),
  };
}
"""


def signal(person: Callable[..., BrowserContext], room: str, policy: str, scheme: str) -> dict[str, Any]:
    flags = ["--host", "0.0.0.0", "--turn", "coturn", "--turn-port", str(free_port())]
    with ServerProcess([*flags, "--turn-relay-ports", "20000-32000"]) as server:
        page = person().new_page()
        page.goto(server.url)
        result: dict[str, Any] = page.evaluate(SIGNAL, {"iceTransportPolicy": policy, "scheme": scheme, "room": room})
        return result


def candidates(arrived: list[dict[str, Any]]) -> list[str]:
    texts = [(message.get("candidate") or {}).get("candidate", "") for message in arrived]
    lines = [line for message in arrived for line in message.get("sdp", {}).get("sdp", "").splitlines()]
    return [text for text in (*texts, *lines) if "candidate:" in text]


@needs_coturn
def test_all_that_chromium_signals_under_the_policy_passes(person: Callable[..., BrowserContext]) -> None:
    for scheme in ("udp", "tcp"):
        result = signal(person, "r", "relay", scheme)
        assert result["refused"] == []
        assert len(result["arrived"]) == result["said"]
        told = candidates(result["arrived"])
        assert len(told) > 1, "trickled, and again in the last description"
        assert all(" typ relay raddr 0.0.0.0 rport 0" in text for text in told)


@needs_coturn
def test_a_page_without_the_policy_is_refused(person: Callable[..., BrowserContext]) -> None:
    """Its relayed candidates too: their `raddr` is its address. What it says before it gathers tells nothing."""
    result = signal(person, "r", "all", "udp")
    assert set(result["refused"]) == {"address_not_allowed"}
    assert len(result["refused"]) + len(result["arrived"]) == result["said"]
    assert [message["type"] for message in result["arrived"]] == ["offer", "ice-candidate", "answer"]
    assert candidates(result["arrived"]) == []
    assert result["relayed"]
    assert "0.0.0.0" not in result["relayed"]
