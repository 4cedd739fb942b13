"""Chromium with fake devices, pages served beside the real server's, and what media shows that it flows."""

from __future__ import annotations

import mimetypes
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

PAGES = Path(__file__).parent / "pages"
ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
SDK = ROOT / "web" / "sdk" / "dist" / "index.js"

FLAGS = [
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--auto-accept-this-tab-capture",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page that the test answers itself has no address, and would count as one from elsewhere.
    "--disable-features=LocalNetworkAccessChecks",
]

COUNT_PEER_CONNECTIONS = """
window.peerConnections = [];
window.RTCPeerConnection = class extends window.RTCPeerConnection {
  constructor(...args) { super(...args); window.peerConnections.push(this); }
};
"""

MEDIA_COUNTERS = """
async function mediaCounters(peer) {
  const counters = { video: 0, audio: 0, energy: 0 };
  for (const stat of (await peer.getStats()).values()) {
    if (stat.type !== "inbound-rtp") continue;
    if (stat.kind === "video") counters.video += stat.framesDecoded ?? 0;
    else { counters.audio += stat.totalSamplesReceived ?? 0; counters.energy += stat.totalAudioEnergy ?? 0; }
  }
  return counters;
}
"""

WAIT_FOR_MEDIA = f"""
async ([peers, frames, samples, timeoutMs]) => {{
  {MEDIA_COUNTERS}
  const deadline = performance.now() + timeoutMs;
  let before, now;
  while (performance.now() < deadline) {{
    const living = window.peerConnections.filter((peer) => peer.connectionState === "connected");
    now = await Promise.all(living.map(mediaCounters));
    if (now.length === peers) {{
      if (before?.length !== peers) before = now;
      if (now.every((counter, i) =>
        counter.video >= before[i].video + frames &&
        counter.audio >= before[i].audio + samples &&
        counter.energy > before[i].energy)) return;
    }}
    await new Promise((resolve) => setTimeout(resolve, 50));
  }}
  const states = window.peerConnections.map((peer) => peer.connectionState);
  throw new Error(`no media: ${{JSON.stringify({{ states, before, now }})}}`);
}}
"""


def chromium_path() -> str | None:
    return shutil.which("chromium")


@contextmanager
def launch() -> Iterator[Browser]:
    """A Chromium of its own process."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=FLAGS, ignore_default_args=["--mute-audio"]
        )
        yield browser
        browser.close()


def new_context(browser: Browser, **options: Any) -> BrowserContext:
    """A person's browser profile: permissions given, every peer connection of its pages counted."""
    context = browser.new_context(permissions=["camera", "microphone"], **options)
    context.add_init_script(COUNT_PEER_CONNECTIONS)
    context.route("**/test/*", _serve_test_page)
    context.set_default_timeout(20_000)
    return context


def _serve_test_page(route: Route) -> None:
    """Files of `pages/` and the built SDK stand beside the server's own pages, on the same origin."""
    name = route.request.url.split("?")[0].rsplit("/", 1)[1]
    path = SDK if name == "sdk.js" else PAGES / name
    route.fulfill(body=path.read_bytes(), content_type=mimetypes.guess_type(name)[0] or "text/plain")


def wait_for_media(page: Page, peers: int, *, frames: int = 15, samples: int = 24_000) -> None:
    """Return when exactly `peers` connections live, and each has since brought so many more pictures and sounds."""
    page.evaluate(WAIT_FOR_MEDIA, [peers, frames, samples, 20_000])
