"""Each engine with Chromium, which makes and takes offers by W3C's perfect negotiation as the SDK does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from sheetbend.client.engines import load_engine
from sheetbend.client.engines.base import Candidate, LocalTrack, RebuildNeededError
from tests.client.engines.calls import ENGINES, Channel, End, picture, tone
from tests.client.engines.test_media import hear, hertz, one_track, playing, see
from tests.e2e.browsers import FLAGS, chromium_path
from tests.support.in_process import asynchronous

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(chromium_path() is None, reason="Chromium is missing: sudo apt-get install -y chromium"),
]
each = pytest.mark.parametrize("name", ENGINES)

PAGE = """() => {
  const pc = (window.pc = new RTCPeerConnection());
  const polite = false;
  let making = false, ignores = false;
  const early = [];
  window.tracks = [];
  window.said = [];
  pc.onicecandidate = ({ candidate }) => signal("candidate", candidate ? candidate.toJSON() : null);
  window.offer = async () => {
    making = true;
    await pc.setLocalDescription();
    making = false;
    signal("offer", pc.localDescription.sdp);
  };
  window.negotiates = true;
  pc.onnegotiationneeded = () => negotiates && offer();
  pc.ontrack = ({ track, streams }) => tracks.push({ kind: track.kind, track, streams: streams.map(({ id }) => id) });
  window.receive = async (kind, content) => {
    if (kind === "candidate") {
      if (!pc.remoteDescription) return early.push(content);
      return pc.addIceCandidate(content).catch((error) => { if (!ignores) throw error; });
    }
    const collides = kind === "offer" && (making || pc.signalingState !== "stable");
    ignores = collides && !polite;
    if (ignores) return;
    await pc.setRemoteDescription({ type: kind, sdp: content });
    for (const candidate of early.splice(0)) await pc.addIceCandidate(candidate);
    if (kind === "offer") {
      await pc.setLocalDescription();
      signal("answer", pc.localDescription.sdp);
    }
  };
  window.openChannels = () => {
    window.reliable = pc.createDataChannel("sheetbend", { negotiated: true, id: 1 });
    window.lossy = pc.createDataChannel("sheetbend-lossy",
      { negotiated: true, id: 2, ordered: false, maxRetransmits: 0 });
    for (const channel of [reliable, lossy]) {
      channel.binaryType = "arraybuffer";
      channel.onmessage = ({ data }) => said.push([channel.id, data.byteLength]);
    }
  };
  window.tone = (hertz) => {
    const context = new AudioContext();
    const oscillator = new OscillatorNode(context, { frequency: hertz });
    const out = context.createMediaStreamDestination();
    oscillator.connect(out);
    oscillator.start();
    return out.stream;
  };
  window.painting = (grey) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
    document.body.append(canvas);
    const context = canvas.getContext("2d");
    setInterval(() => {
      context.fillStyle = `rgb(${255 - grey},${255 - grey},${255 - grey})`;
      context.fillRect(0, 0, 320, 240);
      context.fillStyle = `rgb(${grey},${grey},${grey})`;
      context.fillRect(0, 0, 160, 240);
    }, 40);
    return canvas.captureStream(25);
  };
  window.hears = async (stream) => {
    // Chromium decodes nothing for an AudioContext alone (crbug.com/933677).
    Object.assign(new Audio(), { muted: true, srcObject: stream });
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 16384 });
    context.createMediaStreamSource(stream).connect(analyser);
    const bins = new Float32Array(analyser.frequencyBinCount);
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      analyser.getFloatFrequencyData(bins);
      const loudest = bins.indexOf(Math.max(...bins));
      if (bins[loudest] > -40) return (loudest * context.sampleRate) / 16384;
    }
  };
  window.sees = async (stream, wanted) => {
    const video = Object.assign(document.createElement("video"), { muted: true, srcObject: stream });
    await video.play();
    const canvas = new OffscreenCanvas(320, 240);
    const context = canvas.getContext("2d");
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      context.drawImage(video, 0, 0, 320, 240);
      const [left, right] = [80, 240].map((x) => context.getImageData(x, 120, 1, 1).data[0]);
      if (Math.abs(left - wanted) < 15 && Math.abs(left + right - 255) < 25) return [left, right];
    }
  };
}"""


def to_page(content: Any) -> Any:
    if not isinstance(content, Candidate):
        return content
    return {
        "candidate": content.candidate,
        "sdpMid": content.sdp_mid,
        "sdpMLineIndex": content.sdp_m_line_index,
        "usernameFragment": content.username_fragment,
    }


def from_page(kind: str, content: Any) -> Any:
    if kind != "candidate" or content is None:
        return content
    return Candidate(content["candidate"], content["sdpMid"], content["sdpMLineIndex"], content.get("usernameFragment"))


@asynccontextmanager
async def calling_page(name: str) -> AsyncIterator[tuple[Page, End]]:
    """The page is impolite."""
    engine = load_engine(name)
    end = End(engine, polite=True)
    signals: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async def bring() -> None:
        while True:
            kind, content = await signals.get()
            await end.receive(kind, from_page(kind, content))

    async def send(page: Page) -> None:
        while True:
            kind, content = await end.out.get()
            await page.evaluate("([kind, content]) => receive(kind, content)", [kind, to_page(content)])

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        page = await browser.new_page()
        page.set_default_timeout(20_000)
        await page.expose_function("signal", lambda kind, content: signals.put_nowait((kind, content)))
        await page.goto("about:blank")
        await page.evaluate(PAGE)
        pumps = [asyncio.create_task(bring()), asyncio.create_task(send(page))]
        try:
            async with asyncio.timeout(30):
                yield page, end
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            end.connection.close()
            engine.close()
            await browser.close()


@each
@pytest.mark.parametrize("opener", ["page", "engine"])
@asynchronous
async def test_data_both_ways_over_channels_1_and_2_and_a_restart_of_ice(name: str, opener: str) -> None:
    async with calling_page(name) as (page, end):
        if opener == "engine":
            end.negotiates = True
            await page.evaluate("() => { negotiates = false; openChannels(); }")
        channels = [Channel(end.connection), Channel(end.connection, 2, ordered=False, max_retransmits=0)]
        if opener == "page":
            await page.evaluate("() => openChannels()")
        for channel in channels:
            await channel.until(lambda it: it.is_open)
        await page.wait_for_function("() => [reliable, lossy].every(({ readyState }) => readyState === 'open')")
        for number, channel in enumerate(channels, 1):
            channel.native.send(bytes(number * 1000))
            await page.evaluate(
                "([name, size]) => window[name].send(new Uint8Array(size))",
                ["reliable" if number == 1 else "lossy", number * 10],
            )
            await channel.until(lambda it: it.messages)
            assert channel.messages == [bytes(number * 10)]
        channels[0].native.send(bytes(1 << 18))
        await page.wait_for_function("() => said.length === 3")
        assert sorted(await page.evaluate("() => said")) == [[1, 1000], [1, 1 << 18], [2, 2000]]

        await page.evaluate("() => { negotiates = true; pc.restartIce(); }")
        if not end.engine.can_restart_ice:
            await end.until(lambda it: it.errors)
            assert isinstance(end.errors[0], RebuildNeededError)
            return
        await end.until(lambda it: it.calls.count("negotiated") > 1 and it.connection.signaling_state == "stable")
        end.connection.restart_ice()
        channels[0].native.send(b"still there")
        await page.wait_for_function("() => said.length === 4 && pc.signalingState === 'stable'")


@each
@asynchronous
async def test_the_page_hears_and_sees_the_engine_and_the_other_way_round(name: str) -> None:
    async with calling_page(name) as (page, end):
        channel = Channel(end.connection)
        audio, video = LocalTrack("audio"), LocalTrack("video")
        end.connection.add_track(audio, "from-engine")
        end.connection.add_track(video, "from-engine")
        async with playing(audio, lambda number: tone(number, 660)), playing(video, lambda _: picture(70)):
            await page.evaluate(
                """() => {
                  openChannels();
                  for (const stream of [tone(440), painting(180)]) pc.addTrack(stream.getTracks()[0], stream);
                }"""
            )
            await channel.until(lambda it: it.is_open)
            await page.wait_for_function("() => tracks.length >= 2")
            assert await page.evaluate("() => tracks.every(({ streams }) => streams[0] === 'from-engine')")
            find = "tracks.find((one) => one.kind === {}).track".format
            heard = await page.evaluate(f"() => hears(new MediaStream([{find(repr('audio'))}]))")
            assert heard == pytest.approx(660, abs=10)
            assert await page.evaluate(f"() => sees(new MediaStream([{find(repr('video'))}]), 70)")

            await one_track(end, 2)
            kinds = {track.kind: track for track in end.tracks}
            assert hertz(await hear(kinds["audio"])) == pytest.approx(440, abs=5)
            await see(kinds["video"], {180}, within=20)


@each
@asynchronous
async def test_a_page_s_track_comes_and_goes_and_comes_again(name: str) -> None:
    async with calling_page(name) as (page, end):
        channel = Channel(end.connection)
        await page.evaluate("() => openChannels()")
        await channel.until(lambda it: it.is_open)
        for grey in (60, 200):
            await page.evaluate(
                """(grey) => {
                  const stream = painting(grey);
                  window.sender = pc.addTrack(stream.getTracks()[0], stream);
                }""",
                grey,
            )
            await see(await one_track(end), {grey}, within=20)
            await page.evaluate(
                """() => {
                  const transceiver = pc.getTransceivers().find((one) => one.sender === sender);
                  pc.removeTrack(sender);
                  if (transceiver.currentDirection === "sendonly") transceiver.stop();
                }"""
            )
            await end.until(lambda it: not it.tracks)
