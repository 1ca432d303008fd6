"""Windows over a clip: which frames they show, and what becomes of a frame that several hold."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np
import pytest

from vidcam.cam.moments import WindowMaps, at_place, merge_windows, moments, step_shares, weight
from vidcam.cam.windows import ClipWindow, Coming, Sampling, windows
from vidcam.errors import UsageError


def picture(number: int) -> np.ndarray:
    return np.full((1, 1, 1), number, np.uint8)


class Watcher:
    """A network whose map of each step is the step's own picture, and which notes the windows it was shown."""

    def __init__(self, target: tuple[int, ...] = (0,)) -> None:
        self.windows: list[list[int]] = []
        self.target = target

    def __call__(self, clips: Sequence[np.ndarray]) -> list[tuple[WindowMaps]]:
        self.windows += [clip[:, 0, 0, 0].tolist() for clip in clips]
        scores = np.array([1.0, 0.0], np.float32)
        return [(WindowMaps(clip[..., 0].astype(np.float32), scores, scores, self.target),) for clip in clips]


def coming(times: Sequence[float], cuts: Sequence[int] = (), asked: int = 1) -> list[Coming[int]]:
    return [
        Coming(n if n % asked == 0 else None, lambda n=n: picture(n), time, n in cuts)  # type: ignore[misc]
        for n, time in enumerate(times)
    ]


def slide(sampling: Sampling, times: list[float], cuts: tuple[int, ...] = ()) -> tuple[list[float], list[list[int]]]:
    """Slides over frames whose pictures are their numbers; returns their maps and the windows that were shown."""
    network = Watcher()
    seen = list(chain.from_iterable(moments(windows(coming(times, cuts), sampling), sampling, network)))
    assert [number for number, _ in seen] == list(range(len(times)))
    return [float(m.map[0, 0]) for _, (m,) in seen], network.windows


@pytest.mark.parametrize("count", [1, 3, 8, 9, 20, 31])
@pytest.mark.parametrize("step", [1, 3, 8])
def test_every_frame_gets_the_map_of_its_own_place_from_windows_that_cover_the_clip(count: int, step: int) -> None:
    maps, windows = slide(Sampling.of(8, step), [0.0] * count)
    np.testing.assert_allclose(maps, range(count), atol=1e-5)
    starts = sorted({min(s, max(count - 8, 0)) for s in range(0, max(count - 8, 0) + step, step)})
    assert windows == [[min(s + i, count - 1) for i in range(8)] for s in starts]


def test_a_window_never_reaches_across_a_cut() -> None:
    maps, windows = slide(Sampling.of(4, 2), [0.0] * 17, cuts=(3, 4, 10))
    np.testing.assert_allclose(maps, range(17), atol=1e-5)
    scenes = [range(3), range(3, 4), range(4, 10), range(10, 17)]
    assert all(any(set(w) <= set(scene) for scene in scenes) for w in windows)
    assert windows[:2] == [[0, 1, 2, 2], [3, 3, 3, 3]]  # shorter than a window: the last frame stays


def test_at_a_rate_each_sample_is_the_frame_on_the_screen_then() -> None:
    times = [0.0, 0.1, 0.15, 0.4, 0.45, 0.5, 0.9, 1.0]  # as phones and screen recordings have them
    _, windows = slide(Sampling.of(4, 4, fps=10.0), times)
    on_screen = [max(i for i, t in enumerate(times) if t <= k / 10 + 1e-9) for k in range(11)]
    assert windows == [on_screen[0:4], on_screen[4:8], on_screen[7:11]]


def test_a_frame_between_two_samples_gets_what_is_between_their_maps() -> None:
    maps, windows = slide(Sampling.of(4, 2, fps=10.0), [i / 30 for i in range(41)])
    assert windows[0] == [0, 3, 6, 9]
    np.testing.assert_allclose(maps[:40], range(40), atol=1e-4)
    assert maps[40] == 39  # behind the last sample


def test_a_rate_as_the_clips_own_is_every_frame_though_times_are_rounded() -> None:
    times = [round(i / 29.97, 3) for i in range(60)]
    by_time, windows = slide(Sampling.of(8, 4, fps=29.97), times)
    by_number, same = slide(Sampling.of(8, 4), times)
    assert windows == same
    np.testing.assert_allclose(by_time, by_number, atol=0.05)


