"""The parameter-randomisation check: rank correlation and permuted weights."""

from __future__ import annotations

import numpy as np
import pytest

from tests.networks import gap_cnn
from vidcam.metrics.randomization import entropy, entropy_rise, permuted_weights, rank_correlation


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


def test_entropy_is_that_of_the_histogram():
    assert entropy(np.ones((5, 5))) == 0.0
    assert entropy(np.array([0, 0, 1, 1])) == pytest.approx(np.log(2))
    assert entropy(np.array([0, 0, 0, 1])) == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert entropy(np.arange(1000)) == pytest.approx(np.log(100))
    assert entropy(np.arange(1000), bins=7) == pytest.approx(np.log(7), rel=1e-3)
    values = np.random.default_rng(0).random(500)
    assert entropy(3 * values - 8) == pytest.approx(entropy(values))


def test_the_entropy_rises_from_a_map_of_one_spot_to_noise():
    spot, noise = np.zeros((30, 30)), np.random.default_rng(1).random((30, 30))
    spot[3, 4] = 1.0
    assert entropy_rise(spot, noise) == pytest.approx((entropy(noise) - entropy(spot)) / entropy(spot))
    assert entropy_rise(spot, noise) > 100
    assert entropy_rise(noise, spot) == pytest.approx(-1.0, abs=0.01)
    assert entropy_rise(noise, noise) == 0.0
    assert np.isnan(entropy_rise(np.zeros((3, 3)), noise))
