"""Long clips in a batch and under `run --workers`: divided, joined, gone on with, and failed as one file."""

from __future__ import annotations

import json
import math
from concurrent.futures import Future
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from tests.batch.conftest import Inline
from tests.media.make import Sound, Video, write_video
from vidcam.batch import long_clip, many_clips
from vidcam.batch.crew import Crew, Died
from vidcam.batch.pieces import Films, Piece
from vidcam.batch.records import Store
from vidcam.cam.options import MapOptions
from vidcam.cli import main
from vidcam.errors import Interrupted, VidcamError
from vidcam.media import open_source
from vidcam.media.options import MediaOptions
from vidcam.pipeline import film as film_module
from vidcam.pipeline import run
from vidcam.render import Look


@pytest.fixture(name="film", scope="module")
def _film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds, five pictures each, a key frame a second, with sound."""
    folder = tmp_path_factory.mktemp("film")
    return write_video(folder / "film.mp4", Video(frames=50, rate=5, options={"g": "5"}, sounds=[Sound(seconds=10)]))


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_module, "LENGTH", 3)
    monkeypatch.setattr("vidcam.batch.outputs.LENGTH", 3)


@pytest.fixture(name="done")
def _done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What workers in this process are handed, in order."""
    handed: list[str] = []

    class Watched(Inline):
        def submit(self, work):
            handed.append(f"{work.step} {work.part}" if isinstance(work, Piece) else work.name)
            return super().submit(work)

    for module in (many_clips, long_clip):
        monkeypatch.setattr(module, "LocalWorker", lambda settings, part: Watched(settings))
    return handed


STEPS = [*(f"explain {p}" for p in range(3)), *(f"draw {p}" for p in range(3))]


def pictures_of(path: Path) -> list[tuple[object, np.ndarray]]:
    with open_source(path) as source:
        return [(f.time, f.rgb()) for f in source]


def in_parts(film: Path, out: Path, models: Path, *, workers: int = 2, cancelled=lambda: False, **files: Path):
    named = {"predictions": None, "maps": None, "report": None, "boxes": None, "masks": None, **files}
    return long_clip.run_in_parts(
        film,
        out,
        model={"model": str(models / "m.keras")},
        maps=MapOptions(),
        look=Look(),
        media=MediaOptions(crf=0),
        workers=workers,
        files=named,
        progress=lambda done, total: None,
        cancelled=cancelled,
    )


def test_a_run_in_parts_is_the_run(film, models, done, tmp_path):
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("time,x0,y0,x1,y1\n0,0,0,20,20\n8,20,0,50,40\n")
    files = {"predictions": tmp_path / "a.csv", "report": tmp_path / "a.html", "boxes": boxes}
    made = in_parts(film, tmp_path / "a.mp4", models, **files)
    assert done == STEPS
    whole = run(film, tmp_path / "b.mp4", model=models / "m.keras", crf=0, boxes=boxes)
    assert made.shares is not None
    np.testing.assert_allclose(made.shares.heat, whole.shares.heat, atol=1e-5)
    assert made.shares.frames == 41
    assert made.steadiness == pytest.approx(whole.steadiness, rel=0.2)  # not from part to part
    assert (made.frames, made.size, made.classes) == (whole.frames, whole.size, whole.classes)
    for (time, a), (when, b) in zip(pictures_of(made.path), pictures_of(whole.path), strict=True):
        assert time == when
        assert np.abs(a.astype(int) - b).max() <= 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "a.html", "a.mp4", "b.mp4", "boxes.csv"]


def test_a_run_that_was_stopped_goes_on(film, models, done, tmp_path):
    with pytest.raises(Interrupted, match="goes on"):
        in_parts(film, tmp_path / "a.mp4", models, workers=1 + 1, cancelled=lambda: len(done) >= 4)
    before, done[:] = done.copy(), []
    assert 0 < len(before) < len(STEPS)
    assert not (tmp_path / "a.mp4").exists()
    in_parts(film, tmp_path / "a.mp4", models)
    assert done
    assert len(before) + len(done) == len(STEPS)
    assert len(pictures_of(tmp_path / "a.mp4")) == 50


def test_what_was_left_by_other_options_is_not_taken(film, models, done, tmp_path):
    with pytest.raises(Interrupted):
        in_parts(film, tmp_path / "a.mp4", models, cancelled=lambda: len(done) >= 3)
    plan = tmp_path / ".a.mp4.parts" / "plan.json"
    plan.write_text(json.dumps({**json.loads(plan.read_text()), "made": {}}))
    done.clear()
    in_parts(film, tmp_path / "a.mp4", models)
    assert done == STEPS


def test_a_short_clip_is_no_film(film, models, done, tmp_path, monkeypatch):
    monkeypatch.setattr(film_module, "LENGTH", 30)
    assert in_parts(film, tmp_path / "a.mp4", models) is None
    assert not done


