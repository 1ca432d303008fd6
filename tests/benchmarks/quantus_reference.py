"""vidcam's ROAD and eMPRT against Quantus', on photographs: filling in, what the class becomes, and the entropies.

    pip install -e . && pip install --no-deps quantus==0.6.0 && pip install cachetools pandas scikit-image scikit-learn
    python -m tests.benchmarks.quantus_reference [--pictures 6] [--side 96]

Quantus is no dependency. Its ROAD takes one order, hottest first, and asks whether the class stays; vidcam's is of both
orders and of probabilities. What they share is compared: the filling in without noise, in levels of 255, and whether
the class stays at each share. The pictures are small, as Quantus solves its equations directly, and grey where the
class is asked for, as it ends with an index error on three channels. Of eMPRT the whole figure is compared, for maps of
the network and of its randomised twin.
"""

from __future__ import annotations

import argparse
from typing import Any

import cv2
import numpy as np

from tests.benchmarks.machine import DATA, WEIGHTS, versions
from vidcam.cam import Explainer
from vidcam.metrics.impute import impute
from vidcam.metrics.perturbation import order_of
from vidcam.metrics.randomization import entropy_rise, permuted_weights
from vidcam.metrics.road import SHARES, without
from vidcam.metrics.subjects import find_subjects
from vidcam.models import load_model
from vidcam.render import lay_over
from vidcam.types import Array, Placement


class Answering:
    """What Quantus asks a model: the classes' probabilities of grey pictures (B, 1, H, W)."""

    def __init__(self, explainer: Explainer) -> None:
        self._explainer = explainer

    def shape_input(self, x: Array, shape: Any, channel_first: bool = True, batched: bool = False) -> Array:
        """Returns pictures as they are."""
        return x

    def predict(self, x: Array) -> Array:
        """Returns probabilities, (B, classes)."""
        levels = np.rint(np.clip(x, 0, 255)).astype(np.uint8)
        found: Array = self._explainer.predict([np.repeat(one[0][..., np.newaxis], 3, axis=2) for one in levels])[1]
        return found


def of_quantus(explainer: Explainer, picture: Array, target: int, heat: Array) -> Array:
    """Returns whether a grey picture's class stays at each share, by Quantus' ROAD without noise."""
    from quantus import ROAD

    road = ROAD(percentages=[100 * share for share in SHARES], noise=0.0, disable_warnings=True)
    road.a_size = heat.size
    x = picture[np.newaxis, np.newaxis].astype(np.float64)
    found: Array = road.evaluate_batch(Answering(explainer), x, np.array([target]), heat[np.newaxis, np.newaxis])[0][0]
    return found.astype(bool)


def of_vidcam(explainer: Explainer, picture: Array, target: int, heat: Array) -> Array:
    """Returns the same by vidcam."""
    order, nothing = order_of(heat), np.zeros((*picture.shape, 1), np.float32)
    removed = [without(picture[..., np.newaxis], order[: int(share * heat.size)], nothing) for share in SHARES]
    found: Array = explainer.predict([np.repeat(one, 3, axis=2) for one in removed])[1].argmax(axis=1) == target
    return found


def filled(picture: Array, chosen: Array) -> tuple[Array, Array]:
    """Returns a picture without some pixels, filled in by Quantus and by vidcam, float (h, w, C) each."""
    from quantus.functions.perturb_func import noisy_linear_imputation

    theirs = noisy_linear_imputation(picture.transpose(2, 0, 1).astype(np.float64), chosen, noise=0.0)
    removed = np.zeros(picture.shape[:2], bool)
    removed.ravel()[chosen] = True
    return theirs.transpose(1, 2, 0), impute(picture, removed)


def rise_of_quantus(own: Array, untrained: Array) -> float:
    """Returns the rise of the entropy as Quantus' eMPRT has it, by its own entropy."""
    from quantus.functions.complexity_func import discrete_entropy

    before, after = (discrete_entropy(a=heat, x=heat, n_bins=100) for heat in (own, untrained))
    return float((after - before) / before)


def main() -> None:
    """Prints the largest differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--side", type=int, default=96)
    given = parser.parse_args()
    classifier = load_model(WEIGHTS if WEIGHTS.exists() else "mobilenet_v2", input_size=given.side, fit="squash")
    explainer = Explainer(classifier, "gradcam", batch_size=len(SHARES))
    weights = permuted_weights(classifier.model, 0)
    twin = Explainer(classifier, "gradcam", batch_size=len(SHARES), weights=weights)
    levels, rises, kept, asked = [], [], 0, 0
    whole = (0.0, 0.0, float(given.side), float(given.side))
    on_input = Placement((given.side,) * 2, (given.side,) * 2, whole, whole)
    for number, picture in enumerate(find_subjects(DATA / "pets", given.pictures).pictures()):
        x, placement = classifier.prepare(picture.rgb)
        explained = explainer.explain_inputs([x], placement)
        target = explained.targets[0]
        # Equal pixels have no order of their own, and each of the two breaks the tie in its own way.
        tie = 1e-6 * np.random.default_rng(number).random((given.side, given.side))
        heat = cv2.GaussianBlur(lay_over(explained.maps[0], on_input), (0, 0), 2) + tie
        for share in SHARES:
            theirs, own = filled(x, order_of(heat)[: int(share * heat.size)])
            levels.append(float(np.abs(theirs - own).max()))
        grey = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)
        said = int(explainer.predict([np.repeat(grey[..., np.newaxis], 3, axis=2)])[1].argmax())
        same = of_quantus(explainer, grey, said, heat) == of_vidcam(explainer, grey, said, heat)
        kept, asked = kept + int(same.sum()), asked + len(same)
        untrained = lay_over(twin.explain_inputs([x], placement, target).maps[0], on_input)
        rises.append(abs(rise_of_quantus(heat, untrained) - entropy_rise(heat, untrained)))
    print(", ".join(f"{name} {v}" for name, v in versions(("quantus", "scipy", "numpy")).items()))
    print(f"{given.pictures} photographs, {given.side}x{given.side}, removed shares {SHARES[0]} to {SHARES[-1]}")
    print(f"filling in: at most {max(levels):.4f} levels of 255 apart, median {np.median(levels):.5f}")
    print(f"class kept or lost alike: {kept} of {asked}")
    print(f"eMPRT: at most {max(rises):.2e} apart")


if __name__ == "__main__":
    main()
