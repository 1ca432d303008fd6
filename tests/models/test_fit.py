"""Where a frame lies in a model's input."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.networks import pictures
from vidcam.errors import UsageError
from vidcam.media.color import planes_to_rgb
from vidcam.models import fit_frame, place
from vidcam.models.fit import fit_planes, shrinks_planes
from vidcam.types import Planes


@pytest.mark.parametrize(
    ("frame", "size", "fit", "input_size", "source", "target"),
    [
        ((640, 360), (224, 224), "squash", (224, 224), (0, 0, 640, 360), (0, 0, 224, 224)),
        ((640, 360), (224, 224), "keep", (384, 224), (0, 0, 640, 360), (0, 0, 384, 224)),
        ((360, 640), (224, 224), "keep", (224, 384), (0, 0, 360, 640), (0, 0, 224, 384)),
        ((300, 300), (299, 299), "keep", (288, 288), (0, 0, 300, 300), (0, 0, 288, 288)),
        ((800, 200), (224, 224), "keep", (896, 224), (0, 0, 800, 200), (0, 0, 896, 224)),
        ((200, 810), (224, 224), "keep", (224, 896), (0, 0, 200, 810), (1, 0, 222, 896)),
        ((4096, 16), (224, 224), "keep", (896, 224), (0, 0, 4096, 16), (0, 110, 896, 114)),
        ((16, 4096), (160, 160), "keep", (160, 640), (0, 0, 16, 4096), (79, 0, 81, 640)),
        ((640, 320), (224, 224), "pad", (224, 224), (0, 0, 640, 320), (0, 56, 224, 168)),
        ((640, 320), (224, 224), "crop", (224, 224), (160, 0, 480, 320), (0, 0, 224, 224)),
        ((320, 640), (96, 96), "crop", (96, 96), (0, 160, 320, 480), (0, 0, 96, 96)),
        ((1, 1), (224, 224), "pad", (224, 224), (0, 0, 1, 1), (0, 0, 224, 224)),
        ((2000, 1), (224, 224), "pad", (224, 224), (0, 0, 2000, 1), (0, 111, 224, 112)),
    ],
)
def test_placement(frame, size, fit, input_size, source, target):
    placement = place(frame, size, fit)
    assert (placement.frame, placement.input) == (frame, input_size)
    assert placement.source == source
    assert placement.target == target


def test_pad_keeps_the_aspect_and_fills_with_black():
    red = np.zeros((50, 100, 3), np.uint8)
    red[..., 0] = 200
    fitted, placement = fit_frame(red, (64, 64), "pad")
    assert placement.target == (0, 16, 64, 48)
    assert (fitted[16:48] == (200, 0, 0)).all()
    assert not fitted[:16].any()
    assert not fitted[48:].any()


def test_crop_takes_the_centre_unscaled_where_it_fits():
    frame = pictures(1, 64, 100)[0]
    fitted, _ = fit_frame(frame, (64, 64), "crop")
    np.testing.assert_array_equal(fitted, frame[:, 18:82])


def test_shrinking_averages_areas():
    frame = pictures(1, 64, 96)[0]
    fitted, _ = fit_frame(frame, (32, 32), "squash")
    literal = frame.reshape(32, 2, 32, 3, 3).mean((1, 3))
    assert np.abs(fitted - literal).max() <= 0.5001


@pytest.mark.parametrize(("frame", "fit"), [((1792, 200), "squash"), ((200, 1792), "squash"), ((100, 1000), "squash")])
def test_the_side_that_shrinks_is_averaged_though_the_other_grows(frame, fit):
    stripes = np.zeros((frame[1], frame[0], 3), np.uint8)
    rows = stripes if frame[1] > frame[0] else stripes.transpose(1, 0, 2)
    rows[::4] = 255  # one line of four: 63.75 on average
    fitted, _ = fit_frame(stripes, (224, 224), fit)
    assert abs(fitted.mean() - 63.75) < 1
    assert fitted.std() < 60


def test_each_side_is_scaled_by_itself():
    frame = pictures(1, 64, 96)[0]
    fitted, _ = fit_frame(frame, (32, 128))
    narrow = np.rint(frame.reshape(64, 32, 3, 3).mean(2)).astype(np.uint8)
    assert np.abs(fitted.astype(int) - cv2.resize(narrow, (32, 128)).astype(int)).max() <= 1


def test_enlarging_is_bilinear_and_grey_is_luma():
    frame = pictures(1, 16, 16)[0]
    np.testing.assert_array_equal(fit_frame(frame, (64, 64))[0], cv2.resize(frame, (64, 64)))
    grey = fit_frame(frame, (16, 16), channels=1)[0]
    assert grey.shape == (16, 16, 1)
    np.testing.assert_allclose(grey[..., 0], frame @ (0.299, 0.587, 0.114), atol=0.6)


def test_an_unknown_fit_is_an_error():
    with pytest.raises(UsageError, match="squash, keep, pad, crop"):
        place((8, 8), (8, 8), "stretch")


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize(
    ("frame", "size", "fit"),
    [
        ((720, 1280), (224, 224), "keep"),
        ((1280, 720), (224, 224), "squash"),
        ((640, 480), (128, 128), "pad"),
        ((640, 480), (96, 96), "crop"),
        ((448, 448), (224, 224), "squash"),
    ],
)
def test_from_planes_the_network_sees_what_it_saw(frame, size, fit, matrix):
    planes = natural(frame, matrix)
    rgb = planes_to_rgb(planes)
    wanted, placement = fit_frame(rgb, size, fit)
    assert shrinks_planes(placement)
    got = fit_planes(planes, placement)
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
    assert np.abs(got.astype(int) - wanted).mean() < 1
    assert np.abs(got.astype(int) - wanted).max() < 16
    grey = fit_planes(planes, placement, channels=1)
    assert np.abs(grey.astype(int) - fit_frame(rgb, size, fit, channels=1)[0]).mean() < 1


@pytest.mark.parametrize(
    ("rgb", "matrix", "yuv"),
    [
        ((255, 255, 255), "bt601", (235, 128, 128)),
        ((0, 0, 0), "bt709", (16, 128, 128)),
        ((255, 0, 0), "bt601", (81, 90, 240)),  # colour bars as ITU-R BT.601 and BT.709 have them
        ((0, 0, 255), "bt601", (41, 240, 110)),
        ((0, 255, 0), "bt709", (173, 42, 26)),
        ((255, 0, 0), "bt709", (63, 102, 240)),
    ],
)
def test_planes_have_the_colours_of_their_matrix(rgb, matrix, yuv):
    y, u, v = (np.full((128 // n, 128 // n), value, np.uint8) for n, value in zip((1, 2, 2), yuv, strict=True))
    got = fit_planes(Planes(y, u, v, matrix), place((128, 128), (32, 32), "squash"))
    assert np.abs(got.astype(int) - rgb).max() <= 3


def test_what_would_be_enlarged_or_lies_between_pixels_is_not_fitted_from_planes():
    for frame, size, fit in (((640, 360), (224, 224), "squash"), ((722, 1280), (256, 255), "crop")):
        assert not shrinks_planes(place(frame, size, fit))


def natural(size, matrix):
    """Planes of a picture with shapes of all sizes, as a camera's: smooth, with edges."""
    rng = np.random.default_rng(3)
    width, height = size
    planes = []
    for w, h, low, high in (
        (width, height, 16, 235),
        (width // 2, height // 2, 90, 170),
        (width // 2, height // 2, 90, 170),
    ):
        coarse = sum(cv2.resize(rng.normal(0, 1, (k, k)), (w, h), interpolation=cv2.INTER_CUBIC) for k in (4, 16, 48))
        planes.append(np.clip((low + high) / 2 + coarse * (high - low) / 5, low, high).astype(np.uint8))
    return Planes(*planes, matrix)
