"""The room app, driven as people would, with a picture of every page in `artifacts/`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, WebSocket, expect

from tests.e2e.browsers import ARTIFACTS, wait_for_media
from tests.support.process import ServerProcess
from tests.support.tokens import OTHER_SECRET, SECRET

Person = Callable[..., BrowserContext]

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def token_server() -> Iterator[ServerProcess]:
    with ServerProcess(["--auth", "token"], environment={"SHEETBEND_TOKEN_SECRET": SECRET}) as process:
        yield process


def mint(*arguments: str, secret: str = SECRET) -> str:
    """A token as people make one: `sheetbend token`."""
    done = subprocess.run(
        [sys.executable, "-m", "sheetbend", "token", *arguments],
        env={**os.environ, "SHEETBEND_TOKEN_SECRET": secret},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


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


def enter(person: Person, url: str, name: str, **options: Any) -> Page:
    """Somebody in the room at `url`."""
    page = new_page(person(**(options or DESKTOP)), [])
    page.goto(url)
    join(page, name)
    return page


def knock(person: Person, url: str, name: str, **options: Any) -> Page:
    """Somebody in the lobby of the room at `url`."""
    page = new_page(person(**(options or DESKTOP)), [])
    page.goto(url)
    ask_to_join(page, name)
    expect(page.get_by_role("heading", name="Somebody has to let you in")).to_be_visible()
    return page


def ask_to_join(page: Page, name: str) -> None:
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join", exact=True).click()


def set_access(page: Page, choice: str) -> None:
    page.get_by_role("button", name=re.compile("Who may enter")).click()
    page.get_by_role("radio", name=choice).check()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=f"Who may enter: {choice.lower()}")).to_be_visible()


def act_on(page: Page, member: str, action: str) -> None:
    """A moderator does something about a member, the members panel being open."""
    page.get_by_role("button", name=f"Actions for {member}").click()
    page.get_by_role("button", name=action).click()


def say(page: Page, text: str) -> None:
    """The chat panel being open."""
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("log").get_by_text(text, exact=True)).to_be_visible()


def show_token(page: Page, token: str) -> None:
    page.get_by_role("textbox", name="Token").fill(token)
    page.get_by_role("button", name="Join").click()


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
        ada, bob = pages
        for page in pages:
            page.get_by_role("button", name="Chat").click()
            expect(page.get_by_text("Some messages may be missing")).to_be_visible()
        say(ada, "still here")
        expect(bob.get_by_role("log").get_by_text("still here")).to_be_visible()
        picture(ada, "gap")


def test_a_moderator_lets_people_in_from_the_lobby_or_not(server: ServerProcess, person: Person) -> None:
    url = f"{server.url}r/lobby"
    ada = enter(person, url, "Ada")
    set_access(ada, "Only those who are let in")
    bob = knock(person, url, "Bob", **PHONE, color_scheme="dark")
    assert_fits(bob)
    picture(bob, "waiting-phone-dark")
    expect(ada.get_by_text("Bob is waiting to be let in").first).to_be_visible()
    expect(ada).to_have_title(re.compile("Somebody waits"))
    picture(ada, "knock")
    ada.get_by_role("button", name="Admit Bob").click()
    expect(bob.get_by_role("button", name="Leave")).to_be_visible()
    expect(ada.get_by_role("button", name="Admit Bob")).to_have_count(0)
    wait_for_media(bob, peers=1)

    cleo = knock(person, url, "Cleo")
    picture(cleo, "waiting")
    dan = knock(person, url, "Dan")
    ada.get_by_role("button", name="Show all").click()
    picture(ada, "lobby-list")
    expect(bob.get_by_role("button", name=re.compile("Admit"))).to_have_count(0)
    ada.get_by_role("button", name="Turn Cleo away").click()
    expect(cleo.get_by_role("heading", name="You weren't let in")).to_be_visible()
    picture(cleo, "not-admitted")
    dan.get_by_role("button", name="Cancel").click()
    expect(dan.get_by_role("button", name="Join", exact=True)).to_be_visible()
    expect(ada.get_by_role("heading", name="Waiting to be let in")).to_have_count(0)

    cleo.get_by_role("button", name="Ask again").click()
    expect(cleo.get_by_role("heading", name="Somebody has to let you in")).to_be_visible()
    set_access(ada, "Anybody with the link")
    expect(cleo.get_by_role("button", name="Leave")).to_be_visible()


def test_on_a_phone_a_knock_is_seen_over_the_chat(server: ServerProcess, person: Person) -> None:
    url = f"{server.url}r/knock"
    ada = enter(person, url, "Ada", **PHONE)
    set_access(ada, "Only those who are let in")
    ada.get_by_role("button", name="Chat").click()
    bob = knock(person, url, "Bob")
    expect(ada.get_by_role("button", name="Admit Bob")).to_be_visible()
    assert_fits(ada)
    picture(ada, "knock-phone")
    ada.get_by_role("button", name="Admit Bob").click()
    expect(bob.get_by_role("button", name="Leave")).to_be_visible()
    assert ada.evaluate("() => document.activeElement !== document.body"), "the focus is lost"


def test_a_locked_room_takes_nobody_new_and_says_so(server: ServerProcess, person: Person) -> None:
    url = f"{server.url}r/locked"
    ada = enter(person, url, "Ada")
    bob = enter(person, url, "Bob")
    set_access(ada, "Nobody new")
    bob.get_by_role("button", name="Who may enter: nobody new").click()
    expect(bob.get_by_text("Moderator: Ada")).to_be_visible()
    expect(bob.get_by_role("radio")).to_have_count(0)
    picture(bob, "access-member")
    ada.get_by_role("button", name=re.compile("Who may enter")).click()
    picture(ada, "access-moderator")
    ada.keyboard.press("Escape")
    cleo = new_page(person(**DESKTOP), [])
    cleo.goto(url)
    ask_to_join(cleo, "Cleo")
    expect(cleo.get_by_role("heading", name="This room is locked")).to_be_visible()
    picture(cleo, "locked")
    set_access(ada, "Anybody with the link")
    cleo.get_by_role("button", name="Try again").click()
    expect(cleo.get_by_role("button", name="Leave")).to_be_visible()
    wait_for_media(cleo, peers=2)


def test_a_moderator_mutes_the_chat_of_a_member(server: ServerProcess, person: Person) -> None:
    url = f"{server.url}r/chat-muted"
    ada = enter(person, url, "Ada")
    bob = enter(person, url, "Bob")
    bob.get_by_role("button", name="Chat").click()
    message = bob.get_by_role("textbox", name="Message")
    message.fill("half a thou")
    ada.get_by_role("button", name="Members").click()
    act_on(ada, "Bob", "Mute chat")
    expect(message).not_to_be_editable()
    expect(message).to_have_accessible_description(re.compile("muted your chat"))
    expect(message).to_have_value("half a thou")
    expect(ada.get_by_role("dialog").get_by_text("Chat muted")).to_be_visible()
    picture(bob, "chat-muted")
    picture(ada, "member-actions")
    ada.get_by_role("button", name="Allow chat again").click()
    expect(message).to_be_editable()
    say(bob, "half a thought")


def test_a_moderator_asks_for_silence_and_one_may_speak_again(server: ServerProcess, person: Person) -> None:
    url = f"{server.url}r/ask"
    ada = enter(person, url, "Ada")
    bob = enter(person, url, "Bob")
    wait_for_media(ada, peers=1)
    ada.get_by_role("button", name="Members").click()
    act_on(ada, "Bob", "Ask to mute microphone")
    expect(bob.get_by_role("button", name="Unmute microphone")).to_be_visible()
    expect(bob.get_by_text("Ada asked you to mute your microphone").first).to_be_visible()
    expect(ada.get_by_role("button", name="Ask to mute microphone")).to_have_count(0)
    expect(bob.get_by_role("button", name="Turn camera off")).to_be_visible()
    picture(bob, "asked-to-mute")
    ada.get_by_role("button", name="Ask to turn camera off").click()
    expect(bob.get_by_role("button", name="Turn camera on")).to_be_visible()
    bob.get_by_role("button", name="Unmute microphone").click()
    bob.get_by_role("button", name="Turn camera on").click()
    wait_for_media(ada, peers=1)


def test_who_was_removed_cannot_come_back(token_server: ServerProcess, person: Person) -> None:
    url = f"{token_server.url}r/removed"
    rights = ("--can", "publish", "--can", "subscribe", "--can", "message", "--can", "moderate")
    pages: list[Page] = []
    for name, can in (("Ada", rights), ("Bob", ())):
        page = new_page(person(**DESKTOP), [])
        page.goto(url)
        ask_to_join(page, name)
        show_token(page, mint("--sub", name, "--room", "removed", *can))
        expect(page.get_by_role("button", name="Leave")).to_be_visible()
        pages.append(page)
    ada, bob = pages
    ada.get_by_role("button", name="Members").click()
    act_on(ada, "Bob", "Remove from room")
    confirm = ada.get_by_role("dialog", name="Remove Bob?")
    expect(confirm.get_by_role("button", name="Cancel")).to_be_focused()
    picture(ada, "remove-dialog")
    confirm.get_by_role("button", name="Cancel").click()
    expect(ada.get_by_role("button", name="Remove from room")).to_be_focused()
    ada.get_by_role("button", name="Remove from room").click()
    confirm.get_by_role("button", name="Remove").click()
    expect(bob.get_by_role("heading", name="A moderator removed you")).to_be_visible()
    expect(bob.get_by_role("button", name="Back to the lobby")).to_have_count(0)
    picture(bob, "removed")
    expect(ada.get_by_role("button", name="Actions for Bob")).to_have_count(0)
    assert ada.evaluate("() => document.activeElement !== document.body"), "the focus is lost"
    bob.reload()
    ask_to_join(bob, "Robert")
    expect(bob.get_by_role("heading", name="You can't come back into this room")).to_be_visible()
    picture(bob, "banned")


def test_when_the_moderator_leaves_another_one_takes_over(server: ServerProcess, person: Person) -> None:
    url = f"{server.url}r/handover"
    ada = enter(person, url, "Ada")
    bob = enter(person, url, "Bob")
    cleo = enter(person, url, "Cleo")
    bob.get_by_role("button", name="Members").click()
    expect(bob.get_by_role("button", name=re.compile("Actions for"))).to_have_count(0)
    ada.get_by_role("button", name="Leave").click()
    expect(bob.get_by_text("You are a moderator of this room now").first).to_be_visible()
    expect(bob.get_by_role("button", name="Actions for Cleo")).to_be_visible()
    set_access(bob, "Nobody new")
    expect(cleo.get_by_role("button", name="Who may enter: nobody new")).to_be_visible()


def test_a_latecomer_reads_what_was_said_before(server: ServerProcess, person: Person) -> None:
    url = f"{server.url}r/history"
    ada = enter(person, url, "Ada")
    ada.get_by_role("button", name="Chat").click()
    say(ada, "the code is 4711")
    bob = enter(person, url, "Bob", **PHONE)
    expect(bob.get_by_role("button", name="Chat")).not_to_have_accessible_description(re.compile("unread"))
    bob.get_by_role("button", name="Chat").click()
    say(ada, "hello Bob")
    log = bob.get_by_role("log")
    expect(log.get_by_text("hello Bob")).to_be_visible()
    texts = log.locator(".chat-text, .chat-divider").all_inner_texts()
    assert texts == ["the code is 4711", "You joined", "hello Bob"]
    expect(ada.get_by_text("You joined")).to_have_count(0)
    picture(bob, "history-phone")


def test_the_token_page_takes_a_token_and_says_what_is_wrong_with_it(
    token_server: ServerProcess, person: Person
) -> None:
    complaints: list[str] = []
    page = new_page(person(**DESKTOP), complaints)
    page.goto(f"{token_server.url}r/tokens")
    ask_to_join(page, "Ada")
    expect(page.get_by_role("heading", name="This room asks for a token")).to_be_visible()
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("alert")).to_have_text("Paste the token first.")
    picture(page, "token")
    show_token(page, mint("--sub", "ada", "--room", "tokens", secret=OTHER_SECRET))
    expect(page.get_by_role("heading", name="The server doesn't accept this token")).to_be_visible()
    show_token(page, mint("--sub", "ada", "--room", "another"))
    expect(page.get_by_role("heading", name="Your token isn't for this room")).to_be_visible()
    token = mint("--sub", "ada", "--room", "tokens", "--name", "Ada of the token")
    show_token(page, f" {token[:40]}\n{token[40:]} ")
    expect(page.get_by_role("button", name="Leave")).to_be_visible()
    expect(page.get_by_text("Ada of the token (you)").first).to_be_attached()
    page.reload()
    join(page, "Another name")
    expect(page.get_by_text("Ada of the token (you)").first).to_be_attached()
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Your name").fill("Another name")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Your name stays as it was").first).to_be_visible()
    assert page.url == f"{token_server.url}r/tokens"
    assert page.evaluate("() => localStorage.length && !JSON.stringify(localStorage).includes('eyJ')")
    assert token not in token_server.errors
    assert complaints == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_lobby_takes_a_token_before_the_server_asks(
    token_server: ServerProcess, person: Person, size: dict[str, Any]
) -> None:
    complaints: list[str] = []
    page = new_page(person(**size), complaints)
    page.goto(f"{token_server.url}r/lobby-token")
    expect(page.get_by_role("textbox", name="Token")).to_be_hidden()
    page.get_by_text("I have a token").click()
    field = page.get_by_role("textbox", name="Token")
    field.fill("one that was cut o")
    picture(page, f"lobby-token-{size['viewport']['width']}")
    assert_fits(page)
    ask_to_join(page, "Ada")
    expect(page.get_by_role("heading", name="The server doesn't accept this token")).to_be_visible()
    page.get_by_role("button", name="Back to the lobby").click()
    page.get_by_text("I have a token").click()
    expect(field).to_have_value("")
    field.fill(mint("--sub", "ada", "--room", "lobby-token", "--name", "Ada of the token"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Leave")).to_be_visible()
    expect(page.get_by_text("Ada of the token (you)").first).to_be_attached()
    page.reload()
    ask_to_join(page, "Ada")
    expect(page.get_by_role("button", name="Leave")).to_be_visible()
    assert complaints == []


def test_a_token_in_the_lobby_does_nothing_where_none_is_asked_for(server: ServerProcess, person: Person) -> None:
    page = new_page(person(**PHONE), [])
    page.goto(f"{server.url}r/open")
    page.get_by_text("I have a token").click()
    page.get_by_role("textbox", name="Token").fill("whatever")
    ask_to_join(page, "Ada")
    expect(page.get_by_role("button", name="Leave")).to_be_visible()


def test_a_token_that_runs_out_ends_the_call_and_is_explained(token_server: ServerProcess, person: Person) -> None:
    page = new_page(person(**PHONE), [])
    page.goto(f"{token_server.url}r/short")
    ask_to_join(page, "Ada")
    show_token(page, mint("--sub", "ada", "--room", "short", "--expires", "3s"))
    expect(page.get_by_role("button", name="Leave")).to_be_visible()
    expect(page.get_by_role("heading", name="The time of your token is over")).to_be_visible(timeout=30_000)
    picture(page, "token-expired-phone")
    show_token(page, mint("--sub", "ada", "--room", "short"))
    expect(page.get_by_role("button", name="Leave")).to_be_visible()
    expect(page.get_by_role("button", name="Mute microphone", exact=True)).to_be_visible()


def test_who_may_only_watch_has_no_switches_and_no_say(token_server: ServerProcess, person: Person) -> None:
    url = f"{token_server.url}r/watch"
    page = new_page(person(**PHONE), [])
    page.goto(url)
    ask_to_join(page, "Ada")
    show_token(page, mint("--sub", "ada", "--room", "watch", "--can", "subscribe"))
    expect(page.get_by_role("button", name="Leave")).to_be_visible()
    expect(page.get_by_text("You can see and hear the others")).to_be_visible()
    for name in ("microphone", "camera", "screen"):
        expect(page.get_by_role("button", name=re.compile(name, re.I))).to_have_count(0)
    bob = new_page(person(**DESKTOP), [])
    bob.goto(url)
    ask_to_join(bob, "Bob")
    show_token(bob, mint("--sub", "bob", "--room", "watch"))
    expect(bob.get_by_role("button", name="Leave")).to_be_visible()
    expect(page.locator("video").first).to_be_visible()
    assert_fits(page)
    picture(page, "watch-phone")
    page.get_by_role("button", name="Chat").click()
    expect(page.get_by_role("textbox", name="Message")).not_to_be_editable()
    expect(page.get_by_text("You can read along here, but not write.")).to_be_visible()


def test_on_a_phone_the_focus_returns_from_a_panel(server: ServerProcess, person: Person) -> None:
    page = enter(person, f"{server.url}r/focus", "Ada", **PHONE)
    for name in ("Chat", "Members"):
        page.get_by_role("button", name=name).click()
        page.get_by_role("button", name=f"Close {name.lower()}").click()
        expect(page.get_by_role("button", name=name)).to_be_focused()


def test_a_message_that_is_refused_says_why_and_can_be_sent_again(person: Person) -> None:
    with ServerProcess(["--rate-messages", "0.5"]) as server:
        page = enter(person, f"{server.url}r/refused", "Ada")
        page.get_by_role("button", name="Chat").click()
        log = page.get_by_role("log")
        for number in range(4):
            page.get_by_role("textbox", name="Message").fill(f"number {number}")
            page.keyboard.press("Enter")
        alert = log.get_by_role("alert").filter(has_text="Not sent. That was too much at once for the server.")
        expect(alert.first).to_contain_text("Try again in")
        expect(log.get_by_text("Sending…")).to_have_count(0)
        picture(page, "refused-message")
        for _ in range(30):  # until the rate allows all of them
            if alert.count() == 0:
                break
            log.get_by_role("button", name="Send again").first.click()
            expect(log.get_by_text("Sending…")).to_have_count(0)
            page.wait_for_timeout(1_000)
        texts = log.locator(".chat-text").all_inner_texts()
        assert sorted(texts) == [f"number {number}" for number in range(4)]
        expect(alert).to_have_count(0)


def test_members_see_how_they_reach_each_other_and_compare_words(server: ServerProcess, person: Person) -> None:
    complaints: list[str] = []
    ada = new_page(person(**DESKTOP), complaints)
    ada.goto(server.url)
    ada.get_by_role("button", name="Create a room").click()
    ada.wait_for_url("**/r/*#*")
    join(ada, "Ada")
    bob = enter(person, ada.url, "Bob", **PHONE, color_scheme="dark")
    words = []
    for page, other in ((ada, "Bob"), (bob, "Ada")):
        page.get_by_role("button", name=f"Connection with {other}: Direct, good").wait_for()
        page.get_by_role("button", name="Members").click()
        panel = page.get_by_role("dialog", name="Members")
        expect(panel.get_by_text("Sealed by its link.")).to_be_visible()
        expect(panel.locator(".member-detail").get_by_text("Direct")).to_be_visible()
        picture(page, f"members-{other.lower()}")
        panel.get_by_role("button", name=f"Connection with {other}").click()
        dialog = page.get_by_role("dialog", name=f"Connection with {other}")
        expect(dialog.get_by_text(re.compile(r"^\d+ ms$")).first).to_be_visible()
        expect(dialog.get_by_text(re.compile(r"^\d+ kbit/s$"))).to_be_visible()
        words.append(dialog.get_by_role("list", name="Safety words").inner_text())
        expect(dialog.get_by_label("has the same words")).not_to_be_checked()
        dialog.get_by_label("has the same words").check()
        picture(page, f"connection-{other.lower()}")
        dialog.get_by_role("button", name="Close").click()
        expect(panel.get_by_text("Words compared")).to_be_visible()
        panel.get_by_role("button", name="Close members").click()
        picture(page, f"verified-{other.lower()}")
        assert_fits(page)
    assert len(words[0].split()) == 14
    assert words[0] == words[1]
    ada.get_by_role("button", name="Connection with Bob: Direct, good, words compared").focus()
    ada.keyboard.press("Enter")
    expect(ada.get_by_role("dialog", name="Connection with Bob")).to_be_visible()
    ada.keyboard.press("Escape")
    expect(ada.get_by_role("button", name="Connection with Bob")).to_be_focused()
    assert complaints == []


@pytest.mark.parametrize("link", ["shut", "shut#other", "shut#s3cret%"])
def test_somebody_with_another_link_is_named_and_reaches_nobody(
    server: ServerProcess, person: Person, link: str
) -> None:
    ada = enter(person, f"{server.url}r/shut#s3cret", "Ada")
    bob = enter(person, f"{server.url}r/{link}", "Bob")
    for page, other in ((ada, "Bob"), (bob, "Ada")):
        expect(page.locator(".tile-state").get_by_text("Has another link")).to_be_visible()
        button = page.get_by_role("button", name=f"Connection with {other}: none, they have another link")
        button.click()
        dialog = page.get_by_role("dialog", name=f"Connection with {other}")
        expect(dialog.get_by_text(f"{other} has another link: you can't reach each other")).to_be_visible()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Chat").click()
        news = page.get_by_role("log").get_by_text(f"{other} has another link: you can't reach each other")
        expect(news).to_have_count(1)
    picture(ada, "other-link")


def test_what_stands_behind_the_hash_stays_in_this_page(server: ServerProcess, person: Person) -> None:
    context = person(**DESKTOP)
    spoken: list[str] = []
    page = new_page(context, spoken)
    page.on("console", lambda message: spoken.append(message.text))
    page.on("request", lambda request: spoken.extend([request.url, str(request.headers), str(request.post_data)]))

    def hear(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: spoken.append(str(frame)))

    page.on("websocket", hear)
    page.goto(server.url)
    # As the invitation shows a link, which is what people select and paste.
    page.get_by_label("Room name").fill(f"{server.url.partition('//')[2]}r/Quiet#S3cretWord")
    page.get_by_role("button", name="Enter room").click()
    page.wait_for_url("**/r/Quiet#S3cretWord")
    join(page, "Ada")
    expect(page.get_by_text("/r/Quiet#S3cretWord")).to_be_visible()
    enter(person, page.url, "Bob")
    page.get_by_role("button", name="Connection with Bob: Direct").wait_for()
    spoken.append(page.evaluate("() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }])"))
    spoken.append(page.title())
    assert spoken and not [text for text in spoken if "s3cret" in text.lower()]


def test_where_nothing_can_be_sealed_a_room_with_a_secret_stays_shut(server: ServerProcess, person: Person) -> None:
    context = person(**PHONE)
    context.add_init_script(
        "crypto.subtle.generateKey = () => Promise.reject(new DOMException('', 'NotSupportedError'));"
    )
    page = new_page(context, [])
    page.goto(f"{server.url}r/shut#s3cret")
    ask_to_join(page, "Ada")
    expect(page.get_by_role("heading", name="This room can't be opened here")).to_be_visible()
    expect(page.get_by_text("https")).to_be_visible()
    picture(page, "unsealed-phone")
    page.goto(f"{server.url}r/by-name")
    join(page, "Ada")
    bob = enter(person, f"{server.url}r/by-name", "Bob")
    bob.get_by_role("button", name="Connection with Ada: Direct").click()
    expect(bob.get_by_role("heading", name="Not sealed")).to_be_visible()
    page.goto(f"{server.url}r/shut")
    join(page, "Ada")
    cyn = enter(person, f"{server.url}r/shut#s3cret", "Cyn")
    expect(cyn.locator(".tile-state").get_by_text("Has another link")).to_be_visible()
