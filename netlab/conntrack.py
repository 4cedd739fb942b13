"""Makes a router forget flows, by ctnetlink, as `conntrack -D --mark` does."""

from __future__ import annotations

import os
import socket
import struct

from .namespaces import Namespace

__all__ = ["forget_flows"]

_NETLINK_NETFILTER = 12
_DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
_REQUEST_ACK = 1 | 4
_CTA_MARK = 8
_CTA_MARK_MASK = 21


def forget_flows(router: Namespace, mark: int | None = None) -> None:
    """Forget every flow, or those with this mark.

    Raises:
        OSError: the kernel's answer.
    """
    attributes = b"" if mark is None else _attribute(_CTA_MARK, mark) + _attribute(_CTA_MARK_MASK, 0xFFFFFFFF)
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + attributes
    message = struct.pack("=IHHII", 16 + len(body), _DELETE, _REQUEST_ACK, 1, 0) + body

    def ask() -> bytes:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netlink:
            netlink.bind((0, 0))
            netlink.send(message)
            return netlink.recv(4096)

    (error,) = struct.unpack_from("=i", router.call(ask), 16)
    if error:
        raise OSError(-error, f"conntrack: {os.strerror(-error)}")


def _attribute(kind: int, value: int) -> bytes:
    return struct.pack("=HH", 8, kind) + struct.pack(">I", value)
