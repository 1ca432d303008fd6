"""How jobs are handed to workers, wherever these run, until all are done or somebody wants the batch to stop."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Protocol

from vidcam.batch.pieces import Films, Outcome, Piece, Work
from vidcam.batch.records import Record
from vidcam.errors import Interrupted

TICK = 0.2
"""Seconds between two looks at how far the workers are."""
GRACE = 10.0
"""Seconds that workers get to end their files in when the batch is stopped."""


class Died(Exception):  # noqa: N818 - what ended stands in the message
    """A worker has ended in the middle of a file. Its text says how."""


class Worker(Protocol):
    """Works on one file at a time, in another process.

    Attributes:
        tries: how often a file is worked on that the worker dies of.
    """

    @property
    def tries(self) -> int: ...

    def submit(self, work: Work) -> Future[Outcome]:
        """Has a file, or a piece of one, worked on; the one before is done."""

    def frames(self) -> tuple[int, int | None]:
        """Returns the frames of the file that are done, and expected."""

    def result(self, future: Future[Outcome]) -> Outcome:
        """Returns what came of work; raises `Died`, `Interrupted` or `vidcam.batch.work.Unusable`."""

    def renew(self) -> None:
        """Has another process take the place of one that died."""

    def stop(self) -> None:
        """Asks for the file to be ended at the next frame."""

    def close(self) -> None:
        """Ends the worker, whatever it is doing."""


@dataclass(frozen=True, slots=True)
class Current:
    """A file in the works: its name, and the frames done and expected."""

    name: str
    done: int
    total: int | None


@dataclass(slots=True)
class BatchProgress:
    """How far a batch is.

    Attributes:
        total: files to be done.
        records: of those that are done or failed, in the order in which they were.
        frames: that were explained.
        current: the files in the works.
    """

    total: int
    records: list[Record] = field(default_factory=list)
    frames: int = 0
    current: list[Current] = field(default_factory=list)


@dataclass(slots=True)
class _Task:
    work: Work
    deaths: int = 0


class Crew:
    """Workers and the jobs that wait for them.

    Args:
        workers: at least one.
        jobs: in the order they are begun in.
        failed: makes and keeps the record of work that its worker has died of, and how.
        watch: called again and again with how far the batch is.
        films: the long clips of which there are pieces among the jobs already.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        jobs: Sequence[Work],
        failed: Callable[[Work, str], Record],
        watch: Callable[[BatchProgress], None],
        films: Films | None = None,
    ) -> None:
        self._idle = list(workers)
        self._waiting = deque(_Task(work) for work in jobs)
        self._busy: dict[Future[Outcome], tuple[Worker, _Task]] = {}
        self._failed = failed
        self._watch = watch
        self._films = films or Films()
        self.progress = BatchProgress(len(jobs))

    def run(self, cancelled: Callable[[], bool]) -> bool:
        """Works until all is done.

        Args:
            cancelled: asked again and again; True ends the batch at the files' next frames.

        Returns:
            Whether the batch was ended so.

        Raises:
            vidcam.batch.work.Unusable: no file can be done.
        """
        try:
            while self._waiting or self._busy:
                if cancelled():
                    self._stop()
                    return True
                self._hand_out()
                done, _ = wait(self._busy, timeout=TICK, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(future)
                self._show()
            return False
        finally:
            for worker in [*self._idle, *(worker for worker, _ in self._busy.values())]:
                worker.close()

    def _hand_out(self) -> None:
        while self._idle and self._waiting:
            task = self._waiting.popleft()
            if self._films.wanted(task.work):
                worker = self._idle.pop()
                self._busy[worker.submit(task.work)] = worker, task
        if self._waiting or any(self._films.leads_on(task.work) for _, task in self._busy.values()):
            return
        # One that has nothing more to do makes room for those that have.
        while self._idle:
            self._idle.pop().close()

    def _take(self, future: Future[Outcome]) -> None:
        worker, task = self._busy[future]
        outcome: Outcome = None
        more: list[Piece] = []
        wanted = self._films.wanted(task.work)
        try:
            outcome = worker.result(future)
            more = self._films.follow(task.work, outcome)
        except Died as error:
            task.deaths += 1
            worker.renew()
            if task.deaths < worker.tries:
                self._waiting.appendleft(task)
            else:
                times = f", {task.deaths} times" if task.deaths > 1 else ""
                outcome = self._failed(task.work, f"the worker that had it {error}{times}")
                self._films.follow(task.work, outcome)
        except Interrupted:
            pass
        del self._busy[future]
        self._idle.append(worker)
        self._put(more)
        if isinstance(outcome, Record) and wanted:
            self.progress.records.append(outcome)
            self.progress.frames += outcome.numbers.get("explained", 0) if outcome.state == "done" else 0

    def _put(self, more: Sequence[Piece]) -> None:
        """Has pieces of a clip wait behind those of it that others wait for, and before all else."""
        own = {piece.film.folder for piece in more}
        places = (i for i, t in enumerate(self._waiting, 1) if isinstance(t.work, Piece) and t.work.film.folder in own)
        place = max(places, default=0)
        for piece in reversed(more):
            self._waiting.insert(place, _Task(piece))

    def _stop(self) -> None:
        for worker, _ in self._busy.values():
            worker.stop()
        until = time.monotonic() + GRACE
        while self._busy and time.monotonic() < until:
            done, _ = wait(self._busy, timeout=TICK, return_when=FIRST_COMPLETED)
            for future in done:
                self._take(future)
        self._show()

    def _show(self) -> None:
        self.progress.current = [Current(t.work.name, *w.frames()) for w, t in self._busy.values()]
        self._watch(self.progress)
