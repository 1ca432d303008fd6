"""One contestant in a process of its own, which waits for its turn and measures itself. `peers` starts it.

python -m tests.benchmarks.worker NAME FOLDER CORES
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.contestants import CONTESTANTS
from tests.benchmarks.machine import versions
from tests.benchmarks.process import serve


def measure(call: Callable[[Any], Any], batches: list[Any], size: int, seconds: float) -> list[float]:
    """Returns the seconds a frame of each call, at least two; a first one, which finds cold caches, is not counted."""
    call(batches[-1])
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 2 or time.perf_counter() < end:
        batch = batches[len(times) % len(batches)]
        began = time.perf_counter()
        call(batch)
        times.append((time.perf_counter() - began) / size)
    return times


def main() -> None:
    name, folder, cores = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])

    def prepare() -> tuple[dict[str, Any], Callable[[dict[str, Any]], dict[str, Any]]]:
        contestant = CONTESTANTS[name](folder)
        frames = len(np.load(folder / "frames.npy", mmap_mode="r"))

        def answer(question: dict[str, Any]) -> dict[str, Any]:
            call, size = contestant.calls[question["call"]], question["batch"]
            if "file" in question:  # what it gives for the first frames, to be compared
                np.save(question["file"], np.asarray(call(contestant.batch(slice(0, size))), np.float32))
                return {}
            batches = [contestant.batch(slice(start, start + size)) for start in range(0, frames - size + 1, size)]
            return {"times": measure(call, batches, size, question["seconds"])}

        found = versions(contestant.packages)
        return {"calls": list(contestant.calls), "versions": found, "enlarged": contestant.enlarged}, answer

    serve(prepare)


if __name__ == "__main__":
    main()
