"""OpenVINO computes what TensorFlow computes, says where it cannot, and is asked for nothing twice."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tests.networks import as_classifier, binary_cnn, flatten_cnn, gap_cnn, nested, pictures, randomize, subclassed
from vidcam._openvino import installed
from vidcam.cam import METHODS, Explainer, run
from vidcam.errors import UsageError
from vidcam.models import Classifier, load_model

needs_openvino = pytest.mark.skipif(not installed(), reason="OpenVINO is not installed")


def headed(*head: Any, size: int = 24) -> Any:
    """A convolution with a map, `tapped`, and layers between it and three classes."""
    return randomize(
        keras.Sequential(
            [
                keras.Input((size, size, 3)),
                layers.Rescaling(1 / 255),
                layers.Conv2D(6, 3, padding="same", activation="relu", name="tapped"),
                *head,
                layers.Flatten(),
                layers.Dense(3, activation="softmax"),
            ],
            name="headed",
        )
    )


def branched() -> Any:
    """A residual sum and a concatenation behind the map."""
    x = inputs = keras.Input((24, 24, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="tapped")(layers.Rescaling(1 / 255)(x))
    y = layers.BatchNormalization()(layers.Conv2D(6, 3, padding="same", use_bias=False)(x))
    x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Concatenate()([x, layers.AveragePooling2D(3, 1, padding="same")(x)])
    gate = layers.Dense(12, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.GlobalMaxPooling2D()(layers.Multiply()([x, gate]))
    return randomize(keras.Model(inputs, layers.Dense(3, activation="softmax")(x), name="branched"))


HEADS = {
    "max pooling": [layers.MaxPooling2D()],
    "max pooling that overlaps": [layers.MaxPooling2D(3, 2, padding="same")],
    "max pooling with gaps": [layers.MaxPooling2D(2, 3)],
    "max pooling step by step": [layers.MaxPooling2D(3, 1, padding="same")],
    "max pooling that leaves a rest": [layers.MaxPooling2D((5, 2))],
    "average pooling": [layers.AveragePooling2D(2)],
    "average pooling with padding": [layers.AveragePooling2D(5, 3, padding="same")],
    "convolutions": [
        layers.Conv2D(5, 3, activation="relu"),
        layers.Conv2D(7, (5, 3), strides=(3, 2), padding="same", activation="relu6"),
    ],
    "convolution with a rest": [layers.Conv2D(5, 2, strides=3, activation="selu")],
    "depthwise convolutions": [
        layers.DepthwiseConv2D(3, depth_multiplier=2, activation="leaky_relu"),
        layers.DepthwiseConv2D(3, strides=2, padding="same", activation="silu"),
    ],
    "separable convolution": [layers.SeparableConv2D(8, 3, padding="same", activation="softplus")],
    "bends": [
        layers.Conv2D(5, 1, activation="tanh"),
        layers.Conv2D(5, 1, activation="sigmoid"),
        layers.Conv2D(5, 1, activation="softsign"),
        layers.Conv2D(5, 1, activation="gelu"),
        layers.Conv2D(5, 1, activation="hard_silu"),
        layers.LayerNormalization(),
    ],
    "hidden layers": [layers.MaxPooling2D(), layers.Flatten(), layers.Dense(16, "relu"), layers.Dense(9, "relu")],
}


def compare(classifier: Classifier, frames: np.ndarray, method: str = "gradcam", **options: Any) -> None:
    """Both engines' maps, logits and probabilities, to 1e-4 of the maximum."""
    one = Explainer(classifier, method, engine="tensorflow", **options)(frames)
    explainer = Explainer(classifier, method, engine="openvino", **options)
    other = explainer(frames)
    assert explainer.engine == "openvino"
    assert explainer.layer
    for name in ("maps", "logits", "probabilities"):
        a, b = getattr(one, name), getattr(other, name)
        assert np.abs(a).max() > 0
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-4 * np.abs(a).max(), err_msg=name)
    assert one.targets == other.targets


@needs_openvino
@pytest.mark.parametrize("head", HEADS)
def test_heads_run_backwards_as_in_tensorflow(head):
    model = keras.models.clone_model(headed(*HEADS[head]))
    classifier = as_classifier(randomize(model), 24, layer="tapped")
    compare(classifier, pictures(3, 24, 24), "hirescam")


@needs_openvino
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [gap_cnn, flatten_cnn, binary_cnn, branched, subclassed])
def test_every_method_on_every_network(make, method):
    if method == "cam" and make not in (gap_cnn, subclassed):
        pytest.skip("CAM is not defined for it")
    model = make()
    if make is subclassed:
        classifier = Classifier(model, "m", "none", (32, 32), 3, "squash", ("a", "b", "c"))
    else:
        classifier = as_classifier(model, model.input_shape[1])
    compare(classifier, pictures(3, *classifier.input_size), method, batch_size=2)


