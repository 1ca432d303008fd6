"""Which frames of a file are asked for: a half-open stretch of time and a stride."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vidcam.errors import UsageError, VidcamError
from vidcam.media.info import DEFAULT_MAX_PIXELS
from vidcam.media.times import Seconds, exact
from vidcam.types import Array, Frame, Planes


@dataclass(frozen=True)
class Shot:
    """A picture of a file before it is known whether it is asked for.

    Attributes:
        time: seconds from the start of the stream.
        duration: seconds, None where the file does not say.
        picture: makes the picture, RGB uint8 (H, W, 3).
        size: (width, height) of that picture.
        planes: the same picture as it is stored, see `Frame`.
    """

    time: Fraction
    duration: Fraction | None
    picture: Array | Callable[[], Array]
    size: tuple[int, int]
    planes: Planes | None = None


@dataclass(frozen=True)
class Cut:
    """The frames with start <= time < end, of these every stride-th.

    Attributes:
        start: seconds, 0 for the beginning.
        end: seconds, None for the end of the file.
        stride: 1 for every frame.
    """

    start: Fraction = Fraction(0)
    end: Fraction | None = None
    stride: int = 1

    @classmethod
    def of(cls, start: Seconds | None, end: Seconds | None, stride: int) -> Cut:
        """Checks what a user gave.

        Raises:
            UsageError: a negative time, an end that is not after the start, a stride below 1.
        """
        for name, value in (("start", start), ("end", end)):
            if value is not None and (not math.isfinite(value) or value < 0):
                raise UsageError(f"--{name} {value}: must be a time from 0 on, in seconds")
        if stride < 1:
            raise UsageError(f"--stride {stride}: must be at least 1")
        cut = cls(exact(start or 0), None if end is None else exact(end), stride)
        if cut.end is not None and cut.end <= cut.start:
            raise UsageError(f"--end {end}: must be after --start ({float(cut.start):g})")
        return cut

    @property
    def whole(self) -> bool:
        """Whether every frame of the file is asked for."""
        return self.start == 0 and self.end is None and self.stride == 1

    def frames(self, shots: Iterator[Shot]) -> Iterator[Frame]:
        """Returns the frames that are asked for, each lasting until the next one that is.

        Args:
            shots: the file's pictures, their times increasing.

        Returns:
            The frames; `index` counts from the first one at or after `start`.
        """
        waiting: tuple[int, Shot] | None = None
        index = -1
        last: Shot | None = None
        for shot in shots:
            if shot.time < self.start:
                continue
            if self.end is not None and shot.time >= self.end:
                if waiting:
                    yield _frame(*waiting, shot.time - waiting[1].time)
                return
            index += 1
            last = shot
            if index % self.stride:
                continue
            if waiting:
                yield _frame(*waiting, shot.time - waiting[1].time)
            waiting = index, shot
        if waiting and last:
            duration = None if last.duration is None else last.time + last.duration - waiting[1].time
            yield _frame(*waiting, duration)

    def count(self, frames: int | None, duration: float | None, fps: Fraction | None) -> int | None:
        """Returns how many frames are to be expected, None if the file does not say.

        Args:
            frames: in the whole file.
            duration: of the whole file in seconds.
            fps: its average rate.
        """
        if frames is None and duration is not None and fps is not None:
            frames = max(1, round(duration * fps))
        if frames is None:
            return None
        if self.start or self.end is not None:
            if fps is None:
                return None
            first = math.ceil(self.start * fps)
            stop = frames if self.end is None else min(frames, math.ceil(self.end * fps))
            frames = max(0, stop - first)
        return -(-frames // self.stride)


@dataclass(frozen=True)
class Reading:
    """How a file is read; `open_source` says what each means."""

    cut: Cut = Cut()
    max_size: int | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS
    background: tuple[int, int, int] = (255, 255, 255)

    def check(self, path: Path, size: tuple[int, int]) -> None:
        """Raises a VidcamError if a (width, height) is more than `max_pixels`."""
        if size[0] * size[1] > self.max_pixels:
            raise VidcamError(f"{path}: {size[0]}x{size[1]} pixels are more than --max-pixels {self.max_pixels}")


def _frame(index: int, shot: Shot, duration: Fraction | None) -> Frame:
    return Frame(index, shot.time, duration, shot.picture, shot.size, planes=shot.planes)
