"""The browser SDK in real Chromium against the real server: calls that start, change and survive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from sheetbend.server.token_claims import LEEWAY_S
from tests.e2e.browsers import SDK, wait_for_media
from tests.support.forwarder import Forwarder
from tests.support.process import ServerProcess
from tests.support.tokens import SECRET, forged

Person = Callable[..., BrowserContext]

pytestmark = pytest.mark.skipif(not SDK.exists(), reason="The SDK is not built. To build it: make web")


def open_page(context: BrowserContext, server: ServerProcess | Forwarder) -> Page:
    page = context.new_page()
    page.goto(f"{server.url}test/room.html?room=sdk")
    page.wait_for_function("() => window.program")
    return page


def enter(context: BrowserContext, server: ServerProcess | Forwarder, name: str, *, camera: bool = True) -> Page:
    page = open_page(context, server)
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
    user_ids = [page.evaluate("() => window.room.self.userId") for page in (ada, bob)]
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
            assert events(page, "gap") == [["gap", False]], "the room is another, and nobody hides it"
        assert all(
            page.evaluate("() => window.room.self.userId") != before
            for page, before in zip((ada, bob), user_ids, strict=True)
        )
        ada.evaluate("() => window.program.publishScreen()")
        wait_for_event(bob, "track", keys[1][0], "video", "screen")


SAY = "(texts) => { window.said = Promise.all(texts.map((text) => window.room.send(text))); }"


def test_a_dropped_connection_costs_neither_a_message_nor_a_member(server: ServerProcess, person: Person) -> None:
    with Forwarder(server.port) as network:
        ada, bob = enter(person(), network, "Ada"), enter(person(), server, "Bob")
        for page in (ada, bob):
            wait_for_media(page, peers=1, frames=1, samples=1)
        people = [page.evaluate("() => [...window.room.members.values()][0].userId") for page in (ada, bob)]
        came = [len(events(page, "member")) for page in (ada, bob)]
        ada.evaluate(SAY, ["Ada before"])
        wait_for_event(bob, "message", "Ada", "Ada before")
        with network.cut():
            wait_for_event(ada, "state", "reconnecting")
            ada.evaluate(SAY, ["Ada 1", "Ada 2"])
            bob.evaluate(SAY, ["Bob 1", "Bob 2"])
            bob.evaluate("() => window.said")
        wait_for_event(ada, "state", "connected")
        ada.evaluate("() => window.said")
        bob.evaluate(SAY, ["Bob 3"])
        wait_for_event(ada, "message", "Bob", "Bob 3")
        expected = ["Ada before", "Bob 1", "Bob 2", "Ada 1", "Ada 2", "Bob 3"]
        for page, user_id, members in zip((ada, bob), people, came, strict=True):
            assert [text for _, _, text, _ in events(page, "message")] == expected
            assert page.evaluate("() => [...window.room.members.values()][0].userId") == user_id
            assert len(events(page, "member")) == members
            assert events(page, "left") == events(page, "gap") == events(page, "error") == []
            assert peer_connection_count(page) == 1
            wait_for_media(page, peers=1)
        assert events(bob, "state") == [], "nobody else noticed"


def token_for(seconds: float, **claims: object) -> str:
    """Return a token that a session may use for so long."""
    return forged(payload={"sub": "ada", "room": "sdk", "exp": time.time() + seconds - LEEWAY_S, **claims})


@pytest.fixture
def strict_server() -> Iterator[ServerProcess]:
    with ServerProcess(["--auth", "token"], environment={"SHEETBEND_TOKEN_SECRET": SECRET}) as process:
        yield process


def test_a_token_is_refreshed_before_its_time_is_over(strict_server: ServerProcess, person: Person) -> None:
    ada = open_page(person(), strict_server)
    minted: list[str] = []

    def mint() -> str:
        minted.append(token_for(5))
        return minted[-1]

    ada.expose_function("mint", mint)
    ada.evaluate("() => window.program.start('Ada', { token: () => window.mint() })")
    ada.wait_for_timeout(11_000)
    assert len(minted) >= 3
    assert events(ada, "state") == events(ada, "error") == []
    assert ada.evaluate("() => window.room.state") == "connected"
    assert ada.evaluate("() => [...window.room.self.can].sort()") == ["message", "publish", "subscribe"]
    assert ada.evaluate("() => window.room.self.subject") == "ada"
    urls = ada.evaluate("() => performance.getEntries().map(({ name }) => name).join()")
    assert not any(token in urls or token in strict_server.errors for token in minted)


def test_a_token_that_is_not_renewed_ends_the_room(strict_server: ServerProcess, person: Person) -> None:
    ada = open_page(person(), strict_server)
    ada.evaluate("(token) => window.program.start('Ada', { token })", token_for(3))
    wait_for_event(ada, "closed", 4002, "token_expired")


@pytest.mark.parametrize(
    ("token", "code"), [(None, "token_required"), ("nonsense", "invalid_token"), (token_for(-60), "token_expired")]
)
def test_without_a_good_token_nobody_gets_in(
    strict_server: ServerProcess, person: Person, token: str | None, code: str
) -> None:
    ada = open_page(person(), strict_server)
    options = {} if token is None else {"token": token}
    start = "(options) => window.program.start('Ada', options).catch(({ code }) => code)"
    assert ada.evaluate(start, options) == code


def test_rights_to_media_are_kept_by_both_sides(strict_server: ServerProcess, person: Person) -> None:
    pages = []
    for name, can in (("Ada", ["publish", "subscribe"]), ("Bob", ["subscribe"]), ("Eve", ["publish"])):
        page = open_page(person(), strict_server)
        token = token_for(600, sub=name, name=name, can=can)
        page.evaluate("(token) => window.program.start('', { token })", token)
        pages.append(page)
    ada, bob, eve = pages
    refused = "() => window.program.publishCamera().catch(({ code }) => code)"
    assert bob.evaluate(refused) == "not_allowed"
    for page in (ada, eve):
        page.evaluate("() => window.program.publishCamera()")
    for page, seen in ((ada, ["Eve"]), (bob, ["Ada", "Eve"])):
        page.wait_for_function(
            "(names) => names.every((name) => [...window.room.members.values()]"
            ".some((member) => member.name === name && member.streams.size === 1))",
            arg=seen,
        )
    wait_for_event(eve, "connection")
    assert events(eve, "track") == []


def test_what_was_missed_is_told_when_the_session_is_lost(person: Person) -> None:
    with ServerProcess(["--resume-grace", "1"]) as server, Forwarder(server.port) as network:
        ada, bob = enter(person(), network, "Ada"), enter(person(), server, "Bob")
        for page in (ada, bob):
            wait_for_media(page, peers=1, frames=1, samples=1)
        keys = [page.evaluate("() => [...window.room.members.keys()]") for page in (ada, bob)]
        bob.evaluate(SAY, ["seen"])
        wait_for_event(ada, "message", "Bob", "seen")
        with network.cut():
            wait_for_event(ada, "state", "reconnecting")
            ada.evaluate(SAY, ["waited"])
            bob.evaluate(SAY, ["missed 1", "missed 2"])
            bob.evaluate("() => window.said")
            bob.wait_for_timeout(2500)
        ada.evaluate("() => window.said")
        for page in (ada, bob):
            wait_for_event(page, "message", "Ada", "waited")
            assert [text for _, _, text, _ in events(page, "message")] == ["seen", "missed 1", "missed 2", "waited"]
        assert events(ada, "gap") == [["gap", True]]
        for page, before in zip((ada, bob), keys, strict=True):
            assert page.evaluate("() => [...window.room.members.keys()]") == before
            assert events(page, "left") == []
            assert peer_connection_count(page) == 1
            wait_for_media(page, peers=1)


def test_a_moderator_keeps_the_door_and_order(server: ServerProcess, person: Person) -> None:
    ada = enter(person(), server, "Ada", camera=False)
    assert ada.evaluate("() => window.room.self.can.has('moderate')"), "whoever comes first"
    ada.evaluate("() => window.room.setAccess('lobby')")
    bob = open_page(person(), server)
    bob.evaluate("() => void window.program.start('Bob', { onWaiting: () => { window.waits = true; } })")
    bob.wait_for_function("() => window.waits")
    ada.wait_for_function("() => window.room.lobby.size === 1")
    ada.evaluate("() => window.room.admit([...window.room.lobby.keys()][0])")
    bob.wait_for_function("() => window.room?.access === 'lobby'")
    ada.wait_for_function("() => window.room.lobby.size === 0 && window.room.members.size === 1")
    ada.evaluate("() => { [window.bob] = window.room.members.values(); }")
    ada.evaluate("() => window.room.mute(window.bob, { messages: true, media: ['audio'] })")
    wait_for_event(bob, "muterequested", ["audio"], "Ada")
    assert bob.evaluate("() => window.room.send('hm').catch(({ code }) => code)") == "muted"
    ada.evaluate("() => window.room.mute(window.bob, { messages: false })")
    bob.evaluate("() => window.room.send('thanks')")
    assert bob.evaluate("() => window.room.setAccess('open').catch(({ code }) => code)") == "not_allowed"
    ada.evaluate("() => window.room.remove(window.bob)")
    wait_for_event(bob, "closed", 1000, "removed")
    wait_for_event(ada, "left", ada.evaluate("() => window.bob.key"), "removed")
