"""What every source and every sink has in common. Standard library and vidcam.types only: no codec is loaded here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from vidcam.media.target import Target
from vidcam.types import Array, Frame, Planes

Kind = Literal["video", "animation", "image"]

DEFAULT_MAX_PIXELS = 2**26
"""67 million pixels a frame: an 8192 x 8192 picture passes, 8K video (33 million) with room to spare."""

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv")
ANIMATION_SUFFIXES = (".gif", ".webp")
STILL_SUFFIXES = (".png", ".jpg", ".jpeg")
SUFFIXES = (*VIDEO_SUFFIXES, *ANIMATION_SUFFIXES, *STILL_SUFFIXES)
"""What can be written."""


@dataclass(frozen=True)
class Info:
    """What a source is and what this run will take from it.

    Attributes:
        path: the file, folder or pattern as it was given.
        kind: "video" (also an image sequence), "animation" (GIF, APNG, WebP, AVIF) or "image".
        size: (width, height) in pixels as frames are delivered: upright, square pixels, within `max_size`.
        fps: average frames a second of the file, None for an image or where the file does not say.
        frames: how many frames this run is expected to give, None where the file does not say.
        duration: seconds of the file from its first frame, None where it does not say.
        loop: how often an animation plays, 0 for ever; None for what is not an animation.
        audio: the number of audio streams.
        notes: one-line things to tell the user.
        origin: the time 0 of frames on the file's own clock, in seconds; the sound is cut by it.
        format: Pillow's or FFmpeg's name of the file's format.
    """

    path: str
    kind: Kind
    size: tuple[int, int]
    fps: Fraction | None = None
    frames: int | None = None
    duration: float | None = None
    loop: int | None = None
    audio: int = 0
    notes: tuple[str, ...] = ()
    origin: Fraction = Fraction(0)
    format: str = ""


class Source(ABC):
    """Frames of a file in order, once. A context manager; iterate over it, then close it.

    Attributes:
        info: what the file is.
        damaged: the frames that could not be read so far.
        pulse: grows while the file is being read, also where no frame comes out; a source that hangs is told by it.
    """

    info: Info
    damaged: int = 0
    pulse: int = 0

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Returns the frames; their times count from the start of the stream, also when `start` was given."""

    @abstractmethod
    def close(self) -> None:
        """Releases the file; frames already given keep their pictures. May be called again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


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

    def __init__(self, target: Target) -> None:
        self._target = target
        self.path = str(target.path)
        self.size: tuple[int, int] | None = None
        self.frames = 0
        self.full = False
        self.notes: tuple[str, ...] = ()
        self._done = False

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
