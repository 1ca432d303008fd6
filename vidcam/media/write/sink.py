"""What every sink has in common. No codec is loaded here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from vidcam._files import OutputFile
from vidcam.types import Array, Planes


class Sink(ABC):
    """Takes pictures and writes them to a file that appears under its name only when it is complete.

    A context manager: commits at the end of the block, discards what was written when the block raises.

    Attributes:
        path: where the file appears.
        size: (width, height) of the pictures in the file; None before the first one.
        frames: pictures written so far.
        full: True when the file takes no further picture (a still has its one).
        notes: one-line things to tell the user.
        stores_planes: whether `write_planes` saves a conversion.
    """

    stores_planes = False

    def __init__(self, target: OutputFile) -> None:
        self._target = target
        self.path = str(target.path)
        self.size: tuple[int, int] | None = None
        self.frames = 0
        self.full = False
        self.notes: tuple[str, ...] = ()
        self._done = False

    def pace(self) -> Callable[[Fraction, Fraction | None], bool] | None:
        """Returns a new rule that says of one picture after the other, by time and duration, whether it is kept.

        None where all are. It decides as `write` does, so that nothing needs to be drawn that is not kept.
        """
        return None

    @abstractmethod
    def write(self, rgb: Array, time: Fraction, duration: Fraction | None = None) -> None:
        """Adds one picture.

        Args:
            rgb: uint8 (H, W, 3); every picture of a file has the same shape.
            time: when it is shown, in seconds on the source's time line; later than the one before.
            duration: for how long, None where it is not known. What counts is the next picture's time; the duration
                decides for the last one.
        """

    def write_planes(self, planes: Planes, time: Fraction, duration: Fraction | None = None) -> None:
        """Adds one picture that is Y, U and V already; the rest is as in `write`."""
        from vidcam.media.color import planes_to_rgb

        self.write(planes_to_rgb(planes), time, duration)

    @abstractmethod
    def _finish(self, cut: bool) -> None:
        """Writes what is still to be written and closes the temporary file."""

    @abstractmethod
    def _discard(self) -> None:
        """Closes the temporary file without caring for its contents."""

    def close(self, *, cut: bool = False) -> None:
        """Completes the file and gives it its name. May be called again.

        Args:
            cut: end the sound with the last picture, for a run that was stopped early.

        Raises:
            VidcamError: it cannot be written, or there was no picture.
        """
        if self._done:
            return
        try:
            self._finish(cut)
        except BaseException:
            self.abort()
            raise
        self._done = True
        self._target.commit()

    def redirect(self, path: Path) -> None:
        """Chooses another name in the same directory for the file, for a run that was stopped early."""
        self._target.redirect(path)
        self.path = str(path)

    def abort(self) -> None:
        """Discards what was written; what was there before under this name stays. May be called again."""
        if self._done:
            return
        self._done = True
        try:
            self._discard()
        finally:
            self._target.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
