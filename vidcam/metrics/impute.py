"""Filling in what was taken out of a picture, so that its place tells nothing: linear imputation.

Each pixel that was removed becomes the weighted mean of its eight neighbours (1/6 beside, 1/12 across the corner; at
the picture's edge of those that there are), all removed ones at once: a linear system (Rong et al., ICML 2022). It is
solved by conjugate gradients, preconditioned by one multigrid cycle, to far less than one level of 255.
"""

from __future__ import annotations

import cv2
import numpy as np

from vidcam.types import Array

NEIGHBOUR_WEIGHTS = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]], np.float32) / 12
CLOSE = 3e-4
"""Of the first residual: where solving ends."""
CYCLES = 60
DAMPING = 0.8
COARSEST = 4
"""Pixels of the shorter side below which no coarser grid is made."""


def impute(picture: Array, removed: Array) -> Array:
    """Fills in removed pixels.

    Args:
        picture: (h, w, C), of any type.
        removed: bool (h, w), at least one pixel is left.

    Returns:
        float32 (h, w, C): the picture where it is left, else the mean of the neighbours.
    """
    known = np.where(removed[..., np.newaxis], 0, picture).astype(np.float32)
    if not removed.any():
        return known
    grids = _grids(removed, picture.shape[2])
    filled = _push_pull(known, ~removed) * grids[0][0]
    # With A = diagonal - neighbours over the removed pixels: A x = neighbours(known).
    residual = _around(known) * grids[0][0] - _apply(filled, *grids[0])
    target = CLOSE * max(1.0, float(np.abs(residual).max()))
    direction, previous, product = np.zeros_like(filled), residual, np.ones(filled.shape[2])
    for _ in range(CYCLES):
        if float(np.abs(residual).max()) < target:
            break
        step = _cycle(residual, grids)
        # Polak and Ribiere's form allows for a preconditioner that is not quite symmetric.
        turned = _dot(step, residual - previous) / product
        direction = step + turned * direction
        product = _dot(step, residual)
        moved = _apply(direction, *grids[0])
        length = product / np.maximum(_dot(direction, moved), 1e-20)
        filled += length * direction
        previous = residual
        residual = residual - length * moved
        product = np.maximum(product, 1e-20)
    found: Array = known + filled
    return found


def _around(values: Array) -> Array:
    """Returns each pixel's weighted sum of its neighbours; there is nothing beyond the edge."""
    summed: Array = cv2.filter2D(values, -1, NEIGHBOUR_WEIGHTS, borderType=cv2.BORDER_CONSTANT)
    return summed.reshape(values.shape)


def _apply(values: Array, unknown: Array, diagonal: Array) -> Array:
    return (diagonal * values - _around(values)) * unknown


def _dot(a: Array, b: Array) -> Array:
    found: Array = np.einsum("ijk,ijk->k", a, b)
    return found


def _grids(removed: Array, channels: int) -> list[tuple[Array, Array]]:
    """Returns for each grid, finest first, which pixels are unknown and the diagonal, float32 (h, w, channels)."""
    grids = []
    unknown = removed.astype(np.float32)
    while unknown.any():
        # As many times as there are channels: broadcasting over a short last axis takes several times as long.
        unknowns, diagonal = (
            np.repeat(a[..., np.newaxis], channels, axis=2) for a in (unknown, _around(np.ones_like(unknown)))
        )
        grids.append((unknowns, diagonal))
        height, width = unknown.shape
        if min(height, width) < COARSEST:
            break
        # A coarse pixel is unknown where all that it stands for is.
        even = cv2.copyMakeBorder(unknown, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        unknown = (cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) > 0.999).astype(np.float32)
    return grids


def _cycle(residual: Array, grids: list[tuple[Array, Array]]) -> Array:
    """Returns about A^-1 residual: smoothed, corrected on the next coarser grid, smoothed."""
    unknown, diagonal = grids[0]
    damped = DAMPING * unknown / diagonal
    step = damped * residual
    step += damped * (residual - _apply(step, unknown, diagonal))
    if len(grids) > 1:
        left = residual - _apply(step, unknown, diagonal)
        height, width = left.shape[:2]
        left = cv2.copyMakeBorder(left, 0, height % 2, 0, width % 2, cv2.BORDER_CONSTANT).reshape(
            height + height % 2, width + width % 2, -1
        )
        # The same stencil on twice the distance: four times the residual.
        coarse = 4 * _resized(left, (left.shape[1] // 2, left.shape[0] // 2), cv2.INTER_AREA)
        correction = _resized(
            _cycle(coarse * grids[1][0], grids[1:]), (left.shape[1], left.shape[0]), cv2.INTER_LINEAR
        )[:height, :width]
        step += correction * unknown
        step += damped * (residual - _apply(step, unknown, diagonal))
    step += damped * (residual - _apply(step, unknown, diagonal))
    return step


def _push_pull(known: Array, there: Array) -> Array:
    """Fills holes by the means of ever larger squares: where solving begins."""
    weight = there.astype(np.float32)[..., np.newaxis]
    if there.all() or max(there.shape) == 1:
        return known / np.maximum(weight, 1e-6)
    size = ((there.shape[1] + 1) // 2, (there.shape[0] + 1) // 2)
    values, weights = (_resized(a, size, cv2.INTER_AREA) for a in (known * weight, weight))
    coarse = _push_pull(values / np.maximum(weights, 1e-6), weights[..., 0] > 0)
    fine = _resized(coarse, (there.shape[1], there.shape[0]), cv2.INTER_LINEAR)
    return np.where(weight > 0, known, fine)


def _resized(values: Array, size: tuple[int, int], how: int) -> Array:
    return cv2.resize(values, size, interpolation=how).reshape(size[1], size[0], -1)
