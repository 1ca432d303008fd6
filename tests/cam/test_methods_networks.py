"""Every method on every kind of network: raw maps against an independent reference, and identities between methods."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import keras
import numpy as np
import pytest
from keras import layers

from tests.networks import as_classifier, binary_cnn, flatten_cnn, gap_cnn, nested, pictures, randomize, subclassed
from vidcam.cam import METHODS, Explainer
from vidcam.cam.anatomy import dissect
from vidcam.cam.build.network import Network
from vidcam.cam.merge import merge
from vidcam.cam.run.tensorflow import TensorFlow
from vidcam.cam.targets import selection_of
from vidcam.errors import UsageError
from vidcam.models import Classifier, load_model
from vidcam.models.zoo import BUNDLED, DEFAULT_MODEL

ONE_PASS = [name for name, method in METHODS.items() if method.needs not in ("scores", "positions")]
TARGETED = [name for name, method in METHODS.items() if method.needs == "gradient"]
LINEAR = ("cam", "gradcam", "hirescam", "xgradcam")
LAYERS = {
    "mobilenet_v2": ("MobileNetV2", 96, "out_relu"),
    "vgg16": ("VGG16", 64, "block5_conv3"),
    "resnet50": ("ResNet50", 64, "conv5_block3_out"),
    "xception": ("Xception", 96, "block14_sepconv2_act"),
}
CLASSES = 4


def close(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-4) -> None:
    np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max(), rtol=0)


@cache
def application(name: str) -> tuple[Any, int, str]:
    """Returns a network of keras.applications with four classes, its side and its default layer; built once."""
    function, size, layer = LAYERS[name]
    options: dict[str, Any] = {"alpha": 0.35} if name == "mobilenet_v2" else {}
    if name == "vgg16":  # its own head has 100 million weights
        base = keras.applications.VGG16(weights=None, input_shape=(size, size, 3), include_top=False)
        x = layers.Dense(16, activation="relu")(layers.Flatten()(base.output))
        return randomize(keras.Model(base.input, layers.Dense(CLASSES, activation="softmax")(x))), size, layer
    build_model = getattr(keras.applications, function)
    return randomize(build_model(weights=None, input_shape=(size, size, 3), classes=CLASSES, **options)), size, layer


@cache
def reference(name: str) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    """Returns frames, A and g of class 2, and the logits, by an eager tape through the network without its softmax."""
    import tensorflow as tf

    model, size, layer = application(name)
    frames = pictures(2, size, size)
    end = model.layers[-1]
    activation, end.activation = end.activation, None
    try:
        taps = keras.Model(model.input, [model.get_layer(layer).output, end(end.input)])
        with tf.GradientTape() as tape:
            a, logits = taps(_tf_scaled(frames), training=False)
            score = logits[:, 2]
        g = tape.gradient(score, a)
    finally:
        end.activation = activation
    return frames, a.numpy(), g.numpy(), logits.numpy()


@cache
def all_maps(name: str) -> dict[str, np.ndarray]:
    """Returns every method's maps of class 2, by one graph: tracing each by itself would take minutes."""
    model, size, layer = application(name)
    network = Network(model, name, as_classifier(model, size, preprocess="tf").scale, (size, size, 3))
    engine = TensorFlow(network, None)
    assert engine.facts.layers == (layer,)
    seen = engine.run(reference(name)[0], selection_of([2], CLASSES))
    methods = [METHODS[m] for m in ONE_PASS if (name, m) != ("vgg16", "cam")]
    return {m.name: m.function(seen.activations[0], *([seen.gradients[0]] if m.needs else [])) for m in methods}


def _tf_scaled(frames: np.ndarray) -> np.ndarray:
    return (frames / 127.5 - 1.0).astype("float32")


