"""What maps are measured on: the pictures of a folder with their boxes, one picture, or a clip's frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidcam.errors import VidcamError
from vidcam.media import open_source
from vidcam.metrics.boxes import find_boxes, read_boxes
from vidcam.metrics.faithfulness import MeasuredPicture
from vidcam.types import Box

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True, slots=True)
class Subjects:
    """Pictures to measure on, read one at a time.

    Attributes:
        files: their paths, or the clip's.
        boxes: by path, where there are any.
        clip: whether the one file is a clip.
    """

    files: Sequence[Path]
    boxes: dict[Path, tuple[Box, ...]]
    clip: bool

    def pictures(self) -> Iterator[MeasuredPicture]:
        """Yields the pictures of a folder."""
        for file in self.files:
            with open_source(file) as source:
                frame = next(iter(source))
            yield MeasuredPicture(file.name, frame.rgb(), self.boxes.get(file, ()))


def find_subjects(data: Path, limit: int | None = None, seed: int = 0) -> Subjects:
    """Finds what to measure on.

    Args:
        data: a folder of pictures, of any depth; where a CSV of boxes lies in it, its pictures are taken. Or one
            picture, or a clip.
        limit: so many pictures at most.
        seed: of the order, which is random: a part of the pictures is a fair sample then.

    Returns:
        The subjects.

    Raises:
        VidcamError: there is no picture, or one of the CSV is missing or there twice.
    """
    if not data.is_dir():
        with open_source(data) as source:  # says what is wrong with it
            return Subjects([data], {}, source.info.kind != "image")
    found = sorted(f for f in data.rglob("*") if f.suffix.lower() in PICTURE_SUFFIXES and not f.name.startswith("."))
    table = find_boxes(data)
    boxes: dict[Path, tuple[Box, ...]] = {}
    if table is not None:
        for name, listed in read_boxes(table).items():
            matches = [f for f in found if f.relative_to(data).as_posix() == name] or [
                f for f in found if f.name == name
            ]
            if len(matches) != 1:
                raise VidcamError(f"{table}: {name} is {'not' if not matches else 'several times'} in {data}")
            boxes[matches[0]] = tuple(listed)
        found = sorted(boxes)
    if not found:
        raise VidcamError(f"{data}: no pictures in it ({', '.join(PICTURE_SUFFIXES)})")
    order = np.random.default_rng(seed).permutation(len(found))[:limit]
    return Subjects([found[i] for i in order], boxes, False)
