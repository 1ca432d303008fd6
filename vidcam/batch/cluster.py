"""Workers on a Ray cluster: actors that hold a model each. Lost processes and nodes are Ray's to replace.

The output folder is on storage that all nodes share; an output's rename makes it count, whichever node does it.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from vidcam.batch.crew import Died
from vidcam.batch.pieces import Outcome, Work
from vidcam.batch.plan import BatchSettings
from vidcam.batch.resources import keep_to, take_core
from vidcam.errors import UsageError, VidcamError

REACH = 10.0
"""Seconds in which a cluster has to answer."""
RETRIES = 1
"""How often Ray has a file worked on again whose actor or node is lost. Calls to a node that is not yet known as lost
count, too; after these an actor somewhere else gets the file."""


class Post:
    """What runs in an actor's process."""

    def __init__(self, settings: BatchSettings) -> None:
        # Ray counts cores and keeps nobody to them: codecs and OpenVINO would take them all.
        keep_to(take_core())
        self._settings = settings
        self._bench: Any = None
        self._frames: tuple[int, int | None] = (0, None)
        self._stopped = False

    def process(self, work: Work) -> Outcome:
        """Works on a file; see `vidcam.batch.work.Bench.process`."""
        from vidcam.batch.work import Bench

        if self._bench is None:
            self._bench = Bench(self._settings)
        self._frames = (0, None)
        outcome: Outcome = self._bench.process(work, self._progress, lambda: self._stopped)
        return outcome

    def frames(self) -> tuple[int, int | None]:
        """Returns how far the file is, while it is being worked on."""
        return self._frames

    def stop(self) -> None:
        """Ends the file at its next frame."""
        self._stopped = True

    def _progress(self, done: int, total: int | None) -> None:
        self._frames = (done, total)


class ClusterWorker:
    """An actor that works on one file after the other.

    Args:
        make: makes the actor's handle.
    """

    tries = 3
    """How many actors get a file that they die of; Ray has tried each again by itself."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._actor = make()
        self._asked: Any = None
        self._frames: tuple[int, int | None] = (0, None)

    def submit(self, work: Work) -> Future[Outcome]:
        """Has a file, or a piece of one, worked on; the one before is done."""
        self._frames, self._asked = (0, None), None
        future: Future[Outcome] = self._actor.process.remote(work).future()
        return future

    def frames(self) -> tuple[int, int | None]:
        """Returns the frames of the file that are done, and expected, as last heard."""
        import ray

        if self._asked is not None and ray.wait([self._asked], timeout=0)[0]:
            try:
                self._frames = ray.get(self._asked)
            except ray.exceptions.RayError:  # it is being replaced
                self._frames = (0, None)
            self._asked = None
        if self._asked is None:
            self._asked = self._actor.frames.options(max_task_retries=0).remote()
        return self._frames

    def result(self, future: Future[Outcome]) -> Outcome:
        """Returns what came of a file whose future is done.

        Raises:
            Died: actors were lost over it again and again.
        """
        import ray

        try:
            return future.result()
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            line = next(iter(str(error).splitlines()), "")
            raise Died(f"was lost ({type(error).__name__}: {line})") from None

    def renew(self) -> None:
        """Takes a new actor."""
        self.close()
        self._actor = self._make()

    def stop(self) -> None:
        """Asks the actor to end its file at the next frame."""
        self._actor.stop.remote()

    def close(self) -> None:
        """Ends the actor, and makes room for one that waits for a node."""
        import ray

        ray.kill(self._actor)


def hire(settings: BatchSettings, jobs: int, workers: int | None, address: str | None) -> Sequence[ClusterWorker]:
    """Connects to a cluster and makes its actors.

    Args:
        settings: what the files have in common.
        jobs: how many files there are.
        workers: how many actors; None for as many as the cluster has cores.
        address: of the cluster; None for the one that is found, or else a new one on this machine.

    Returns:
        The workers, each on a core.

    Raises:
        UsageError: Ray is not installed.
        VidcamError: there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise UsageError("--ray needs Ray; install it with `pip install 'vidcam[ray]'`") from None
    if not ray.is_initialized():
        _connect(ray, address)
    have = int(ray.cluster_resources().get("CPU", 1))
    count = max(1, min(jobs, have if workers is None else workers))
    actor = ray.remote(Post).options(
        num_cpus=1, max_restarts=-1, max_task_retries=RETRIES, max_concurrency=2, runtime_env={}
    )
    return [ClusterWorker(lambda: actor.remote(settings)) for _ in range(count)]


def _connect(ray: Any, address: str | None) -> None:
    """Connects this process to a cluster.

    Raises:
        VidcamError: there is none at the address.
    """
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    before = signal.getsignal(signal.SIGTERM)
    try:
        if port.isdigit():  # Ray itself would wait for minutes
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACH).close()
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise VidcamError(f"--ray {address or ''}: no cluster can be reached ({line})") from None
    finally:
        if threading.current_thread() is threading.main_thread():  # Ray has set one of its own
            signal.signal(signal.SIGTERM, before)
