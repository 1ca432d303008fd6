"""Plots, tables and sheets of a training and an evaluation: written whole, with the right figures in them."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import vidcam.report
from vidcam.errors import VidcamError
from vidcam.metrics.classification import reliability
from vidcam.report import classification, training

RNG = np.random.default_rng(0)
CLASSES = RNG.integers(0, 2, 80)
SECOND = np.clip(0.5 + 0.25 * (2 * CLASSES - 1) + RNG.normal(0, 0.3, 80), 0, 1)
P = np.stack([1 - SECOND, SECOND], axis=1)


def drawn(file: Path) -> np.ndarray:
    assert [f.name for f in file.parent.glob(".*")] == []
    return np.asarray(Image.open(file).convert("RGB"))


def test_areas_under_the_curves_against_their_definitions(tmp_path: Path) -> None:
    positive, negative = SECOND[CLASSES == 1], SECOND[CLASSES == 0]
    wins = np.mean([[(p > n) + 0.5 * (p == n) for n in negative] for p in positive])
    areas = classification.roc_curves(P, CLASSES, ("a", "b"), tmp_path / "roc.png")
    assert areas == {"b": pytest.approx(wins)}
    means = classification.precision_recall_curves(P, CLASSES, ("a", "b"), tmp_path / "pr.png")
    order = np.sort(SECOND)[::-1]
    total, recall = 0.0, 0.0
    for threshold in dict.fromkeys(order):
        chosen = threshold <= SECOND
        now = CLASSES[chosen].sum() / CLASSES.sum()
        total += (now - recall) * CLASSES[chosen].mean()
        recall = now
    assert means == {"b": pytest.approx(total)}
    assert drawn(tmp_path / "roc.png").std() > 5


def test_a_split_of_one_class_has_no_curve(tmp_path: Path) -> None:
    assert classification.roc_curves(P, np.zeros(80, int), ("a", "b"), tmp_path / "roc.png") == {}


def test_the_other_plots_are_drawn(tmp_path: Path) -> None:
    classification.confusion_matrix(np.array([[30, 1], [9, 40]]), ("a", "b"), tmp_path / "confusion.png")
    classification.reliability_diagram(reliability(P, CLASSES), tmp_path / "calibration.png")
    card = classification.SheetPicture(np.full((20, 30, 3), (255, 0, 255), np.uint8), "a 0.98, is b", right=False)
    classification.sheet([card] * 7, tmp_path / "sheet.png", "mistakes")
    magenta = (drawn(tmp_path / "sheet.png") == (255, 0, 255)).all(axis=2)
    assert 0.05 < magenta.mean() < 0.6
    blue = drawn(tmp_path / "confusion.png").astype(int)
    assert (blue[..., 2] - blue[..., 0] > 60).mean() > 0.1
    drawn(tmp_path / "calibration.png")


def test_the_table_counts_classes_splits_and_unreadable_files() -> None:
    train = SimpleNamespace(classes=np.array([0, 0, 1]), unreadable=("x",))
    text = training.table(
        {"train": train, "test": SimpleNamespace(classes=np.array([1]), unreadable=())}, ("cat", "dog")
    )
    assert [line.split() for line in text.splitlines()] == [
        ["train", "test"],
        ["cat", "2", "0"],
        ["dog", "1", "1"],
        ["unreadable", "1", "0"],
    ]


def test_the_history_is_a_table_and_a_plot(tmp_path: Path) -> None:
    history = [
        {"phase": phase, "epoch": i, "loss": 1 / i, "accuracy": 0.5, "val_loss": 1.1 / i, "val_accuracy": 0.4}
        for phase, i in (("head", 1), ("head", 2), ("tune", 1))
    ]
    training.write_history(history, tmp_path)
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(r["val_loss"]) for r in rows] == [r["val_loss"] for r in history]
    assert [r["phase"] for r in rows] == ["head", "head", "tune"]
    drawn(tmp_path / "history.png")


def test_a_sheet_of_samples_shows_every_class(tmp_path: Path) -> None:
    colours = np.array([[255, 0, 255], [0, 255, 0]], np.uint8)
    classes = np.array([0] * 30 + [1] * 2)
    pixels = np.broadcast_to(colours[classes][:, None, None], (32, 16, 16, 3))
    training.sample_sheet(SimpleNamespace(pixels=pixels, classes=classes), ("a", "b"), tmp_path / "s.png")
    picture = drawn(tmp_path / "s.png")
    first, second = ((picture == colour).all(axis=2).sum() for colour in colours)
    assert first / second == pytest.approx(16 / 2, rel=0.05)


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    vidcam.report.require_libraries()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "sklearn" else object())
    with pytest.raises(VidcamError, match=r"scikit-learn missing.*vidcam\[train\]"):
        vidcam.report.require_libraries()


def test_many_classes_still_fit_on_a_plot(tmp_path: Path) -> None:
    labels = [f"class {i}" for i in range(200)]
    classification.confusion_matrix(np.eye(200, dtype=int), labels, tmp_path / "confusion.png")
    assert max(drawn(tmp_path / "confusion.png").shape) < 2000


@pytest.mark.filterwarnings("error")  # matplotlib warns of letters that its font lacks, and fails at half a formula
def test_any_label_can_be_plotted(tmp_path: Path) -> None:
    labels = ("très 猫", "$5 x^")
    classification.confusion_matrix(np.array([[30, 1], [9, 40]]), labels, tmp_path / "confusion.png")
    assert set(classification.roc_curves(P, CLASSES, labels, tmp_path / "roc.png")) == {"$5 x^"}
    card = classification.SheetPicture(np.zeros((20, 30, 3), np.uint8), "猫 0.98\nis $5", right=False)
    classification.sheet([card], tmp_path / "sheet.png", "mistakes")
