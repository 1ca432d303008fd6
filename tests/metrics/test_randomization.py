"""The parameter-randomisation check: rank correlation and permuted weights."""

from __future__ import annotations

import numpy as np
import pytest

from tests.networks import gap_cnn
from vidcam.metrics.randomization import permuted_weights, rank_correlation


def test_rank_correlation_sees_order_only():
    a = np.random.default_rng(0).normal(size=(4, 5))
    assert rank_correlation(a, np.exp(a)) == pytest.approx(1.0)
    assert rank_correlation(a, -(a**3)) == pytest.approx(-1.0)
    assert rank_correlation(a, np.zeros((4, 5))) == 0.0
    assert rank_correlation(np.array([[1.0, 2, 3, 4]]), np.array([[1.0, 3, 2, 4]])) == pytest.approx(0.8)


def test_equal_values_share_their_ranks():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 4, (6, 6)), rng.integers(0, 4, (6, 6))
    assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a.ravel(), b.ravel()).statistic)


def test_unrelated_maps_do_not_correlate():
    rng = np.random.default_rng(2)
    values = [rank_correlation(rng.random((7, 7)), rng.random((7, 7))) for _ in range(400)]
    assert abs(np.mean(values)) < 0.03


def test_kernels_are_permuted_and_vectors_stay():
    model = gap_cnn()
    before = model.get_weights()
    values = permuted_weights(model, seed=3)
    for weight, value, own in zip(model.weights, values, before, strict=True):
        np.testing.assert_array_equal(np.sort(value.ravel()), np.sort(own.ravel()))
        assert np.array_equal(value, own) == (own.ndim == 1), weight.name
    for a, b in zip(values, permuted_weights(model, seed=3), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(values[0], permuted_weights(model, seed=4)[0])
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