def in_numpy(name: str, a: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The definitions once more, with NumPy in float64."""
    a, g = a.astype(np.float64), g.astype(np.float64)
    total = a.sum((1, 2), keepdims=True)
    positive = np.maximum(g, 0)
    if name == "hirescam":
        return (g * a).sum(-1)
    if name == "layercam":
        return (positive * a).sum(-1)
    if name == "eigencam":
        first = np.stack([np.linalg.svd(x.reshape(-1, x.shape[2]), full_matrices=False)[2][0] for x in a])
        projected = np.einsum("bhwk,bk->bhw", a, first)
        return projected * np.sign(projected.sum((1, 2), keepdims=True))
    if name == "gradcam":
        weights = g.mean((1, 2))
    elif name == "cam":
        weights = g.sum((1, 2))
    elif name == "xgradcam":
        weights = np.where(
            total[:, 0, 0] == 0, 0, (g * a).sum((1, 2)) / np.where(total[:, 0, 0] == 0, 1, total[:, 0, 0])
        )
    else:
        assert name == "gradcam++"
        denominator = 2 * g**2 + g**3 * total
        alpha = np.where((g > 0) & (denominator > 0), g**2 / np.where(denominator > 0, denominator, 1), 0)
        weights = (alpha * positive).sum((1, 2))
    return np.einsum("bhwk,bk->bhw", a, weights)


@pytest.mark.parametrize("network", LAYERS)
@pytest.mark.parametrize("method", ONE_PASS)
def test_a_method_on_a_textbook_network_equals_the_reference(network, method):
    _, a, g, _ = reference(network)
    if method == "cam" and network == "vgg16":
        model, size, _ = application(network)
        with pytest.raises(UsageError, match="gradcam"):
            Explainer(as_classifier(model, size, preprocess="tf"), method)
        return
    close(all_maps(network)[method], in_numpy(method, a, g), 3e-4)


@pytest.mark.parametrize("network", LAYERS)
def test_scorecam_on_a_textbook_network_equals_masking_by_hand(network):
    model, size, layer = application(network)
    frames, a, _, logits = reference(network)
    explainer = Explainer(as_classifier(model, size, preprocess="tf"), "scorecam", top_channels=3)
    result = explainer(frames, 2)
    assert explainer.layer == layer
    close(result.logits, logits)
    for i in range(2):
        top = np.argsort(-a[i].reshape(-1, a.shape[3]).var(0), kind="stable")[:3]
        masks = np.stack([cv2.resize(a[i][..., k], (size, size), interpolation=cv2.INTER_LINEAR) for k in top])
        low, high = masks.min((1, 2), keepdims=True), masks.max((1, 2), keepdims=True)
        masked = _tf_scaled(frames[i]) * ((masks - low) / (high - low))[..., None]
        scores = _logits(model, masked)[:, 2]
        weights = np.exp(scores - scores.max())
        close(result.maps[i], a[i][..., top] @ (weights / weights.sum()), 2e-3)


def _logits(model: Any, x: np.ndarray) -> np.ndarray:
    head = model.layers[-1]
    before = keras.Model(model.input, head.input)(x).numpy()
    return before @ head.kernel.numpy() + head.bias.numpy()


def unlike() -> dict[str, Classifier]:
    """Networks of other builds: flattened, nested, subclassed, with one sigmoid."""
    inside = keras.Input((32, 32, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="inner")(inside)
    backbone = keras.Model(inside, layers.Conv2D(8, 3, strides=2, padding="same", activation="swish", name="out")(x))
    backbone.name = "backbone"
    custom = subclassed()
    return {
        "flatten": as_classifier(flatten_cnn()),
        "nested": as_classifier(randomize(nested(backbone))),
        "subclassed": Classifier(custom, custom.name, "none", (32, 32), 3, "squash", ("a", "b", "c")),
        "sigmoid": as_classifier(binary_cnn(), 48),
    }


@pytest.mark.parametrize("kind", ["flatten", "nested", "subclassed", "sigmoid"])
def test_every_method_runs_on_other_builds_and_a_batch_equals_its_frames(kind):
    classifier = unlike()[kind]
    frames = pictures(3, *classifier.input_size)
    for name in METHODS:
        if name == "cam" and kind in ("flatten", "sigmoid"):
            continue
        explainer = Explainer(classifier, name, batch_size=2)
        maps = explainer(frames, 1).maps
        assert maps.shape[0] == 3, name
        assert np.isfinite(maps).all(), name
        assert maps[0].std() > 0, name
        close(maps, np.concatenate([explainer(frame, 1).maps for frame in frames]))


def test_every_method_runs_on_the_bundled_classifier():
    if not BUNDLED[DEFAULT_MODEL].is_file():
        pytest.skip("the bundled classifier is not in this tree")
    classifier = load_model(DEFAULT_MODEL)
    width, height = classifier.input_size
    frames = pictures(2, height, width)
    for name in dissect(classifier).methods:
        explainer = Explainer(classifier, name, top_channels=8 if name == "scorecam" else None)
        maps = explainer(frames, 1).maps
        assert np.isfinite(maps).all(), name
        assert np.abs(maps).max() > 0, name
        close(maps, np.concatenate([explainer(frame, 1).maps for frame in frames]), 1e-3)


def test_gap_and_dense_cam_gradcam_hirescam_and_xgradcam_agree_in_float64():
    model = gap_cnn(dtype="float64")
    x = pictures(3).astype("float64")
    bias = model.get_layer("head").bias.numpy()
    maps = {}
    for name in LINEAR:
        maps[name], logits = exact(model, name, x, 1)
        maps[name] = maps[name] / (maps[name][0].size if name == "cam" else 1)
        np.testing.assert_allclose(maps[name], maps["cam"], rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(maps[name].sum((1, 2)), logits[:, 1] - bias[1], rtol=1e-9)


def exact(model: Any, method: str, x: np.ndarray, target: int, layer: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the maps and logits of a float64 model."""
    engine = TensorFlow(Network(model, "m", lambda v: v, x.shape[1:]), layer, "float64")
    seen = engine.run(x, selection_of([target], engine.facts.classes))
    maps = METHODS[method].function(seen.activations[0], seen.gradients[0])
    assert maps.dtype == np.float64
    return maps, seen.logits


@pytest.mark.parametrize("pooled", [False, True], ids=["flatten", "pooling and flatten"])
def test_flatten_and_dense_hirescam_sums_to_the_logit_less_bias_in_float64(pooled):
    stack = [
        keras.Input((16, 16, 3), dtype="float64"),
        layers.Conv2D(5, 3, activation="relu", name="last", dtype="float64"),
        *([layers.MaxPooling2D(dtype="float64")] if pooled else []),
        layers.Flatten(dtype="float64"),
        layers.Dense(3, activation="softmax", name="head", dtype="float64"),
    ]
    model = randomize(keras.Sequential(stack))
    for target in range(3):
        maps, logits = exact(model, "hirescam", pictures(2, 16, 16) / 255.0, target)
        bias = model.get_layer("head").bias.numpy()[target]
        np.testing.assert_allclose(maps.sum((1, 2)), logits[:, target] - bias, rtol=1e-10)


@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
def test_central_differences_confirm_every_gradient_in_float64(end):
    """Each activation is moved by hand; the gradients so found give HiResCAM's and every other method's map."""
    classes = 1 if end == "sigmoid" else 3
    body = [
        keras.Input((8, 8, 3), dtype="float64"),
        layers.Conv2D(3, 3, activation="swish", name="last", dtype="float64"),
    ]
    head = [
        layers.MaxPooling2D(dtype="float64"),
        layers.Flatten(dtype="float64"),
        layers.Dense(6, activation="tanh", dtype="float64"),
        layers.Dense(classes, name="logits", dtype="float64"),
    ]
    model = randomize(keras.Sequential([*body, *head, layers.Activation(end, dtype="float64")]))
    x = pictures(2, 8, 8) / 255.0
    a = keras.Sequential(body)(x).numpy()
    behind = keras.Sequential([keras.Input(a.shape[1:], dtype="float64"), *head])
    step, g = 1e-6, np.zeros_like(a)
    offsets = step * np.eye(a[0].size).reshape(-1, *a.shape[1:])
    for b in range(len(x)):
        moved = (behind(a[b] + offsets).numpy()[:, -1] - behind(a[b] - offsets).numpy()[:, -1]) / (2 * step)
        g[b] = moved.reshape(a.shape[1:])
    for name in TARGETED:
        maps, _ = exact(model, name, x, max(1, classes - 1), layer="last")
        close(maps, in_numpy(name, a, g), 1e-7)


@pytest.mark.parametrize("name", METHODS)
def test_a_saturated_sigmoid_has_a_live_map(name):
    model = gap_cnn(classes=1, end="sigmoid")
    head = model.get_layer("head")
    head.kernel.assign(np.abs(head.kernel.numpy()))  # evidence for class 1 that rectifying methods see, too
    head.bias.assign([30.0])
    explanation = Explainer(as_classifier(model), name)(pictures(2), 1)
    assert explanation.logits[:, 1].min() > 17
    assert np.abs(explanation.maps).max() > 1e-4


@pytest.mark.parametrize("name", LINEAR)
def test_sigmoid_class_0_is_the_negative_of_class_1_and_so_is_against(name):
    classifier = as_classifier(gap_cnn(classes=1, end="sigmoid"))
    frames = pictures(3)
    one = Explainer(classifier, name)(frames, 1)
    np.testing.assert_array_equal(Explainer(classifier, name)(frames, 0).maps, -one.maps)
    np.testing.assert_array_equal(Explainer(classifier, name, against=True)(frames, 1).maps, -one.maps)


@pytest.mark.parametrize("name", METHODS)
def test_against_explains_the_negated_logit(name):
    model, frames = gap_cnn(), pictures(3)
    if name == "eigencam":
        with pytest.raises(UsageError, match="explains no class"):
            Explainer(as_classifier(model), name, against=True)
        return
    against = Explainer(as_classifier(model), name, against=True)(frames)
    head = model.get_layer("head")
    negated = keras.models.clone_model(model)
    negated.set_weights(model.get_weights())
    negated.get_layer("head").kernel.assign(-head.kernel.numpy())
    negated.get_layer("head").bias.assign(-head.bias.numpy())
    plain = Explainer(as_classifier(negated), name)
    for i, (target,) in enumerate(against.targets):
        assert target == against.logits[i].argmax()  # still the frame's best class
        close(against.maps[i], plain(frames[i], target).maps[0])


def test_eigencam_is_the_same_for_every_target():
    explainer = Explainer(as_classifier(gap_cnn()), "eigencam")
    np.testing.assert_array_equal(explainer(pictures(2), 0).maps, explainer(pictures(2), 2).maps)


@pytest.mark.parametrize("name", ["gradcam", "layercam", "eigencam", "scorecam"])
def test_several_layers_are_the_mean_of_their_scaled_maps(name):
    classifier, frames = as_classifier(gap_cnn()), pictures(2)
    apart = [Explainer(classifier, name, layer)(frames, 1).maps for layer in ("first", "last")]
    merged = Explainer(classifier, name, "first,last")
    assert merged.layer == "first,last"
    maps = merged(frames, 1).maps
    assert maps.shape == apart[0].shape  # the larger of the two
    for i in range(2):
        resized = [cv2.resize(m[i], (32, 32), interpolation=cv2.INTER_LINEAR) for m in apart]
        peaks = [np.abs(m[i]).max() for m in apart]
        close(maps[i], np.mean(peaks) * np.mean([r / p for r, p in zip(resized, peaks, strict=True)], axis=0))
    np.testing.assert_array_equal(Explainer(classifier, name, ["first", "last"])(frames, 1).maps, maps)


def test_a_layer_without_evidence_adds_nothing_to_a_merged_map():
    alive = np.random.default_rng(0).normal(size=(1, 4, 4)).astype("float32")
    close(merge([alive, np.zeros((1, 2, 2), "float32")]), alive / 4)


def test_the_flattened_network_equals_the_nested_one_under_every_method():
    inside = keras.Input((32, 32, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="inner_1")(inside)
    backbone = keras.Model(
        inside, layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="inner_2")(x), name="backbone"
    )
    model = randomize(nested(backbone))
    outer = keras.Input((32, 32, 3))
    y = layers.Rescaling(1 / 255)(outer)
    for name in ("inner_1", "inner_2"):
        y = backbone.get_layer(name)(y)
    flat = keras.Model(outer, model.get_layer("head")(layers.GlobalAveragePooling2D()(y)))
    for name in METHODS:
        a, b = (Explainer(as_classifier(m), name)(pictures(2), 1).maps for m in (model, flat))
        close(a, b, 1e-5)


def mobilenet() -> Any:
    return application.__wrapped__("mobilenet_v2")[0]  # built anew: the policy decides what it computes in


@pytest.mark.parametrize("build_model", [gap_cnn, flatten_cnn, pytest.param(mobilenet, marks=pytest.mark.slow)])
def test_mixed_bfloat16_is_close_to_float32(build_model):
    model = build_model()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = build_model()
    finally:
        keras.config.set_dtype_policy(before)
    half.set_weights(model.get_weights())
    size = model.input_shape[1]
    frames = pictures(2, size, size)
    for name in METHODS:
        if name == "cam" and build_model is flatten_cnn:
            continue
        if name == "scorecam" and build_model is mobilenet:
            continue  # an untrained network's channels score alike: the last bit ranks them
        a, b = (Explainer(as_classifier(m, size), name)(frames, 1) for m in (half, model))
        assert half.compute_dtype == "bfloat16"
        assert a.maps.dtype == np.float32
        assert np.isfinite(a.maps).all()
        correlation = np.corrcoef(a.maps.ravel(), b.maps.ravel())[0, 1]
        assert correlation > 0.95, (name, correlation)


def test_other_weights_are_computed_with_and_the_model_keeps_its_own():
    model, frames = gap_cnn(), pictures(2)
    before = [w.copy() for w in model.get_weights()]
    other = randomize(keras.models.clone_model(model), seed=9)
    for name in METHODS:
        swapped = Explainer(as_classifier(model), name, weights=other.get_weights())
        want = Explainer(as_classifier(other), name)
        close(swapped(frames, 1).maps, want(frames, 1).maps, 1e-6)
    inputs = list(frames)
    close(swapped.predict(inputs)[0], want.predict(inputs)[0], 1e-6)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_predict_gives_the_explanations_logits():
    explainer = Explainer(as_classifier(gap_cnn()), batch_size=2)
    frames = pictures(3)
    result = explainer(frames)
    logits, probabilities = explainer.predict([explainer.classifier.prepare(f)[0] for f in frames])
    close(logits, result.logits, 1e-5)
    close(probabilities, result.probabilities, 1e-5)


def test_top_channels_is_for_scorecam_and_bounds_the_forward_passes():
    classifier = as_classifier(gap_cnn())
    with pytest.raises(UsageError, match="scorecam"):
        Explainer(classifier, "gradcam", top_channels=4)
    with pytest.raises(UsageError, match="at least 1"):
        Explainer(classifier, "scorecam", top_channels=0)
    frames = pictures(2)
    everything = Explainer(classifier, "scorecam")(frames, 1).maps
    close(Explainer(classifier, "scorecam", top_channels=8)(frames, 1).maps, everything, 1e-6)
    assert np.abs(Explainer(classifier, "scorecam", top_channels=1)(frames, 1).maps - everything).max() > 0
