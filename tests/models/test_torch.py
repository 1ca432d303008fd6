"""Networks that PyTorch exported by both of its exporters, against the maps that torch-cam made of them there.

`tests/benchmarks/torch_exports.py` made the files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vidcam.cam import METHODS, Explainer
from vidcam.cam.anatomy import dissect
from vidcam.models import load_model

FILES = Path(__file__).parent / "torch"
GRIDS = {"resnet": (8, 8), "mobilenet_v3": (16, 16), "efficientnet": (16, 16), "convnext": (16, 16)} | dict.fromkeys(
    ("vit", "swin"), (4, 4)
)
REASONS = {
    "vit": "the normalisation before the last attention",
    "swin": "the normalisation behind the last attention, which is in windows",
}


def pictures():
    return np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("exporter", ["", "_dynamo"])
def test_maps_are_torch_cams(name, exporter):
    expected = np.load(FILES / f"{name}.npz")
    classifier = load_model(FILES / f"{name}{exporter}.onnx", preprocess="unit")
    explanation = Explainer(classifier)(pictures())
    np.testing.assert_allclose(explanation.logits, expected["logits"], atol=1e-4)
    assert explanation.maps.shape == (2, *GRIDS[name])
    assert np.abs(explanation.maps - expected["maps"]).max() <= 1e-3 * np.abs(expected["maps"]).max()


@pytest.mark.parametrize("name", GRIDS)
def test_what_is_explained_is_what_other_libraries_take(name):
    anatomy = dissect(load_model(FILES / f"{name}.onnx", preprocess="unit"))
    assert anatomy.reason == REASONS.get(name, "the last layer with a map before the logits")
    assert {layer.shape[:2] for layer in anatomy.layers} <= {(n, n) for n in (16, 8, 4)}
    assert set(METHODS) - {"cam"} <= set(anatomy.methods)
    assert ("cam" in anatomy.methods) is (name not in ("vit", "swin", "convnext"))