@needs_openvino
@pytest.mark.parametrize("make", [gap_cnn, flatten_cnn, binary_cnn, branched])
def test_any_layer_can_be_explained(make):
    model = make()
    classifier = as_classifier(model, model.input_shape[1])
    first = next(layer.name for layer in model.layers if isinstance(layer, layers.Conv2D))
    compare(classifier, pictures(3, *classifier.input_size), "hirescam", layer=first)


@needs_openvino
def test_nested_models_several_layers_and_what_speaks_against():
    backbone = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            layers.Conv2D(6, 3, activation="relu", name="a"),
            layers.Conv2D(8, 3, strides=2, activation="relu", name="b"),
        ],
        name="backbone",
    )
    classifier = as_classifier(randomize(nested(backbone)), 24)
    compare(classifier, pictures(3, 24, 24), layer="a,b", against=True)


@needs_openvino
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_equal_values_in_a_window_give_the_gradient_to_the_first(padding):
    model = randomize(keras.models.clone_model(headed(layers.MaxPooling2D(3, 2, padding=padding))))
    classifier = as_classifier(model, 24, layer="tapped")
    flat = np.full((2, 24, 24, 3), 130, np.uint8)  # every window inside holds one value nine times
    flat[1, :, 12:] = 90
    compare(classifier, flat, "hirescam")
    maps = Explainer(classifier, "hirescam", engine="openvino")(flat, 1).maps[0]
    inside = maps[4:-4, 4:-4] != 0
    expected = np.zeros_like(inside)
    expected[::2, ::2] = True  # of windows that begin at even rows and columns
    np.testing.assert_array_equal(inside, expected)


@needs_openvino
def test_a_ragged_last_batch_other_targets_and_methods_convert_and_compile_nothing_again(monkeypatch):
    from vidcam.cam.build import builder
    from vidcam.cam.run import openvino

    converted, compiled = [], []
    convert, compile_ = builder.convert, openvino._compile
    monkeypatch.setattr(builder, "convert", lambda *a: converted.append(1) or convert(*a))
    explainer = Explainer(as_classifier(gap_cnn()), batch_size=4, engine="openvino")
    monkeypatch.setattr(openvino, "_compile", lambda model: compiled.append(model) or compile_(model))
    frames = pictures(9)
    reference = Explainer(as_classifier(gap_cnn()), batch_size=4, engine="tensorflow")(frames)
    for count in (4, 7, 3, 9, 2):
        np.testing.assert_allclose(explainer(frames[:count]).maps, reference.maps[:count], rtol=1e-4, atol=1e-6)
        explainer(frames[:count], [0, 2])
        explainer.by("layercam")(frames[:count])
    assert len(compiled) == 1
    assert len(converted) <= 1


@needs_openvino
def test_single_pictures_are_not_computed_as_a_batch():
    explainer = Explainer(as_classifier(gap_cnn()), batch_size=8, engine="openvino")
    for frame in pictures(3):
        explainer(frame)
    (sized,) = explainer._runner._engine._whole._sized.values()
    assert list(sized._requests) == [1]


@needs_openvino
def test_pictures_of_another_size_are_converted_for():
    classifier = as_classifier(gap_cnn(size=None), fit="keep")
    one, other = (Explainer(classifier, engine=engine) for engine in ("tensorflow", "openvino"))
    # Two of them often, so that they are compiled for; the rest by what is open for all.
    for height, width in ((32, 32), (60, 120), (90, 30), (64, 64), (33, 70), *[(60, 120)] * 26):
        frames = pictures(2, height, width)
        a, b = one(frames).maps, other(frames).maps
        assert a.shape == b.shape
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-4 * np.abs(a).max())
    assert other.engine == "openvino"


