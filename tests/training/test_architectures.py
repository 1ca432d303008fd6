"""The networks: the same weights in training and at work, map sizes, bases as ImageNet left them."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.networks import pictures, randomize
from vidcam.errors import VidcamError
from vidcam.models import PREPROCESSING
from vidcam.training import architectures, transfer


def test_the_learner_and_the_finished_cnn_share_weights() -> None:
    learner = randomize(architectures.cnn((32, 32), 2, training=True))
    finished = architectures.cnn((32, 32), 2)
    assert [w.path.split("/")[-2:] for w in learner.weights] == [w.path.split("/")[-2:] for w in finished.weights]
    finished.set_weights(learner.get_weights())
    x = pictures(3).astype("float32")
    logits, probabilities = learner(x, training=False).numpy(), finished(x).numpy()
    np.testing.assert_allclose(1 / (1 + np.exp(-logits.astype(np.float64))), probabilities, atol=1e-6)


def test_the_fused_normalization_is_batch_normalization() -> None:
    fused = architectures._fused_normalization()(momentum=0.9)
    plain = keras.layers.BatchNormalization(momentum=0.9)
    x = np.random.default_rng(0).normal(3, 2, (8, 16, 16, 4)).astype("float32")
    np.testing.assert_allclose(fused(x, training=True), plain(x, training=True), atol=1e-4)
    # The fused kernel reports the unbiased variance: n / (n - 1) of the other.
    for a, b in zip(fused.weights, plain.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=2 / x[..., 0].size, atol=1e-5)
    np.testing.assert_allclose(fused(x, training=False), plain(x, training=False), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("side", "cells"), [(96, 12), (128, 16)])
def test_maps_of_the_cnn_have_an_eighth_of_the_sides(side: int, cells: int) -> None:
    model = architectures.cnn((side, side), 2)
    assert model.get_layer("pool").input.shape[1:3] == (cells, cells)
    assert isinstance(model.layers[-1], keras.layers.Dense)
    assert isinstance(model.layers[-2], keras.layers.GlobalAveragePooling2D)


def test_more_than_two_classes_give_a_softmax() -> None:
    for build in (architectures.cnn, architectures.cnn_flatten):
        p = build((64, 48), 3)(pictures(2, 48, 64).astype("float32")).numpy()
        assert p.shape == (2, 3)
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)


def test_the_finer_mobilenet_is_the_published_one_but_for_one_stride(tmp_path: Path) -> None:
    application = randomize(keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(64, 96, 3)))
    application.save_weights(tmp_path / "base.weights.h5")

    def finer(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if layer.name == "block_13_pad":
            config["padding"] = 0
        if layer.name == "block_13_depthwise":
            config |= {"strides": (1, 1), "padding": "same"}
        return type(layer).from_config(config)

    reference = keras.models.clone_model(application, clone_function=finer)
    reference.set_weights(application.get_weights())
    ours = architectures.mobilenet_v2_s16((96, 64), 2)
    transfer.fold(ours, tmp_path / "base.weights.h5")
    x = pictures(2, 64, 96).astype("float32")
    expected = keras.Model(reference.input, reference.get_layer("block_16_expand_relu").output)(x / 127.5 - 1).numpy()
    maps = ours.get_layer("pool").input
    found = keras.Model(ours.input, maps)(x).numpy()
    assert found.shape == (2, 4, 6, 960)
    assert found.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-3 * expected.max())
    free = {w.path.split("/")[0].rsplit("_", 1)[0] for w in ours.trainable_variables}
    assert free == {*(f"block_{i}" for i in range(6, 17)), "predictions"}


@pytest.mark.parametrize(("arch", "suffix"), [("mobilenet_v2", ".keras"), ("resnet50", ".weights.h5")])
def test_a_base_gives_the_features_of_its_application(tmp_path: Path, arch: str, suffix: str) -> None:
    entry = transfer.zoo.ZOO[arch]
    whole = suffix == ".keras"
    application = entry.constructor()(weights=None, include_top=whole, input_shape=None if whole else (64, 64, 3))
    file = tmp_path / f"base{suffix}"
    application.save(file) if whole else application.save_weights(file)
    x = pictures(2, 64, 64).astype("float32")
    last = next(layer for layer in reversed(application.layers) if len(layer.output.shape) == 4)
    convolutions = entry.constructor()(weights=None, include_top=False, input_shape=(64, 64, 3))
    convolutions.set_weights(application.get_weights()[: len(convolutions.weights)])
    assert last.name == convolutions.layers[-1].name
    expected = convolutions(PREPROCESSING[entry.preprocess](x)).numpy().mean(axis=(1, 2))
    model, body, top = transfer.build(arch, (64, 64), 2, file, dense=4)
    got = next(transfer.features(body, x.astype(np.uint8), np.ones(len(x), np.float32), None, (0, 0)))
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    finished = transfer.finished(model, top, 2)
    p = 1 / (1 + np.exp(-top(got).numpy()))
    np.testing.assert_allclose(finished(x, training=False).numpy(), p, atol=1e-5)
    assert not any(isinstance(layer, keras.Model) for layer in finished.layers)


def test_efficientnet_sees_imagenets_standard_scores(tmp_path: Path) -> None:
    file = tmp_path / "b0.weights.h5"
    transfer.zoo.ZOO["efficientnet_b0"].constructor()(weights=None, include_top=False).save_weights(file)
    _, body, _ = transfer.build("efficientnet_b0", (32, 32), 2, file)
    x = pictures(2).astype("float32")
    normalization = next(layer for layer in body.layers if isinstance(layer, keras.layers.Normalization))
    seen = keras.Model(body.input, normalization.output)(x).numpy()
    np.testing.assert_allclose(seen, PREPROCESSING["torch"](x), atol=1e-4)


def test_fine_tuning_frees_the_top_and_keeps_batch_normalization_still(tmp_path: Path) -> None:
    file = tmp_path / "base.weights.h5"
    transfer.zoo.ZOO["mobilenet_v2"].constructor()(weights=None, include_top=False).save_weights(file)
    model, _, _ = transfer.build("mobilenet_v2", (32, 32), 2, file)
    assert {v.path.split("/")[0] for v in model.trainable_variables} == {"predictions"}
    transfer.unfreeze(model, "mobilenet_v2")
    free = {v.path.split("/")[0] for v in model.trainable_variables}
    assert "block_13_expand" in free
    assert "Conv_1" in free
    assert "block_12_project" not in free
    assert not any("BN" in name or name == "Conv_1_bn" for name in free)
    still = model.get_layer("block_14_expand_BN")
    before = [w.copy() for w in still.get_weights()]
    model(pictures(2).astype("float32"), training=True)
    for a, b in zip(before, still.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_that_are_none_are_an_error(tmp_path: Path) -> None:
    file = tmp_path / "broken.keras"
    file.write_bytes(b"no weights")
    with pytest.raises(VidcamError, match=r"broken.keras: not weights of mobilenet_v2"):
        transfer.build("mobilenet_v2", (32, 32), 2, file)
