"""Whether the classifier cares about what a map marks: insertion, deletion, average drop and increase.

Pictures are changed and scored anew; how they are scored is the caller's function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from vidcam.types import Array

Score = Callable[[Sequence[Array]], Array]
"""Pictures, uint8 (h, w, C) each, to the target's score of each, (N,)."""
STEPS = 16
BLUR = 1 / 16
"""Standard deviation of the blur that insertion begins with, in shares of the longer side."""


def order_of(heat: Array) -> Array:
    """Returns a picture's pixels from the hottest to the coldest, indices (h w,); equals in reading order.

    Args:
        heat: (h, w).
    """
    return np.argsort(-heat.ravel(), kind="stable")


def replaced(picture: Array, by: Array, order: Array, steps: int = STEPS) -> list[Array]:
    """Replaces more and more of a picture's pixels.

    Args:
        picture: uint8 (h, w, C).
        by: what replaces them, of the same shape.
        order: which come first, see `order_of`.
        steps: in how many equal steps.

    Returns:
        The pictures between the two, steps - 1 of them, without the two themselves.
    """
    flat, other = picture.reshape(len(order), -1), by.reshape(len(order), -1)
    series = []
    for step in range(1, steps):
        chosen = order[: round(step / steps * len(order))]
        mixed = flat.copy()
        mixed[chosen] = other[chosen]
        series.append(mixed.reshape(picture.shape))
    return series


def area_under(scores: Array) -> float:
    """Returns the area under scores at equal distances from 0 to 1, by the trapezoidal rule."""
    scores = np.asarray(scores, np.float64)
    return float((scores[1:] + scores[:-1]).sum() / (2 * (len(scores) - 1)))


def blurred(picture: Array) -> Array:
    """Returns a picture too blurred to be recognised."""
    sigma = BLUR * max(picture.shape[:2])
    return cv2.GaussianBlur(picture, (0, 0), sigma).reshape(picture.shape)


def one_color(picture: Array) -> Array:
    """Returns a picture of one colour, the mean of another."""
    return np.broadcast_to(picture.mean(axis=(0, 1)).round().astype(np.uint8), picture.shape)


def shown_only(picture: Array, heat: Array) -> Array:
    """Returns a picture darkened where there is no heat.

    Args:
        picture: uint8 (h, w, C).
        heat: (h, w), 0 or more; divided by its maximum here.
    """
    peak = float(heat.max())
    share = heat / peak if peak > 0 else np.zeros_like(heat)
    masked: Array = np.rint(picture * share[..., np.newaxis]).astype(np.uint8)
    return masked


class Perturbation:
    """Measures maps of one picture by what the classifier says of it where they are hot and where they are not.

    - `deletion`: the area under the score while the hottest pixels become the picture's mean colour first; low is good.
    - `insertion`: the same while they come back first into the blurred picture; high is good. Petsiuk et al., RISE,
      BMVC 2018.
    - `drop`: the share of the score, 0 to 1, that is lost where the picture is multiplied by the map; low is good.
    - `increase`: 1 where the score rises by that, else 0; high is good. Chattopadhay et al., Grad-CAM++, WACV 2018.

    Args:
        picture: uint8 (h, w, C), as the model is shown it.
        score: scores pictures, 0 to 1.
        steps: how finely the areas are measured.
    """

    def __init__(self, picture: Array, score: Score, steps: int = STEPS) -> None:
        self._picture = picture
        self._score = score
        self._steps = steps
        self._plain, self._blurred = one_color(picture), blurred(picture)
        self._whole, self._at_plain, self._at_blurred = score([picture, self._plain, self._blurred]).tolist()

    def measure(self, heat: Array) -> dict[str, float]:
        """Measures one map.

        Args:
            heat: (h, w) of the picture's size, 0 or more.

        Returns:
            `insertion`, `deletion`, `drop` and `increase`.
        """
        order = order_of(heat)
        fewer = replaced(self._picture, self._plain, order, self._steps)
        more = replaced(self._blurred, self._picture, order, self._steps)
        scores = self._score([*fewer, *more, shown_only(self._picture, heat)])
        falling, rising, kept = scores[: len(fewer)], scores[len(fewer) : -1], float(scores[-1])
        return {
            "insertion": area_under(np.array([self._at_blurred, *rising, self._whole])),
            "deletion": area_under(np.array([self._whole, *falling, self._at_plain])),
            "drop": max(0.0, self._whole - kept) / self._whole if self._whole > 0 else 0.0,
            "increase": float(kept > self._whole),
        }
