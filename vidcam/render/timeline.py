"""A strip under the picture: the probabilities of a clip's leading classes over time, and where we are."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw

from vidcam.render.caption import SMALLEST_LETTERS
from vidcam.render.letters import font_for, writable
from vidcam.types import Array

CLASSES = 4
COLORS = ((255, 196, 61), (86, 180, 233), (120, 220, 120), (240, 110, 170))
"""RGB of the curves, told apart also by people who see few colours."""
CEILINGS = (0.1, 0.25, 0.5, 1.0)
"""What the strip's upper edge may stand for: the least that all curves fit below."""
STRIP_COLOR = (24, 24, 28)
GRID = (70, 70, 76)
NOTHING = (150, 150, 156)
"""The curve of the class that stands for none of the others."""
TEXT = (225, 225, 225)


class Timeline:
    """Draws a clip's probabilities once, and a cursor for each frame.

    Args:
        times: seconds (N,), rising.
        probabilities: (N, classes).
        labels: a name for each class.
        size: (width, height) of the pictures above, in pixels.
        neither: the label of the class that stands for none of the others; its curve is grey.
    """

    def __init__(
        self,
        times: Array,
        probabilities: Array,
        labels: Sequence[str],
        size: tuple[int, int],
        neither: str | None = None,
    ) -> None:
        self.leading = leading(probabilities)
        colors = iter(COLORS)
        self._colors = [NOTHING if labels[c] == neither else next(colors) for c in self.leading]
        self._width = size[0]
        self._height = strip_height(size)
        self._font = max(SMALLEST_LETTERS, round(self._height * 0.15))
        self._start, self._end = float(times[0]), float(times[-1])
        self._top, self._bottom = round(1.6 * self._font), self._height - round(1.7 * self._font)
        highest = float(probabilities[:, self.leading].max(initial=0.0))
        self._ceiling = next((c for c in CEILINGS if highest <= c), 1.0)
        self._strip = self._draw(times, probabilities, labels)

    def under(self, picture: Array, time: float) -> Array:
        """Puts the strip under a picture.

        Args:
            picture: RGB uint8 (H, W, 3).
            time: seconds, where the cursor stands.

        Returns:
            RGB uint8 (H + strip, W, 3).
        """
        strip = self._strip.copy()
        x = round(self._x(time))
        cv2.line(strip, (x, self._top - 2), (x, self._bottom + 2), (255, 255, 255), max(1, self._height // 90))
        return np.vstack([picture, strip])

    def _x(self, time: float) -> float:
        share = (time - self._start) / (self._end - self._start) if self._end > self._start else 0.5
        margin = self._font
        return margin + min(1.0, max(0.0, share)) * (self._width - 2 * margin - 1)

    def _draw(self, times: Array, probabilities: Array, labels: Sequence[str]) -> Array:
        scale = 2  # drawn twice as large and shrunk: Pillow's lines are jagged
        image = Image.new("RGB", (self._width * scale, self._height * scale), STRIP_COLOR)
        draw = ImageDraw.Draw(image)
        font = font_for("0 s %", self._font * scale)
        left, right = self._x(self._start) * scale, self._x(self._end) * scale
        for share in (0.0, 0.5, 1.0):
            y = self._y(share * self._ceiling) * scale
            draw.line([(left, y), (right, y)], fill=GRID, width=scale)
        for i, c in reversed(list(enumerate(self.leading))):
            points = [
                (self._x(float(t)) * scale, self._y(float(p)) * scale)
                for t, p in zip(times, probabilities[:, c], strict=True)
            ]
            width = scale * max(1, self._height // 70)
            if len(points) > 1:
                draw.line(points, fill=self._colors[i], width=width, joint="curve")
            else:
                x, y = points[0]
                draw.ellipse([x - 2 * width, y - 2 * width, x + 2 * width, y + 2 * width], fill=self._colors[i])
        self._name(draw, [writable(labels[c]) for c in self.leading], left, right - 4 * self._font * scale, scale)
        foot = self._bottom * scale + 0.3 * self._font * scale
        draw.text((left, foot), f"{self._start:.1f} s", fill=TEXT, font=font)
        draw.text((right, foot), f"{self._end:.1f} s", fill=TEXT, font=font, anchor="ra")
        draw.text((right, 0.2 * self._font * scale), f"{100 * self._ceiling:.0f} %", fill=TEXT, font=font, anchor="ra")
        small = image.resize((self._width, self._height), Image.Resampling.BOX)
        return np.array(small)

    def _name(self, draw: ImageDraw.ImageDraw, names: list[str], left: float, right: float, scale: int) -> None:
        """Names every curve in one line: in smaller letters where the names are long, then shortened."""
        size, room = self._font * scale, right - left
        while size > SMALLEST_LETTERS * scale and _length(draw, names, size) > room:
            size -= 1
        if _length(draw, names, size) > room:
            names = [_shortened(draw, name, size, room / len(names)) for name in names]
        at = left
        for name, color in zip(names, self._colors, strict=True):
            draw.text((at, 0.2 * self._font * scale), name, fill=color, font=font_for(name, size))
            at += _length(draw, [name], size)

    def _y(self, probability: float) -> float:
        return self._bottom - probability / self._ceiling * (self._bottom - self._top)


def _length(draw: ImageDraw.ImageDraw, names: Sequence[str], size: int) -> float:
    """Returns how long names are in a row, a letter's width behind each."""
    return sum(draw.textlength(name, font=font_for(name, size)) + size for name in names)


def _shortened(draw: ImageDraw.ImageDraw, name: str, size: int, room: float) -> str:
    short = name
    while len(name) > 1 and _length(draw, [short], size) > room:
        name = name[:-1]
        short = f"{name}…"
    return short


def leading(probabilities: Array) -> list[int]:
    """Returns the classes that a timeline shows: those with the greatest mean probability, at most four, best first.

    Args:
        probabilities: (N, classes).
    """
    order = np.argsort(-probabilities.mean(axis=0), kind="stable")
    return [int(c) for c in order[:CLASSES]]


def strip_height(size: tuple[int, int]) -> int:
    """Returns a timeline's height in pixels, even, for pictures of a (width, height)."""
    return max(48, 2 * round(0.1 * min(size[1], 1.2 * size[0])))
