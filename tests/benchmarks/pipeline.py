"""How much of the machine a run uses: the stages overlapped against the same stages one after another.

    python -m tests.benchmarks.pipeline VIDEO [--model NAME] [--weights FILE] [--engine NAME] [--rounds N] [--limit S]

Both are `vidcam.run` with the same options, threads of the libraries and functions, in one process, interleaved, after
a first run that loads the model and builds the graph. In the serial one every stage hands its items on in the calling
thread instead of through a queue: decode, prepare, explain, draw and encode of a frame never happen at once, but the
decoder, the engine and the encoder keep the threads of their own that a run gives them. The processor time of the
serial run, divided by the cores, is the least that any order of the stages could take.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import vidcam
from vidcam.pipeline.meter import STAGES, Timings
from vidcam.pipeline.stages import Stages


def serially(self: Stages, items: Any, ahead: int, name: str, watch: Any = None) -> Any:
    """What `Stages.overlap` would be without threads."""
    return iter(items)


def measure(run: Callable[[], vidcam.Result], serial: bool) -> Timings:
    """Runs once and returns what it took."""
    if serial:
        with mock.patch.object(Stages, "overlap", serially):
            result = run()
    else:
        result = run()
    assert result.timings is not None
    return result.timings


def ms(seconds: float, timings: Timings) -> float:
    """Returns milliseconds a frame."""
    return 1000 * seconds / timings.frames


def main() -> None:
    """Prints the table and the two ratios."""
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
        pairs = [(measure(run, True), measure(run, False)) for _ in range(options.rounds)]
    show(pairs)


def show(pairs: list[tuple[Timings, Timings]]) -> None:
    """Prints medians of the pairs (serial, overlapped)."""
    median = statistics.median
    print("ms a frame          " + "".join(f"{s:>9}" for s in STAGES) + "     wall      CPU  all cores busy")
    for i, name in enumerate(("one after another", "overlapped")):
        runs = [pair[i] for pair in pairs]
        stages = "".join(f"{median(ms(t.wall[s], t) for t in runs):9.2f}" for s in STAGES)
        wall, cpu = (
            median(ms(v, t) for v, t in zip(values, runs, strict=True))
            for values in ([t.seconds for t in runs], [t.cpu for t in runs])
        )
        print(f"{name:<20}{stages}{wall:9.2f}{cpu:9.2f}{100 * median(t.full or 0.0 for t in runs):12.0f} %")
    gain = median(a.seconds / b.seconds for a, b in pairs)
    bound = median(b.seconds / (a.cpu / b.cores) for a, b in pairs)
    print(f"overlapped is {gain:.2f} times as fast; its wall is {bound:.2f} times (CPU seconds of the stages / cores)")


if __name__ == "__main__":
    main()
