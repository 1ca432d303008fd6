"""Heat lies exactly where the model looked: no half-cell shift, no mirror, under every fit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vidcam.models import place
from vidcam.render import heat_of, peak_of
from vidcam.types import Placement


def one_hot(row: int, column: int, rows: int = 7, columns: int = 7) -> np.ndarray:
    raw = np.zeros((rows, columns), np.float32)
    raw[row, column] = 2.0
    return raw


@pytest.mark.parametrize("frame", [(224, 224), (640, 360), (360, 640), (101, 53), (7, 7)])
@pytest.mark.parametrize("cell", [(0, 0), (3, 5), (6, 2)])
def test_a_squashed_map_lies_where_opencv_puts_it(frame, cell):
    raw = one_hot(*cell)
    heat = heat_of(raw, place(frame, (224, 224), "squash"), 2.0)
    reference = cv2.resize(raw / 2 * 255, frame, interpolation=cv2.INTER_LINEAR)
    assert np.abs(heat - reference).max() <= 0.51


@pytest.mark.parametrize(("frame", "size"), [((640, 360), (12, 7)), ((360, 640), (7, 12)), ((720, 720), (7, 7))])
def test_a_kept_map_lies_where_opencv_puts_it(frame, size):
    columns, rows = size
    raw = one_hot(2, 4, rows, columns)
    heat = heat_of(raw, place(frame, (224, 224), "keep"), 2.0)
    reference = cv2.resize(raw / 2 * 255, frame, interpolation=cv2.INTER_LINEAR)
    assert np.abs(heat - reference).max() <= 0.51


@pytest.mark.parametrize("frame", [(640, 320), (320, 640), (300, 200), (500, 500)])
@pytest.mark.parametrize("cell", [(3, 3), (2, 4), (4, 2)])
def test_pad_and_crop_put_a_cell_where_the_model_saw_it(frame, cell):
    """The reference goes the long way: the map over the whole input, then the input's pixels back to the frame."""
    raw = one_hot(*cell)
    over_input = cv2.resize(raw / 2 * 255, (224 * 8, 224 * 8), interpolation=cv2.INTER_LINEAR)
    for fit in ("pad", "crop"):
        placement = place(frame, (224, 224), fit)
        x0, y0, x1, y1 = (int(v * 8) for v in placement.target)
        sx0, sy0, sx1, sy1 = (int(v) for v in placement.source)
        part = over_input[y0:y1, x0:x1]
        reference = cv2.resize(part, (sx1 - sx0, sy1 - sy0), interpolation=cv2.INTER_AREA)
        heat = heat_of(raw, placement, 2.0)
        assert heat.shape == reference.shape
        assert np.abs(heat - reference).max() <= 4.0  # averaging flattens the peak; half a cell of shift makes it 64


def test_a_crop_covers_the_middle_only():
    placement = place((400, 200), (224, 224), "crop")
    assert placement.source == (100, 0, 300, 200)
    heat = heat_of(one_hot(0, 0), placement, 2.0)
    assert heat.shape == (200, 200)
    assert heat[0, 0] == 255


def test_a_map_of_one_cell_and_of_one_row():
    whole = Placement((10, 6), (10, 6), (0, 0, 10, 6), (0, 0, 10, 6))
    assert (heat_of(np.full((1, 1), 3.0), whole, 3.0) == 255).all()
    row = heat_of(np.array([[0.0, 1.0]]), whole, 1.0)
    assert (row == row[0]).all()
    assert row[0, 0] == 0
    assert row[0, -1] == 255


def test_negative_values_are_no_heat_and_larger_ones_are_cut():
    whole = Placement((4, 4), (4, 4), (0, 0, 4, 4), (0, 0, 4, 4))
    heat = heat_of(np.array([[-5.0, 1.0], [0.5, 3.0]]), place((2, 2), (4, 4), "squash"), 1.0)
    np.testing.assert_array_equal(heat, [[0, 255], [128, 255]])
    assert heat_of(np.ones((4, 4)), whole, 2.0).max() == 128


@pytest.mark.parametrize(
    ("raw", "peak"), [(np.array([[-1.0, 4.0]]), 4.0), (np.zeros((2, 2)), 0.0), (np.array([[np.nan, 1.0]]), 0.0),
                      (np.array([[np.inf, 1.0]]), 0.0), (-np.ones((2, 2)), 0.0)]
)  # fmt: skip
def test_peaks(raw, peak):
    assert peak_of(raw) == peak
