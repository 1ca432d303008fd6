"""What a training shows of itself: the table of what was found, a sheet of samples, the history."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._files import write_text
from vidcam.report.figures import plottable, saved
from vidcam.types import Array

SHEET_COLUMNS = 8
FIELDS = ("phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy")


def table(splits: Mapping[str, Any], labels: Sequence[str]) -> str:
    """Returns a text table: the readable pictures of each class and split, and the unreadable ones.

    Args:
        splits: name -> pictures with `classes` (N,) and `unreadable`.
        labels: the class names.
    """
    rows = [["", *splits]]
    for c, label in enumerate(labels):
        rows.append([label, *(str(int((p.classes == c).sum())) for p in splits.values())])
    rows.append(["unreadable", *(str(len(p.unreadable)) for p in splits.values())])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows)


def sample_sheet(pictures: Any, labels: Sequence[str], file: Path, rows: int = 4) -> Path:
    """Draws labelled pictures, as many of each class, as the network will see them.

    Args:
        pictures: `pixels` uint8 (N, h, w, 3) and `classes` (N,).
        labels: the class names.
        file: the PNG to write.
        rows: rows of eight pictures.

    Returns:
        The file.
    """
    chosen = _spread(pictures.classes, rows * SHEET_COLUMNS)
    with saved(file, size=(1.5 * SHEET_COLUMNS, 1.75 * rows)) as figure:
        for i, at in enumerate(chosen):
            axes = figure.add_subplot(rows, SHEET_COLUMNS, i + 1)
            axes.imshow(pictures.pixels[at])
            axes.set_title(plottable(labels[pictures.classes[at]]), fontsize=8)
            axes.axis("off")
    return file


def write_history(history: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Writes `history.csv` and `history.png`: accuracy and loss, training and validation, epoch by epoch.

    Args:
        history: a row for every epoch: phase, epoch, loss, accuracy, val_loss, val_accuracy.
        folder: where to.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS)
    writer.writeheader()
    writer.writerows(history)
    write_text(folder / "history.csv", text.getvalue())
    epochs = np.arange(1, len(history) + 1)
    with saved(folder / "history.png", size=(9, 3.5)) as figure:
        for i, name in enumerate(("accuracy", "loss"), 1):
            axes = figure.add_subplot(1, 2, i)
            axes.plot(epochs, [row[name] for row in history], marker=".", label="training")
            axes.plot(epochs, [row[f"val_{name}"] for row in history], marker=".", label="validation")
            for start in range(1, len(history)):
                if history[start]["phase"] != history[start - 1]["phase"]:
                    axes.axvline(start + 0.5, color="0.6", linewidth=1)
                    axes.text(start + 0.6, axes.get_ylim()[0], history[start]["phase"], fontsize=8, va="bottom")
            axes.set_xlabel("epoch")
            axes.set_ylabel(name)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(alpha=0.3)
            axes.legend()


def _spread(classes: Array, count: int) -> Array:
    """Chooses indices, the classes in turn, each class's evenly spaced over its pictures."""
    kinds = np.unique(classes)
    each = -(-count // len(kinds))
    columns = []
    for c in kinds:
        members = np.flatnonzero(classes == c)
        columns.append(members[np.linspace(0, len(members) - 1, min(each, len(members))).astype(int)])
    turns = [column[i] for i in range(each) for column in columns if i < len(column)]
    return np.array(turns[:count])
