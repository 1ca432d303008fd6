"""Boxes and masks for the clips of a batch: which go with which, what the tables say, and when a clip is done again."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vidcam.batch.inputs import Input
from vidcam.batch.records import Store
from vidcam.batch.things import with_things
from vidcam.errors import UsageError

LEFT = "time,x0,y0,x1,y1\n0,0,0,32,48\n"


def inputs(*names: str) -> list[Input]:
    return [Input(Path("/clips") / name, name) for name in names]


def test_boxes_are_called_as_the_clips_are(tmp_path):
    for name in ("a.mov.csv", "a.csv", "sub/b.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(LEFT)
    found = with_things(inputs("a.mov", "a.mp4", "b.gif", "sub/b.gif"), tmp_path, None)
    assert [one.boxes and one.boxes.relative_to(tmp_path).as_posix() for one in found] == [
        "a.mov.csv",
        "a.csv",
        None,
        "sub/b.csv",
    ]
    listed = Input(Path("/clips/a.mov"), "a~tabby.mov", "tabby")
    assert with_things([listed], tmp_path, None)[0].boxes == tmp_path / "a.mov.csv"


def test_masks_are_folders_that_are_called_as_the_clips_are(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").write_text("no folder")
    found = with_things(inputs("a.mov", "b.mov"), None, tmp_path)
    assert [one.masks for one in found] == [tmp_path / "a", None]
    assert found[0].boxes is None


def test_what_is_of_no_clip_is_said(tmp_path):
    (tmp_path / "other.csv").write_text(LEFT)
    with pytest.raises(UsageError, match=r"of a\.mov it would be a\.mov\.csv or a\.csv"):
        with_things(inputs("a.mov"), tmp_path, None)
    with pytest.raises(UsageError, match="is a file"):
        with_things(inputs("a.mov"), tmp_path / "other.csv", None)
    with pytest.raises(UsageError, match="not there"):
        with_things(inputs("a.mov"), None, tmp_path / "none")
    with pytest.raises(UsageError, match="one of them"):
        with_things(inputs("a.mov"), tmp_path, tmp_path)


def lines(out: Path) -> dict[str, dict[str, str]]:
    with (out / "summary.csv").open(newline="") as file:
        return {line["file"]: line for line in csv.DictReader(file)}


def test_a_batch_says_how_much_heat_lies_on_the_thing(batch, clips, tmp_path):
    out, boxes = tmp_path / "out", tmp_path / "boxes"
    boxes.mkdir()
    (boxes / "a.mp4.csv").write_text(LEFT)
    made = batch(boxes=boxes, report=True)
    assert not made.failed
    of = lines(out)
    assert float(of["a.mp4"]["box_share"]) == pytest.approx(0.5, abs=0.01)
    assert float(of["a.mp4"]["centre_inside"]) == pytest.approx(0.5, abs=0.01)
    assert 0 < float(of["a.mp4"]["heat_inside"]) < 1
    assert of["sub/b.gif"]["heat_inside"] == of["sub/b.gif"]["box_share"] == ""
    page = (out / "index.html").read_text("utf-8")
    shown = json.loads(page.split('id="data">')[1].split("</script>")[0])
    inside = {clip["source"]: clip["inside"][0] for clip in shown["clips"]}
    assert inside["a.mp4"] == pytest.approx(float(of["a.mp4"]["heat_inside"]), abs=1e-4)
    assert inside["sub/c.jpg"] is None
    assert "heat on the thing" in (out / "a.mp4.gif.html").read_text("utf-8")
    assert not batch(boxes=boxes, report=True).done
    assert not batch(report=True).done  # nobody says so any more, and what was found stays
    (boxes / "a.mp4.csv").write_text(LEFT.replace("32", "64"))
    again = batch(boxes=boxes, report=True)
    assert [(step.job.name, step.why) for step in again.steps if step.why] == [
        ("a.mp4", "its boxes or masks have changed")
    ]
    assert float(lines(out)["a.mp4"]["heat_inside"]) == pytest.approx(1.0)


def test_masks_of_a_clip_and_a_file_of_boxes_that_is_none(batch, clips, tmp_path):
    masks, boxes = tmp_path / "masks", tmp_path / "boxes"
    (masks / "a").mkdir(parents=True)
    boxes.mkdir()
    half = np.zeros((48, 64), np.uint8)
    half[:24] = 255
    Image.fromarray(half).save(masks / "a" / "m0.png")
    batch(clips / "a.mp4", masks=masks)
    assert float(lines(tmp_path / "out")["a.mp4"]["box_share"]) == pytest.approx(0.5)
    (boxes / "a.csv").write_text("no,boxes\n")
    record = batch(clips / "a.mp4", boxes=boxes).failed[0]
    assert "not a CSV of boxes over time" in record.error
    assert Store(tmp_path / "out").read("a.mp4").state == "failed"
