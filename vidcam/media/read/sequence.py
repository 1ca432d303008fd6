"""A numbered pattern or a folder of images, read as a video."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

from vidcam.errors import UsageError, VidcamError
from vidcam.media.info import VIDEOS, Info
from vidcam.media.read.cut import Reading, Shot
from vidcam.media.read.pictures import read_still
from vidcam.media.read.source import Source
from vidcam.media.resize import resized, size_within
from vidcam.media.times import Seconds
from vidcam.types import Array, Frame

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"}
_FIELD = re.compile(r"%(0?)(\d*)d")


class SequenceSource(Source):
    """Images in the order of the numbers in their names; `open_source` says what the arguments mean."""

    def __init__(self, path: Path, reading: Reading, fps: Seconds | None) -> None:
        if fps is None:
            clips = (
                [file for file in path.iterdir() if file.suffix.lower() in VIDEOS | {".gif"}] if path.is_dir() else []
            )
            if clips:
                raise UsageError(f"{path}: is a folder of clips; `vidcam batch {path} -o OUTDIR` does each of them")
            raise UsageError(f"{path}: images in a folder have no times; give --fps, the frames a second")
        if fps <= 0:
            raise UsageError(f"--fps {fps}: must be above 0")
        self._rate = Fraction(fps).limit_denominator(1_000_000)
        self._path = path
        self._reading = reading
        self._files = _folder(path) if path.is_dir() else _matching(path)
        if not self._files:
            raise VidcamError(f"{path}: no image is there")
        first = self._first()
        self._size = size_within((first.shape[1], first.shape[0]), reading.max_size)
        count = len(self._files)
        self.info = Info(
            path=str(path),
            kind="video",
            size=self._size,
            fps=self._rate,
            frames=reading.cut.count(count, None, self._rate),
            duration=float(count / self._rate),
        )

    def __iter__(self) -> Iterator[Frame]:
        return self._reading.cut.frames(self._shots())

    def close(self) -> None:
        """Nothing is open between two images."""

    def _first(self) -> Array:
        """Returns the first picture that can be read; its size is everybody's."""
        for file in self._files:
            try:
                return read_still(file, self._reading)
            except VidcamError as error:
                last = error
        raise last

    def _shots(self) -> Iterator[Shot]:
        for number, file in enumerate(self._files):
            time = number / self._rate
            picture: Array | Callable[[], Array] = partial(self._picture, file)
            if time >= self._reading.cut.start:  # those before are not looked at
                try:
                    picture = self._picture(file)
                except VidcamError:
                    self.damaged += 1
                    continue
            yield Shot(time, 1 / self._rate, picture, self._size)

    def _picture(self, file: Path) -> Array:
        return resized(read_still(file, self._reading), self._size)


def _folder(path: Path) -> list[Path]:
    """Returns a folder's images, numbers in their names counted as numbers: frame_2 before frame_10."""
    files = [f for f in path.iterdir() if f.suffix.lower() in _SUFFIXES and not f.name.startswith(".") and f.is_file()]
    parts = {f: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", f.name)] for f in files}
    return sorted(files, key=lambda f: [(isinstance(p, str), p) for p in parts[f]])


def _matching(path: Path) -> list[Path]:
    """Returns the files of a pattern such as `frame_%04d.png`, by their numbers."""
    fields = list(_FIELD.finditer(path.name))
    if len(fields) != 1:
        raise VidcamError(f"{path}: no such file, nor a pattern with one number such as frame_%04d.png")
    before, after = path.name[: fields[0].start()], path.name[fields[0].end() :]
    digits = int(fields[0][2] or 1)
    numbers = rf"\d{{{digits},}}" if fields[0][1] else r"\d+"
    name = re.compile(rf"{re.escape(before)}({numbers}){re.escape(after)}")
    if not path.parent.is_dir():
        raise VidcamError(f"{path}: the folder {path.parent} does not exist")
    found = [(int(m[1]), f) for f in path.parent.iterdir() if (m := name.fullmatch(f.name))]
    return [f for _, f in sorted(found)]
