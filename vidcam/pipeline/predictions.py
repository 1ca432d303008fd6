"""What the model said about each frame, as numbers: lines of CSV or JSON."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._contrast import rival_of
from vidcam._files import OutputFile, writing
from vidcam.cam import target_name
from vidcam.errors import UsageError
from vidcam.types import Array, Frame

TOP_CLASSES = 5
PREDICTION_SUFFIXES = (".csv", ".jsonl")
PREDICTION_COLUMNS = ("frame", "time", "target", "class", "logit", "probability")


class Predictions:
    """Writes one record a frame; the file appears under its name when it is complete.

    A record holds the frame's index in the source, its time in seconds, the target's label, class index, logit and
    probability (of several classes: their sums), and the leading classes with their probabilities. Of several models
    there is one for each, which names it.

    Args:
        path: a `.csv` or `.jsonl` file.
        labels: of each model, a name for each class.
        models: a name for each, where there are several.
        overwrite: whether an existing file may be replaced.

    Raises:
        UsageError: the suffix is another, or the file exists.
        VidcamError: it cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        labels: Sequence[Sequence[str]],
        models: Sequence[str] = (),
        *,
        overwrite: bool = False,
    ) -> None:
        self._labels = labels
        self._models = models
        self._top = min(TOP_CLASSES, max(len(own) for own in labels))
        self._target = OutputFile(check_format(path), overwrite)
        self._json = self._target.path.suffix.lower() == ".jsonl"
        self._file = self._target.temporary.open("w", encoding="utf-8", newline="")
        if not self._json:
            leading = [f"{kind}{i}" for i in range(1, self._top + 1) for kind in ("top", "probability")]
            self._line([*PREDICTION_COLUMNS, *leading, *(["model"] if models else [])])

    def write(
        self, frame: Frame, target: Sequence[int], logits: Array, probabilities: Array, *, model: int = 0
    ) -> None:
        """Adds a frame's record.

        Args:
            frame: the frame.
            target: the class indices that its map explains.
            logits: (classes,).
            probabilities: (classes,).
            model: whose they are.
        """
        labels = self._labels[model]
        leading = np.argsort(-probabilities, kind="stable")[: self._top]
        name = target_name(target, labels)
        logit = float(logits[list(target)].sum())
        probability = float(probabilities[list(target)].sum())
        time = round(float(frame.time), 6)
        if self._json:
            record = {
                **({"model": self._models[model]} if self._models else {}),
                "frame": frame.index,
                "time": time,
                "target": name,
                "class": list(target),
                **({"rather_than": list(rival_of(target))} if rival_of(target) else {}),
                "logit": logit,
                "probability": probability,
                "top": [{"label": labels[i], "class": int(i), "probability": float(probabilities[i])} for i in leading],
            }
            self._write(json.dumps(record, ensure_ascii=False) + "\n")
            return
        pairs = [value for i in leading for value in (labels[i], f"{probabilities[i]:.8g}")]
        pairs += [""] * (2 * self._top - len(pairs))
        classes = " ".join(map(str, target))
        whose = [self._models[model]] if self._models else []
        self._line([frame.index, time, name, classes, f"{logit:.8g}", f"{probability:.8g}", *pairs, *whose])

    def _line(self, cells: Sequence[Any]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        self._write(line.getvalue())

    def _write(self, text: str) -> None:
        with writing(self._target.path):
            self._file.write(text)

    def redirect(self, path: Path) -> None:
        """Chooses another name in the same directory for the file, for a run that was stopped early."""
        self._target.redirect(path)

    @property
    def path(self) -> Path:
        """The file's final name."""
        return self._target.path

    def finish(self) -> None:
        """Writes what is still to be written."""
        with writing(self._target.path):
            self._file.close()

    def commit(self) -> None:
        """Gives the finished file its name."""
        self._target.commit()

    def abort(self) -> None:
        """Discards what was written."""
        with contextlib.suppress(OSError):  # the disk is full; what matters is that the file goes
            self._file.close()
        self._target.discard()


def check_format(path: str | Path) -> Path:
    """Checks a predictions file's suffix.

    Raises:
        UsageError: it is neither `.csv` nor `.jsonl`.
    """
    path = Path(path)
    if path.suffix.lower() not in PREDICTION_SUFFIXES:
        raise UsageError(f"predictions {path}: the suffix says the format, .csv or .jsonl")
    return path
