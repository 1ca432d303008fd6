"""From names and files to classifiers, and what goes wrong on the way."""

from __future__ import annotations

import json
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from tests.networks import Subclassed, flatten_cnn, gap_cnn, nested, pictures, randomize, subclassed
from vidcam.cam import Explainer
from vidcam.errors import UsageError, VidcamError
from vidcam.models import PREPROCESSING, Classifier, load_model, names, read_labels, save_classifier
from vidcam.models.zoo import ZOO, imagenet_labels


def plain_cnn(classes=3):
    return randomize(
        keras.Sequential(
            [keras.Input((16, 16, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(classes)]
        )
    )


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_gives_the_same_predictions(tmp_path, suffix):
    model = gap_cnn()
    path = tmp_path / f"my model{suffix}"
    model.save(path)
    classifier = load_model(path)
    assert (classifier.name, classifier.input_size, classifier.fit) == ("my model", (32, 32), "squash")
    assert classifier.labels == ("class 0", "class 1", "class 2")
    frames = pictures(3)
    plain = model.predict(frames.astype("float32"), verbose=0)
    np.testing.assert_allclose(Explainer(classifier)(frames).probabilities, plain, atol=1e-6)


def test_a_saved_classifier_carries_everything_and_keras_loads_it(tmp_path):
    model = gap_cnn()
    made = load_model(model, labels=["a", "b", "c"], fit="crop", layer="first", preprocess="unit")
    path = tmp_path / "m.keras"
    save_classifier(made, path, extra={"seed": 7})
    again = load_model(path)
    for field in ("labels", "fit", "layer", "preprocess", "input_size", "channels"):
        assert getattr(again, field) == getattr(made, field)
    assert load_model(path, fit="pad", labels=("x", "y", "z")).fit == "pad"
    x = pictures(2).astype("float32")
    plain = keras.models.load_model(path)
    np.testing.assert_array_equal(plain.predict(x, verbose=0), model.predict(x, verbose=0))
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("vidcam.json"))["seed"] == 7
    assert [p.name for p in tmp_path.iterdir()] == ["m.keras"]
    with pytest.raises(UsageError, match=".keras"):
        save_classifier(made, tmp_path / "m.h5")


def test_preprocessing_is_found_where_it_can_be():
    assert load_model(gap_cnn()).preprocess == "none"  # a Rescaling layer inside
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3)((inputs / 127.5) - 1.0)
    scaled = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    assert load_model(scaled).preprocess == "none"  # arithmetic before the first weights
    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3))
    under_head = keras.Sequential([base, layers.GlobalAveragePooling2D(), layers.Dense(2, activation="softmax")])
    assert load_model(under_head).preprocess == "tf"
    inside = nested(base)
    assert load_model(inside).preprocess == "none"  # the Rescaling before the backbone counts
    with pytest.raises(UsageError, match="--preprocess"):
        load_model(plain_cnn())
    assert load_model(plain_cnn(), preprocess="unit").preprocess == "unit"


@pytest.mark.parametrize(
    ("name", "module"),
    [("mobilenet_v2", "mobilenet_v2"), ("vgg16", "vgg16"), ("resnet50", "resnet50"), ("xception", "xception"),
     ("efficientnet_b0", "efficientnet"), ("densenet121", "densenet"), ("inception_v3", "inception_v3"),
     ("resnet50_v2", "resnet_v2"), ("nasnet_mobile", "nasnet"), ("convnext_tiny", "convnext"),
     ("mobilenet", "mobilenet"), ("mobilenet_v3_small", "mobilenet_v3"), ("vgg19", "vgg19"),
     ("inception_resnet_v2", "inception_resnet_v2"), ("efficientnet_v2_b0", "efficientnet_v2")],
)  # fmt: skip
def test_zoo_preprocessing_equals_keras_own(name, module):
    theirs = getattr(keras.applications, module).preprocess_input
    x = pictures(1).astype("float32")
    ours = PREPROCESSING[ZOO[name].preprocess](x)
    np.testing.assert_allclose(ours, theirs(x.copy()), rtol=1e-4, atol=2e-5)


def test_every_zoo_name_is_a_function_of_keras():
    for name, entry in ZOO.items():
        assert callable(entry.constructor()), name
    assert "mobilenet_v2" in names()
    assert names()[0] == "cats_dogs"


