"""What `run` does over time and side by side: grids, clip-wide scaling and targets, timelines, saved tracks."""

from __future__ import annotations

import json
from itertools import pairwise

import av
import numpy as np
import pytest
from PIL import Image

import vidcam
from tests.clips import clip_pictures, make_video, read_frames
from tests.networks import gap_cnn
from vidcam.cam import Explainer
from vidcam.errors import UsageError, VidcamError
from vidcam.metrics.steadiness import Steadiness
from vidcam.models import load_model
from vidcam.pipeline.cells import SINGLE, Grid
from vidcam.render import History, Look, clip_peak, draw_caption, histories, overlay
from vidcam.render.flow import Motions
from vidcam.render.scale import rows_of
from vidcam.render.timeline import strip_height
from vidcam.types import Placement


@pytest.fixture(scope="module")
def classifier():
    return load_model(gap_cnn(), labels=["cat", "dog", "fish"])


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture(scope="module")
def saved(clip, classifier, tmp_path_factory):
    """A track of the clip, as `run` saves it, and the file."""
    folder = tmp_path_factory.mktemp("tracks")
    result = vidcam.run(clip, folder / "o.mp4", model=classifier, maps=folder / "maps.npz")
    return result.track, folder / "maps.npz"


def close(a, b, most=6.0):
    """Tells whether two sets of pictures are the same but for the encoder's losses."""
    import cv2

    blur = [[cv2.blur(p, (5, 5)).astype(int) for p in pictures] for pictures in (a, b)]
    return max(np.abs(x - y).mean() for x, y in zip(*blur, strict=True)) < most


def shown(frames, track, normalize, smooth):
    """What `run` is to draw, by the library's parts."""
    peak = clip_peak([track], smooth) if normalize == "clip" else None
    history = History("fixed" if peak else normalize, smooth, peak)
    pictures = []
    rows = zip(frames, track.maps, track.times, track.targets, track.motions, strict=True)
    for frame, raw, time, target, motion in rows:
        smoothed, peak = history(raw, float(time), target, motion=motion)
        pictures.append(overlay(frame, smoothed, peak=peak, placement=track.placement))
    return pictures


@pytest.mark.parametrize(("normalize", "smooth"), [("frame", 0.0), ("running", 0.1), ("clip", 0.0), ("clip", 0.3)])
def test_pictures_are_scaled_and_smoothed_as_asked(clip, classifier, saved, tmp_path, normalize, smooth):
    out = tmp_path / "o.mp4"
    vidcam.run(clip, out, model=classifier, caption=False, normalize=normalize, smooth=smooth)
    with vidcam.media.open_source(clip) as source:
        frames = [frame.rgb() for frame in source]
    pictures, _ = read_frames(out)
    assert close(pictures, shown(frames, saved[0], normalize, smooth))


def test_a_saved_track_gives_the_same_pictures_without_the_model(clip, classifier, saved, tmp_path):
    look = {"colormap": "turbo", "normalize": "clip", "colorbar": True}
    vidcam.run(clip, tmp_path / "a.mp4", model=classifier, **look)
    for given in saved:  # the track itself, and its file
        result = vidcam.run(clip, tmp_path / "b.mp4", track=given, overwrite=True, **look)
        assert result.frames == 12
        # Threads that add up in another order move a map's last bit, and the encoder makes more of it.
        assert close(read_frames(tmp_path / "a.mp4")[0], read_frames(tmp_path / "b.mp4")[0], most=1.5)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert json.loads(container.metadata["comment"])["method"] == "gradcam"


def test_a_track_of_another_clip_is_refused(clip, saved, tmp_path):
    other = make_video(tmp_path / "other.mp4", fps=12)
    with pytest.raises(VidcamError, match="another clip"):
        vidcam.run(other, tmp_path / "o.mp4", track=saved[0])
    larger = make_video(tmp_path / "larger.mp4", width=96)
    with pytest.raises(VidcamError, match="64x48"):
        vidcam.run(larger, tmp_path / "o.mp4", track=saved[0])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["larger.mp4", "other.mp4"]


