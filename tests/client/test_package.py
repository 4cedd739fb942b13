"""What `import sheetbend` gives, and how little it loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sheetbend
import sheetbend.client
import sheetbend.client.media
from sheetbend.client import ClientError, RoomAddress, parse_room_url


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_a_server_loads_nothing_of_the_client() -> None:
    heavy = ("sheetbend.client", "av", "numpy", "wrtc", "aiortc", "asyncio", "cryptography", "picows")
    loaded = run(f"import sheetbend, sys; print([name for name in {heavy!r} if name in sys.modules])")
    assert loaded == "[]"


def test_a_program_that_only_talks_loads_no_media() -> None:
    heavy = ("av", "numpy", "wrtc", "aiortc", "sheetbend.client.media")
    loaded = run(
        f"from sheetbend import connect; import sys; print([name for name in {heavy!r} if name in sys.modules])"
    )
    assert loaded == "[]"


def test_all_public_names_can_be_had_from_the_package() -> None:
    for module in (sheetbend.client, sheetbend.client.media):
        for name in module.__all__:
            assert getattr(sheetbend, name) is getattr(module, name)
            assert name in dir(sheetbend)
    with pytest.raises(AttributeError):
        _ = sheetbend.nothing_of_this_name


def test_what_is_not_installed_is_said_with_what_brings_it() -> None:
    without = "import sys; sys.modules.update(dict.fromkeys(({}), None))"
    for name, missing in (("VideoSource", "'av', 'numpy'"),):
        program = f"""{without.format(missing)}
import sheetbend
try: sheetbend.{name}
except ImportError as error: print(error)
"""
        assert "pip install 'sheetbend[client]'" in run(program)
    program = f"""{without.format("'wrtc',")}
import asyncio, sheetbend
async def main():
    try: await sheetbend.connect("http://127.0.0.1:9/r/demo")
    except sheetbend.SheetbendError as error: print(error.code, error)
asyncio.run(main())
"""
    assert run(program).startswith("engine_missing")
    assert "pip install 'sheetbend[client]'" in run(program)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://localhost:8080/r/demo", ("ws://localhost:8080/ws", "demo", None)),
        ("https://example.org/r/demo#secret", ("wss://example.org/ws", "demo", "secret")),
        ("https://example.org/r/demo/", ("wss://example.org/ws", "demo", None)),
        ("  example.org/r/d%C3%A9mo%2Fx#s%20%23\n", ("wss://example.org/ws", "démo/x", "s #")),
        ("http://[::1]:8080/r/demo#", ("ws://[::1]:8080/ws", "demo", None)),
        ("https://example.org", ("wss://example.org/ws", None, None)),
        ("wss://example.org/ws", ("wss://example.org/ws", None, None)),
        ("ws://localhost:8080", ("ws://localhost:8080/ws", None, None)),
        ("ws://localhost:8080/behind/a/proxy", ("ws://localhost:8080/behind/a/proxy", None, None)),
    ],
)
def test_a_link_is_read_as_the_app_reads_it(url: str, address: tuple[str, str | None, str | None]) -> None:
    assert parse_room_url(url) == RoomAddress(*address)


@pytest.mark.parametrize(
    "url", ["", "http://", "ftp://x/r/y", "http://a b/r/y", "http://u:p@x/r/y", "http://x:99999/r/y"]
)
def test_what_is_no_link_is_refused(url: str) -> None:
    with pytest.raises(ClientError) as refused:
        parse_room_url(url)
    assert refused.value.code == "invalid_argument"


def test_a_secret_is_not_shown() -> None:
    assert "s3cret" not in repr(parse_room_url("http://x/r/y#s3cret"))
