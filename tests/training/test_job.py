"""From a folder to a model file on the command line, and what the file is worth elsewhere."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training import drawn
from vidcam import cli
from vidcam.models import fit_frame, load_model, save_classifier
from vidcam.models.zoo import ZOO
from vidcam.training import distill
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


def test_a_teacher_is_asked_in_the_order_of_the_data(trained: tuple[Path, Path]) -> None:
    _, model = trained
    p = predictions(model.with_suffix(""))
    paths = [Path(name) for name in p][:40]
    teacher = load_model(model)
    asked = distill.teacher_probabilities(teacher, paths, ("square", "disc"))
    np.testing.assert_allclose(asked, np.array([p[str(path)] for path in paths])[:, ::-1], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["-o", "m.h5"], 2, "has to end in .keras"),
        (["-o", "nowhere/m.keras"], 2, "no such folder"),
        (["-o", "data/m.keras"], 2, "among the pictures"),
        (["--input-size", "16"], 2, "too small for cnn, which needs 32"),
        (["--arch", "xception", "--weights", "data", "--input-size", "64"], 2, "--weights data: no such file"),
        (["--weights", "broken.h5"], 2, "goes with transfer learning"),
        (["--arch", "mobilenet_v2", "--weights", "broken.h5"], 1, "broken.h5: not weights of mobilenet_v2"),
        (["--arch", "mobilenet_v2", "--precision", "bfloat16"], 2, "trains in float32"),
        (["--distill", "other.keras"], 2, "--distill other: knows cat, dog, the data hold disc, square"),
        (["--val-split", "1"], 2, "--val-split"),
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
