"""ROAD: what the classifier says once pixels are removed and their places filled in so that they tell nothing.

Rong et al., A Consistent and Efficient Evaluation Strategy for Attribution Methods, ICML 2022. Unlike blurring or a
plain colour, noisy linear imputation leaves no trace of which pixels were removed. Both orders are combined, as each of
them alone favours some maps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vidcam.metrics.impute import impute
from vidcam.metrics.perturbation import Score, order_of
from vidcam.types import Array

SHARES = tuple(n / 10 for n in range(1, 10))
"""Of the picture's pixels that are removed, one after the other."""
NOISE = 0.01 * 255
"""Standard deviation of the noise on filled pixels, in levels."""


def without(picture: Array, chosen: Array, noise: Array) -> Array:
    """Removes pixels by noisy linear imputation.

    Args:
        picture: uint8 (h, w, C).
        chosen: indices of the pixels to remove, in reading order's numbers; not all of them.
        noise: float (h, w, C), in levels, added where a pixel was removed.

    Returns:
        uint8 (h, w, C).
    """
    removed = np.zeros(picture.shape[:2], bool)
    removed.ravel()[chosen] = True
    filled = impute(picture, removed) + noise * removed[..., np.newaxis]
    found: Array = np.rint(np.clip(filled, 0, 255)).astype(np.uint8)
    return found


class Road:
    """Measures maps of one picture by ROAD.

    `road`: the mean over the shares of half of what the score is higher with the coldest pixels removed than with the
    hottest: (least relevant first - most relevant first) / 2. High is good, at most 0.5 where scores are probabilities;
    a random map has 0 on average.

    Args:
        picture: uint8 (h, w, C), as the model is shown it.
        score: scores pictures, 0 to 1.
        seed: of the noise.
        shares: see `SHARES`.
    """

    def __init__(self, picture: Array, score: Score, seed: Sequence[int] = (0,), shares: Sequence[float] = SHARES):
        self._picture = picture
        self._score = score
        self._shares = shares
        self._noise = NOISE * np.random.default_rng(list(seed)).standard_normal(picture.shape, dtype=np.float32)

    def measure(self, heat: Array) -> dict[str, float]:
        """Measures one map.

        Args:
            heat: (h, w) of the picture's size, 0 or more. Equally hot pixels are removed in reading order.

        Returns:
            `road`.
        """
        order = order_of(heat)
        counts = [round(share * len(order)) for share in self._shares]
        most = [without(self._picture, order[:count], self._noise) for count in counts]
        least = [without(self._picture, order[len(order) - count :], self._noise) for count in counts]
        scores = self._score([*most, *least]).astype(np.float64)
        return {"road": float((scores[len(counts) :] - scores[: len(counts)]).mean() / 2)}
