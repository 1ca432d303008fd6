"""Networks that OpenVINO reads, against TensorFlow on the same network, and against what is told of them."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks import flatten_cnn, gap_cnn, pictures, randomize
from vidcam._openvino import ov
from vidcam.cam import METHODS, Explainer
from vidcam.cam.build.opened_builder import OpenBuilder
from vidcam.cam.run import openvino as engine
from vidcam.errors import UsageError, VidcamError
from vidcam.models import load_model
from vidcam.models.bundle import FOOTER, check_bundle
from vidcam.models.preprocess import scaling_of, scaling_text

DIFFERENTIABLE = [m.name for m in METHODS.values() if m.needs in ("gradient", "pooled head")]


def save(model, path, kind="saved_model"):
    """Writes a Keras model as a SavedModel's folder, a frozen graph or OpenVINO's IR."""
    if kind == "saved_model":
        model.export(path, verbose=False)
        return path
    function = tf.function(
        lambda x: model(x, training=False), input_signature=[tf.TensorSpec([None, *model.input_shape[1:]])]
    )
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    file = path.with_suffix(".pb")
    file.write_bytes(frozen.graph.as_graph_def().SerializeToString())
    if kind == "frozen":
        return file
    ov.save_model(ov.Core().read_model(file), str(path.with_suffix(".xml")), compress_to_fp16=False)
    return path.with_suffix(".xml")


def same_maps(file, model, size, **options):
    """Compares all that an opened file gives with what its Keras model gives on TensorFlow."""
    ours, theirs = load_model(file, **options), load_model(model, **options)
    frames = pictures(3, size)
    first, other = Explainer(ours), Explainer(theirs, engine="tensorflow")
    for name in DIFFERENTIABLE:
        if METHODS[name].needs == "pooled head" and not first._runner.facts.pooled_head:
            continue
        reference = other.by(name)
        for target in ("top", 1):
            found, expected = first.by(name)(frames, target), reference(frames, target)
            assert found.targets == expected.targets
            np.testing.assert_allclose(found.logits, expected.logits, atol=1e-3)
            np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
            peak = np.abs(expected.maps).max()
            assert np.abs(found.maps - expected.maps).max() <= 1e-3 * peak, (name, target)
    return ours


@pytest.mark.parametrize(
    ("kind", "build"),
    [("saved_model", gap_cnn), ("frozen", flatten_cnn), ("ir", lambda: gap_cnn(classes=1, end="sigmoid"))],
)
def test_maps_are_tensorflows(kind, build, tmp_path):
    model = build()
    classifier = same_maps(save(model, tmp_path / "net", kind), model, 32, preprocess="none")
    assert classifier.input_size == (32, 32)
    explainer = Explainer(classifier)
    with pytest.raises(UsageError, match="--engine tensorflow: net is"):
        Explainer(classifier, engine="tensorflow")
    assert Explainer(classifier, layer=explainer.layer).layer == explainer.layer
    with pytest.raises(UsageError, match="candidates"):
        Explainer(classifier, layer="nonesuch")


def test_the_scaling_inside_a_graph_is_seen(tmp_path):
    classifier = load_model(save(gap_cnn(), tmp_path / "net"))  # a Rescaling layer inside
    assert (classifier.preprocess, classifier.preprocess_from) == ("none", "the arithmetic it begins with")
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    bare = save(randomize(keras.Model(inputs, keras.layers.Dense(2)(x))), tmp_path / "bare")
    with pytest.raises(UsageError, match="--preprocess.*mean=M"):
        load_model(bare)
    numbers = load_model(bare, preprocess="mean=0.485,0.456,0.406,std=0.229,0.224,0.225")
    named = load_model(bare, preprocess="torch")
    frames = pictures(2, 16)
    np.testing.assert_allclose(Explainer(numbers)(frames).maps, Explainer(named)(frames).maps, rtol=1e-4)
    blue = load_model(bare, preprocess="mean=103.939,116.779,123.68,std=1,bgr")
    caffe = load_model(bare, preprocess="caffe")
    np.testing.assert_allclose(Explainer(blue)(frames).maps, Explainer(caffe)(frames).maps, rtol=1e-4)


@pytest.mark.parametrize(
    "text", ["mean=1", "mean=1,2,std=1", "mean=a,std=1", "mean=0,std=0", "std=1,mean=1", "imagenet"]
)
def test_a_step_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="preprocess"):
        scaling_of(text)


def test_a_steps_words_and_numbers_are_one():
    for name in ("none", "unit", "tf", "torch"):
        step = scaling_of(name)
        assert scaling_text(step.mean, step.std) == name
    for mean, std in [((127.0,), (127.5,)), ((0.25,), (0.5,)), ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))]:
        step = scaling_of(scaling_text(mean, std))
        np.testing.assert_allclose([step.mean, step.std], [mean, std], rtol=1e-5)


def test_what_hugging_face_puts_beside_a_file_is_taken(tmp_path):
    folder = tmp_path / "cats"
    file = save(gap_cnn(classes=2), tmp_path / "net", "ir")
    folder.mkdir()
    for part in (file, file.with_suffix(".bin")):
        part.rename(folder / part.name)
    (folder / "config.json").write_text(json.dumps({"id2label": {"0": "cat, true cat", "1": "dog"}}))
    step = {"do_rescale": True, "rescale_factor": 1 / 255, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5] * 3}
    step |= {"do_normalize": True, "size": {"shortest_edge": 32}, "do_center_crop": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(step))
    classifier = load_model(folder)
    assert classifier.labels == ("cat", "dog")
    assert (classifier.preprocess, classifier.preprocess_from, classifier.fit) == (
        "tf",
        "preprocessor_config.json",
        "crop",
    )


def of_one_picture(mixes, path):
    """Saves a network whose batch is fixed at one; what it computes of several may depend on all of them."""
    ops, rng = ov.opset13, np.random.default_rng(0)
    picture = ops.parameter([1, 3, 16, 16], np.float32, name="x")
    picture.output(0).set_names({"x"})
    kernel = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    x = ops.relu(ops.convolution(picture, kernel, [1, 1], [1, 1], [1, 1], [1, 1]))
    x = ops.reshape(ops.reduce_mean(x, np.array([2, 3]), True), np.array([1, 4]), False)
    x = ops.matmul(x, rng.normal(size=(4, 3)).astype(np.float32), False, False)
    if mixes:
        x = ops.add(x, ops.reduce_max(x, np.array([0]), True))
    ov.save_model(ov.Model([x], [picture], "net"), str(path), compress_to_fp16=False)
    return path


@pytest.mark.parametrize("mixes", [False, True])
def test_pictures_are_computed_together_where_none_changes_another(mixes, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDCAM_CACHE", str(tmp_path / "cache"))
    compiled = []
    compile_model = engine._compile
    monkeypatch.setattr(engine, "_compile", lambda model: compiled.append(model) or compile_model(model))
    classifier = load_model(of_one_picture(mixes, tmp_path / "net.xml"), preprocess="none")
    graph = OpenBuilder(classifier, None).build(16, 16)
    assert engine.takes_one(graph.model()) is mixes
    assert len(compiled) == (2 if mixes else 1)  # which takes most of the time until a file is open
    frames = pictures(3, 16)
    compiled.clear()
    Explainer(classifier)(frames)
    assert len(compiled) == (3 if mixes else 2)  # the same, and what explains
    together, alone = (Explainer(classifier)(f) for f in (frames, frames[:1]))
    np.testing.assert_allclose(together.logits[:1], alone.logits, rtol=1e-4)


def two_outputs():
    model = gap_cnn()
    other = keras.layers.GlobalMaxPooling2D(name="peak")(model.get_layer("last").output)
    return keras.Model(model.inputs, {"classes": model.outputs[0], "peak": other})


def test_one_of_several_outputs_is_chosen(tmp_path):
    model = two_outputs()
    file = save(model, tmp_path / "two")
    with pytest.raises(UsageError, match=r"gives 2 outputs \(.*\); name the one of the classes with --model-output"):
        load_model(file)
    with pytest.raises(UsageError, match="has no output 'none'"):
        load_model(file, output="none")
    sizes = [len(load_model(file, output=i).labels) for i in (0, "1")]
    assert sorted(sizes) == [3, 8]


def test_what_is_no_classifier_says_what_it_is(tmp_path):
    inputs = keras.Input((16, 16, 3))
    places = keras.layers.Conv2D(5, 3)(inputs)
    file = save(keras.Model(inputs, places), tmp_path / "places")
    with pytest.raises(UsageError, match="a detector or segmenter, which answers for each place"):
        load_model(file, preprocess="none")
    vector = keras.Input((16,))
    file = save(keras.Model(vector, keras.layers.Dense(2)(vector)), tmp_path / "table")
    with pytest.raises(UsageError, match="is not a picture"):
        load_model(file, preprocess="none")
    flat = keras.Sequential([inputs, keras.layers.Flatten(), keras.layers.Dense(2)])
    with pytest.raises(UsageError, match="has no convolution"):
        load_model(save(flat, tmp_path / "flat"), preprocess="none")


def test_what_pytorch_saved_is_answered_with_the_line_that_exports_it(tmp_path):
    (tmp_path / "model.safetensors").write_bytes((20).to_bytes(8, "little") + b'{"weight":{}}       ')
    (tmp_path / "old.pth").write_bytes(b"\x80\x02}q\x00.")
    for name in ("model.safetensors", "old.pth"):
        with pytest.raises(VidcamError, match=r"torch\.onnx\.export\(") as caught:
            load_model(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["net.onnx", "net.tflite", "net.pb", "net.xml", "saved"])
@pytest.mark.parametrize("content", [b"", b"\x08\x07\x12", b"rubbish" * 50, b"<net name='x'></net>"])
def test_a_damaged_file_is_one_line(name, content, tmp_path, capfd):
    path = tmp_path / name
    if name == "saved":
        path.mkdir()
        (path / "saved_model.pb").write_bytes(content)
    else:
        path.write_bytes(content)
    with pytest.raises(VidcamError) as caught:
        load_model(path, preprocess="none")
    assert "\n" not in str(caught.value)
    assert name.split(".")[0] in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_damaged_table_of_weights_is_found_before_it_is_followed(tmp_path):
    folder = save(gap_cnn(), tmp_path / "net") / "variables"
    check_bundle(folder)
    table, rng = folder / "variables.index", np.random.default_rng(0)
    whole = table.read_bytes()
    for place in rng.integers(0, len(whole) - FOOTER, 50):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        table.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"variables\.index"):
            check_bundle(folder)
    table.write_bytes(whole[:-100])
    with pytest.raises(
        VidcamError, match=r"net: cannot be read as SavedModel; it is damaged \(variables\.index"
    ) as caught:
        load_model(tmp_path / "net")
    assert "\n" not in str(caught.value)
    table.write_bytes(whole)
    (numbers,) = folder.glob("*.data-*")
    numbers.write_bytes(numbers.read_bytes()[:-4])
    with pytest.raises(VidcamError, match="its weights are missing or cut short"):
        load_model(tmp_path / "net")


def test_names_that_are_no_text_are_one_line(tmp_path):
    whole = (Path(__file__).parent / "torch" / "resnet.onnx").read_bytes()
    assert b"Conv_output" in whole
    (tmp_path / "net.onnx").write_bytes(whole.replace(b"Conv_output", b"Co\xffv_output"))
    with pytest.raises(VidcamError, match=r"net\.onnx: holds names that are no text"):
        load_model(tmp_path / "net.onnx")


def test_a_damaged_archive_is_one_line(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "net.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.tflite", np.random.default_rng(0).integers(0, 9, 20_000).tobytes())
    data = bytearray((tmp_path / "net.zip").read_bytes())
    data[60:90] = bytes(30)
    (tmp_path / "net.zip").write_bytes(data)
    with pytest.raises(VidcamError, match=r"net\.zip: the archive is damaged") as caught:
        load_model(tmp_path / "net.zip")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_maps_of_mobilenet_are_tensorflows(shared_data, tmp_path):
    model = keras.models.load_model(shared_data / "weights" / "mobilenet_v2_imagenet.keras", compile=False)
    classifier = same_maps(save(model, tmp_path / "mobilenet"), model, 224, preprocess="tf", fit="squash")
    assert classifier.labels_from == "ImageNet's assumed"


def message(*fields):
    """Writes a protocol buffer's parts that have a length: pairs of number and bytes."""
    return b"".join(bytes([number << 3 | 2, len(data)]) + data for number, data in fields)


