"""A colour bar on a picture: which colours are hot, and what the hottest is worth."""

from __future__ import annotations

import numpy as np

from vidcam.render.caption import draw_label
from vidcam.render.colormap import colormap_table
from vidcam.render.planes import Picture, paint, shape_of
from vidcam.types import Array


def draw_colorbar(picture: Picture, colormap: str, peak: float) -> None:
    """Draws a bar from cold to hot at a picture's right edge, with the raw values at its ends.

    Args:
        picture: RGB uint8 (H, W, 3), or planes; written to.
        colormap: an OpenCV name.
        peak: the raw value that is hottest; 0 where there is no evidence, which is written as a dash.
    """
    height, width = shape_of(picture)
    bar_w, bar_h = max(4, round(0.025 * min(height, width))), round(0.4 * height)
    margin = max(3, min(height, width) // 40)
    x, y = width - margin - bar_w, (height - bar_h) // 2
    if x < 0 or bar_h < 8:
        return
    rows = np.linspace(255, 0, bar_h).round().astype(np.uint8)
    left = min(1, x)  # the frame around it, where there is room

    def draw(box: Array) -> None:
        box[:] = 0
        box[1:-1, left : left + bar_w] = colormap_table(colormap)[rows]

    paint(picture, (x - left, y - 1, x + bar_w + 1, y + bar_h + 1), draw)
    draw_label(picture, f"{peak:.3g}" if peak > 0 else "-", right=width - margin, bottom=y - 2)
    draw_label(picture, "0", right=width - margin, top=y + bar_h + 2)
