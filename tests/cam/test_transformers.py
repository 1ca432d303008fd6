"""Networks of patch tokens: which of their tensors are maps, which one is explained, and that it is what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tests import transformers
from tests.networks import as_classifier, pictures
from vidcam.cam import METHODS, Explainer
from vidcam.cam.anatomy import dissect
from vidcam.cam.build.network import Network
from vidcam.cam.run.tensorflow import TensorFlow
from vidcam.cam.targets import selection_of
from vidcam.errors import UsageError
from vidcam.models import load_model

NETWORKS: dict[str, tuple[Callable[[], Any], str, tuple[int, int]]] = {
    "class token": (transformers.vit, "block_1_norm1", (3, 4)),
    "registers": (lambda: transformers.vit(extra=5), "block_1_norm1", (3, 4)),
    "mean": (lambda: transformers.vit(head="mean", extra=0), "block_1_norm1", (3, 4)),
    "pixels": (lambda: transformers.vit(patches="extract"), "block_1_norm1", (3, 4)),
    "windows of tokens": (transformers.swin, "stage_1_block_1_norm2", (4, 6)),
    "windows of a grid": (lambda: transformers.swin(tokens=False), "stage_1_block_1_norm2", (4, 6)),
    "convolutions": (transformers.convnext, "block_1_add", (8, 8)),
    "hybrid": (transformers.mobilevit, "fuse", (8, 8)),
}


def classifier(model: Any, **changes: Any) -> Any:
    height, width = (s or 32 for s in model.input_shape[1:3])
    return as_classifier(model, **{"input_size": (width, height), **changes})


def inputs(model: Any, count: int = 2) -> np.ndarray:
    height, width = (s or 32 for s in model.input_shape[1:3])
    return pictures(count, height, width)


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


@pytest.fixture(scope="module", params=list(NETWORKS))
def network(request: pytest.FixtureRequest) -> tuple[Any, Explainer, str, tuple[int, int]]:
    make, layer, grid = NETWORKS[request.param]
    model = make()
    return model, Explainer(classifier(model), "hirescam", engine="tensorflow"), layer, grid


def test_what_is_explained_and_how_with_every_method_and_on_both_engines(network):
    model, explainer, layer, grid = network
    assert explainer.layer == layer
    frames = inputs(model)
    for method in sorted(set(METHODS) - {"cam", "reciprocam"}):
        maps = explainer.by(method)(frames, 1).maps
        assert maps.shape == (2, *grid), method
        assert np.isfinite(maps).all(), method
        assert np.ptp(maps, axis=(1, 2)).min() > 0, method
    other, same = Explainer(classifier(model), "hirescam", engine="openvino")(frames, 1), explainer(frames, 1)
    assert relative(other.maps, same.maps) < 1e-4
    np.testing.assert_allclose(other.logits, same.logits, rtol=1e-4, atol=1e-5)


def test_a_method_that_replaces_the_map_says_where_the_classes_see_past_it(network):
    model, _, layer, grid = network
    for engine in ("tensorflow", "openvino"):
        explain = Explainer(classifier(model), "reciprocam", engine=engine)
        if layer in ("block_1_add", "fuse"):  # all passes through it
            assert explain(inputs(model), 1).maps.shape == (2, *grid)
            continue
        with pytest.raises(UsageError, match="the classes depend on more than its map"):
            explain(inputs(model), 1)


def test_no_tensor_of_attention_is_ever_a_map(network):
    model, _, layer, grid = network
    anatomy = dissect(classifier(model))
    assert anatomy.chosen == layer
    assert [x.shape[:2] for x in anatomy.layers if x.path == layer] == [grid]
    height, width = model.input_shape[1:3]
    assert {x.shape[:2] for x in anatomy.layers} <= {(height // n, width // n) for n in (1, 2, 4, 8)}
    inside = ("query", "key", "value", "softmax", "soft", "drop", "qkv", "project")
    assert not [x.path for x in anatomy.layers if x.path.rsplit("/", 1)[-1].rstrip("_0123456789") in inside]


@pytest.mark.parametrize("extra", [0, 3])
def test_a_mean_over_patches_and_a_dense_layer_sum_to_the_logit_less_bias(extra):
    model = transformers.vit(head="mean", extra=extra)
    bias = model.get_layer("head").bias.numpy()[1]
    explainer = Explainer(classifier(model), "gradcam", "norm", engine="tensorflow")
    gradcam = explainer(inputs(model), 1)
    np.testing.assert_allclose(gradcam.maps.sum((1, 2)), gradcam.logits[:, 1] - bias, rtol=1e-4, atol=1e-5)
    for method in ("cam", "hirescam", "xgradcam"):
        maps = explainer.by(method)(inputs(model), 1).maps
        assert relative(maps / (maps[0].size if method == "cam" else 1), gradcam.maps) < 1e-4, method


def test_cam_is_refused_where_the_class_token_takes_part_in_the_mean():
    inputs_ = keras.Input((16, 16, 3))
    x = layers.Reshape((16, 4))(layers.Conv2D(4, 4, strides=4)(inputs_))
    x = layers.GlobalAveragePooling1D()(transformers.Tokens(1, name="tokens")(x))
    model = transformers.randomize(keras.Model(inputs_, layers.Dense(3, name="head")(x)))
    with pytest.raises(UsageError, match="method cam needs"):
        Explainer(classifier(model), "cam", "tokens")
    assert "cam" not in dissect(classifier(model, layer="tokens")).methods


def test_differences_confirm_the_gradient_through_attention_to_a_class_token_in_float64():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        model = transformers.vit(nudged=True, end=None)
    finally:
        keras.config.set_dtype_policy(before)
    weight = model.get_layer("nudge").nudge
    weight.assign(np.zeros(weight.shape))
    x = pictures(1, 24, 32).astype("float64")
    engine = TensorFlow(Network(model, "m", lambda v: v, (24, 32, 3)), "nudge", "float64")
    gradient = engine.run(x, selection_of([2], 3)).gradients[0]
    step, differences = 1e-5, np.zeros((12, 12))
    for n, k in [(0, 0), (3, 5), (7, 11), (11, 2)]:
        sides = []
        for sign in (1, -1):
            value = np.zeros(weight.shape)
            value[0, 1 + n, k] = sign * step  # behind the class token
            weight.assign(value)
            sides.append(float(model(x)[0, 2]))
        differences[n, k] = (sides[0] - sides[1]) / (2 * step)
        assert gradient.reshape(12, 12)[n, k] == pytest.approx(differences[n, k], rel=1e-6, abs=1e-9)
    assert np.abs(differences).max() > 1e-4


def one_hot(kind: str) -> Any:
    """A network whose tokens are the brightness of their patches, in several layouts."""
    inputs_ = keras.Input((32, 48, 3))
    x = layers.Rescaling(1 / 255)(inputs_)
    if kind == "extracted":
        x = layers.Dense(2, name="embed", kernel_initializer="ones")(transformers.Patches(8)(x))
    else:
        x = layers.Conv2D(2, 8, strides=8, kernel_initializer="ones", name="embed")(x)
        x = layers.Reshape((24, 2), name="tokens")(x)
    if kind == "registers":
        x = transformers.Tokens(4, positions=False, name="with_more")(x)
        x = x[:, 4:]
    if kind == "windows":
        x = layers.Reshape((4, 6, 2))(x)
        x = transformers.WindowAttention(2, 1, heads=1, name="attention")(x)
    x = layers.GlobalAveragePooling1D()(x) if kind != "windows" else layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs_, layers.Dense(2, kernel_initializer="ones", name="head")(x), name=kind)
    if kind == "windows":  # keep the values as they are: each token hands on what it attends to, which is itself
        attention = model.get_layer("attention")
        identity = np.eye(2, dtype="float32")
        attention.qkv.set_weights([np.concatenate([identity] * 3, 1) * 30, np.zeros(6, "float32")])
        attention.project.set_weights([identity / 30, np.zeros(2, "float32")])
    return model


@pytest.mark.parametrize(
    ("kind", "layer"),
    [("convolved", "tokens"), ("extracted", "embed"), ("registers", "with_more"), ("windows", "attention")],
)
def test_a_bright_patch_is_hot_where_it_lies(kind, layer):
    model = one_hot(kind)
    explainer = Explainer(classifier(model), "hirescam", layer)
    frames = np.zeros((24, 32, 48, 3), np.uint8)
    for n in range(24):
        y, x = 8 * (n // 6), 8 * (n % 6)
        frames[n, y : y + 8, x : x + 8] = 255
    maps = explainer(frames, 0).maps
    assert maps.shape == (24, 4, 6)
    assert maps.reshape(24, -1).argmax(1).tolist() == list(range(24))
    if kind != "windows":
        assert (np.count_nonzero(maps, axis=(1, 2)) == 1).all()


def test_tokens_of_any_number_are_explained_at_any_size():
    model = transformers.any_size_vit()
    explainer = Explainer(classifier(model, fit="keep"), "gradcam", engine="tensorflow")
    assert explainer(pictures(2, 64, 128), 1).maps.shape == (2, 4, 8)
    still = Explainer(classifier(model), "gradcam", engine="tensorflow")
    square = pictures(2, 32, 32)
    assert relative(explainer(square, 1).maps, still(square, 1).maps) < 1e-5


@pytest.mark.parametrize("make", [transformers.vit, transformers.swin])
def test_positions_of_one_size_refuse_to_keep_the_aspect(make):
    with pytest.raises(UsageError, match="own input size"):
        Explainer(classifier(make(), fit="keep"))


class Shuffle(layers.Layer):
    """Patches in a line by an operation that cannot be followed."""

    def call(self, x: Any) -> Any:
        import tensorflow as tf

        order = keras.ops.arange(12)
        line = keras.ops.reshape(x, (-1, 12, x.shape[-1]))
        return tf.ensure_shape(tf.gather(line, order, axis=1), (None, 12, x.shape[-1]))


@pytest.fixture(scope="module")
def shuffled() -> Any:
    inputs_ = keras.Input((24, 32, 3))
    x = Shuffle(name="line")(layers.Conv2D(12, 8, strides=8, name="embed")(layers.Rescaling(1 / 255)(inputs_)))
    x = transformers.block(transformers.Tokens(2, name="tokens")(x), 0)
    return transformers.randomize(keras.Model(inputs_, layers.Dense(3, name="head")(x[:, 0]), name="told"))


def test_a_grid_that_cannot_be_found_may_be_told(shuffled):
    assert dissect(classifier(shuffled)).chosen == "embed"
    told = classifier(shuffled, token_grid=(3, 4))
    assert dissect(told).chosen == "block_0_norm1"
    assert Explainer(told, engine="tensorflow")(inputs(shuffled), 0).maps.shape == (2, 3, 4)
    with pytest.raises(UsageError, match=r"--token-grid 7x7: no layer has 49 tokens, or up to 16 more.*12, 14"):
        dissect(classifier(shuffled, token_grid=(7, 7)))


def test_a_told_grid_of_a_file_is_followed_to_the_class_token_as_the_keras_models(shuffled, tmp_path):
    import tensorflow as tf

    told = classifier(shuffled, token_grid=(3, 4))
    expected = Explainer(told, "hirescam", engine="tensorflow")(inputs(shuffled), 1)
    before = Explainer(classifier(shuffled), "hirescam", engine="tensorflow")(inputs(shuffled), 1)
    folder, file = tmp_path / "told", tmp_path / "told.tflite"
    shuffled.export(folder, verbose=False)
    file.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert())
    for path in (folder, file):
        opened = load_model(path, preprocess="none", token_grid=(3, 4))
        found = Explainer(opened, "hirescam")(inputs(shuffled), 1)
        assert dissect(opened).reason == "the normalisation before the last attention"
        assert relative(found.maps, expected.maps) < 1e-4
        # In front of the class token, which is repeated for each picture, as often as the map's shape says.
        first = Explainer(load_model(path, preprocess="none"), "hirescam")(inputs(shuffled), 1)
        assert relative(first.maps, before.maps) < 1e-4
        with pytest.raises(UsageError, match=r"--token-grid 7x7: no layer has 49 tokens"):
            dissect(load_model(path, preprocess="none", token_grid=(7, 7)))
