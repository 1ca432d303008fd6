"""The page of one clip as a file: what is embedded, what is said, and when there is none."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.clips import clip_pictures, make_gif, make_video, read_frames
from tests.report.test_gallery import Reader
from vidcam.errors import Interrupted, UsageError, VidcamError
from vidcam.media import open_source
from vidcam.media.read.web import web_type
from vidcam.metrics.agreement import Agreement, Comparison
from vidcam.metrics.extent import border_share
from vidcam.metrics.flicker import flicker
from vidcam.metrics.regions import Shares
from vidcam.report import clip as module
from vidcam.report.clip import INSIDE, check_clip_page, write_clip_page
from vidcam.types import Explanation, Placement, Track

RNG = np.random.default_rng(0)


def make_track(source: Path, labels: tuple[str, ...] = ("cat", "dog", "cow"), **reads) -> Track:
    """A track of a source's frames, with random maps and the targets that its probabilities say."""
    with open_source(source, **reads) as opened:
        frames = [(float(f.time), f.index) for f in opened]
        size = opened.info.size
    p = RNG.dirichlet(np.ones(len(labels)), len(frames)).astype(np.float32)
    whole = (0.0, 0.0, float(size[0]), float(size[1]))
    return Track(
        times=np.array([t for t, _ in frames]),
        indices=np.array([i for _, i in frames]),
        maps=RNG.normal(size=(len(frames), 4, 5)).astype(np.float32),
        logits=np.log(p),
        probabilities=p,
        targets=tuple((int(c),) for c in p.argmax(axis=1)),
        placement=Placement(size, size, whole, whole),
        labels=labels,
        meta={"model": "toy", "method": "gradcam", "layer": "last"},
        cuts=np.arange(len(frames)) == 3,
    )


def two_models(source: Path, apart: list[tuple[int, int]]) -> tuple[list[Track], Comparison]:
    """Tracks of a cat that one model takes for a dog in some frames, with the same maps, and their comparison."""
    first = make_track(source, ("cat", "dog"))
    p = np.tile(np.float32([0.75, 0.25]), (len(first), 1))
    other = p.copy()
    for begin, end in apart:
        other[begin:end] = [0.125, 0.875]
    tracks = [
        replace(first, probabilities=q, logits=np.log(q), targets=tuple((int(c),) for c in q.argmax(axis=1)), meta=meta)
        for q, meta in zip((p, other), ({**first.meta, "model": name} for name in ("a <b>", "b")), strict=True)
    ]
    gathered = Agreement(["a <b>", "b"], [first.labels] * 2, [None, None], [None, None])
    gathered.add(
        first.times.tolist(), [Explanation(t.maps, t.logits, t.probabilities, t.targets, t.placement) for t in tracks]
    )
    return tracks, gathered.comparison()


def written(path: Path, *arguments, **options) -> tuple[dict, dict[str, tuple[str, bytes]]]:
    """Writes a page and returns its data, and its embedded files as (MIME type, bytes)."""
    write_clip_page(path, *arguments, **options)
    assert [p.name for p in path.parent.glob(".*")] == []
    page = Reader(path.read_text("utf-8"))
    files = {}
    for name in ("original", "overlay"):
        head, _, text = page.texts[f"{name}-data"].partition(",")
        files[name] = (head.removeprefix("data:").removesuffix(";base64"), base64.b64decode(text, validate=True))
    return json.loads(page.texts["data"]), files


def times_of(data: bytes, folder: Path) -> list[float]:
    (folder / "embedded.mp4").write_bytes(data)
    return read_frames(folder / "embedded.mp4")[1]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_video(tmp_path / "clip.mp4", sound=True)


def test_what_browsers_play_is_embedded_as_it_is(clip, tmp_path):
    overlay = make_video(tmp_path / "out.mp4")
    track = make_track(clip)
    data, files = written(tmp_path / "p.html", clip, overlay, track)
    assert files == {"original": ("video/mp4", clip.read_bytes()), "overlay": ("video/mp4", overlay.read_bytes())}
    assert data["title"] == "clip.mp4"
    assert data["about"] == "toy · gradcam · last"
    assert data["times"] == pytest.approx(np.arange(12) / 10)
    assert data["cuts"] == [3]
    names = [name for name, n in data["explained"][0] for _ in range(n)]
    assert names == [track.labels[t[0]] for t in track.targets]
    for name, curve in data["curves"]:
        expected = track.probabilities[:, track.labels.index(name)]
        np.testing.assert_allclose(np.array(curve) / 10000, expected, atol=5.1e-5)
    assert not data["sound"]


