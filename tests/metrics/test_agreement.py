"""How far models agree on a clip: classes by their names, maps on a common grid, hottest points, stretches of time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vidcam.metrics.agreement import Agreement, hottest
from vidcam.types import Explanation, Placement

FRAME = (64, 48)
WHOLE = Placement(FRAME, (32, 32), (0, 0, *FRAME), (0.0, 0.0, 32.0, 32.0))
CROP = Placement(FRAME, (32, 32), (8.0, 0.0, 56.0, 48.0), (0.0, 0.0, 32.0, 32.0))
PAD = Placement(FRAME, (32, 32), (0, 0, *FRAME), (0.0, 4.0, 32.0, 28.0))
PETS = ("cat", "dog")


def explanation(maps, tops, classes=2, placement=WHOLE) -> Explanation:
    p = np.full((len(maps), classes), 0.1, np.float32)
    p[np.arange(len(maps)), tops] = 0.9
    return Explanation(np.asarray(maps, np.float32), np.log(p), p, tuple((int(t),) for t in tops), placement)


def compare(*models, labels=(PETS, PETS), neither=(None, None), silent=(None, None), fps=10.0):
    names = tuple("abcd"[: len(models)])
    agreement = Agreement(names, labels, neither, silent)
    agreement.add([i / fps for i in range(len(models[0].maps))], models)
    return agreement.comparison()


def spot(x: int, y: int, side: int = 8) -> np.ndarray:
    made = np.zeros((side, side), np.float32)
    made[y, x] = 1.0
    return made


def test_two_copies_agree_everywhere():
    maps = np.random.default_rng(0).normal(size=(9, 7, 5))
    one = explanation(maps, np.arange(9) % 2)
    made = compare(one, one)
    (pair,) = made.pairs
    assert (pair.agreement, pair.far_share, made.disagreement, made.stretches()) == (1.0, 0.0, 0.0, [])
    np.testing.assert_allclose(pair.correlation, 1.0, atol=1e-12)
    np.testing.assert_array_equal(pair.apart, 0.0)


def test_a_map_and_its_opposite_correlate_backwards():
    rng = np.random.default_rng(1)
    heat = rng.permutation(64).reshape(1, 8, 8) + 1.0
    made = compare(explanation(heat, [0]), explanation(65.0 - heat, [0]))
    assert made.pairs[0].correlation[0] < -0.9


def test_a_coarser_map_of_the_same_heat_looks_at_the_same_place():
    y, x = np.mgrid[:8, :8]
    fine = np.exp(-((x - 5.5) ** 2 + (y - 1.5) ** 2) / 6.0)
    coarse = fine.reshape(4, 2, 4, 2).mean(axis=(1, 3))
    (pair,) = compare(explanation([fine], [0]), explanation([coarse], [0])).pairs
    assert pair.correlation[0] > 0.95
    assert pair.apart[0] < 0.13


@pytest.mark.parametrize(
    ("placement", "expected"),
    [(WHOLE, (13 / 16, 3 / 16)), (CROP, ((8 + 48 * 13 / 16) / 64, 3 / 16)), (PAD, (13 / 16, (6 - 4) / 24))],
)
def test_the_hottest_point_is_where_it_is_in_the_frame(placement, expected):
    assert hottest(spot(6, 1), placement) == pytest.approx(expected)


def test_a_crop_and_the_whole_frame_meet_in_the_middle():
    x = np.arange(16)
    ramp = np.tile(x + 1.0, (8, 1))  # across the whole frame
    part = np.tile(np.interp((8 + 48 * (np.arange(12) + 0.5) / 12) / 4 - 0.5, x, x + 1.0), (8, 1))
    (pair,) = compare(explanation([ramp], [0]), explanation([part], [0], placement=CROP)).pairs
    assert pair.correlation[0] > 0.999


def test_more_than_a_fifth_apart_counts_in_either_direction():
    here, near, right, below = spot(0, 0, 10), spot(2, 2, 10), spot(3, 0, 10), spot(0, 3, 10)
    (pair,) = compare(explanation([here] * 3, [0] * 3), explanation([near, right, below], [0] * 3)).pairs
    np.testing.assert_allclose(pair.apart, [0.2, 0.3, 0.3], atol=1e-6)
    assert pair.far.tolist() == [False, True, True]
    assert pair.far_share == pytest.approx(2 / 3)


def test_frames_without_heat_are_left_out():
    cold = -np.ones((4, 4))
    warm, nan = spot(1, 1, 4), np.full((4, 4), np.nan)
    one = explanation([warm, cold, warm, warm], [0] * 4)
    other = explanation([warm, warm, nan, warm], [0, 0, 0, 1])
    (pair,) = compare(one, other, silent=(None, (1,))).pairs
    np.testing.assert_array_equal(np.isnan(pair.correlation), [False, True, True, True])
    assert (pair.mean_correlation, pair.far_share, pair.agreement) == (1.0, 0.0, 0.75)
    (nothing,) = compare(explanation([cold], [0]), other := explanation([warm], [0])).pairs
    assert math.isnan(nothing.mean_correlation)
    assert math.isnan(nothing.far_share)
    assert "no frame shows heat of both" in compare(explanation([cold], [0]), other).lines()[0]


def test_classes_are_compared_by_name_and_only_where_both_know_them():
    one, other = explanation([spot(0, 0)] * 3, [0, 1, 1]), explanation([spot(0, 0)] * 3, [1, 0, 1])
    assert compare(one, other, labels=(PETS, ("Dog", "CAT"))).pairs[0].same.tolist() == [True, True, False]
    third = explanation([spot(0, 0)] * 3, [0, 1, 2], classes=3)
    with_neither = compare(one, third, labels=(PETS, ("cat", "dog", "none")), neither=(None, "none"))
    assert with_neither.pairs[0].same.tolist() == [True, True, False]
    unlike = compare(one, third, labels=(PETS, ("cat", "dog", "fish")))
    assert unlike.pairs[0].same is None
    assert math.isnan(unlike.pairs[0].agreement)
    assert "they know different classes (if they are the same, say with --labels" in unlike.lines()[0]
    assert "so that maps alone are compared" in unlike.lines()[0]
    many = explanation([spot(0, 0)] * 3, [0, 1, 2], classes=9)
    assert "they know different classes, so that" in compare(one, many, labels=(PETS, tuple("abcdefghi"))).lines()[0]
    twice = ("crane", "crane", "cat")
    same = compare(third, third, labels=(twice, twice))
    assert same.pairs[0].agreement == 1.0


def test_stretches_are_the_times_of_disagreement():
    """At 10 frames a second: apart in 2 and 3, in 5 (a tenth later), in 11; another class in 15 to 17."""
    count, apart, differs = 20, {2, 3, 5, 11}, {15, 16, 17}
    one = explanation([spot(0, 0)] * count, [0] * count)
    other = explanation(
        [spot(7, 7) if i in apart else spot(0, 0) for i in range(count)], [int(i in differs) for i in range(count)]
    )
    made = compare(one, other)
    assert made.disagreement == pytest.approx(7 / 20)
    found = [(s.begin, s.stop, s.classes, s.why()) for s in made.stretches()]
    look = "they look at different places"
    assert found == [
        (2, 6, None, look),
        (11, 12, None, look),
        (15, 18, ("cat", "dog"), "cat against dog"),
    ]
    assert [(round(s.start, 6), round(s.end, 6)) for s in made.stretches()] == [(0.2, 0.6), (1.1, 1.2), (1.5, 1.8)]
    assert made.lines()[0].endswith("they disagree from 0.20 to 0.60 s, 1.10 to 1.20 s, 1.50 to 1.80 s")
    assert made.first(11).stretches() == made.stretches()[:1]
    fast = compare(one, other, fps=60.0)  # one frame of these is no stretch
    assert all(s.end - s.start > 0.09 for s in fast.stretches())


def test_of_three_models_every_two_are_compared():
    maps = [spot(0, 0)] * 2
    models = [explanation(maps, tops) for tops in ([0, 0], [0, 1], [1, 1])]
    made = compare(*models, labels=(PETS,) * 3, neither=(None,) * 3, silent=(None,) * 3)
    assert [(p.first, p.second, p.agreement) for p in made.pairs] == [(0, 1, 0.5), (0, 2, 0.0), (1, 2, 0.5)]
    assert made.disagreement == 1.0


def test_frames_that_let_nothing_be_compared_do_not_count():
    """Models of other classes are compared by their heat, and one shows none in half of the frames, or in all."""
    one = explanation([spot(0, 0)] * 4, [0] * 4)
    other = explanation([spot(7, 7)] * 4, [0, 0, 1, 1])
    labels = (PETS, ("car", "nothing of these"))
    half = compare(one, other, labels=labels, silent=(None, (1,)))
    assert (half.disagreement, half.pairs[0].far_share) == (1.0, 1.0)
    none = compare(one, explanation([spot(7, 7)] * 4, [1] * 4), labels=labels, silent=(None, (1,)))
    assert np.isnan(none.disagreement)
    assert "no frame shows heat of both" in none.lines()[0]
