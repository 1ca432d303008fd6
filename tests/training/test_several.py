"""Several models on one data folder: figures and counts against networks that can be computed by hand."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from tests.networks import as_classifier, gap_cnn
from tests.training import drawn
from vidcam import cli
from vidcam.errors import UsageError
from vidcam.metrics.mcnemar import mcnemar_p
from vidcam.models import Classifier, save_classifier
from vidcam.training.data import discover
from vidcam.training.several import evaluate_several


def by_color(channel: int, labels: tuple[str, ...] = ("disc", "square"), **more: object) -> Classifier:
    """Says disc where a colour is strong: red tells the two apart, blue hardly, and a disc is red."""
    inputs = keras.Input((40, 40, 3))
    x = keras.layers.Conv2D(2, 1, name="last")(keras.layers.Rescaling(1 / 255)(inputs))
    x = keras.layers.GlobalAveragePooling2D()(x)
    network = keras.Model(inputs, keras.layers.Softmax()(x), name=f"color_{channel}")
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, channel, labels.index("disc")] = 30
    bias = np.zeros(2, np.float32)
    bias[labels.index("square")] = {0: 5.2, 2: 4.4}[channel]
    network.get_layer("last").set_weights([kernel, bias])
    return replace(as_classifier(network, 40, labels=labels), name=network.name, **more)


@pytest.fixture(name="data", scope="module")
def _data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = drawn.folder(tmp_path_factory.mktemp("data") / "data", count=20)
    (data / "disc" / "damaged.png").write_bytes(b"no picture")
    return data


def vidcam(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(a) for a in arguments])
    return int(ended.value.code or 0)


def test_figures_and_counts_are_those_of_networks_computed_by_hand(data: Path, tmp_path: Path) -> None:
    """Models that number the classes differently."""
    models = {"red": by_color(0), "blue": by_color(2, ("square", "disc"))}
    folder = discover(data, alone="test")
    found = evaluate_several(models, folder, tmp_path / "both")
    right, scores = {}, {}
    for name, (channel, bias) in {"red": (0, 5.2), "blue": (2, 4.4)}.items():
        files = [f for f in sorted(data.glob("*/*.png")) if f.name != "damaged.png"]
        strength = np.array([cv2.imread(str(f))[..., 2 - channel].mean() / 255 for f in files])
        disc = 1 / (1 + np.exp(bias - 30 * strength))
        truth = np.array([f.parent.name == "disc" for f in files])
        right[name] = {str(f): bool(good) for f, good in zip(files, (disc > 0.5) == truth, strict=True)}
        losses = -np.log(np.where(truth, disc, 1 - disc))
        scores[name] = np.mean(list(right[name].values())), losses.mean(), losses.std(ddof=1) / np.sqrt(40)
    for judged in found.models:
        s = judged.scores
        assert (s.accuracy, s.loss, s.loss_error) == pytest.approx(scores[judged.name], rel=1e-3)
    counts = dict.fromkeys([(a, b) for a in (True, False) for b in (True, False)], 0)
    for file in right["red"]:
        counts[right["red"][file], right["blue"][file]] += 1
    (test,) = found.tests
    assert (test.both, test.first_only, test.second_only, test.neither) == tuple(counts.values())
    assert test.first_only > 0
    assert test.p == mcnemar_p(test.first_only, test.second_only)
    told = json.loads((tmp_path / "both/comparison.json").read_text())
    assert [m["name"] for m in told["models"]] == ["red", "blue"]
    assert told["mcnemar"][0]["only_first_right"] == test.first_only
    assert (told["split"], told["count"], len(told["unreadable"])) == ("test", 40, 1)
    with (tmp_path / "both/predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {r["file"]: r["true"] == r["blue: predicted"] for r in rows} == right["blue"]
    assert {r["file"]: float(r["red: p(true)"]) > 0.5 for r in rows} == right["red"]


def test_a_class_for_none_of_the_others_is_no_other_class(data: Path, tmp_path: Path) -> None:
    """One model has it, the other does not: the one has to choose among the rest."""
    network = gap_cnn()
    knows = replace(as_classifier(network, labels=("disc", "nothing", "square")), name="knows", neither=1)
    found = evaluate_several({"knows": knows, "red": by_color(0)}, discover(data, alone="test"), tmp_path / "out")
    p = found.models[0].probabilities
    chosen = np.where(p[:, 0] > p[:, 2], 0, 2)
    np.testing.assert_array_equal(found.models[0].right, chosen == found.models[0].classes)
    assert found.models[0].rejection is not None
    assert "knows: nothing: " in found.summary()
    drawn.folder(tmp_path / "more", ("disc", "ring", "square"), count=2)
    (tmp_path / "more/ring").rename(tmp_path / "more/nothing")
    with pytest.raises(UsageError, match="holds the classes disc, nothing, square, but color_0 knows disc, square"):
        evaluate_several({"knows": knows, "red": by_color(0)}, discover(tmp_path / "more"), tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_the_command_names_models_and_refuses_what_does_not_fit(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, channel in (("old", 2), ("new", 0)):
        Path(folder).mkdir()
        save_classifier(by_color(channel), Path(folder) / "m.keras")
    save_classifier(as_classifier(gap_cnn(2), labels=("cat", "dog")), Path("pets.keras"))
    assert vidcam("evaluate", "old/m.keras", "new/m.keras", data) == 0
    said = capsys.readouterr().out
    assert "old/m against new/m: both right" in said
    assert Path("m_m_comparison/comparison.txt").read_text() == said
    Path("names.txt").write_text("square\ndisc\n")
    own = ("--labels", "names.txt", "--labels", "-", "-q", "-o", "own")
    assert vidcam("evaluate", "pets.keras", "new/m.keras", data, *own) == 0
    for arguments, says in [
        (("old/m.keras", "pets.keras", data), "m knows disc, square, and pets cat, dog: models of different classes"),
        ((*["old/m.keras"] * 5, data), "5 models: up to 4 can be compared (the last argument is the data folder)"),
        (("old/m.keras", "new/m.keras", data, "--maps", "gradcam"), "--maps gradcam: measures the maps of one model"),
        (("old/m.keras", "new/m.keras", data, "--seed", 3), "--seed cannot be chosen with an evaluation"),
        (("old/m.keras", "new/m.keras", data, *["--fit", "crop"] * 3), "--fit is given 3 times for 2 models"),
        (("old/m.keras", data, *["--fit", "crop"] * 2), "--fit is given 2 times for 1 model; give it once"),
        (("old/m.keras", "new/m.keras", data, "-o", "names.txt"), "--output names.txt: is a file; name a folder"),
        (("old/m.keras", "new/m.keras"), "new/m.keras: is a file, and evaluate takes a folder of pictures"),
        (("old/m.keras", "new/m.keras", "none"), "none: no such folder"),
        (("old/m.keras",), "evaluate takes MODEL and DATA_DIR, not 1 argument"),
    ]:
        assert vidcam("evaluate", *arguments) == 2
        told = capsys.readouterr().err
        assert says in told
        assert told.count("\n") == 1
