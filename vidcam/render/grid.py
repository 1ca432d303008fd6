"""Several pictures as one: scaling a frame with its placement, and laying cells out in rows."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vidcam.render.planes import Picture, shape_of
from vidcam.types import Array, Placement, Planes

GRID_PIXELS = 1920 * 1080
"""What all cells together may have, where the frame itself is not larger."""
LITTLE = 0.7
"""Of its sides, from which on a picture is made smaller by bilinear interpolation: that leaves no pixel out, and of two
cells with the pixels of one frame it takes a ninth of the time of averaging areas."""


def cell_size(
    frame: tuple[int, int],
    cells: int,
    columns: int = 1,
    output_width: int | None = None,
    *,
    pixels: int = GRID_PIXELS,
) -> tuple[int, int]:
    """Returns the (width, height) in pixels of a grid's cells, so that the grid stays of a size that plays everywhere.

    Args:
        frame: (width, height) of a picture in full.
        cells: how many there are.
        columns: how many in a row.
        output_width: of all columns together, where it is given; then nothing else counts.
        pixels: that all cells together may have, where the frame itself is not larger.
    """
    width, height = frame
    if output_width is not None:
        across = max(1, output_width // columns)
        return across, max(1, round(height * across / width))
    scale = min(1.0, (max(pixels, width * height) / (cells * width * height)) ** 0.5)
    if scale == 1.0:
        return frame
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def scaled(picture: Picture, size: tuple[int, int]) -> Picture:
    """Brings a picture to a size.

    Args:
        picture: RGB uint8 (H, W, 3), or planes.
        size: (width, height) in pixels; of planes, even.

    Returns:
        The picture at that size; itself where it is its own.
    """
    height, width = shape_of(picture)
    if size == (width, height):
        return picture
    share = min(size[0] / width, size[1] / height)
    way = cv2.INTER_AREA if share < LITTLE else cv2.INTER_LINEAR if share < 1 else cv2.INTER_CUBIC
    if not isinstance(picture, Planes):
        return cv2.resize(picture, size, interpolation=way)
    half = (size[0] // 2, size[1] // 2)
    y, u, v = (
        cv2.resize(plane, wanted, interpolation=way)
        for plane, wanted in zip(picture.all, (size, half, half), strict=True)
    )
    return Planes(y, u, v, picture.matrix)


def moved(placement: Placement, size: tuple[int, int], step: int = 1) -> Placement:
    """Says which part of a picture the model saw when it has been brought to a size.

    Args:
        placement: which part it is before.
        size: (width, height) in pixels.
        step: the part begins and ends at multiples of so many pixels; 2 for planes.
    """
    if size == placement.frame:
        return placement
    across, down = size[0] / placement.frame[0], size[1] / placement.frame[1]
    x0, y0, x1, y1 = placement.source
    left, top = (
        min(step * round(v * share / step), side - step)
        for v, share, side in ((x0, across, size[0]), (y0, down, size[1]))
    )
    right, bottom = (
        max(step * round(v * share / step), begin + step) for v, share, begin in ((x1, across, left), (y1, down, top))
    )
    source = (float(left), float(top), float(right), float(bottom))
    return Placement(size, placement.input, source, placement.target)


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


def tile_planes(cells: Sequence[Planes | None], columns: int, width: int | None = None) -> Planes:
    """Lays pictures of one even size out in rows, as `tile` does; the whole is of even width, too."""
    some = next(cell for cell in cells if cell is not None)
    tall, wide = some.y.shape
    width = columns * wide if width is None else max(columns * wide, width // 2 * 2)
    if len(cells) == 1 and width == wide:
        return some
    rows = -(-len(cells) // columns)
    canvas = Planes.empty((width, rows * tall), some.matrix)
    for plane, black in zip(canvas.all, (16, 128, 128), strict=True):
        plane[:] = black
    for i, cell in enumerate(cells):
        if cell is not None:
            y, x = i // columns * tall, i % columns * wide
            for whole, plane in zip(canvas.part(x, y, x + wide, y + tall).all, cell.all, strict=True):
                whole[:] = plane
    return canvas
