"""Insertion, deletion, drop and increase on cases whose answers are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vidcam.metrics.perturbation import Perturbation, area_under, blurred, one_color, order_of, replaced, shown_only


def brightness(pictures):
    """A classifier that adds up pixels."""
    return np.array([float(p.astype(np.float64).sum()) for p in pictures]) / 1e6


def test_the_area_is_exact_on_small_arrays():
    assert area_under(np.array([1.0, 1.0, 1.0])) == 1.0
    assert area_under(np.array([1.0, 0.0])) == 0.5
    assert area_under(np.array([0.0, 1.0, 1.0])) == 0.75
    assert area_under(np.array([1.0, 0.5, 0.25, 0.0])) == pytest.approx((0.75 + 0.375 + 0.125) / 3)


def test_the_hottest_pixels_come_first_and_equals_in_reading_order():
    assert order_of(np.array([[0.1, 0.9], [0.5, 0.9]])).tolist() == [1, 3, 2, 0]


def test_pixels_are_replaced_step_by_step():
    picture = np.arange(1, 13, dtype=np.uint8).reshape(2, 2, 3)
    series = replaced(picture, np.zeros_like(picture), np.array([3, 0, 2, 1]), steps=4)
    assert [int((p.sum(axis=2) == 0).sum()) for p in series] == [1, 2, 3]
    np.testing.assert_array_equal(series[0][1, 1], 0)
    np.testing.assert_array_equal(series[1][0, 0], 0)
    np.testing.assert_array_equal(series[2][0, 1], picture[0, 1])
    np.testing.assert_array_equal(picture, np.arange(1, 13).reshape(2, 2, 3))


def test_deleting_by_brightness_is_the_best_order_for_a_model_that_adds_up_pixels():
    """All 720 orders of six pixels, the score known for each: none has a smaller area than the map of the pixels."""
    picture = np.array([[5, 90, 40], [200, 10, 120]], np.uint8)[..., np.newaxis]
    black = np.zeros_like(picture)
    ends = [float(picture.sum()), 0.0]

    def of(order):
        inner = [float(p.sum()) for p in replaced(picture, black, np.array(order), steps=6)]
        return area_under(np.array([ends[0], *inner, ends[1]]))

    areas = {order: of(order) for order in itertools.permutations(range(6))}
    best = tuple(order_of(picture[..., 0].astype(float)).tolist())
    assert areas[best] == min(areas.values())
    assert areas[best[::-1]] == max(areas.values())
    remaining = [465, 265, 145, 55, 15, 5, 0]  # what is left after each of 200, 120, 90, 40, 10, 5
    assert areas[best] == pytest.approx(sum((a + b) / 2 for a, b in itertools.pairwise(remaining)) / 6)


def test_a_model_of_one_corner_rewards_the_map_of_that_corner():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
    blurry = blurred(picture).astype(float)[:8, :8]
    sharp = picture[:8, :8].astype(float)

    def score(pictures):
        """1 where the corner is the picture's own, 0 where it is blurred."""
        return np.array([1 - np.abs(p[:8, :8] - sharp).mean() / np.abs(blurry - sharp).mean() for p in pictures]).clip(
            0
        )

    corner = np.zeros((32, 32))
    corner[:8, :8] = 1.0
    right = Perturbation(picture, score, steps=16).measure(corner)
    wrong = Perturbation(picture, score, steps=16).measure(1 - corner)
    # The corner is a sixteenth of the picture: one step brings it all, 15 steps bring nothing more.
    assert right["insertion"] == pytest.approx(1 - 0.5 / 16)
    assert wrong["insertion"] == pytest.approx(0.5 / 16)
    assert right["deletion"] < 0.1
    assert wrong["deletion"] > 0.9
    assert right["drop"] == 0.0  # the corner alone is shown, and it is all that counts
    assert wrong["drop"] == 1.0


def test_drop_and_increase_are_shares_of_the_whole_score():
    picture = np.full((4, 4, 1), 200, np.uint8)
    half = np.zeros((4, 4))
    half[:2] = 3.0  # scaled by its maximum
    row = Perturbation(picture, brightness).measure(half)
    assert row["drop"] == pytest.approx(0.5)
    assert row["increase"] == 0.0
    darkness = Perturbation(picture, lambda pictures: 1 - brightness(pictures)).measure(half)
    assert darkness["drop"] == 0.0
    assert darkness["increase"] == 1.0


def test_a_map_without_heat_shows_nothing():
    picture = np.full((4, 4, 3), 100, np.uint8)
    assert not shown_only(picture, np.zeros((4, 4))).any()
    assert Perturbation(picture, brightness).measure(np.zeros((4, 4)))["drop"] == 1.0


def test_the_backgrounds_say_nothing_but_the_mean():
    picture = np.random.default_rng(1).integers(0, 255, (24, 36, 3), dtype=np.uint8)
    assert one_color(picture).shape == blurred(picture).shape == picture.shape
    np.testing.assert_allclose(one_color(picture)[3, 5], picture.mean((0, 1)), atol=0.5)
    assert blurred(picture).std() < 0.25 * picture.std()
    assert blurred(picture[..., :1]).shape == (24, 36, 1)


def test_random_orders_of_a_model_that_adds_up_pixels_have_an_area_of_a_half():
    picture = np.random.default_rng(2).integers(0, 255, (16, 16, 1), dtype=np.uint8)
    black = np.zeros_like(picture)
    areas = []
    for seed in range(200):
        order = np.random.default_rng(seed).permutation(256)
        inner = brightness(replaced(picture, black, order, steps=16))
        areas.append(area_under(np.array([brightness([picture])[0], *inner, 0.0])) / brightness([picture])[0])
    assert np.mean(areas) == pytest.approx(0.5, abs=0.005)
