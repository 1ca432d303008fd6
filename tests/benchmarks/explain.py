"""What a map costs beside the plain forward pass, on each engine.

    python -m tests.benchmarks.explain [MODEL ...] [--engine NAME ...] [--batch 8] [--rounds 15]

MODEL is `cats_dogs` or a network of `keras.applications` by its name in vidcam, with made-up weights: what a network
costs does not depend on them. Forward pass and methods run in turn on the same batch at the
network's own size, from pixels to NumPy arrays; the table has the median milliseconds a frame, and the medians of the
ratios within a round of each method to the forward pass. NumPy's BLAS has one thread, as in the command line: more of
them spin after Eigen-CAM's products, and what is measured next waits for a core.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from vidcam._openvino import installed
from vidcam.cam import Explainer
from vidcam.models import Classifier, load_model
from vidcam.models.zoo import BUNDLED, ZOO

MODELS = ("mobilenet_v2", "resnet50", "vgg16", "xception", "cats_dogs")
METHODS = ("gradcam", "gradcam++", "layercam", "hirescam", "xgradcam", "eigencam")
ENGINES = ("tensorflow", "openvino")


def classifier(name: str) -> Classifier:
    """Returns a classifier of square pictures."""
    if name in BUNDLED:
        return load_model(name)
    import keras

    keras.utils.set_random_seed(0)
    model = ZOO[name].constructor()(weights=None)
    return load_model(model, fit="squash")


def runs(model: Classifier, engine: str, batch: int) -> dict[str, Callable[[], Any]]:
    """Returns the forward pass and every method on one batch, warm."""
    width, height = model.input_size
    frames = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)
    fitted = [model.prepare(frame) for frame in frames]
    inputs, placement = [x for x, _ in fitted], fitted[0][1]
    first = Explainer(model, batch_size=batch, engine=engine)
    explainers = {method: first.by(method) for method in METHODS}
    found: dict[str, Callable[[], Any]] = {"forward": partial(explainers["gradcam"].predict, inputs)}
    found |= {m: partial(e.explain_inputs, inputs, placement) for m, e in explainers.items()}
    for run in found.values():
        run()
        run()
    return found


def measure(jobs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Returns the seconds of every job in every round."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds):
        for name in list(jobs) if number % 2 else reversed(jobs):
            start = time.perf_counter()
            jobs[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(a: list[float], b: list[float]) -> float:
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", default=MODELS)
    parser.add_argument("--engine", action="append", choices=ENGINES)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    engines = options.engine or (ENGINES if installed() else ENGINES[:1])
    print(f"| model | engine | forward, ms | {' | '.join(METHODS)} |\n" + "|---" * (3 + len(METHODS)) + "|")
    for name in options.models:
        model = classifier(name)
        for engine in engines:
            seconds = measure(runs(model, engine, options.batch), options.rounds)
            ms = 1000 * statistics.median(seconds["forward"]) / options.batch
            figures = [f"{x:.2f}" for x in (ms, *(ratio(seconds[m], seconds["forward"]) for m in METHODS))]
            print(f"| {name} | {engine} | {' | '.join(figures)} |", flush=True)
            gc.collect()


if __name__ == "__main__":
    main()
