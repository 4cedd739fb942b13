"""Files between people in the room app: offered, taken or not, and what a cut connection does to them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.test_app import DESKTOP, PHONE, assert_fits, join, new_page, picture
from tests.support.process import ServerProcess

Person = Callable[..., BrowserContext]

MEGABYTE = 1_000_000

THROUGH_DOWNLOADS = "delete window.showSaveFilePicker;"
"""As browsers without the dialog are."""

TO_DISK = """
window.showSaveFilePicker = async ({ suggestedName }) => {
  if (!navigator.userActivation.isActive) throw new DOMException("", "SecurityError");
  const folder = await navigator.storage.getDirectory();
  return folder.getFileHandle(suggestedName, { create: true });
};
"""
"""The page's own file system in place of the dialog, which nobody can answer here; its files are written alike."""

SAVED = """
async (name) => {
  const folder = await navigator.storage.getDirectory();
  const file = await (await folder.getFileHandle(name)).getFile();
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
"""

RELAYED = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(url, ...rest) {
    super(window.isCut ? "ws://127.0.0.1:1/" : url, ...rest);
    window.sockets.push(this);
  }
};
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(options) { super({ ...options, iceServers: [], iceTransportPolicy: "relay" }); }
};
"""
"""Nothing gets through but the WebSocket, which can be cut."""

NO_CAMERA = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); };"
"""Pictures of people would take the time that the files need."""

DROP = """
(target, [name, text, ...types]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([text], name));
  for (const type of types.length ? types : ["dragover", "drop"])
    target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
}
"""

PASTE = """
([name, text]) => {
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([text], name));
  document.activeElement.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData }));
}
"""


def a_file(folder: Path, size: int, name: str = "holiday.zip") -> tuple[Path, str]:
    """A file and its SHA-256."""
    path = folder / name
    data = os.urandom(size)
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


def arrive(person: Person, url: str, name: str, *scripts: str, **options: Any) -> Page:
    context = person(**(options or DESKTOP))
    for script in (NO_CAMERA, *scripts):
        context.add_init_script(script)
    page = new_page(context, [])
    page.goto(url)
    join(page, name)
    return page


def send(page: Page, member: str, *paths: Path) -> None:
    """From the members panel, which is closed before and after."""
    page.get_by_role("button", name="Members").click()
    actions = page.get_by_role("button", name=f"Actions for {member}")
    direct = page.get_by_role("button", name=f"Send files to {member}")
    expect(actions.or_(direct)).to_be_visible()
    with page.expect_file_chooser() as chooser:
        if actions.count():
            actions.click()
            page.get_by_role("button", name="Send files…").click()
        else:
            direct.click()
    chooser.value.set_files([*paths])
    page.get_by_role("button", name="Close members").click()


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name="Files").get_by_role("listitem").filter(has_text=name)


def test_a_file_of_20_mb_arrives_as_it_was_sent(server: ServerProcess, person: Person, tmp_path: Path) -> None:
    path, digest = a_file(tmp_path, 20 * MEGABYTE)
    ada = arrive(person, f"{server.url}r/files", "Ada")
    scripts: list[str] = []
    bob_context = person(**PHONE, color_scheme="dark", accept_downloads=True)
    bob_context.add_init_script(NO_CAMERA + THROUGH_DOWNLOADS)
    complaints: list[str] = []
    bob = new_page(bob_context, complaints)
    bob.on("request", lambda request: scripts.append(request.url) if request.url.endswith(".js") else None)
    bob.goto(f"{server.url}r/files")
    join(bob, "Bob")
    assert [script for script in scripts if "/on-demand-" in script] == []

    send(ada, "Bob", path)
    expect(card(ada, "holiday.zip")).to_contain_text("Waiting for Bob to accept")
    offer = card(bob, "holiday.zip")
    expect(offer).to_contain_text("20 MB from Ada")
    expect(bob).to_have_title(re.compile("A file for you"))
    expect(bob.get_by_text("Ada wants to send you holiday.zip, 20 MB")).to_be_attached()
    picture(ada, "file-sent")
    picture(bob, "file-offered-phone-dark")
    assert_fits(bob)
    assert [script for script in scripts if "/on-demand-" in script] != []
    with bob.expect_download() as download:
        offer.get_by_role("button", name="Accept holiday.zip").click()
    assert download.value.suggested_filename == "holiday.zip"
    assert hashlib.sha256(Path(download.value.path()).read_bytes()).hexdigest() == digest
    expect(offer).to_contain_text("Saved to your downloads")
    expect(card(ada, "holiday.zip")).to_contain_text("Bob has it")
    picture(ada, "file-done")
    picture(bob, "file-done-phone-dark")
    offer.get_by_role("button", name="Remove holiday.zip from the list").click()
    expect(bob.get_by_role("region", name="Files")).to_have_count(0)
    assert complaints == []


def test_where_the_browser_can_a_file_is_written_as_it_comes(
    server: ServerProcess, person: Person, tmp_path: Path
) -> None:
    path, digest = a_file(tmp_path, 20 * MEGABYTE)
    ada = arrive(person, f"{server.url}r/files", "Ada")
    bob = arrive(person, f"{server.url}r/files", "Bob", TO_DISK)
    send(bob, "Ada", a_file(tmp_path, 10, "small.txt")[0])
    expect(card(ada, "small.txt")).to_contain_text("10 bytes from Bob")
    send(ada, "Bob", path)
    card(bob, "holiday.zip").get_by_role("button", name="Accept").click()
    expect(card(bob, "holiday.zip")).to_contain_text("Saved as holiday.zip", timeout=60_000)
    assert bob.evaluate(SAVED, "holiday.zip") == digest


def test_both_see_how_far_a_file_is_and_either_can_stop_it(
    server: ServerProcess, person: Person, tmp_path: Path
) -> None:
    path, _ = a_file(tmp_path, 300 * MEGABYTE)
    ada = arrive(person, f"{server.url}r/files", "Ada")
    bob = arrive(person, f"{server.url}r/files", "Bob", TO_DISK, **PHONE)
    for stopper, other, words in ((ada, bob, "Ada stopped it."), (bob, ada, "Bob stopped it.")):
        send(ada, "Bob", path)
        card(bob, "holiday.zip").get_by_role("button", name="Accept").click()
        for page in (ada, bob):
            bar = card(page, "holiday.zip").get_by_role("progressbar", name="holiday.zip")
            expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
            expect(bar).to_have_attribute("aria-valuetext", re.compile(r"^\d+ % · .+/s · .+ left$"))
        picture(ada, "file-moving")
        picture(bob, "file-moving-phone")
        card(stopper, "holiday.zip").get_by_role("button", name="Cancel").click()
        expect(card(stopper, "holiday.zip")).to_contain_text("You stopped it.")
        expect(card(other, "holiday.zip")).to_contain_text(words)
        for page in (ada, bob):
            page.get_by_role("button", name="Remove holiday.zip from the list").click()
    names = "async () => Array.fromAsync((await navigator.storage.getDirectory()).keys())"
    assert bob.evaluate(names) == ["holiday.zip"]
    nothing = hashlib.sha256(b"").hexdigest()
    assert bob.evaluate(SAVED, "holiday.zip") == nothing, "a part is no file"


def test_what_is_declined_or_taken_back_is_said(server: ServerProcess, person: Person, tmp_path: Path) -> None:
    first, second = (a_file(tmp_path, 1_000, name)[0] for name in ("one.pdf", "two.exe"))
    ada = arrive(person, f"{server.url}r/files", "Ada")
    bob = arrive(person, f"{server.url}r/files", "Bob", THROUGH_DOWNLOADS)
    bob.on("download", lambda download: pytest.fail("nothing was accepted"))
    send(ada, "Bob", first, second)
    expect(card(bob, "two.exe")).to_contain_text("This is a program")
    picture(bob, "files-offered")
    for name, size in (("landscape", (844, 390)), ("narrow", (320, 568))):
        bob.set_viewport_size({"width": size[0], "height": size[1]})
        assert_fits(bob)
        picture(bob, f"files-offered-{name}")
    card(bob, "one.pdf").get_by_role("button", name="Decline one.pdf").click()
    expect(card(bob, "one.pdf")).to_contain_text("You declined it.")
    expect(card(ada, "one.pdf")).to_contain_text("Bob declined it.")
    card(ada, "two.exe").get_by_role("button", name="Cancel two.exe").click()
    expect(card(bob, "two.exe")).to_contain_text("Ada took it back.")
    picture(ada, "files-declined")
    ada.get_by_role("button", name="Clear").click()
    expect(ada.get_by_role("region", name="Files")).to_have_count(0)


def test_a_websocket_that_is_cut_holds_a_file_up_and_no_more(
    server: ServerProcess, person: Person, tmp_path: Path
) -> None:
    path, digest = a_file(tmp_path, 60 * MEGABYTE)
    ada = arrive(person, f"{server.url}r/files", "Ada", RELAYED)
    bob = arrive(person, f"{server.url}r/files", "Bob", RELAYED, TO_DISK)
    send(ada, "Bob", path)
    card(bob, "holiday.zip").get_by_role("button", name="Accept").click()
    bar = card(bob, "holiday.zip").get_by_role("progressbar")
    for page in (ada, bob):
        expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
        page.evaluate("() => window.sockets.at(-1).close()")
        page.wait_for_function("() => window.sockets.at(-1).readyState === WebSocket.OPEN && window.sockets.length > 1")
    expect(card(bob, "holiday.zip")).to_contain_text("Saved as holiday.zip", timeout=60_000)
    assert bob.evaluate(SAVED, "holiday.zip") == digest
    expect(card(ada, "holiday.zip")).to_contain_text("Bob has it")


def test_a_file_goes_on_where_it_was_when_the_server_is_started_anew(person: Person, tmp_path: Path) -> None:
    path, digest = a_file(tmp_path, 60 * MEGABYTE)
    with ServerProcess() as server:
        port = server.port
        ada = arrive(person, f"{server.url}r/files", "Ada", RELAYED)
        bob = arrive(person, f"{server.url}r/files", "Bob", RELAYED, TO_DISK)
        send(ada, "Bob", path)
        card(bob, "holiday.zip").get_by_role("button", name="Accept").click()
        bar = card(bob, "holiday.zip").get_by_role("progressbar")
        expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
    expect(card(bob, "holiday.zip")).to_contain_text(re.compile("waiting for the connection|Interrupted"))
    before = int(bar.get_attribute("aria-valuenow") or 0)
    with ServerProcess(port=port):
        expect(card(bob, "holiday.zip")).to_contain_text(re.compile("/s · |Saved"), timeout=30_000)
        if bar.count():
            assert int(bar.get_attribute("aria-valuenow") or 0) >= before
        expect(card(bob, "holiday.zip")).to_contain_text("Saved as holiday.zip", timeout=60_000)
        assert bob.evaluate(SAVED, "holiday.zip") == digest
        expect(card(ada, "holiday.zip")).to_contain_text("Bob has it")


def test_who_was_gone_for_long_gets_the_rest_when_it_is_sent_again(person: Person, tmp_path: Path) -> None:
    path, digest = a_file(tmp_path, 60 * MEGABYTE)
    with ServerProcess(["--resume-grace", "1"]) as server:
        ada = arrive(person, f"{server.url}r/files", "Ada", RELAYED)
        bob = arrive(person, f"{server.url}r/files", "Bob", RELAYED, TO_DISK)
        send(ada, "Bob", path)
        card(bob, "holiday.zip").get_by_role("button", name="Accept").click()
        bar = card(bob, "holiday.zip").get_by_role("progressbar")
        expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
        bob.evaluate("() => { window.isCut = true; window.sockets.at(-1).close(); }")
        expect(card(ada, "holiday.zip")).to_contain_text("Bob is gone.", timeout=30_000)
        bob.evaluate("() => { window.isCut = false; }")
        expect(card(bob, "holiday.zip")).to_contain_text("it goes on when Ada sends it again", timeout=30_000)
        picture(bob, "file-interrupted")
        before = int(bar.get_attribute("aria-valuenow") or 0)
        expect(ada.locator("[data-member-key]")).to_have_count(2)
        ada.get_by_role("button", name="Remove holiday.zip from the list").click()
        send(ada, "Bob", path)
        expect(card(ada, "holiday.zip").get_by_role("progressbar")).to_be_visible()
        assert int(card(ada, "holiday.zip").get_by_role("progressbar").get_attribute("aria-valuenow") or 0) >= before
        expect(card(bob, "holiday.zip")).to_contain_text("Saved as holiday.zip", timeout=60_000)
        assert bob.evaluate(SAVED, "holiday.zip") == digest


def test_everybody_gets_what_is_sent_from_the_chat(server: ServerProcess, person: Person, tmp_path: Path) -> None:
    path, digest = a_file(tmp_path, 100_000, "plan.pdf")
    ada = arrive(person, f"{server.url}r/files", "Ada")
    bob = arrive(person, f"{server.url}r/files", "Bob", TO_DISK, **PHONE)
    cyn = arrive(person, f"{server.url}r/files", "Cyn", TO_DISK)
    dan = arrive(person, f"{server.url}r/files", "Dan")
    ada.get_by_role("button", name="Chat").click()
    with ada.expect_file_chooser() as chooser:
        ada.get_by_role("button", name="Send files to everybody").click()
    chooser.value.set_files(path)
    expect(card(ada, "plan.pdf")).to_contain_text("to 3 people")
    bob.get_by_role("button", name="Chat").click()
    picture(bob, "file-offered-chat-phone")
    assert_fits(bob)
    for page in (bob, cyn):
        card(page, "plan.pdf").get_by_role("button", name="Accept").click()
        expect(card(page, "plan.pdf")).to_contain_text("Saved as plan.pdf")
        assert page.evaluate(SAVED, "plan.pdf") == digest
    expect(card(ada, "plan.pdf")).to_contain_text("1 not answered yet · 2 done")
    picture(ada, "file-everybody")
    dan.get_by_role("button", name="Leave").click()
    expect(card(ada, "plan.pdf")).to_contain_text("2 of 3 have it.")
    expect(card(ada, "plan.pdf")).to_contain_text("Dan is gone.")


def test_files_can_be_dropped_and_pasted(server: ServerProcess, person: Person) -> None:
    ada = arrive(person, f"{server.url}r/files", "Ada")
    bob = arrive(person, f"{server.url}r/files", "Bob")
    expect(ada.locator("[data-member-key]")).to_have_count(2)
    ada.locator(".stage").evaluate(DROP, ["room.txt", "to the only one"])
    expect(card(bob, "room.txt")).to_contain_text("15 bytes from Ada")
    ada.evaluate(PASTE, ["pasted.png", "x"])
    expect(card(bob, "pasted.png")).to_be_visible()

    cyn = arrive(person, f"{server.url}r/files", "Cyn")
    expect(ada.locator("[data-member-key]")).to_have_count(3)
    ada.locator(".stage").evaluate(DROP, ["nobody.txt", "x", "dragover"])
    picture(ada, "drop-nobody")
    ada.locator(".tile").filter(has_text="Cyn").evaluate(DROP, ["tile.txt", "x", "dragover"])
    expect(ada.get_by_text("Send to Cyn")).to_be_visible()
    picture(ada, "drop-somebody")
    ada.locator(".stage").evaluate(DROP, ["nobody.txt", "x"])
    expect(ada.get_by_text("Drop it on somebody, or in the chat for everybody")).to_be_visible()
    ada.locator(".tile").filter(has_text="Cyn").evaluate(DROP, ["tile.txt", "x"])
    expect(card(cyn, "tile.txt")).to_be_visible()
    ada.get_by_role("button", name="Members").click()
    ada.get_by_role("dialog").get_by_role("listitem").filter(has_text="Bob").evaluate(DROP, ["row.txt", "x"])
    expect(card(bob, "row.txt")).to_be_visible()
    ada.get_by_role("button", name="Chat").click()
    ada.get_by_role("textbox", name="Message").focus()
    ada.evaluate(PASTE, ["chat.txt", "x"])
    for page in (bob, cyn):
        expect(card(page, "chat.txt")).to_be_visible()
    for name, page in (("tile.txt", bob), ("row.txt", cyn), ("nobody.txt", bob), ("nobody.txt", cyn)):
        expect(card(page, name)).to_have_count(0)


def press_to(page: Page, button: Locator, key: str = "Tab", steps: int = 60) -> None:
    """Tab, until `button` has the focus."""
    for _ in range(steps):
        if button.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press(key)
    pytest.fail(f"{button} can't be reached by {key}")


def test_the_keyboard_is_enough_for_a_file(server: ServerProcess, person: Person, tmp_path: Path) -> None:
    path, digest = a_file(tmp_path, 300_000, "notes.txt")
    ada = arrive(person, f"{server.url}r/files", "Ada")
    bob = arrive(person, f"{server.url}r/files", "Bob", TO_DISK)
    expect(ada.locator("[data-member-key]")).to_have_count(2)
    ada.on("filechooser", lambda _: None)  # a key is quicker than Playwright begins to listen
    ada.keyboard.press("p")
    expect(ada.get_by_role("dialog", name="Members")).to_be_focused()
    press_to(ada, ada.get_by_role("button", name="Actions for Bob"))
    ada.keyboard.press("Enter")
    press_to(ada, ada.get_by_role("button", name="Send files…"))
    with ada.expect_file_chooser() as chooser:
        ada.keyboard.press("Enter")
    chooser.value.set_files(path)
    accept = bob.get_by_role("button", name="Accept notes.txt")
    expect(accept).to_be_visible()
    press_to(bob, accept)
    bob.keyboard.press("Enter")
    expect(card(bob, "notes.txt")).to_contain_text("Saved as notes.txt")
    assert bob.evaluate(SAVED, "notes.txt") == digest
    expect(bob.get_by_text("notes.txt from Ada is saved")).to_be_attached()
    expect(bob.get_by_role("button", name="Remove notes.txt from the list")).to_be_focused()
    bob.keyboard.press("Enter")
    assert bob.evaluate("() => document.activeElement !== document.body"), "the focus is lost"
    expect(ada.get_by_text("Bob has notes.txt")).to_be_attached()
    press_to(ada, ada.get_by_role("button", name="Remove notes.txt from the list"), "Shift+Tab")


def test_a_name_shows_what_a_file_is_whatever_its_sender_calls_it(server: ServerProcess, person: Person) -> None:
    ada = arrive(person, f"{server.url}r/files", "Ada")
    bob = arrive(person, f"{server.url}r/files", "Bob", **PHONE)
    expect(ada.locator("[data-member-key]")).to_have_count(2)
    ada.locator(".stage").evaluate(DROP, ["<img src=x>photo\u202egpj.exe", "x"])
    offer = card(bob, "photo")
    expect(offer).to_contain_text("_img src=x_photogpj.exe")
    expect(offer).to_contain_text("This is a program")
    long = f"{'a very long name ' * 15}.tar.gz"
    ada.locator(".stage").evaluate(DROP, [long, "x"])
    expect(card(bob, "a very long name").locator("bdi").get_by_text(".gz")).to_be_in_viewport()
    assert_fits(bob)
    picture(bob, "file-names-phone")


def test_a_file_too_big_for_this_browser_is_not_begun(server: ServerProcess, person: Person) -> None:
    big = "Object.defineProperty(File.prototype, 'size', { get: () => 2_000_000_000 });"
    ada = arrive(person, f"{server.url}r/files", "Ada", big)
    bob = arrive(person, f"{server.url}r/files", "Bob", THROUGH_DOWNLOADS)
    expect(ada.locator("[data-member-key]")).to_have_count(2)
    ada.locator(".stage").evaluate(DROP, ["big.iso", "x"])
    expect(card(bob, "big.iso")).to_contain_text("2 GB from Ada")
    expect(card(bob, "big.iso")).to_contain_text("This browser takes files of up to 500 MB.")
    expect(bob.get_by_role("button", name="Accept")).to_have_count(0)
    picture(bob, "file-too-big")
    bob.get_by_role("button", name="Decline big.iso").click()
    expect(card(ada, "big.iso")).to_contain_text("Bob declined it.")


def test_a_phone_and_a_desktop_show_files_in_light_and_dark(
    server: ServerProcess, person: Person, tmp_path: Path
) -> None:
    path, _ = a_file(tmp_path, 1_234_567, "report.pdf")
    ada = arrive(person, f"{server.url}r/files", "Ada")
    for size, options in (("desktop", DESKTOP), ("phone", PHONE)):
        for scheme in ("light", "dark"):
            bob = arrive(person, f"{server.url}r/files", "Bob", color_scheme=scheme, **options)
            send(ada, "Bob", path)
            expect(card(bob, "report.pdf")).to_be_visible()
            assert_fits(bob)
            picture(bob, f"file-offered-{size}-{scheme}")
            bob.get_by_role("button", name="Members").click()
            picture(bob, f"file-members-{size}-{scheme}")
            bob.get_by_role("button", name="Close members").click()
            bob.get_by_role("button", name="Chat").click()
            picture(bob, f"file-chat-{size}-{scheme}")
            assert_fits(bob)
            bob.get_by_role("button", name="Close chat").click()
            bob.get_by_role("button", name="Leave").click()
