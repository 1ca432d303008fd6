"""CAM and Grad-CAM are what their papers say: identities on raw maps that hold to float precision."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.networks import as_classifier, binary_cnn, flatten_cnn, gap_cnn, nested, pictures, randomize, subclassed
from vidcam.cam import Explainer
from vidcam.cam.build.network import Network
from vidcam.cam.methods import gradcam
from vidcam.cam.run.tensorflow import TensorFlow
from vidcam.cam.targets import selection_of
from vidcam.models import Classifier


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return pictures(5)


@pytest.mark.parametrize("end", ["softmax", "sigmoid", None])
def test_cam_over_positions_is_gradcam_and_sums_to_the_logit_less_bias(frames, end):
    model = gap_cnn(end=end)
    for target in (0, 1, 2):
        cam = Explainer(as_classifier(model), "cam")(frames, target)
        gradcam = Explainer(as_classifier(model), "gradcam")(frames, target)
        positions = cam.maps[0].size
        assert relative(cam.maps / positions, gradcam.maps) < 1e-5
        bias = model.get_layer("head").bias.numpy()[target]
        np.testing.assert_allclose(gradcam.maps.sum((1, 2)), gradcam.logits[:, target] - bias, rtol=2e-5, atol=1e-5)


def test_cam_equals_the_papers_sum_over_channels(frames):
    model = gap_cnn()
    explanation = Explainer(as_classifier(model), "cam")(frames, 2)
    features = keras.Model(model.inputs, model.get_layer("last").output).predict(frames.astype("float32"), verbose=0)
    weights = model.get_layer("head").kernel.numpy()
    literal = np.zeros(features.shape[:3])
    for b, i, j in np.ndindex(*literal.shape):
        literal[b, i, j] = sum(weights[k, 2] * features[b, i, j, k] for k in range(features.shape[3]))
    assert relative(explanation.maps, literal) < 1e-5


def test_gradcam_equals_a_gradient_tape_through_the_logit(frames):
    import tensorflow as tf

    model = flatten_cnn()
    explanation = Explainer(as_classifier(model))(frames, 1)
    head_start = model.layers.index(model.get_layer("conv_2")) + 1
    features = tf.convert_to_tensor(
        keras.Model(model.inputs, model.get_layer("conv_2").output)(frames.astype("float32"))
    )
    with tf.GradientTape() as tape:
        tape.watch(features)
        x = features
        for layer in model.layers[head_start:-1]:
            x = layer(x)
        logit = x @ model.layers[-1].kernel + model.layers[-1].bias
        score = logit[:, 1]
    gradients = tape.gradient(score, features).numpy()
    literal = np.einsum("bhwk,bk->bhw", features.numpy(), gradients.mean((1, 2)))
    assert relative(explanation.maps, literal) < 1e-5
    np.testing.assert_allclose(explanation.logits, logit.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("end", ["sigmoid", None])
@pytest.mark.parametrize("method", ["cam", "gradcam"])
def test_sigmoid_class_0_is_the_negative_of_class_1(frames, end, method):
    model = gap_cnn(classes=1, end=end)
    explainer = Explainer(as_classifier(model), method)
    zero, one = explainer(frames, 0), explainer(frames, 1)
    np.testing.assert_array_equal(zero.maps, -one.maps)
    np.testing.assert_array_equal(one.logits[:, 0], -one.logits[:, 1])
    np.testing.assert_allclose(one.probabilities.sum(1), 1, atol=1e-6)
    if end == "sigmoid":
        plain = model.predict(frames.astype("float32"), verbose=0)[:, 0]
        np.testing.assert_allclose(one.probabilities[:, 1], plain, atol=1e-6)


def test_a_saturated_sigmoid_has_a_live_map(frames):
    model = gap_cnn(classes=1, end="sigmoid")
    head = model.get_layer("head")
    head.bias.assign([30.0])
    explanation = Explainer(as_classifier(model))(frames, 1)
    assert explanation.logits[:, 1].min() > 17
    assert np.abs(explanation.maps).max() > 1e-3


def test_several_classes_are_the_sum_of_their_maps(frames):
    explainer = Explainer(as_classifier(gap_cnn()))
    both = explainer(frames, [0, 2])
    assert relative(both.maps, explainer(frames, 0).maps + explainer(frames, 2).maps) < 1e-5
    assert both.targets == ((0, 2),) * len(frames)


def test_top_explains_each_frames_best_class(frames):
    explainer = Explainer(as_classifier(gap_cnn()))
    top = explainer(frames)
    for i, (target,) in enumerate(top.targets):
        assert target == top.logits[i].argmax()
        np.testing.assert_allclose(top.maps[i], explainer(frames[i], target).maps[0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("make", [gap_cnn, flatten_cnn, subclassed])
def test_a_batch_equals_its_frames_one_by_one(frames, make):
    classifier = Classifier(make(), "m", "none", (32, 32), 3, "squash", ("a", "b", "c"))
    explainer = Explainer(classifier, batch_size=4)
    together = explainer(frames, 1)
    apart = [explainer(frame, 1) for frame in frames]
    assert relative(together.maps, np.concatenate([e.maps for e in apart])) < 1e-5
    assert relative(together.logits, np.concatenate([e.logits for e in apart])) < 1e-5


def test_a_nested_model_equals_the_same_layers_in_one(frames):
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="inner_1")(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="inner_2")(x)
    backbone = keras.Model(inputs, x, name="backbone")
    model = randomize(nested(backbone))
    flat_in = keras.Input((32, 32, 3))
    y = keras.layers.Rescaling(1 / 255)(flat_in)
    for name in ("inner_1", "inner_2"):
        y = backbone.get_layer(name)(y)
    y = model.get_layer("head")(keras.layers.GlobalAveragePooling2D()(y))
    flat = keras.Model(flat_in, y)
    inner, outer = Explainer(as_classifier(model)), Explainer(as_classifier(flat))
    assert inner.layer == "backbone/inner_2"
    assert outer.layer == "inner_2"
    np.testing.assert_array_equal(inner(frames, 1).maps, outer(frames, 1).maps)


@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
def test_central_differences_confirm_the_gradient_in_float64(end):
    """Perturbs the last convolution's bias, channel by channel: d logit / d bias_k is the sum of g_k where A_k > 0.

    A linear activation makes that all positions, so that the sum of g_k is Grad-CAM's weight times h w.
    """
    classes = 1 if end == "sigmoid" else 3
    model = randomize(
        keras.Sequential(
            [
                keras.Input((16, 16, 3), dtype="float64"),
                keras.layers.Conv2D(4, 3, padding="same", name="last", dtype="float64"),
                keras.layers.Activation("tanh", name="bend", dtype="float64"),
                keras.layers.Flatten(dtype="float64"),
                keras.layers.Dense(5, activation="tanh", dtype="float64"),
                keras.layers.Dense(classes, activation=end, dtype="float64"),
            ]
        )
    )
    x = np.random.default_rng(3).uniform(0, 1, (2, 16, 16, 3))

    def seen():
        engine = TensorFlow(Network(model, "m", lambda v: v, (16, 16, 3)), "last", "float64")
        return engine.run(x, selection_of([1], max(2, classes)))

    maps = gradcam(seen().activations[0], seen().gradients[0])
    assert maps.dtype == np.float64
    activations = keras.Model(model.inputs, model.get_layer("last").output)(x).numpy()
    bias, step = model.get_layer("last").bias, 1e-5
    weights = np.zeros((2, 4))
    for k in range(4):
        ends = []
        for sign in (1, -1):
            bias.assign(bias.numpy() + sign * step * np.eye(4)[k])
            ends.append(seen().logits[:, 1])
            bias.assign(bias.numpy() - sign * step * np.eye(4)[k])
        weights[:, k] = (ends[0] - ends[1]) / (2 * step) / (16 * 16)
    assert relative(maps, np.einsum("bhwk,bk->bhw", activations, weights)) < 1e-7


def test_linear_end_reads_outputs_as_logits(frames):
    model = gap_cnn(end=None)
    explanation = Explainer(as_classifier(model))(frames)
    np.testing.assert_allclose(explanation.logits, model.predict(frames.astype("float32"), verbose=0), atol=1e-5)
    np.testing.assert_allclose(explanation.probabilities.sum(1), 1, atol=1e-5)


def test_multi_label_probabilities_are_sigmoids(frames):
    model = gap_cnn(end="sigmoid")
    explanation = Explainer(as_classifier(model))(frames)
    np.testing.assert_allclose(explanation.probabilities, model.predict(frames.astype("float32"), verbose=0), atol=1e-6)


def test_cam_names_gradcam_where_the_head_is_another(frames):
    from vidcam.errors import UsageError

    for model, size in ((flatten_cnn(), 32), (binary_cnn(), 48)):
        with pytest.raises(UsageError, match="gradcam"):
            Explainer(as_classifier(model, size), "cam")
    with pytest.raises(UsageError, match="gradcam"):
        Explainer(as_classifier(gap_cnn()), "cam", layer="first")
