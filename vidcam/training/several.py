"""Several classifiers on one data folder: a table of them, and which is right more often, if any is.

What `vidcam evaluate` does of several models. Curves and sheets are made of one at a time, by `evaluation`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidcam._files import make_folder, write_text
from vidcam.cam import Explainer
from vidcam.errors import UsageError
from vidcam.metrics import classification as metrics
from vidcam.metrics.mcnemar import McNemar, mcnemar_tests
from vidcam.metrics.rejection import Rejection, among_others, rejection
from vidcam.models.classifier import Classifier
from vidcam.training.data import Folder, StageProgress
from vidcam.training.evaluation import BATCH, match_labels, predict, read_splits
from vidcam.types import Array


@dataclass(frozen=True, slots=True)
class Judged:
    """One of the classifiers.

    Attributes:
        name: as the table calls it.
        classifier: the classifier.
        paths: the pictures that it was asked about, the same for all.
        classes: int64 (N,), their class indices, as it numbers them.
        unreadable: the pictures that were left out.
        probabilities: float64 (N, classes).
        right: whether it gets each right, bool; that and what follows of one that knows a class for none of the others
            is of the pictures of the others, among which it has to choose.
        scores: how good it is.
        rejection: what that class is worth, None without one.
    """

    name: str
    classifier: Classifier
    paths: tuple[Path, ...]
    classes: Array
    unreadable: tuple[Path, ...]
    probabilities: Array
    right: Array
    scores: metrics.Scores
    rejection: Rejection | None


@dataclass(frozen=True, slots=True)
class SeveralEvaluation:
    """What was found.

    Attributes:
        data: the folder of the pictures.
        split: which of its splits was looked at.
        models: in the order in which they were named.
        tests: of every two of them.
        folder: where the files are.
    """

    data: Path
    split: str
    models: Sequence[Judged]
    tests: Sequence[McNemar]
    folder: Path

    def summary(self) -> str:
        """Returns the figures as a text for the terminal."""
        first = self.models[0].scores
        lines = [["model", "accuracy", "loss", "calibration error"]]
        for c in self.models:
            s = c.scores
            accuracy = f"{100 * s.accuracy:.2f} % (+-{100 * s.error:.2f})"
            lines.append([c.name, accuracy, f"{s.loss:.4f} (+-{s.loss_error:.4f})", f"{s.calibration_error:.4f}"])
        said = [
            f"{c.name}: {c.rejection.sentence(c.classifier.labels[c.classifier.neither])}"
            for c in self.models
            if c.rejection is not None and c.classifier.neither is not None
        ]
        return "\n".join(
            [f"{self.data}, {self.split}: {first.count} pictures", "", *_aligned(lines), *said]
            + [line for test in self.tests for line in ("", *_told(test, len(self.tests)))]
            + ["", str(self.folder)]
        )


def _told(test: McNemar, count: int) -> list[str]:
    """Says what a test has found, in two lines."""
    more = f", {test.adjusted:.3g} where {count} tests are made (Holm)" if count > 1 else ""
    how = "exact" if test.exact else "chi-square, corrected"
    return [
        f"{test.first} against {test.second}: both right {test.both}, only {test.first} {test.first_only}, "
        f"only {test.second} {test.second_only}, neither {test.neither}",
        f"  {test.verdict()}: accuracy of the first {100 * test.difference:+.2f} points (+-{100 * test.error:.2f}), "
        f"McNemar's test ({how}) p = {test.p:.3g}{more}",
    ]


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]


def check_alike(classifiers: Mapping[str, Classifier]) -> None:
    """Checks that classifiers know the same classes, a class for none of the others aside.

    Args:
        classifiers: by the names that messages call them.

    Raises:
        UsageError: two do not.
    """
    known = {
        name: sorted(label for i, label in enumerate(c.labels) if i != c.neither) for name, c in classifiers.items()
    }
    first = next(iter(known))
    for name, labels in known.items():
        if labels != known[first]:
            raise UsageError(
                f"{first} knows {_few(known[first])}, and {name} {_few(labels)}: models of different classes have no "
                "pictures in common (say with --labels what classes are called)"
            )


def _few(labels: Sequence[str]) -> str:
    return ", ".join(labels[:5]) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")


def evaluate_several(
    classifiers: Mapping[str, Classifier],
    data: Folder,
    folder: str | Path,
    progress: StageProgress | None = None,
) -> SeveralEvaluation:
    """Evaluates classifiers on the last split of a data folder, and writes what was found.

    Args:
        classifiers: two or more, of the same classes, by the names to call them.
        data: what `discover` found; `test` is looked at where it is there, else `val`.
        folder: where `comparison.json`, `comparison.txt` and `predictions.csv` go; made where it is missing.
        progress: told of every picture and batch.

    Returns:
        The table and the tests.

    Raises:
        UsageError: classes differ, the models' or the folder's.
        VidcamError: a class has no readable picture.
    """
    check_alike(classifiers)
    split = list(data.splits)[-1]
    last = Folder(data.root, data.labels, {split: data.splits[split]})
    for classifier in classifiers.values():
        match_labels(last, classifier)  # of all, before the pictures of the first are read
    models = [_judged(name, c, last, split, progress) for name, c in classifiers.items()]
    found = SeveralEvaluation(
        data.root, split, models, mcnemar_tests({c.name: c.right for c in models}), make_folder(folder)
    )
    write_text(found.folder / "comparison.txt", found.summary() + "\n")
    _write_predictions(models, found.folder / "predictions.csv")
    write_text(found.folder / "comparison.json", json.dumps(_figures(found), indent=1) + "\n")
    return found


def _judged(name: str, classifier: Classifier, data: Folder, split: str, progress: StageProgress | None) -> Judged:
    pictures = read_splits(data, classifier, progress)[split]
    p = predict(Explainer(classifier, batch_size=BATCH), pictures.pixels, progress, f"evaluating {name}")
    neither, labels, judged = classifier.neither, list(classifier.labels), (p, pictures.classes)
    found = None
    if neither is not None:
        found = rejection(*judged, neither)
        judged = among_others(*judged, neither)
        labels.pop(neither)
    return Judged(
        name=name,
        classifier=classifier,
        paths=pictures.paths,
        classes=pictures.classes,
        unreadable=pictures.unreadable,
        probabilities=p,
        right=judged[0].argmax(axis=1) == judged[1],
        scores=metrics.score(*judged, labels),
        rejection=found,
    )


def _figures(found: SeveralEvaluation) -> dict[str, object]:
    first = found.models[0]
    return {
        "data": str(found.data),
        "split": found.split,
        "count": first.scores.count,
        "unreadable": [str(f) for f in first.unreadable],
        "models": [
            {
                "name": c.name,
                "model": c.classifier.source or c.classifier.name,
                "labels": list(c.classifier.labels),
                **c.scores.as_json(),
                **({"neither": c.rejection.as_json()} if c.rejection else {}),
            }
            for c in found.models
        ],
        "mcnemar": [test.as_json() for test in found.tests],
    }


def _write_predictions(models: Sequence[Judged], file: Path) -> None:
    """Writes a line for each picture: what it shows, and of each model what it says and how probable the truth is."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = [head for c in models for head in (f"{c.name}: predicted", f"{c.name}: p(true)")]
    writer.writerow(["file", "true", *heads])
    first = models[0]
    for i, path in enumerate(first.paths):
        cells = []
        for c in models:
            p = c.probabilities[i]
            cells += [c.classifier.labels[int(np.argmax(p))], f"{p[c.classes[i]]:.7g}"]
        writer.writerow([path, first.classifier.labels[first.classes[i]], *cells])
    write_text(file, text.getvalue())
