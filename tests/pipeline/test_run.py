"""`vidcam.run` end to end on clips made here."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from PIL import Image

import vidcam
from tests.clips import clip_pictures, make_gif, make_video, read_frames
from tests.networks import gap_cnn
from vidcam.cam import Explainer
from vidcam.errors import UsageError, VidcamError
from vidcam.media import open_source
from vidcam.models import load_model
from vidcam.render import overlay


@pytest.fixture(scope="module")
def classifier():
    return load_model(gap_cnn(), labels=["cat", "dog", "fish"])


@pytest.fixture
def clip(tmp_path):
    return make_video(tmp_path / "clip.mp4", sound=True)


def decoded(path):
    with open_source(path) as source:
        return [frame.rgb() for frame in source]


def test_a_video_keeps_frames_times_size_and_sound(clip, tmp_path, classifier):
    done = []
    result = vidcam.run(clip, tmp_path / "out.mp4", model=classifier, target="dog", progress=lambda *a: done.append(a))
    pictures, times = read_frames(tmp_path / "out.mp4")
    assert (result.frames, result.size, len(pictures)) == (12, (64, 48), 12)
    np.testing.assert_allclose(times, np.arange(12) / 10, atol=1e-3)
    assert result.classes == {"dog": 12}
    assert done == [(i, 12) for i in range(1, 13)]
    with av.open(str(clip)) as before, av.open(str(tmp_path / "out.mp4")) as after:
        assert [bytes(p) for p in before.demux(audio=0) if p.size] == [bytes(p) for p in after.demux(audio=0) if p.size]
        assert after.streams.video[0].codec_context.pix_fmt == "yuv420p"
        meta = json.loads(after.metadata["comment"])
    assert (meta["layer"], meta["method"], meta["target"], meta["source"]) == ("last", "gradcam", "dog", "clip.mp4")
    assert "<video" in result._repr_html_()


def test_a_notebook_shows_a_bar_and_a_result_of_two_lines(clip, tmp_path, classifier, monkeypatch, capsys):
    assert "frames" not in capsys.readouterr().err
    shell = SimpleNamespace(kernel=object(), config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    result = vidcam.run(clip, tmp_path / "o.mp4", model=classifier, target="dog")
    assert "12/12" in capsys.readouterr().err
    lines = repr(result).splitlines()
    assert lines[0].startswith(f"Result({result.path}: 12 of 12 frames, 64x48, ")
    assert lines[1].startswith("  dog ")
    vidcam.run(clip, tmp_path / "p.mp4", model=classifier, progress=lambda done, total: None)
    shell.__dict__.pop("kernel")  # a terminal
    vidcam.run(clip, tmp_path / "q.mp4", model=classifier)
    assert not capsys.readouterr().err


def test_the_pictures_are_the_overlays_of_the_frames(clip, tmp_path, classifier):
    vidcam.run(
        clip,
        tmp_path / "out.mp4",
        model=classifier,
        target=1,
        caption=False,
        colormap="turbo",
        alpha=0.5,
        normalize="frame",
        smooth=0,
    )
    frames = decoded(clip)
    pictures, _ = read_frames(tmp_path / "out.mp4")
    explanation = Explainer(classifier)(frames, 1)
    for frame, picture, raw in zip(frames, pictures, explanation.maps, strict=True):
        expected = overlay(frame, raw, colormap="turbo", alpha=0.5)
        assert np.abs(cv2.blur(picture, (5, 5)).astype(int) - cv2.blur(expected, (5, 5))).mean() < 5


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_predictions_and_maps_are_the_explainers_own(clip, tmp_path, classifier, kind):
    out = tmp_path / f"p.{kind}"
    result = vidcam.run(
        clip, tmp_path / "out.mp4", model=classifier, predictions=out, maps=tmp_path / "m.npz", stride=2, batch_size=4
    )
    explanation = Explainer(classifier)(decoded(clip)[::2])
    track = vidcam.Track.load(tmp_path / "m.npz")
    np.testing.assert_array_equal(track.indices, np.arange(0, 12, 2))
    np.testing.assert_allclose(track.times, np.arange(0, 1.2, 0.2), atol=1e-6)
    np.testing.assert_allclose(track.maps, explanation.maps, atol=1e-5 * np.abs(explanation.maps).max())
    assert track.labels == ("cat", "dog", "fish")
    assert track.meta["layer"] == "last"
    np.testing.assert_array_equal(result.track.maps, track.maps)
    if kind == "csv":
        with out.open(newline="") as file:
            rows = list(csv.DictReader(file))
        got = [(int(r["frame"]), r["target"], float(r["probability"]), r["top1"]) for r in rows]
    else:
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        got = [(r["frame"], r["target"], r["probability"], r["top"][0]["label"]) for r in rows]
    for i, (frame, target, probability, top) in enumerate(got):
        (best,) = track.targets[i]
        assert frame == 2 * i
        assert target == top == classifier.labels[best]
        assert probability == pytest.approx(track.probabilities[i, best], rel=1e-6)


def test_a_gif_keeps_its_delays_and_loops(tmp_path, classifier):
    source = make_gif(tmp_path / "a.gif")
    vidcam.run(source, tmp_path / "out.gif", model=classifier)
    delays = []
    with Image.open(tmp_path / "out.gif") as image:
        for i in range(image.n_frames):
            image.seek(i)
            delays.append(image.info["duration"] // 10)
        assert image.info["loop"] == 3
    assert delays == [10, 20, 5, 30]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_an_image_becomes_an_image(tmp_path, classifier, suffix):
    picture = clip_pictures(1)[0]
    Image.fromarray(picture).save(tmp_path / "in.png")
    result = vidcam.run(tmp_path / "in.png", tmp_path / f"out{suffix}", model=classifier, caption=False, target=0)
    made = np.asarray(Image.open(tmp_path / f"out{suffix}").convert("RGB"))
    expected = overlay(picture, Explainer(classifier)(picture, 0).maps[0])
    assert result.frames == 1
    assert np.abs(made.astype(int) - expected).mean() < 4


def test_one_frame_of_a_video_is_chosen_by_start(clip, tmp_path, classifier):
    with pytest.raises(UsageError, match="--start"):
        vidcam.run(clip, tmp_path / "still.png", model=classifier)
    result = vidcam.run(clip, tmp_path / "still.png", model=classifier, start=0.5, caption=False, alpha=0.0)
    made = np.asarray(Image.open(tmp_path / "still.png"))
    assert result.frames == 1
    assert np.abs(made.astype(int) - clip_pictures(12)[5]).mean() < 6


def test_what_run_does_not_take_says_what_does(clip, tmp_path, classifier):
    for source, said in (
        (clip.parent, f"is a folder of clips; `vidcam batch {clip.parent} -o OUTDIR` does each of them"),
        ("https://example.org/a.mp4", "https://example.org/a.mp4: is an address; download the file first"),
        (Path("rtsp:/example.org/1"), "`vidcam live rtsp://example.org/1`"),
    ):
        with pytest.raises(UsageError, match=re.escape(said)):
            vidcam.run(source, tmp_path / "o.mp4", model=classifier)
    with pytest.raises(VidcamError, match=r"clip.mp4: lasts 1.20 s; --start 9 is beyond its end"):
        vidcam.run(clip, tmp_path / "o.mp4", model=classifier, start=9)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_start_end_and_default_names(clip, tmp_path, classifier, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = vidcam.run(clip, model=classifier, start=0.3, end=0.8)
    assert result.path.name == "clip_cam.mp4"
    _, times = read_frames(result.path)
    np.testing.assert_allclose(times, np.arange(5) / 10, atol=1e-3)
    (tmp_path / "there").mkdir()
    assert vidcam.run(make_gif(tmp_path / "g.gif"), "there", model=classifier).path.name == "g_cam.gif"
    assert (tmp_path / "there" / "g_cam.gif").is_file()


@pytest.mark.parametrize("view", ["overlay", "heatmap", "side-by-side"])
def test_views_have_their_size(clip, tmp_path, classifier, view):
    result = vidcam.run(clip, tmp_path / "out.mp4", model=classifier, view=view)
    assert result.size == ((128, 48) if view == "side-by-side" else (64, 48))


def test_odd_sides_are_padded_by_one_repeated_line(tmp_path, classifier):
    Image.fromarray(clip_pictures(1, 47, 63)[0]).save(tmp_path / "in.gif")
    pictures = [Image.fromarray(p) for p in clip_pictures(3, 47, 63)]
    pictures[0].save(tmp_path / "in.gif", save_all=True, append_images=pictures[1:], duration=100)
    assert vidcam.run(tmp_path / "in.gif", tmp_path / "out.mp4", model=classifier).size == (64, 48)


def test_nothing_is_left_when_something_fails(clip, tmp_path, classifier):
    class Failure(Exception):
        pass

    def fail(done, total):
        if done == 3:
            raise Failure

    before = sorted(tmp_path.iterdir())
    with pytest.raises(Failure):
        vidcam.run(
            clip, tmp_path / "out.mp4", model=classifier, progress=fail, predictions=tmp_path / "p.csv",
            maps=tmp_path / "m.npz",
        )  # fmt: skip
    assert sorted(tmp_path.iterdir()) == before


def test_an_existing_file_is_kept_unless_asked(clip, tmp_path, classifier):
    for name in ("out.mp4", "p.csv", "m.npz"):
        (tmp_path / name).write_text("precious")
    for options in ({}, {"predictions": tmp_path / "p.csv"}, {"maps": tmp_path / "m.npz"}):
        output = tmp_path / ("new.mp4" if options else "out.mp4")
        with pytest.raises(UsageError, match="--overwrite"):
            vidcam.run(clip, output, model=classifier, **options)
    assert (tmp_path / "out.mp4").read_text() == "precious"
    vidcam.run(clip, tmp_path / "out.mp4", model=classifier, overwrite=True)
    assert len(read_frames(tmp_path / "out.mp4")[0]) == 12


def test_outputs_are_checked_before_the_model_is_loaded(clip, tmp_path):
    def never():
        raise AssertionError("loaded")

    for output, options in (
        ("out.xyz", {}),
        ("none/out.mp4", {}),
        ("out.mp4", {"predictions": tmp_path / "p.txt"}),
        ("out.mp4", {"maps": tmp_path / "m.csv"}),
        ("out.mp4", {"alpha": 7}),
        ("out.mp4", {"method": "nothing"}),
        ("p.csv", {"predictions": tmp_path / "p.csv"}),
    ):
        with pytest.raises((UsageError, VidcamError)):
            vidcam.run(clip, tmp_path / output, model=never, **options)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_frames_too_long_for_keep_are_padded_and_that_is_said(tmp_path):
    classifier = load_model(gap_cnn(size=None), labels=["cat", "dog", "fish"], input_size=(32, 32), fit="keep")
    clip = make_video(tmp_path / "long.mp4", 2, height=16, width=400)
    result = vidcam.run(clip, tmp_path / "out.mp4", model=classifier, keep_track=True)
    assert result.track.placement.input == (128, 32)
    assert [note for note in result.notes if "400x16 is longer than 4:1" in note]
    assert result.size == (400, 16)
    fine = vidcam.run(make_video(tmp_path / "fine.mp4", 2), tmp_path / "o.mp4", model=classifier)
    assert not [note for note in fine.notes if "longer" in note]


def test_a_stopped_run_leaves_a_shorter_file_under_a_name_that_says_so(clip, tmp_path, classifier):
    done = []
    result = vidcam.run(
        clip, tmp_path / "out.mp4", model=classifier, progress=lambda *a: done.append(a),
        cancelled=lambda: len(done) == 5, maps=tmp_path / "m.npz",
    )  # fmt: skip
    assert result.interrupted
    # The maps of what is shown, though more was explained by then.
    assert len(result.track) == len(vidcam.Track.load(tmp_path / "m.partial.npz")) == 5
    assert result.path.name == "out.partial.mp4"
    assert len(read_frames(result.path)[0]) == 5
    assert not (tmp_path / "out.mp4").exists()


def test_a_stopped_run_replaces_no_file_that_it_was_not_allowed_to(clip, tmp_path, classifier):
    (tmp_path / "out.partial.mp4").write_text("mine")

    def stopped(**options):
        done = []
        return vidcam.run(
            clip, tmp_path / "out.mp4", model=classifier, progress=lambda *a: done.append(a),
            cancelled=lambda: len(done) == 2, **options,
        ).path.name  # fmt: skip

    assert stopped() == "out.partial-2.mp4"
    assert (tmp_path / "out.partial.mp4").read_text() == "mine"
    assert stopped(overwrite=True) == "out.partial.mp4"
    assert len(read_frames(tmp_path / "out.partial.mp4")[0]) == 2


def test_stages_raise_the_first_error_and_stop_everything():
    import threading
    import time

    from vidcam.pipeline.stages import Stages

    class Failure(Exception):
        pass

    def numbers():
        yield from range(1000)

    def failing(items):
        for i in items:
            if i == 7:
                raise Failure
            yield i

    threads, seconds = threading.active_count(), []
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(Failure), Stages() as stages:
            for _ in stages.overlap(failing(stages.overlap(numbers(), 2, "a")), 2, "b"):
                pass
        seconds.append(time.monotonic() - began)
        assert threading.active_count() == threads
    assert min(seconds) < 1  # the least: a busy machine may hold up one of them
    with Stages() as stages:
        assert list(stages.overlap(stages.overlap(numbers(), 2, "a"), 2, "b")) == list(range(1000))
    with Stages() as stages:
        assert next(stages.overlap(numbers(), 2, "a")) == 0
    assert threading.active_count() == threads


def test_a_folder_and_a_pattern_of_pictures_become_a_video(tmp_path, classifier, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shots").mkdir()
    for i, picture in enumerate(clip_pictures(5)):
        Image.fromarray(picture).save(tmp_path / "shots" / f"frame_{i:04d}.png")
    for source, name in (("shots", "shots_cam.mp4"), ("shots/frame_%04d.png", "frame_cam.mp4")):
        result = vidcam.run(source, model=classifier, fps=4)
        assert str(result.path) == name
        np.testing.assert_allclose(read_frames(result.path)[1], np.arange(5) / 4, atol=1e-3)


def test_sizes_and_paces_of_outputs(clip, tmp_path, classifier):
    assert vidcam.run(clip, tmp_path / "s.mp4", model=classifier, max_size=32, audio=False).size == (32, 24)
    with av.open(str(tmp_path / "s.mp4")) as silent:
        assert not silent.streams.audio
    result = vidcam.run(clip, tmp_path / "s.gif", model=classifier, fps=5, width=40, loop=2)
    assert (result.size, result.frames) == ((40, 30), 6)
    small = vidcam.run(clip, tmp_path / "a.mp4", model=classifier, crf=40).path.stat().st_size
    assert small < vidcam.run(clip, tmp_path / "b.mp4", model=classifier, crf=5).path.stat().st_size
    with pytest.raises(VidcamError, match="max-pixels|pixels"):
        vidcam.run(clip, tmp_path / "c.mp4", model=classifier, max_pixels=100)
