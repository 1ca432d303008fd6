"""How steady a clip's heat is: flicker, lag and target switches. Arrays only; no model and no picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from vidcam.types import Array


def flicker(heat: Array, cuts: Array | None = None) -> float:
    """Measures how much heat jumps back and forth, relative to how much there is.

    The mean over frames and positions of |h_t - (h_(t-1) + h_(t+1)) / 2|, divided by the mean heat. Heat that moves
    evenly or swells evenly counts nothing, heat that jumps there and back counts in full; heat that is merely dimmer
    does not count as steadier. White noise that changes all of the heat scores about 1, a still map 0.

    Args:
        heat: (N, h, w), what is shown: maps without their negative part, divided by the hottest value.
        cuts: bool (N,), where a scene begins; nothing is compared across.

    Returns:
        The flicker, 0 or more; 0 for fewer than three frames and where there is no heat.
    """
    heat = np.asarray(heat, np.float64)
    mean = float(heat.mean()) if heat.size else 0.0
    inner = np.ones(max(0, len(heat) - 2), bool)
    if cuts is not None:
        inner = ~(cuts[1:-1] | cuts[2:])
    if mean <= 0.0 or not inner.any():
        return 0.0
    jumps = np.abs(heat[1:-1] - (heat[:-2] + heat[2:]) / 2)[inner]
    return float(jumps.mean()) / mean


def switches(targets: Sequence[tuple[int, ...]], cuts: Array | None = None) -> int:
    """Counts how often a clip's explained class changes from one frame to the next, scene cuts apart.

    Args:
        targets: for each frame the class indices that its map explains.
        cuts: bool (N,), where a scene begins.
    """
    return sum(
        tuple(before) != tuple(after) and (cuts is None or not cuts[i])
        for i, (before, after) in enumerate(pairwise(targets), 1)
    )


def centroid(heat: Array) -> Array:
    """Returns the heat's centre of mass, float64 (N, 2): row and column in cells; NaN where there is no heat.

    Args:
        heat: (N, h, w), 0 or more.
    """
    heat = np.asarray(heat, np.float64)
    total = heat.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = (heat.sum(axis=2) @ np.arange(heat.shape[1])) / total
        columns = (heat.sum(axis=1) @ np.arange(heat.shape[2])) / total
    return np.stack([rows, columns], axis=1)


def lag(shown: Array, reference: Array, seconds: float, longest: float = 0.5) -> float:
    """Measures by how much one movement runs behind another.

    Args:
        shown: (N, d), positions over time, such as the centroid of the heat that is shown.
        reference: (N, d), the positions to follow.
        seconds: from one frame to the next.
        longest: the longest lag in seconds that is looked for.

    Returns:
        The delay in seconds, between frames too, at which the correlation of the two is greatest: positive where
        `shown` is late.
    """
    fine = 8
    steps = np.arange(0, len(shown) - 1 + 1e-9, 1 / fine)
    a, b = (np.stack([np.interp(steps, np.arange(len(x)), c) for c in x.T], axis=1) for x in (shown, reference))
    reach = min(round(longest / seconds * fine), len(steps) // 2)

    def correlation(delay: int) -> float:
        late, early = (a[delay:], b[: len(b) - delay]) if delay >= 0 else (a[:delay], b[-delay:])
        late, early = late - late.mean(axis=0), early - early.mean(axis=0)
        scale = float(np.sqrt((late**2).sum() * (early**2).sum()))
        return float((late * early).sum()) / scale if scale > 0 else 0.0

    best = max(range(-reach, reach + 1), key=lambda d: (correlation(d), -abs(d)))
    return best * seconds / fine