def test_the_summary_has_the_clips_figures(clip, tmp_path):
    track = make_track(clip)
    data, _ = written(tmp_path / "p.html", clip, clip, track, details={"normalize": "running", "method": "a, b"})
    figures, heat = dict(data["figures"]), np.maximum(track.maps, 0)
    best = track.probabilities.max(axis=1)
    changes = [a != b for a, b in zip(track.targets, track.targets[1:], strict=False)]
    del changes[2]  # a scene begins there
    assert figures["mean confidence"] == f"{100 * best.mean():.1f} %"
    assert figures["lowest"] == f"{100 * best.min():.1f} %"
    assert figures["switches"] == str(sum(changes))
    assert figures["flicker of the maps"] == f"{flicker(heat, track.cuts):.3f}"
    assert figures["heat at the border"] == f"{100 * border_share(heat, track.placement):.0f} %"
    assert (figures["frames"], figures["size"]) == ("12", "64 × 48")
    how = dict(data["how"])
    assert (how["model"], how["method"], how["normalize"], how["map"]) == ("toy", "a, b", "running", "5 × 4 cells")
    assert data["sound"]


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ({"start": 0.35, "end": 0.85}, [0.4, 0.5, 0.6, 0.7, 0.8]),
        ({"stride": 5}, [0.0, 0.5, 1.0]),
        ({"max_size": 32}, [i / 10 for i in range(12)]),
    ],
)
def test_a_part_of_the_source_is_written_anew(clip, tmp_path, reads, expected):
    track = make_track(clip, **reads)
    data, files = written(tmp_path / "p.html", clip, clip, track, reads={**reads, "fps": None})
    assert files["original"][1] != clip.read_bytes()
    first = expected[0]
    assert times_of(files["original"][1], tmp_path) == pytest.approx([t - first for t in expected], abs=1e-3)
    assert data["times"] == pytest.approx([t - first for t in expected], abs=1e-4)
    assert max(data["sizes"]["original"]) == reads.get("max_size", 64)


def test_a_damaged_source_is_written_anew(clip, tmp_path):
    _, files = written(tmp_path / "p.html", clip, clip, make_track(clip), damaged=1)
    assert files["original"][1] != clip.read_bytes()


def test_an_animation_becomes_a_video_that_can_be_scrubbed(tmp_path):
    gif = make_gif(tmp_path / "a.gif", (10, 20, 5, 30))
    data, files = written(tmp_path / "p.html", gif, gif, make_track(gif))
    for mime, content in files.values():
        assert mime == "video/mp4"
        assert times_of(content, tmp_path) == pytest.approx([0.0, 0.1, 0.3, 0.35], abs=1e-3)
    assert data["times"] == pytest.approx([0.0, 0.1, 0.3, 0.35])


def test_delays_of_nothing_are_where_the_video_has_them(tmp_path):
    gif = make_gif(tmp_path / "a.gif")
    # Pillow writes no delays of nothing.
    gif.write_bytes(re.sub(rb"(\x21\xf9\x04.)..", rb"\1\0\0", gif.read_bytes(), flags=re.DOTALL))
    data, files = written(tmp_path / "p.html", gif, gif, make_track(gif))
    assert data["times"] == pytest.approx(times_of(files["overlay"][1], tmp_path), abs=1e-3)
    assert data["times"] == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_a_picture_has_no_time(tmp_path):
    photo, out = tmp_path / "photo.jpg", tmp_path / "out.png"
    for path in (photo, out):
        Image.fromarray(clip_pictures(1)[0]).save(path)
    data, files = written(tmp_path / "p.html", photo, out, make_track(photo))
    assert data["still"]
    assert files == {"original": ("image/jpeg", photo.read_bytes()), "overlay": ("image/png", out.read_bytes())}
    assert "switches" not in dict(data["figures"])


def test_one_frame_of_a_video_is_two_pictures(clip, tmp_path):
    out = tmp_path / "out.png"
    Image.fromarray(clip_pictures(12)[5]).save(out)
    track = make_track(clip, start=0.5)
    data, files = written(tmp_path / "p.html", clip, out, track.first(1), reads={"start": 0.5})
    assert (data["still"], files["original"][0]) == (True, "image/png")
    (tmp_path / "e.png").write_bytes(files["original"][1])
    shown = np.asarray(Image.open(tmp_path / "e.png")).astype(int)
    assert np.abs(shown - clip_pictures(12)[5]).mean() < 4


