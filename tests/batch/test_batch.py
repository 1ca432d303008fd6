"""What a batch makes, and what it does when it is run again: only what is missing or depends on what has changed."""

from __future__ import annotations

import csv
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.clips import make_gif, make_video
from tests.networks import gap_cnn, randomize
from vidcam import UsageError, VidcamError, __version__
from vidcam.batch import many_clips
from vidcam.batch.records import Store
from vidcam.cam.explainer import explain_together
from vidcam.media import open_source

OUTPUTS = ["a.mp4.gif", "sub/b.gif", "sub/c.jpg.png"]


def tree(folder: Path) -> list[str]:
    return sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and ".vidcam" not in p.parts
    )


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {p.relative_to(folder).as_posix(): (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*.*")
            if p.is_file()}  # fmt: skip


def names(records) -> list[str]:
    return [r.name for r in records]


def reasons(batch, **options) -> dict[str, str]:
    return {s.job.input.name: s.why for s in batch(dry_run=True, **options).steps if s.why}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_large_frames_are_computed_fewer_at_once_as_run_does(batch, tmp_path, monkeypatch):
    seen = []
    explain = explain_together

    def look(asked, inputs, *arguments):
        seen.append((len(inputs), asked[0][0].batch_size))
        return explain(asked, inputs, *arguments)

    monkeypatch.setattr("vidcam.pipeline.explain.explain_together", look)
    monkeypatch.setattr(
        "vidcam.pipeline.explained_clip.BATCH_PIXELS", 2 * 64 * 48
    )  # as if 64x48 were as large as 1440p
    batch(tmp_path / "clips" / "a.mp4")
    assert {count for count, _ in seen} <= {1, 2}
    assert {size for _, size in seen} == {2}


def test_a_batch_leaves_outputs_tables_and_a_page_and_run_again_does_nothing(batch, tmp_path):
    made = batch()
    out = tmp_path / "out"
    assert names(made.done) == ["a.mp4", "sub/b.gif", "sub/c.jpg"]
    assert not made.failed
    assert tree(out) == sorted([*OUTPUTS, "index.html", "predictions.csv", "summary.csv"])
    for name, count in zip(OUTPUTS, (30, 4, 1), strict=True):
        with open_source(out / name) as source:
            assert len(list(source)) == count
    before = snapshot(out)
    again = batch()
    assert names(again.skipped) == names(made.done)
    assert not again.done
    assert snapshot(out) == before


def test_the_tables_have_every_frame_and_every_file(batch, clips, tmp_path):
    (clips / "z.mp4").write_text("no video")
    made = batch()
    rows = table(tmp_path / "out" / "predictions.csv")
    assert [r["file"] for r in rows] == ["a.mp4"] * 30 + ["sub/b.gif"] * 4 + ["sub/c.jpg"]
    assert [float(r["time"]) for r in rows[:3]] == [0.0, 0.1, 0.2]
    assert [float(r["time"]) for r in rows[30:34]] == [0.0, 0.1, 0.3, 0.35]
    assert float(rows[0]["probability"]) == pytest.approx(float(rows[0]["probability1"]), abs=1e-6)
    assert rows[0]["top1"] == rows[0]["target"]
    assert rows[0]["top5"] == rows[0]["probability4"] == ""
    files = table(tmp_path / "out" / "summary.csv")
    assert [f["file"] for f in files] == ["a.mp4", "sub/b.gif", "sub/c.jpg", "z.mp4"]
    assert files[3]["state"] == "failed"
    assert files[3]["reason"] == made.failed[0].error != ""
    probabilities = [float(r["probability"]) for r in rows[:30]]
    assert float(files[0]["confidence"]) == pytest.approx(np.mean(probabilities), abs=1e-5)
    assert float(files[0]["lowest"]) == pytest.approx(min(probabilities), abs=1e-5)
    assert int(files[0]["explained"]) == int(files[0]["frames"]) == 30
    assert float(files[1]["seconds"]) == pytest.approx(0.4, abs=0.2)
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "sub/c.jpg.png" in page


def test_gifs_are_bounded_and_nothing_is_enlarged(batch, clips, tmp_path):
    make_video(clips / "wide.mp4", 60, fps=30, width=640, height=48)
    batch(max_seconds=1.0)
    with open_source(tmp_path / "out" / "wide.mp4.gif") as source:
        assert source.info.size == (480, 36)
        times = [float(f.time) for f in source]
    assert len(times) == 12
    assert max(times) < 1.0
    with open_source(tmp_path / "out" / "a.mp4.gif") as source:
        assert source.info.size == (64, 48)
        assert len(list(source)) == 10


@pytest.mark.parametrize(
    ("format", "outputs"),
    [
        ("mp4", ["a.mp4", "sub/b.gif.mp4", "sub/c.jpg.png"]),
        ("webp", ["a.mp4.webp", "sub/b.gif.webp", "sub/c.jpg.png"]),
        ("same", ["a.mp4", "sub/b.gif", "sub/c.jpg"]),
    ],
)
def test_formats_and_the_outputs_of_another_format_give_way(batch, tmp_path, format, outputs):
    batch()
    batch(format=format)
    assert [n for n in tree(tmp_path / "out") if not n.endswith((".csv", ".html"))] == outputs
    assert reasons(batch, format=format) == {}
    assert len(list(open_source(tmp_path / "out" / outputs[1]))) == 4


def test_only_what_changed_is_done_again(batch, clips, models, tmp_path):
    batch()
    os.utime(clips / "a.mp4")  # the same content
    assert reasons(batch) == {}
    make_video(clips / "a.mp4", 12)
    assert reasons(batch) == {"a.mp4": "the input has changed"}
    assert names(batch().done) == ["a.mp4"]
    (tmp_path / "out" / "sub" / "b.gif").unlink()
    with (tmp_path / "out" / "a.mp4.gif").open("ab") as file:
        file.write(b"!")
    assert reasons(batch) == {"a.mp4": "its output has been changed", "sub/b.gif": "its output is missing"}
    make_gif(clips / "new.gif")
    assert reasons(batch)["new.gif"] == "new"
    batch()
    assert reasons(batch) == {}
    assert set(reasons(batch, colormap="turbo").values()) == {"--colormap is turbo, was jet"}
    assert set(reasons(batch, model=models / "two.keras").values()) == {"the model is two.keras, was m.keras"}
    assert set(reasons(batch, force=True).values()) == {"--force"}
    assert len(reasons(batch, force=True)) == 4


def test_another_model_of_the_same_name_redoes_all(batch, models, tmp_path):
    model = tmp_path / "m.keras"
    model.write_bytes((models / "m.keras").read_bytes())
    batch()
    assert reasons(batch, model=model) == {}, "the same content somewhere else"
    randomize(gap_cnn(), seed=5).save(model)
    assert list(reasons(batch, model=model).values()) == ["the model file has changed"] * 3
    (tmp_path / "labels.txt").write_text("cat\ndog\nfish\n")
    labels = {"labels": tmp_path / "labels.txt"}
    batch(**labels)
    assert reasons(batch, **labels) == {}
    (tmp_path / "labels.txt").write_text("cat\ndog\nbird\n")
    assert list(reasons(batch, **labels).values()) == ["the model's labels has changed"] * 3


def test_records_that_cannot_be_used_are_made_again(batch, tmp_path):
    batch()
    store = Store(tmp_path / "out")
    file = store.file("records", "a.mp4", ".json")
    file.write_bytes(file.read_bytes()[:100])
    other = store.file("records", "sub/b.gif", ".json")
    other.write_text(json.dumps({**json.loads(other.read_text()), "version": 99}))
    old = store.file("records", "sub/c.jpg", ".json")
    old.write_text(old.read_text().replace(f'"vidcam": "{__version__}"', '"vidcam": "0.0.1"'))
    assert reasons(batch) == {
        "a.mp4": "its record is damaged",
        "sub/b.gif": "its record is of another version of vidcam (99)",
        "sub/c.jpg": f"vidcam is {__version__}, was 0.0.1",
    }
    assert len(batch().done) == 3
    assert reasons(batch) == {}


def test_files_that_are_not_media_fail_alone_and_are_not_tried_again_for_nothing(batch, clips):
    (clips / "z.mp4").write_text("no video")
    for _ in range(2):
        made = batch(clips, clips / "gone.mp4")
        assert [(r.name, r.error) for r in made.failed] == [
            ("gone.mp4", "no such file"),
            ("z.mp4", "is no video, animation or image that can be read (invalid data found when processing input)"),
        ]
    assert not made.done
    assert len(made.skipped) == 3
    assert list(reasons(batch, retry=True)) == ["z.mp4"]
    make_video(clips / "z.mp4")
    assert reasons(batch) == {"z.mp4": "the input has changed"}


def test_what_failed_for_a_reason_of_the_day_is_tried_again(batch, clips, monkeypatch):
    def full(*args, **kwargs):
        raise VidcamError("cannot be written: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("vidcam.batch.work.run", full)
        assert len(batch().failed) == 3
    assert list(reasons(batch)) == ["a.mp4", "sub/b.gif", "sub/c.jpg"]
    assert len(batch().done) == 3


def test_an_error_nobody_thought_of_is_one_line(batch, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("vidcam.batch.work.run", broken)
    assert [r.error for r in batch().failed] == ["internal error (RuntimeError: first)"] * 3


def test_files_that_no_batch_made_are_kept(batch, tmp_path):
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "a.mp4.gif"
    mine.write_text("mine")
    made = batch()
    assert [r.name for r in made.failed] == ["a.mp4"]
    assert "exists already" in made.failed[0].error
    assert mine.read_text() == "mine"
    assert len(batch(overwrite=True).done) == 1
    assert mine.read_bytes()[:4] == b"GIF8"


def test_clips_of_one_name_from_two_folders_do_not_take_turns(batch, clips, tmp_path):
    batch()
    other = tmp_path / "other"
    other.mkdir()
    make_video(other / "a.mp4", 5)
    with pytest.raises(UsageError, match=r"a\.mp4\.gif there is of .*clips/a\.mp4, not of .*other/a\.mp4"):
        batch(other)
    assert len(batch(other, force=True).done) == 1


def test_a_list_gives_each_clip_its_target_and_times(batch, clips, tmp_path):
    listed = clips / "list.csv"
    listed.write_text("file,target,start,end\na.mp4,1,0.5,1.5\na.mp4,2,,\nsub/b.gif,,,\n")
    made = batch(listed=listed, dry_run=True)
    assert len(made.steps) == 5, "the folder and the list"
    from vidcam.batch.many_clips import run_batch  # the fixture's worker is still in place

    made = run_batch(
        [], tmp_path / "listed", listed=listed, model=made.steps[0].job.settings.models[0]["model"], workers=1
    )
    assert names(made.done) == ["a~1~0.5-1.5.mp4", "a~2.mp4", "sub/b.gif"]
    rows = table(tmp_path / "listed" / "predictions.csv")
    first = [r for r in rows if r["file"].startswith("a~1")]
    assert [float(r["time"]) for r in first] == [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4]
    assert {r["class"] for r in first} == {"1"}
    assert {r["class"] for r in rows if r["file"].startswith("a~2")} == {"2"}


@pytest.mark.parametrize(
    "name", ["a b.mp4", "-dash.mp4", "q'uo\"te.mp4", "ünï.mp4", "<img src=x>.mp4", "%04d.mp4", "100%.mp4"]
)
def test_names_of_all_kinds(batch, clips, tmp_path, name):
    (clips / "a.mp4").rename(clips / name)
    assert name in names(batch().done)
    assert f"{name}.gif" in tree(tmp_path / "out")
    assert name in {r["file"] for r in table(tmp_path / "out" / "predictions.csv")}
    assert not batch().done


def test_a_name_that_is_no_text_works_too(batch, clips, tmp_path):
    (clips / "a.mp4").rename(clips / os.fsdecode(b"\xff.mp4"))
    assert not batch().failed
    assert (tmp_path / "out" / os.fsdecode(b"\xff.mp4.gif")).exists()
    assert table(tmp_path / "out" / "summary.csv")[-1]["file"] == "\\udcff.mp4"
    assert not batch().done


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "avi"}, "--format avi"),
        ({"crf": 20}, "--crf 20: is not for --format gif"),
        ({"format": "mp4", "loop": 2}, "--loop 2: is not for --format mp4"),
        ({"workers": 0}, "--workers 0"),
        ({"colormap": "nope"}, "nope"),
        ({"method": "nope"}, "nope"),
        ({"start": 5.0, "end": 3.0}, "--end"),
        ({"target": "nope"}, "nope"),
        ({"layer": "nope"}, "nope"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_done(batch, tmp_path, options, said):
    with pytest.raises(UsageError, match=said):
        batch(**options)
    assert not any(p.suffix in (".gif", ".csv", ".html") for p in tmp_path.glob("out/**/*"))


@pytest.mark.parametrize("name", ["maps", "fsp", "colourmap"])
def test_an_option_that_there_is_not_is_an_error_as_anywhere_in_python(batch, name):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        batch(**{name: 3})


def test_layers_may_be_a_list(batch, models):
    made = batch(layer=["last"])
    assert len(made.done) == 3
    assert made.done[0].made["options"]["layer"] == "last"


def test_the_records_of_a_batch_before_options_had_their_objects_still_count(batch, tmp_path):
    """They hold what the command passed on: every option, and how many frames were computed at once."""
    batch()
    store = Store(tmp_path / "out")
    for record in store.all():
        record.made["options"] |= {"batch_size": 8, "precision": "float32"}
        store.write(record)
    assert not reasons(batch)
    record.made["options"] |= {"precision": "bf16"}
    store.write(record)
    assert reasons(batch) == {record.name: "--precision is null, was bf16"}


def test_a_model_that_cannot_be_loaded_ends_the_batch(batch, tmp_path):
    with pytest.raises(VidcamError, match="no such file"):
        batch(model=tmp_path / "gone.keras")
    (tmp_path / "bad.keras").write_text("x")
    with pytest.raises(VidcamError, match="not a Keras model"):
        batch(model=tmp_path / "bad.keras")
    assert not list((tmp_path / "out").rglob("*.json"))


def test_a_dry_run_writes_nothing(batch, tmp_path):
    assert list(reasons(batch)) == ["a.mp4", "sub/b.gif", "sub/c.jpg"]
    assert not (tmp_path / "out").exists()


def test_posters_are_small_pictures_of_the_middle(batch, tmp_path):
    batch(caption=False)
    store = Store(tmp_path / "out")
    record = store.read("a.mp4")
    with Image.open(tmp_path / "out" / record.poster) as poster, open_source(tmp_path / "out" / record.output) as shown:
        assert poster.format == "JPEG"
        assert poster.size == (64, 48)
        middle = list(shown)[14].rgb().astype(int)
        assert abs(np.asarray(poster.convert("RGB")).astype(int) - middle).mean() < 4


def test_every_clip_gets_a_page_where_asked_and_a_missing_one_is_made(batch, tmp_path):
    out = tmp_path / "out"
    batch()
    assert set(reasons(batch, report=True).values()) == {"its page is missing"}
    made = batch(report=True)
    pages = [f"{name}.html" for name in OUTPUTS]
    assert sorted(r.page for r in made.done) == sorted(pages)
    for name in pages:
        assert b"overlay-data" in (out / name).read_bytes()
    data = json.loads(re.search(r'id="data">(.*?)</script>', (out / "index.html").read_text("utf-8"), re.S)[1])
    assert sorted(clip["page"] for clip in data["clips"]) == sorted(pages)
    assert not reasons(batch, report=True)
    assert not reasons(batch)  # there is more than is asked for
    (out / pages[0]).unlink()
    assert reasons(batch, report=True) == {"a.mp4": "its page is missing"}
    assert names(batch(report=True).done) == ["a.mp4"]
    batch(alpha=0.7)  # a page of what was there before would show something else
    assert not list(out.rglob("*.gif.html"))


def test_a_page_of_somebody_elses_is_not_replaced(batch, tmp_path):
    page = tmp_path / "out" / "a.mp4.gif.html"
    page.parent.mkdir()
    page.write_text("mine")
    assert names(batch(report=True).failed) == ["a.mp4"]
    assert page.read_text() == "mine"
    assert names(batch(report=True, overwrite=True).done) == ["a.mp4"]
    assert page.read_text() != "mine"


def test_what_a_killed_batch_has_made_is_indexed_at_once_when_it_is_run_again_or_by_itself(batch, tmp_path):
    out = tmp_path / "out"
    batch()
    store = Store(out)
    record = store.read("a.mp4")
    store.write(replace(record, state="started"))  # what a killed batch leaves
    for name in many_clips.LEFT:
        (out / name).unlink()
    there = many_clips.index_batch(out)
    assert names(there.skipped) == ["sub/b.gif", "sub/c.jpg"]
    assert {row["file"] for row in table(out / "summary.csv")} == {"sub/b.gif", "sub/c.jpg"}
    assert (out / "index.html").exists()
    for name in many_clips.LEFT:
        (out / name).unlink()
    seen = []
    batch(on_plan=lambda steps, workers: seen.append({row["file"] for row in table(out / "summary.csv")}))
    assert seen == [{"sub/b.gif", "sub/c.jpg"}]
    with pytest.raises(VidcamError, match="no batch has made anything there yet"):
        many_clips.index_batch(tmp_path / "empty")
