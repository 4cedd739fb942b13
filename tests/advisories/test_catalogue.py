"""Every test here is after an advisory, and says which."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ADVISORY = re.compile(r"CVE-\d{4}-\d{4,7}")
ADVISORIES_MIN = 40


def docstrings() -> dict[str, str]:
    """The docstring of every test in this folder, this file's own excepted."""
    functions = (
        function
        for path in Path(__file__).parent.glob("test_*.py")
        if path != Path(__file__)
        for function in ast.walk(ast.parse(path.read_text()))
    )
    return {
        function.name: ast.get_docstring(function) or ""
        for function in functions
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name.startswith("test_")
    }


def test_every_test_names_its_advisory() -> None:
    assert [name for name, docstring in docstrings().items() if ADVISORY.match(docstring) is None] == []


def test_there_are_as_many_as_were_promised() -> None:
    assert (
        len({advisory for docstring in docstrings().values() for advisory in ADVISORY.findall(docstring)})
        >= ADVISORIES_MIN
    )
