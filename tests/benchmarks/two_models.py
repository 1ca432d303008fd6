"""What a second model costs a run: the sum of both networks, and what of the rest is done more than once.

    python -m tests.benchmarks.two_models [VIDEO] [--models mobilenet_v2 cats_dogs] [--end 3] [--rounds 5]

Costs are processor seconds of the whole process, so that what else runs counts little. Each round runs the models one
by one, together, and their networks alone on the same frames; the table has the medians of the rounds. The rest of a
run is what it costs without its network: decoding, fitting, drawing, encoding. The bar: with two models no more than
the two networks and one run of the rest, of which 15 % more.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import VIDEO, WEIGHTS, cores, machine
from vidcam import run
from vidcam.cam.clips import explainer_for
from vidcam.media import open_source
from vidcam.models import load_model

BAR = 0.15
BATCH = 8


def spent(video: Path, models: list[Any], make: Any, end: float, suffix: str) -> float:
    """Returns the processor seconds of a run from the moment when its models are ready."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / f"out{suffix}"
        made = run(video, output, model=models, make_explainer=make, batch_size=BATCH, end=end, measure=True)
    assert made.timings is not None
    return made.timings.cpu


def network(video: Path, model: Any, make: Any, end: float) -> float:
    """Returns the processor seconds of explaining the same frames in the same batches, and nothing else."""
    explainer, total = make(model, "gradcam", None, **OPTIONS), 0.0
    with open_source(video, end=end) as source:
        fitted = [model.prepare(frame.rgb()) for frame in source]
    for start in range(0, len(fitted), BATCH):
        began = time.process_time()
        explainer.explain_inputs([x for x, _ in fitted[start : start + BATCH]], fitted[0][1])
        total += time.process_time() - began
    return total


def beyond(one: float, two: float, both: float, *networks: float) -> float:
    """Returns what two models cost beyond their networks and one run of the rest, in shares of that rest."""
    rest = (one + two - sum(networks)) / 2
    return (both - sum(networks)) / rest - 1


OPTIONS = {"batch_size": BATCH, "engine": "auto", "against": False, "rather_than": None, "gamma": 1.0}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", nargs="?", type=Path, default=VIDEO)
    parser.add_argument("--models", nargs=2, default=["mobilenet_v2", "cats_dogs"], metavar=("A", "B"))
    parser.add_argument("--end", type=float, default=3.0, help="Seconds of the clip.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--format", default="mp4")
    given = parser.parse_args()
    weights = {"mobilenet_v2": WEIGHTS if WEIGHTS.exists() else None}
    a, b = (load_model(name, weights=weights.get(name)) for name in given.models)
    make = functools.cache(explainer_for)
    where = (make, given.end, f".{given.format}")
    spent(given.video, [a, b], *where)  # graphs are made and compiled
    found: dict[str, list[float]] = {name: [] for name in ("A", "B", "A and B", "network A", "network B")}
    for _ in range(given.rounds):
        for name, models in (("A", [a]), ("B", [b]), ("A and B", [a, b])):
            found[name].append(spent(given.video, models, *where))
        for name, model in (("network A", a), ("network B", b)):
            found[name].append(network(given.video, model, make, given.end))
    print(f"{machine(cores())}; {given.video.name}, {given.end:g} s, {given.format}; A {a.name}, B {b.name}")
    print("| processor seconds | median | least | most |\n|---|---:|---:|---:|")
    for name, values in found.items():
        print(f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |")
    shares = [beyond(*values) for values in zip(*found.values(), strict=True)]
    print(f"beyond the networks and one run of the rest: {100 * statistics.median(shares):.1f} % of that rest")
    least = beyond(*map(min, found.values()))
    print(f"the least of each, which what else runs disturbs least: {100 * least:.1f} %; the bar is {100 * BAR:.0f}")
    print(f"(rounds: {', '.join(f'{100 * share:.1f}' for share in shares)})")


if __name__ == "__main__":
    main()
