"""Flicker, lag and target switches, and what the defaults of `run` make of them on real clips."""

from __future__ import annotations

import numpy as np
import pytest

from vidcam.metrics.flicker import centroid, flicker, lag, switches


def blob(positions, size=20, width=2.0):
    """A Gaussian that moves along a row."""
    x = np.arange(size)
    return np.stack([np.tile(np.exp(-((x - p) ** 2) / (2 * width**2)), (3, 1)) for p in positions])


def test_heat_that_stands_still_or_swells_evenly_does_not_flicker():
    still = np.tile(np.random.default_rng(0).random((1, 4, 5)), (10, 1, 1))
    assert flicker(still) == 0.0
    assert flicker(still * np.linspace(0.2, 1, 10)[:, None, None]) == pytest.approx(0.0, abs=1e-12)


def test_heat_that_blinks_counts_in_full():
    blinking = np.zeros((9, 2, 2))
    blinking[::2] = 1.0
    assert flicker(blinking) == pytest.approx(1 / (5 / 9))  # every frame differs by 1 from its neighbours' mean


def test_flicker_is_what_its_docstring_says():
    heat = np.random.default_rng(1).random((7, 3, 4))
    total = 0.0
    for t in range(1, 6):
        total += np.abs(heat[t] - (heat[t - 1] + heat[t + 1]) / 2).mean() / 5
    assert flicker(heat) == pytest.approx(total / heat.mean())


def test_dimmer_is_not_steadier():
    heat = np.random.default_rng(2).random((20, 3, 4))
    assert flicker(0.1 * heat) == pytest.approx(flicker(heat))


def test_slow_motion_counts_less_than_jitter_of_the_same_span():
    moving = blob(np.linspace(5, 15, 40))
    jitter = blob(np.where(np.arange(40) % 2, 5.0, 15.0))
    assert flicker(moving) < 0.02 * flicker(jitter)


def test_nothing_is_compared_across_a_scene_cut():
    heat = np.concatenate([np.zeros((5, 2, 2)), np.ones((5, 2, 2))])
    cuts = np.zeros(10, bool)
    cuts[5] = True
    assert flicker(heat) > 0
    assert flicker(heat, cuts) == 0.0


@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_and_empty_clips_do_not_flicker(count):
    assert flicker(np.ones((count, 2, 2))) == 0.0
    assert flicker(np.zeros((5, 2, 2))) == 0.0


def test_switches_are_counted_within_scenes():
    targets = [(1,), (1,), (2,), (1,), (1,), (3,)]
    assert switches(targets) == 3
    assert switches(targets, np.array([False] * 5 + [True])) == 2
    assert switches([]) == switches([(1,)]) == 0


def test_the_centroid_is_where_the_blob_is():
    rows, columns = centroid(blob([6.0, 9.5, 12.0])).T
    np.testing.assert_allclose(columns, [6, 9.5, 12], atol=0.01)
    np.testing.assert_allclose(rows, 1.0)
    assert np.isnan(centroid(np.zeros((1, 2, 2)))).all()


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15, -0.1])
def test_the_lag_of_a_delayed_movement_is_found(delay):
    t = np.arange(200) / 30
    path = lambda t: np.stack([np.sin(2.1 * t) + 0.4 * np.sin(5 * t), np.cos(1.3 * t)], axis=1)  # noqa: E731
    assert lag(path(t - delay), path(t), 1 / 30) == pytest.approx(delay, abs=1 / 200)
