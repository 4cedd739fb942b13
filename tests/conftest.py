from __future__ import annotations

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a failure without collecting garbage meanwhile.

    What a failed test leaves open complains when it is collected, and pytest writes a traceback of that. If this comes
    while it parses source for another traceback, CPython before 3.13 raises "AST constructor recursion depth mismatch"
    (python/cpython#106905), which ends the whole run.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
