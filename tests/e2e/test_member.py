"""What members send to each other, in real Chromium over real paths: sealed, and whole whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocket

from tests.e2e.browsers import SDK, wait_for_media
from tests.e2e.test_sdk import enter, events, open_page, wait_for_event
from tests.support.forwarder import Forwarder
from tests.support.process import ServerProcess
from tests.support.turn import free_port, needs_coturn

Person = Callable[..., BrowserContext]

pytestmark = pytest.mark.skipif(not SDK.exists(), reason="The SDK is not built. To build it: make web")

MEMBER = "[...room.members.values()][0]"


def start(context: BrowserContext, server: ServerProcess | Forwarder, name: str, **options: Any) -> Page:
    page = open_page(context, server)
    page.evaluate("([name, options]) => program.start(name, options)", [name, options])
    return page


def listen(context: BrowserContext) -> list[str | bytes]:
    """All that the page's WebSockets send and receive."""
    spoken: list[str | bytes] = []

    def note(data: str | bytes) -> None:
        spoken.append(data)

    def hear(socket: WebSocket) -> None:
        socket.on("framesent", note)
        socket.on("framereceived", note)

    def watch(page: Page) -> None:
        page.on("websocket", hear)

    context.on("page", watch)
    return spoken


def said(page: Page) -> list[Any]:
    return [data for _, data in events(page, "said")]


def wait_for_path(page: Page, path: str | None) -> None:
    page.wait_for_function(f"(path) => {MEMBER}?.path === path", arg=path)


@pytest.fixture
def forwarder(server: ServerProcess) -> Iterator[Forwarder]:
    with Forwarder(server.port) as between:
        yield between


def test_messages_go_over_the_relay_at_first_and_directly_as_soon_as_that_works(
    server: ServerProcess, person: Person
) -> None:
    ada, bob = start(person(), server, "Ada"), start(person(), server, "Bob")
    for page in (ada, bob):
        wait_for_path(page, "direct")
    assert [path for _, _, path in events(ada, "path")] == ["relay", "direct"]
    ada.evaluate(f"() => Promise.all([{MEMBER}.send('text'), {MEMBER}.send(new Uint8Array([1, 2, 255]))])")
    assert said(bob) == ["text", [1, 2, 255]]
    assert ada.evaluate(f"() => {MEMBER}.rttMs") < 1000


def test_what_the_server_relays_is_closed_to_it(server: ServerProcess, person: Person) -> None:
    context = person()
    spoken = listen(context)
    ada, bob = start(context, server, "Ada", relayOnly=True), start(person(), server, "Bob", relayOnly=True)
    ada.wait_for_function(f"() => {MEMBER}")
    ada.evaluate(f"() => {MEMBER}.send('for your eyes only'.repeat(50))")
    bob.evaluate(f"() => {MEMBER}.send('and for yours')")
    assert said(ada) == ["and for yours"]
    assert ada.evaluate(f"() => {MEMBER}.path") == "relay"
    assert sum(len(data) for data in spoken if isinstance(data, bytes)) > 900
    assert not [data for data in spoken if "eyes only" in str(data) or "for yours" in str(data)]


def test_a_stream_arrives_whole_though_the_connection_to_the_server_is_cut_and_then_every_other(
    forwarder: Forwarder, person: Person
) -> None:
    ada, bob = start(person(), forwarder, "Ada"), start(person(), forwarder, "Bob")
    wait_for_path(ada, "direct")
    ada.evaluate("() => { window.sent = program.stream('file', 40); }")
    with forwarder.cut():
        ada.wait_for_function("() => room.state === 'reconnecting'")
    ada.wait_for_function("() => room.state === 'connected'")
    # As when a network goes: the browser itself says nothing, and mends nothing.
    for page in (ada, bob):
        page.evaluate("() => peerConnections.forEach((each) => each.close())")
    digest, answer = ada.evaluate("() => sent")
    assert answer == "thanks"
    assert events(bob, "streamed") == [["streamed", "file", digest]]


def test_two_with_the_secret_see_and_hear_each_other_and_a_third_without_it_reaches_nobody(
    server: ServerProcess, person: Person
) -> None:
    ada, bob = (start(person(), server, name, secret="s3cret") for name in ("Ada", "Bob"))
    for page in (ada, bob):
        page.evaluate("() => program.publishCamera()")
    for page in (ada, bob):
        wait_for_media(page, peers=1)
        assert page.evaluate(f"() => {MEMBER}.sealing") == "secret"
    cyn = start(person(), server, "Cyn", secret="guess")
    for page in (ada, bob, cyn):
        page.wait_for_function("() => [...room.members.values()].some(({ connection }) => connection === 'failed')")
        assert {code for _, code in events(page, "error")} <= {"description_refused", "frame_refused"}
    ada.evaluate("() => room.members.forEach((member) => member.send('hello').catch(() => {}))")
    wait_for_event(bob, "said", "hello")
    assert said(cyn) == []


def test_ice_restarts_at_once_when_the_network_has_changed(server: ServerProcess, person: Person) -> None:
    ada, bob = start(person(), server, "Ada"), start(person(), server, "Bob")
    wait_for_path(ada, "direct")
    ufrag = "() => peerConnections[0].remoteDescription.sdp.match(/ice-ufrag:(\\S+)/)[1]"
    before = bob.evaluate(ufrag)
    ada.evaluate("() => window.dispatchEvent(new Event('online'))")
    bob.wait_for_function(f"(before) => ({ufrag})() !== before", arg=before)
    assert bob.evaluate(f"() => {MEMBER}.path") == "direct", "it went on meanwhile"


def test_candidates_come_to_an_end(server: ServerProcess, person: Person) -> None:
    context = person()
    spoken = listen(context)
    start(context, server, "Ada")
    bob = enter(person(), server, "Bob", camera=False)
    wait_for_path(bob, "direct")
    bob.wait_for_function("() => peerConnections[0].iceGatheringState === 'complete'")
    bob.evaluate(f"() => {MEMBER}.send('behind them')")
    ends = [data for data in spoken if '"sender"' in str(data) and '"candidate":""' in str(data)]
    assert len(ends) == 1


@needs_coturn
def test_relay_only_reaches_the_other_through_turn_and_gives_no_address_away(person: Person) -> None:
    flags = ["--host", "0.0.0.0", "--turn", "coturn", "--turn-port", str(free_port())]
    with ServerProcess([*flags, "--turn-relay-ports", "20000-32000"]) as server:
        context = person()
        spoken = listen(context)
        ada = start(context, server, "Ada", relayOnly=True)
        bob = start(person(), server, "Bob")
        for page in (ada, bob):
            wait_for_path(page, "turn")
        ada.evaluate(f"() => {MEMBER}.send('x')")
        assert said(bob) == ["x"]
        own = [data for data in spoken if isinstance(data, str) and '"target"' in data and "candidate:" in data]
        assert own
        assert not [text for text in own if "typ relay" not in text or "typ host" in text or "typ srflx" in text]