def test_a_still_that_stands_for_an_hour_costs_no_more_than_a_window() -> None:
    maps, windows = slide(Sampling.of(4, 1, fps=25.0), [0.0, 0.04, 3600.0, 3600.04])
    assert len(windows) == 2
    np.testing.assert_allclose(maps, range(4), atol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("fps", [None, 8.0])
def test_a_clip_of_thirty_seconds_holds_no_more_pictures_and_maps_than_one_of_three(
    fps: float | None, batch: int
) -> None:
    sampling = Sampling.of(16, 4, fps)

    def most(seconds: int) -> tuple[int, int]:
        """Slides over a clip at 30 frames a second; returns the most pictures and maps that were alive at once."""
        alive: Counter[str] = Counter()
        peaks = [0, 0]

        def watch(kind: str, array: np.ndarray) -> None:
            alive[kind] += 1
            weakref.finalize(array, lambda: alive.subtract([kind]))

        def shown(n: int) -> np.ndarray:
            made = picture(n % 200)
            watch("picture", made)
            return made

        def see(clips: Sequence[np.ndarray]) -> list[tuple[WindowMaps]]:
            found = Watcher()(clips)
            for (seen,) in found:
                watch("map", seen.maps)
            return found

        frames = (Coming(n, lambda n=n: shown(n), n / 30, False) for n in range(30 * seconds))  # type: ignore[misc]
        done = 0
        for few in moments(windows(frames, sampling), sampling, see, batch):
            done += len(few)
            peaks = [max(peak, alive[kind]) for peak, kind in zip(peaks, ("picture", "map"), strict=True)]
        assert done == 30 * seconds
        return peaks[0], peaks[1]

    short, long = most(8), most(30)
    assert long == short
    assert long[0] <= 16 + 2  # a window's, and what is on the screen
    assert long[1] <= 16 // 4 + 1 + batch


def test_frames_that_nobody_asks_for_are_shown_to_the_network_all_the_same() -> None:
    sampling, times = Sampling.of(8, 3), [0.0] * 31
    everything, few = Watcher(), Watcher()
    all_of_them = list(chain.from_iterable(moments(windows(coming(times), sampling), sampling, everything)))
    some = list(chain.from_iterable(moments(windows(coming(times, asked=5), sampling), sampling, few)))
    assert everything.windows == few.windows
    assert [n for n, _ in some] == [0, 5, 10, 15, 20, 25, 30]
    by_number = dict(all_of_them)
    assert all(m.map == by_number[n][0].map for n, (m,) in some)


def test_windows_in_batches_give_what_they_give_one_by_one() -> None:
    sampling = Sampling.of(8, 3)
    shown = list(windows(coming([0.0] * 31, cuts=(4, 20)), sampling))
    one, three = ([*chain.from_iterable(moments(shown, sampling, Watcher(), batch))] for batch in (1, 3))
    assert [n for n, _ in one] == [n for n, _ in three] == list(range(31))
    assert all(a.map == b.map for (_, (a,)), (_, (b,)) in zip(one, three, strict=True))


def test_only_pictures_that_are_samples_are_made() -> None:
    made: list[int] = []

    def shown(n: int) -> np.ndarray:
        made.append(n)
        return picture(n)

    frames = [Coming(n, lambda n=n: shown(n), n / 30, False) for n in range(61)]  # type: ignore[misc]
    found = [step for step in windows(frames, Sampling.of(4, 2, fps=10.0)) if isinstance(step, ClipWindow)]
    assert made == list(range(0, 61, 3))
    assert all(b.start - a.start <= 2 for a, b in pairwise(found))


def test_windows_count_by_how_near_their_middle_is() -> None:
    weights = [weight(u, 5) for u in range(5)]
    assert weights == pytest.approx([1 / 3, 2 / 3, 1.0, 2 / 3, 1 / 3])
    one, two = (
        WindowMaps(np.full((5, 1, 1), v, np.float32), *[np.array([v, 0], np.float32)] * 2, (0,)) for v in (3.0, 9.0)
    )
    moment = merge_windows([(2.0, one), (4.0, two)], 5)
    assert moment.map[0, 0] == pytest.approx((3 * 1 + 9 / 3) / (1 + 1 / 3))
    assert moment.logits[0] == pytest.approx((3 * 1 + 9 / 3) / (1 + 1 / 3))


def test_windows_that_explain_another_class_do_not_mix_in() -> None:
    cat = WindowMaps(np.full((2, 1, 1), 5, np.float32), *[np.array([2.0, 1.0], np.float32)] * 2, (0,))
    dog = WindowMaps(np.full((2, 1, 1), -7, np.float32), *[np.array([0.0, 9.0], np.float32)] * 2, (1,))
    moment = merge_windows([(0.0, cat), (1.0, dog)], 2)
    assert moment.target == (1,)
    assert moment.map[0, 0] == -7
    np.testing.assert_allclose(moment.logits, [1.0, 5.0])


def test_time_is_resampled_as_space_is() -> None:
    import cv2

    steps = np.random.default_rng(0).normal(size=(3, 2, 2)).astype(np.float32)
    expected = cv2.resize(steps.reshape(3, 4), (4, 8), interpolation=cv2.INTER_LINEAR).reshape(8, 2, 2)
    np.testing.assert_allclose([at_place(steps, k, 8) for k in range(8)], expected, atol=1e-6)


def test_shares_are_of_the_heat_alone() -> None:
    maps = np.array([[[1.0, -5.0]], [[3.0, np.nan]], [[-1.0, -1.0]]], np.float32)
    np.testing.assert_allclose(step_shares(maps), [0.75, 2.25, 0.0])
    np.testing.assert_allclose(step_shares(np.zeros((4, 1, 1), np.float32)), 1.0)


@pytest.mark.parametrize("choice", [{"step": 0}, {"step": 9}, {"fps": 0.0}, {"fps": float("nan")}])
def test_what_makes_no_windows_is_refused(choice: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"--clip-(stride|fps)"):
        Sampling.of(8, **choice)  # type: ignore[arg-type]
