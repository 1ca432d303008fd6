"""How good a classifier is and whether its probabilities can be believed: accuracy, confusion, curves, calibration.

The numbers only; pictures and tables of them are in `vidcam.report`. What a map is worth is measured elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vidcam.types import Array

TINY = 1e-7
CALIBRATION_BINS = 15


@dataclass(frozen=True, slots=True)
class Scores:
    """What a classifier's answers on one set of pictures are worth.

    Attributes:
        count: the number of pictures.
        loss: mean cross-entropy in nats.
        loss_error: its standard error, NaN of one picture.
        accuracy: the share of pictures whose most probable class is the true one.
        error: the standard error of the accuracy, binomial.
        calibration_error: the expected calibration error, see `reliability`.
        confusion: int64 (classes, classes), true class by row, predicted by column.
        report: scikit-learn's classification report: precision, recall, F1 and support of each class, and means.
        report_text: the same as a table.
    """

    count: int
    loss: float
    loss_error: float
    accuracy: float
    error: float
    calibration_error: float
    confusion: Array
    report: dict[str, Any]
    report_text: str

    def as_json(self) -> dict[str, Any]:
        """Returns the scores as plain JSON types, without the text."""
        return {
            "count": self.count,
            "loss": self.loss,
            "loss_standard_error": None if math.isnan(self.loss_error) else self.loss_error,
            "accuracy": self.accuracy,
            "accuracy_standard_error": self.error,
            "expected_calibration_error": self.calibration_error,
            "confusion_matrix": self.confusion.tolist(),
            "classes": self.report,
        }


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidence against accuracy, in bins of equal width (Guo et al. 2017, section 2).

    Attributes:
        edges: float64 (bins + 1,), 0 to 1.
        confidence: float64 (bins,), the mean probability of the predicted class, NaN in empty bins.
        accuracy: float64 (bins,), the share that is right, NaN in empty bins.
        count: int64 (bins,).
    """

    edges: Array
    confidence: Array
    accuracy: Array
    count: Array

    @property
    def expected_error(self) -> float:
        """The mean of |accuracy - confidence| over the bins, each weighted by its pictures."""
        gaps = np.where(self.count > 0, np.abs(self.accuracy - self.confidence), 0.0)
        return float((gaps * self.count).sum() / self.count.sum())


def score(probabilities: Array, classes: Array, labels: Sequence[str]) -> Scores:
    """Measures a classifier's answers.

    Args:
        probabilities: (N, classes) or (N, 1), see `two_columns`.
        classes: (N,), the true class indices.
        labels: the class names.

    Returns:
        The scores.
    """
    from sklearn import metrics

    p = two_columns(probabilities)
    guess = p.argmax(axis=1)
    how: dict[str, Any] = {"labels": range(len(labels)), "target_names": list(labels), "zero_division": 0}
    accuracy = float((guess == classes).mean())
    losses = cross_entropies(p, classes)
    return Scores(
        count=len(classes),
        loss=float(losses.mean()),
        loss_error=float(losses.std(ddof=1) / np.sqrt(len(losses))) if len(losses) > 1 else math.nan,
        accuracy=accuracy,
        error=float(np.sqrt(accuracy * (1 - accuracy) / len(classes))),
        calibration_error=reliability(p, classes).expected_error,
        confusion=metrics.confusion_matrix(classes, guess, labels=range(len(labels))),
        report=metrics.classification_report(classes, guess, output_dict=True, **how),
        report_text=metrics.classification_report(classes, guess, digits=3, **how),
    )


def reliability(probabilities: Array, classes: Array, bins: int = CALIBRATION_BINS) -> Reliability:
    """Compares how sure a classifier is with how often it is right.

    Args:
        probabilities: (N, classes) or (N, 1), see `two_columns`.
        classes: (N,), the true class indices.
        bins: how many, of equal width; a bin includes its upper edge.

    Returns:
        The bins.
    """
    p = two_columns(probabilities)
    sure, right = p.max(axis=1), p.argmax(axis=1) == classes
    at = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(at, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(at, weights=sure, minlength=bins) / count
        accuracy = np.bincount(at, weights=right, minlength=bins) / count
    return Reliability(np.linspace(0, 1, bins + 1), confidence, accuracy, count)


def overfitting(scores: dict[str, Scores]) -> str:
    """Says in a sentence whether training, validation and test agree.

    Two splits disagree where their accuracies differ by more than two points and more than two standard errors of the
    difference.

    Args:
        scores: `train`, `val`, `test` -> scores, as many as there are.
    """
    names = {"train": "training", "val": "validation", "test": "test"}
    figures = {names[n]: s for n, s in scores.items()}
    shown = ", ".join(f"{n} {100 * s.accuracy:.1f} %" for n, s in figures.items())
    if len(figures) < 2:
        return f"Only one split ({shown}): nothing to compare it with, so overfitting would not show."
    learnt = figures.get("training")
    unseen = {n: s for n, s in figures.items() if n != "training"}
    if learnt is not None:
        worse = [n for n, s in unseen.items() if _above(learnt, s)]
        if worse:
            return (
                f"Overfitting: the training pictures are recognised better than those of {' and '.join(worse)} "
                f"({shown}); more pictures, --augment, fewer epochs or a smaller network help."
            )
    if len(unseen) == 2:
        first, second = unseen.values()
        if _above(first, second) or _above(second, first):
            return f"Validation and test disagree ({shown}): the two folders hold different kinds of pictures."
    return f"The splits agree ({shown}): no overfitting to be seen."


def _above(a: Scores, b: Scores) -> bool:
    return a.accuracy - b.accuracy > max(0.02, 2 * float(np.hypot(a.error, b.error)))


def two_columns(probabilities: Array) -> Array:
    """Returns probabilities (N, classes); one sigmoid output (N, 1) becomes [1 - p, p]."""
    p = np.asarray(probabilities, np.float64)
    return np.concatenate([1 - p, p], axis=1) if p.shape[1] == 1 else p


def cross_entropies(probabilities: Array, classes: Array) -> Array:
    """Returns -log p(true class) in nats, float64 (N,); probabilities are clipped at 1e-7.

    Args:
        probabilities: (N, classes) or (N, 1), see `two_columns`.
        classes: (N,), the true class indices.
    """
    p = two_columns(probabilities)[np.arange(len(classes)), classes]
    losses: Array = -np.log(np.clip(p, TINY, 1.0))
    return losses


def best_temperature(probabilities: Array, classes: Array) -> float:
    """Finds the temperature that makes probabilities fit best (temperature scaling, Guo et al. 2017).

    The true class of n pictures of it is given the probability (n + 1) / (n + 2), as Platt (1999) does: a few pictures
    that happen to be all right are no reason for certainty.

    Args:
        probabilities: (N, classes) or (N, 1), see `two_columns`, of pictures not trained on.
        classes: (N,), the true class indices.

    Returns:
        The number, 0.1 to 10, that the logits divided by give the lowest mean cross-entropy.
    """
    logits = np.log(np.clip(two_columns(probabilities), TINY, 1.0))
    count = logits.shape[1]
    members = np.bincount(classes, minlength=count)[classes][:, None]
    targets = np.where(np.eye(count, dtype=bool)[classes], members + 1, 1 / (count - 1)) / (members + 2)
    temperatures = np.exp(np.linspace(np.log(0.1), np.log(10.0), 461))
    losses = []
    for t in temperatures:
        scaled = logits / t
        losses.append(-(targets * (scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True))).sum(axis=1).mean())
    return float(temperatures[int(np.argmin(losses))])
