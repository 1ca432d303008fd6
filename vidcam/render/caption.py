"""Words on a picture: white on a darkened box, legible on any background and at any size."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vidcam.render.planes import Picture, paint, shape_of
from vidcam.types import Array

SMALLEST = 9
"""Pixels; letters below that cannot be read."""


def draw_caption(picture: Picture, text: str, *, left: int = 0, width: int | None = None) -> None:
    """Writes one line of text into a picture's upper left corner.

    The letters grow with the picture; a text that is too long gets smaller, then shortened with an ellipsis.

    Args:
        picture: RGB uint8 (H, W, 3), or planes; written to.
        text: what to write; an empty text draws nothing.
        left: x in pixels where the part of the picture that the text belongs to begins.
        width: that part's width in pixels; None for the rest of the picture.
    """
    height, whole = shape_of(picture)
    width = whole - left if width is None else width
    letters = _letters(text, width, height) if text else None
    if letters is None:
        return
    rows, columns = letters.shape
    margin = min(max(2, min(height, width) // 60), max(0, (width - columns) // 2), max(0, (height - rows) // 2))
    _stamp(picture, left + margin, margin, letters)


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
    letters = _mask(text, max(SMALLEST, round(0.03 * min(height, width))))
    rows, columns = letters.shape
    y = top if top is not None else (bottom or 0) - rows
    if right - columns >= 0 and y >= 0 and y + rows <= height:
        _stamp(picture, right - columns, y, letters)


def _stamp(picture: Picture, x: int, y: int, letters: Array) -> None:
    """Darkens a part of a picture and writes white letters, uint8 (h, w), on it."""

    def draw(box: Array) -> None:
        dark = cv2.convertScaleAbs(box, alpha=0.3)
        weight = letters[..., np.newaxis].astype(np.uint16)
        box[:] = ((dark * (255 - weight) + 255 * weight + 127) // 255).astype(np.uint8)

    paint(picture, (x, y, x + letters.shape[1], y + letters.shape[0]), draw)


@lru_cache(maxsize=256)
def _letters(text: str, width: int, height: int) -> Array | None:
    """Returns the text's coverage, uint8 (h, w), with its padding; None where not one letter fits."""
    wanted = max(SMALLEST + 2, round(0.05 * min(height, width)))
    for size in range(wanted, SMALLEST - 1, -1):
        mask = _mask(text, size)
        if mask.shape[1] <= width and mask.shape[0] <= height:
            return mask
    for count in range(len(text) - 1, 0, -1):
        mask = _mask(f"{text[:count]}…", SMALLEST)
        if mask.shape[1] <= width and mask.shape[0] <= height:
            return mask
    return None


@lru_cache(maxsize=256)
def _mask(text: str, size: int) -> Array:
    font = label_font(size)
    padding = max(2, size // 3)
    ascent, descent = font.getmetrics()
    box = font.getbbox(text)
    image = Image.new("L", (int(box[2]) + 2 * padding, ascent + descent + padding), 0)
    ImageDraw.Draw(image).text((padding, padding // 2), text, fill=255, font=font)
    return np.asarray(image)


@lru_cache(maxsize=64)
def label_font(size: int) -> ImageFont.FreeTypeFont:
    """Returns Pillow's own font with letters of that many pixels."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow's own scalable font, for any given size
    return font
