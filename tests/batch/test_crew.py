"""Jobs and workers: what happens to a file when its worker dies, and to the others; stopping."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest

from vidcam.batch.crew import Crew, Died
from vidcam.batch.inputs import Input
from vidcam.batch.plan import BatchSettings, Job
from vidcam.batch.records import Record
from vidcam.cam.options import MapOptions
from vidcam.errors import Interrupted
from vidcam.media.options import MediaOptions
from vidcam.render import Look

SETTINGS = BatchSettings("gif", ({},), MapOptions(), Look(), MediaOptions(), None)


def jobs(*names: str) -> list[Job]:
    return [Job(Input(Path(f"/{n}"), n), Path("/out"), SETTINGS, {}) for n in names]


class Scripted:
    """A worker whose files end as a script says: `done`, `died`, or `hang` until it is stopped."""

    def __init__(self, script: dict[str, list[str]], tries: int = 2) -> None:
        self.tries = tries
        self.script = script
        self.log: list[str] = []
        self.running: Future[Record] | None = None

    def submit(self, job: Job) -> Future[Record]:
        future: Future[Record] = Future()
        name = job.input.name
        self.log.append(name)
        end = self.script[name].pop(0) if self.script.get(name) else "done"
        if end == "done":
            future.set_result(Record(name, "", "done", numbers={"explained": 5}))
        elif end == "hang":
            self.running = future
        else:
            future.set_exception(Died(end))
        return future

    def frames(self) -> tuple[int, int | None]:
        return 1, 2

    def result(self, future: Future[Record]) -> Record:
        return future.result()

    def renew(self) -> None:
        self.log.append("renewed")

    def stop(self) -> None:
        self.log.append("stopped")
        if self.running is not None:
            self.running.set_exception(Interrupted("by the test"))

    def close(self) -> None:
        self.log.append("closed")


def failed(job: Job, error: str) -> Record:
    return Record(job.input.name, "", "failed", error=error)


def outcome(crew: Crew) -> dict[str, str]:
    return {r.name: r.error or r.state for r in crew.progress.records}


def test_a_file_whose_worker_died_is_tried_once_more_and_the_others_are_done():
    worker = Scripted({"b": ["was ended by SIGKILL"]})
    crew = Crew([worker], jobs("a", "b", "c"), failed, lambda p: None)
    assert not crew.run(lambda: False)
    assert outcome(crew) == {"a": "done", "b": "done", "c": "done"}
    assert worker.log == ["a", "b", "renewed", "b", "c", "closed"]
    assert crew.progress.frames == 15


def test_a_file_that_workers_die_of_is_marked_and_the_others_are_done():
    worker = Scripted({"b": ["x", "was ended by SIGSEGV", "never"]})
    crew = Crew([worker], jobs("a", "b", "c"), failed, lambda p: None)
    crew.run(lambda: False)
    assert outcome(crew) == {"a": "done", "b": "the worker that had it was ended by SIGSEGV, 2 times", "c": "done"}
    assert worker.log.count("b") == 2


def test_workers_that_try_again_by_themselves_are_believed_at_once():
    crew = Crew([Scripted({"a": ["was lost"]}, tries=1)], jobs("a", "b"), failed, lambda p: None)
    crew.run(lambda: False)
    assert outcome(crew) == {"a": "the worker that had it was lost", "b": "done"}


def test_a_worker_with_nothing_to_do_makes_room():
    # A lost actor may be waiting for this one's core.
    a, b = (Scripted({"1": ["hang"], "2": ["hang"]}) for _ in range(2))
    seen = []

    def watch(progress):
        seen.append((a.log[:], b.log[:]))
        for worker in (a, b):
            if worker.running is not None and not worker.running.done() and len(seen) > (2 if worker is a else 5):
                worker.running.set_result(Record("x", "", "done", numbers={"explained": 1}))

    Crew([a, b], jobs("1", "2"), failed, watch).run(lambda: False)
    assert any("closed" in x and "closed" not in y for x, y in seen)
    assert a.log[-1] == b.log[-1] == "closed"


def test_a_stopped_batch_asks_for_its_files_to_end_and_begins_no_other():
    worker = Scripted({"b": ["hang"]})
    asked = []
    crew = Crew([worker], jobs("a", "b", "c"), failed, lambda p: None)
    assert crew.run(lambda: asked.append(1) or worker.running is not None)
    assert outcome(crew) == {"a": "done"}
    assert worker.log == ["a", "b", "stopped", "closed"]


def test_workers_are_closed_when_the_one_who_watches_fails():
    worker = Scripted({})

    def broken(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Crew([worker], jobs("a", "b"), failed, broken).run(lambda: False)
    assert worker.log[-1] == "closed"
