"""A page that speaks only the lesson dialect, as a beginner writes it, against the real server."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page

from tests.e2e.browsers import wait_for_media
from tests.support.process import ServerProcess


def open_lesson(context: BrowserContext, server: ServerProcess) -> Page:
    page = context.new_page()
    page.goto(f"{server.url}test/lesson.html?room=lesson")
    page.evaluate("() => window.lesson.start")
    return page


def test_two_tabs_have_picture_and_sound_both_ways(
    server: ServerProcess, person: Callable[..., BrowserContext]
) -> None:
    ada, bob = open_lesson(person(), server), open_lesson(person(), server)
    wait_for_media(ada, peers=1)
    wait_for_media(bob, peers=1)
    errors = "() => window.lesson.received.filter((message) => message.type === 'error')"
    assert ada.evaluate(errors) == []
    assert bob.evaluate(errors) == []


def test_a_closed_tab_is_told_to_the_other(server: ServerProcess, person: Callable[..., BrowserContext]) -> None:
    ada, bob = open_lesson(person(), server), open_lesson(person(), server)
    wait_for_media(ada, peers=1, frames=1, samples=1)
    bob.close()
    ada.wait_for_function("() => window.lesson.received.some((message) => message.type === 'user-left')")
    ada.wait_for_function("() => window.lesson.peers.size === 0")