@needs_openvino
def test_predictions_agree():
    classifier = as_classifier(flatten_cnn())
    inputs = list(pictures(5))
    one, other = (Explainer(classifier, engine=e, batch_size=2).predict(inputs) for e in ("tensorflow", "openvino"))
    np.testing.assert_allclose(other[0], one[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(other[1], one[1], atol=1e-5)


@needs_openvino
def test_the_models_weights_are_taken_as_they_are_or_as_they_are_given():
    model = flatten_cnn()
    classifier = as_classifier(model)
    frames = pictures(2)
    before = Explainer(classifier, engine="openvino")(frames, 1)
    values = [w.numpy() for w in model.weights]
    permuted = [np.random.default_rng(0).permutation(v.reshape(-1)).reshape(v.shape) for v in values]
    given = Explainer(classifier, engine="openvino", weights=permuted)(frames, 1)
    for weight, value in zip(model.weights, permuted, strict=True):
        weight.assign(value)
    after = Explainer(classifier, engine="openvino")(frames, 1)
    np.testing.assert_allclose(after.maps, given.maps, rtol=1e-4, atol=1e-6)
    assert np.abs(after.maps - before.maps).max() > 0.01 * np.abs(before.maps).max()


@needs_openvino
def test_all_methods_share_one_pass(monkeypatch):
    from vidcam.cam.explainer import explain_together
    from vidcam.types import Placement

    first = Explainer(as_classifier(gap_cnn()), "gradcam", batch_size=4)
    every = [(first if name == "gradcam" else first.by(name), 1) for name in METHODS if name != "scorecam"]
    runs = []
    whole = first._runner.run
    monkeypatch.setattr(first._runner, "run", lambda *a: runs.append(1) or whole(*a))
    frames, box = pictures(6), (0.0, 0.0, 32.0, 32.0)
    together = explain_together([*every, (first, 2)], list(frames), Placement((32, 32), (32, 32), box, box))
    assert len(runs) == 2 * 2  # two batches, two targets
    for (explainer, target), found in zip([*every, (first, 2)], together, strict=True):
        alone = Explainer(first.classifier, explainer.method.name, batch_size=4)(frames, target)
        np.testing.assert_array_equal(found.maps, alone.maps)
        assert found.targets == alone.targets


@needs_openvino
@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
def test_a_selection_weighs_classes_the_best_one_and_its_runner_up(end):
    """Of a linear head the explained gradient is the weighted sum of the classes' own, on both engines."""
    from vidcam.cam.targets import selection_of, target_weights

    classifier = as_classifier(gap_cnn(classes=4 if end == "softmax" else 1, end=end))
    frames, classes = pictures(5), len(classifier.labels)
    for name in ("tensorflow", "openvino"):
        runner = Explainer(classifier, engine=name, batch_size=5)._runner
        each = [runner.run(frames, selection_of([c], classes)).gradients[0][:, 0, 0] for c in range(classes)]
        logits = runner.run(frames, selection_of([0], classes)).logits
        for asked in ([1.0, *[0.0] * classes, -0.5], [*[0.0] * classes, 1.0, -0.25], [*[0.0] * classes, -1.0, 0.0]):
            selection = np.array(asked, np.float32)
            literal = np.zeros((5, classes))
            for row, z in zip(literal, logits, strict=True):
                row[:] = asked[:classes]
                row[z.argmax()] += asked[classes]
                others = [c for c in range(classes) if row[c] == 0]
                row[max(others, key=lambda c: z[c])] += asked[classes + 1]
            np.testing.assert_allclose(target_weights(selection, logits), literal)
            want = np.einsum("bc,cbk->bk", literal, np.stack(each))
            found = runner.run(frames, selection).gradients[0][:, 0, 0]
            np.testing.assert_allclose(found, want, rtol=0, atol=1e-5 * np.abs(want).max())


@needs_openvino
def test_an_operation_that_cannot_be_translated_is_named():
    model = randomize(keras.models.clone_model(headed(layers.Conv2D(5, 3, dilation_rate=2, activation="elu"))))
    explainer = Explainer(as_classifier(model, 24, layer="tapped"))
    assert explainer.engine == "tensorflow"
    assert explainer.note.startswith("headed runs on TensorFlow: OpenVINO cannot convert Conv2D")


@needs_openvino
def test_an_operation_that_is_translated_wrongly_is_found_out(monkeypatch):
    from vidcam.cam.build import operations

    def wrong(node: Any) -> Any:
        return operations.ops.multiply(node.get_input(0), operations.ops.constant(np.float32(0.5))).outputs()

    monkeypatch.setitem(operations.OPERATIONS, "ReluGrad", wrong)
    classifier = as_classifier(randomize(flatten_cnn(), 5))
    explainer = Explainer(classifier)
    assert explainer.engine == "tensorflow"
    assert "differs" in explainer.note
    with pytest.raises(UsageError, match="differs"):
        Explainer(classifier, engine="openvino")


@needs_openvino
def test_auto_takes_openvino_but_not_beside_a_gpu(monkeypatch):
    classifier = as_classifier(gap_cnn())
    explainer = Explainer(classifier)
    assert (explainer.engine, explainer.note) == ("openvino", "")
    monkeypatch.setattr("vidcam.cam.runner.gpu", lambda: True)
    assert Explainer(classifier).engine == "tensorflow"
    assert Explainer(classifier, engine="openvino").engine == "openvino"


def test_without_openvino_auto_is_tensorflow_and_asking_for_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(run, "installed", lambda: False)
    monkeypatch.setattr("vidcam.cam.runner.installed", lambda: False)
    classifier = as_classifier(gap_cnn())
    explainer = Explainer(classifier)
    assert (explainer.engine, explainer.note) == ("tensorflow", "")
    assert explainer(pictures(1)).maps.shape == (1, 8, 8)
    with pytest.raises(UsageError, match=r"--engine openvino .*pip install openvino"):
        Explainer(classifier, engine="openvino")


def test_an_engine_that_is_unknown_is_an_error():
    with pytest.raises(UsageError, match="'torch' is unknown"):
        Explainer(as_classifier(gap_cnn()), engine="torch")


@needs_openvino
def test_models_in_half_precision_stay_on_tensorflow():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = gap_cnn()
    finally:
        keras.config.set_dtype_policy(before)
    explainer = Explainer(as_classifier(model))
    assert explainer.engine == "tensorflow"
    assert "half precision" in explainer.note


@needs_openvino
def test_the_bundled_classifier_runs_on_openvino():
    compare(load_model(), pictures(2, 128, 128), "gradcam++")
