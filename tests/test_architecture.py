"""The arrows between folders go one way (ARCHITECTURE.md), and the core does no I/O."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "sheetbend"

ALLOWED = {
    "core": {"core", "errors"},
    "brokers": {"brokers", "core", "errors"},
    "server": {"server", "brokers", "core", "errors", "__init__"},
    "doctor": {"doctor", "server", "core", "errors", "__init__"},
    "cli": {"cli", "client", "doctor", "server", "core", "errors", "__init__"},
    "client": {"client", "core", "errors", "__init__"},
    "__init__": {"client", "errors"},
    "errors": set(),
}
CORE_MAY_IMPORT = {"msgspec"}
IO_MODULES = {"asyncio", "socket", "ssl", "threading", "time", "random", "secrets", "uuid", "selectors", "subprocess"}


def imports(path: Path) -> set[str]:
    """The absolute names of everything a module imports."""
    package = ["sheetbend", *path.relative_to(SOURCE).parent.parts]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names |= (
                {".".join([*base, node.module])} if node.module else {".".join([*base, a.name]) for a in node.names}
            )
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def part(name: str) -> str:
    """`core` of `sheetbend.core.room`, `__init__` of the package itself."""
    parts = name.split(".")
    return "__init__" if len(parts) == 1 or parts[1].startswith("__") else parts[1]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_follow_the_arrows(path: Path) -> None:
    inside = {part(name) for name in imports(path) if name.split(".")[0] == "sheetbend"}
    top = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    assert inside <= ALLOWED.get(top, {"cli"})


@pytest.mark.parametrize("path", sorted((SOURCE / "core").rglob("*.py")), ids=lambda path: path.name)
def test_the_core_imports_no_io_and_little_else(path: Path) -> None:
    outside = {name.split(".")[0] for name in imports(path)} - {"sheetbend"}
    assert not outside & IO_MODULES
    assert outside <= set(sys.stdlib_module_names) | CORE_MAY_IMPORT
