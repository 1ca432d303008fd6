"""Networks that see time through a run: every frame of the source is shown to them, whatever the output keeps."""

from __future__ import annotations

import json
import re
import weakref
from collections import Counter
from fractions import Fraction
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

from tests import motion
from tests.networks import as_classifier, gap_cnn, randomize
from vidcam import ClipExplainer, load_model, run
from vidcam.errors import UsageError
from vidcam.media import open_source
from vidcam.pipeline.cells import GridCell
from vidcam.pipeline.meter import Meter
from vidcam.pipeline.select import Selection
from vidcam.pipeline.stages import Stages
from vidcam.pipeline.windows import explain_windows
from vidcam.report.clip import WEIGHT
from vidcam.types import Frame, Track


@pytest.fixture(scope="module")
def network() -> Any:
    return load_model(randomize(motion.conv3d()), labels=("left", "right"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A GIF of 24 frames, ten a second, whose last half is of another brightness: a cut."""
    pictures = np.concatenate(motion.draw(2, seed=7, length=12).pictures)
    pictures[12:] = 255 - pictures[12:]
    path = tmp_path_factory.mktemp("windows") / "clip.gif"
    iio.imwrite(path, pictures.repeat(4, 1).repeat(4, 2), duration=100, loop=0)
    return path


def maps_of(made: Any) -> Track:
    assert made.track is not None
    return made.track


def test_a_run_gives_each_frame_what_the_explainer_gives_it_and_no_window_reaches_across_a_cut(network, clip, tmp_path):
    made = run(clip, tmp_path / "out.gif", model=network, keep_track=True, clip_stride=2, fps=10)
    track = maps_of(made)
    assert np.flatnonzero(track.cuts).tolist() == [12]
    with open_source(clip) as source:
        expected = ClipExplainer(network, step=2)(source, cuts={12})
    np.testing.assert_allclose(track.maps, expected.maps, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(track.probabilities, expected.probabilities, rtol=1e-4)
    np.testing.assert_allclose(track.importance, expected.importance, rtol=1e-3)
    assert track.targets == expected.targets
    assert track.meta["window"] == "6 frames, a new one every 2"
    assert (made.frames, made.read, made.explained) == (24, 24, 24)


@pytest.mark.parametrize("rate", [{}, {"clip_fps": 5.0, "clip_stride": 2}])
def test_frames_that_the_output_leaves_out_are_shown_to_the_network(network, clip, tmp_path, rate):
    every = maps_of(run(clip, tmp_path / "a.gif", model=network, keep_track=True, fps=10, **rate))
    few = maps_of(run(clip, tmp_path / "b.gif", model=network, keep_track=True, fps=4, **rate))
    assert 8 <= len(few) <= 12
    rows = np.searchsorted(every.times, few.times - 1e-6)
    np.testing.assert_array_equal(few.maps, every.maps[rows])
    np.testing.assert_array_equal(few.importance, every.importance[rows])
    assert np.count_nonzero(few.cuts) == 1


def test_kept_maps_are_drawn_without_the_network_and_keep_which_frames_counted(network, clip, tmp_path):
    first = run(clip, tmp_path / "a.gif", model=network, maps=tmp_path / "maps.npz", fps=10)
    again = run(clip, tmp_path / "b.gif", track=tmp_path / "maps.npz", keep_track=True, fps=10)
    np.testing.assert_array_equal(maps_of(again).importance, maps_of(first).importance)
    np.testing.assert_array_equal(iio.imread(tmp_path / "a.gif"), iio.imread(tmp_path / "b.gif"))


def test_several_methods_and_targets_and_the_clips_best_class(network, clip, tmp_path):
    grid = run(clip, tmp_path / "grid.gif", model=network, method="gradcam,layercam", target="left/right", fps=10)
    assert grid.frames == 24
    top = run(clip, tmp_path / "top.gif", model=network, target="clip-top", keep_track=True, fps=10)
    track = maps_of(top)
    assert set(track.targets) == {(int(track.probabilities.mean(axis=0).argmax()),)}


def test_a_picture_is_a_clip_that_stands_still(network, tmp_path):
    picture = motion.draw(1, seed=8).pictures[0][0]
    iio.imwrite(tmp_path / "still.png", picture)
    track = maps_of(run(tmp_path / "still.png", tmp_path / "out.png", model=network, keep_track=True))
    seen = ClipExplainer(network).window(np.stack([picture] * 6))
    np.testing.assert_allclose(track.maps[0], seen.maps[0], rtol=1e-4, atol=1e-6)


def test_memory_does_not_grow_with_the_clip_or_the_window(network):
    wide = load_model(randomize(motion.conv3d(16)))

    def most(classifier: Any, seconds: int) -> tuple[int, int]:
        """Explains a clip at 30 frames a second; returns the most frames whose picture was held, and explained ones."""
        alive, peak, done = Counter[str](), 0, 0

        def frames() -> Any:
            nonlocal peak
            for n in range(30 * seconds):
                picture = np.full((32, 32, 3), n % 200, np.uint8)
                alive["picture"] += 1
                weakref.finalize(picture, alive.subtract, ["picture"])
                yield Frame(n, Fraction(n, 30), Fraction(1, 30), picture, (32, 32))
                peak = max(peak, alive["picture"])

        cell = GridCell(ClipExplainer(classifier, engine="tensorflow"), "top")
        with Stages() as stages:
            selected = Selection(None, None, Meter(False)).every(frames())
            for batch in explain_windows(stages, selected, [cell], Meter(False)):
                done += len(batch.frames)
        return peak, done

    peak, done = most(wide, 30)
    assert done == 900
    assert peak <= 6  # the one that is read, the one on the screen, and between


def test_what_does_not_go_with_such_a_network_is_refused(network, clip, tmp_path):
    for options, said in (
        ({"explain_fps": 2.0}, "--explain-fps 2: .* --clip-stride says how often"),
        ({"clip_stride": 7}, "--clip-stride 7 is out of range"),
        ({"method": "scorecam"}, "not defined over time"),
    ):
        with pytest.raises(UsageError, match=said):
            run(clip, tmp_path / "out.gif", model=network, **options)
    with pytest.raises(UsageError, match="--clip-fps 5: .* one picture at a time"):
        run(clip, tmp_path / "out.gif", model=as_classifier(gap_cnn()), clip_fps=5.0)
    assert not list(tmp_path.iterdir())


def test_the_page_says_which_frames_counted(network, clip, tmp_path):
    made = run(clip, tmp_path / "a.gif", model=network, report=tmp_path / "a.html", fps=10)
    importance = maps_of(made).importance
    page = (tmp_path / "a.html").read_text("utf-8")
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    curves = dict(data["curves"])
    np.testing.assert_allclose(curves.pop(WEIGHT), 1e4 * importance / importance.max(), atol=1)
    assert set(curves) == {"left", "right"}
    said = dict(data["figures"])["the frame that counts most"]
    assert said.startswith(f"{maps_of(made).times[importance.argmax()]:.2f} s, {importance.max():.1f} ×")
