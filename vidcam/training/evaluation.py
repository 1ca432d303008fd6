"""One evaluation of a classifier on a data folder's splits: what `vidcam evaluate` does."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._files import make_folder, write_text
from vidcam.cam import Explainer
from vidcam.errors import UsageError
from vidcam.metrics import classification as metrics
from vidcam.metrics.rejection import among_others, rejection
from vidcam.models.classifier import Classifier
from vidcam.render import overlay
from vidcam.report import classification as report
from vidcam.training.data import Files, Folder, Pictures, StageProgress, by_size, read_pictures
from vidcam.training.pictures import read_picture
from vidcam.types import Array

BATCH = 32
CHOSEN = (
    "The validation pictures chose the epoch and the temperature, so that their figures are better than those of new "
    "pictures will be; a test folder gives honest ones."
)
MISTAKES = 24
PER_CLASS = 12
MANY_CLASSES, MANY_PICTURES = 20, 120
"""With more classes than that one sheet shows a picture of each, up to so many."""
DISPLAY = 256
"""The longer side in pixels of the pictures on a sheet."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found.

    Attributes:
        scores: split -> scores; of a classifier that knows a class for none of the others, among these.
        rejections: split -> what that class is worth, in words; empty without one.
        main: the split that the curves, sheets and the report are of.
        probabilities: split -> float64 (N, classes).
        verdict: a sentence on overfitting.
        note: what else there is to know about the figures, or nothing.
        folder: where the files are.
    """

    scores: Mapping[str, metrics.Scores]
    main: str
    probabilities: Mapping[str, Array]
    verdict: str
    folder: Path
    note: str = ""
    rejections: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """Returns the figures as a text for the terminal."""
        rows = [
            f"{name:<6} {s.count:>6} pictures  loss {s.loss:.4f}  accuracy {100 * s.accuracy:.2f} % "
            f"(+-{100 * s.error:.2f})  calibration error {s.calibration_error:.4f}"
            for name, s in self.scores.items()
        ]
        said = [*(f"{name:<6} {text}" for name, text in self.rejections.items()), *([self.note] if self.note else [])]
        return "\n".join(
            [*rows, *said, "", self.scores[self.main].report_text.rstrip(), "", self.verdict, str(self.folder)]
        )


def match_labels(folder: Folder, classifier: Classifier) -> Folder:
    """Numbers a data folder's classes as a classifier does.

    Args:
        folder: what `discover` found.
        classifier: the classifier.

    Returns:
        The folder with the classifier's labels and class indices.

    Raises:
        UsageError: the two do not know the same classes.
    """
    known = [label for i, label in enumerate(classifier.labels) if i != classifier.neither]
    if sorted(folder.labels) not in (sorted(classifier.labels), sorted(known)):
        theirs = ", ".join(classifier.labels[:10]) + (", ..." if len(classifier.labels) > 10 else "")
        raise UsageError(
            f"{folder.root}: holds the classes {', '.join(folder.labels)}, but {classifier.name} knows {theirs}; "
            "name the folders as the model's labels (or say with --labels what its classes are called)"
        )
    number = [classifier.labels.index(label) for label in folder.labels]
    splits = {n: Files(f.paths, tuple(number[c] for c in f.classes)) for n, f in folder.splits.items()}
    return Folder(folder.root, classifier.labels, splits)


def read_splits(folder: Folder, classifier: Classifier, progress: StageProgress | None = None) -> dict[str, Pictures]:
    """Reads all splits of a data folder for a classifier.

    Args:
        folder: what `discover` found.
        classifier: the classifier, whose labels have to be the folder's classes.
        progress: told of every picture.

    Returns:
        Split -> pictures.

    Raises:
        UsageError: the classes differ.
        VidcamError: a class has no readable picture.
    """
    folder = match_labels(folder, classifier)
    return {
        name: read_pictures(
            files,
            classifier.input_size,
            folder.labels,
            progress,
            f"reading {name}",
            fit=classifier.fit,
            channels=classifier.channels,
        )
        for name, files in folder.splits.items()
    }


def evaluate(
    classifier: Classifier,
    splits: Mapping[str, Pictures],
    folder: str | Path,
    progress: StageProgress | None = None,
    note: str = "",
) -> Evaluation:
    """Evaluates a classifier and writes what was found.

    Args:
        classifier: the classifier.
        splits: `train`, `val`, `test` -> its pictures, with the classifier's class indices; at least one split. The
            last of them is shown in detail.
        folder: where `evaluation.json`, `report.txt`, `predictions.csv`, the plots and the sheets go; made where it is
            missing.
        progress: told of every batch.
        note: what else there is to know about the figures.

    Returns:
        The evaluation.
    """
    folder = make_folder(folder)
    explainer = Explainer(classifier, batch_size=BATCH)
    answers = {
        name: predict(explainer, pictures.pixels, progress, f"evaluating {name}") for name, pictures in splits.items()
    }
    neither, labels = classifier.neither, list(classifier.labels)
    judged = {name: (p, splits[name].classes) for name, p in answers.items()}
    rejections = {}
    if neither is not None:
        rejections = {name: rejection(p, classes, neither) for name, (p, classes) in judged.items()}
        judged = {name: among_others(p, classes, neither) for name, (p, classes) in judged.items()}
        label = labels.pop(neither)
    scores = {name: metrics.score(p, classes, labels) for name, (p, classes) in judged.items()}
    main = list(splits)[-1]
    curves = _plots(*judged[main], scores[main], labels, folder)
    _sheets(classifier, splits[main], answers[main], split=main, folder=folder, progress=progress)
    said = {name: r.sentence(label) for name, r in rejections.items()}
    found = Evaluation(scores, main, answers, metrics.overfitting(scores), folder, note, said)
    write_text(folder / "report.txt", found.summary() + "\n")
    figures = {
        "model": classifier.source or classifier.name,
        "labels": list(classifier.labels),
        "splits": {
            name: {
                **s.as_json(),
                **({"neither": rejections[name].as_json()} if rejections else {}),
                "unreadable": [str(f) for f in splits[name].unreadable],
            }
            for name, s in scores.items()
        },
        "curves_of": main,
        **curves,
        "verdict": found.verdict,
        "note": note,
    }
    _predictions(splits, answers, classifier.labels, folder / "predictions.csv")
    write_text(folder / "evaluation.json", json.dumps(figures, indent=1) + "\n")
    return found


def predict(
    explainer: Explainer,
    pixels: Array | Sequence[Array],
    progress: StageProgress | None = None,
    name: str = "predicting",
) -> Array:
    """Asks a classifier about pictures, on the way on which `vidcam run` asks it.

    Args:
        explainer: the classifier's.
        pixels: uint8 (h, w, channels) each, as `Classifier.prepare` makes them.
        progress: told of every batch.
        name: what to call the work in `progress`.

    Returns:
        float64 (N, classes), probabilities.
    """
    found = np.zeros((len(pixels), len(explainer.classifier.labels)))
    done = 0
    for members in by_size(pixels):
        for i in range(0, len(members), BATCH):
            chosen = members[i : i + BATCH]
            found[chosen] = explainer.predict([pixels[c] for c in chosen])[1]
            done += len(chosen)
            if progress is not None:
                progress(name, done, len(pixels))
    return found


def _plots(p: Array, classes: Array, scores: metrics.Scores, labels: Sequence[str], folder: Path) -> dict[str, Any]:
    report.confusion_matrix(scores.confusion, labels, folder / "confusion_matrix.png")
    report.reliability_diagram(metrics.reliability(p, classes), folder / "calibration.png")
    return {
        "roc_auc": report.roc_curves(p, classes, labels, folder / "roc.png"),
        "average_precision": report.precision_recall_curves(p, classes, labels, folder / "precision_recall.png"),
    }


def _sheets(
    classifier: Classifier, pictures: Pictures, p: Array, *, split: str, folder: Path, progress: StageProgress | None
) -> None:
    guess = p.argmax(axis=1)
    wrong = np.flatnonzero(guess != pictures.classes)
    jobs = {"mistakes.png": (wrong[np.argsort(-p[wrong, guess[wrong]])][:MISTAKES], "the most confident mistakes")}
    many = len(classifier.labels) > MANY_CLASSES
    of_class = [_spread(pictures.classes == c, 1 if many else PER_CLASS) for c in range(len(classifier.labels))]
    if many:
        jobs[f"{split}.png"] = (np.concatenate(of_class)[:MANY_PICTURES], f"pictures of {split}")
    else:
        for label, chosen in zip(classifier.labels, of_class, strict=True):
            jobs[f"{split}_{_file_name(label)}.png"] = (chosen, f"{label}: pictures of {split}")
    explainer = Explainer(classifier)
    total = sum(len(chosen) for chosen, _ in jobs.values())
    done = 0
    for file, (chosen, title) in jobs.items():
        if not len(chosen):
            (folder / file).unlink(missing_ok=True)  # of an earlier evaluation that did make mistakes
            continue
        cards = []
        for i in chosen:
            cards.append(_card(explainer, pictures.paths[i], classifier.labels, int(pictures.classes[i])))
            done += 1
            if progress is not None:
                progress("explaining", done, total)
        report.sheet(cards, folder / file, f"{title}, Grad-CAM of the predicted class")


def _spread(chosen: Array, count: int) -> Array:
    members = np.flatnonzero(chosen)
    found: Array = members[np.linspace(0, len(members) - 1, min(count, len(members))).astype(int)]
    return found


def _card(explainer: Explainer, path: Path, labels: Sequence[str], truth: int) -> report.SheetPicture:
    rgb = read_picture(path)
    found = explainer(rgb)
    p = found.probabilities[0]
    guess = int(p.argmax())
    picture = overlay(rgb, found.maps[0], placement=found.placement)
    title = (
        f"{labels[guess]} {p[guess]:.2f}" if guess == truth else f"{labels[guess]} {p[guess]:.2f}, is {labels[truth]}"
    )
    return report.SheetPicture(_thumbnail(picture), title, guess == truth)


def _thumbnail(picture: Array) -> Array:
    step = max(1, max(picture.shape[:2]) // DISPLAY)
    return picture[::step, ::step]


def _file_name(label: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in label)


def _predictions(
    splits: Mapping[str, Pictures], answers: Mapping[str, Array], labels: Sequence[str], file: Path
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "file", "true", "predicted", *labels])
    for split, pictures in splits.items():
        for path, truth, p in zip(pictures.paths, pictures.classes, answers[split], strict=True):
            shown = [f"{value:.7g}" for value in p]
            writer.writerow([split, path, labels[truth], labels[int(p.argmax())], *shown])
    write_text(file, text.getvalue())
