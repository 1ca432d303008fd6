"""Words on a picture: white on a darkened box, legible on any background and at any size."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw

from vidcam.render.letters import font_for, writable
from vidcam.render.planes import Picture, paint, shape_of
from vidcam.types import Array

SMALLEST_LETTERS = 9
"""Pixels; letters below that cannot be read."""
LINES = 3
"""Lines that a caption has at most."""
FAINT = 165
"""The grey of letters that say that there is nothing to see."""
_SHRUNK = 0.7
"""By how much letters get smaller before a long text takes another line."""
_COVERED = 0.4
"""The share of a picture's height that several lines may cover."""


def draw_caption(picture: Picture, text: str, *, left: int = 0, width: int | None = None, faint: bool = False) -> None:
    """Writes a text into a picture's upper left corner.

    The letters grow with the picture; a text that is too long gets smaller, then more lines, then an ellipsis.

    Args:
        picture: RGB uint8 (H, W, 3), or planes; written to.
        text: what to write; an empty text draws nothing.
        left: x in pixels where the part of the picture that the text belongs to begins.
        width: that part's width in pixels; None for the rest of the picture.
        faint: in grey: there is nothing to see.
    """
    height, whole = shape_of(picture)
    width = whole - left if width is None else width
    letters = _letters(writable(text), width, height) if text else None
    if letters is None:
        return
    rows, columns = letters.shape
    margin = min(max(2, min(height, width) // 60), max(0, (width - columns) // 2), max(0, (height - rows) // 2))
    _stamp(picture, left + margin, margin, letters, FAINT if faint else 255)


def draw_label(picture: Picture, text: str, *, right: int, top: int | None = None, bottom: int | None = None) -> None:
    """Writes a short text in small letters; nothing where it does not fit into the picture.

    Args:
        picture: RGB uint8 (H, W, 3), or planes; written to.
        text: what to write.
        right: x in pixels where the text ends.
        top: y in pixels where it begins, or
        bottom: where it ends.
    """
    height, width = shape_of(picture)
    letters = _mask((writable(text),), max(SMALLEST_LETTERS, round(0.03 * min(height, width))))
    rows, columns = letters.shape
    y = top if top is not None else (bottom or 0) - rows
    if right - columns >= 0 and y >= 0 and y + rows <= height:
        _stamp(picture, right - columns, y, letters)


def _stamp(picture: Picture, x: int, y: int, letters: Array, ink: int = 255) -> None:
    """Darkens a part of a picture and writes letters, uint8 (h, w), on it, white or of another grey."""

    def draw(box: Array) -> None:
        dark = cv2.convertScaleAbs(box, alpha=0.3)
        weight = letters[..., np.newaxis].astype(np.uint16)
        box[:] = ((dark * (255 - weight) + ink * weight + 127) // 255).astype(np.uint8)

    paint(picture, (x, y, x + letters.shape[1], y + letters.shape[0]), draw)


@lru_cache(maxsize=256)
def _letters(text: str, width: int, height: int) -> Array | None:
    """Returns the text's coverage, uint8 (h, w), with its padding; None where not one letter fits."""
    wanted = max(SMALLEST_LETTERS + 2, round(0.05 * min(height, width)))
    for smallest in (max(SMALLEST_LETTERS, round(_SHRUNK * wanted)), SMALLEST_LETTERS):
        for count in range(1, LINES + 1):
            for size in range(wanted, smallest - 1, -1):
                lines = wrapped(text, size, width - 2 * _padding(size))
                if len(lines) == count and _fits(lines, size, width, height):
                    return _mask(lines, size)
    for end in range(len(text) - 1, 0, -1):
        lines = wrapped(f"{text[:end]}…", SMALLEST_LETTERS, width - 2 * _padding(SMALLEST_LETTERS))
        if len(lines) <= LINES and _fits(lines, SMALLEST_LETTERS, width, height):
            return _mask(lines, SMALLEST_LETTERS)
    return None


def wrapped(text: str, size: int, room: float) -> tuple[str, ...]:
    """Breaks a text at blanks into lines no wider than a room in pixels; a single word may be wider."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font_for(longer, size).getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return tuple(lines)


@lru_cache(maxsize=256)
def _mask(lines: tuple[str, ...], size: int) -> Array:
    """Returns the coverage of lines in one font, uint8 (h, w)."""
    padding = _padding(size)
    image = Image.new("L", _extent(lines, size), 0)
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        draw.text((padding, padding // 2 + i * _row(lines, size)), line, fill=255, font=font_for(line, size))
    return np.asarray(image)


def _fits(lines: tuple[str, ...], size: int, width: int, height: int) -> bool:
    """Tells whether lines fit into a picture; more than one leave most of it free."""
    columns, rows = _extent(lines, size)
    return columns <= width and rows <= (height if len(lines) == 1 else _COVERED * height)


def _extent(lines: tuple[str, ...], size: int) -> tuple[int, int]:
    """Returns the (width, height) in pixels of lines with the padding around them."""
    widest = max(int(font_for(line, size).getbbox(line)[2]) for line in lines)
    return widest + 2 * _padding(size), len(lines) * _row(lines, size) + _padding(size)


def _row(lines: tuple[str, ...], size: int) -> int:
    """Returns the height of a line in pixels."""
    return max(sum(font_for(line, size).getmetrics()) for line in lines)


def _padding(size: int) -> int:
    return max(2, size // 3)
