"""What this machine has to spare, as this process may use it, and how work is kept to a part of it."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from itertools import pairwise
from pathlib import Path

from vidcam._machine import lines, usable

MEMORY = 1.5 * 2**30
"""Bytes that a worker is reckoned with: TensorFlow, a network and a clip in the works."""
ANOTHER = 0.5 * 2**30
"""Bytes more for each further model."""
_THREADS = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")
_taken: list[int] = []
"""Open files whose locks say which cores this process has taken."""


def memory() -> float:
    """Returns the bytes of memory that are free; infinite where that cannot be found out."""
    free = math.inf
    for line in lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            free = 1024.0 * int(line.split()[1])
    limit, used = (_number(Path(f"/sys/fs/cgroup/memory.{name}")) for name in ("max", "current"))
    return min(free, max(0.0, limit - used)) if math.isfinite(limit) and math.isfinite(used) else free


def default_workers(jobs: int, models: int = 1) -> int:
    """Returns how many workers are best for so many jobs and models: one a core, as memory allows, at least one."""
    each = MEMORY + (models - 1) * ANOTHER
    return max(1, min(len(usable()), int(min(memory() / each, 2**20)), jobs))


def limit_threads(count: int) -> None:
    """Has libraries that are not loaded yet use so many threads each in this process."""
    for name in _THREADS:
        os.environ[name] = str(count)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as the command line has it


def keep_to(part: list[int]) -> None:
    """Keeps this process, with the threads that it has already, to some of the cores.

    Every library that is loaded from now on sees no others.
    """
    limit_threads(len(part))
    if hasattr(os, "sched_setaffinity"):
        threads = [int(path.name) for path in Path("/proc/self/task").glob("*")] or [0]
        for thread in threads:
            with contextlib.suppress(OSError):  # it has just ended
                os.sched_setaffinity(thread, part)


def take_core() -> list[int]:
    """Takes a core that no other process of this user on this machine has taken so; it is free when the process ends.

    Returns:
        The core; one that is shared where all are taken, or where the system has no such locks.
    """
    have = usable()
    try:
        import fcntl
    except ImportError:  # Windows
        return have[:1]
    folder = Path(tempfile.gettempdir()) / f"vidcam-cores-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for core in have:
        file = os.open(folder / str(core), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
        else:
            _taken.append(file)  # held as long as it is open
            return [core]
    return [have[os.getpid() % len(have)]]


def share_cores(count: int) -> list[list[int]]:
    """Divides the cores among workers: as many for each, or one less; where there are more workers, they share."""
    have = usable()
    if count >= len(have):
        return [[have[i % len(have)]] for i in range(count)]
    edges = [round(i * len(have) / count) for i in range(count + 1)]
    return [have[a:b] for a, b in pairwise(edges)]


def _number(path: Path) -> float:
    text = "".join(lines(path)[:1]).strip()
    return float(text) if text.isdigit() else math.inf
