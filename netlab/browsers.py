"""Chromium inside a peer's host: a process of its own, whose only network is the lab's.

Playwright talks to it through a pipe, which knows no namespaces. The lab's pages come that way too: they stand on the
server's origin without being fetched from it, so that a page opens in every network.
"""

from __future__ import annotations

import mimetypes
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Route

from .lab import ROOT, Peer
from .server import Server

__all__ = ["SDK", "Person", "person"]

SDK = ROOT / "web" / "sdk" / "dist" / "index.js"
_BUILT = {"sdk.js": SDK, "sdk-files.js": SDK.parent / "files" / "index.js"}
PAGES = Path(__file__).parent / "pages"

FLAGS = [
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page that the lab answers itself has no address, and would count as one from elsewhere.
    "--disable-features=LocalNetworkAccessChecks",
]


class Person:
    """Somebody with a browser at a peer's host."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._context: BrowserContext | None = None

    def open(self, name: str) -> Page:
        """Open one of the lab's pages in a fresh profile, in place of the last one."""
        self.close()
        self._context = self._browser.new_context(permissions=["camera", "microphone"], ignore_https_errors=True)
        self._context.set_default_timeout(30_000)
        self._context.route("**/netlab/*", _serve)
        page = self._context.new_page()
        page.goto(f"{Server.url}netlab/{name}")
        page.wait_for_function("() => window.lab")
        return page

    def close(self) -> None:
        """Close the page, so that it leaves its room."""
        if self._context is not None:
            self._context.close()
            self._context = None


@contextmanager
def person(playwright: Playwright, peer: Peer) -> Iterator[Person]:
    """Start a Chromium at the peer's host."""
    with tempfile.TemporaryDirectory(prefix="sheetbend-lab-") as folder:
        script = Path(folder, "chromium")
        script.write_text(f'#!/bin/sh\nexec {shlex.join(peer.host.inside(["chromium"]))} "$@"\n')
        script.chmod(0o700)
        browser = playwright.chromium.launch(executable_path=script, args=FLAGS)
        try:
            yield Person(browser)
        finally:
            browser.close()


def _serve(route: Route) -> None:
    name = route.request.url.split("?")[0].rsplit("/", 1)[1]
    path = _BUILT.get(name, PAGES / name)
    route.fulfill(body=path.read_bytes(), content_type=mimetypes.guess_type(name)[0] or "text/plain")
