"""`vidcam evaluate --steady`: the rows against the parts that they are made of, and the command."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tests.clips import make_video
from tests.networks import as_classifier, gap_cnn
from vidcam.cam import Explainer
from vidcam.media import open_source
from vidcam.metrics.clips import WAYS, mean_rows, measure_steadiness
from vidcam.metrics.flicker import flicker
from vidcam.metrics.steadiness import warped_error
from vidcam.models import load_model
from vidcam.models.zoo import DEFAULT_MODEL
from vidcam.pipeline.scenes import Scenes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model and a clip."""
    made = tmp_path_factory.mktemp("steady")
    gap_cnn().save(made / "model.keras")
    make_video(made / "clip.mp4")
    return made


def evaluate(*arguments):
    from vidcam.cli import main

    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", *map(str, arguments)])
    return int(stopped.value.code or 0)


def test_the_rows_are_what_they_are_called(folder):
    classifier = as_classifier(gap_cnn())
    with open_source(folder / "clip.mp4") as source:
        rows = measure_steadiness(classifier, source, cut=Scenes().cut, expected=source.info.frames, target=1)
    assert [row["method"] for row in rows] == list(WAYS)
    by_frame, unsmoothed, short, long, along = rows
    with open_source(folder / "clip.mp4") as source:
        inputs = [classifier.prepare(frame.rgb())[0] for frame in source]
        placement = classifier.prepare(np.zeros((*reversed(source.info.size), 3), np.uint8))[1]
    maps = np.maximum(Explainer(classifier).explain_inputs(inputs, placement, 1).maps, 0)
    peaks = maps.max((1, 2), keepdims=True)
    heat = maps / np.where(peaks > 0, peaks, 1)
    assert by_frame["flicker"] == pytest.approx(flicker(heat), rel=1e-3)
    assert by_frame["E"] == pytest.approx(warped_error(inputs, heat), rel=1e-3)
    assert unsmoothed["lag"] == 0.0
    assert 0 <= short["lag"] <= long["lag"]
    assert unsmoothed["E"] > short["E"] > long["E"] > 0
    assert along["E"] < unsmoothed["E"]
    assert all(0 <= row["insertion"] <= 1 for row in rows)


def test_means_are_over_the_clips_that_have_a_figure():
    rows = [{"clip": "a", "method": "m", "E": 1.0}, {"clip": "b", "method": "m", "E": 3.0, "lag": 0.5}]
    rows += [{"clip": "c", "method": "m", "E": float("nan")}]
    assert mean_rows(rows) == [{"method": "m", "E": 2.0, "lag": 0.5}]


def test_the_command_writes_a_table_of_every_clip(folder, tmp_path, capsys):
    clip = folder / "clip.mp4"
    assert evaluate(folder / "model.keras", clip, clip, "--steady", "-o", tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert shown.count("along the motion 0.2 s") == 3  # the two clips and their mean
    with (tmp_path / "out" / "steady.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(WAYS)
    assert {"clip", "method", "E", "lag", "insertion", "flicker"} <= rows[0].keys()
    assert "| along the motion 0.2 s |" in (tmp_path / "out" / "steady.md").read_text("utf-8")


def test_the_clips_best_class_is_found_first_and_named(folder, tmp_path, capsys):
    clip, model = folder / "clip.mp4", folder / "model.keras"
    assert evaluate(model, clip, "--steady", "--target", "clip-top", "-o", tmp_path / "top") == 0
    with open_source(clip) as source:
        frames = [frame.rgb() for frame in source]
    best = int(Explainer(load_model(model))(frames).probabilities.mean(0).argmax())
    assert f"clip.mp4, model, class {best}, its best class" in capsys.readouterr().out
    assert evaluate(model, clip, "--steady", "--target", str(best), "-o", tmp_path / "own") == 0
    tables = [(tmp_path / name / "steady.csv").read_text("utf-8") for name in ("top", "own")]
    assert tables[0] == tables[1]


def test_the_model_may_be_left_out(folder):
    from vidcam.cli.steady import split_arguments

    clip, model = str(folder / "clip.mp4"), str(folder / "model.keras")
    assert split_arguments([clip, clip]) == (DEFAULT_MODEL, [folder / "clip.mp4"] * 2)
    assert split_arguments([model, clip]) == (model, [folder / "clip.mp4"])
    assert split_arguments(["mobilenet_v2", clip]) == ("mobilenet_v2", [folder / "clip.mp4"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["model.keras", "--steady"], "no clip"),
        (["model.keras", "none.mp4", "--steady"], "no such file"),
        (["model.keras", "clip.mp4", "clip.mp4"], "--steady"),
        (["model.keras", "clip.mp4", "--steady", "--limit", "3"], "--limit"),
    ],
)
def test_wrong_usage_is_one_line(folder, tmp_path, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(folder)
    assert evaluate(*arguments, "-o", tmp_path / "out") == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vidcam: ")]
    assert len(said) == 1
    assert words in said[0]
