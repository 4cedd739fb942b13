"""The browser SDK in real Chromium against the real server: calls that start, change and survive."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.e2e.browsers import SDK, wait_for_media
from tests.support.process import ServerProcess

Person = Callable[..., BrowserContext]

pytestmark = pytest.mark.skipif(not SDK.exists(), reason="The SDK is not built. To build it: make web")


def enter(context: BrowserContext, server: ServerProcess, name: str, *, camera: bool = True) -> Page:
    page = context.new_page()
    page.goto(f"{server.url}test/room.html?room=sdk")
    page.wait_for_function("() => window.program")
    page.evaluate("(name) => window.program.start(name)", name)
    if camera:
        page.evaluate("() => window.program.publishCamera()")
    return page


def events(page: Page, kind: str) -> list[list[Any]]:
    found: list[list[Any]] = page.evaluate("(kind) => window.program.events.filter(([type]) => type === kind)", kind)
    return found


def wait_for_event(page: Page, *prefix: Any) -> None:
    """Return when an event that begins so has happened."""
    page.wait_for_function(
        "(prefix) => window.program.events.some((event) =>"
        " JSON.stringify(event.slice(0, prefix.length)) === JSON.stringify(prefix))",
        arg=list(prefix),
    )


def peer_connection_count(page: Page) -> int:
    count: int = page.evaluate("() => window.peerConnections.length")
    return count


def test_two_tabs_have_picture_and_sound_both_ways(server: ServerProcess, person: Person) -> None:
    ada, bob = enter(person(), server, "Ada"), enter(person(), server, "Bob")
    for page in (ada, bob):
        wait_for_media(page, peers=1)
        assert sorted(event[2] for event in events(page, "track")) == ["audio", "video"]
        assert events(page, "error") == []
    ada.evaluate("() => window.room.send({ text: 'hello' })")
    wait_for_event(bob, "message", "Ada", {"text": "hello"})
    wait_for_event(ada, "message", "Ada", {"text": "hello"})


def test_three_tabs_see_and_hear_each_other(server: ServerProcess, person: Person) -> None:
    pages = [enter(person(), server, name) for name in ("Ada", "Bob", "Eve")]
    for page in pages:
        wait_for_media(page, peers=2)
        assert peer_connection_count(page) == 2


def test_somebody_without_a_camera_sees_and_hears(server: ServerProcess, person: Person) -> None:
    ada = enter(person(), server, "Ada")
    watcher = enter(person(), server, "Watcher", camera=False)
    wait_for_media(watcher, peers=1)
    assert events(ada, "track") == []


@pytest.mark.parametrize("round_number", range(3))
def test_both_sides_may_start_to_negotiate_at_once(server: ServerProcess, person: Person, round_number: int) -> None:
    ada = enter(person(), server, "Ada", camera=False)
    bob = enter(person(), server, "Bob", camera=False)
    for page in (ada, bob):
        page.wait_for_function("() => [...window.room.members.values()][0]?.connection === 'connected'")
    start_at = time.time() * 1000 + 300
    together = "async (at) => { while (Date.now() < at); await window.program.publishCamera(); }"
    at_once = "(start) => { window.done = (" + together + ")(start); }"
    for page in (ada, bob):
        page.evaluate(at_once, start_at)
    for page in (ada, bob):
        page.evaluate("() => window.done")
        wait_for_media(page, peers=1)
        assert page.evaluate("() => window.peerConnections.map((peer) => peer.signalingState)") == ["stable"]
        assert peer_connection_count(page) == 1


def test_a_screen_share_starts_and_stops_beside_the_camera(server: ServerProcess, person: Person) -> None:
    ada, bob = enter(person(), server, "Ada"), enter(person(), server, "Bob")
    wait_for_media(bob, peers=1)
    ada.evaluate("() => window.program.publishScreen()")
    key = bob.evaluate("() => [...window.room.members.keys()][0]")
    wait_for_event(bob, "track", key, "video", "screen")
    labels = "() => [...[...window.room.members.values()][0].streams.values()].map(({ label }) => label).sort()"
    assert bob.evaluate(labels) == ["camera", "screen"]
    bob.wait_for_function("() => [...document.querySelectorAll('video')].filter((v) => v.videoWidth > 0).length === 2")
    ada.evaluate("() => window.screenPublication.unpublish()")
    wait_for_event(bob, "streamremoved", key, "screen")
    assert bob.evaluate(labels) == ["camera"]
    wait_for_media(bob, peers=1)


def test_a_track_is_replaced_in_mid_call(server: ServerProcess, person: Person) -> None:
    ada, bob = enter(person(), server, "Ada"), enter(person(), server, "Bob")
    wait_for_media(bob, peers=1)
    ada.evaluate(
        """async () => {
          const canvas = Object.assign(document.createElement("canvas"), { width: 100, height: 50 });
          const context = canvas.getContext("2d");
          window.drawing = setInterval(() => { context.fillStyle = "#0f0"; context.fillRect(0, 0, 100, 50); }, 50);
          const [track] = canvas.captureStream().getVideoTracks();
          await window.cameraPublication.replaceTrack(window.camera.getVideoTracks()[0], track);
        }"""
    )
    bob.wait_for_function("() => [...document.querySelectorAll('video')].some((v) => v.videoWidth === 100)")
    assert len(events(bob, "track")) == 2, "no new track was announced"


def test_a_closed_tab_is_gone_at_once(server: ServerProcess, person: Person) -> None:
    ada, bob = enter(person(), server, "Ada"), enter(person(), server, "Bob")
    wait_for_media(ada, peers=1, frames=1, samples=1)
    bob.close(run_before_unload=False)
    wait_for_event(ada, "left")


def test_leaving_says_so_and_closes_everything(server: ServerProcess, person: Person) -> None:
    ada, bob = enter(person(), server, "Ada"), enter(person(), server, "Bob")
    wait_for_media(ada, peers=1, frames=1, samples=1)
    key = ada.evaluate("() => [...window.room.members.keys()][0]")
    bob.evaluate("() => window.room.leave()")
    wait_for_event(ada, "left", key, "leave")
    for page in (ada, bob):
        page.wait_for_function("() => window.peerConnections.every((peer) => peer.connectionState === 'closed')")
    assert bob.evaluate("() => window.room.state") == "closed"


def test_a_call_outlives_a_server_that_is_killed_for_five_seconds(person: Person) -> None:
    with ServerProcess() as server:
        ada, bob = enter(person(), server, "Ada"), enter(person(), server, "Bob")
        for page in (ada, bob):
            wait_for_media(page, peers=1)
        keys = [page.evaluate("() => [...window.room.members.keys()]") for page in (ada, bob)]
        port = server.port
    killed_at = time.monotonic()
    for page in (ada, bob):
        wait_for_event(page, "state", "reconnecting")
    while time.monotonic() < killed_at + 5:
        for page in (ada, bob):
            wait_for_media(page, peers=1)
    with ServerProcess(port=port):
        for page in (ada, bob):
            wait_for_event(page, "state", "connected")
            wait_for_media(page, peers=1)
        ada.evaluate("() => window.room.send('after')")
        bob.wait_for_function(
            "() => window.program.events.some(([type, , data]) => type === 'message' && data === 'after')"
        )
        bob.wait_for_function(
            "() => window.room.members.size === 1 && [...window.room.members.values()][0].name === 'Ada'"
        )
        for page, before in zip((ada, bob), keys, strict=True):
            assert page.evaluate("() => [...window.room.members.keys()]") == before, "the same members as before"
            assert peer_connection_count(page) == 1, "the same peer connection as before"
            assert events(page, "left") == []
        ada.evaluate("() => window.program.publishScreen()")
        wait_for_event(bob, "track", keys[1][0], "video", "screen")
