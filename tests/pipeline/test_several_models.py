"""Several models on one clip: each cell is what its model would show alone, and the result says how far they agree."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import vidcam
from tests.clips import make_gif, make_video, read_frames
from tests.networks import as_classifier, gap_cnn, randomize
from tests.report.test_gallery import Reader
from vidcam.cam import Explainer
from vidcam.errors import UsageError, VidcamError
from vidcam.media import open_source
from vidcam.models import load_model
from vidcam.pipeline.cells import names_of_models

PLAIN = {"normalize": "frame", "smooth": 0, "caption": False, "crf": 1}


@pytest.fixture(scope="module")
def models():
    """Of other sizes, fits and classes: squashed to a square, and the middle of the frame."""
    first = replace(as_classifier(gap_cnn(), labels=("cat", "dog", "fish")), name="first")
    network = randomize(gap_cnn(classes=2, size=24), 3)
    return [first, replace(as_classifier(network, 24, labels=("left", "right"), fit="crop"), name="second")]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("clips") / "clip.mp4")


def test_each_cell_is_what_its_model_shows_alone(clip, tmp_path, models):
    """By way of the planes that the video stores; cells have the size of the frame, which is small."""
    result = vidcam.run(clip, tmp_path / "o.mp4", model=models, keep_track=True, **PLAIN)
    assert result.size == (128, 48)
    both = np.stack(read_frames(tmp_path / "o.mp4")[0]).astype(int)
    assert both.shape[0] == result.frames == 12
    for i, model in enumerate(models):
        alone = vidcam.run(clip, tmp_path / f"{i}.mp4", model=model, keep_track=True, **PLAIN)
        np.testing.assert_allclose(result.tracks[i].maps, alone.track.maps, rtol=1e-4, atol=1e-6)
        assert result.tracks[i].labels == model.labels
        assert result.tracks[i].placement == alone.track.placement
        own = np.stack(read_frames(tmp_path / f"{i}.mp4")[0]).astype(int)
        below = slice(20, None)  # the model's name
        assert np.abs(both[:, below, 64 * i : 64 * (i + 1)] - own[:, below]).mean() < 3
    assert np.abs(both[:, :, :64] - both[:, :, 64:]).mean() > 10


def test_the_result_says_what_each_model_saw_and_how_far_they_agree(clip, tmp_path, models):
    result = vidcam.run(clip, tmp_path / "o.mp4", model=models)
    assert result.comparison.names == ("first", "second")
    assert result.comparison.pairs[0].same is None
    with open_source(clip) as source:
        frames = [frame.rgb() for frame in source]
    for i, model in enumerate(models):
        tops = Explainer(model)(frames).probabilities.argmax(axis=1)
        np.testing.assert_array_equal(result.comparison.tops[i], tops)
        seen = {t.name: t.frames for t in result.tallies if t.model == model.name}
        assert seen == {model.labels[c]: int((tops == c).sum()) for c in set(tops.tolist())}
    assert result.tracks == ()
    assert "maps alone are compared" in repr(result.comparison)


@pytest.mark.parametrize("options", [{}, {"target": "clip-top", "stride": 2, "end": 0.8}])
def test_comparing_finds_what_a_run_finds_and_writes_nothing(clip, tmp_path, monkeypatch, models, options):
    monkeypatch.chdir(tmp_path)
    made = tmp_path.parent / f"{tmp_path.name}.mp4"
    run = vidcam.run(clip, made, model=models, keep_track=True, **options).comparison
    seen = []
    alone = vidcam.compare(clip, models, progress=lambda done, total: seen.append((done, total)), **options)
    assert list(tmp_path.iterdir()) == []
    assert (alone.names, alone.labels) == (run.names, run.labels)
    assert len(alone) == len(run) > 0
    np.testing.assert_array_equal(alone.times, run.times)
    np.testing.assert_array_equal(alone.tops, run.tops)
    np.testing.assert_allclose(alone.pairs[0].correlation, run.pairs[0].correlation, atol=1e-3)
    for a, b in zip(alone.tracks, run.tracks, strict=True):
        assert a.targets == b.targets
        np.testing.assert_allclose(a.maps, b.maps, rtol=1e-4, atol=1e-6)
    assert seen == sorted(seen)
    assert seen[-1][0] == (1 + ("target" in options)) * len(alone)


def test_a_picture_is_compared_and_what_cannot_be_is_refused(clip, tmp_path, models):
    picture = tmp_path / "a.png"
    Image.fromarray(read_frames(clip)[0][0]).save(picture)
    assert vidcam.compare(picture, models, method="layercam").tracks[1].meta["method"] == "layercam"
    for wrong, options, says in [
        ("mobilenet_v2", {}, "a list of two models or more, not 'mobilenet_v2'"),
        (models[:1], {}, "a list of two models or more"),
        (models * 3, {}, "6 models: up to 4 can be compared"),
        (models, {"method": "gradcam,layercam"}, "by the maps of one method"),
        (models, {"target": "0/1"}, "target 0/1: has alternatives"),
        (models, {"fps": 3}, "fps 3: is the pace of a folder of pictures"),
    ]:
        with pytest.raises(UsageError, match=says):
            vidcam.compare(clip, wrong, **options)
    with pytest.raises(VidcamError, match="start 9 is beyond its end"):
        vidcam.compare(clip, models, start=9)


def test_two_copies_of_one_model_agree_everywhere(clip, tmp_path):
    copies = [load_model(gap_cnn(), labels=["cat", "dog", "fish"]) for _ in range(2)]
    result = vidcam.run(clip, tmp_path / "o.mp4", model=copies)
    assert result.comparison.names == ("gap_cnn (1)", "gap_cnn (2)")
    (pair,) = result.comparison.pairs
    known = np.isfinite(pair.correlation)
    assert known.any()
    np.testing.assert_allclose(pair.correlation[known], 1.0, atol=1e-9)
    assert (pair.agreement, pair.far_share, result.comparison.stretches()) == (1.0, 0.0, [])


def test_predictions_name_the_model(clip, tmp_path, models):
    vidcam.run(clip, tmp_path / "o.mp4", model=models, predictions=tmp_path / "p.csv", start=0.9)
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == ["first", "second"] * 3
    assert {row["target"] for row in rows if row["model"] == "second"} <= {"left", "right"}
    assert all(row["top3"] == "" for row in rows if row["model"] == "second")
    vidcam.run(clip, tmp_path / "q.mp4", model=models, predictions=tmp_path / "p.jsonl", start=1.1)
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [(line["model"], len(line["top"])) for line in lines] == [("first", 3), ("second", 2)]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"view": "side-by-side"}, (192, 48)),
        ({"method": "gradcam,layercam"}, (128, 96)),
        ({"view": "timeline", "target": "clip-top"}, (128, 96)),
        ({"width": 101}, (100, 38)),
    ],
)
def test_views_and_grids_have_a_column_for_each_model(clip, tmp_path, models, options, size):
    assert vidcam.run(clip, tmp_path / "o.mp4", model=models, end=0.3, **options).size == size


def test_cells_share_the_pixels_of_one_frame(tmp_path, models):
    large = make_video(tmp_path / "large.mp4", 2, height=480, width=640)
    width, height = vidcam.run(large, tmp_path / "o.mp4", model=models).size
    assert width * height <= 1.01 * 640 * 480
    assert width / 2 / height == pytest.approx(640 / 480, rel=0.01)


def test_a_gif_of_four_models_is_a_square(tmp_path, models):
    source = make_gif(tmp_path / "a.gif")
    result = vidcam.run(source, tmp_path / "o.gif", model=[*models, *models])
    assert result.size == (128, 96)
    assert len(result.comparison.pairs) == 6


def test_a_page_shows_all_models(clip, tmp_path, models):
    result = vidcam.run(clip, tmp_path / "o.mp4", model=models, report=tmp_path / "p.html")
    data = json.loads(Reader((tmp_path / "p.html").read_text("utf-8")).texts["data"])
    assert len(data["curves"]) == 5
    for name, curve in data["curves"]:
        model, label = name.split(": ")
        track = result.tracks[("first", "second").index(model)]
        np.testing.assert_allclose(np.array(curve) / 1e4, track.probabilities[:, track.labels.index(label)], atol=1e-4)
    assert data["stretches"] == [[s.begin, s.stop, s.why()] for s in result.comparison.stretches()]
    steady = dict(data["figures"])["change beside the motion (E)"]
    assert steady == "\n".join(f"{n}: {e:.3f}" for n, e in zip(("first", "second"), result.steadinesses, strict=True))


def test_what_is_about_one_model_is_refused(clip, tmp_path, models):
    with pytest.raises(UsageError, match=r"5 models: up to 4 can be compared"):
        vidcam.run(clip, tmp_path / "o.mp4", model=[*models, *models, models[0]])
    with pytest.raises(UsageError, match=r"--maps .*m.npz: holds one model's maps"):
        vidcam.run(clip, tmp_path / "o.mp4", model=models, maps=tmp_path / "m.npz")
    assert list(tmp_path.iterdir()) == []


def test_models_of_one_name_are_told_apart(models):
    a, b = (replace(models[0], source=f"/x/{folder}/first.keras") for folder in ("old", "new"))
    assert names_of_models([a, b]) == ("old/first", "new/first")
    assert names_of_models([a, a, models[1]]) == ("first (1)", "first (2)", "second")