@pytest.mark.parametrize(("start", "stride"), [(0.5, 1), (0.4, 2), (0.0, 3)])
def test_kept_maps_are_found_by_their_times_wherever_reading_begins(clip, classifier, saved, tmp_path, start, stride):
    """Also those of a run with another start: a frame's number counts from where reading began, its time does not."""
    late = vidcam.run(clip, tmp_path / "late.mp4", model=classifier, start=0.3, maps=tmp_path / "late.npz").track
    for track in (saved[0], late):
        began = max(start, float(track.times[0]))
        made = vidcam.run(
            clip, tmp_path / "o.mp4", track=track, start=start, stride=stride, keep_track=True, overwrite=True
        )
        with vidcam.media.open_source(clip, start=start, stride=stride) as source:
            times = [float(frame.time) for frame in source if frame.time >= began - 1e-6]
        np.testing.assert_allclose(made.track.times, times)
        rows = [int(np.abs(track.times - t).argmin()) for t in times]
        np.testing.assert_array_equal(made.track.maps, track.maps[rows])


def test_maps_of_another_time_are_told_from_maps_of_another_clip(clip, saved, tmp_path):
    early = saved[0].first(3)
    with pytest.raises(VidcamError, match="hold no frame of what is asked for: they are of 0.00 to 0.20 s"):
        vidcam.run(clip, tmp_path / "o.mp4", track=early, start=1.0)
    assert not list(tmp_path.iterdir())


def test_a_track_answers_what_is_explained(clip, saved, tmp_path, classifier):
    for options in ({"target": "dog"}, {"method": "layercam"}, {"model": classifier}, {"layer": "last"}):
        with pytest.raises(UsageError, match="track"):
            vidcam.run(clip, tmp_path / "o.mp4", track=saved[0], **options)


def test_clip_top_explains_the_clips_best_class_in_every_frame(clip, classifier, saved, tmp_path):
    result = vidcam.run(clip, tmp_path / "o.mp4", model=classifier, target="clip-top", maps=tmp_path / "m.npz")
    best = int(saved[0].probabilities.mean(axis=0).argmax())
    assert result.track.targets == ((best,),) * 12
    assert result.classes == {classifier.labels[best]: 12}
    with vidcam.media.open_source(clip) as source:
        expected = Explainer(classifier)([frame.rgb() for frame in source], best).maps
    np.testing.assert_allclose(result.track.maps, expected, atol=1e-5 * np.abs(expected).max())


def test_progress_counts_all_passes(clip, classifier, tmp_path):
    for options, passes in (({}, 1), ({"normalize": "clip"}, 2), ({"normalize": "clip", "target": "clip-top"}, 3)):
        seen = []
        vidcam.run(
            clip,
            tmp_path / "o.mp4",
            model=classifier,
            overwrite=True,
            progress=lambda *a, seen=seen: seen.append(a),
            **options,
        )
        assert seen[-1] == (12 * passes, 12 * passes)
        assert all(a < b for (a, _), (b, _) in pairwise(seen))


def test_stopping_in_the_first_pass_leaves_a_playable_part(clip, classifier, tmp_path):
    done = []
    result = vidcam.run(
        clip,
        tmp_path / "o.mp4",
        model=classifier,
        normalize="clip",
        batch_size=4,
        progress=lambda d, total: done.append(d),
        cancelled=lambda: len(done) >= 2,
    )
    assert result.interrupted
    assert result.path.name == "o.partial.mp4"
    assert len(read_frames(result.path)[0]) == result.frames == 8


def test_methods_make_a_grid_whose_cells_are_the_single_runs(clip, classifier, tmp_path):
    options = {"model": classifier, "target": 1, "caption": False, "smooth": 0.0, "normalize": "frame"}
    vidcam.run(clip, tmp_path / "g.png", method="gradcam,layercam,eigencam", start=0.5, **options)
    grid = np.asarray(Image.open(tmp_path / "g.png"))
    assert grid.shape == (48, 3 * 64, 3)
    for i, name in enumerate(("gradcam", "layercam", "eigencam")):
        vidcam.run(clip, tmp_path / f"{name}.png", method=name, start=0.5, **options)
        single = np.asarray(Image.open(tmp_path / f"{name}.png"))
        np.testing.assert_array_equal(grid[24:, 64 * i : 64 * (i + 1)], single[24:])
        assert (grid[:24, 64 * i : 64 * (i + 1)] != single[:24]).any()  # its name


def test_methods_and_targets_make_rows_and_columns(clip, classifier, tmp_path):
    result = vidcam.run(
        clip, tmp_path / "g.mp4", model=classifier, method=["gradcam", "hirescam"], target="dog/fish/top", end=0.3
    )
    assert result.size == (3 * 64, 2 * 48)
    with av.open(str(tmp_path / "g.mp4")) as container:
        metas = json.loads(container.metadata["comment"])
    assert [(m["method"], m["target"]) for m in metas] == [
        (m, t) for m in ("gradcam", "hirescam") for t in ("dog", "fish", "top")
    ]


