"""A network between clients and a server that the test can cut."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

__all__ = ["Forwarder"]

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CHUNK_BYTES = 65536


class Forwarder:
    """Forwards TCP connections to a port of this machine, from a port of its own."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._reset_all()

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Every connection breaks, and until the end of the context no other comes about."""
        self._is_cut = True
        self._reset_all()
        yield
        self._is_cut = False

    def _reset_all(self) -> None:
        with self._lock:
            for each in self._sockets:
                self._reset(each)
            self._sockets.clear()

    @staticmethod
    def _reset(each: socket.socket) -> None:
        with contextlib.suppress(OSError):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            each.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it
        each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                self._reset(near)
                continue
            far = socket.create_connection(("127.0.0.1", self._target_port))
            with self._lock:
                self._sockets |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK_BYTES):
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
