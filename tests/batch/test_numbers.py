"""A clip's numbers, against a track whose answers are counted by hand."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from vidcam.batch.numbers import LEADING, POINTS, numbers_of
from vidcam.types import Placement, Track

PLACEMENT = Placement((64, 48), (32, 32), (0, 0, 64, 48), (0, 0, 32, 32))


def track(probabilities, targets, maps=None, cuts=None, labels=None, step=0.5) -> Track:
    probabilities = np.array(probabilities, np.float32)
    count, classes = probabilities.shape
    maps = np.ones((count, 4, 4), np.float32) if maps is None else maps
    labels = labels or tuple(f"c{i}" for i in range(classes))
    times, indices = 3 + step * np.arange(count), np.arange(count)
    return Track(times, indices, maps, probabilities, probabilities, targets, PLACEMENT, labels, {}, cuts)


def test_a_clip_in_numbers():
    probabilities = [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.9, 0.05, 0.05], [0.8, 0.1, 0.1]]
    n = numbers_of(track(probabilities, ((0,), (1,), (0,), (0,))))
    assert (n.explained, n.seconds, n.target, n.switches) == (4, 2.0, "c0", 2)
    assert n.confidence == pytest.approx((0.6 + 0.7 + 0.9 + 0.8) / 4)
    assert n.lowest == pytest.approx(0.6)
    assert list(n.classes.items()) == [("c0", 3), ("c1", 1)]
    assert n.times == (3.0, 3.5, 4.0, 4.5)
    assert list(n.curves) == ["c0", "c1", "c2"]
    assert n.curves["c1"] == (0.3, 0.7, 0.05, 0.1)
    assert n.border == pytest.approx(0.36)
    assert n.spread == pytest.approx(1.0)
    assert n.flicker == 0.0


def test_several_classes_explained_together_count_as_their_sum():
    n = numbers_of(track([[0.5, 0.3, 0.2]], ((0, 2),)))
    assert n.confidence == n.lowest == pytest.approx(0.7)
    assert n.seconds == 0.0


def test_a_cut_is_no_switch():
    cuts = np.array([True, False, True])
    assert numbers_of(track(np.eye(3), ((0,), (1,), (2,)), cuts=cuts)).switches == 1


def test_long_clips_are_thinned_and_few_classes_are_kept():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(50), 1000)
    n = numbers_of(track(probabilities, ((0,),) * 1000, step=0.1))
    assert len(n.times) == POINTS
    assert n.times[0] == 3.0
    assert n.times[-1] == pytest.approx(3 + 99.9)
    assert len(n.curves) == LEADING
    best = np.argsort(-probabilities.mean(axis=0))[:LEADING]
    assert list(n.curves) == [f"c{i}" for i in best]
    rows = np.round((np.array(n.times) - 3) / 0.1).astype(int)
    np.testing.assert_allclose(n.curves[f"c{best[0]}"], probabilities[rows, best[0]], atol=6e-5)


def test_maps_that_are_not_finite_count_as_none_and_negative_parts_as_no_heat():
    maps = np.full((3, 10, 10), -1.0, np.float32)
    maps[0, 5, 5] = 2.0
    maps[1] = np.nan
    n = numbers_of(track(np.eye(3), ((0,), (1,), (2,)), maps=maps))
    assert (n.border, n.spread) == (0.0, pytest.approx(0.01))
    json.dumps(asdict(n), allow_nan=False)


def test_labels_that_several_classes_share_are_kept_once():
    n = numbers_of(track([[0.5, 0.3, 0.2]], ((0,),), labels=("crane", "crane", "crow")))
    assert n.curves == {"crane": (0.5,), "crow": (0.2,)}
