"""Names and words that ran as scripts in other rooms' pages, shown by ours in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from tests.e2e.conftest import browser, person
from tests.support.clients import SUBPROTOCOL
from tests.support.frames import RawWebSocket, text
from tests.support.process import ServerProcess

__all__ = ["browser", "person"]

pytestmark = pytest.mark.e2e

Person = Callable[..., BrowserContext]

SCRIPTS = [
    "<img src=x onerror=hack()>",
    "<script>hack()</script>",
    '"><svg onload=hack()>',
    "javascript:hack()//",
    "{{constructor.constructor('hack()')()}}",
    "</title><iframe srcdoc='<script>parent.hack()</script>'>",
]
"""Each fits a display name."""

TRAP = "window.hacks = 0; window.hack = () => { window.hacks += 1; }; window.alert = window.hack;"
FOREIGN_ELEMENTS = (
    "iframe, object, embed, img[src='x'], svg[onload], script:not([src]), a[href^='javascript'], [onerror]"
)


@pytest.fixture
def page(server: ServerProcess, person: Person) -> Iterator[Page]:
    """Somebody in a room of the app. After the test no script but the app's has run, and none has been tried."""
    complaints: list[str] = []
    context = person(viewport={"width": 1280, "height": 800})
    context.add_init_script(TRAP)
    page = context.new_page()

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{server.url}r/xss")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Join", exact=True).click()
    expect(page.get_by_role("button", name="Leave")).to_be_visible()
    yield page
    assert page.evaluate("window.hacks") == 0
    assert page.locator(FOREIGN_ELEMENTS).count() == 0
    assert complaints == [], "the Content-Security-Policy would have reported a script here"


def intrude(server: ServerProcess, name: str) -> RawWebSocket:
    """Enter the room under `name`, with the same in every attribute that the app may show."""
    raw = RawWebSocket.open(server.port, subprotocol=SUBPROTOCOL)
    attributes = dict.fromkeys(
        ("name", "avatar", "color", "camera", "microphone", "screen", "hand", "status", "url"), name
    )
    raw.send(text("hello"), text("join", roomId="xss", name=name, attributes=attributes))
    raw.read_message()
    assert raw.read_message()["type"] == "roster"
    return raw


def test_a_display_name_is_text(server: ServerProcess, page: Page) -> None:
    """CVE-2022-31064 and CVE-2022-31065, BigBlueButton, CVE-2023-27054, MiroTalk, and CVE-2021-4124, Janus: a script as
    display name ran in the browsers of the others, in the list of members, the chat and the notices."""
    page.get_by_role("button", name="Members").click()
    intruders = [intrude(server, name) for name in SCRIPTS]
    for name in SCRIPTS:
        expect(page.get_by_text(name).first).to_be_visible()
    expect(page.locator("[data-member-key]")).to_have_count(len(SCRIPTS) + 1)
    for intruder in intruders:
        intruder.socket.close()


def test_a_chat_message_is_text(server: ServerProcess, page: Page) -> None:
    """CVE-2021-22886, Rocket.Chat: nested markup in a message became a script in the browser of its reader."""
    page.get_by_role("button", name="Chat").click()
    with intrude(server, SCRIPTS[0]) as intruder:
        for word in SCRIPTS:
            intruder.send(text("message", roomId="xss", data={"type": "chat", "text": word}))
            expect(page.locator(".chat-text").get_by_text(word, exact=True)).to_be_visible()
        for data in (
            {"type": "chat", "text": {"__html": SCRIPTS[0]}},
            {"type": "chat", "text": [SCRIPTS[0]]},
            SCRIPTS[0],
        ):
            intruder.send(text("message", roomId="xss", data=data))
        intruder.send(text("message", roomId="xss", data={"type": "chat", "text": "the last"}))
        expect(page.get_by_text("the last", exact=True)).to_be_visible()
        assert page.locator(".chat-text").count() == len(SCRIPTS) + 1


def test_an_attribute_makes_no_element(server: ServerProcess, page: Page) -> None:
    """CVE-2021-39205, Jitsi Meet: properties that JSON brought became parts of the page."""
    vnode = {"type": "img", "props": {"src": "x", "onerror": "hack()"}, "constructor": None, "__html": SCRIPTS[0]}
    with intrude(server, "Mallory") as intruder:
        hostile = dict.fromkeys(("name", "avatar", "color", "camera", "microphone", "hand", "__proto__"), vnode)
        intruder.send(text("update", roomId="xss", attributes=hostile))
        intruder.send(text("update", roomId="xss", name="Mallory again"))
        expect(page.get_by_text("Mallory again").first).to_be_visible()


@pytest.mark.parametrize("room", SCRIPTS[:3])
def test_a_rooms_name_is_text(server: ServerProcess, page: Page, room: str) -> None:
    """CVE-2021-4124, Janus: what stood in the link of a demo ran in the page."""
    page.goto(f"{server.url}r/{quote(room, safe='')}?name={quote(room)}#{quote(room)}")
    expect(page.get_by_label("Your name")).to_be_visible()
