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
from vidcam.metrics.regions import read_mask
from vidcam.types import Box

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True, slots=True)
class Subjects:
    """Pictures to measure on, read one at a time.

    Attributes:
        files: their paths, or the clip's.
        things: by path where the thing is, boxes or the file of a mask, where somebody says so.
        clip: whether the one file is a clip.
    """

    files: Sequence[Path]
    things: dict[Path, tuple[Box, ...] | Path]
    clip: bool

    def pictures(self) -> Iterator[MeasuredPicture]:
        """Yields the pictures of a folder."""
        for file in self.files:
            with open_source(file) as source:
                frame = next(iter(source))
            rgb, thing = frame.rgb(), self.things.get(file, ())
            size = (rgb.shape[1], rgb.shape[0])
            yield MeasuredPicture(file.name, rgb, read_mask(thing, size, size) if isinstance(thing, Path) else thing)


def find_subjects(
    data: Path, limit: int | None = None, seed: int = 0, *, boxes: Path | None = None, masks: Path | None = None
) -> Subjects:
    """Finds what to measure on.

    Args:
        data: a folder of pictures, of any depth; where a CSV of boxes lies in it, its pictures are taken. Or one
            picture, or a clip.
        limit: so many pictures at most.
        seed: of the order, which is random: a part of the pictures is a fair sample then.
        boxes: a CSV of boxes that lies elsewhere.
        masks: a folder of masks, called as the pictures are, in the same folders; those that have one are taken.

    Returns:
        The subjects.

    Raises:
        VidcamError: there is no picture, or one of the CSV is missing or there twice.
    """
    if not data.is_dir():
        with open_source(data) as source:  # says what is wrong with it
            return Subjects([data], {}, source.info.kind != "image")
    found = sorted(f for f in data.rglob("*") if f.suffix.lower() in PICTURE_SUFFIXES and not f.name.startswith("."))
    table = boxes or find_boxes(data)
    things: dict[Path, tuple[Box, ...] | Path] = {}
    if masks is not None:
        things.update(_masks(data, found, masks))
    elif table is not None:
        things.update(_boxes(data, found, table))
    found = sorted(things) if things else found
    if not found:
        raise VidcamError(f"{data}: no pictures in it ({', '.join(PICTURE_SUFFIXES)})")
    order = np.random.default_rng(seed).permutation(len(found))[:limit]
    return Subjects([found[i] for i in order], things, False)


def _boxes(data: Path, found: Sequence[Path], table: Path) -> Iterator[tuple[Path, tuple[Box, ...]]]:
    """Yields the pictures that a table of boxes names."""
    for name, listed in read_boxes(table).items():
        matches = [f for f in found if f.relative_to(data).as_posix() == name] or [f for f in found if f.name == name]
        if len(matches) != 1:
            raise VidcamError(f"{table}: {name} is {'not' if not matches else 'several times'} in {data}")
        yield matches[0], tuple(listed)


def _masks(data: Path, found: Sequence[Path], masks: Path) -> Iterator[tuple[Path, Path]]:
    """Yields the pictures that have a mask, and it."""
    if not masks.is_dir():
        raise VidcamError(f"{masks}: no such folder")
    there = (f for f in masks.rglob("*") if f.suffix.lower() in PICTURE_SUFFIXES)
    known = {f.relative_to(masks).with_suffix("").as_posix(): f for f in there}
    pairs = [(f, known[name]) for f in found if (name := f.relative_to(data).with_suffix("").as_posix()) in known]
    if not pairs:
        raise VidcamError(f"{masks}: holds no mask that is called as a picture of {data} is")
    yield from pairs
