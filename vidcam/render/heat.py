"""From a raw map to heat over the frame: the outer ReLU, the scaling, and laying it back where the model looked."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from vidcam.types import Array, Placement


def peak_of(raw: Array) -> float:
    """Returns a raw map's largest positive value; 0 where nothing speaks for the target or the map is not finite."""
    peak = float(raw.max(initial=0.0))
    return peak if np.isfinite(raw).all() else 0.0


def heat_of(raw: Array, placement: Placement, peak: float) -> Array:
    """Lays a raw map back over the part of the frame that the model saw.

    Each cell of the map stands for an equal part of the model's input. Between the cells' centres the heat runs
    bilinearly, beyond the outer centres it is constant: half-pixel centres, as OpenCV's INTER_LINEAR has them.

    Args:
        raw: (h, w), signed; negative values are no heat.
        placement: how the frame was fitted to the input.
        peak: the value that is hottest, more than 0; larger ones are cut.

    Returns:
        uint8 (H', W'), 0 to 255, as large as `placement.source`.
    """
    small = np.maximum(raw, 0.0).astype(np.float32) * np.float32(255.0 / peak)
    heat: Array = cv2.convertScaleAbs(_lay(small, placement))
    return heat


def lay_over(raw: Array, placement: Placement) -> Array:
    """Lays a raw map's positive part over the whole frame, as `heat_of` does, in the map's own units.

    Args:
        raw: (h, w), signed.
        placement: how the frame was fitted to the input.

    Returns:
        float32 (H, W), as large as the frame; 0 where the model did not look.
    """
    x0, y0, x1, y1 = (round(v) for v in placement.source)
    whole = np.zeros((placement.frame[1], placement.frame[0]), np.float32)
    whole[y0:y1, x0:x1] = _lay(np.maximum(raw, 0.0).astype(np.float32), placement)
    return whole


def _lay(small: Array, placement: Placement) -> Array:
    """Interpolates a map (h, w) over the part of the frame that the model saw."""
    x0, y0, x1, y1 = placement.source
    a0, b0, a1, b1 = placement.target
    in_w, in_h = placement.input
    if (a0, b0, a1, b1) == (0, 0, in_w, in_h):
        whole: Array = cv2.resize(small, (round(x1 - x0), round(y1 - y0)), interpolation=cv2.INTER_LINEAR)
        return whole
    down = _interpolation(round(y1 - y0), small.shape[0], b0 / in_h, b1 / in_h)
    across = _interpolation(round(x1 - x0), small.shape[1], a0 / in_w, a1 / in_w)
    laid: Array = down @ (small @ across.T)
    return laid


@lru_cache(maxsize=16)
def _interpolation(pixels: int, cells: int, start: float, stop: float) -> Array:
    """Returns the (pixels, cells) matrix of bilinear weights for pixels that cover start..stop of the cells' extent.

    For `pad`, where `cv2.resize` could not begin between two cells. Matrix products are not for every frame: NumPy's
    library has threads that wait for the next one actively, which takes a core from the other stages.
    """
    centres = (start + (np.arange(pixels) + 0.5) * (stop - start) / pixels) * cells - 0.5
    centres = np.clip(centres, 0.0, cells - 1.0)
    left = np.minimum(centres.astype(np.int64), max(cells - 2, 0))
    weight = (centres - left).astype(np.float32)
    matrix = np.zeros((pixels, cells), np.float32)
    matrix[np.arange(pixels), left] = 1.0 - weight
    if cells > 1:
        matrix[np.arange(pixels), left + 1] = weight
    return matrix
