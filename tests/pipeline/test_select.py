"""Explained is what is written: which frames that are, how long they last, and what the frames between get."""

from __future__ import annotations

import csv
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import vidcam
from tests.clips import clip_pictures, make_video, read_frames
from tests.networks import gap_cnn
from vidcam.errors import UsageError
from vidcam.media import Info, open_source
from vidcam.media.write.pace import Pace
from vidcam.models import load_model
from vidcam.pipeline.meter import Meter
from vidcam.pipeline.scenes import glimpse
from vidcam.pipeline.select import Explained, Selection, blended
from vidcam.types import Explanation, Frame, Placement

METER = Meter(False)
CLIP = Info("clip.mp4", "video", (64, 48), Fraction(30))
FRAMES = 60
CUT = 31
PLACEMENT = Placement((64, 48), (64, 48), (0, 0, 64, 48), (0, 0, 64, 48))


def pace(fps):
    return lambda: Pace(CLIP, Fraction(1, 100), 2, fps).keep


def frames(times=None, cut=CUT):
    """Frames at 30 a second; a scene begins in the middle."""
    pictures = clip_pictures(FRAMES)
    for i, picture in enumerate(pictures):
        time = Fraction(i, 30) if times is None else times[i]
        shown = picture if i < cut else 255 - picture // 4
        yield Frame(i, time, Fraction(1, 30), shown, (picture.shape[1], picture.shape[0]))


@pytest.mark.parametrize("fps", [12, 10, 7.5, 30, 50])
def test_selected_are_the_frames_that_the_file_keeps_each_until_the_next(fps):
    sink = Pace(CLIP, Fraction(1, 100), 2, fps)
    kept = [f.time for f in frames() if sink.keep(f.time, f.duration)]
    selection = Selection(pace(fps), None, METER)
    selected = list(selection(frames()))
    assert [s.frame.time for s in selected] == kept
    assert selection.read == FRAMES
    ends = [s.frame.time + s.frame.duration for s in selected]
    assert ends == [*kept[1:], Fraction(FRAMES, 30)]
    # What the file makes of them is what it makes of all.
    again = Pace(CLIP, Fraction(1, 100), 2, fps)
    assert all(again.keep(s.frame.time, s.frame.duration) for s in selected)
    assert (again.starts, again.delays()) == (sink.starts, sink.delays())


@pytest.mark.parametrize("fps", [12, 10, 30])
def test_a_cut_between_two_frames_that_are_kept_begins_with_the_second(fps):
    cuts = [s.frame.time for s in Selection(pace(fps), None, METER)(frames()) if s.cut]
    kept = [s.frame.time for s in Selection(pace(fps), None, METER)(frames())]
    assert cuts == [min(t for t in kept if t >= Fraction(CUT, 30))]


def test_explained_are_so_many_a_second_and_the_first_of_each_scene():
    selected = list(Selection(None, 5, METER)(frames()))
    assert len(selected) == FRAMES
    asked = [s.frame.index for s in selected if s.asked]
    assert asked == sorted({*range(0, FRAMES, 6), CUT})


def test_a_glimpse_of_planes_is_one_of_the_picture(tmp_path):
    with open_source(make_video(tmp_path / "c.mp4")) as source:
        for frame in source:
            assert frame.planes is not None
            seen = glimpse(frame)
            frame.planes = None
            assert np.abs(seen.astype(int) - glimpse(frame)).mean() < 8


def explained(asked, targets=None, cuts=()):
    rng = np.random.default_rng(0)
    shape, n = (2, 3), sum(asked)
    targets = targets or [(0,)] * n
    maps = rng.normal(size=(n, *shape)).astype(np.float32)
    e = Explanation(maps, rng.normal(size=(n, 4)).astype(np.float32), rng.random((n, 4)).astype(np.float32),
                    tuple(targets), PLACEMENT)  # fmt: skip
    some = list(frames())[: len(asked)]
    return Explained(some, (e,), [i in cuts for i in range(len(asked))], asked=list(asked)), e


def flat(batches):
    made = list(batches)
    return [(f, e.maps[i], e.logits[i], e.targets[i], a) for b in made for e in b.explanations
            for i, (f, a) in ((i, (f, b.is_own(i))) for i, f in enumerate(b.frames))]  # fmt: skip


def in_batches(batch, sizes):
    """Cuts one batch into several, also into some without any explained frame."""
    start = row = 0
    for size in sizes:
        part = slice(start, start + size)
        rows = slice(row, row + sum(batch.asked[part]))
        e = batch.explanations[0]
        cell = replace(
            e, maps=e.maps[rows], logits=e.logits[rows], probabilities=e.probabilities[rows], targets=e.targets[rows]
        )
        some = (cell,) if rows.stop > rows.start else ()
        yield Explained(batch.frames[part], some, batch.cuts[part], asked=batch.asked[part])
        start, row = part.stop, rows.stop


