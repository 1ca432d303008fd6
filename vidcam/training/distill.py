"""Targets softened by a teacher's opinion (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vidcam._tensorflow import tf
from vidcam.errors import UsageError
from vidcam.models import PREPROCESSING, fit_frame, load_model
from vidcam.models.classifier import Classifier
from vidcam.training.data import Progress
from vidcam.training.pictures import read_picture
from vidcam.types import Array

TEACHER_SHARE = 0.7
TEMPERATURE = 2.0


def teacher_probabilities(
    teacher: Classifier, paths: Sequence[Path], labels: Sequence[str], progress: Progress | None = None
) -> Array:
    """Asks a teacher about pictures.

    Args:
        teacher: a classifier of the same labels, in any order.
        paths: the pictures, all of which can be read.
        labels: the class names, in the order of the answer.
        progress: told of every batch.

    Returns:
        float32 (N, len(labels)), probabilities.

    Raises:
        UsageError: the teacher's labels are others.
    """
    if sorted(teacher.labels) != sorted(labels):
        raise UsageError(
            f"--distill {teacher.name}: knows {', '.join(teacher.labels)}, the data hold {', '.join(labels)}"
        )
    prepare = PREPROCESSING[teacher.preprocess]

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator, unused-ignore]
    def forward(pixels):  # type: ignore[no-untyped-def]
        return teacher.model(prepare(tf.cast(pixels, tf.float32)), training=False)

    found = []
    for i in range(0, len(paths), 32):
        pictures = [
            fit_frame(read_picture(path), teacher.input_size, teacher.fit, teacher.channels)[0]
            for path in paths[i : i + 32]
        ]
        found.append(forward(np.stack(pictures)).numpy())
        if progress is not None:
            progress("asking the teacher", min(i + 32, len(paths)), len(paths))
    answers = np.concatenate(found).astype(np.float32)
    if answers.shape[1] == 1:
        answers = np.concatenate([1 - answers, answers], axis=1)
    return answers[:, [teacher.labels.index(label) for label in labels]]


def load_teacher(path: Path) -> Classifier:
    """Loads a teacher from a model file."""
    return load_model(path)


def soften(targets: Array, probabilities: Array) -> Array:
    """Mixes hard targets with a teacher's probabilities at a temperature.

    Args:
        targets: float32 (N, 1) for two classes, else (N, classes).
        probabilities: float32 (N, classes), the teacher's.

    Returns:
        float32 of the shape of the targets: 0.3 of them and 0.7 of the teacher's softmax(log p / 2).
    """
    logits = np.log(np.clip(probabilities.astype(np.float64), 1e-7, 1.0)) / TEMPERATURE
    soft = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    soft = soft[:, 1:] if targets.shape[1] == 1 else soft
    return ((1 - TEACHER_SHARE) * targets + TEACHER_SHARE * soft).astype(np.float32)
