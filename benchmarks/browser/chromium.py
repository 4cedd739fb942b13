"""Chromium with pages that load nothing but what stands in `pages/`, the SDK and the rivals' own bundles."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Error, Page, Route, async_playwright

from ..scenarios import Contestant, Scenario
from ..servers import Cores
from .distance import FarMembers

__all__ = ["PageScenario", "broken_pages", "call", "two_pages"]

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
_MODULES = _HERE.parent / "node_modules"
_LIBRARIES = {
    "sheetbend.js": _ROOT / "web" / "sdk" / "dist" / "index.js",
    "peerjs.js": _MODULES / "peerjs" / "dist" / "peerjs.min.js",
    "simple-peer.js": _MODULES / "simple-peer" / "simplepeer.min.js",
}
_FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Else each candidate is a name to look up by multicast, which not every machine answers.
    "--disable-features=LocalNetworkAccessChecks,WebRtcHideLocalIpsWithMdns",
    # So that a machine without a network will do.
    "--allow-loopback-in-peer-connection",
]
_CALL = "async ([module, verb, options]) => (await import(module))[verb](options)"
_TIMEOUT_MS = 20_000


class PageScenario(Scenario[Contestant]):
    """All contestants in one browser, each with two pages of its own."""

    _browser: Browser

    @asynccontextmanager
    async def stage(self, cores: Cores) -> AsyncIterator[None]:
        """Start Chromium, on both cores: it has more to do than any server here."""
        path = shutil.which("chromium")
        if path is None:
            raise RuntimeError("there is no Chromium: scripts/install-package.sh chromium chromium")
        if missing := [str(library) for library in _LIBRARIES.values() if not library.is_file()]:
            raise RuntimeError(f"not built or installed: {', '.join(missing)}; `make bench` does both")
        with _on({cores.server, cores.generator}):
            playwright = await async_playwright().start()
            try:
                self._browser = await playwright.chromium.launch(executable_path=path, args=_FLAGS)
            except Error as error:
                await playwright.stop()
                raise RuntimeError(f"Chromium didn't start: {error}") from error
        try:
            yield
        finally:
            await self._browser.close()
            await playwright.stop()


@asynccontextmanager
async def two_pages(browser: Browser, port: int, round_trip_s: float = 0.0) -> AsyncIterator[tuple[Page, Page]]:
    """Open two tabs of one profile, on the origin of the server at `port`, so that it lets them connect.

    What they send each other by UDP takes `round_trip_s` there and back.
    """
    others: list[FarMembers] = []
    with broken_pages():
        context = await browser.new_context()
        await context.route("**/benchmark/**", _serve)
        context.set_default_timeout(_TIMEOUT_MS)
        pages = await context.new_page(), await context.new_page()
        for page in pages:
            if round_trip_s:
                others.append(await _set_apart(page, round_trip_s))
            await page.goto(f"http://127.0.0.1:{port}/benchmark/blank.html")
    try:
        yield pages
    finally:
        await context.close()
        for other in others:
            other.close()


async def call(page: Page, module: str, verb: str, **options: Any) -> Any:
    """Call an exported function of a module in `pages/`. Raises TimeoutError if it takes too long."""
    with broken_pages():
        async with asyncio.timeout(_TIMEOUT_MS / 1e3):
            return await page.evaluate(_CALL, [f"/benchmark/{module}.js", verb, options])


async def _set_apart(page: Page, round_trip_s: float) -> FarMembers:
    """Have what the page sends to members travel for a while, by ports of its own."""
    others = FarMembers(round_trip_s)
    await page.expose_function("leadTo", others.lead_to)
    script = (_HERE / "pages" / "far.js").read_text().replace("FAR_PORTS", str(others.ports))
    await page.add_init_script(f"{{{script}}}")
    return others


@contextmanager
def broken_pages() -> Iterator[None]:
    """Make Playwright's errors those that a scenario ends a contestant with."""
    try:
        yield
    except Error as error:
        raise RuntimeError(error.message) from error


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    """Start child processes on other cores than this one's."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


async def _serve(route: Route) -> None:
    name = route.request.url.split("?")[0].partition("/benchmark/")[2]
    path = _LIBRARIES.get(name.removeprefix("lib/")) or _HERE / "pages" / name
    content_type = mimetypes.guess_type(name)[0] or "text/plain"
    await route.fulfill(body=path.read_bytes(), content_type=content_type)
