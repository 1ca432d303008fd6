"""`vidcam inspect`: what is printed is what is used."""

from __future__ import annotations

import keras
import pytest

from tests.models.test_opened import save, two_outputs
from tests.networks import binary_cnn, flatten_cnn, gap_cnn, nested, subclassed
from vidcam.cam import METHODS, Explainer
from vidcam.cam.anatomy import dissect
from vidcam.cli import main
from vidcam.errors import UsageError
from vidcam.models import load_model


def inspect(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["inspect", *map(str, arguments)])
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, [x for x in err.splitlines() if x.startswith("vidcam: ")]


def test_a_model_file_is_described(tmp_path, capsys):
    gap_cnn().save(tmp_path / "model.keras")
    (tmp_path / "labels.txt").write_text("cat\ndog\nfish\n")
    code, out, _ = inspect(capsys, tmp_path / "model.keras", "--labels", tmp_path / "labels.txt")
    assert code == 0
    facts = dict(line.split(maxsplit=1) for line in out.split("\n\n")[0].splitlines() if not line.startswith("ends"))
    assert facts["model"] == "model (model.keras)"
    assert facts["input"] == "32x32, RGB"
    assert facts["preprocess"].startswith("none")
    assert facts["fit"].startswith("squash")
    assert facts["classes"] == "3: cat, dog, fish"
    count = gap_cnn().count_params()
    assert facts["parameters"] == f"{count:,}, {count:,} of them trainable"
    assert facts["methods"] == ", ".join(METHODS)
    assert facts["explains"].startswith("last, 8x8, 8 channels: ")
    assert "ends with   softmax" in out
    layers = out.split("\n\n")[1].splitlines()[1:]
    assert [line[2:].split()[0] for line in layers] == ["first", "pool", "last"]
    assert [line[0] for line in layers] == [" ", " ", "*"]
    assert "32x32, 6 channels" in layers[0]


def test_what_the_file_leaves_open_is_marked_as_unknown(tmp_path, capsys):
    inside = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="only")(inside)
    x = keras.layers.GlobalAveragePooling2D()(x)
    keras.Model(inside, keras.layers.Dense(3, activation="softmax")(x)).save(tmp_path / "model.keras")
    code, out, err = inspect(capsys, tmp_path / "model.keras")
    assert (code, err) == (0, [])
    facts = dict(line.split(maxsplit=1) for line in out.split("\n\n")[0].splitlines())
    assert facts["input"] == (
        "unknown, the network takes any; --input-size says which (what follows is for 224x224), RGB"
    )
    assert facts["preprocess"].startswith("unknown; --preprocess says it: none, unit, tf, torch, caffe or mean=")
    assert facts["classes"].startswith("3: ")
    assert facts["explains"].startswith("only, 222x222, 4 channels")
    said = inspect(capsys, tmp_path / "model.keras", "--preprocess", "unit", "--input-size", 64)[1]
    assert "unknown" not in said
    assert "input       64x64, RGB" in said


@pytest.mark.parametrize("kind", ["keras", "saved_model"])
def test_of_what_is_no_classifier_the_inputs_and_outputs_are_listed(kind, tmp_path, capsys):
    picture, age = keras.Input((16, 16, 3), name="picture"), keras.Input((2,), name="age")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(picture))
    both = keras.layers.Dense(3, activation="softmax", name="kind")(keras.layers.Concatenate()([x, age]))
    model = keras.Model([picture, age], both)
    file = tmp_path / "both.keras"
    if kind == "keras":
        model.save(file)
    else:
        file = save(model, tmp_path / "both")
    code, out, err = inspect(capsys, file)
    assert (code, len(err)) == (2, 1)
    assert "takes 2 inputs" in err[0]
    assert out.startswith(
        f"model       both ({file.name})\nformat      {'Keras' if kind == 'keras' else 'SavedModel'}\n"
    )
    inputs, outputs = out.split("\ninputs ")[1].split("\noutputs ")
    assert len(inputs.splitlines()) == 2
    assert "picture ?x16x16x3" in inputs
    assert "age ?x2" in inputs
    assert outputs.strip().endswith(" ?x3")


def test_of_several_outputs_one_is_looked_at_and_that_is_said(tmp_path, capsys):
    file = save(two_outputs(), tmp_path / "two")
    code, out, err = inspect(capsys, file, "--preprocess", "unit", "-q")
    assert (code, err) == (0, [])
    assert "output      unknown which; --model-output says it (what follows is for " in out
    assert "classes     8: " in out  # the longer list
    out = inspect(capsys, file, "--preprocess", "unit", "-q", "--model-output", "1")[1]
    assert "unknown" not in out


def test_of_a_keras_models_outputs_one_is_looked_at_and_all_are_listed_where_one_has_to_be_named(tmp_path, capsys):
    two_outputs().save(tmp_path / "two.keras")
    code, out, err = inspect(capsys, tmp_path / "two.keras", "--preprocess", "unit", "-q")
    assert (code, err) == (0, [])
    assert "output      unknown which; --model-output says it (what follows is for " in out
    assert "classes     8: " in out
    out = inspect(capsys, tmp_path / "two.keras", "--preprocess", "unit", "-q", "--model-output", "classes")[1]
    assert "classes     3: " in out
    assert "unknown" not in out
    with pytest.raises(UsageError, match=r"gives 2 outputs \(classes \(None, 3\), peak \(None, 8\)\)"):
        load_model(tmp_path / "two.keras", preprocess="unit")
    with pytest.raises(UsageError, match="has no output '7'"):
        load_model(two_outputs(), preprocess="unit", output=7)


def test_quiet_leaves_the_layers_out(tmp_path, capsys):
    gap_cnn().save(tmp_path / "model.keras")
    _, out, _ = inspect(capsys, tmp_path / "model.keras", "--quiet")
    assert "\n\n" not in out


def test_a_bad_layer_is_one_line(tmp_path, capsys):
    gap_cnn().save(tmp_path / "model.keras")
    code, out, err = inspect(capsys, tmp_path / "model.keras", "--layer", "lats")
    assert (code, out, len(err)) == (2, "", 1)
    assert "candidates: last" in err[0]


def backbone():
    inside = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="inner")(inside)
    return keras.Model(inside, x, name="backbone")


@pytest.mark.parametrize(
    ("build", "end", "has_cam"),
    [
        (gap_cnn, "softmax", True),
        (lambda: gap_cnn(end=None), "linear", True),
        (lambda: gap_cnn(classes=1, end="sigmoid"), "sigmoid", True),
        (flatten_cnn, "softmax", False),
        (binary_cnn, "sigmoid", False),
        (subclassed, "softmax", True),
        (lambda: nested(backbone()), "softmax", True),
    ],
)
def test_every_build_is_seen_as_it_is_explained(build, end, has_cam):
    classifier = load_model(build(), preprocess="none", input_size=None if build is not subclassed else 32)
    anatomy = dissect(classifier)
    assert anatomy.end == end
    assert ("cam" in anatomy.methods) is has_cam
    assert set(METHODS) - set(anatomy.methods) <= {"cam"}
    assert anatomy.chosen == Explainer(classifier).layer
    assert anatomy.reason
    for layer in anatomy.layers:
        assert Explainer(classifier, layer=layer.path).layer == layer.path


def test_the_pooling_before_the_head_is_the_reason():
    anatomy = dissect(load_model(flatten_cnn(), preprocess="none"))
    assert anatomy.chosen == "conv_2"
    assert "pool_2" in anatomy.reason
