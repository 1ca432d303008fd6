"""Whether a map depends on what the model has learned: the parameter-randomisation check and eMPRT."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vidcam.types import Array

HISTOGRAM_BINS = 100
"""Of the histogram whose entropy is taken."""


def permuted_weights(model: Any, seed: int) -> list[Array]:
    """Makes an untrained model of a trained one: every kernel's values in another order.

    Unlike fresh random numbers that keeps each kernel's scale, so that the maps stay alive also where batch norms have
    been folded into the convolutions. Vectors (biases, batch norms) stay.

    Args:
        model: the Keras model; not changed.
        seed: of the order.

    Returns:
        Values for each of `model.weights`.
    """
    rng = np.random.default_rng(seed)
    values = [np.asarray(w) for w in model.get_weights()]
    return [rng.permutation(v.ravel()).reshape(v.shape) if v.ndim > 1 else v for v in values]


def rank_correlation(a: Array, b: Array) -> float:
    """Returns Spearman's rank correlation of two maps, -1 to 1; equal values share their ranks, a flat map gives 0.

    Two maps of a model and of its randomised twin that correlate tell that the method shows the picture rather than
    what was learned (Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018).

    Args:
        a: (h, w).
        b: (h, w).
    """
    x, y = _ranks(a.ravel()), _ranks(b.ravel())
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else 0.0


def entropy(heat: Array, bins: int = HISTOGRAM_BINS) -> float:
    """Returns how many different things a map says: the entropy of its values' histogram, in nats.

    Args:
        heat: of any shape.
        bins: of equal width, from its least to its greatest value.
    """
    counts = np.histogram(heat, bins)[0]
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def entropy_rise(own: Array, untrained: Array) -> float:
    """Returns by which share a map's entropy rises once the model has learned nothing: eMPRT.

    Hedström et al., Sanity Checks Revisited, 2024: (entropy of the untrained model's map - entropy of the map) /
    entropy of the map. High is good: a map that shows what was learned is simpler than what is left without it.

    Args:
        own: (h, w), the map, of the picture's size.
        untrained: the map of the same model with randomised weights.

    Returns:
        The rise; NaN where the map is flat.
    """
    before = entropy(own)
    return (entropy(untrained) - before) / before if before > 0 else math.nan


def _ranks(values: Array) -> Array:
    """Returns ranks from 0, float64; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: Array = last - (counts + 1) / 2
    return mean[inverse]
