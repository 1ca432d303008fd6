"""Several layers' maps to one."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vidcam.types import Array


def merge(maps: Sequence[Array]) -> Array:
    """Merges several layers' maps: each resized to the largest, scaled to the mean of their peaks, then the mean.

    A shallow layer's map can be a thousand times weaker than a deep one's, so that a plain mean would show one of them
    only. The peak is the largest absolute value, so that the negated maps merge to the negated map.

    Args:
        maps: (B, h, w) each, at least one.

    Returns:
        Raw maps (B, h', w') as large as the largest, in the units of the maps.
    """
    if len(maps) == 1:
        return maps[0]
    height, width = (max(m.shape[axis] for m in maps) for axis in (1, 2))
    peaks = [np.abs(m).max((1, 2), keepdims=True) for m in maps]
    resized = [np.stack([cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in m]) for m in maps]
    shares = [np.divide(m, p, out=m.copy(), where=p > 0.0) for m, p in zip(resized, peaks, strict=True)]
    merged: Array = sum(shares) / len(maps) * (sum(peaks) / len(maps))
    return merged