@pytest.mark.parametrize("place", ["../secret.bin", "/etc/passwd", "missing.bin"])
def test_weights_outside_an_onnx_files_folder_are_not_read(tmp_path, place):
    (tmp_path / "secret.bin").write_bytes(bytes(64))
    (tmp_path / "net").mkdir()
    entry = message((1, b"location"), (2, place.encode()))
    tensor = message((13, entry))
    attribute = message((5, tensor))
    for graph in (message((5, tensor)), message((1, message((5, attribute))))):
        file = tmp_path / "net" / "net.onnx"
        file.write_bytes(b"\x08\x08" + message((7, graph)))
        with pytest.raises(VidcamError, match="not beside it" if place == "missing.bin" else "outside its folder"):
            load_model(file, preprocess="unit")


def test_a_huge_declared_shape_costs_nothing(tmp_path):
    ops = ov.opset13
    x = ops.parameter([1, 3, 400_000, 400_000], np.float32, name="x")
    kernel = np.ones((2, 3, 1, 1), np.float32)
    y = ops.reduce_mean(ops.convolution(x, kernel, [1, 1], [0, 0], [0, 0], [1, 1]), np.int64([2, 3]), False)
    ov.serialize(ov.Model([y], [x], "huge"), str(tmp_path / "huge.xml"))
    with pytest.raises(VidcamError, match="gives 480,000,000,000 numbers for a picture"):
        load_model(tmp_path / "huge.xml", preprocess="unit")


def test_an_archive_bomb_is_not_unpacked(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("keras_model.h5", bytes(200_000_000))
    with pytest.raises(VidcamError, match="unpacks to more than"):
        load_model(tmp_path / "bomb.zip")
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../keras_model.h5", b"x")
    with pytest.raises(VidcamError, match="outside"):
        load_model(tmp_path / "out.zip")
