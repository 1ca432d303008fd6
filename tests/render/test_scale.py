"""Maps over time: smoothing that does not depend on the frame rate, and what is hottest."""

from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest

from vidcam.errors import UsageError
from vidcam.metrics.flicker import centroid, lag
from vidcam.render.flow import Motions
from vidcam.render.look import Look, parse_normalize
from vidcam.render.scale import (
    RELEASE,
    REMEMBERED,
    History,
    clip_peak,
    histories,
)
from vidcam.types import Placement, Track


def of(value):
    return np.full((2, 3), value, np.float32)


def test_the_kinds_of_normalization():
    assert parse_normalize("frame") == ("frame", None)
    assert parse_normalize("running") == ("running", None)
    assert parse_normalize("clip") == ("clip", None)
    assert parse_normalize("fixed=2.5") == ("fixed", 2.5)


@pytest.mark.parametrize(
    "text", ["", "fixed", "fixed=", "fixed=0", "fixed=-1", "fixed=nan", "fixed=inf", "clip=3", "max"]
)
def test_other_normalizations_are_errors_that_name_the_choices(text):
    with pytest.raises(UsageError, match="fixed="):
        parse_normalize(text)


@pytest.mark.parametrize("seconds", [-0.1, float("nan"), float("inf")])
def test_a_smoothing_time_is_a_number_of_seconds(seconds):
    with pytest.raises(UsageError, match="smooth"):
        Look(smooth=seconds)


def shown(history, *arguments, **more):
    return history(*arguments, **more)[0]


def track(maps, times, targets=None, cuts=None):
    n = len(maps)
    return Track(
        np.asarray(times, np.float64),
        np.arange(n),
        np.asarray(maps, np.float32),
        np.zeros((n, 2), np.float32),
        np.full((n, 2), 0.5, np.float32),
        tuple(targets or [(0,)] * n),
        Placement((8, 8), (8, 8), (0, 0, 8, 8), (0, 0, 8, 8)),
        ("a", "b"),
        cuts=cuts,
    )


def test_smoothing_is_exponential_in_time():
    history = History("frame", 0.5)
    np.testing.assert_allclose(shown(history, of(1.0), 0.0), 1.0)
    np.testing.assert_allclose(shown(history, of(1e-9), 0.2), np.exp(-0.4), rtol=1e-6)
    np.testing.assert_allclose(shown(history, of(1e-9), 0.7), np.exp(-1.4), rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 3, 10, 50])
def test_smoothing_does_not_depend_on_the_frame_rate_nor_on_even_spacing(steps):
    rng = np.random.default_rng(steps)
    for times in (np.linspace(0, 1, steps + 1)[1:], np.sort([*rng.uniform(0, 1, steps - 1), 1.0])):
        history = History("frame", 0.3)
        history(of(1.0), 0.0)
        for time in times:
            last = shown(history, of(0.2), float(time))
        np.testing.assert_allclose(last, 0.2 + 0.8 * np.exp(-1 / 0.3), rtol=1e-5)


def test_a_history_begins_anew_at_a_cut_and_at_another_size():
    history = History("running", 1.0)
    history(of(9.0), 0.0)
    np.testing.assert_array_equal(shown(history, of(5.0), 0.01, cut=True), of(5.0))
    assert shown(history, np.zeros((4, 4), np.float32), 0.02).shape == (4, 4)


def test_no_smoothing_shows_each_map_as_it_is():
    history = History("frame", 0.0)
    history(of(7.0), 0.0)
    np.testing.assert_array_equal(shown(history, np.float32([[1, -2, 3]] * 2), 0.1), [[1, 0, 3]] * 2)


