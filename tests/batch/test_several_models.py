"""Several models on the clips of a batch: what the tables and the page say is what `run` says of each clip."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

import vidcam
from vidcam.errors import UsageError
from vidcam.models import load_model
from vidcam.report.gallery import MUCH


def lines(out, name="summary.csv"):
    with (out / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_batch_compares_models_on_every_clip(batch, clips, models, tmp_path):
    out, boxes = tmp_path / "out", tmp_path / "boxes"
    boxes.mkdir()
    (boxes / "a.csv").write_text("time,x0,y0,x1,y1\n0,0,0,32,48\n")
    names = tmp_path / "names.txt"
    names.write_text("class 0\nclass 1\nother\n")
    both = [models / "m.keras", {"model": models / "m.keras", "labels": names, "fit": "crop"}, models / "two.keras"]
    made = batch(model=both, boxes=boxes, report=True, explain="all")
    assert not made.failed
    alone = vidcam.run(
        clips / "a.mp4",
        tmp_path / "alone.mp4",
        model=[load_model(both[0]), load_model(**both[1]), load_model(both[2])],
        boxes=boxes / "a.csv",
    )
    comparison, of = alone.comparison, [line for line in lines(out) if line["file"] == "a.mp4"]
    assert [line["model"] for line in of] == list(comparison.names) == ["m (1)", "m (2)", "two"]
    assert [float(line["disagreement"]) for line in of] == pytest.approx([comparison.disagreement] * 3, abs=1e-5)
    assert float(of[0]["correlation"]) == pytest.approx(min(p.mean_correlation for p in comparison.pairs), abs=1e-5)
    assert float(of[0]["apart"]) == pytest.approx(max(p.far_share for p in comparison.pairs), abs=1e-5)
    assert of[0]["agreement"] == ""  # all know other classes
    on_it = [float(line["heat_inside"] or "nan") for line in of]  # nothing of a model that shows no heat at all
    assert on_it == pytest.approx([shares.means()[0] for shares in alone.model_shares], abs=1e-5, nan_ok=True)
    assert np.isfinite(on_it).any()
    said = [line["model"] for line in lines(out, "predictions.csv") if line["file"] == "a.mp4"]
    assert said == list(comparison.names) * len(comparison)
    page = (out / "index.html").read_text("utf-8")
    clip = json.loads(page.split('id="data">')[1].split("</script>")[0])["clips"][0]
    assert clip["compared"][0] == pytest.approx(comparison.disagreement, abs=1e-4)
    assert [model[0] for model in clip["models"]] == list(comparison.names)
    assert {name.split(": ")[0] for name, _ in clip["curves"]} == set(comparison.names)
    assert ("disagreement" in [kind for kind, _ in clip["flags"]]) == (comparison.disagreement > MUCH)
    assert "rank correlation of the maps" in (out / "a.mp4.gif.html").read_text("utf-8")
    assert not batch(model=both, boxes=boxes, report=True, explain="all").done
    again = batch(clips / "a.mp4", model=both[:1] * 2, report=True, explain="all")
    assert "the model is m.keras and m.keras, was m.keras and m.keras and two.keras" in again.steps[0].why
    same = next(line for line in lines(out) if line["file"] == "a.mp4")
    assert [same[name] for name in ("disagreement", "agreement", "correlation", "apart")] == ["0", "1", "1", "0"]


def test_a_batch_of_one_model_says_nothing_of_others(batch, clips, tmp_path):
    batch(clips / "a.mp4")
    assert {(line["model"], line["disagreement"]) for line in lines(tmp_path / "out")} == {("", "")}
    assert {line["model"] for line in lines(tmp_path / "out", "predictions.csv")} == {""}


def test_too_many_models_are_said(batch, models):
    with pytest.raises(UsageError, match="5 models: up to 4"):
        batch(model=[models / "m.keras"] * 5)
