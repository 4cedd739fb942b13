"""Those who are measured in pages. Each has a module of its name in `pages/first/` or `pages/bulk/`."""

from __future__ import annotations

from ..scenarios import Contestant

__all__ = ["DATA_CHANNEL", "PAGES", "PEERJS", "SDK", "SIMPLE_PEER", "WEBSOCKET"]

SDK = Contestant("sdk", "Sheetbend SDK")
PEERJS = Contestant("peerjs", "PeerJS")
SIMPLE_PEER = Contestant("simple-peer", "simple-peer")
DATA_CHANNEL = Contestant("datachannel", "bare RTCDataChannel")
WEBSOCKET = Contestant("websocket", "bare WebSocket, Node ws")

PAGES = (SDK, PEERJS, SIMPLE_PEER, DATA_CHANNEL, WEBSOCKET)
