"""What a class that stands for none of the others is worth: what it recognises, and what is lost to it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vidcam.types import Array


@dataclass(frozen=True, slots=True)
class Rejection:
    """How often a classifier says "none of them".

    Attributes:
        none: pictures of none of the other classes.
        recognised: the share of them of which it says so, NaN where there are none.
        others: pictures of the other classes.
        lost: the share of them of which it says so, NaN where there are none.
    """

    none: int
    recognised: float
    others: int
    lost: float

    def as_json(self) -> dict[str, Any]:
        """Returns the figures with their standard errors as plain JSON types, null where there is no picture."""
        found = {
            **asdict(self),
            "recognised_standard_error": _error(self.recognised, self.none),
            "lost_standard_error": _error(self.lost, self.others),
        }
        return {name: None if value != value else value for name, value in found.items()}  # noqa: PLR0124

    def sentence(self, label: str) -> str:
        """Returns the figures in words."""
        said = []
        if self.none:
            error = 100 * _error(self.recognised, self.none)
            said.append(f"{100 * self.recognised:.2f} % (+-{error:.2f}) of {self.none} recognised")
        if self.others:
            error = 100 * _error(self.lost, self.others)
            said.append(f"{100 * self.lost:.2f} % (+-{error:.2f}) of {self.others} others taken for it")
        return f"{label}: {', '.join(said)}"


def rejection(probabilities: Array, classes: Array, neither: int) -> Rejection:
    """Counts how often a classifier says "none of them".

    Args:
        probabilities: (N, classes).
        classes: (N,), the true class indices.
        neither: the class that stands for none of the others.
    """
    said, none = probabilities.argmax(axis=1) == neither, classes == neither
    shares = [float(said[which].mean()) if which.any() else float("nan") for which in (none, ~none)]
    return Rejection(int(none.sum()), shares[0], int((~none).sum()), shares[1])


def among_others(probabilities: Array, classes: Array, neither: int) -> tuple[Array, Array]:
    """Returns what a classifier says where it has to choose among the other classes.

    Args:
        probabilities: (N, classes).
        classes: (N,), the true class indices.
        neither: the class that stands for none of the others.

    Returns:
        Probabilities (M, classes - 1) that sum to 1, and the class indices (M,) without it, of the pictures that are of
        another class.
    """
    kept = classes != neither
    rest = np.delete(probabilities[kept], neither, axis=1)
    left = classes[kept]
    return rest / np.maximum(rest.sum(axis=1, keepdims=True), 1e-12), left - (left > neither)


def _error(share: float, count: int) -> float:
    return float(np.sqrt(share * (1 - share) / count)) if count else float("nan")
