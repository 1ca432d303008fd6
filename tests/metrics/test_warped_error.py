"""The flow-warped error: against literal loops, and on stills that are panned, zoomed and turned by known motions."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from vidcam.metrics.steadiness import Steadiness, warped_change, warped_error
from vidcam.render.flow import SMALLEST_SIDE, Motions, flow_between, inside, thumbnail, trust, warp

H, W = 72, 96
Y, X = np.indices((H, W), np.float64)


def still(height=H, width=W, seed=0):
    """A picture with detail of several sizes, grey."""
    rng = np.random.default_rng(seed)
    layers = [cv2.resize(rng.random((n, n)), (width, height), interpolation=cv2.INTER_CUBIC) for n in (5, 11, 23, 40)]
    total = sum(layers) - np.min(sum(layers))
    return (255 * total / total.max()).astype(np.uint8)


def motion(kind, amount):
    """Returns the affine map from a pixel of frame t to the still, (2, 3), t = `amount`."""
    centre = np.array([(W - 1) / 2, (H - 1) / 2])
    if kind == "pan":
        return np.array([[1, 0, 3.0 * amount], [0, 1, -2.0 * amount]])
    turn = math.radians(1.5 * amount) if kind == "rotation" else 0.0
    zoom = 0.97**amount if kind == "zoom" else 1.0
    a = zoom * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return np.hstack([a, (centre - a @ centre)[:, np.newaxis]])


def known_flow(kind, t):
    """Returns the exact flow from frame t back to frame t - 1."""
    here, before = (np.vstack([motion(kind, at), [0, 0, 1]]) for at in (t, t - 1))
    back = np.linalg.inv(before) @ here
    return np.stack(
        [back[0, 0] * X + back[0, 1] * Y + back[0, 2] - X, back[1, 0] * X + back[1, 1] * Y + back[1, 2] - Y], axis=-1
    ).astype(np.float32)


def heat_at(kind, t):
    """Returns heat that is fixed to the still, as it is seen in frame t: exact at every pixel."""
    m = motion(kind, t)
    x, y = m[0, 0] * X + m[0, 1] * Y + m[0, 2], m[1, 0] * X + m[1, 1] * Y + m[1, 2]
    return (1.2 + np.sin(x / 15) + 0.7 * np.cos(y / 12 + x / 40)).clip(0.0).astype(np.float32)


def error_along(flows, heat, holds=None):
    """Literal: E by the definition, pixel after pixel."""
    change = total = 0.0
    for t in range(1, len(heat)):
        flow = flows[t - 1]
        height, width = heat[t].shape
        for y in range(height):
            for x in range(width):
                sx, sy = float(x + flow[y, x, 0]), float(y + flow[y, x, 1])
                v = 1.0 if holds is None else float(holds[t - 1][y, x])
                if not (0 <= sx <= width - 1 and 0 <= sy <= height - 1):
                    v = 0.0
                sx, sy = min(max(sx, 0.0), width - 1.0), min(max(sy, 0.0), height - 1.0)
                x0, y0 = min(int(sx), width - 2), min(int(sy), height - 2)
                fx, fy = sx - x0, sy - y0
                old = heat[t - 1].astype(np.float64)
                there = (1 - fy) * ((1 - fx) * old[y0, x0] + fx * old[y0, x0 + 1]) + fy * (
                    (1 - fx) * old[y0 + 1, x0] + fx * old[y0 + 1, x0 + 1]
                )
                change += v * abs(float(heat[t][y, x]) - there)
                total += v * float(heat[t][y, x])
    return change / total


def known_error(kind, heat):
    """E along the exact flow, where it does not come from beyond the edge."""
    sums = np.zeros(2)
    for t in range(1, len(heat)):
        flow = known_flow(kind, t)
        sums += warped_change(heat[t - 1], heat[t], flow, inside(flow).astype(np.float32))
    return sums[0] / sums[1]


@pytest.mark.parametrize("kind", ["zoom", "rotation"])
def test_the_error_is_what_its_definition_says(kind):
    rng = np.random.default_rng(3)
    heat = [rng.random((H, W)).astype(np.float32) for _ in range(2)]
    flow = known_flow(kind, 1)
    change, total = warped_change(*heat, flow, inside(flow).astype(np.float32))
    # OpenCV takes the place between two pixels in steps of 1/32.
    assert change / total == pytest.approx(error_along([flow], heat), rel=0.01)


def test_a_clips_error_is_the_definitions_with_the_flow_that_was_found():
    pictures = [np.roll(still(40, 48), t, axis=1) for t in range(3)]
    heat = [np.random.default_rng(t).random((40, 48)).astype(np.float32) for t in range(3)]
    flows = [flow_between(pictures[t - 1], pictures[t]) for t in (1, 2)]
    holds = [trust(pictures[t - 1], pictures[t], flow) for t, flow in zip((1, 2), flows, strict=True)]
    found = warped_error([p[..., np.newaxis] for p in pictures], heat)
    assert found == pytest.approx(error_along(flows, heat, holds), rel=0.01)


def test_trust_is_what_its_docstring_says():
    before, after = still(30, 33), still(30, 33, seed=1)
    flow = np.random.default_rng(0).integers(-3, 4, (30, 33, 2)).astype(np.float32)
    found = trust(before, after, flow)
    for y in range(30):
        for x in range(33):
            sx, sy = x + int(flow[y, x, 0]), y + int(flow[y, x, 1])
            if not (0 <= sx < 33 and 0 <= sy < 30):
                assert found[y, x] == 0.0
                continue
            apart = (float(after[y, x]) - float(before[sy, sx])) / 255
            assert found[y, x] == pytest.approx(math.exp(-50 * apart**2), rel=1e-4)


def test_heat_that_moves_exactly_with_the_picture_scores_nothing():
    heat = [heat_at("pan", t) for t in range(6)]
    assert known_error("pan", heat) == pytest.approx(0.0, abs=1e-6)
    # Between pixels heat is interpolated, which costs a little.
    for kind in ("zoom", "rotation"):
        assert known_error(kind, [heat_at(kind, t) for t in range(6)]) < 2e-3
    still_heat = [heat_at("pan", 0)] * 6
    assert known_error("pan", still_heat) > 0.05


@pytest.mark.parametrize("kind", ["pan", "zoom", "rotation"])
def test_the_error_rises_in_proportion_to_jitter(kind):
    rng = np.random.default_rng(5)
    noise = [cv2.resize(rng.uniform(-1, 1, (9, 12)), (W, H)).astype(np.float32) for _ in range(8)]
    found = [known_error(kind, [heat_at(kind, t) + 0.2 + a * n for t, n in enumerate(noise)]) for a in (0.05, 0.1, 0.2)]
    assert found[1] == pytest.approx(2 * found[0], rel=0.03)
    assert found[2] == pytest.approx(4 * found[0], rel=0.03)


@pytest.mark.parametrize("kind", ["pan", "zoom", "rotation"])
def test_with_the_flow_that_is_found_motion_is_taken_out_too(kind):
    big = still(2 * H, 2 * W, seed=2)
    pictures, moving = [], []
    for t in range(6):
        m = motion(kind, t)
        m = np.hstack([m[:, :2], m[:, 2:] + [[W / 2], [H / 2]]])  # from the middle of a larger still: no edges appear
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        pictures.append(cv2.warpAffine(big, m, (W, H), flags=flags)[..., np.newaxis])
        moving.append(heat_at(kind, t))
    # So small a picture has a coarse flow: it finds a pan exactly, a zoom and a turn about.
    share = {"pan": 0.06}.get(kind, 0.35)
    assert warped_error(pictures, moving) < share * warped_error(pictures, [moving[0]] * 6)


def test_flow_is_the_motion():
    big = still(400, 500, seed=4)
    before, after = big[20 : 20 + 160, 30 : 30 + 192], big[22 : 22 + 160, 27 : 27 + 192]
    flow = flow_between(before, after)[10:-10, 10:-10]
    np.testing.assert_allclose(np.median(flow, axis=(0, 1)), [-3, 2], atol=0.2)


def test_warping_by_whole_pixels_is_shifting():
    a = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    flow = np.broadcast_to(np.float32([2, -3]), (20, 30, 2))
    moved = warp(a, flow)
    np.testing.assert_allclose(moved[3:, :-2], a[:-3, 2:], atol=1e-6)
    np.testing.assert_allclose(moved[0], a[0, np.minimum(np.arange(30) + 2, 29)], atol=1e-6)


def test_dimmer_is_not_steadier_and_finer_maps_of_the_same_heat_count_the_same():
    pictures = [still(seed=t)[..., np.newaxis] for t in range(3)]
    heat = [heat_at("pan", t) for t in range(3)]
    assert warped_error(pictures, [0.1 * h for h in heat]) == pytest.approx(warped_error(pictures, heat), rel=1e-5)
    small = [cv2.resize(h, (W // 4, H // 4), interpolation=cv2.INTER_AREA) for h in heat]
    assert warped_error(pictures, small) == pytest.approx(warped_error(pictures, heat), rel=0.05)


def test_nothing_is_compared_across_cuts_and_sizes():
    steadiness, motions = Steadiness(2), Motions()
    a, b = still()[..., np.newaxis], still(seed=9)[..., np.newaxis]
    steadiness.add(motions(a), [heat_at("pan", 0), np.zeros((H, W))])
    steadiness.add(motions(b), [heat_at("pan", 20), np.ones((H, W))], cut=True)
    assert np.isnan(steadiness.errors()).all()
    steadiness.add(motions(still(W, H)[..., np.newaxis]), [np.ones((3, 3)), np.ones((3, 3))])
    assert np.isnan(steadiness.errors()).all()
    steadiness.add(motions(still(W, H)[..., np.newaxis]), [np.ones((3, 3)), np.full((3, 3), np.nan)])
    same, lost = steadiness.errors()
    assert same == 0.0
    assert math.isnan(lost)


def test_heat_that_goes_out_counts_where_there_is_heat_at_all():
    pictures = [still()[..., np.newaxis]] * 3
    blinking = [np.ones((4, 4)), np.zeros((4, 4)), np.ones((4, 4))]
    assert warped_error(pictures, blinking) == pytest.approx(2.0)


def test_thumbnails_keep_enough_of_long_pictures():
    assert thumbnail(np.zeros((400, 300, 3), np.uint8), 200).shape == (200, 150)
    assert thumbnail(np.zeros((2000, 40, 3), np.uint8), 200).shape == (200, SMALLEST_SIDE)
    assert thumbnail(np.zeros((30, 20, 1), np.uint8), 200).shape == (30, 20)
    tiny = thumbnail(np.zeros((10, 12, 3), np.uint8), 200)
    assert (flow_between(tiny, tiny) == 0).all()


def test_a_motion_holds_on_cells_for_the_share_of_their_pixels_that_were_in_sight():
    """A pan by 3 of 8 pixels of a cell: the column of cells that comes in goes on from what was in sight of it."""
    big, motions = still(2 * H, 2 * W, seed=8), Motions()
    first = motions(big[20 : 20 + H, 20 : 20 + W, np.newaxis]).on((9, 12))
    assert not first.any()
    panned = motions(big[20 : 20 + H, 23 : 23 + W, np.newaxis]).on((9, 12))
    np.testing.assert_allclose(panned[1:-1, 1:-1, 0], 3 / W, atol=0.005)
    assert panned[1:-1, :-1, 2].min() > 0.9
    assert panned[1:-1, -1, 2].min() > 0.7
    far = motions(big[20 : 20 + H, 30 : 30 + W, np.newaxis]).on((9, 12))  # 7 of 8 pixels
    assert far[1:-1, :-1, 2].min() > 0.8
    assert far[1:-1, -1, 2].max() < 0.5
    black = motions(np.zeros((H, W, 1), np.uint8)).on((9, 12))
    assert black[..., 2].mean() < 0.2


def test_the_flow_of_two_pictures_does_not_depend_on_what_was_looked_at_before():
    before, after = still(192, 108), np.roll(still(192, 108), 3, axis=1)
    first = flow_between(before, after)
    for shape in ((24, 200), (32, 36), (33, 200), (192, 108)):
        flow_between(still(*shape, seed=1), still(*shape, seed=2))
    np.testing.assert_array_equal(flow_between(before, after), first)
