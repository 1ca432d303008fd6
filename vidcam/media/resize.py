"""Pictures at other sizes, where quality counts more than time."""

from __future__ import annotations

import numpy as np

from vidcam.types import Array


def size_within(size: tuple[int, int], max_size: int | None) -> tuple[int, int]:
    """Returns a (width, height) brought down so that its longer side is at most `max_size`."""
    longer = max(size)
    if max_size is None or longer <= max_size:
        return size
    return (max(1, round(size[0] * max_size / longer)), max(1, round(size[1] * max_size / longer)))


def even_size(size: tuple[int, int], width: int) -> tuple[int, int]:
    """Returns a (width, height) at a width, both even, as videos need them."""
    return max(2, width // 2 * 2), max(2, round(size[1] * width / size[0] / 2) * 2)


def resized(picture: Array, size: tuple[int, int]) -> Array:
    """Returns a picture at (width, height)."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    from PIL import Image

    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize(size, Image.Resampling.LANCZOS))


def narrowed(rgb: Array, width: int | None) -> Array:
    """Returns a picture at a width in pixels, its height in proportion."""
    if width is None or width == rgb.shape[1]:
        return rgb
    return resized(rgb, (width, max(1, round(rgb.shape[0] * width / rgb.shape[1]))))
