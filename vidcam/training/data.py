"""Pictures in class folders: finding them, splitting them, reading them once at the model's size.

What a picture becomes while a model trains on it is in `augment`; nothing here knows a network.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidcam.errors import UsageError, VidcamError
from vidcam.models import fit_frame
from vidcam.training.pictures import SUFFIXES, read_picture
from vidcam.types import Array, Fit

SPLITS = ("train", "val", "test")
ALIASES = {"validation": "val", "valid": "val", "training": "train", "testing": "test"}
IN_MEMORY = 2 << 30
"""Bytes of pictures kept in memory; more go to an unnamed temporary file, of which the system keeps what fits."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done and how much there is."""


@dataclass(frozen=True, slots=True)
class Files:
    """The picture files of one split.

    Attributes:
        paths: the files.
        classes: each file's class index.
    """

    paths: tuple[Path, ...]
    classes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def counts(self, classes: int) -> list[int]:
        """Returns the number of files of each of the `classes` classes."""
        return np.bincount(np.array(self.classes, np.int64), minlength=classes).tolist()  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Folder:
    """What a data folder holds.

    Attributes:
        root: the folder.
        labels: the class names, sorted, as the folders are named.
        splits: `train`, `val`, `test` -> files, as many of them as there are, in this order.
    """

    root: Path
    labels: tuple[str, ...]
    splits: Mapping[str, Files]


@dataclass(frozen=True, slots=True)
class Pictures:
    """One split, read.

    Attributes:
        pixels: uint8 (N, h, w, 3), RGB, or (N, h, w, 1), grey.
        classes: int64 (N,), class indices.
        paths: the files.
        unreadable: the files that were left out.
    """

    pixels: Array
    classes: Array
    paths: tuple[Path, ...]
    unreadable: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)


def discover(root: str | Path, alone: str = "train") -> Folder:
    """Finds the classes and the picture files of a data folder.

    Args:
        root: `class/picture` or `train/class/picture`, also with `val/` and `test/`; folders inside a class folder
            belong to the class.
        alone: the split that a folder of classes alone is.

    Returns:
        The folder's contents; hidden files and files that are no pictures by name are passed over.

    Raises:
        UsageError: there is no such folder, no picture, fewer than two classes, or the splits' classes differ.
    """
    root = Path(root)
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; the data are folders of pictures, one for each class")
    inside = _folders(root)
    splits = {ALIASES.get(f.name.lower(), f.name.lower()): f for f in inside}
    if not (splits.keys() & set(SPLITS)):
        splits = {alone: root}
    elif unknown := sorted(f.name for name, f in splits.items() if name not in SPLITS):
        raise UsageError(f"{root}: holds {', '.join(unknown)} beside train, val or test; move it elsewhere")

    found = {name: {c.name: _pictures(c) for c in _folders(folder)} for name, folder in splits.items()}
    main = "train" if "train" in found else next(iter(found))
    labels = tuple(sorted(found[main]))
    if not any(files for classes in found.values() for files in classes.values()):
        raise UsageError(f"{root}: no pictures in folders named after their classes ({', '.join(sorted(SUFFIXES))})")
    if len(labels) < 2:
        raise UsageError(f"{splits[main]}: one class ({labels[0]}) only; a classifier needs two class folders or more")
    for name, classes in found.items():
        if tuple(sorted(classes)) != labels:
            raise UsageError(
                f"{splits[name]}: its classes ({', '.join(sorted(classes)) or 'none'}) are not those of {main} "
                f"({', '.join(labels)})"
            )
        for label, files in classes.items():
            if not files:
                raise UsageError(f"{splits[name] / label}: holds no pictures; remove the folder or fill it")
    return Folder(root, labels, {name: _files(found[name], labels) for name in SPLITS if name in found})


