from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.e2e.browsers import chromium_path, launch, new_context
from tests.support.process import ServerProcess


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="module")  # Playwright's event loop lives as long, and other tests run their own
def browser() -> Iterator[Browser]:
    if chromium_path() is None:
        pytest.skip("Chromium is missing. To bring it: sudo apt-get install -y chromium")
    with launch() as browser:
        yield browser


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with ServerProcess() as process:
        yield process


@pytest.fixture
def person(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browser profiles, and closes them after the test."""
    contexts: list[BrowserContext] = []

    def make(**options: object) -> BrowserContext:
        contexts.append(new_context(browser, **options))
        return contexts[-1]

    yield make
    for context in contexts:
        context.close()
