"""What a run costs: the time of each stage, how busy the cores were, the memory."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from vidcam._machine import cores

T = TypeVar("T")
STAGES = ("decode", "prepare", "explain", "draw", "encode")
_SAMPLE = 0.1
"""Seconds between two looks at the processor time."""
_FULL = 0.9
"""Of what all cores can do, the share from which on they count as busy."""


@dataclass(frozen=True, slots=True)
class Timings:
    """What a run took, from the moment when the model was ready; several passes count together.

    Attributes:
        frames: pictures written.
        seconds: wall time.
        cpu: processor seconds of all threads.
        cores: processors that this process may use.
        full: share of the wall time in which the process used at least 90 % of them; None for a run of a moment.
        wall: of each stage the seconds in which it was at work.
        own_cpu: of each stage the processor seconds of its own thread; libraries' threads are in `cpu` alone.
        peak_memory: the process's largest so far in bytes, None where the system does not say.
        fps: pictures a second of the video, None where it does not say.
    """

    frames: int
    seconds: float
    cpu: float
    cores: int
    full: float | None
    wall: dict[str, float]
    own_cpu: dict[str, float]
    peak_memory: int | None
    fps: float | None = None


class Meter:
    """Measures a run's stages; without `on` it does nothing.

    A context manager. Each stage is measured in one thread.

    Args:
        on: whether anything is measured.
    """

    def __init__(self, on: bool) -> None:
        self._on = on
        self._wall = dict.fromkeys(STAGES, 0.0)
        self._cpu = dict.fromkeys(STAGES, 0.0)
        self._samples: list[float] = []
        self._stop = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="vidcam-meter", daemon=True)
        self._began = self._cpu_began = 0.0

    def begin(self) -> None:
        """Begins to count: the model is ready."""
        if self._on:
            self._began, self._cpu_began = time.perf_counter(), time.process_time()
            self._sampler.start()

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Measures the work of a stage in the block."""
        return self._measured(name) if self._on else nullcontext()

    def each(self, items: Iterable[T], name: str) -> Iterator[T]:
        """Yields items and measures what it takes to make them."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def timings(self, frames: int, fps: float | None) -> Timings | None:
        """Returns what was measured so far, for so many pictures of so many a second; None where nothing was."""
        if not self._on:
            return None
        return Timings(
            frames=frames,
            seconds=time.perf_counter() - self._began,
            cpu=time.process_time() - self._cpu_began,
            cores=cores(),
            full=sum(s >= _FULL for s in self._samples) / len(self._samples) if self._samples else None,
            wall=dict(self._wall),
            own_cpu=dict(self._cpu),
            peak_memory=peak_memory(),
            fps=fps,
        )

    @contextmanager
    def _measured(self, name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self._wall[name] += time.perf_counter() - wall
            self._cpu[name] += time.thread_time() - cpu

    def _sample(self) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        while not self._stop.wait(_SAMPLE):
            now, used = time.perf_counter(), time.process_time()
            self._samples.append((used - cpu) / ((now - wall) * cores()))
            wall, cpu = now, used

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()


def peak_memory() -> int | None:
    """Returns the most memory that this process has held so far in bytes, None where the system does not say."""
    try:  # Linux; getrusage's figure begins with that of the process that started this one
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
