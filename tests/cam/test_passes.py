"""What a pass of a graph gives is the caller's own, whatever is computed afterwards and at whatever size."""

from __future__ import annotations

import numpy as np
import pytest

from vidcam.cam import Explainer
from vidcam.models import load_model


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(load_model("cats_dogs"), engine="openvino", batch_size=3)


def pictures(seed: int, count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def arrays(seen) -> list[np.ndarray]:
    return [seen.logits, seen.probabilities, *seen.activations, *seen.gradients]


@pytest.mark.parametrize("size", [(64, 64), (64, 96)], ids=["compiled for", "of a graph for all sizes"])
def test_what_a_pass_gave_stays_when_others_follow(explainer, size):
    runner, selection = explainer._runner, explainer._selection("top")
    runner.run(pictures(0, 3, 64, 64), selection)  # the first size is compiled for, later ones are not at once
    first = runner.run(pictures(1, 3, *size), selection)
    kept = [array.copy() for array in arrays(first)]
    others = [runner.run(pictures(seed, 2, *size), selection) for seed in (2, 3)]
    runner.classify(pictures(4, 3, *size))
    for array, copy in zip(arrays(first), kept, strict=True):
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, copy)
    assert [len(array) for array in arrays(others[0])] == [2] * 4
    assert np.abs(others[0].activations[0] - others[1].activations[0]).max() > 0
    assert not any(np.shares_memory(a, b) for a, b in zip(*map(arrays, others), strict=True))
