"""A clip explained and drawn in parts and joined is the clip explained and drawn as a whole."""

from __future__ import annotations

import functools
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.media.make import Sound, Video, streams_of, write_video
from tests.networks import gap_cnn
from vidcam.cam import Explainer
from vidcam.cam.options import MapOptions
from vidcam.errors import Interrupted
from vidcam.media import open_source
from vidcam.media.options import MediaOptions
from vidcam.metrics.regions import region_of
from vidcam.metrics.steadiness import Steadiness
from vidcam.models import load_model
from vidcam.pipeline import film as films
from vidcam.pipeline import run
from vidcam.pipeline.film import Film, points_of
from vidcam.pipeline.parts import do_step, join
from vidcam.render import Look, histories
from vidcam.render.flow import Motions
from vidcam.render.scale import rows_of
from vidcam.types import Classifier, Track

SIZE = (64, 48)
SECONDS = Fraction(2, 5)


def scenes(number: int, size: tuple[int, int]) -> np.ndarray:
    """Noise that drifts, another every fifteen frames: cuts, and classes that change."""
    rng = np.random.default_rng(number // 15)
    field = rng.integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    return np.roll(field.repeat(8, 0).repeat(8, 1), number % 15 * 2, axis=1)


@pytest.fixture(name="clip", scope="module")
def _clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds in groups of eight pictures, with B-frames and sound."""
    video = Video(frames=75, size=SIZE, draw=scenes, options={"g": "8", "bf": "2"}, sounds=[Sound(seconds=Fraction(3))])
    return write_video(tmp_path_factory.mktemp("parts") / "clip.mp4", video)


@pytest.fixture(name="classifier", scope="module")
def _classifier() -> object:
    return load_model(gap_cnn(size=None), labels=("a", "b", "c"), input_size=(48, 48), fit="keep")


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(films, "LENGTH", SECONDS)


def film_of(clip: Path, folder: Path, maps: MapOptions, look: Look, media: MediaOptions) -> Film:
    with open_source(clip, **media.reads(clip)) as source:
        points = points_of(source.info, Path("out.mp4"), maps, look, media)
    folder.mkdir()
    return Film(clip, folder, points, maps, look, media)


def work(film: Film, classifier: object, cancelled=lambda: False) -> None:
    make = functools.cache(Explainer)
    for step in film.steps:
        # Nothing may depend on the order in which parts are done.
        for part in reversed(range(len(film.parts))):
            do_step(
                film,
                step,
                part,
                classifier=classifier,
                make=make,
                progress=lambda done, total: None,
                cancelled=cancelled,
            )


def steadiness_of(track: Track, film: Film, classifier: Classifier) -> float:
    """E of a whole clip's heat, but for the changes into each part."""
    history, steadiness, motions = histories(film.look, 1, [track])[0], Steadiness(), Motions()
    begins = {np.searchsorted(track.times, float(point) - 1e-3) for point in film.points}
    with open_source(film.source, **film.media.reads(film.source)) as source:
        for i, (frame, (raw, time, target, cut, motion)) in enumerate(zip(source, rows_of(track), strict=True)):
            shown, peak = history(raw, time, target, cut=cut, motion=motion)
            heat = np.clip(shown / peak, 0, 1) if peak > 0 else np.zeros_like(shown)
            steadiness.add(motions(classifier.prepare(frame.rgb())[0]), [heat], cut or i in begins)
    return steadiness.errors()[0]


LOOKS = {
    "defaults": ({}, {}, {}),
    "per frame, a stretch": ({}, {"normalize": "frame"}, {"start": 0.3, "end": 2.6}),
    "the clip's maximum": ({}, {"normalize": "clip", "smooth": 0.5}, {}),
    "the clip's class": ({"target": "clip-top"}, {"caption": False, "outline": True}, {"audio": False}),
    "a grid": ({"method": "gradcam,layercam", "target": "a/b"}, {}, {}),
    "beside": ({}, {"view": "side-by-side", "colorbar": True}, {"max_size": 48}),
}


@pytest.mark.parametrize("kind", LOOKS)
def test_parts_make_what_the_whole_makes(kind, clip, classifier, tmp_path, monkeypatch):
    maps, look, media = (o(**given) for o, given in zip((MapOptions, Look, MediaOptions), LOOKS[kind], strict=True))
    # What is handed to the encoder can be compared exactly; crf 0 keeps every level of it.
    media = replace(media, crf=0)
    boxes = tmp_path / "boxes.csv" if look.outline else None
    if boxes is not None:
        boxes.write_text("time,x0,y0,x1,y1\n0,5,5,20,20\n2,30,15,50,40\n")
    film = replace(film_of(clip, tmp_path / "parts", maps, look, media), measured=True, region=region_of(boxes, None))
    assert len(film.parts) >= 4
    work(film, classifier)
    made = join(film, tmp_path / "joined.mp4", predictions=tmp_path / "joined.csv", maps=tmp_path / "joined.npz")
    whole = run(
        clip,
        tmp_path / "whole.mp4",
        model=classifier,
        predictions=tmp_path / "whole.csv",
        maps=None if "/" in str(maps.target) else tmp_path / "whole.npz",
        keep_track=True,
        boxes=boxes,
        **{**asdict(maps), **asdict(look), **asdict(media)},
    )
    assert (made.frames, made.read, made.size) == (whole.frames, whole.read, whole.size)
    assert [(t.name, t.frames) for t in made.tallies] == [(t.name, t.frames) for t in whole.tallies]
    np.testing.assert_allclose(made.track.times, whole.track.times)
    np.testing.assert_allclose(made.track.maps, whole.track.maps, atol=1e-5 * np.abs(whole.track.maps).max())
    np.testing.assert_array_equal(made.track.cuts, whole.track.cuts)
    assert made.track.cuts.any()
    np.testing.assert_array_equal(made.track.motions, whole.track.motions)
    assert made.track.targets == whole.track.targets
    assert made.steadiness == pytest.approx(steadiness_of(whole.track, film, classifier), rel=1e-3)
    lines = [(tmp_path / f"{name}.csv").read_text().splitlines() for name in ("joined", "whole")]
    assert [line.split(",")[:4] for line in lines[0]] == [line.split(",")[:4] for line in lines[1]]
    pictures = []
    for name in ("joined", "whole"):
        with open_source(tmp_path / f"{name}.mp4") as source:
            pictures.append([(f.time, f.duration, f.rgb()) for f in source])
    assert [p[:2] for p in pictures[0]] == [p[:2] for p in pictures[1]]
    for (*_, a), (*_, b) in zip(*pictures, strict=True):
        assert np.abs(a.astype(int) - b).max() <= 2
    sounds = [[s for s in streams_of(tmp_path / f"{n}.mp4") if s["type"] == "audio"] for n in ("joined", "whole")]
    assert sounds[0] == sounds[1]


def test_a_step_that_is_stopped_leaves_nothing(clip, classifier, tmp_path):
    film = film_of(clip, tmp_path / "parts", MapOptions(), Look(), MediaOptions())
    with pytest.raises(Interrupted):
        work(film, classifier, cancelled=lambda: True)
    assert list(film.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("output", "maps", "look", "media"),
    [
        ("out.gif", {}, {}, {}),
        ("out.mp4", {}, {"view": "timeline"}, {}),
        ("out.mp4", {}, {}, {"stride": 2}),
        ("out.mp4", {}, {}, {"start": 2.5}),
        ("out.mp4", {"explain_fps": 5}, {}, {}),
    ],
)
def test_what_hangs_together_is_not_cut(output, maps, look, media, clip):
    with open_source(clip) as source:
        assert points_of(source.info, Path(output), MapOptions(**maps), Look(**look), MediaOptions(**media)) == ()