@pytest.mark.parametrize("sizes", [[9], [1] * 9, [2, 5, 2], [4, 2, 3]])
def test_what_lies_between_is_blended_in_time(sizes):
    batch, e = explained([True, False, False, True, False, False, False, True, False])
    rows = flat(blended(in_batches(batch, sizes)))
    assert [f.index for f, *_ in rows] == list(range(9))
    for i, (a, b, share) in enumerate([(0, 0, 0), (0, 1, 1 / 3), (0, 1, 2 / 3), (1, 1, 0), (1, 2, 0.25), (1, 2, 0.5),
                                       (1, 2, 0.75), (2, 2, 0), (2, 2, 0)]):  # fmt: skip
        for got, of in ((rows[i][1], e.maps), (rows[i][2], e.logits)):
            np.testing.assert_allclose(got, of[a] + share * (of[b] - of[a]), atol=1e-6)
    assert [asked for *_, asked in rows] == batch.asked


def test_nothing_is_blended_of_two_classes_or_across_a_cut():
    batch, e = explained([True, False, False, False, True], targets=[(0,), (1,)])
    rows = flat(blended([batch]))
    assert [target for *_, target, _ in rows] == [(0,), (0,), (0,), (1,), (1,)]
    for row, of in zip(rows, (0, 0, 0, 1, 1), strict=True):
        np.testing.assert_allclose(row[1], e.maps[of], atol=1e-6)
    batch, e = explained([True, False, False, True], cuts=(3,))
    for row, of in zip(flat(blended([batch])), (0, 0, 0, 1), strict=True):
        np.testing.assert_array_equal(row[1], e.maps[of])


@pytest.fixture(scope="module")
def classifier():
    return load_model(gap_cnn(), labels=["cat", "dog", "fish"])


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("clips") / "clip.mp4", count=24, fps=20)


@pytest.mark.parametrize("normalize", ["running", "clip"])
def test_a_gif_explains_the_frames_that_it_shows(clip, classifier, tmp_path, normalize):
    files = {
        name: {"predictions": tmp_path / f"{name}.csv", "maps": tmp_path / f"{name}.npz"} for name in ("few", "all")
    }
    options = {"model": classifier, "fps": 6, "normalize": normalize, "caption": False}
    few = vidcam.run(clip, tmp_path / "few.gif", **options, **files["few"])
    every = vidcam.run(clip, tmp_path / "all.gif", explain="all", **options, **files["all"])
    assert (few.read, few.explained, few.frames) == (24, few.frames, every.frames)
    assert (every.read, every.explained) == (24, 24)
    assert few.frames < 10
    assert read_frames(tmp_path / "few.gif")[1] == read_frames(tmp_path / "all.gif")[1]
    rows = [int(np.abs(every.track.times - t).argmin()) for t in few.track.times]
    np.testing.assert_allclose(few.track.maps, every.track.maps[rows], atol=1e-5 * np.abs(every.track.maps).max())
    for result, said in ((few, 1), (every, 0)):
        assert sum("--explain all has all" in note for note in result.notes) == said
    lines = {name: list(csv.DictReader(files[name]["predictions"].open())) for name in files}
    assert (len(lines["few"]), len(lines["all"])) == (few.frames, 24)


def test_kept_maps_of_a_gif_make_the_same_gif(clip, classifier, tmp_path):
    vidcam.run(clip, tmp_path / "a.gif", model=classifier, fps=6, maps=tmp_path / "m.npz")
    vidcam.run(clip, tmp_path / "b.gif", track=tmp_path / "m.npz")
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_a_video_of_fewer_explanations_has_every_frame(clip, classifier, tmp_path):
    made = vidcam.run(clip, tmp_path / "o.mp4", model=classifier, explain_fps=5, keep_track=True,
                      predictions=tmp_path / "o.jsonl")  # fmt: skip
    assert (made.frames, made.read, made.explained, len(made.track)) == (24, 24, 6, 24)
    assert sum(t.frames for t in made.tallies) == 6
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 6
    assert made.track.meta["explain_fps"] == "5"
    assert len(read_frames(tmp_path / "o.mp4")[0]) == 24


def test_all_and_some_is_a_contradiction():
    with pytest.raises(UsageError, match="--explain all"):
        vidcam.run("a.mp4", explain="all", explain_fps=5)
