"""Maps over time: smoothing that does not depend on the frame rate, and what is hottest."""

from __future__ import annotations

import numpy as np
import pytest

from vidcam.errors import UsageError
from vidcam.metrics.flicker import centroid, lag
from vidcam.render.scale import DEFAULT_SMOOTH, RELEASE, Scaling, Smoothing, check_smooth, clip_peak, parse_normalize


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
        check_smooth(seconds)


def test_smoothing_is_exponential_in_time():
    smoothing = Smoothing(0.5)
    np.testing.assert_allclose(smoothing(of(1.0), 0.0), 1.0)
    np.testing.assert_allclose(smoothing(of(0.0), 0.2), np.exp(-0.4), rtol=1e-6)
    np.testing.assert_allclose(smoothing(of(0.0), 0.7), np.exp(-1.4), rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 3, 10, 50])
def test_smoothing_does_not_depend_on_the_frame_rate(steps):
    smoothing = Smoothing(0.3)
    smoothing(of(1.0), 0.0)
    for time in np.linspace(0, 1, steps + 1)[1:]:
        last = smoothing(of(0.2), float(time))
    np.testing.assert_allclose(last, 0.2 + 0.8 * np.exp(-1 / 0.3), rtol=1e-5)


def test_smoothing_begins_anew_at_a_cut_and_at_another_size():
    smoothing = Smoothing(1.0)
    smoothing(of(1.0), 0.0)
    np.testing.assert_array_equal(smoothing(of(5.0), 0.01, cut=True), of(5.0))
    assert smoothing(np.zeros((4, 4), np.float32), 0.02).shape == (4, 4)


def test_no_smoothing_hands_the_map_on():
    smoothing = Smoothing(0.0)
    raw = of(1.0)
    assert smoothing(raw, 0.0) is raw


def test_a_map_that_is_not_finite_leaves_no_trace():
    smoothing = Smoothing(0.1)
    smoothing(of(1.0), 0.0)
    assert np.isnan(smoothing(of(np.nan), 0.1)).all()
    assert np.isfinite(smoothing(of(1.0), 0.2)).all()


def test_frame_takes_each_maps_own_maximum():
    scaling = Scaling("frame", 0.0)
    assert [scaling(of(v), t)[1] for t, v in enumerate((1.0, 0.1, 0.0, -1.0, 3.0))] == pytest.approx([1, 0.1, 0, 0, 3])


def test_running_rises_at_once_and_falls_slowly():
    scaling = Scaling("running", 0.0)
    assert scaling(of(2.0), 0.0)[1] == 2.0
    assert scaling(of(0.1), 1.0)[1] == pytest.approx(2 * np.exp(-1 / RELEASE))
    assert scaling(of(5.0), 1.1)[1] == 5.0
    assert scaling(of(0.1), 1.2, cut=True)[1] == pytest.approx(0.1)


def test_fixed_stays():
    scaling = Scaling("fixed", 0.0, 2.5)
    assert {scaling(of(v), t)[1] for t, v in enumerate((0.1, 9.0))} == {2.5}


def test_the_clips_peak_is_that_of_its_smoothed_maps():
    rng = np.random.default_rng(0)
    maps, times = rng.normal(size=(20, 3, 4)).astype(np.float32), np.arange(20) / 10
    cuts = np.zeros(20, bool)
    cuts[8] = True
    assert clip_peak(maps, times, cuts, 0.0) == maps.max()
    smoothing = Smoothing(0.3)
    peaks = [smoothing(m, t, bool(c)).max() for m, t, c in zip(maps, times, cuts, strict=True)]
    assert clip_peak(maps, times, cuts, 0.3) == max(peaks)
    assert clip_peak(np.full((2, 2, 2), -1.0), times[:2], cuts[:2], 0.1) == 0.0


def test_by_default_heat_runs_less_than_a_fifth_of_a_second_behind():
    """A blob that wanders as animals do; what is shown follows it within the time that is promised."""
    t = np.arange(300) / 30
    x = np.arange(24)
    path = 12 + 6 * np.sin(2.2 * t) + 2 * np.sin(5.1 * t)
    maps = np.exp(-((x - path[:, None, None]) ** 2) / 8).astype(np.float32) * np.ones((1, 5, 1), np.float32)
    scaling = Scaling("running", DEFAULT_SMOOTH)
    shown = np.stack([scaling(m, float(s))[0] for m, s in zip(maps, t, strict=True)])
    late = lag(centroid(shown)[:, 1:], path[:, None], 1 / 30)
    assert 0.05 < late < 0.12
