"""What an evaluation shows: confusion matrix, ROC, precision and recall, reliability, sheets of pictures with heat.

The figures come from `vidcam.metrics.classification`; here they are only drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vidcam.report.figures import plottable, saved
from vidcam.types import Array

if TYPE_CHECKING:
    from vidcam.metrics.classification import Reliability

SHEET_COLUMNS = 6
FEW = 20
"""Up to so many classes are named in a plot."""


@dataclass(frozen=True, slots=True)
class SheetPicture:
    """One picture of a sheet.

    Attributes:
        picture: RGB uint8 (H, W, 3).
        title: what stands above it.
        right: whether the prediction is the true class; wrong ones are titled in red.
    """

    picture: Array
    title: str
    right: bool


def confusion_matrix(confusion: Array, labels: Sequence[str], file: Path) -> None:
    """Draws a confusion matrix: counts, shaded by the share of the true class.

    Args:
        confusion: int (classes, classes), true class by row.
        labels: the class names.
        file: the PNG.
    """
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    few = len(labels) <= FEW
    side = 2.5 + 0.6 * len(labels) if few else 12.0
    with saved(file, size=(side + 1, side)) as figure:
        axes = figure.add_subplot()
        drawn = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        figure.colorbar(drawn, label="share of the true class")
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        if not few:
            return
        names = [plottable(label) for label in labels]
        axes.set_xticks(range(len(labels)), names, rotation=45, ha="right")
        axes.set_yticks(range(len(labels)), names)
        for (row, column), count in np.ndenumerate(confusion):
            colour = "white" if share[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)


def roc_curves(probabilities: Array, classes: Array, labels: Sequence[str], file: Path) -> dict[str, float]:
    """Draws the receiver operating characteristic of each class against the others; of two classes, the second's.

    Args:
        probabilities: (N, classes).
        classes: (N,), the true class indices.
        labels: the class names.
        file: the PNG.

    Returns:
        The area under each curve, by label; classes without a picture, or with all, have none.
    """
    from sklearn.metrics import auc, roc_curve

    areas = {}
    with saved(file, size=(4.6, 4.4)) as figure:
        axes = figure.add_subplot()
        for c, own in _one_against_rest(classes, labels):
            false, true, _ = roc_curve(own, probabilities[:, c])
            areas[labels[c]] = float(auc(false, true))
            axes.plot(false, true, label=f"{plottable(labels[c])}: area {areas[labels[c]]:.3f}")
        axes.plot([0, 1], [0, 1], color="0.7", linestyle=":")
        _finish(axes, "false positive rate", "true positive rate", len(labels))
    return areas


def precision_recall_curves(
    probabilities: Array, classes: Array, labels: Sequence[str], file: Path
) -> dict[str, float]:
    """Draws precision against recall of each class; of two classes, the second's.

    Args and returns as `roc_curves`; what is returned is the average precision.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    means = {}
    with saved(file, size=(4.6, 4.4)) as figure:
        axes = figure.add_subplot()
        for c, own in _one_against_rest(classes, labels):
            p = probabilities[:, c]
            precision, recall, _ = precision_recall_curve(own, p)
            means[labels[c]] = float(average_precision_score(own, p))
            axes.plot(recall, precision, label=f"{plottable(labels[c])}: mean {means[labels[c]]:.3f}")
        _finish(axes, "recall", "precision", len(labels))
    return means


def reliability_diagram(bins: Reliability, file: Path) -> None:
    """Draws how often the classifier is right against how sure it is, and how many pictures lie where.

    Args:
        bins: the figures.
        file: the PNG.
    """
    middle = (bins.edges[:-1] + bins.edges[1:]) / 2
    width = np.diff(bins.edges) * 0.92
    with saved(file, size=(4.6, 5.4)) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.bar(middle, np.nan_to_num(bins.accuracy), width, color="tab:blue", label="accuracy")
        upper.plot(bins.confidence, bins.accuracy, "k.", markersize=4, label="mean confidence")
        upper.plot([0, 1], [0, 1], color="0.5", linestyle=":")
        upper.set_title(f"expected calibration error {bins.expected_error:.3f}", fontsize=10)
        upper.set_ylabel("accuracy")
        upper.legend(loc="upper left", fontsize=8)
        lower.bar(middle, bins.count, width, color="0.6")
        lower.set_ylabel("pictures")
        lower.set_xlabel("confidence")
        lower.set_xlim(0, 1)


def sheet(cards: Sequence[SheetPicture], file: Path, title: str) -> None:
    """Draws titled pictures in rows of six.

    Args:
        cards: the pictures, at least one.
        file: the PNG.
        title: what stands above all.
    """
    rows = -(-len(cards) // SHEET_COLUMNS)
    with saved(file, size=(2.0 * SHEET_COLUMNS, 2.35 * rows + 0.4)) as figure:
        figure.suptitle(title, fontsize=11)
        for i, card in enumerate(cards, 1):
            axes = figure.add_subplot(rows, SHEET_COLUMNS, i)
            axes.imshow(card.picture)
            axes.set_title(plottable(card.title), fontsize=8, color="black" if card.right else "tab:red")
            axes.axis("off")


def _one_against_rest(classes: Array, labels: Sequence[str]) -> list[tuple[int, Array]]:
    chosen = [1] if len(labels) == 2 else range(len(labels))
    pairs = [(c, classes == c) for c in chosen]
    return [(c, own) for c, own in pairs if own.any() and not own.all()]


def _finish(axes: Any, x: str, y: str, classes: int) -> None:
    axes.set(xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid(alpha=0.3)
    if classes <= FEW and axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", fontsize=8)
