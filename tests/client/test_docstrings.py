"""What is public is documented, each with an example."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from typing import Any

import pytest

ELSEWHERE = {
    *(f"MemberStream.{verb}" for verb in ("take", "end", "drained", "stopped", "failed")),
    *("LocalTrack.attach", "LocalTrack.detach", "RemoteTrack.end", "FullJitter.next_delay_s"),
}
"""For the link and the engines to call."""
MODULES = ["sheetbend.client", "sheetbend.client.media"]
EXAMPLE = re.compile(r"^ {4}\S|^```python$", re.MULTILINE)


def documented() -> dict[str, Any]:
    """The public functions, classes and methods, by name."""
    found: dict[str, Any] = {}
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            item = getattr(module, name)
            if not (inspect.isclass(item) or inspect.isfunction(item)) or _is_plain(item):
                continue
            found[name] = item
            if inspect.isclass(item):
                own = {key: value for key, value in vars(item).items() if not key.startswith("_")}
                found |= {f"{name}.{key}": value for key, value in own.items() if inspect.isfunction(value)}
    return {name: item for name, item in found.items() if name not in ELSEWHERE}


def _is_plain(item: Any) -> bool:
    """Whether it only says or holds something: what is done with it is in the examples of others."""
    is_record = dataclasses.is_dataclass(item)
    return is_record or getattr(item, "_is_protocol", False) or (inspect.isclass(item) and issubclass(item, Exception))


@pytest.mark.parametrize("name", documented())
def test_it_has_an_example(name: str) -> None:
    docstring = inspect.getdoc(documented()[name])
    assert docstring is not None
    assert EXAMPLE.search(docstring), docstring
