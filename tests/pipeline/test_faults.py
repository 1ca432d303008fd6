"""Faults in the middle of a run: the first error is the one reported, threads end, nothing is half-written."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

import vidcam
from tests.clips import make_video, read_frames
from tests.networks import gap_cnn
from vidcam.cam.explainer import explain_together
from vidcam.errors import VidcamError
from vidcam.media.read.video import VideoSource
from vidcam.models import load_model
from vidcam.pipeline import clip as clip_module
from vidcam.pipeline import one_clip
from vidcam.pipeline.stages import Stages, Watch
from vidcam.types import Frame

TIMED = VideoSource._timed


class Broken(Exception):
    """What the tests make stages raise."""


@pytest.fixture(scope="module")
def classifier():
    return load_model(gap_cnn())


@pytest.fixture
def clip(tmp_path):
    return make_video(tmp_path / "clip.mp4", 40, sound=True)


def break_after(count, function):
    calls = []

    def broken(*args, **kwargs):
        calls.append(1)
        if len(calls) > count:
            raise Broken
        return function(*args, **kwargs)

    return broken


def broken_frames(self, frames):
    yield from itertools.islice(TIMED(self, frames), 10)
    raise Broken


def own_threads():
    """The names of vidcam's threads; libraries that a run has loaded keep some of their own."""
    return [t.name for t in threading.enumerate() if t.name.startswith("vidcam")]


@pytest.mark.parametrize("stage", ["decode", "prepare", "explain", "draw", "encode", "callback"])
def test_an_exception_in_any_stage_ends_the_run_and_leaves_nothing(stage, clip, tmp_path, classifier, monkeypatch):
    options = {}
    if stage == "decode":
        monkeypatch.setattr("vidcam.media.read.video.VideoSource._timed", broken_frames)
    elif stage == "prepare":
        monkeypatch.setattr(Frame, "rgb", break_after(10, Frame.rgb))
    elif stage == "explain":
        monkeypatch.setattr("vidcam.pipeline.explain.explain_together", break_after(1, explain_together))
    elif stage == "draw":
        monkeypatch.setattr("vidcam.pipeline.draw.draw_caption", break_after(5, lambda *a, **k: None))
    elif stage == "encode":
        monkeypatch.setattr(one_clip.OutputFiles, "write", break_after(5, one_clip.OutputFiles.write))
    else:
        options["progress"] = break_after(5, lambda *a: None)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(Broken):
        vidcam.run(clip, tmp_path / "out.mp4", model=classifier, predictions=tmp_path / "p.csv", **options)
    assert own_threads() == []
    assert sorted(tmp_path.iterdir()) == before


def test_threads_end_within_a_second_of_an_error():
    def slow():
        for i in range(1000):
            time.sleep(0.01)
            yield i

    def failing(items):
        for i in items:
            if i == 5:
                raise Broken
            yield i

    threads = threading.active_count()
    with pytest.raises(Broken), Stages() as stages:
        list(stages.overlap(failing(stages.overlap(slow(), 2, "slow")), 2, "failing"))
    began = time.monotonic()
    while threading.active_count() > threads and time.monotonic() - began < 10:  # a busy machine takes its time
        time.sleep(0.01)
    assert threading.active_count() == threads


def test_a_slow_consumer_keeps_the_queues_bounded_and_the_order():
    made = []

    def numbers():
        for i in range(50):
            made.append(i)
            yield i

    seen = []
    with Stages() as stages:
        for i in stages.overlap(numbers(), 3, "fast"):
            time.sleep(0.001)
            seen.append(i)
            assert len(made) - len(seen) <= 5
    assert seen == list(range(50))


def test_a_stage_that_hangs_is_given_up(monkeypatch):
    release = threading.Event()

    def hanging():
        yield 1
        release.wait(30)

    with pytest.raises(VidcamError, match="no progress"), Stages() as stages:
        list(stages.overlap(hanging(), 2, "hanging", Watch(lambda: 0, "no progress", seconds=0.3)))
    assert stages.hung
    release.set()


def test_an_error_during_a_decoders_hang_does_not_wait_for_it(monkeypatch):
    monkeypatch.setattr("vidcam.pipeline.stages._STUCK", 0.2)
    held, hangs = threading.Event(), threading.Event()

    def decoder():
        yield 1
        hangs.set()
        held.wait()

    def consume():
        with Stages() as reading, Stages() as working:
            ahead = reading.overlap(decoder(), 1, "decode", Watch(lambda: 0, "no progress", seconds=1e9))
            next(working.overlap((2 * n for n in ahead), 1, "work"))
            hangs.wait()
            raise Broken("of the consumer")

    said = []

    def run():
        try:
            consume()
        except Broken as error:
            said.append(str(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    held.set()
    assert said == ["of the consumer"]


def test_work_that_shows_a_pulse_is_waited_for():
    ticks = [0]

    def slow():
        for _ in range(12):
            time.sleep(0.05)
            ticks[0] += 1
        yield 1

    with Stages() as stages:
        items = stages.overlap(slow(), 2, "slow", Watch(lambda: ticks[0], "no progress", seconds=0.3))
        assert list(items) == [1]


def test_a_source_that_hangs_is_an_error_that_names_it(clip, tmp_path, classifier, monkeypatch):
    release = threading.Event()

    def hanging(self, frames):
        yield from TIMED(self, frames)
        release.wait(30)

    def watch(pulse, message):
        return Watch(pulse, message, seconds=0.3 if "reading" in message else 30)

    monkeypatch.setattr(VideoSource, "_timed", hanging)
    monkeypatch.setattr(clip_module, "Watch", watch)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(VidcamError, match=r"clip\.mp4: reading it makes no progress"):
        vidcam.run(clip, tmp_path / "out.mp4", model=classifier)
    release.set()
    assert sorted(tmp_path.iterdir()) == before


def test_a_source_that_hangs_while_it_is_opened_is_given_up(clip, tmp_path, classifier, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(one_clip, "open_source", lambda *a, **k: release.wait(30))
    monkeypatch.setattr(clip_module, "Watch", lambda pulse, message: Watch(pulse, message, seconds=0.3))
    with pytest.raises(VidcamError, match=r"clip\.mp4: opening it makes no progress"):
        vidcam.run(clip, tmp_path / "out.mp4", model=classifier)
    release.set()


def test_an_interrupted_run_leaves_nothing_where_asked(clip, tmp_path, classifier):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(vidcam.Interrupted, match="nothing was written"):
        vidcam.run(clip, tmp_path / "out.mp4", model=classifier, cancelled=lambda: True, partial_output=False)
    assert sorted(tmp_path.iterdir()) == before


def test_two_runs_on_one_output_leave_one_whole_file(clip, tmp_path, classifier):
    outcomes = []

    def attempt():
        try:
            outcomes.append(vidcam.run(clip, tmp_path / "out.mp4", model=classifier).frames)
        except VidcamError as error:
            outcomes.append(str(error))

    runs = [threading.Thread(target=attempt) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert 40 in outcomes
    assert len(read_frames(tmp_path / "out.mp4")[0]) == 40
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]
