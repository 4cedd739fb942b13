"""The room app, driven as people would, with a picture of every page in `artifacts/`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from tests.e2e.browsers import ARTIFACTS, wait_for_media
from tests.support.process import ServerProcess

Person = Callable[..., BrowserContext]

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def new_page(context: BrowserContext, complaints: list[str]) -> Page:
    """A page whose console errors (Content-Security-Policy's among them) are written down."""
    page = context.new_page()

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


def picture(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", animations="disabled")


def join(page: Page, name: str) -> None:
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join", exact=True).click()
    expect(page.get_by_role("button", name="Leave")).to_be_visible()


def assert_fits(page: Page) -> None:
    """Nothing makes the page scroll sideways."""
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_two_people_create_a_room_talk_share_and_leave(server: ServerProcess, person: Person) -> None:
    complaints: list[str] = []
    ada = new_page(person(**DESKTOP), complaints)
    ada.goto(server.url)
    picture(ada, "home")
    ada.get_by_role("button", name="Create a room").click()
    ada.wait_for_url("**/r/*")
    expect(ada.locator("video")).to_be_visible()
    picture(ada, "lobby")
    join(ada, "Ada")
    expect(ada.get_by_text("Waiting for others")).to_be_visible()
    picture(ada, "alone")

    bob = new_page(person(**PHONE, color_scheme="dark"), complaints)
    bob.goto(ada.url)
    picture(bob, "lobby-phone-dark")
    join(bob, "Bob")
    for page in (ada, bob):
        wait_for_media(page, peers=1)
        assert_fits(page)
    expect(ada.locator("[data-member-key]")).to_have_count(2)
    picture(ada, "call")
    picture(bob, "call-phone-dark")

    bob.get_by_role("button", name="Chat").click()
    bob.get_by_role("textbox", name="Message").fill("<b>hello</b>")
    bob.keyboard.press("Enter")
    expect(ada.get_by_role("button", name="Chat")).to_have_accessible_description(re.compile("1 unread"))
    expect(ada).to_have_title(re.compile(r"^\(1\)"))
    ada.get_by_role("button", name="Chat").click()
    expect(ada.get_by_text("<b>hello</b>", exact=True)).to_be_visible()
    expect(ada).to_have_title(re.compile(r"^[^(]"))
    picture(ada, "chat")
    picture(bob, "chat-phone-dark")

    ada.get_by_role("button", name="Share screen").click()
    expect(bob.get_by_text("Ada's screen").first).to_be_attached()
    picture(ada, "sharing")
    ada.get_by_role("button", name="Stop sharing").click()
    expect(bob.get_by_text("Ada's screen")).to_have_count(0)

    ada.get_by_role("button", name="Leave").click()
    expect(ada.get_by_role("button", name=re.compile("Rejoin|Join again", re.I))).to_be_visible()
    picture(ada, "left")
    expect(bob.get_by_text("Waiting for others")).to_be_attached()
    assert complaints == []


def test_muting_and_the_camera_are_shown_to_the_others(server: ServerProcess, person: Person) -> None:
    pages = [new_page(person(**DESKTOP), []) for _ in range(2)]
    for page, name in zip(pages, ("Ada", "Bob"), strict=True):
        page.goto(f"{server.url}r/mute")
        join(page, name)
    ada, bob = pages
    wait_for_media(bob, peers=1)
    ada.get_by_role("button", name="Mute microphone", exact=True).click()
    expect(ada.get_by_role("button", name="Unmute microphone")).to_be_visible()
    ada.get_by_role("button", name="Turn camera off").click()
    expect(ada.get_by_role("button", name="Turn camera on")).to_be_visible()
    bob.get_by_role("button", name="Members").click()
    members = bob.get_by_role("complementary").or_(bob.get_by_role("dialog"))
    expect(members.get_by_text(re.compile("muted|microphone off", re.I)).first).to_be_attached()
    picture(bob, "members")
    live = "({ track }) => track?.kind === 'video' && track.readyState === 'live'"
    assert not ada.evaluate(f"() => window.peerConnections[0].getSenders().some({live})"), "the camera is let go"
    ada.get_by_role("button", name="Turn camera on").click()
    ada.get_by_role("button", name="Unmute microphone").click()
    wait_for_media(bob, peers=1)


def test_nine_people_have_a_tile_each(server: ServerProcess, person: Person) -> None:
    watcher = new_page(person(**DESKTOP), [])
    watcher.goto(f"{server.url}r/nine")
    join(watcher, "Watcher")
    context = person(**DESKTOP)
    for number in range(8):
        page = context.new_page()
        page.goto(f"{server.url}test/room.html?room=nine")
        page.wait_for_function("() => window.program")
        page.evaluate("(name) => window.program.start(name)", f"Guest {number}")
        expect(watcher.locator("[data-member-key]")).to_have_count(number + 2)
    boxes = [tile.bounding_box() for tile in watcher.locator("[data-member-key]").all()]
    assert all(box and box["width"] > 200 and box["height"] > 100 for box in boxes)
    picture(watcher, "nine")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("size", "options"), [("desktop", DESKTOP), ("phone", PHONE)])
def test_pages_fit_every_screen(
    server: ServerProcess, person: Person, size: str, options: dict[str, Any], scheme: str
) -> None:
    complaints: list[str] = []
    page = new_page(person(**options, color_scheme=scheme), complaints)
    for path, name in (("", "home"), ("r/fit", "lobby")):
        page.goto(server.url + path)
        expect(page.get_by_role("heading").first).to_be_visible()
        assert_fits(page)
        picture(page, f"{name}-{size}-{scheme}")
    join(page, "Ada")
    assert_fits(page)
    picture(page, f"room-{size}-{scheme}")
    assert complaints == []


def test_without_a_camera_one_joins_all_the_same(server: ServerProcess, person: Person) -> None:
    context = person(**DESKTOP)
    context.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); };"
    )
    page = new_page(context, [])
    page.goto(f"{server.url}r/denied")
    expect(page.get_by_text(re.compile("permission|allow|blocked", re.I)).first).to_be_visible()
    picture(page, "denied")
    join(page, "Ada")


