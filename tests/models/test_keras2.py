"""Files of Keras 2: small ones that Keras 2 itself wrote, with what it answered, and those of Teachable Machine."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from vidcam.cam import Explainer
from vidcam.errors import VidcamError
from vidcam.models import load_model, read_labels
from vidcam.models.files import find_model
from vidcam.models.keras2_nodes import OldNode, attribute
from vidcam.models.recognize import known_network, scaling

FILES = Path(__file__).parent / "keras2"
ANSWERS = json.loads((FILES / "answers.json").read_text())


@pytest.mark.parametrize("name", ["arithmetic.h5", "nodes.h5", "caffe.h5", "nested.h5", "nested.keras"])
def test_a_keras_2_file_answers_as_it_did_in_keras_2(name):
    """Slicing, subtraction from a constant, resizing, names with slashes, frozen parts, models in models, nodes."""
    classifier = load_model(FILES / name)
    assert classifier.preprocess == "none"
    x = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(classifier.model.predict(x, verbose=0), ANSWERS[name.split(".")[0]], atol=1e-6)
    frames = x.astype("uint8")
    explanation = Explainer(classifier, engine="tensorflow")(frames)
    np.testing.assert_allclose(explanation.probabilities, ANSWERS[name.split(".")[0]], atol=1e-6)
    assert np.isfinite(explanation.maps).all()


def test_keras_2s_hard_sigmoid_is_not_keras_3s():
    layer = load_model(FILES / "nested.h5").model.get_layer("base").get_layer("block_dw")
    x = np.linspace(-4, 4, 9)
    np.testing.assert_allclose(layer.activation(keras.ops.convert_to_tensor(x)), np.clip(0.2 * x + 0.5, 0, 1))


def edited(tmp_path, edit, name="nested.h5"):
    """Copies a file with its configuration changed."""
    path = tmp_path / name
    shutil.copy(FILES / name, path)
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        edit(config, file)
        file.attrs["model_config"] = json.dumps(config)
    return path


def layer_of(config, name):
    found = [x for x in config["config"]["layers"] if x["config"]["name"] == name]
    return (
        found[0] if found else layer_of(next(x for x in config["config"]["layers"] if x["config"].get("layers")), name)
    )


def rename_class(config, _):
    layer_of(config, "block/gate")["class_name"] = "GatedConv"


def rename_activation(config, _):
    layer_of(config, "block/dw")["config"]["activation"] = "wobble"


def widen(config, _):
    layer_of(config, "block/gate")["config"]["filters"] = 50_000_000


def more_filters(config, _):
    layer_of(config, "block/dw")["config"]["depth_multiplier"] = 2


def split_batches(config, _):
    layer_of(config, "block/bn")["config"]["virtual_batch_size"] = 4


def lose_weights(_, file):
    del file["model_weights"]["top"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (rename_class, ["'block/gate'", "GatedConv", "--custom-objects"]),
        (rename_activation, ["'block/dw'", "'wobble'", "--custom-objects"]),
        (split_batches, ["'block/bn'", "BatchNormalization", "virtual_batch_size"]),
        (widen, ["block_gate", "more than the file holds"]),
        (more_filters, ["nested.h5"]),
        (lose_weights, ["'top'", "weights", "damaged"]),
    ],
)
def test_what_cannot_be_opened_is_named(tmp_path, edit, words):
    with pytest.raises(VidcamError) as caught:
        load_model(edited(tmp_path, edit))
    message = str(caught.value)
    assert "\n" not in message
    for word in ["nested.h5", *words]:
        assert word in message


def test_own_classes_and_activations_of_keras_2_files_come_from_the_user(tmp_path):
    def edit(config, file):
        rename_class(config, file)
        rename_activation(config, file)

    path = edited(tmp_path, edit)
    (tmp_path / "own.py").write_text(
        "import keras\n"
        "def wobble(x):\n    return keras.ops.clip(0.2 * x + 0.5, 0, 1)\n"
        "class GatedConv(keras.layers.Conv2D):\n    pass\n"
    )
    model = load_model(path, custom_objects=tmp_path / "own.py").model
    x = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(model.predict(x, verbose=0), ANSWERS["nested"], atol=1e-6)


def test_operations_that_are_no_arithmetic_are_not_called(tmp_path):
    def edit(config, _):
        next(x for x in config["config"]["layers"] if x["class_name"] == "TFOpLambda")["config"]["function"] = (
            "io.read_file"
        )

    with pytest.raises(VidcamError, match=r"'tf.cast' \(TFOpLambda\) is the operation io.read_file"):
        load_model(edited(tmp_path, edit, "arithmetic.h5"))


def test_nodes_of_graphs_that_are_no_arithmetic_are_not_computed(tmp_path):
    def edit(config, _):
        layer = next(x for x in config["config"]["layers"] if x["name"] == "tf_op_layer_sub")
        layer["config"]["node_def"]["op"] = "ReadFile"

    with pytest.raises(VidcamError, match=r"'tf_op_layer_sub' \(TensorFlowOpLayer\) is the operation ReadFile"):
        load_model(edited(tmp_path, edit, "nodes.h5"))
    with pytest.raises(ValueError, match="ReadFile"):
        OldNode("ReadFile", {}, {})


def test_a_node_may_be_computed_several_times_and_give_several_tensors():
    node = OldNode("Split", {"num_split": 2}, {"0": 3})
    again = OldNode.from_config(node.get_config())
    x = np.random.default_rng(0).normal(size=(1, 2, 2, 4)).astype("float32")
    for part, expected in zip(again(x), np.split(x, 2, axis=3), strict=True):
        np.testing.assert_array_equal(part, expected)
    pooled = OldNode(
        "AvgPool", {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": attribute({"s": "VkFMSUQ="})}, {}
    )
    np.testing.assert_allclose(pooled(x)[0, 0, 0], x.mean((0, 1, 2)), atol=1e-6)
    assert attribute({"list": {"i": ["1", "2"]}}) == [1, 2]
    with pytest.raises(ValueError, match="shape"):
        attribute({"shape": {}})


def test_a_lambda_layer_loads_on_demand_and_another_pythons_code_is_named(tmp_path):
    path = tmp_path / "lambda.h5"
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()])
    model.add(keras.layers.Dense(2))
    model.save(path)
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        code = {"function": ["4wEAAAAAAAAAAAAAAAEA", None, None], "name": "odd"}
        config["config"]["layers"].insert(2, {"class_name": "Lambda", "config": code})
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.8.0"
    with pytest.raises(VidcamError, match="--unsafe-model"):
        load_model(path)
    with pytest.raises(VidcamError, match=r"'odd' \(Lambda\) is code of another version of Python"):
        load_model(path, unsafe=True)


def test_numbers_before_labels_are_taken_off(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("0 Big Cat\n1 Dog \n\n")
    assert read_labels(path) == ("Big Cat", "Dog")
    path.write_text("7 up\n2 go\n")
    assert read_labels(path) == ("7 up", "2 go")


def test_networks_built_without_their_preprocessing_take_what_their_authors_say():
    apps = keras.applications
    shape = {"weights": None, "input_shape": (32, 32, 3), "include_top": False}
    for build in (apps.MobileNetV3Small, apps.EfficientNetV2B0):
        model = build(**shape, include_preprocessing=False)
        assert scaling(model, "m", known_network(model))[0] == "tf", build
    block = keras.layers.DepthwiseConv2D(3, name="convnext_tiny_stage_3_block_0_depthwise_conv")
    model = keras.Sequential([keras.Input((8, 8, 3)), block])
    assert scaling(model, "m", known_network(model))[0] == "torch"
    model = apps.MobileNetV3Small(**shape)
    assert scaling(model, "m", known_network(model)) == ("none", f"its layer {model.layers[1].name}")


def test_teachable_machines_files_need_no_option(shared_data, tmp_path):
    folder = shared_data / "models" / "teachable_machine" / "cat_dog"
    archive = tmp_path / "converted_keras.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for name in ("keras_model.h5", "labels.txt"):
            zipped.write(folder / name, name)
    for path in (folder, folder / "keras_model.h5", archive):
        assert read_labels(find_model(path).labels) == ("Cat", "Dog")
    lonely = tmp_path / "renamed.h5"
    shutil.copy(folder / "keras_model.h5", lonely)
    assert find_model(lonely).labels is None
    classifier = load_model(archive)
    assert (classifier.name, classifier.labels) == ("converted_keras", ("Cat", "Dog"))
    assert (classifier.preprocess, classifier.fit, classifier.input_size) == ("tf", "crop", (224, 224))
    cat = np.asarray(Image.open(shared_data / "seed" / "images" / "cat.PNG").convert("RGB"))
    explanation = Explainer(classifier)([cat])
    assert explanation.targets == ((0,),)
    assert explanation.probabilities[0, 0] > 0.9
