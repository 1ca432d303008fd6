"""How much longer explaining takes than a network's own forward pass, for files that OpenVINO reads.

    python -m tests.benchmarks.opened FILE... [--preprocess tf]

Both are compiled alike and run in turn on the same pictures, one at a time where a network takes no more; the figure
is the ratio of their quickest passes.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from vidcam._openvino import core, ov
from vidcam.cam.graphs import Graphs
from vidcam.cam.run.openvino import takes_one
from vidcam.models import load_model

HINTS = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}


def ratio(file: str, preprocess: str | None, batch: int, rounds: int) -> tuple[float, float]:
    """Returns the milliseconds a picture of the forward pass, and how many times that explaining takes."""
    classifier = load_model(file, preprocess=preprocess)
    width, height = classifier.input_size
    pictures = np.random.default_rng(0).integers(0, 256, (batch, height, width, classifier.channels), np.uint8)
    graphs = Graphs(classifier, None, None, 1.0)  # holds the weights
    graph = graphs.at(height, width).model()
    selection = np.zeros(graph.input("selection").shape[0], np.float32)
    selection[-2] = 1.0
    if takes_one(graph):
        batch, pictures = 1, pictures[:1]
    graph.reshape({"images": [batch, height, width, classifier.channels]})
    forward = classifier.model.read()
    shape = list(forward.inputs[0].partial_shape)
    forward.reshape(ov.PartialShape([batch, *shape[1:]]))
    first = classifier.model.channels_first
    scaled = np.asarray(classifier.scale(pictures.astype(np.float32)), np.float32)
    scaled = np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)) if first else scaled
    runs = [
        (core().compile_model(forward, "CPU", HINTS).create_infer_request(), [scaled]),
        (
            core().compile_model(graph, "CPU", HINTS).create_infer_request(),
            {"images": pictures, "selection": selection},
        ),
    ]
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        for i, (request, inputs) in enumerate(runs):
            began = time.perf_counter()
            request.infer(inputs)
            best[i] = min(best[i], time.perf_counter() - began)
    return best[0] / batch * 1000, best[1] / best[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--preprocess")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    for file in options.files:
        forward, times = ratio(file, options.preprocess, options.batch, options.rounds)
        print(f"{file}: forward {forward:.2f} ms a picture, explained {times:.3f} times that")


if __name__ == "__main__":
    main()
