"""A picture as it is read, when it is shown, and how it was fitted to a model's input; `vidcam.types` is its door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels; the first pixel covers 0 to 1."""
Matrix = Literal["bt601", "bt709"]


@dataclass(frozen=True, slots=True)
class Planes:
    """A picture as video stores it: 8 bits, limited range, colour at half the size both ways (4:2:0), even sides.

    Attributes:
        y: luma, uint8 (H, W), 16 to 235.
        u: blue difference, uint8 (H / 2, W / 2), 128 for grey.
        v: red difference, like `u`.
        matrix: how the three mean colours (ITU-R BT.601 or BT.709).
    """

    y: Array
    u: Array
    v: Array
    matrix: Matrix

    @classmethod
    def empty(cls, size: tuple[int, int], matrix: Matrix) -> Planes:
        """Makes a picture of a (width, height), both even, to write into."""
        width, height = size
        y, u, v = (np.empty((height // n, width // n), np.uint8) for n in (1, 2, 2))
        return cls(y, u, v, matrix)

    @property
    def all(self) -> tuple[Array, Array, Array]:
        """Y, U and V."""
        return self.y, self.u, self.v

    def part(self, x0: int, y0: int, x1: int, y1: int) -> Planes:
        """Returns a part of the picture, in even pixels, that shares its memory."""
        half = slice(y0 // 2, y1 // 2), slice(x0 // 2, x1 // 2)
        return Planes(self.y[y0:y1, x0:x1], self.u[half], self.v[half], self.matrix)


_NO_PICTURE = np.empty((0, 0, 3), np.uint8)


class Frame:
    """One picture of a source and when it is shown.

    Args:
        index: counts the frames read from where reading was asked to begin, from 0, also those that a stride leaves
            out. After a seek a frame's number in the file is not known; the same frame of another reading is found by
            its time.
        time: seconds from the start of the stream, wherever reading began.
        duration: seconds until the next frame, None where the source does not know.
        picture: the decoded picture: RGB uint8 (H, W, 3), upright and with square pixels, or a function without
            arguments that makes it, which runs on the first `rgb()`.
        size: (width, height) of the upright picture in pixels.
        planes: the same picture as Y, U and V, where the source stores just that: no turn, no other size. Callers must
            not write into it.
    """

    __slots__ = ("_picture", "_rgb", "duration", "index", "planes", "size", "time")

    def __init__(
        self,
        index: int,
        time: Fraction,
        duration: Fraction | None,
        picture: Array | Callable[[], Array],
        size: tuple[int, int],
        *,
        planes: Planes | None = None,
    ) -> None:
        self.index = index
        self.time = time
        self.duration = duration
        self.size = size
        self.planes = planes
        self._picture = picture
        self._rgb: Array | None = None

    def rgb(self) -> Array:
        """Returns the picture as RGB uint8 (H, W, 3), made once; callers must not write into it."""
        if not callable(self._picture):
            return self._picture
        if self._rgb is None:
            self._rgb = self._picture()
            if self.planes is None:  # then what it was made of is needed no more
                self._picture = self._rgb
        return self._rgb

    def release(self) -> None:
        """Gives up the memory of `rgb()` where there are planes to draw on; another call makes it again."""
        if self.planes is not None:
            self._rgb = None

    def without_picture(self) -> Frame:
        """Returns what is known about the frame alone, so that the picture's memory can be given up."""
        return Frame(self.index, self.time, self.duration, _NO_PICTURE, self.size)


@dataclass(frozen=True, slots=True)
class Placement:
    """How a frame was fitted to the model's input, and so which part of the frame a map covers.

    Attributes:
        frame: (width, height) of the frame in pixels.
        input: (width, height) of the model's input in pixels.
        source: the part of the frame that the model saw, in frame pixels.
        target: where that part lies in the model's input, in input pixels.
    """

    frame: tuple[int, int]
    input: tuple[int, int]
    source: Box
    target: Box
