"""Whether a map depends on what the model has learned: the parameter-randomisation check."""

from __future__ import annotations

from typing import Any

import numpy as np

from vidcam.types import Array


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


def _ranks(values: Array) -> Array:
    """Returns ranks from 0, float64; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: Array = last - (counts + 1) / 2
    return mean[inverse]
