"""From a folder to a model file on the command line, and what the file is worth elsewhere."""

from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from tests.training import drawn
from vidcam import cli
from vidcam.cam import Explainer
from vidcam.models import fit_frame, load_model, save_classifier
from vidcam.models.zoo import ZOO
from vidcam.training import architectures, augment, distill, job, loop, reading, transfer
from vidcam.training import data as pictures
from vidcam.training.options import TrainingOptions, check
from vidcam.training.pictures import read_picture

FILES = {
    "calibration.png", "confusion_matrix.png", "evaluation.json", "history.csv", "history.png", "precision_recall.png",
    "predictions.csv", "report.txt", "roc.png", "samples.png",
}  # fmt: skip


def vidcam(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(a) for a in arguments])
    return int(ended.value.code or 0)


def predictions(folder: Path) -> dict[str, list[float]]:
    with (folder / "predictions.csv").open() as file:
        rows = list(csv.reader(file))
    return {row[1]: [float(v) for v in row[4:]] for row in rows[1:]}


@pytest.fixture(name="trained", scope="module")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data folder and a model trained on it."""
    root = tmp_path_factory.mktemp("trained")
    data = drawn.splits(root / "data", count=16)
    model = root / "model.keras"
    code = vidcam("train", data, "-o", model, "--input-size", "40x32", "--epochs", 6, "--batch-size", 8, "--val-split", 0.25, "--half", "-q")  # fmt: skip # noqa: E501
    assert code == 0
    return data, model


def test_training_leaves_the_model_its_history_and_its_evaluation(trained: tuple[Path, Path]) -> None:
    _, model = trained
    folder = model.with_suffix("")
    names = {f.name for f in folder.iterdir()}
    assert names >= FILES | {"test_disc.png", "test_square.png"}
    assert not [n for n in names if n.startswith(".") or n.endswith((".part", ".npz"))]
    assert len((folder / "history.csv").read_text().splitlines()) == 1 + 6
    found = json.loads((folder / "evaluation.json").read_text())
    assert {name: s["count"] for name, s in found["splits"].items()} == {"train": 24, "val": 8, "test": 8}
    p = predictions(folder)
    right = np.mean([(v[1] > 0.5) == ("/square/" in name) for name, v in p.items() if "/test/" in name])
    assert found["splits"]["test"]["accuracy"] == pytest.approx(right)
    assert right > 0.8


def test_the_file_says_all_that_is_needed(trained: tuple[Path, Path]) -> None:
    classifier = load_model(trained[1])
    assert classifier.labels == ("disc", "square")
    assert classifier.preprocess == "none"
    assert classifier.input_size == (40, 32)
    assert classifier.fit == "squash"


def test_the_same_probabilities_everywhere(trained: tuple[Path, Path], tmp_path: Path) -> None:
    """evaluate, run --predictions, and plain Keras on the resized pixels 0 to 255."""
    data, model = trained
    assert vidcam("evaluate", model, data, "-o", tmp_path / "found", "-q") == 0
    after_training, evaluated = predictions(model.with_suffix("")), predictions(tmp_path / "found")
    assert len(evaluated) == 2 * (16 + 4)
    plain = keras.models.load_model(model)
    for name in [f for f in evaluated if "/test/" in f]:
        np.testing.assert_allclose(evaluated[name], after_training[name], atol=1e-5)
        pixels = fit_frame(read_picture(Path(name)), (40, 32))[0]
        p = float(plain.predict(pixels[None].astype("float32"), verbose=0)[0, 0])
        np.testing.assert_allclose(evaluated[name], [1 - p, p], atol=1e-5)
    numbers = tmp_path / "run.csv"
    assert vidcam("run", name, "-o", tmp_path / "out.png", "--model", model, "--predictions", numbers, "-q") == 0
    with numbers.open() as file:
        row = next(csv.DictReader(file))
    assert max(evaluated[name]) == pytest.approx(float(row["probability"]), abs=1e-5)


def test_half_the_file_holds_the_same_numbers(trained: tuple[Path, Path], tmp_path: Path) -> None:
    classifier = load_model(trained[1])
    for w in classifier.model.get_weights():
        np.testing.assert_array_equal(w, w.astype(np.float16).astype(np.float32))
    save_classifier(classifier, tmp_path / "whole.keras")
    sizes = [zipfile.ZipFile(f).getinfo("model.weights.h5").file_size for f in (trained[1], tmp_path / "whole.keras")]
    assert sizes[0] < 0.6 * sizes[1]


def test_a_killed_run_goes_on_and_another_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vidcam.training import loop

    data = drawn.folder(tmp_path / "data", count=8)
    command = [
        "train",
        data,
        "-o",
        tmp_path / "m.keras",
        "--arch",
        "cnn_flatten",
        "--input-size",
        48,
        "--epochs",
        2,
        "-q",
    ]
    whole, count = loop._epoch, iter(range(9))

    def killed(*args: object, **options: object) -> dict[str, object]:
        if next(count) == 1:
            raise SystemExit(9)
        return whole(*args, **options)  # type: ignore[arg-type, return-value]

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_epoch", killed)
        assert vidcam(*command) == 9
    assert not (tmp_path / "m.keras").exists()
    assert vidcam(*command, "--resume", "--seed", 5) == 2
    assert vidcam(*command, "--resume") == 0
    assert [r.split(",")[1] for r in (tmp_path / "m/history.csv").read_text().split()[1:]] == ["1", "2"]
    assert not (tmp_path / "m" / "checkpoint.npz").exists()


def test_three_classes_on_a_base_then_fine_tuned(tmp_path: Path) -> None:
    data = drawn.folder(tmp_path / "data", drawn.KINDS, count=6)
    weights = tmp_path / "base.weights.h5"
    keras.utils.set_random_seed(0)
    ZOO["mobilenet_v2"].constructor()(weights=None, include_top=False).save_weights(weights)
    model = tmp_path / "teacher.keras"
    code = vidcam("train", data, "-o", model, "--arch", "mobilenet_v2", "--weights", weights, "--input-size", 32, "--epochs", 2, "--dense", 8, "--fine-tune", 1, "-q")  # fmt: skip # noqa: E501
    assert code == 0
    rows = (tmp_path / "teacher/history.csv").read_text().split()[1:]
    assert [r.split(",")[0] for r in rows] == ["head", "head", "tune"]
    plain = keras.models.load_model(model)
    assert plain.output_shape == (None, 3)
    assert load_model(model).labels == drawn.KINDS


def test_a_finer_mobilenet_learns_on_top_of_imagenets_weights(tmp_path: Path) -> None:
    """The first blocks stay as they were, all later ones learn."""
    data = drawn.folder(tmp_path / "data", count=6)
    weights = tmp_path / "base.weights.h5"
    keras.utils.set_random_seed(0)
    ZOO["mobilenet_v2"].constructor()(weights=None, include_top=False).save_weights(weights)
    how = {"input_size": (32, 32), "fit": "keep", "epochs": 1, "batch_size": 4, "val_split": 0.4}
    options = check(TrainingOptions(arch="mobilenet_v2_s16", weights=weights, **how))  # type: ignore[arg-type]
    read = reading.read_data(pictures.discover(data), options)
    job.train(read, tmp_path / "m.keras", options)
    classifier = load_model(tmp_path / "m.keras")
    begun = architectures.mobilenet_v2_s16((32, 32), 2)
    transfer.fold(begun, weights)
    changed = {
        layer.name: any(
            not np.array_equal(a, b)
            for a, b in zip(layer.get_weights(), classifier.model.get_layer(layer.name).get_weights(), strict=True)
        )
        for layer in begun.layers
        if layer.get_weights()
    }
    still = {name for name, other in changed.items() if not other}
    assert "block_5_project" in still
    assert "Conv1" in still
    assert not any(int(name.split("_")[1]) >= 6 for name in still if name.startswith("block_"))


def test_a_teacher_is_asked_in_the_order_of_the_data(trained: tuple[Path, Path]) -> None:
    data, model = trained
    p = predictions(model.with_suffix(""))
    teacher = load_model(model)
    files = pictures.discover(data).splits["train"]
    read = pictures.read_pictures(files, (40, 32), teacher.labels)
    asked = distill.teacher_probabilities(teacher, read, ("square", "disc"), None)
    np.testing.assert_allclose(asked[0], np.array([p[str(path)] for path in read.paths])[:, ::-1], atol=1e-5)


def test_a_teacher_is_shown_what_the_network_will_be_shown(
    trained: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = load_model(trained[1])
    read = pictures.read_pictures(pictures.discover(trained[0]).splits["train"], (40, 32), teacher.labels)
    read = replace(read, aspects=np.full(len(read), 40 / 32, np.float32))
    variation = augment.Variation((0.5, 1.0), (0.8, 1.25))
    asked = distill.teacher_probabilities(teacher, read, teacher.labels, variation, views=2, seed=4)
    monkeypatch.setattr(augment, "HIDDEN", 0.0)
    for name in ("GAIN", "TINT", "LIGHT"):
        monkeypatch.setattr(augment, name, 0.0)
    monkeypatch.setattr(augment, "COLOR", (1.0, 1.0))
    for view in range(2):
        looks = augment.draw_looks(len(read), 4, view)
        seen = augment.augment(read.pixels, looks, read.aspects, (32, 40), seed=(4, view), variation=variation).numpy()
        inside = (
            augment.show_parts(read.pixels, looks, read.aspects, (32, 40), variation)[1].numpy().all(axis=(1, 2, 3))
        )
        p = teacher.model.predict(seen[inside], verbose=0)[:, 0]
        np.testing.assert_allclose(asked[view][inside, 1], p, atol=0.03)  # the teacher's are rounded to 8 bits
    assert inside.sum() > 5


def test_a_network_that_ends_in_logits_is_read_as_one_that_ends_in_probabilities(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    data, model = trained
    whole = keras.models.load_model(model)
    linear = keras.models.clone_model(whole)
    linear.set_weights(whole.get_weights())
    linear.get_layer("predictions").activation = keras.activations.linear
    save_classifier(replace(load_model(model), network=linear), tmp_path / "linear.keras")
    assert vidcam("evaluate", tmp_path / "linear.keras", data / "test", "-o", tmp_path / "found", "-q") == 0
    right, p = predictions(model.with_suffix("")), predictions(tmp_path / "found")
    assert len(p) == 8
    for name, value in p.items():
        np.testing.assert_allclose(value, right[name], atol=1e-5)
    read = pictures.read_pictures(pictures.discover(data).splits["test"], (40, 32), ("disc", "square"))
    asked = distill.teacher_probabilities(load_model(tmp_path / "linear.keras"), read, ("disc", "square"), None)
    np.testing.assert_allclose(asked[0], [right[str(path)] for path in read.paths], atol=1e-5)


def test_a_network_of_many_sizes_that_knows_what_it_does_not_know(trained: tuple[Path, Path], tmp_path: Path) -> None:
    """Begins with the weights of another, learns a background, averages, keeps the aspect, and is evaluated so."""
    data, model = trained
    drawn.folder(tmp_path / "x", ("ring",), count=16)
    background = (tmp_path / "x/ring").rename(tmp_path / "no shape")
    many = tmp_path / "many.keras"
    code = vidcam("train", data, "-o", many, "--input-size", "64", "--epochs", 4, "--batch-size", 8, "--val-split", 0.25, "--background", background, "--sides", "32,64", "--fit", "keep", "--ema", 0.7, "--scale", "0.5:2", "--aspect", "0.7:1.4", "--start-from", model, "--distill", _teacher(data, background, tmp_path), "--teacher-views", 2, "-q")  # fmt: skip # noqa: E501
    assert code == 0
    classifier = load_model(many)
    assert classifier.labels == ("disc", "square", "no shape")
    assert (classifier.fit, classifier.input_size) == ("keep", (64, 64))
    found = json.loads((tmp_path / "many/evaluation.json").read_text())
    val = found["splits"]["val"]  # measured among its classes; what the background is worth stands beside
    assert (val["count"], val["neither"]["none"], val["neither"]["others"]) == (8, 4, 8)
    assert "no shape" in (tmp_path / "many/report.txt").read_text()
    assert classifier.neither == 2
    wide = cv2.imread(str(next((data / "test/disc").iterdir())))[..., ::-1]
    assert Explainer(classifier)(np.hstack([wide, wide])).maps.shape[1:] == (8, 16)


def _teacher(data: Path, background: Path, folder: Path) -> Path:
    from tests.networks import as_classifier, gap_cnn

    file = folder / "teacher.keras"
    save_classifier(as_classifier(gap_cnn(), labels=("disc", "square", "no shape")), file)
    return file


def test_without_a_test_folder_the_figures_are_said_to_be_of_pictures_that_chose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = drawn.folder(tmp_path / "data", count=6)
    assert vidcam("train", data, "-o", tmp_path / "m.keras", "--input-size", 32, "--epochs", 1) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "validation pictures chose the epoch" in said
    assert "chose the epoch" in (tmp_path / "m/report.txt").read_text()


def test_a_killed_evaluation_is_finished_and_replaced_pictures_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vidcam.training import evaluation, loop

    data = drawn.folder(tmp_path / "data", count=6)
    command = ["train", data, "-o", tmp_path / "m.keras", "--input-size", 32, "--epochs", 1, "-q"]

    def killed(*args: object, **options: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "evaluate", killed)
        assert vidcam(*command) == 9
    weights = load_model(tmp_path / "m.keras").model.get_weights()
    picture = data / "disc/003.png"
    held = picture.read_bytes()
    picture.write_bytes((data / "square/003.png").read_bytes())
    assert vidcam(*command, "--resume") == 2
    assert "another set of pictures" in capsys.readouterr().err
    picture.write_bytes(held)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_epoch", killed)  # nothing is left to learn
        assert vidcam(*command, "--resume") == 0
    assert (tmp_path / "m/evaluation.json").exists()
    assert not (tmp_path / "m/checkpoint.npz").exists()
    for a, b in zip(weights, load_model(tmp_path / "m.keras").model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert vidcam(*command, "--resume") == 2  # finished: not silently made again


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["-o", "m.h5"], 2, "has to end in .keras"),
        (["-o", "nowhere/m.keras"], 2, "no such folder"),
        (["-o", "data/m.keras"], 2, "among the pictures"),
        (["--input-size", "16"], 2, "too small for cnn, which needs 32"),
        (["--arch", "xception", "--weights", "data", "--input-size", "64"], 2, "--weights data: no such file"),
        (["--weights", "broken.h5"], 2, "goes with transfer learning"),
        (["--arch", "mobilenet_v2_s16", "--fine-tune", "2"], 2, "frozen at first; mobilenet_v2_s16 is not"),
        (
            ["--arch", "mobilenet_v2_s16", "--weights", "broken.h5", "--start-from", "other.keras"],
            2,
            "both are weights to begin with",
        ),
        (["--arch", "mobilenet_v2", "--weights", "broken.h5"], 1, "broken.h5: not weights of mobilenet_v2"),
        (["--arch", "mobilenet_v2", "--precision", "bfloat16"], 2, "trains in float32"),
        (["--distill", "other.keras"], 2, "--distill other: knows cat, dog, the data hold disc, square"),
        (["--val-split", "1"], 2, "--val-split"),
        (["--scale", "2:1"], 2, "--scale"),
        (["--sides", "96,100"], 2, "multiples of 32"),
        (["--arch", "cnn_flatten", "--fit", "keep"], 2, "--fit keep: goes with cnn"),
        (["--background", "nowhere"], 2, "--background nowhere: no folder with pictures"),
        (["--start-from", "other.keras"], 2, "--start-from other.keras: not a network of --arch cnn"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    options: list[str],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    drawn.folder(Path("data"), count=3)
    Path("broken.h5").write_bytes(b"nothing")
    if "other.keras" in options:
        _other(Path("other.keras"))
    given = options if "-o" in options else ["-o", "m.keras", *options]
    assert vidcam("train", "data", "-q", *given) == code
    said = capsys.readouterr().err.strip()
    assert says in said
    assert "\n" not in said
    assert not Path("m.keras").exists()


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder where nobody may write")
def test_a_place_where_nothing_can_be_written_is_found_before_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = drawn.folder(tmp_path / "data", count=3)
    assert vidcam("train", data, "-q", "-o", "/sys/m.keras") == 1
    said = capsys.readouterr().err
    assert said.startswith("vidcam: /sys/m: the folder cannot be made")
    assert said.count("\n") == 1


def test_a_model_and_data_of_other_classes_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = drawn.folder(tmp_path / "data", count=2)
    _other(tmp_path / "other.keras")
    assert vidcam("evaluate", tmp_path / "other.keras", data, "-o", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "holds the classes disc, square, but other knows cat, dog" in said
    (tmp_path / "labels.txt").write_text("square\ndisc\n")  # the other order: the folders are numbered as the model is
    code = vidcam(
        "evaluate", tmp_path / "other.keras", data, "-o", tmp_path / "out", "--labels", tmp_path / "labels.txt"
    )
    assert code == 0
    p = predictions(tmp_path / "out")
    assert len(p) == 4
    with (tmp_path / "out/predictions.csv").open() as file:
        for row in csv.DictReader(file):
            assert row["true"] == Path(row["file"]).parent.name
            assert float(row["square"]) == pytest.approx(p[row["file"]][0])


def _other(file: Path) -> None:
    from tests.networks import as_classifier, binary_cnn

    save_classifier(as_classifier(binary_cnn(32), labels=("cat", "dog")), file)


def test_hardly_a_picture_of_the_classes_is_lost_to_the_background() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 4)).astype(np.float32)
    classes = rng.integers(0, 3, 1000)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="predictions")(inputs))
    kernel, bias = rng.normal(size=(4, 3)).astype(np.float32), np.float32([0, 0, 1])
    for start, limit in ((bias, job.LOST), (np.float32([0, 0, -50]), 0.0)):
        model.get_layer("predictions").set_weights([kernel, start])
        job._admit(model, loop.Samples(x, classes, loop.one_hot(classes, 3), np.ones(1000, np.float32)))
        known = model.predict(x[classes < 2], verbose=0)
        assert abs((known.argmax(axis=1) == 2).mean() - limit) <= 0.0016  # one picture of 660
        np.testing.assert_array_equal(model.get_layer("predictions").get_weights()[0], kernel)
    np.testing.assert_array_equal(model.get_layer("predictions").get_weights()[1], [0, 0, -50])  # never raised
