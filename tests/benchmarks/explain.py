"""What a map costs beside the plain forward pass, on each engine.

    python -m tests.benchmarks.explain [MODEL ...] [--engine NAME ...] [--batch 8] [--rounds 15]

MODEL is `cats_dogs` or a network of `keras.applications` by its name in vidcam, with made-up weights: what a network
costs does not depend on them; one class is certain. Forward pass and methods run in turn on the same batch at the
network's own size, from pixels to NumPy arrays; the table has the median milliseconds a frame, and the medians of the
ratios within a round: Grad-CAM to the forward pass, the other methods to Grad-CAM.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from vidcam.cam import Explainer
from vidcam.cam.engines import installed
from vidcam.models import Classifier, load_model
from vidcam.models.zoo import BUNDLED, ZOO

MODELS = ("mobilenet_v2", "resnet50", "vgg16", "xception", "cats_dogs")
METHODS = ("gradcam", "gradcam++", "layercam", "hirescam")
ENGINES = ("tensorflow", "openvino", "openvino bf16")


def classifier(name: str) -> Classifier:
    """Returns a classifier of square pictures."""
    if name in BUNDLED:
        return load_model(name)
    import keras

    keras.utils.set_random_seed(0)
    model = ZOO[name].constructor()(weights=None)
    # A class beyond doubt, as in bfloat16 frames that have none are computed twice.
    model.layers[-1].bias.assign([100.0] + [0.0] * (model.output_shape[-1] - 1))
    return load_model(model, fit="squash")


def runs(model: Classifier, engine: str, batch: int) -> dict[str, Callable[[], Any]]:
    """Returns the forward pass and every method on one batch, warm."""
    engine, _, precision = engine.partition(" ")
    width, height = model.input_size
    frames = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)
    fitted = [model.prepare(frame) for frame in frames]
    inputs, placement = [x for x, _ in fitted], fitted[0][1]
    options: Any = {"batch_size": batch, "engine": engine, "precision": precision or "float32"}
    explainers = {method: Explainer(model, method, **options) for method in METHODS}
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
    others = " | ".join(f"{method} / gradcam" for method in METHODS[1:])
    print(f"| model | engine | forward, ms | gradcam, ms | gradcam / forward | {others} |\n" + "|---" * 8 + "|")
    for name in options.models:
        model = classifier(name)
        for engine in engines:
            seconds = measure(runs(model, engine, options.batch), options.rounds)
            ms = [1000 * statistics.median(seconds[n]) / options.batch for n in ("forward", "gradcam")]
            ratios = [ratio(seconds["gradcam"], seconds["forward"])]
            ratios += [ratio(seconds[m], seconds["gradcam"]) for m in METHODS[1:]]
            figures = [f"{x:.2f}" for x in (*ms, *ratios)]
            print(f"| {name} | {engine} | {' | '.join(figures)} |", flush=True)
            gc.collect()


if __name__ == "__main__":
    main()
