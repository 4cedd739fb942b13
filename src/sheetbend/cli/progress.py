"""Progress on the terminal: bars on standard error, results on standard output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from .room_options import console

__all__ = ["Bar", "Bars"]


@dataclass(frozen=True)
class Bar:
    progress: Progress
    task: TaskID

    def update(self, done: int, size: int) -> None:
        """`done` of `size` bytes are there."""
        self.progress.update(self.task, completed=done, total=size)


class Bars:
    """As many as there are transfers. Where nobody looks (no terminal) only what is said appears."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    @contextmanager
    def bar(self, description: str) -> Iterator[Bar]:
        task = self._progress.add_task(description, total=None)
        try:
            yield Bar(self._progress, task)
        finally:
            self._progress.remove_task(task)

    def say(self, sentence: str) -> None:
        console.print(sentence, soft_wrap=True)

    def result(self, line: str) -> None:
        """Something for scripts."""
        print(line, flush=True)
