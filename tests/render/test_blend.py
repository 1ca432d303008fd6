"""Blending: the right colours in the right order, frames without evidence as they were."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.networks import pictures
from vidcam.errors import UsageError
from vidcam.models import place
from vidcam.render import colormap_names, compose, overlay

RED = np.zeros((40, 60, 3), np.uint8)
RED[..., 0] = 255


def test_the_blend_is_the_weighted_sum_with_opencvs_jet_in_rgb():
    frame = pictures(1, 40, 60)[0]
    ramp = np.linspace(0, 1, 60, dtype=np.float32)[np.newaxis].repeat(40, 0)
    blended = overlay(frame, ramp, alpha=0.4)
    jet = cv2.applyColorMap(np.rint(ramp * 255).astype(np.uint8), cv2.COLORMAP_JET)[..., ::-1]
    assert np.abs(blended - (0.6 * frame + 0.4 * jet)).max() <= 0.51


def test_jet_is_blue_where_cold_and_red_where_hot():
    colors = overlay(np.zeros((10, 100, 3), np.uint8), np.linspace(0, 1, 100)[np.newaxis], alpha=1.0)
    cold, hot = colors[5, 2].astype(int), colors[5, -3].astype(int)
    assert cold[2] > 100 > cold[0]
    assert hot[0] > 100 > hot[2]


def test_a_red_picture_stays_red():
    assert (overlay(RED, np.ones((7, 7)), alpha=0.0) == RED).all()
    gentle = overlay(RED, np.ones((7, 7)), alpha=0.2).astype(int)
    assert (gentle[..., 0] > 200).all()
    assert (gentle[..., 2] < 30).all()


@pytest.mark.parametrize("raw", [np.zeros((7, 7)), -np.ones((7, 7)), np.full((7, 7), np.nan), np.full((7, 7), np.inf)])
@pytest.mark.parametrize("opacity", ["uniform", "heat"])
def test_without_evidence_the_frame_stays_as_it_is(raw, opacity):
    frame = pictures(1, 40, 60)[0]
    result = overlay(frame, raw, opacity=opacity)
    np.testing.assert_array_equal(result, frame)
    assert result is not frame


def test_a_positive_constant_is_evenly_hot():
    result = overlay(np.full((20, 30, 3), 100, np.uint8), np.full((7, 7), 0.3))
    assert (result == result[0, 0]).all()
    assert result[0, 0, 0] > result[0, 0, 2]


def test_heat_opacity_leaves_cold_parts_clear_and_hot_ones_as_uniform():
    frame = pictures(1, 40, 64)[0]
    raw = np.zeros((1, 8), np.float32)
    raw[0, 7] = 1.0
    result = overlay(frame, raw, opacity="heat", alpha=0.5)
    np.testing.assert_array_equal(result[:, :40], frame[:, :40])
    assert np.abs(result[:, -2:].astype(int) - overlay(frame, raw, alpha=0.5)[:, -2:]).max() <= 1


def test_what_the_model_did_not_see_stays_as_it_is():
    frame = pictures(1, 40, 80)[0]
    placement = place((80, 40), (32, 32), "crop")
    result = overlay(frame, np.ones((4, 4)), placement=placement)
    np.testing.assert_array_equal(result[:, :20], frame[:, :20])
    np.testing.assert_array_equal(result[:, 60:], frame[:, 60:])
    assert (result[:, 20:60] != frame[:, 20:60]).any(axis=2).all()


def test_the_frame_is_not_written_to():
    frame = pictures(1, 40, 60)[0]
    before = frame.copy()
    overlay(frame, np.random.default_rng(0).normal(size=(7, 7)))
    np.testing.assert_array_equal(frame, before)


def test_views():
    frame = pictures(1, 40, 60)[0]
    raw = np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32)
    placement = place((60, 40), (32, 32), "squash")
    look = {"colormap": "jet", "alpha": 0.4, "opacity": "uniform"}
    peak = float(raw.max())
    blended = compose(frame, raw, placement, peak, view="overlay", **look)
    np.testing.assert_array_equal(blended, overlay(frame, raw))
    both = compose(frame, raw, placement, peak, view="side-by-side", **look)
    np.testing.assert_array_equal(both, np.hstack([frame, blended]))
    alone = compose(frame, raw, placement, peak, view="heatmap", **look)
    np.testing.assert_array_equal(alone, overlay(frame, raw, alpha=1.0))


def test_every_colormap_of_opencv_works():
    assert {"jet", "turbo", "viridis"} <= set(colormap_names())
    for name in colormap_names():
        assert overlay(RED, np.eye(7), colormap=name).shape == RED.shape


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 1.5}, "alpha 1.5"),
        ({"colormap": "rainbows"}, "'rainbows'.*jet"),
        ({"opacity": "half"}, "opacity"),
        ({"frame": RED[..., 0]}, "RGB uint8"),
        ({"frame": RED.astype(np.float32)}, "RGB uint8"),
        ({"map": np.ones((1, 7, 7))}, "a map is"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {"frame": RED, "map": np.ones((7, 7)), **change}
    with pytest.raises(UsageError, match=message):
        overlay(arguments.pop("frame"), arguments.pop("map"), **arguments)
