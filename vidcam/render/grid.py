"""Several pictures as one: scaling a frame with its placement, and laying cells out in rows."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vidcam.render.planes import Picture
from vidcam.types import Array, Placement, Planes

GRID_PIXELS = 1920 * 1080
"""What all cells together may have, where the frame itself is not larger."""


def cell_size(frame: tuple[int, int], cells: int, columns: int = 1, output_width: int | None = None) -> tuple[int, int]:
    """Returns the (width, height) in pixels of a grid's cells, so that the grid stays of a size that plays everywhere.

    Args:
        frame: (width, height) of a picture in full.
        cells: how many there are.
        columns: how many in a row.
        output_width: of all columns together, where it is given; then nothing else counts.
    """
    width, height = frame
    if output_width is not None:
        across = max(1, output_width // columns)
        return across, max(1, round(height * across / width))
    scale = min(1.0, (max(GRID_PIXELS, width * height) / (cells * width * height)) ** 0.5)
    if scale == 1.0:
        return frame
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def scaled(picture: Picture, placement: Placement, size: tuple[int, int]) -> tuple[Picture, Placement]:
    """Brings a picture to a size, and moves the part that the model saw with it.

    Args:
        picture: RGB uint8 (H, W, 3), or planes.
        placement: which part of it the model saw.
        size: (width, height) in pixels; of planes, even.

    Returns:
        The picture and the placement at that size; the arguments themselves where it is theirs.
    """
    if size == placement.frame:
        return picture, placement
    across, down = size[0] / placement.frame[0], size[1] / placement.frame[1]
    x0, y0, x1, y1 = placement.source
    left, top = min(round(x0 * across), size[0] - 1), min(round(y0 * down), size[1] - 1)
    right, bottom = max(round(x1 * across), left + 1), max(round(y1 * down), top + 1)
    source = (float(left), float(top), float(right), float(bottom))
    moved = Placement(size, placement.input, source, placement.target)
    way = cv2.INTER_AREA if min(across, down) < 1 else cv2.INTER_CUBIC
    if not isinstance(picture, Planes):
        return cv2.resize(picture, size, interpolation=way), moved
    half = (size[0] // 2, size[1] // 2)
    y, u, v = (
        cv2.resize(plane, wanted, interpolation=way)
        for plane, wanted in zip(picture.all, (size, half, half), strict=True)
    )
    return Planes(y, u, v, picture.matrix), moved


def tile(cells: Sequence[Array | None], columns: int, width: int | None = None) -> Array:
    """Lays pictures of one size out in rows.

    Args:
        cells: RGB uint8 (H, W, 3) each, in reading order; None for an empty place. One at least is a picture.
        columns: how many in a row.
        width: of the whole in pixels, where it is more than that of the columns.

    Returns:
        RGB uint8; what has no picture is black.
    """
    some = next(cell for cell in cells if cell is not None)
    tall, wide, _ = some.shape
    width = columns * wide if width is None else width
    if len(cells) == 1 and width == wide:
        return some
    rows = -(-len(cells) // columns)
    canvas = np.zeros((rows * tall, width, 3), np.uint8)
    for i, cell in enumerate(cells):
        if cell is not None:
            y, x = i // columns * tall, i % columns * wide
            canvas[y : y + tall, x : x + wide] = cell
    return canvas
