"""Workers on this machine: processes of the standard library's pool, each with its own model and share of the cores.

Each worker is a pool of one process. A process that dies takes nothing with it but the file it was working on, and
which file that was is known.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from vidcam.batch.crew import Died
from vidcam.batch.pieces import Outcome, Work
from vidcam.batch.plan import BatchSettings
from vidcam.batch.resources import keep_to

if TYPE_CHECKING:
    from vidcam.batch.work import Bench

_CONTEXT = multiprocessing.get_context("spawn")
_PDEATHSIG = 1


class LocalWorker:
    """A process that works on one file after the other; a new one takes its place when it dies.

    Args:
        settings: what the files have in common.
        part: the cores it runs on.
    """

    tries = 2
    """How often a file is worked on that a worker dies of."""

    def __init__(self, settings: BatchSettings, part: list[int]) -> None:
        self._settings = settings
        self._part = part
        self._frames: tuple[int, int | None] = (0, None)
        self._process: BaseProcess | None = None
        self._open()

    def _open(self) -> None:
        self._line, theirs = _CONTEXT.Pipe()
        self._pool = ProcessPoolExecutor(
            1, mp_context=_CONTEXT, initializer=_begin, initargs=(theirs, self._settings, self._part)
        )
        self._theirs = theirs

    def submit(self, work: Work) -> Future[Outcome]:
        """Has a file, or a piece of one, worked on; the one before is done."""
        self._frames = (0, None)
        try:
            return self._submit(work)
        except BrokenProcessPool:  # it has died with nothing to do
            self.renew()
            return self._submit(work)

    def _submit(self, work: Work) -> Future[Outcome]:
        before = set(multiprocessing.active_children())
        future = self._pool.submit(_process, work)
        if self._process is None:  # the first file starts it
            self._process = next(iter(set(multiprocessing.active_children()) - before), None)
        return future

    def frames(self) -> tuple[int, int | None]:
        """Returns the frames of the file that are done, and expected."""
        with contextlib.suppress(OSError, EOFError):
            while self._line.poll():
                self._frames = self._line.recv()
        return self._frames

    def result(self, future: Future[Outcome]) -> Outcome:
        """Returns what came of a file whose future is done.

        Raises:
            Died: the worker's process has ended.
        """
        try:
            return future.result()
        except BrokenProcessPool:
            if self._process is not None:
                wait([self._process.sentinel], timeout=5.0)
                self._process.kill()  # it ignores what the pool would end it with
            self._pool.shutdown(wait=True)  # the pool has asked for its exit code, which can be had once
            raise Died(_how(self._process)) from None

    def renew(self) -> None:
        """Takes a new process, after the last one died."""
        self.close()
        self._open()

    def stop(self) -> None:
        """Asks the worker to end its file at the next frame."""
        with contextlib.suppress(OSError):
            self._line.send("stop")

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._line.close()
        self._theirs.close()
        self._process = None


def _how(process: BaseProcess | None) -> str:
    """Says how a process has ended."""
    if process is None:
        return "ended while it was starting"
    code = process.exitcode
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was ended by {name}" + ("; was there too little memory?" if -code == signal.SIGKILL else "")


class _Post:
    """Where the worker's process has its bench and its line to the one that started it."""

    def __init__(self, line: Connection[Any, Any], settings: BatchSettings) -> None:
        self._line = line
        self._settings = settings
        self._bench: Bench | None = None
        self._stopped = False
        self._told = 0

    def process(self, work: Work) -> Outcome:
        from vidcam.batch.work import Bench

        if self._bench is None:
            self._bench = Bench(self._settings)
        self._told = 0
        return self._bench.process(work, self._progress, self._cancelled)

    def _progress(self, done: int, total: int | None) -> None:
        if done == 1 or done - self._told >= 8:  # nobody reads more often
            self._told = done
            with contextlib.suppress(OSError):
                self._line.send((done, total))

    def _cancelled(self) -> bool:
        if not self._stopped and self._line.poll():
            self._stopped = True
        return self._stopped


_post: _Post | None = None


def _begin(line: Connection[Any, Any], settings: BatchSettings, part: list[int]) -> None:
    """Runs in the new process before anything heavy is loaded."""
    global _post  # noqa: PLW0603 - a pool's processes keep what they need so
    # These reach every process of a terminal or a job; the one that started this one decides what they mean.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _follow_parent()
    keep_to(part)
    _post = _Post(line, settings)


def _process(work: Work) -> Outcome:
    assert _post is not None
    return _post.process(work)


def _follow_parent() -> None:
    """Ends this process when the one that started it ends, however that ends."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    if sys.platform == "linux":  # also where a library holds the interpreter's lock
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="vidcam-parent", daemon=True).start()
