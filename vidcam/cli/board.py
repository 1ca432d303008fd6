"""How far a batch is: a total bar with the files in the works under it."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from vidcam.cli import count, printable

if TYPE_CHECKING:
    from vidcam.batch.crew import BatchProgress

NAME_WIDTH = 40
"""Letters of a file's name that are shown."""


class Board:
    """Bars on a terminal, a line a finished file elsewhere, nothing when quiet.

    Args:
        quiet: show nothing.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet or sys.stderr is None
        self._terminal = not self._quiet and sys.stderr.isatty()
        self._total: Any = None
        self._lines: list[Any] = []
        self._told = 0
        self._began = time.monotonic()

    def show(self, progress: BatchProgress) -> None:
        """Shows how far the batch is."""
        if self._quiet:
            return
        if not self._terminal:
            self._tell(progress)
            return
        if self._total is None:
            self._open(progress)
        frames = progress.frames + sum(c.done for c in progress.current)
        rate = frames / max(time.monotonic() - self._began, 1e-9)
        failed = sum(r.state == "failed" for r in progress.records)
        self._total.set_postfix_str(f"{rate:.1f} frames/s{f', {failed} failed' if failed else ''}", refresh=False)
        self._total.n = len(progress.records)
        self._total.refresh()
        for i, line in enumerate(self._lines):
            line.set_description_str(_text(progress.current[i]) if i < len(progress.current) else "")

    def _open(self, progress: BatchProgress) -> None:
        from tqdm import tqdm

        self._began = time.monotonic()
        self._total = tqdm(total=progress.total, unit="file", dynamic_ncols=True, leave=False)
        self._lines = [
            tqdm(bar_format="{desc}", position=i, leave=False, dynamic_ncols=True)
            for i in range(1, 1 + len(progress.current))
        ]

    def _tell(self, progress: BatchProgress) -> None:
        for record in progress.records[self._told :]:
            self._told += 1
            said = (
                f"failed: {record.error}" if record.state == "failed" else count(record.numbers["explained"], "frame")
            )
            click.echo(printable(f"{self._told}/{progress.total} {record.name}: {said}"), err=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for line in (*self._lines, self._total):
            if line is not None:
                line.close()


def _text(current: Any) -> str:
    name = printable(current.name)
    name = name if len(name) <= NAME_WIDTH else f"…{name[1 - NAME_WIDTH :]}"
    if not current.done:
        return f"  {name}: begins"
    return f"  {name}: frame {current.done}{f' of {current.total}' if current.total else ''}"