def test_targets_stay_named_without_captions(clip, classifier, tmp_path):
    options = {"model": classifier, "start": 0.5, "caption": False}
    vidcam.run(clip, tmp_path / "two.png", target="dog/fish", **options)
    vidcam.run(clip, tmp_path / "one.png", target="dog", **options)
    two, one = (np.asarray(Image.open(tmp_path / f"{n}.png")) for n in ("two", "one"))
    assert two.shape == (48, 128, 3)
    assert (two[:24, :64] != one[:24]).any()
    np.testing.assert_array_equal(two[24:, :64], one[24:])


def test_a_grid_is_not_one_track(clip, classifier, tmp_path):
    with pytest.raises(UsageError, match="--maps"):
        vidcam.run(clip, tmp_path / "o.mp4", model=classifier, method="gradcam,cam", maps=tmp_path / "m.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_timeline_stands_under_the_picture(clip, classifier, tmp_path):
    result = vidcam.run(clip, tmp_path / "t.mp4", model=classifier, view="timeline")
    assert result.size == (64, 48 + strip_height((64, 48)))
    Image.fromarray(clip_pictures(1)[0]).save(tmp_path / "one.png")
    with pytest.raises(UsageError, match="single picture"):
        vidcam.run(tmp_path / "one.png", tmp_path / "o.png", model=classifier, view="timeline")


def test_eigencam_says_that_it_ignores_the_target(clip, classifier, tmp_path):
    result = vidcam.run(clip, tmp_path / "o.png", model=classifier, method="eigencam", target="dog", start=0.5)
    assert any("the same for every target" in note for note in result.notes)
    result = vidcam.run(clip, tmp_path / "o.png", model=classifier, method="eigencam", start=0.5, overwrite=True)
    assert not any("the same for every target" in note for note in result.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalize": "max"}, "normalize"),
        ({"smooth": -1.0}, "smooth"),
        ({"method": "gradcam,smoothgrad"}, "smoothgrad"),
        ({"method": []}, "method"),
        ({"top_channels": 4}, "scorecam"),
        ({"method": "gradcam,eigencam", "against": True}, "eigencam"),
        ({"target": "dog/bird"}, "bird"),
        ({"layer": "last,lats"}, "lats"),
    ],
)
def test_what_makes_no_sense_is_said_and_leaves_nothing(clip, classifier, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        vidcam.run(clip, tmp_path / "o.mp4", model=classifier, **options)
    assert list(tmp_path.iterdir()) == []


def big_track(times, targets):
    """A track of a 640x360 clip whose maps are evenly hot."""
    n = len(times)
    whole = (0.0, 0.0, 640.0, 360.0)
    return vidcam.Track(
        times=np.array(times),
        indices=np.arange(n),
        maps=np.ones((n, 4, 4), np.float32),
        logits=np.zeros((n, 2), np.float32),
        probabilities=np.full((n, 2), 0.5, np.float32),
        targets=tuple((t,) for t in targets),
        placement=Placement((640, 360), (32, 32), whole, (0.0, 0.0, 32.0, 32.0)),
        labels=("Egyptian cat", "West Highland white terrier"),
    )


def test_captions_are_drawn_at_the_outputs_size(tmp_path):
    clip = make_video(tmp_path / "clip.mp4", 4, width=640, height=360)
    with vidcam.media.open_source(clip) as source:
        times = [float(frame.time) for frame in source]
    track = big_track(times, [0] * 4)
    for suffix, width in (("gif", 160), ("webp", 300)):
        result = vidcam.run(clip, tmp_path / f"o.{suffix}", track=track, alpha=0.0, width=width)
        assert result.size == (width, round(360 * width / 640))
        with vidcam.media.open_source(result.path) as source:
            drawn = next(iter(source)).rgb()
        blank = np.zeros_like(drawn)
        draw_caption(blank, "Egyptian cat 50 %")
        letters = blank.min(axis=2) > 250  # where a letter covers its pixels wholly
        assert letters.sum() > 20
        assert drawn[letters].min() > 215


@pytest.mark.parametrize(
    ("grid", "columns", "places"),
    [
        (SINGLE, 2, (-1, 0)),
        (Grid(2, ("CAM", "Grad-CAM"), False), 3, (-1, 0, 1)),
        (Grid(3, ("CAM", "Grad-CAM", "LayerCAM"), False), 2, (-1, 0, 1, 2)),
        (Grid(2, ("CAM", "CAM", "Grad-CAM", "Grad-CAM"), True), 3, (-1, 0, 1, None, 2, 3)),
    ],
)
def test_side_by_side_lays_the_frame_out_once(grid, columns, places):
    assert grid.places(True) == (columns, places)
    assert grid.places(False) == (grid.columns, tuple(range(len(grid.titles))))


def test_a_grid_side_by_side_shows_the_frame_once(classifier, tmp_path):
    frame = clip_pictures(1)[0]
    Image.fromarray(frame).save(tmp_path / "a.png")
    options = {"model": classifier, "method": "gradcam,layercam", "view": "side-by-side", "caption": False}
    result = vidcam.run(tmp_path / "a.png", tmp_path / "o.png", alpha=1.0, **options)
    assert result.size == (3 * 64, 48)
    shown = np.asarray(Image.open(tmp_path / "o.png").convert("RGB"))
    assert (shown[:, :64] == frame).all()
    assert all((shown[24:, x : x + 64] != frame[24:]).any() for x in (64, 128))


def test_a_run_measures_how_steady_the_heat_is_that_it_shows(clip, classifier, saved, tmp_path):
    page = tmp_path / "page.html"
    result = vidcam.run(clip, tmp_path / "o.mp4", model=classifier, report=page)
    steadiness, motions, history = Steadiness(), Motions(), histories(Look(), 1)[0]
    with vidcam.media.open_source(clip) as source:
        for frame, (raw, time, target, cut, kept) in zip(source, rows_of(saved[0]), strict=True):
            motion = motions(classifier.prepare(frame.rgb())[0])
            np.testing.assert_array_equal(kept, motion.on(raw.shape))
            shown, peak = history(raw, time, target, cut=cut, motion=kept)
            steadiness.add(motion, [np.clip(shown / peak, 0, 1)], cut)
    assert result.steadiness == pytest.approx(steadiness.errors()[0], rel=1e-5)
    assert f'["change beside the motion (E)","{result.steadiness:.3f}"]' in page.read_text("utf-8")


@pytest.mark.parametrize("look", [{}, {"normalize": "clip"}, {"view": "timeline"}, {"view": "side-by-side"}])
def test_kept_maps_and_looks_that_need_the_clip_are_as_steady_as_they_are(look, clip, classifier, saved, tmp_path):
    kept = vidcam.run(clip, tmp_path / "kept.mp4", track=saved[1], keep_track=True, **look)
    made = vidcam.run(clip, tmp_path / "made.mp4", model=classifier, keep_track=True, **look)
    assert kept.steadiness == pytest.approx(made.steadiness, rel=1e-5)
    steadiness, motions = Steadiness(), Motions()
    history = histories(Look(**look), 1, [saved[0]])[0]
    with vidcam.media.open_source(clip) as source:
        for frame, (raw, time, target, cut, motion) in zip(source, rows_of(saved[0]), strict=True):
            shown, peak = history(raw, time, target, cut=cut, motion=motion)
            steadiness.add(motions(classifier.prepare(frame.rgb())[0]), [np.clip(shown / peak, 0, 1)], cut)
    assert made.steadiness == pytest.approx(steadiness.errors()[0], rel=1e-5)


def test_how_steady_a_video_is_that_is_drawn_on_its_planes_again(classifier, tmp_path):
    clip = make_video(tmp_path / "large.mp4", 12, width=192, height=144)
    made = vidcam.run(clip, tmp_path / "made.mp4", model=classifier, maps=tmp_path / "maps.npz")
    kept = vidcam.run(clip, tmp_path / "kept.mp4", track=tmp_path / "maps.npz", keep_track=True)
    assert made.steadiness > 0
    assert kept.steadiness == pytest.approx(made.steadiness, rel=1e-5)


def test_a_frame_is_not_made_rgb_in_full_for_a_smaller_picture(tmp_path, monkeypatch):
    """Neither for the network nor for drawing: what video stores is shrunk first."""
    classifier = load_model(gap_cnn(size=32), labels=["cat", "dog", "fish"])
    clip = make_video(tmp_path / "large.mp4", 4, width=192, height=144)
    with monkeypatch.context() as patch:
        patch.delattr("vidcam.media.read.video.to_rgb")
        made = vidcam.run(clip, tmp_path / "o.gif", model=classifier, width=96, explain="all")
    assert (made.size, made.frames) == ((96, 72), 4)
    with monkeypatch.context() as patch:  # drawn in full, it has to be
        patch.delattr("vidcam.media.read.video.to_rgb")
        with pytest.raises(NameError):
            vidcam.run(clip, tmp_path / "full.gif", model=classifier)