def split_off(files: Files, share: float, seed: int) -> tuple[Files, Files]:
    """Takes a validation split from the training files, of every class its share.

    Args:
        files: the training files.
        share: the part to take, above 0 and below 1; of each class at least one file is taken and one left.
        seed: the same seed takes the same files.

    Returns:
        What is left for training, and the validation files.

    Raises:
        VidcamError: a class has fewer than two files.
    """
    classes = np.array(files.classes)
    taken = np.zeros(len(files), bool)
    order = np.random.default_rng(seed).permutation(len(files))
    for c in np.unique(classes):
        members = order[classes[order] == c]
        if len(members) < 2:
            raise VidcamError(f"{files.paths[members[0]].parent}: one picture is too few to train and to validate")
        taken[members[: min(len(members) - 1, max(1, round(share * len(members))))]] = True
    return _subset(files, ~taken), _subset(files, taken)


def read_pictures(
    files: Files,
    input_size: tuple[int, int],
    labels: Sequence[str],
    progress: Progress | None = None,
    name: str = "reading",
    *,
    fit: Fit = "squash",
    channels: int = 3,
) -> Pictures:
    """Reads pictures and brings them to the model's input with `fit_frame`.

    Args:
        files: the files.
        input_size: (width, height) in pixels.
        labels: the class names, for messages.
        progress: told of every picture read.
        name: what to call the work in `progress`.
        fit: any but `keep`, which gives pictures of several sizes.
        channels: 3 for RGB, 1 for grey.

    Returns:
        The pictures that could be read, in the order of the files.

    Raises:
        VidcamError: no picture of a class could be read.
    """
    width, height = input_size
    pixels = _room((len(files), height, width, channels))

    def read(i: int) -> bool:
        try:
            pixels[i] = fit_frame(read_picture(files.paths[i]), input_size, fit, channels)[0]
        except VidcamError:
            return False
        return True

    good = np.zeros(len(files), bool)
    with ThreadPoolExecutor(2) as pool:
        for i, fine in enumerate(pool.map(read, range(len(files)))):
            good[i] = fine
            if progress is not None:
                progress(name, i + 1, len(files))
    classes = np.array(files.classes, np.int64)
    for c in np.unique(classes):
        if not good[classes == c].any():
            first = next(p for p, k in zip(files.paths, files.classes, strict=True) if k == c)
            raise VidcamError(
                f"{first.parent}: none of the {int((classes == c).sum())} pictures of class {labels[c]} can be read "
                f"({name}); replace or remove them"
            )
    kept = np.flatnonzero(good)
    if len(kept) < len(files):
        for to, at in enumerate(kept):  # in place: a copy would double the memory
            pixels[to] = pixels[at]
        pixels = pixels[: len(kept)]
    return Pictures(
        pixels=pixels,
        classes=classes[kept],
        paths=tuple(files.paths[i] for i in kept),
        unreadable=tuple(files.paths[i] for i in np.flatnonzero(~good)),
    )


def class_weights(classes: Array, count: int) -> Array:
    """Returns a weight for each class, float32 (count,): n / (count n_c), so that every class counts the same."""
    members = np.bincount(classes, minlength=count)
    return (len(classes) / (count * np.maximum(members, 1))).astype(np.float32)


def _room(shape: tuple[int, ...]) -> Array:
    if int(np.prod(shape)) <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:  # the mapping keeps the file alive after its descriptor is closed
        return np.memmap(file, np.uint8, "w+", shape=shape)


def _folders(root: Path) -> list[Path]:
    return sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith((".", "_")))


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES and not f.name.startswith(".") and f.is_file()
    )


def _files(classes: Mapping[str, list[Path]], labels: Sequence[str]) -> Files:
    pairs = [(path, i) for i, label in enumerate(labels) for path in classes[label]]
    return Files(tuple(p for p, _ in pairs), tuple(i for _, i in pairs))


def _subset(files: Files, chosen: Array) -> Files:
    keep = np.flatnonzero(chosen)
    return Files(tuple(files.paths[i] for i in keep), tuple(files.classes[i] for i in keep))
