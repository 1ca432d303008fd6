"""Targets softened by a teacher's opinion (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vidcam.cam import Explainer
from vidcam.errors import UsageError
from vidcam.models import load_model
from vidcam.models.classifier import Classifier
from vidcam.training.augment import Variation, draw_looks, show_parts
from vidcam.training.data import Pictures, StageProgress
from vidcam.training.pictures import read_picture
from vidcam.types import Array

TEACHER_SHARE = 0.7
TEMPERATURE = 2.0
BATCH = 32


def teacher_probabilities(
    teacher: Classifier,
    pictures: Pictures,
    labels: Sequence[str],
    variation: Variation | None,
    *,
    views: int = 1,
    seed: int = 0,
    progress: StageProgress | None = None,
) -> Array:
    """Asks a teacher about pictures.

    Args:
        teacher: a classifier of the same labels, in any order.
        pictures: the pictures as the network learns from them.
        labels: the class names, in the order of the answer.
        variation: how the pictures vary while the network learns.
        views: 1 for a single opinion on each picture, read from its file; with more, one on each of so many parts
            that the network will be shown.
        seed: of the parts.
        progress: told of every batch.

    Returns:
        float32 (views, N, len(labels)), probabilities.

    Raises:
        UsageError: the teacher's labels are others.
    """
    if sorted(teacher.labels) != sorted(labels):
        raise UsageError(
            f"--distill {teacher.name}: knows {', '.join(teacher.labels)}, the data hold {', '.join(labels)}"
        )
    explainer = Explainer(teacher, batch_size=BATCH)
    found = []
    for view in range(views):
        parts = []
        for i in range(0, len(pictures), BATCH):
            part = slice(i, i + BATCH)
            if views == 1 or variation is None:
                shown = [teacher.prepare(read_picture(path))[0] for path in pictures.paths[part]]
                answers = np.concatenate([explainer.predict([x])[1] for x in shown])
            else:
                draws = draw_looks(len(pictures), seed, view)[part]
                answers = explainer.predict(list(_looks(pictures, part, draws, teacher, variation)))[1]
            parts.append(answers)
            if progress is not None:
                done = view * len(pictures) + min(i + BATCH, len(pictures))
                progress("asking the teacher", done, views * len(pictures))
        found.append(np.concatenate(parts))
    order = [teacher.labels.index(label) for label in labels]
    return np.stack(found).astype(np.float32)[..., order]


def _looks(pictures: Pictures, part: slice, draws: Array, teacher: Classifier, variation: Variation) -> Array:
    """Returns what the teacher is shown of a batch of pictures: the same parts, as large as it takes them."""
    width, height = teacher.input_size
    seen, _ = show_parts(pictures.pixels[part], draws, pictures.aspects[part], (height, width), variation, whole=True)
    rounded: Array = np.clip(np.round(seen.numpy()), 0, 255).astype(np.uint8)
    return rounded


def load_teacher(path: Path) -> Classifier:
    """Loads a teacher from a model file."""
    return load_model(path)


def soften(targets: Array, probabilities: Array) -> Array:
    """Mixes hard targets with a teacher's probabilities at a temperature.

    Args:
        targets: float32 (1, N, 1) for two classes, else (1, N, classes).
        probabilities: float32 (views, N, classes), the teacher's.

    Returns:
        float32 (views, N, outputs): 0.3 of the targets and 0.7 of the teacher's softmax(log p / 2).
    """
    logits = np.log(np.clip(probabilities.astype(np.float64), 1e-7, 1.0)) / TEMPERATURE
    soft = np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
    soft = soft[..., 1:] if targets.shape[-1] == 1 else soft
    return ((1 - TEACHER_SHARE) * targets + TEACHER_SHARE * soft).astype(np.float32)
