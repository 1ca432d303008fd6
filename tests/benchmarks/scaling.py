"""What a long film takes on so many cores: the crew that hands out parts, with a clock that is made up.

    python -m tests.benchmarks.scaling [VIDEO] [--model NAME] [--weights FILE] [--costs START WHOLE EXPLAIN DRAW JOIN]

The processor seconds that a step takes are measured on the video, here, on one core (or given by `--costs`, the last
four a second of the film). Then `vidcam.batch.crew` deals out the parts of films of several lengths to workers that
take just as long, a core each: which part is done when is what it would be, only nothing is computed. Disks, the
network and the memory's bandwidth are taken to be no limit.
"""

from __future__ import annotations

import argparse
import functools
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest import mock

from tests.benchmarks.machine import VIDEO, cores, machine
from tests.benchmarks.process import QUIET, ROOT
from vidcam.batch import crew as crews
from vidcam.batch.pieces import Films, Piece
from vidcam.cam.options import MapOptions
from vidcam.media.options import MediaOptions
from vidcam.pipeline.film import LENGTH, Film
from vidcam.render import Look

WORKERS = (1, 2, 4, 8, 16, 32, 64)
MINUTES = (2, 5, 10, 30, 60, 120)


@dataclass(frozen=True)
class Costs:
    """Processor seconds: of a worker's start; and, a second of the film, of a whole run, the two steps, and joining."""

    start: float
    whole: float
    explain: float
    draw: float
    join: float


class Clock:
    """A time that jumps to where the next worker is done."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ends: dict[Future[Any], float] = {}

    def wait(self, busy: Iterable[Future[Any]], **_: Any) -> tuple[set[Future[Any]], set[Future[Any]]]:
        first = min(busy, key=self.ends.__getitem__)
        self.now = self.ends.pop(first)
        first.set_result(None)
        return {first}, set()


class Worker:
    """Takes as long for a step as it costs."""

    tries = 1

    def __init__(self, clock: Clock, costs: Costs, length: float) -> None:
        self._clock, self._costs, self._length = clock, costs, length
        self._start = costs.start

    def submit(self, work: Piece) -> Future[Any]:
        future: Future[Any] = Future()
        begin, end = work.film.parts[work.part]
        each = self._costs.explain if work.step == "explain" else self._costs.draw
        seconds = float((end or self._length) - begin) * each
        self._clock.ends[future], self._start = self._clock.now + self._start + seconds, 0.0
        return future

    def frames(self) -> tuple[int, int | None]:
        return 0, None

    def result(self, future: Future[Any]) -> Any:
        return future.result()

    def renew(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


def seconds(length: float, workers: int, costs: Costs) -> float:
    """Returns the seconds that a film of so many seconds takes with so many workers."""
    if workers == 1:
        return costs.start + length * costs.whole
    count = max(1, math.floor(length / float(LENGTH)))
    points = tuple(Fraction(length) * part / count for part in range(1, count))
    with tempfile.TemporaryDirectory() as folder:
        film = Film(Path("film.mp4"), Path(folder), points, MapOptions(), Look(), MediaOptions())
        films, clock = Films(), Clock()
        team = [Worker(clock, costs, length) for _ in range(min(workers, count))]
        with mock.patch.object(crews, "wait", clock.wait):
            crews.Crew(team, films.begin(film), _never, lambda progress: None, films).run(lambda: False)
    return clock.now + length * costs.join


def _never(work: Any, how: str) -> Any:
    raise AssertionError(f"{work}: {how}")


def processor(do: Callable[[], Any]) -> float:
    """Returns the processor seconds that this process takes for something."""
    before = time.process_time()
    do()
    return time.process_time() - before


def measure(video: Path, model: list[str], folder: Path) -> Costs:
    """Measures a video's steps in processes of one core."""
    from vidcam.media import open_source

    with open_source(video) as source:
        info = source.info
    length = info.duration or 1.0
    command = [
        sys.executable,
        "-m",
        "vidcam",
        "run",
        str(video),
        *model,
        "-q",
        "--overwrite",
        "-o",
        str(folder / "o.mp4"),
    ]
    times = []
    for more in (["--end", "0.01"], ["--end", "0.01"], []):  # the first builds the graph
        before = os.times()
        subprocess.run([*command, *more], check=True, env={**os.environ, **QUIET, "PYTHONPATH": str(ROOT)})
        after = os.times()
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
    _, start, whole = times
    film = Film(video.absolute(), folder / "parts", (), MapOptions(), Look(), MediaOptions())
    steps = steps_of(film, model, folder / "joined.mp4")
    return Costs(start, (whole - start) / length, *(seconds / length for seconds in steps))


def steps_of(film: Film, model: list[str], out: Path) -> list[float]:
    """Returns the processor seconds of explaining and drawing all parts, and of joining them; the model is loaded."""
    from vidcam.cam.clips import explainer_for
    from vidcam.models import load_model
    from vidcam.pipeline.parts import do_step, join

    film.folder.mkdir()
    names = dict(zip(model[::2], model[1::2], strict=True))
    named = {"model": names["--model"], "weights": names.get("--weights")} if "--model" in names else {}
    classifier, make = load_model(**named), functools.cache(explainer_for)

    def do(step: str) -> None:
        for part in range(len(film.parts)):
            do_step(
                film,
                step,
                part,
                classifier=classifier,
                make=make,
                progress=lambda done, total: None,
                cancelled=lambda: False,
            )

    do("explain")
    return [processor(lambda: do("explain")), processor(lambda: do("draw")), processor(lambda: join(film, out))]


def table(costs: Costs) -> list[str]:
    """Returns the seconds of each film on so many cores, and the times faster than one worker."""
    lines = ["| film | parts | " + " | ".join(f"{n} core{'s' * (n > 1)}" for n in WORKERS) + " |"]
    lines.append("|---" * (2 + len(WORKERS)) + "|")
    for minutes in MINUTES:
        found = [seconds(60.0 * minutes, workers, costs) for workers in WORKERS]
        cells = [f"{s:.0f} s ({found[0] / s:.1f})" for s in found]
        lines.append(f"| {minutes} min | {math.floor(60 * minutes / LENGTH)} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?", default=VIDEO)
    parser.add_argument("--model")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--costs", type=float, nargs=5, metavar=("START", "WHOLE", "EXPLAIN", "DRAW", "JOIN"))
    given = parser.parse_args()
    model = [
        *(["--model", given.model] if given.model else []),
        *(["--weights", str(given.weights)] if given.weights else []),
    ]
    if given.costs:
        costs = Costs(*given.costs)
    else:
        print(machine(cores()))
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
        with tempfile.TemporaryDirectory() as name:
            costs = measure(given.video, model, Path(name))
    print(f"start {costs.start:.2f} s; a second of the film: whole {costs.whole:.3f}, explain {costs.explain:.3f}, "
          f"draw {costs.draw:.3f}, join {costs.join:.4f} s\n")  # fmt: skip
    print("\n".join(table(costs)))


if __name__ == "__main__":
    main()