def test_a_stopped_run_shows_the_frames_that_were_drawn(clip, tmp_path):
    track = make_track(clip)
    out = make_video(tmp_path / "out.mp4", 5)
    data, files = written(tmp_path / "p.html", clip, out, track.first(5), reads={"max_size": 48})
    assert len(data["times"]) == sum(n for _, n in data["explained"][0]) == len(data["curves"][0][1]) == 5
    assert len(times_of(files["original"][1], tmp_path)) == 5


def test_several_classes_have_the_curve_of_their_sum(clip, tmp_path):
    track = make_track(clip)
    track = replace(track, targets=((0, 2),) * len(track))
    data, _ = written(tmp_path / "p.html", clip, clip, track)
    name, curve = data["curves"][0]
    assert name == "cat + cow"
    np.testing.assert_allclose(np.array(curve) / 10000, track.probabilities[:, [0, 2]].sum(axis=1), atol=1e-4)


def test_labels_cannot_become_markup(clip, tmp_path):
    evil = ("</script><script>alert(1)</script>", "<!--<script>", "\u2028")
    track = make_track(clip, labels=evil)
    data, _ = written(tmp_path / "p.html", clip, clip, track, details={"model": "<b>m</b>"})
    assert {name for name, _ in data["curves"]} == set(evil)
    assert data["about"].startswith("<b>m</b>")
    page = Reader((tmp_path / "p.html").read_text("utf-8"))
    assert [tag for tag, _ in page.tags].count("script") == 4
    assert "b" not in [tag for tag, _ in page.tags]


def test_a_page_that_is_stopped_leaves_nothing(clip, tmp_path):
    before = sorted(p.name for p in tmp_path.iterdir())
    done = []
    with pytest.raises(Interrupted, match="not written"):
        write_clip_page(
            tmp_path / "p.html", clip, clip, make_track(clip),
            reads={"max_size": 32}, progress=lambda *a: done.append(a), cancelled=lambda: len(done) == 3,
        )  # fmt: skip
    assert done == [(1, 12), (2, 12), (3, 12)]
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_names_are_checked(clip, tmp_path):
    page = tmp_path / "p.html"
    assert check_clip_page(page, False) == page
    assert not page.exists()
    page.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        check_clip_page(page, False)
    with pytest.raises(UsageError, match="exists already"):
        write_clip_page(page, clip, clip, make_track(clip))
    assert page.read_text() == "mine"
    check_clip_page(page, True)
    with pytest.raises(UsageError, match=r"\.html"):
        check_clip_page(tmp_path / "p.txt", False)
    with pytest.raises(VidcamError, match="does not exist"):
        check_clip_page(tmp_path / "no" / "p.html", False)


def test_a_large_page_is_said(clip, tmp_path, monkeypatch):
    assert write_clip_page(tmp_path / "p.html", clip, clip, make_track(clip)) == ()
    monkeypatch.setattr(module, "LARGE_PAGE", 1000)
    (note,) = write_clip_page(tmp_path / "q.html", clip, clip, make_track(clip))
    assert "q.html: 0 MB in one page" in note


def encode(path: Path, codec: str, pixels: str = "yuv420p", aspect: Fraction | None = None, offset: int = 0) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for i, picture in enumerate(clip_pictures(4)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i + offset, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "fields", "mime"),
    [
        ("a.mp4", ("libx264",), "video/mp4"),
        ("a.webm", ("libvpx",), "video/webm"),
        ("a.webm", ("libvpx-vp9",), "video/webm"),
        ("a.mov", ("libx264",), ""),
        ("a.mkv", ("libx264",), ""),
        ("a.mp4", ("libx264", "yuv444p"), ""),
        ("a.mp4", ("libx264", "yuv420p10le"), ""),
        ("a.mp4", ("libx265",), ""),
        ("a.mp4", ("mpeg4",), ""),
        ("a.mp4", ("libx264", "yuv420p", Fraction(4, 3)), ""),
        ("a.mp4", ("libx264", "yuv420p", None, 7), ""),
    ],
)
def test_which_videos_browsers_play(tmp_path, name, fields, mime):
    assert web_type(encode(tmp_path / name, *fields)) == mime


