"""What the lab needs of its machine, and how to get it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .browsers import SDK
from .namespaces import Namespace

__all__ = ["missing_for_browsers", "missing_for_networks", "missing_for_turn"]

_PACKAGES = {"ip": "iproute2", "nft": "nftables", "chromium": "chromium", "turnserver": "coturn"}


def missing_for_networks() -> str | None:
    """Say in a sentence what networks of the lab's own would need; None if they can be made."""
    if os.geteuid() != 0:
        return "Network namespaces need root. To have it: sudo make netlab"
    if absent := _absent("ip", "nft"):
        return absent
    if not Path("/dev/net/tun").exists():
        return "/dev/net/tun is missing. To bring it: modprobe tun"
    try:
        _try_a_nat()
    except (OSError, RuntimeError) as error:
        return f"This kernel or container can't: {str(error).splitlines()[0]}"
    return None


def missing_for_browsers() -> str | None:
    """Say what browsers in these networks would need."""
    return missing_for_networks() or _absent("chromium") or _absent_sdk()


def missing_for_turn() -> str | None:
    """Say what a TURN server would need."""
    return _absent("turnserver")


def _try_a_nat() -> None:
    chain = "chain probe { type nat hook postrouting priority srcnat; snat to 192.0.2.1 fully-random; }"
    namespace = Namespace("probe")
    try:
        namespace.nft(f"table ip probe {{ {chain}; }}")
    finally:
        namespace.remove()


def _absent(*commands: str) -> str | None:
    absent = [command for command in commands if shutil.which(command) is None]
    if not absent:
        return None
    packages = " ".join(_PACKAGES[command] for command in absent)
    them = "it" if len(absent) == 1 else "them"
    return f"{' and '.join(absent)} missing. To bring {them}: sudo apt-get install -y {packages}"


def _absent_sdk() -> str | None:
    return None if SDK.exists() else "The SDK is not built. To build it: make web"