def test_the_labels_of_imagenet_are_keras_own_order():
    labels = imagenet_labels()
    assert len(labels) == 1000
    assert (labels[0], labels[281], labels[985]) == ("tench", "tabby", "daisy")


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_a_zoo_model_takes_its_weights_from_a_file(tmp_path, suffix):
    network = keras.applications.MobileNetV2(weights=None)
    path = tmp_path / f"w{suffix}"
    network.save_weights(path) if suffix == ".weights.h5" else network.save(path)
    classifier = load_model("mobilenet_v2", weights=path)
    assert classifier.fit == "keep"
    assert classifier.labels == imagenet_labels()
    for a, b in zip(classifier.model.weights, network.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_weights_are_downloaded_cached_and_their_checksum_is_checked(tmp_path, monkeypatch):
    """The real loading code, with a folder in the place of the network."""
    monkeypatch.setenv("VIDCAM_CACHE", "")  # or it would not be loaded again
    from keras.src.applications import mobilenet_v2, resnet
    from keras.src.backend import config

    network = keras.applications.MobileNetV2(weights=None)
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
    server, home = tmp_path / "server", tmp_path / "home"
    server.mkdir()
    home.mkdir()
    network.save_weights(tmp_path / "w.weights.h5")
    network.save(server / name)
    monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", server.as_uri() + "/")
    monkeypatch.setattr(config, "_KERAS_DIR", str(home))
    classifier = load_model("mobilenet_v2")
    np.testing.assert_array_equal(classifier.model.weights[0].numpy(), network.weights[0].numpy())
    assert (home / "models" / name).is_file()
    (server / name).unlink()
    load_model("mobilenet_v2")  # from the cache
    (home / "models" / name).unlink()
    with pytest.raises(VidcamError, match=r"mobilenet_v2 could not be downloaded.*--weights PATH"):
        load_model("mobilenet_v2")
    (server / "resnet50_weights_tf_dim_ordering_tf_kernels.h5").write_bytes(b"not the file that was published")
    monkeypatch.setattr(resnet, "BASE_WEIGHTS_PATH", server.as_uri() + "/")
    with pytest.raises(VidcamError, match=r"resnet50 could not be downloaded.*corrupted"):
        load_model("resnet50")


def test_damaged_and_foreign_model_files_are_one_line_errors(tmp_path):
    good = tmp_path / "good.keras"
    gap_cnn().save(good)
    data = good.read_bytes()
    cases = {
        "missing.keras": (None, "no such file"),
        "empty.keras": (b"", "damaged"),
        "text.keras": (b"hello", "damaged"),
        "cut.keras": (data[: len(data) // 2], "damaged"),
        "text.h5": (b"hello", "damaged"),
    }
    for name, (content, message) in cases.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(VidcamError, match=message) as caught:
            load_model(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with zipfile.ZipFile(tmp_path / "zip.keras", "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(VidcamError, match=r"no config\.json"):
        load_model(tmp_path / "zip.keras")
    with zipfile.ZipFile(tmp_path / "climb.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("../../evil", "x")
    with pytest.raises(VidcamError, match="outside"):
        load_model(tmp_path / "climb.keras")


def test_weights_of_another_network_are_an_error(tmp_path):
    other = tmp_path / "other.weights.h5"
    gap_cnn().save_weights(other)
    with pytest.raises(VidcamError, match="not weights of mobilenet_v2"):
        load_model("mobilenet_v2", weights=other)
    with pytest.raises(VidcamError, match="no such file"):
        load_model("mobilenet_v2", weights=tmp_path / "none.h5")
    with pytest.raises(VidcamError, match="--weights"):
        load_model(other)


def test_names_are_suggested():
    with pytest.raises(UsageError, match="mobilenet_v2"):
        load_model("mobilenetv2")
    with pytest.raises(UsageError, match="neither a known name nor"):
        load_model("qqqq")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_model_file_runs_only_when_asked(tmp_path, monkeypatch, suffix):
    marker = tmp_path / "ran"
    monkeypatch.setenv("VIDCAM_TEST_MARKER", str(marker))
    mark = eval("lambda x: (__import__('pathlib').Path(__import__('os').environ['VIDCAM_TEST_MARKER']).touch(), x)[1]")
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Rescaling(1 / 255),
            layers.Lambda(mark, output_shape=(16, 16, 3)),
            layers.Conv2D(4, 3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    path = tmp_path / f"lambda{suffix}"
    model.save(path)
    marker.unlink(missing_ok=True)
    with pytest.raises(VidcamError, match="Lambda layer.*--unsafe-model"):
        load_model(path)
    assert not marker.exists()
    Explainer(load_model(path, unsafe=True))
    assert marker.exists()


def test_custom_classes_come_from_the_users_file(tmp_path):
    code = tmp_path / "my_layers.py"
    code.write_text(
        "import keras\nclass Double(keras.layers.Layer):\n    def call(self, x):\n        return 2 * x\n", "utf-8"
    )
    from vidcam.models import load_custom_objects

    double = load_custom_objects(code)["Double"]
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255), double(), layers.Conv2D(4, 3),
         layers.GlobalAveragePooling2D(), layers.Dense(2)]
    )  # fmt: skip
    path = tmp_path / "custom.keras"
    model.save(path)
    with pytest.raises(VidcamError, match="--custom-objects"):
        load_model(path)
    x = pictures(1, 16, 16)
    loaded = load_model(path, custom_objects=code)
    np.testing.assert_allclose(Explainer(loaded)(x).logits, model.predict(x.astype("float32"), verbose=0), atol=1e-5)
    code.write_text("raise RuntimeError('no')", "utf-8")
    with pytest.raises(VidcamError, match="RuntimeError: no"):
        load_model(path, custom_objects=code)
    with pytest.raises(VidcamError, match="no such file"):
        load_model(path, custom_objects=tmp_path / "none.py")


def test_models_that_are_no_image_classifiers_are_errors():
    cases = [
        (keras.Sequential([keras.Input((10,)), layers.Dense(2)]), "not a picture"),
        (
            keras.Sequential([keras.Input((16, 16, 7)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()]),
            "not a picture",
        ),
        (keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(2, 3)]), "no list of classes"),
    ]
    for model, message in cases:
        with pytest.raises(UsageError, match=message):
            load_model(model, preprocess="unit")
    a, b = keras.Input((16, 16, 3)), keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(layers.Concatenate()([a, b])))
    with pytest.raises(UsageError, match="2 inputs"):
        load_model(keras.Model([a, b], x), preprocess="unit")
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(a))
    with pytest.raises(UsageError, match="2 outputs"):
        load_model(keras.Model(a, [y, layers.Dense(3)(y)]), preprocess="unit")


def test_a_model_built_with_a_list_of_one_input_works():
    base = gap_cnn()
    model = keras.Model(base.inputs, base.outputs[0])
    frames = pictures(2)
    assert load_model(model).input_size == (32, 32)
    np.testing.assert_array_equal(Explainer(load_model(model))(frames).maps, Explainer(load_model(base))(frames).maps)


def test_models_of_any_size_ask_for_one_and_subclassed_models_work(tmp_path):
    free = gap_cnn(size=None)
    with pytest.raises(UsageError, match="--input-size"):
        load_model(free)
    assert load_model(free, input_size=48).input_size == (48, 48)
    assert load_model(free, input_size=(48, 32)).input_size == (48, 32)
    model = subclassed()
    assert load_model(model, input_size=32).labels == ("class 0", "class 1", "class 2")
    path = tmp_path / "sub.keras"
    model.save(path)
    assert load_model(path, input_size=32, custom_objects={"Subclassed": Subclassed}).preprocess == "none"
    with pytest.raises(UsageError, match="out of range"):
        load_model(free, input_size=4)


def test_label_files(tmp_path):
    cases = {
        "a.txt": "cat\ndog\n",
        "b.json": '["cat", "dog"]',
        "c.json": '{"0": "cat", "1": "dog"}',
        "d.json": '{"cat": 0, "dog": 1}',
    }
    for name, text in cases.items():
        (tmp_path / name).write_text(text, "utf-8")
        assert read_labels(tmp_path / name) == ("cat", "dog")
    (tmp_path / "e.txt").write_text("", "utf-8")
    (tmp_path / "f.json").write_text('{"0": "cat", "2": "dog"}', "utf-8")
    (tmp_path / "g.txt").write_bytes(b"\xff\xfe\x00\x01\xd8")
    for name in ("e.txt", "f.json", "g.txt", "none.txt"):
        with pytest.raises(VidcamError, match=name):
            read_labels(tmp_path / name)
    with pytest.raises(UsageError, match="2 labels were given, but the model has 3"):
        load_model(flatten_cnn(), labels=tmp_path / "a.txt")


def test_options_that_make_no_sense():
    with pytest.raises(UsageError, match="fit"):
        load_model(gap_cnn(), fit="stretch")
    with pytest.raises(UsageError, match="preprocess"):
        load_model(gap_cnn(), preprocess="imagenet")
    with pytest.raises(UsageError, match="--weights goes with a model by name"):
        load_model("x.keras", weights="w.h5")


def test_a_classifier_is_data():
    classifier = load_model(gap_cnn())
    assert isinstance(classifier, Classifier)
    with pytest.raises(AttributeError):
        classifier.name = "other"


def test_a_pickle_and_flipped_bits_run_nothing_and_are_one_line(tmp_path):
    import pickle
    import random

    marker = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return (marker.touch, ())

    for name in ("pickle.keras", "pickle.h5"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(VidcamError, match="damaged"):
            load_model(tmp_path / name)
    assert not marker.exists()
    rng, x = random.Random(3), pictures(1)
    for suffix in (".keras", ".h5"):
        path = tmp_path / f"model{suffix}"
        gap_cnn().save(path)
        good = path.read_bytes()
        for _ in range(40):
            data = bytearray(good)
            for _ in range(rng.choice((1, 8))):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            path.write_bytes(data)
            try:
                Explainer(load_model(path, preprocess="none"))(x)  # bits of a weight may flip unnoticed
            except VidcamError as error:
                assert "\n" not in str(error)  # noqa: PT017 - either is right


def test_a_class_that_names_foreign_code_is_not_called(tmp_path):
    """A config may name any function of any module; Keras must not be talked into calling it."""
    marker = tmp_path / "ran"
    path = tmp_path / "evil.keras"
    gap_cnn().save(path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    config["config"]["layers"][1] = {
        "module": "pathlib", "class_name": "Path.touch", "registered_name": None, "config": {"self": str(marker)},
    }  # fmt: skip
    entries["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    with pytest.raises(VidcamError):
        load_model(path)
    assert not marker.exists()