def test_which_pictures_browsers_show(tmp_path):
    picture = Image.fromarray(clip_pictures(1)[0])
    for name, mime in (("a.jpg", "image/jpeg"), ("a.png", "image/png"), ("a.webp", "image/webp"), ("a.bmp", "")):
        picture.save(tmp_path / name)
        assert web_type(tmp_path / name) == mime
    assert web_type(make_gif(tmp_path / "a.gif")) == ""
    (tmp_path / "text.mp4").write_text("This is no video.")
    assert web_type(tmp_path / "text.mp4") == web_type(tmp_path) == web_type(tmp_path / "none") == ""


def test_several_models_have_their_own_curves_and_figures(tmp_path):
    clip = make_video(tmp_path / "c.mp4")
    tracks, comparison = two_models(clip, [(4, 8)])
    data, _ = written(tmp_path / "p.html", clip, clip, tracks, comparison=comparison, steadinesses=[0.1234, 0.5])
    assert [name for name, _ in data["curves"]] == ["a <b>: cat", "a <b>: dog", "b: cat", "b: dog"]
    for (_, curve), track, c in zip(data["curves"], np.repeat(np.array([0, 1]), 2), (0, 1, 0, 1), strict=True):
        assert curve == [round(10000 * v) for v in tracks[track].probabilities[:, c].tolist()]
    assert data["explained"] == [[["a <b>: cat", 12]], [["b: cat", 4], ["b: dog", 4], ["b: cat", 4]]]
    assert data["stretches"] == [[4, 8, "cat against dog"]]
    figures = dict(data["figures"])
    assert figures["frames"] == "12"
    assert figures["change beside the motion (E)"] == "a <b>: 0.123\nb: 0.500"
    assert figures["mean confidence"] == f"a <b>: 75.0 %\nb: {100 * (8 * 0.75 + 4 * 0.875) / 12:.1f} %"
    assert (figures["the same class"], figures["rank correlation of the maps"]) == ("66.7 %", "1.00")
    assert figures["frames in which they disagree"] == "33.3 %"
    how = dict(data["how"])
    assert (how["method"], how["model"]) == ("gradcam", "a <b>: a <b>\nb: b")
    assert data["about"] == "a <b> and b · gradcam"


def test_four_models_with_shares_have_a_colour_for_each_curve(tmp_path):
    clip = make_video(tmp_path / "c.mp4")
    tracks = [make_track(clip, ("cat", "dog", "cow", "hen")) for _ in range(4)]
    names = ["a", "b", "c", "d"]
    gathered = Agreement(names, [tracks[0].labels] * 4, [None] * 4, [None] * 4)
    gathered.add(
        tracks[0].times.tolist(),
        [Explanation(t.maps, t.logits, t.probabilities, t.targets, t.placement) for t in tracks],
    )
    shares = [Shares(*(np.full(12, v) for v in (0.1 * i, 0.3, 0.2))) for i in range(4)]
    comparison = gathered.comparison()
    data, _ = written(tmp_path / "p.html", clip, clip, tracks, comparison=comparison, shares=shares)
    assert [name for name, _ in data["curves"]][::2] == [f"{name}: {INSIDE}" for name in names]
    assert len(data["curves"]) == 8
    assert [curve[0] for _, curve in data["curves"]][::2] == [0, 1000, 2000, 3000]
    assert dict(data["figures"])["the thing, of the picture"] == "30.0 %"
    starts = [begin for begin, _, _ in data["stretches"]]
    assert starts == sorted(starts)
    assert {why.split(":")[0] for _, _, why in data["stretches"]} <= {
        f"{p} and {q}" for p in "abc" for q in "bcd" if p < q
    }
    assert len(data["stretches"]) >= 6
    lines = dict(data["figures"])["rank correlation of the maps"].split("\n")
    assert lines == [f"{names[p.first]} and {names[p.second]}: {p.mean_correlation:.2f}" for p in comparison.pairs]


def test_of_a_picture_it_is_said_whether_not_how_often(tmp_path):
    photo = tmp_path / "a.png"
    Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(photo)
    tracks, comparison = two_models(photo, [(0, 1)])
    data, _ = written(tmp_path / "p.html", photo, photo, tracks, comparison=comparison)
    figures = dict(data["figures"])
    assert (figures["the same class"], figures["hottest points more than a fifth apart"]) == ("no", "no")
    assert "frames in which they disagree" not in figures
    assert data["stretches"] == []
