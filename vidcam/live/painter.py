"""The newest frame and the newest map to a picture, and the lines of figures that only the window has."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw

from vidcam.live.controls import HELP, LiveSettings
from vidcam.live.explaining import ExplainedFrame
from vidcam.live.slot import Item
from vidcam.pipeline.draw import caption_text
from vidcam.render import History, compose, draw_caption, draw_colorbar, histories
from vidcam.render.caption import draw_label, wrapped
from vidcam.render.letters import font_for, writable
from vidcam.types import Array

OLD = 1.0
"""Seconds from which a map's age is shown."""


class Painter:
    """Draws the last map on the newest frame; maps are smoothed and scaled over time as in a clip."""

    def __init__(self) -> None:
        self._history: History | None = None
        self._number = 0
        self._shown: tuple[Array, float] | None = None

    def paint(self, rgb: Array, seen: Item[ExplainedFrame] | None, settings: LiveSettings) -> Array:
        """Draws a picture.

        Args:
            rgb: the frame, uint8 (H, W, 3); not written to.
            seen: the last map; one of a frame of another size is not drawn.
            settings: how it is drawn.

        Returns:
            RGB uint8 (H, W, 3), twice as wide side by side.
        """
        placement = seen.value.explanation.placement if seen else None
        if seen is None or placement is None or placement.frame != (rgb.shape[1], rgb.shape[0]):
            return rgb.copy()
        look = settings.look
        raw, peak = self._scaled(seen)
        nothing = seen.value.nothing
        if nothing:
            raw, peak = np.zeros_like(raw), 0.0
        if settings.overlay:
            picture = compose(
                rgb, raw, placement, peak,
                view=look.view, colormap=look.colormap, alpha=look.alpha, opacity=look.opacity,
            )  # fmt: skip
            if look.colorbar and not nothing:
                draw_colorbar(picture, look.colormap, peak)
        else:
            picture = rgb.copy()
        if look.caption:
            e = seen.value.explanation
            left = rgb.shape[1] if picture.shape[1] > rgb.shape[1] else 0
            text = caption_text(e.targets[0], e.probabilities[0], seen.value.labels)
            draw_caption(picture, text, left=left, faint=nothing)
        return picture

    def _scaled(self, seen: Item[ExplainedFrame]) -> tuple[Array, float]:
        """Returns the map to show and its hottest value; each map counts once, however often it is drawn."""
        made = seen.value
        if self._history is None:  # how maps are scaled does not change in a session
            self._history = histories(made.settings.look, 1)[0]
        if self._shown is None or seen.number != self._number:
            # The motion is from the map before, which may have been passed over.
            motion = made.motion if seen.number == self._number + 1 else None
            self._number = seen.number
            e = made.explanation
            target = (made.settings.method, e.targets[0])
            self._shown = self._history(e.maps[0], seen.time, target, cut=made.cut, motion=motion)
        return self._shown


def lost(rgb: Array, reason: str) -> Array:
    """Returns a frame greyed, with the reason on it."""
    grey = cv2.convertScaleAbs(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), alpha=0.5, beta=40)
    picture: Array = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    _panel(picture, (reason,))
    return picture


def waiting(size: tuple[int, int], text: str) -> Array:
    """Returns a dark picture of a (width, height) with a text, for the time before the first frame."""
    picture = np.full((size[1], size[0], 3), 32, np.uint8)
    _panel(picture, (text,))
    return picture


def with_figures(picture: Array, lines: Sequence[str], settings: LiveSettings) -> Array:
    """Returns a picture with lines of text in its lower right corner, the last one lowest, and the keys if asked."""
    shown = picture.copy()
    bottom = shown.shape[0] - 4
    for line in reversed([line for line in lines if line]):
        draw_label(shown, line, right=shown.shape[1] - 4, bottom=bottom)
        bottom -= 4 + round(1.8 * max(9, round(0.03 * min(shown.shape[:2]))))
    if settings.help:
        _panel(shown, tuple(f"{keys}\t{what}" for keys, what in HELP))
    return shown


def _panel(picture: Array, lines: tuple[str, ...]) -> None:
    """Writes lines on a dark box in the middle; a tab begins a second column."""
    letters = _letters(lines, picture.shape[1], picture.shape[0])
    rows, columns = letters.shape
    y, x = (picture.shape[0] - rows) // 2, (picture.shape[1] - columns) // 2
    box = picture[y : y + rows, x : x + columns]
    weight = (letters.astype(np.float32) / 255)[..., np.newaxis]
    box[:] = (box * 0.2 * (1 - weight) + 255 * weight).astype(np.uint8)


@lru_cache(maxsize=16)
def _letters(lines: tuple[str, ...], width: int, height: int) -> Array:
    """Returns the lines' coverage, uint8 (h, w), no larger than the picture; letters shrink to fit, to a point."""
    texts = [[writable(part) for part in line.split("\t")] for line in lines]
    for size in range(max(12, min(width, height) // 22), 8, -1):
        rows = [row for text in texts for row in _rows(text, size, width - 2 * size)]
        tab = max((_length(row[0], size) for row in rows if len(row) > 1), default=0) + 1.5 * size
        right = [tab + _length(row[1], size) if len(row) > 1 else _length(row[0], size) for row in rows]
        box = (int(max(right)) + 2 * size, round(1.5 * size * len(rows)) + size)
        if box[0] <= width and box[1] <= height:
            break
    image = Image.new("L", (min(box[0], width), min(box[1], height)), 0)
    draw = ImageDraw.Draw(image)
    for i, row in enumerate(rows):
        for part, x in zip(row, (0.0, tab), strict=False):
            draw.text((size + x, size // 2 + 1.5 * size * i), part, fill=255, font=font_for(part, size))
    return np.asarray(image)


def _rows(parts: list[str], size: int, width: float) -> list[list[str]]:
    """Breaks a line at blanks so that each part is narrow enough; one of two columns stays."""
    return [parts] if len(parts) > 1 else [[row] for row in wrapped(parts[0], size, width)]


def _length(text: str, size: int) -> float:
    return font_for(text, size).getlength(text)
