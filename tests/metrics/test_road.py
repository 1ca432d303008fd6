"""Noisy linear imputation and ROAD: against a direct solution, and on linear models whose best map is known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from vidcam.metrics.impute import impute
from vidcam.metrics.road import SHARES, Road, without


def solved(picture, removed):
    """Literal: the equations written down one by one and solved at once."""
    height, width, _ = picture.shape
    number = {(int(y), int(x)): i for i, (y, x) in enumerate(np.argwhere(removed))}
    matrix, right = np.zeros((len(number), len(number))), np.zeros((len(number), picture.shape[2]))
    for (y, x), i in number.items():
        for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
            at = (y + dy, x + dx)
            if not (0 <= at[0] < height and 0 <= at[1] < width):
                continue
            weight = 1 / 12 if dy and dx else 1 / 6
            matrix[i, i] += weight
            if at in number:
                matrix[i, number[at]] -= weight
            else:
                right[i] += weight * picture[at]
    filled = picture.astype(np.float64)
    filled[removed] = np.linalg.solve(matrix, right) if number else filled[removed]
    return filled


@pytest.mark.parametrize("shape", [(1, 2), (1, 9), (3, 3), (7, 5), (18, 25), (32, 32)])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_filling_in_solves_the_equations(shape, share):
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    pixels = picture.shape[0] * picture.shape[1]
    scattered = rng.permutation(pixels).reshape(shape) < min(round(share * pixels), pixels - 1)
    y, x = np.indices(shape)
    whole = (y * shape[1] + x) < min(round(share * pixels), pixels - 1)
    for removed in (scattered, whole):
        np.testing.assert_allclose(impute(picture, removed), solved(picture, removed), atol=0.15)


def test_a_pixel_becomes_the_mean_of_its_neighbours():
    picture = np.array([[10, 20, 30], [40, 250, 50], [60, 70, 80]], np.uint8)[..., np.newaxis]
    removed = np.zeros((3, 3), bool)
    removed[1, 1] = True
    mean = (10 + 30 + 60 + 80) / 12 + (20 + 40 + 50 + 70) / 6
    assert impute(picture, removed)[1, 1, 0] == pytest.approx(mean, abs=1e-3)
    corner = np.zeros((3, 3), bool)
    corner[0, 0] = True
    mean = (20 / 6 + 40 / 6 + 250 / 12) / (5 / 12)
    assert impute(picture, corner)[0, 0, 0] == pytest.approx(mean, abs=1e-3)
    assert (impute(picture, np.zeros((3, 3), bool)) == picture).all()


def test_an_even_slope_is_filled_in_exactly():
    y, x = np.indices((40, 50))
    picture = (2 * y + 3 * x)[..., np.newaxis].astype(np.float32)
    removed = np.zeros((40, 50), bool)
    removed[8:30, 10:45] = True
    np.testing.assert_allclose(impute(picture, removed), picture, atol=0.1)


def test_noise_is_added_to_what_was_removed_alone():
    picture = np.full((20, 20, 3), 100, np.uint8)
    noise = 3 * np.random.default_rng(0).standard_normal((20, 20, 3))
    chosen = np.arange(100)
    found = without(picture, chosen, noise)
    assert (found[5:] == 100).all()
    np.testing.assert_array_equal(found[:5], np.rint(100 + noise[:5]))


SPOTS = [(2, 2), (2, 7), (7, 2), (7, 7)]


def linear_case():
    """A picture with four bright spots on even grey, and a linear model that looks at them."""
    picture = np.full((10, 10, 1), 100, np.uint8)
    weights = np.zeros((10, 10))
    for (y, x), weight in zip(SPOTS, (0.4, 0.3, 0.2, 0.1), strict=True):
        picture[y, x] = 200
        weights[y, x] = weight

    def score(pictures):
        return np.array([float(((p[..., 0].astype(float) - 100) / 100 * weights).sum()) for p in pictures])

    return picture, weights, score


def test_the_perfect_map_of_a_linear_model_scores_best():
    picture, weights, score = linear_case()
    shares = [0.01, 0.02, 0.03]
    road = Road(picture, score, shares=shares)
    road._noise[:] = 0  # the spots then become grey exactly
    found = {}
    for order in permutations(range(4)):
        heat = np.zeros((10, 10), np.float32)
        for rank, spot in enumerate(order):
            heat[SPOTS[spot]] = 4 - rank
        found[order] = road.measure(heat)["road"]
    perfect = road.measure(weights)["road"]
    # Without the hottest 1, 2, 3 pixels 0.6, 0.3, 0.1 is left; without the coldest, which are none of the spots, all.
    assert perfect == pytest.approx(np.mean([0.4, 0.7, 0.9]) / 2, abs=0.01)
    assert perfect == max(found.values())
    assert sum(value > perfect - 0.01 for value in found.values()) == 1
    upside_down = road.measure(weights.max() - weights)["road"]
    assert upside_down == pytest.approx(-perfect, abs=0.01)


def test_a_random_map_scores_nothing_on_average():
    picture, weights, score = linear_case()
    road = Road(picture, score)
    rng = np.random.default_rng(0)
    values = [road.measure(rng.random((10, 10)))["road"] for _ in range(80)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert road.measure(weights)["road"] > np.max(values)


def test_road_is_what_its_docstring_says():
    rng = np.random.default_rng(4)
    picture = rng.integers(0, 256, (9, 8, 3)).astype(np.uint8)
    kernel = rng.normal(size=(9, 8, 3))

    def score(pictures):
        return np.array([1 / (1 + np.exp(-float((p / 255 * kernel).sum()))) for p in pictures])

    heat = rng.random((9, 8))
    road = Road(picture, score, seed=(3,))
    order = sorted(range(72), key=lambda i: -heat.ravel()[i])
    total = 0.0
    for share in SHARES:
        count = round(share * 72)
        for chosen, sign in ((order[:count], -1), (order[72 - count :], 1)):
            removed = np.zeros(72, bool)
            removed[chosen] = True
            removed = removed.reshape(9, 8)
            filled = solved(picture, removed) + road._noise * removed[..., np.newaxis]
            total += sign * score([np.rint(np.clip(filled, 0, 255))])[0]
    assert road.measure(heat)["road"] == pytest.approx(total / (2 * len(SHARES)), abs=2e-3)
    assert Road(picture, score, seed=(3,)).measure(heat) == road.measure(heat)