def test_a_batch_divides_what_is_long_and_only_that(film, batch, clips, done, tmp_path):
    (clips / "film.mp4").write_bytes(film.read_bytes())
    made = batch(format="mp4", workers=2)
    assert [r.name for r in made.done] == ["a.mp4", "film.mp4", "sub/b.gif", "sub/c.jpg"]
    assert [step for step in done if " " in step] == [*STEPS, "join 0"]
    assert not list((tmp_path / "out" / ".vidcam" / "parts").iterdir())
    record = next(r for r in made.done if r.name == "film.mp4")
    assert (record.numbers["frames"], record.numbers["explained"]) == (50, 50)
    assert record.numbers["steadiness"] > 0
    assert record.poster
    lines = (tmp_path / "out" / "predictions.csv").read_text().splitlines()
    assert sum(line.startswith("film.mp4,") for line in lines) == 50
    done.clear()
    assert not batch(format="mp4", workers=2).done
    assert not done


def test_one_worker_divides_nothing(film, batch, done, tmp_path):
    batch(str(film), format="mp4", workers=1)
    assert done == ["film.mp4"]


def test_a_part_that_fails_fails_the_file_once_and_stops_its_others(film, batch, clips, done, tmp_path, monkeypatch):
    (clips / "film.mp4").write_bytes(film.read_bytes())

    def broken(film, step, number, **_):
        raise VidcamError(f"{film.source}: no")

    monkeypatch.setattr("vidcam.batch.work.do_step", broken)
    made = batch(format="mp4", workers=2)
    assert [(r.name, r.error) for r in made.failed] == [("film.mp4", "no")]
    assert len(made.done) == 3
    assert len([step for step in done if " " in step]) <= 2
    record = Store(tmp_path / "out").read("film.mp4")
    assert record is not None
    assert record.state == "failed"


def test_a_worker_that_dies_of_a_part_ends_the_run_with_its_name(film, models, tmp_path, monkeypatch):
    class Dying(Inline):
        def result(self, future):
            raise Died("was ended by SIGKILL")

    monkeypatch.setattr(long_clip, "LocalWorker", lambda settings, part: Dying(settings))
    with pytest.raises(VidcamError, match=r"film.mp4, part \d of 3: .*SIGKILL, 2 times"):
        in_parts(film, tmp_path / "a.mp4", models)
    assert not (tmp_path / "a.mp4").exists()


def test_what_is_left_of_a_failed_clip_is_not_wanted(tmp_path):
    film = film_module.Film(tmp_path / "a.mp4", tmp_path, (1, 2), MapOptions(), Look(), MediaOptions())
    films = Films()
    first, *rest = films.begin(film)
    assert films.wanted(rest[0])
    other = film_module.Film(tmp_path / "b.mp4", tmp_path / "b", (1,), MapOptions(), Look(), MediaOptions())
    assert not films.wanted(Piece(other, "explain", 0, None))
    assert [(piece.step, piece.part) for piece in films.follow(first, None)] == [("draw", 0)]
    assert films.done == 1


@pytest.mark.parametrize("looks", [{}, {"normalize": "clip"}, {"target": "clip-top"}])
@pytest.mark.parametrize("workers", [1, 2, 3, 16])
def test_each_step_has_what_it_needs_and_no_worker_waits_without_need(looks, workers, tmp_path):
    maps = MapOptions(**{k: v for k, v in looks.items() if k == "target"})
    look = Look(**{k: v for k, v in looks.items() if k == "normalize"})
    film = film_module.Film(tmp_path / "a.mp4", tmp_path, tuple(range(1, 7)), maps, look, MediaOptions())
    rounds, steps = [], [(step, part) for step in film.steps for part in range(7)]

    class Even:
        """A worker that takes as long for every step; all that are at work end together."""

        tries = 1

        def submit(self, work):
            assert not set(film.needs(work.step, work.part)) & set(steps)
            self.work = work
            return Future()

        def result(self, future):
            steps.remove((self.work.step, self.work.part))
            return future.result()

        def close(self): ...
        def frames(self):
            return 0, None

    def end_of_round(busy, **_):
        rounds.append(len(busy))
        for future in busy:
            future.set_result(None)
        return set(busy), set()

    films, name = Films(), "vidcam.batch.crew.wait"
    with mock.patch(name, end_of_round):
        Crew([Even() for _ in range(workers)], films.begin(film), None, lambda p: None, films).run(lambda: False)
    assert not steps
    assert films.done == films.total == sum(rounds)
    barriers = len(film.steps) if looks.get("normalize") else len(film.steps) - 1
    assert len(rounds) <= max(math.ceil(sum(rounds) / workers) + barriers - 1, len(film.steps))


def test_workers_do_not_go_with_what_is_about_one_process(film, capsys, tmp_path):
    for option in (["--verbose"], ["--from-maps", str(tmp_path / "x.npz")]):
        with pytest.raises(SystemExit) as ended:
            main(["run", str(film), "-o", str(tmp_path / "o.mp4"), "--workers", "2", *option])
        assert ended.value.code == 2
        assert option[0] in capsys.readouterr().err
