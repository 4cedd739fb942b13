"""Builds the room app into the package, so that `pip install .` gives a server with its pages inside."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
ASSETS = ROOT / "src" / "sheetbend" / "server" / "assets"
NODE_MAJOR_MIN = 20


class BuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling calls `initialize` before it collects the files. An editable install is `make`'s, which builds them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel" and version != "editable":
            build_web_assets()


def build_web_assets() -> None:
    """Install the web tools, build SDK and app, and put the result where the server reads it."""
    npm = shutil.which("npm")
    if npm is None or node_major() < NODE_MAJOR_MIN:
        raise SystemExit(
            f"Sheetbend's room app is built with Node.js {NODE_MAJOR_MIN} or newer and its npm, which were not "
            "found: install them (https://nodejs.org), then run this again."
        )
    web = ROOT / "web"
    # Not `npm ci`: npm 11 refuses a lock without the other platforms' builds, which a registry need not carry.
    for command in (["install", "--no-save", "--no-audit", "--no-fund"], ["run", "build"]):
        done = subprocess.run([npm, *command], cwd=web, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"`npm {' '.join(command)}` failed in {web}:\n{done.stdout}\n{done.stderr}")
    shutil.rmtree(ASSETS, ignore_errors=True)
    shutil.copytree(web / "app" / "dist", ASSETS)


def node_major() -> int:
    """Return the major version of the Node.js on the path, 0 if there is none."""
    node = shutil.which("node")
    if node is None:
        return 0
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = version.lstrip("v").split(".")[0]
    return int(major) if major.isdigit() else 0


if __name__ == "__main__":
    build_web_assets()
