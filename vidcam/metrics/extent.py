"""Where in the picture heat lies and how far it spreads. Arrays only; no model and no picture.

Both measures weigh a map's cells by how much of each lies in the part of the frame that the model saw, so that padding
counts nothing, and take a map as constant over each cell, so that they do not depend on how maps are interpolated.
"""

from __future__ import annotations

import numpy as np

from vidcam.types import Array, Placement

BORDER = 0.1
"""How much of the width, and of the height, is the border on every side."""
EVEN = 1 - (1 - 2 * BORDER) ** 2
"""The share of the picture that the border is, and so of evenly spread heat: 0.36."""


def border_share(heat: Array, placement: Placement) -> float:
    """Measures how much of the heat lies at the border: in the outer tenth of the picture on any of its four sides.

    The share is taken map by map, and the mean over the maps with heat is returned; a dim frame counts as much as a
    bright one. Evenly spread heat has `EVEN`, 0.36; networks that look at a watermark or at their own zero padding have
    more.

    Args:
        heat: (N, h, w), 0 or more; maps that are not finite count as none.
        placement: how the frames were fitted to the model's input. The picture is the part that the model saw.

    Returns:
        The share, 0 to 1; 0 where there is no heat.
    """
    heat, rows, columns = _weighed(heat, placement)
    total = _sum(heat, rows, columns)
    inner = _sum(heat, *_cells(heat, placement, BORDER))
    hot = total > 0.0
    return float(np.mean(1.0 - inner[hot] / total[hot])) if hot.any() else 0.0


def spread(heat: Array, placement: Placement) -> float:
    """Measures over how much of the picture the heat spreads.

    With heat h on cells of area a: (sum of a h)^2 / (sum of a times sum of a h^2), the participation ratio. It is the
    share of the picture that the same heat would cover if it were even there: 1 for even heat, k / n for even heat on
    k of n cells. Taken map by map; the mean over the maps with heat is returned.

    Args:
        heat: (N, h, w), 0 or more; maps that are not finite count as none.
        placement: how the frames were fitted to the model's input. The picture is the part that the model saw.

    Returns:
        The share, above 0 up to 1; 0 where there is no heat.
    """
    heat, rows, columns = _weighed(heat, placement)
    total = _sum(heat, rows, columns)
    hot = total > 0.0
    if not hot.any():
        return 0.0
    # Of each map's own peak, so that no square overflows or vanishes.
    scaled = heat[hot] / heat[hot].max(axis=(1, 2), keepdims=True)
    area = rows.sum() * columns.sum()
    ratios = _sum(scaled, rows, columns) ** 2 / (area * _sum(scaled**2, rows, columns))
    return float(np.mean(ratios))


def _weighed(heat: Array, placement: Placement) -> tuple[Array, Array, Array]:
    """Returns heat without what is not finite, and the areas of its rows and columns."""
    heat = np.asarray(heat, np.float64)
    heat = np.where(np.isfinite(heat).all(axis=(1, 2), keepdims=True), heat, 0.0)
    return heat, *_cells(heat, placement, 0.0)


def _cells(heat: Array, placement: Placement, margin: float) -> tuple[Array, Array]:
    """Returns how much of each row and column of cells lies inside a margin, a share of the picture: (h,) and (w,)."""
    x0, y0, x1, y1 = placement.target
    width, height = placement.input
    down, across = margin * (y1 - y0), margin * (x1 - x0)
    return (
        _overlap(heat.shape[1], (y0 + down) / height, (y1 - down) / height),
        _overlap(heat.shape[2], (x0 + across) / width, (x1 - across) / width),
    )


def _overlap(cells: int, start: float, stop: float) -> Array:
    """Returns how much of each of `cells` equal parts of 0..1 lies between start and stop, 0 to 1."""
    edges = np.linspace(0.0, 1.0, cells + 1)
    inside: Array = np.clip(np.minimum(edges[1:], stop) - np.maximum(edges[:-1], start), 0.0, None) * cells
    return inside


def _sum(heat: Array, rows: Array, columns: Array) -> Array:
    """Returns each map's heat, cells weighed by their areas: (N,)."""
    total: Array = np.einsum("nij,i,j->n", heat, rows, columns)
    return total
