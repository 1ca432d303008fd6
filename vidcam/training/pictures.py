"""Reading one still picture the way `vidcam run` reads it, so that training, evaluation and explanation agree."""

from __future__ import annotations

from pathlib import Path

from vidcam.media import open_source
from vidcam.types import Array

TRAINING_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"})


def read_picture(path: Path) -> Array:
    """Reads a picture.

    Args:
        path: an image file; of an animation the first frame is taken.

    Returns:
        uint8 (H, W, 3), RGB, upright.

    Raises:
        VidcamError: the file cannot be read as a picture.
    """
    with open_source(path) as source:
        return next(iter(source)).rgb()