def test_the_keyboard_is_enough(server: ServerProcess, person: Person) -> None:
    page = new_page(person(**DESKTOP), [])
    page.goto(f"{server.url}r/keys")
    page.get_by_label("Your name").focus()
    page.keyboard.type("Ada mvsc")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Leave")).to_be_visible()
    expect(page.get_by_role("button", name="Mute microphone", exact=True)).to_be_visible()
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))")  # it listens
    page.keyboard.press("m")
    expect(page.get_by_role("button", name="Unmute microphone")).to_be_visible()
    page.keyboard.press("c")
    message = page.get_by_role("textbox", name="Message")
    expect(message).to_be_focused()
    page.keyboard.type("m is a letter here")
    expect(page.get_by_role("button", name="Unmute microphone")).to_be_visible()
    page.keyboard.press("Escape")
    expect(message).to_have_count(0)


def test_a_server_that_goes_away_is_said_and_the_call_goes_on(person: Person) -> None:
    with ServerProcess() as server:
        pages = [new_page(person(**DESKTOP), []) for _ in range(2)]
        for page, name in zip(pages, ("Ada", "Bob"), strict=True):
            page.goto(f"{server.url}r/away")
            join(page, name)
        for page in pages:
            wait_for_media(page, peers=1)
        port = server.port
    for page in pages:
        expect(page.get_by_text(re.compile("Reconnecting")).first).to_be_visible()
        wait_for_media(page, peers=1)
    picture(pages[0], "reconnecting")
    with ServerProcess(port=port):
        for page in pages:
            expect(page.get_by_text(re.compile("Reconnecting"))).to_have_count(0, timeout=15_000)
            wait_for_media(page, peers=1)
            expect(page.locator("[data-member-key]")).to_have_count(2)
