"""The progress bar, and Ctrl-C that ends at a frame boundary."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


class Bar:
    """A bar of things done, with rate and ETA, on a terminal; nothing when piped or quiet.

    Args:
        unit: what is counted.
        quiet: never show it.
    """

    def __init__(self, unit: str, quiet: bool) -> None:
        self._unit = unit
        self._shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._bar: Any = None

    def update(self, done: int, total: int | None) -> None:
        """Shows that `done` of `total` are done; None where the total is not known."""
        if not self._shown:
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit=f" {self._unit}", dynamic_ncols=True, leave=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class Stop:
    """Whether somebody wants the work to stop, by Ctrl-C or SIGTERM."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self) -> bool:
        return self._number != 0

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as shells count: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self._number or signal.SIGINT)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """The first signal asks to stop at the next frame, a second stops at once."""
        again = self._number != 0
        self._number = number
        if again:
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Stop]:
    """Catches Ctrl-C and SIGTERM inside the block.

    Yields:
        A function without arguments that tells whether to stop, with the exit code that says why.
    """
    stop = Stop()
    before = {number: signal.signal(number, stop.on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
