"""Colour maps: OpenCV's, by name, as RGB tables."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from vidcam.errors import UsageError
from vidcam.types import Array


@cache
def colormap_names() -> tuple[str, ...]:
    """Returns OpenCV's colour map names in lower case: jet, turbo, viridis ..."""
    return tuple(sorted(name[len("COLORMAP_") :].lower() for name in dir(cv2) if name.startswith("COLORMAP_")))


@cache
def colormap_table(name: str) -> Array:
    """Returns a colour map as RGB uint8 (256, 1, 3), cold to hot, in the form that `cv2.applyColorMap` takes.

    Raises:
        UsageError: OpenCV has no map of that name.
    """
    if name.lower() not in colormap_names():
        raise UsageError(f"colormap {name!r} is unknown; choose one of {', '.join(colormap_names())}")
    bgr = cv2.applyColorMap(np.arange(256, dtype=np.uint8).reshape(256, 1), getattr(cv2, f"COLORMAP_{name.upper()}"))
    return np.ascontiguousarray(bgr[..., ::-1])


def colorize(heat: Array, name: str) -> Array:
    """Colours heat uint8 (H, W), cold 0 to hot 255, as RGB uint8 (H, W, 3)."""
    colored: Array = cv2.applyColorMap(heat, colormap_table(name))
    return colored
