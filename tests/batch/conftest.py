"""A batch whose workers are this process: everything but the processes is real."""

from __future__ import annotations

import functools
from concurrent.futures import Future
from pathlib import Path

import pytest
from PIL import Image

from tests.clips import clip_pictures, make_gif, make_video
from tests.networks import gap_cnn
from vidcam.batch import many_clips
from vidcam.batch.plan import BatchSettings, Job
from vidcam.batch.records import Record
from vidcam.batch.work import Bench


class Inline:
    """A worker that works when it is asked, in this process."""

    tries = 2

    def __init__(self, settings: BatchSettings) -> None:
        self._bench = Bench(settings)

    def submit(self, job: Job) -> Future[Record]:
        future: Future[Record] = Future()
        try:
            future.set_result(self._bench.process(job, lambda done, total: None, lambda: False))
        except Exception as error:
            future.set_exception(error)
        return future

    def frames(self) -> tuple[int, int | None]:
        return 0, None

    def result(self, future: Future[Record]) -> Record:
        return future.result()

    def renew(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """A folder of two small models, three classes and two."""
    folder = tmp_path_factory.mktemp("models")
    gap_cnn().save(folder / "m.keras")
    gap_cnn(classes=2).save(folder / "two.keras")
    return folder


@pytest.fixture
def clips(tmp_path) -> Path:
    """A folder of a video, a GIF and a still, in two levels."""
    folder = tmp_path / "clips"
    (folder / "sub").mkdir(parents=True)
    make_video(folder / "a.mp4", 30)
    make_gif(folder / "sub" / "b.gif")
    Image.fromarray(clip_pictures(1)[0]).save(folder / "sub" / "c.jpg")
    return folder


@pytest.fixture
def batch(clips, models, tmp_path, monkeypatch):
    """`run_batch` of the clips with a small model into `tmp_path / "out"`, options as they are given."""
    monkeypatch.setattr(many_clips, "LocalWorker", lambda settings, part: Inline(settings))
    options = {"outdir": tmp_path / "out", "model": models / "m.keras", "recursive": True, "workers": 1}
    return lambda *inputs, **more: functools.partial(many_clips.run_batch, inputs or [clips], **options)(**more)
