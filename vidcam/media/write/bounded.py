"""A GIF or WebP of at most so many bytes: its width and rate are found by writing it, smaller each time.

The pictures wait in a file of their own, next to lossless, until all are there: what they take as a GIF is known only
then.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from vidcam._files import OutputFile, size_text
from vidcam.errors import VidcamError
from vidcam.media.container import abandon, writing
from vidcam.media.info import Info
from vidcam.media.write.pace import Pace
from vidcam.media.write.sink import Sink
from vidcam.types import Array

SMALLEST, SLOWEST = 160, 5
"""Pixels of width and pictures a second below which nobody sees anything; it is an error instead."""
_NARROWER, _SLOWER = 0.95, 0.93
"""What a step leaves of width and rate: 720 pixels at 30 a second become 480 at 17, then 330 at 10."""
_STEPS = 40
_FASTEST = Fraction(50)
_WASTE = 0.8
"""A file of less than this share of what it may have is tried one size larger."""
_SPOOL = {"crf": "6", "preset": "ultrafast", "g": "1"}

MakeSink = Callable[[OutputFile, Fraction | None, int | None], Sink]


@dataclass(frozen=True)
class _Made:
    """A file that was written, and what is to be said of it."""

    path: Path
    size: tuple[int, int]
    frames: int
    notes: tuple[str, ...]


class BoundedSink(Sink):
    """A file that keeps within a number of bytes.

    Args:
        target: the file.
        make: makes the sink that writes it, at most so many pictures a second and so wide.
        most: bytes.
        source: what the pictures come from.
        fps: at most so many pictures a second.
        width: pixels at most; None for the pictures' own.
    """

    def __init__(
        self,
        target: OutputFile,
        make: MakeSink,
        most: int,
        *,
        source: Info,
        fps: Fraction | None,
        width: int | None,
    ) -> None:
        super().__init__(target)
        self._make, self._most = make, most
        self._width = width
        self._source = source
        self._asked = fps
        self._fps = min(fps or source.fps or _FASTEST, _FASTEST)
        self._times: list[tuple[Fraction, Fraction | None]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="vidcam-")
        self._spool = Path(self._folder.name) / "pictures.mkv"
        self._container: Any = None
        self._stream: Any = None

    def pace(self) -> Callable[[Fraction, Fraction | None], bool] | None:
        # No more than what is asked for; how many fewer it will be is known at the end.
        return None if self._asked is None else Pace(self._source, Fraction(1, 1000), 1, self._asked).keep

    def write(self, rgb: Array, time: Fraction, duration: Fraction | None = None) -> None:
        with writing(self.path):
            if self._container is None:
                self._container = av.open(str(self._spool), "w", format="matroska")
                self._stream = self._container.add_stream("libx264rgb", rate=25, options=_SPOOL)
                self._stream.width, self._stream.height = rgb.shape[1], rgb.shape[0]
                self._stream.pix_fmt = "rgb24"
                self.size = rgb.shape[1], rgb.shape[0]
            if self.size != (rgb.shape[1], rgb.shape[0]):
                raise VidcamError(f"{self.path}: a picture of {rgb.shape[1]}x{rgb.shape[0]} does not fit {self.size}")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")
            frame.pts = len(self._times)
            self._container.mux(self._stream.encode(frame))
        self._times.append((time, duration))
        self.frames += 1

    def _finish(self, cut: bool) -> None:
        if self._container is None or self.size is None:
            raise VidcamError(f"{self.path}: there is no picture to write")
        with writing(self.path):
            self._container.mux(self._stream.encode(None))
            self._container.close()
        own = min(self.size[0], self._width or self.size[0])
        made = self._fitting(own)
        if made is None:
            width, fps = self._at(own, _STEPS)
            raise VidcamError(
                f"{self.path}: takes more than {size_text(self._most)} also {width} pixels wide at {float(fps):g} "
                "pictures a second; --end or --stride make it shorter"
            )
        self.size, self.frames, self.notes = made.size, made.frames, made.notes
        with writing(self.path):
            shutil.copyfile(made.path, self._target.temporary)
        self._folder.cleanup()

    def _fitting(self, own: int) -> _Made | None:
        """Returns the largest file that was found to fit, None where none does."""
        best: _Made | None = None
        step, tried = 0, set[int]()
        while step < _STEPS and step not in tried:
            tried.add(step)
            made = self._attempt(own, step)
            taken = made.path.stat().st_size
            if taken <= self._most:
                best = made
                if step == 0 or taken > _WASTE * self._most:
                    break
                step -= 1
            elif best is not None or self._at(own, step) == self._at(own, step + 1):
                break
            else:
                step = self._guess(own, step, taken)
        return best

    def _at(self, own: int, step: int) -> tuple[int, Fraction]:
        """Returns the width and the pictures a second of a step; 0 is what was asked for."""
        least, slowest = min(SMALLEST, own), min(Fraction(SLOWEST), self._fps)
        width = max(least, round(own * _NARROWER**step / 2) * 2) if step else own
        fps = max(slowest, Fraction(round(float(self._fps) * _SLOWER**step * 10), 10)) if step else self._fps
        return width, fps

    def _guess(self, own: int, step: int, taken: int) -> int:
        """Returns the step that should fit, where one took so many bytes: they go with the area and the rate."""
        width, fps = self._at(own, step)
        for later in range(step + 1, _STEPS):
            smaller, slower = self._at(own, later)
            if taken * (smaller / width) ** 1.8 * float(slower / fps) <= self._most:
                return later
        return _STEPS - 1

    def _attempt(self, own: int, step: int) -> _Made:
        """Writes the file at a step's width and rate."""
        width, fps = self._at(own, step)
        path = Path(self._folder.name) / f"{step}{self._target.path.suffix}"
        with self._make(OutputFile(path, overwrite=True), fps if step else self._asked, width) as sink:
            for rgb, (time, duration) in zip(self._pictures(), self._times, strict=True):
                sink.write(rgb, time, duration)
        said = f"{width} pixels wide, at most {float(fps):g} pictures a second, to keep within {size_text(self._most)}"
        assert sink.size is not None
        return _Made(path, sink.size, sink.frames, (said,) if step else sink.notes)

    def _pictures(self) -> Iterator[Array]:
        with av.open(str(self._spool)) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")

    def _discard(self) -> None:
        if self._container is not None:
            abandon(self._container)
        self._folder.cleanup()
