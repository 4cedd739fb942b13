"""The room app's files, held in memory with the headers they are served with."""

from __future__ import annotations

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ..errors import ConfigurationError

__all__ = ["SECURITY_HEADERS", "Page", "Pages"]

ASSETS = Path(__file__).parent / "assets"

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob: mediastream:; connect-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""On every response. A room's name stands in its URL, so no referrer leaves."""

_COMPRESSIBLE = ("text/", "application/javascript", "application/manifest+json", "image/svg+xml")
_TYPES = {".webmanifest": "application/manifest+json", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Page:
    """A file: `headers` besides SECURITY_HEADERS, the body, and the body gzipped where that helps."""

    headers: Mapping[str, str]
    body: bytes
    gzipped: bytes | None


class Pages:
    """Everything under `/` but `/ws` and `/healthz`. Reads `folder` once; paths are looked up, never joined."""

    def __init__(self, folder: Path = ASSETS) -> None:
        if not (folder / "index.html").is_file():
            raise ConfigurationError(
                "no_pages", "The room app is not built: run `make web`, or install with `pip install .`."
            )
        self._pages = {
            "/" + path.relative_to(folder).as_posix(): _read(path, folder)
            for path in folder.rglob("*")
            if path.is_file()
        }
        self._index = self._pages.pop("/index.html")

    def find(self, path: str) -> Page | None:
        """Return the page at `path`, without query; the home page, rooms and the doctor are one file."""
        if path in ("/", "/doctor") or (path.startswith("/r/") and len(path) > 3 and "/" not in path[3:]):
            return self._index
        return self._pages.get(path)


def _read(path: Path, folder: Path) -> Page:
    body = path.read_bytes()
    is_hashed = path.relative_to(folder).parts[0] == "assets"
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {
        "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        "ETag": f'"{sha256(body).hexdigest()[:32]}"',
        # Names under assets/ carry a hash of their content.
        "Cache-Control": "public, max-age=31536000, immutable" if is_hashed else "no-cache",
        "Vary": "Accept-Encoding",
    }
    gzipped = gzip.compress(body, mtime=0) if kind.startswith(_COMPRESSIBLE) else None
    return Page(headers, body, gzipped)
