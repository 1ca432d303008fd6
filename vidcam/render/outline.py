"""The outline of a thing on a picture: a white line with a dark edge, which shows on any colours."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vidcam.render.planes import Picture, shape_of
from vidcam.types import Array, Planes


def draw_outline(picture: Picture, inside: Array) -> None:
    """Draws the outline of a region.

    Args:
        picture: RGB uint8 (H, W, 3), or planes; written to.
        inside: where the thing is, bool (H, W) of the picture's size.
    """
    lines, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    width = max(1, round(min(shape_of(picture)) / 180))
    if not isinstance(picture, Planes):
        for ink, wide in ((0, 3 * width), (255, width)):
            _draw(picture, lines, (ink, ink, ink), wide)
        return
    for plane in (picture.u, picture.v):  # no colour under all of the line
        _draw(plane, [line // 2 for line in lines], (128,), (3 * width + 1) // 2)
    for ink, wide in ((16, 3 * width), (235, width)):
        _draw(picture.y, lines, (ink,), wide)


def _draw(plane: Array, lines: Sequence[Array], ink: tuple[int, ...], width: int) -> None:
    """Draws closed lines; OpenCV writes to whole arrays only."""
    whole = np.ascontiguousarray(plane)
    cv2.drawContours(whole, lines, -1, ink, width)
    if whole is not plane:
        plane[:] = whole
