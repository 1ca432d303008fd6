"""Grids, colour bars and timelines: sizes, places and colours."""

from __future__ import annotations

import numpy as np
import pytest

from vidcam.render import Timeline, cell_size, draw_colorbar, moved, scaled, tile
from vidcam.render.colormap import colormap_table
from vidcam.render.timeline import COLORS, leading, strip_height
from vidcam.types import Placement, Planes


def picture(width=64, height=48, value=90):
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize(
    ("frame", "cells", "expected"),
    [
        ((640, 360), 1, (640, 360)),
        ((640, 360), 4, (640, 360)),
        ((1920, 1080), 4, (960, 540)),
        ((3840, 2160), 1, (3840, 2160)),
    ],
)
def test_cells_shrink_where_the_grid_would_grow_beyond_full_hd(frame, cells, expected):
    assert cell_size(frame, cells) == expected


def test_nine_cells_of_a_tall_video_stay_within_full_hd_and_keep_their_aspect():
    width, height = cell_size((720, 1280), 9)
    assert 9 * width * height < 1.02 * 1920 * 1080
    assert width / height == pytest.approx(720 / 1280, rel=0.01)
    assert width % 2 == height % 2 == 0


def test_shrinking_moves_the_part_that_the_model_saw():
    placement = Placement((64, 48), (32, 32), (8.0, 0.0, 56.0, 48.0), (0.0, 0.0, 32.0, 32.0))
    small, placed = scaled(picture(), (32, 24)), moved(placement, (32, 24))
    assert small.shape == (24, 32, 3)
    assert placed == Placement((32, 24), (32, 32), (4.0, 0.0, 28.0, 24.0), (0.0, 0.0, 32.0, 32.0))
    assert scaled(small, (32, 24)) is small
    assert moved(placed, (32, 24)) is placed
    assert moved(placement, (128, 96)).source == (16.0, 0.0, 112.0, 96.0)
    assert moved(placement, (1, 1)).source == (0.0, 0.0, 1.0, 1.0)  # never nothing
    assert moved(placement, (24, 18), step=2).source == (4.0, 0.0, 20.0, 18.0)  # exactly, 3 to 21


def test_planes_are_scaled_as_pictures_are():
    planes = Planes(
        np.full((48, 64), 90, np.uint8), *(np.full((24, 32), v, np.uint8) for v in (110, 140)), matrix="bt709"
    )
    small = scaled(planes, (32, 24))
    assert [p.shape for p in small.all] == [(24, 32), (12, 16), (12, 16)]
    assert [int(p.min()) for p in small.all] == [int(p.max()) for p in small.all] == [90, 110, 140]


def test_cells_of_a_given_width_share_it_and_the_rest_is_black():
    assert cell_size((640, 360), 1, 1, 161) == (161, 91)
    size = cell_size((640, 360), 3, 3, 161)
    assert size == (53, 30)
    row = tile([picture(*size)] * 3, 3, 161)
    assert row.shape == (30, 161, 3)
    assert (row[:, :159] == 90).all()
    assert not row[:, 159:].any()


def test_cells_lie_in_reading_order_and_empty_places_are_black():
    cells = [picture(4, 2, value) for value in (10, 20, 30)]
    grid = tile(cells, 2)
    assert grid.shape == (4, 8, 3)
    assert [int(grid[y, x, 0]) for y, x in ((0, 0), (0, 4), (2, 0), (2, 4))] == [10, 20, 30, 0]
    assert tile(cells[:1], 1) is cells[0]
    assert [int(v) for v in tile([cells[0], None, None, cells[1]], 2)[::2, ::4, 0].ravel()] == [10, 0, 0, 20]


def test_a_colour_bar_runs_from_hot_above_to_cold_below():
    canvas = picture(400, 300)
    draw_colorbar(canvas, "jet", 2.5)
    x = 400 - 300 // 40 - 4
    column = canvas[91:209, x]
    table = colormap_table("jet")[:, 0].astype(int)
    nearest = [int(np.abs(table - c).sum(axis=1).argmin()) for c in column.astype(int)]
    assert nearest[0] > 250
    assert nearest[-1] < 5
    assert (np.diff(nearest) <= 0).all()
    assert (canvas[:, :300] == 90).all()
    assert (canvas[60:88, 330:395] > 200).any()  # the value above it


@pytest.mark.parametrize(("width", "height"), [(4, 4), (16, 12), (1, 50), (33, 21)])
def test_a_colour_bar_on_a_tiny_picture_is_left_out_or_fits(width, height):
    draw_colorbar(picture(width, height), "jet", 0.0)


def test_the_leading_classes_have_the_greatest_mean_probability():
    probabilities = np.array([[0.1, 0.6, 0.0, 0.3, 0.0, 0.0], [0.5, 0.2, 0.05, 0.25, 0.0, 0.0]])
    assert leading(probabilities) == [1, 0, 3, 2]
    assert leading(probabilities[:, :2]) == [1, 0]


def test_a_timeline_shows_the_curves_and_a_cursor_that_moves():
    times = np.linspace(0, 4, 41)
    probabilities = np.stack([np.where(times < 2, 0.9, 0.1), np.where(times < 2, 0.1, 0.9)], axis=1)
    timeline = Timeline(times, probabilities, ("cat", "dog"), (400, 300))
    frames = [timeline.under(picture(400, 300), t) for t in (0.0, 2.0, 4.0)]
    height = strip_height((400, 300))
    assert all(f.shape == (300 + height, 400, 3) for f in frames)
    assert (frames[0][:300] == 90).all()
    cursors = [int(np.flatnonzero((f[300 + height // 2] == 255).all(axis=1)).mean()) for f in frames]
    assert cursors[0] < 20
    assert 190 < cursors[1] < 210
    assert cursors[2] > 380


def test_a_timelines_curves_have_their_class_colours_and_heights():
    times = np.linspace(0, 4, 41)
    probabilities = np.stack([np.where(times < 2, 0.9, 0.1), np.where(times < 2, 0.05, 0.88)], axis=1)
    size = (1000, 900)
    timeline = Timeline(times, probabilities, ("cat", "dog"), size)
    strip = timeline.under(picture(*size), 2.0)[size[1] :].astype(int)
    rows = np.arange(len(strip))
    for label, left_is_high in ((0, True), (1, False)):
        color = COLORS[timeline.leading.index(label)]
        near = np.abs(strip - color).sum(axis=2) < 90
        near[: len(strip) // 5] = False  # the class names
        left, right = near[:, 100:450], near[:, 550:900]
        middles = [float((part.sum(axis=1) * rows).sum() / part.sum()) for part in (left, right)]
        assert (middles[0] < middles[1]) is left_is_high


@pytest.mark.parametrize("size", [(8, 8), (17, 300), (1, 1)])
def test_a_timeline_of_one_frame_under_a_tiny_picture(size):
    timeline = Timeline(np.array([1.5]), np.array([[0.2, 0.8]]), ("a", "b"), size)
    assert timeline.under(picture(*size), 1.5).shape[1] == size[0]