def test_a_map_that_is_not_finite_leaves_no_trace():
    with_it, without = History("running", 0.1), History("running", 0.1)
    for history in (with_it, without):
        history(of(1.0), 0.0)
    assert np.isnan(shown(with_it, of(np.nan), 0.1)).all()
    for got, expected in zip(with_it(of(0.5), 0.2), without(of(0.5), 0.2), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("normalize", ["frame", "running"])
def test_a_new_target_shows_its_own_evidence_at_once_and_nothing_of_the_other(normalize):
    """One sigmoid output: the map of the one class is that of the other, negated."""
    m = np.float32([[3, -1, 0], [-2, 0.5, -4]])
    history = History(normalize, 0.1)
    for i in range(10):
        history(m, i / 30, (1,))
    got, peak = history(-m, 10 / 30, (0,))
    np.testing.assert_array_equal(got, np.maximum(-m, 0))
    assert peak == 4.0


def test_a_target_goes_on_from_its_own_history():
    """Two targets that take turns are shown as each would be that had only its own frames."""
    rng = np.random.default_rng(1)
    maps = rng.uniform(0.1, 1, (40, 3, 4)).astype(np.float32)
    targets = [(int(t),) for t in rng.integers(0, 2, 40)]
    both, alone = History("running", 0.2), {(0,): History("running", 0.2), (1,): History("running", 0.2)}
    for i, (m, target) in enumerate(zip(maps, targets, strict=True)):
        got, expected = both(m, i / 30, target), alone[target](m, i / 30)
        np.testing.assert_array_equal(got[0], expected[0])
        assert got[1] == expected[1]


@pytest.mark.parametrize("normalize", ["frame", "running", "fixed"])
def test_the_hottest_place_has_evidence_in_the_frames_own_map(normalize):
    rng = np.random.default_rng(2)
    history = History(normalize, 0.3, 0.4)
    nothing = 0
    for i in range(400):
        raw = rng.normal(-1.5, 1, (3, 4)).astype(np.float32) * np.float32(rng.uniform(0, 3))
        got, _ = history(raw, i / 30)
        assert (got >= 0).all()
        if raw.max() <= 0:
            nothing += 1
            assert not got.any()
        else:
            assert got.max() > 0
            assert (raw[got >= got.max()] > 0).all()
            assert got[raw <= 0].max(initial=0) <= np.float32(REMEMBERED) * got.max()
    assert 20 < nothing < 300


def test_what_moves_takes_its_memory_along():
    """A blob that moves a cell a frame, in a memory that is carried with it, is as sharp as one that stands."""
    history, still = History("running", 0.3), History("running", 0.3)
    blob = np.zeros((4, 30), np.float32)
    blob[1:3, 2] = 1.0
    motion = np.zeros((4, 30, 3), np.float16)
    motion[..., 0], motion[..., 2] = -1 / 30, 1.0
    for i in range(20):
        moved = np.roll(blob, i, axis=1)
        got, _ = history(moved, i / 30, i % 2, motion=motion)
        np.testing.assert_allclose(got, moved, atol=2e-3)  # motions are half floats
        left_behind, _ = still(moved, i / 30)
    assert left_behind.max() < 0.5


def test_where_the_motion_does_not_hold_the_map_begins_anew():
    history = History("running", 10.0)
    before, after = np.full((2, 4), 1.0, np.float32), np.full((2, 4), 0.5, np.float32)
    motion = np.zeros((2, 4, 3), np.float16)
    motion[:, 1:, 2] = (0.0, 0.5, 1.0)
    history(before, 0.0)
    got, _ = history(after, 0.0, motion=motion)
    np.testing.assert_allclose(got, [[0.5, 0.5, 0.75, 1.0]] * 2, atol=1e-3)


def test_there_is_no_heat_on_the_trace_of_what_has_left():
    """A bright thing crosses a textured ground, hot wherever it is; behind it the ground is cold at once."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.integers(0, 256, (192, 192)).astype(np.uint8), (0, 0), 2)
    ground = cv2.normalize(ground, None, 0, 120, cv2.NORM_MINMAX)
    thing = cv2.normalize(cv2.GaussianBlur(rng.random((48, 48)), (0, 0), 2), None, 150, 255, cv2.NORM_MINMAX)
    motions, carried, plain = Motions(), History("running", 0.3), History("running", 0.3)
    behind = []
    for i in range(12):
        x = 6 * i
        picture = ground.copy()
        picture[72:120, x : x + 48] = thing
        raw = np.zeros((8, 8), np.float32)
        raw[3:5] = np.clip((x + 48 - 24 * np.arange(8)) / 24, 0, 1) * np.clip((24 * np.arange(1, 9) - x) / 24, 0, 1)
        motion = motions(picture[..., np.newaxis]).on((8, 8))
        with_it, without = carried(raw, i / 30, motion=motion)[0], plain(raw, i / 30)[0]
        gone = raw == 0
        behind.append((with_it[gone].max(initial=0), without[gone].max(initial=0)))
    trace, old = np.array(behind).max(axis=0)
    assert trace < 0.6 * old


def test_a_copied_history_goes_on_alike_and_ten_seconds_make_an_equal_one():
    rng = np.random.default_rng(3)
    maps = rng.uniform(0, 1, (700, 3, 4)).astype(np.float32)
    maps[:30] *= 3
    targets = [(int(t),) for t in rng.integers(0, 3, 700)]
    whole, late, copied = History("running", 0.1), History("running", 0.1), None
    for i, (m, target) in enumerate(zip(maps, targets, strict=True)):
        if i == 600:
            copied = pickle.loads(pickle.dumps(whole))
        got, peak = whole(m, i / 30, target)
        if i >= 300:
            other = late(m, i / 30, target)
        if i >= 600:
            again = copied(m, i / 30, target)
            np.testing.assert_array_equal(again[0], got)
            assert again[1] == peak
            assert np.abs(got / peak - other[0] / other[1]).max() < 1 / 255


def test_frame_takes_each_maps_own_maximum():
    history = History("frame", 0.0)
    assert [history(of(v), t)[1] for t, v in enumerate((1.0, 0.1, 0.0, -1.0, 3.0))] == pytest.approx([1, 0.1, 0, 0, 3])


def test_running_rises_at_once_and_falls_slowly():
    history = History("running", 0.0)
    assert history(of(2.0), 0.0)[1] == 2.0
    assert history(of(0.1), 1.0)[1] == pytest.approx(2 * np.exp(-1 / RELEASE))
    assert history(of(5.0), 1.1)[1] == 5.0
    assert history(of(0.1), 1.2, cut=True)[1] == pytest.approx(0.1)


def test_fixed_stays():
    history = History("fixed", 0.0, 2.5)
    assert {history(of(v), t)[1] for t, v in enumerate((0.1, 9.0))} == {2.5}


def test_the_clips_peak_is_that_of_its_smoothed_maps():
    rng = np.random.default_rng(0)
    maps, times = rng.normal(size=(20, 3, 4)).astype(np.float32), np.arange(20) / 10
    targets = [(int(t),) for t in rng.integers(0, 2, 20)]
    cuts = np.zeros(20, bool)
    cuts[8] = True
    clip = track(maps, times, targets, cuts)
    assert clip_peak([clip], 0.0) == maps.max()
    history = History("fixed", 0.3, 1e9)
    shown = [history(m, t, k, cut=bool(c))[0] for m, t, k, c in zip(maps, times, targets, cuts, strict=True)]
    assert clip_peak([clip], 0.3) == max(m.max() for m in shown) < maps.max()
    assert clip_peak([track(np.full((2, 2, 2), -1.0), times[:2])], 0.1) == 0.0


def test_by_default_heat_runs_less_than_a_fifth_of_a_second_behind():
    """A blob that wanders as animals do; what is shown follows it within the time that is promised."""
    t = np.arange(300) / 30
    x = np.arange(24)
    path = 12 + 6 * np.sin(2.2 * t) + 2 * np.sin(5.1 * t)
    maps = np.exp(-((x - path[:, None, None]) ** 2) / 8).astype(np.float32) * np.ones((1, 5, 1), np.float32)
    motions = np.zeros((300, 5, 24, 3), np.float16)
    motions[1:, ..., 0] = -np.diff(path)[:, None, None] / 24
    motions[1:, ..., 2] = 1.0
    late = []
    for known in (motions, [None] * 300):
        history = histories(Look(), 1)[0]
        heat = [history(m, float(s), motion=k)[0] for m, s, k in zip(maps, t, known, strict=True)]
        late.append(lag(centroid(np.stack(heat))[:, 1:], path[:, None], 1 / 30))
    assert abs(late[0]) < 0.02  # what moves with the picture is not late
    assert 0.1 < late[1] < 0.2  # what moves on its own, and all where the motion is not known
