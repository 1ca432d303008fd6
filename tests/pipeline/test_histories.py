"""Each target has a history of its own: in a run's pictures, in those of kept maps, in every cell of a grid."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from vidcam.pipeline.cells import SINGLE, Grid
from vidcam.pipeline.draw import draw
from vidcam.pipeline.explain import Explained, replay
from vidcam.render import Look, overlay
from vidcam.types import Explanation, Frame, Placement, Track

SIZE = (64, 48)
PLACEMENT = Placement(SIZE, SIZE, (0, 0, *SIZE), (0, 0, *SIZE))
MAP = np.float32([[3, -1, 0, 1], [-2, 0.5, -4, -1], [1, 1, -1, 2]])
LOOK = Look(caption=False)
SWITCH = 6
"""The frame from which on the other class is explained; one sigmoid output, so its map is the first one's, negated."""


def frames():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (SWITCH + 1, SIZE[1], SIZE[0], 3), dtype=np.uint8)
    return [Frame(i, Fraction(i, 30), Fraction(1, 30), p, SIZE) for i, p in enumerate(pictures)]


def explanation(i):
    maps, target = (MAP, (1,)) if i < SWITCH else (-MAP, (0,))
    return Explanation(maps[None], np.zeros((1, 2), np.float32), np.full((1, 2), 0.5, np.float32), (target,), PLACEMENT)


def run(cells):
    grid = SINGLE if cells == 1 else Grid(cells, ("",) * cells, False)
    batches = [Explained([f], (explanation(i),) * cells, [False]) for i, f in enumerate(frames())]
    return [drawn.picture for drawn in draw(batches, LOOK, [("a", "b")] * cells, grid)]


def kept(cells):
    track = Track.concatenate(frames(), [explanation(i) for i in range(SWITCH + 1)], ("a", "b"), {})
    return [drawn.picture for drawn in draw(replay(frames(), [track]), LOOK, [("a", "b")])]


@pytest.mark.parametrize(("pictures", "cells"), [(run, 1), (kept, 1), (run, 2)])
def test_where_the_class_changes_the_heat_is_the_new_ones(pictures, cells):
    made, rgb = pictures(cells)[SWITCH], frames()[SWITCH].rgb()
    for cell in np.split(made, cells, axis=1):
        np.testing.assert_array_equal(cell, overlay(rgb, -MAP))
