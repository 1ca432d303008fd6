"""Prints how often a map's hottest point lies on what moves, for networks that see time, over several trainings.

    python -m tests.benchmarks.motion [--seeds 5]

The networks and clips are the tests': squares on noise of which one goes left or right, all alike or what moves of a
colour of its own. Each line is a method: the share of clips that are told, of frames in which the hottest point lies on
what moves and on what rests, the least and the most of the trainings. A square takes 6.2 % of the picture.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

METHODS = ("gradcam", "gradcam++", "hirescam", "layercam", "xgradcam")


def trained(make: Callable[[], Any], colours: Sequence[Sequence[int]], seed: int, epochs: int) -> Any:
    """Returns a network, trained if there are epochs."""
    import keras

    from tests import motion

    keras.utils.set_random_seed(seed)
    model = make()
    if epochs:
        motion.train(model, motion.draw(1024, seed, colours=colours), epochs, 3e-3 if "3d" in model.name else 5e-3)
    return model


def main() -> None:
    """Prints the table."""
    from tests import motion
    from vidcam import ClipExplainer, load_model
    from vidcam.cam.clips import see_windows

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    for make, epochs in ((motion.cnn_lstm, 10), (motion.cnn_lstm, 0), (motion.conv3d, 3)):
        for kind, colours in (("of its own kind", motion.OWN_KIND), ("alike", motion.ALIKE)):
            found = defaultdict(list)
            test = motion.draw(64, 1000, colours=colours)
            for seed in range(seeds):
                classifier = load_model(trained(make, colours, seed, epochs), labels=("left", "right"))
                first = ClipExplainer(classifier, engine="tensorflow", batch_size=8)
                seen = see_windows([(first.by(method), "top") for method in METHODS], test.pictures)
                for method, ways in zip(METHODS, zip(*seen, strict=True), strict=True):
                    right = np.mean([s.logits.argmax() == k for s, k in zip(ways, test.labels, strict=True)])
                    found[method].append((right, *motion.hottest([s.maps for s in ways], test)))
            print(f"{make.__name__}{'' if epochs else ', untrained'}, what moves is {kind}")
            for method, figures in found.items():
                right, moves, rests = (f"{min(f):.2f} to {max(f):.2f}" for f in zip(*figures, strict=True))
                print(f"  {method:9} right {right}, on what moves {moves}, on what rests {rests}", flush=True)


if __name__ == "__main__":
    main()
