"""How much of the machine a run uses: the stages overlapped against the same stages one after another.

    python -m tests.benchmarks.pipeline VIDEO [--model NAME] [--weights FILE] [--engine NAME] [--rounds N] [--end S]

All are `vidcam.run` with the same options and functions, in one process, interleaved, after a first run that builds
the graph. In the serial runs every stage hands its items on in the calling thread instead of through a queue.

- *one after another*: the decoder and the encoder have no threads of their own, so that what they do is done when their
  call returns, and no stage works while another does. The engine has its threads as always.
- *the same, libraries' threads*: decoder and encoder as in a run; they go on in the background while the loop goes on.
- *overlapped*: a run.

The processor time of the first, divided by the cores, is the least that any order of these stages could take.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import vidcam
from tests.benchmarks.machine import cores, machine
from vidcam.media.read import video
from vidcam.media.write import mp4
from vidcam.pipeline.meter import STAGES, Timings
from vidcam.pipeline.stages import Stages


def serially(self: Stages, items: Any, ahead: int, name: str, watch: Any = None) -> Any:
    """What `Stages.overlap` would be without threads."""
    return iter(items)


KINDS = ("one after another", "the same, libraries' threads", "overlapped")


def measure(run: Callable[[], vidcam.Result], kind: str) -> Timings:
    """Runs once and returns what it took."""
    with ExitStack() as stack:
        if kind != "overlapped":
            stack.enter_context(mock.patch.object(Stages, "overlap", serially))
        if kind == "one after another":
            stack.enter_context(mock.patch.object(video, "THREADS", 1))
            stack.enter_context(mock.patch.object(mp4, "THREADS", 1))
        result = run()
    assert result.timings is not None
    return result.timings


def ms(seconds: float, timings: Timings) -> float:
    """Returns milliseconds a frame."""
    return 1000 * seconds / timings.frames


def main() -> None:
    """Prints the table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--model", default="mobilenet_v2")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--end", type=float, help="seconds of the video to take")
    parser.add_argument("--preset")
    parser.add_argument("--batch-size", type=int)
    options = parser.parse_args()
    classifier = vidcam.load_model(options.model, weights=options.weights)
    made: dict[str, vidcam.Explainer] = {}

    def explainer(*args: Any, **kwargs: Any) -> vidcam.Explainer:
        if "one" not in made:
            made["one"] = vidcam.Explainer(*args, **{**kwargs, "engine": options.engine})
        return made["one"]

    chosen = {} if options.batch_size is None else {"batch_size": options.batch_size}
    with tempfile.TemporaryDirectory() as folder:
        run = partial(
            vidcam.run,
            options.video,
            Path(folder) / "out.mp4",
            model=classifier,
            make_explainer=explainer,
            end=options.end,
            preset=options.preset,
            overwrite=True,
            measure=True,
            **chosen,
        )
        run()
        rounds = [[measure(run, kind) for kind in KINDS] for _ in range(options.rounds)]
    print(machine(cores()))
    show(rounds)


def show(rounds: list[list[Timings]]) -> None:
    """Prints the medians of what each round measured of each kind, and those of the ratios inside a round."""
    print(f"{'ms a frame':<30}" + "".join(f"{s:>9}" for s in STAGES) + "     wall      CPU  all cores busy")
    for kind, runs in zip(KINDS, zip(*rounds, strict=True), strict=True):
        stages = "".join(f"{median(ms(t.wall[s], t) for t in runs):9.2f}" for s in STAGES)
        wall, cpu = median(ms(t.seconds, t) for t in runs), median(ms(t.cpu, t) for t in runs)
        full = 100 * median(t.full or 0.0 for t in runs)
        print(f"{kind:<30}{stages}{wall:9.2f}{cpu:9.2f}{full:12.0f} %")
    alone = median(a.seconds / c.seconds for a, _, c in rounds)
    background = median(b.seconds / c.seconds for _, b, c in rounds)
    bound = median(c.seconds / (a.cpu / c.cores) for a, _, c in rounds)
    print(
        f"overlapped is {alone:.2f} times as fast as one after another ({background:.2f} with the libraries' threads)"
    )
    print(f"its wall is {bound:.2f} times (CPU seconds of the stages alone / cores)")


if __name__ == "__main__":
    main()
