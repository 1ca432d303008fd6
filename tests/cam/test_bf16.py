"""bfloat16 on OpenVINO: the same picture of what the network sees, and the same class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.networks import as_classifier, binary_cnn, flatten_cnn, gap_cnn, pictures
from vidcam.cam import Explainer, engines
from vidcam.cam.engines.rounding import nearest, round_rows
from vidcam.media import open_source
from vidcam.models import Classifier, load_model


def _here() -> bool:
    if not engines.installed():
        return False
    from vidcam.cam.engines.device import computes_bf16

    return computes_bf16()


needs_bf16 = pytest.mark.skipif(not _here(), reason="OpenVINO or a processor with bfloat16 is missing")


def rank_correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's coefficient of each pair of maps."""

    def ranks(maps: np.ndarray) -> np.ndarray:
        flat = maps.reshape(len(maps), -1)
        r = np.argsort(np.argsort(flat, axis=1, kind="stable"), axis=1).astype(np.float64)
        return r - r.mean(1, keepdims=True)

    a, b = ranks(a), ranks(b)
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


def compare(classifier: Classifier, inputs: list[np.ndarray], placement: Any) -> None:
    exact = Explainer(classifier, engine="tensorflow").explain_inputs(inputs, placement)
    explainer = Explainer(classifier, precision="bf16")
    half = explainer.explain_inputs(inputs, placement)
    assert (explainer.engine, explainer.precision) == ("openvino", "bf16")
    same = np.array([a == b for a, b in zip(exact.targets, half.targets, strict=True)])
    assert same.mean() >= 0.99
    assert rank_correlations(exact.maps[same], half.maps[same]).mean() >= 0.99


@needs_bf16
@pytest.mark.parametrize("make", [gap_cnn, flatten_cnn, binary_cnn])
def test_bf16_ranks_positions_and_classes_as_float32_does(make):
    model = make()
    classifier = as_classifier(model, model.input_shape[1])
    frames = pictures(40, *classifier.input_size)
    fitted = [classifier.prepare(frame) for frame in frames]
    compare(classifier, [x for x, _ in fitted], fitted[0][1])


@needs_bf16
def test_frames_without_a_certain_class_are_computed_in_float32():
    classifier = as_classifier(gap_cnn())
    frames = pictures(6)
    exact, half = (Explainer(classifier, engine="openvino", precision=p) for p in ("float32", "bf16"))
    engine: Any = half._maps._openvino
    (certain,) = engine._sized.values()
    assert 0 < certain._margin < 1
    logits = np.sort(exact(frames).logits, axis=1)
    leads = logits[:, -1] - logits[:, -2]
    sizes = np.sort(leads)
    widest = int(np.argmax(sizes[1:] / sizes[:-1]))  # the margin lies where no lead is near to it
    certain._margin = float(np.sqrt(sizes[widest] * sizes[widest + 1]))
    maps, expected = half(frames).maps, exact(frames).maps
    close = np.abs(maps - expected).max((1, 2)) < 1e-5 * np.abs(expected).max((1, 2))
    np.testing.assert_array_equal(close, leads < certain._margin)


@needs_bf16
@pytest.mark.parametrize("model", ["mobilenet_v2", "cats_dogs"])
@pytest.mark.parametrize("clip", ["cat_video_2", pytest.param("dog_video_2", marks=pytest.mark.slow)])
def test_engines_agree_on_real_clips(shared_data: Path, clip, model):
    weights = shared_data / "weights" / "mobilenet_v2_imagenet.keras" if model == "mobilenet_v2" else None
    classifier = load_model(model, weights=weights)
    with open_source(shared_data / "seed" / "videos" / f"{clip}.mp4", stride=4) as source:
        fitted = [classifier.prepare(frame.rgb()) for frame in source]
    inputs, placement = [x for x, _ in fitted], fitted[0][1]
    one, other = (Explainer(classifier, engine=e).explain_inputs(inputs, placement) for e in ("tensorflow", "openvino"))
    limits = 1e-4 * np.abs(one.maps).max((1, 2))
    assert (np.abs(one.maps - other.maps).max((1, 2)) <= limits).all()
    assert one.targets == other.targets
    compare(classifier, inputs, placement)


def test_rounded_rows_are_bfloat16_and_keep_their_sums():
    rows = np.random.default_rng(0).normal(0, 1, (50, 9)).astype(np.float32)
    rounded = round_rows(rows)
    assert not (rounded.view(np.uint32) & 0xFFFF).any()
    assert np.abs(rounded - rows).max() < 0.02
    plain = np.abs(nearest(rows).sum(1) - rows.sum(1)).mean()
    assert np.abs(rounded.sum(1) - rows.sum(1)).mean() < plain / 4


def test_the_nearest_bfloat16_is_tensorflows():
    import tensorflow as tf

    values = np.random.default_rng(1).normal(0, 10, 1000).astype(np.float32)
    values[:3] = 1.00390625, -1.01171875, 0.0  # half way between two
    np.testing.assert_array_equal(nearest(values), tf.cast(tf.cast(values, tf.bfloat16), tf.float32).numpy())
