"""`python -m netlab.delay INTERFACE ONE_WAY_MS`: holds every packet of a TUN interface for so long, and gives it back.

`netem` isn't in every kernel. The internet's router sends what it should forward into this interface, and forwards what
comes out of it (`lab.py`). Prints a line when it is ready, and runs until it is killed.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
import time
from collections import deque
from contextlib import suppress

PACKET_BYTES_MAX = 65_536
#: Beyond this a packet is dropped, as a router does. 20,000 full ones are 2.4 Gbit/s for 100 ms.
QUEUE_PACKETS_MAX = 20_000
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x0001 | 0x1000


def main() -> None:
    interface, one_way_ms = sys.argv[1], float(sys.argv[2])
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", interface.encode(), _IFF_TUN_NO_PI))
    print("ready", flush=True)
    hold(tun, one_way_ms / 1000)


def hold(tun: int, one_way_s: float) -> None:
    """Hold packets for ever."""
    waiting: deque[tuple[float, bytes]] = deque()
    while True:
        timeout_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        select.select([tun], [], [], timeout_s)
        now = time.monotonic()
        with suppress(BlockingIOError):
            while True:
                packet = os.read(tun, PACKET_BYTES_MAX)
                if len(waiting) < QUEUE_PACKETS_MAX:
                    waiting.append((now + one_way_s, packet))
        while waiting and waiting[0][0] <= now:
            _give_back(tun, waiting.popleft()[1])


def _give_back(tun: int, packet: bytes) -> None:
    # The kernel refuses what isn't IP, and IPv6 where it is switched off.
    with suppress(OSError):
        os.write(tun, packet)


if __name__ == "__main__":
    main()
