"""Maps that know nothing of the picture: what any method has to be better than."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vidcam.types import Array

CENTRE = 0.25
"""Standard deviation of the centred map, in shares of the sides."""
MAP_BLUR = 0.125
"""Standard deviation of the blur of the blurred random map, in shares of the longer side: about as smooth as the maps
of class activation methods are."""


def random_map(shape: tuple[int, int], seed: Sequence[int]) -> Array:
    """Returns uniform random heat, float32 (h, w) in [0, 1)."""
    return np.random.default_rng(list(seed)).random(shape, dtype=np.float32)


def blurred_random_map(shape: tuple[int, int], seed: Sequence[int]) -> Array:
    """Returns random heat in a few smooth blobs, float32 (h, w), from 0 to 1: `random_map` under a Gaussian blur."""
    sigma = MAP_BLUR * max(shape)
    blurred = cv2.GaussianBlur(random_map(shape, seed), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    low, high = float(blurred.min()), float(blurred.max())
    return (blurred - low) / (high - low) if high > low else np.ones(shape, np.float32)


def centred_map(shape: tuple[int, int]) -> Array:
    """Returns a Gaussian in the middle, float32 (h, w), highest 1."""
    y, x = (((np.arange(n) + 0.5) / n - 0.5) ** 2 for n in shape)
    return np.exp(-(y[:, np.newaxis] + x) / (2 * CENTRE**2)).astype(np.float32)


CONTROLS = ("random", "blurred-random", "centre")


def control_map(name: str, shape: tuple[int, int], seed: Sequence[int]) -> Array:
    """Makes a map.

    Args:
        name: `random`, uniform numbers; `blurred-random`, the same blurred; `centre`, a Gaussian in the middle.
        shape: (rows, columns).
        seed: of the random numbers.

    Returns:
        float32 (h, w), 0 to 1.
    """
    if name == "centre":
        return centred_map(shape)
    return random_map(shape, seed) if name == "random" else blurred_random_map(shape, seed)
