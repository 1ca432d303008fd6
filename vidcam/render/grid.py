"""Several pictures as one: shrinking a frame with its placement, and laying cells out in rows."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vidcam.types import Array, Placement

GRID_PIXELS = 1920 * 1080
"""What all cells together may have, where the frame itself is not larger."""


def cell_size(frame: tuple[int, int], cells: int) -> tuple[int, int]:
    """Returns the (width, height) in pixels of a grid's cells, so that the grid stays of a size that plays everywhere.

    Args:
        frame: (width, height) of a picture in full.
        cells: how many there are.
    """
    width, height = frame
    scale = min(1.0, (max(GRID_PIXELS, width * height) / (cells * width * height)) ** 0.5)
    if scale == 1.0:
        return frame
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def shrink(frame: Array, placement: Placement, size: tuple[int, int]) -> tuple[Array, Placement]:
    """Shrinks a frame, and moves the part that the model saw with it.

    Args:
        frame: RGB uint8 (H, W, 3).
        placement: which part of it the model saw.
        size: (width, height) in pixels.

    Returns:
        The frame and the placement at that size; the arguments themselves where it is theirs.
    """
    if size == placement.frame:
        return frame, placement
    across, down = size[0] / placement.frame[0], size[1] / placement.frame[1]
    x0, y0, x1, y1 = placement.source
    source = (float(round(x0 * across)), float(round(y0 * down)), float(round(x1 * across)), float(round(y1 * down)))
    small: Array = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return small, Placement(size, placement.input, source, placement.target)


def tile(cells: Sequence[Array], columns: int) -> Array:
    """Lays pictures of one size out in rows.

    Args:
        cells: RGB uint8 (H, W, 3) each, in reading order.
        columns: how many in a row.

    Returns:
        RGB uint8; places without a picture are black.
    """
    if len(cells) == 1:
        return cells[0]
    height, width, _ = cells[0].shape
    rows = -(-len(cells) // columns)
    canvas = np.zeros((rows * height, columns * width, 3), np.uint8)
    for i, cell in enumerate(cells):
        y, x = i // columns * height, i % columns * width
        canvas[y : y + height, x : x + width] = cell
    return canvas
