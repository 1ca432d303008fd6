"""Pictures in class folders: finding them, splitting them, reading them once at the model's size.

What a picture becomes while a model trains on it is in `augment`; nothing here knows a network.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidcam.errors import UsageError, VidcamError
from vidcam.models import fit_frame
from vidcam.training.pictures import TRAINING_SUFFIXES, read_picture
from vidcam.types import Array, Fit

SPLITS = ("train", "val", "test")
ALIASES = {"validation": "val", "valid": "val", "training": "train", "testing": "test"}
IN_MEMORY = 2 << 30
"""Bytes of pictures kept in memory; more go to an unnamed temporary file, of which the system keeps what fits."""

StageProgress = Callable[[str, int, int], None]
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
        pixels: uint8 (N, h, w, 3), RGB, or (N, h, w, 1), grey; under `keep` a list of (h, w, c) of several sizes.
        classes: int64 (N,), class indices.
        paths: the files.
        aspects: float32 (N,), width through height of the pictures as the files have them.
        unreadable: the files that were left out.
    """

    pixels: Array | list[Array]
    classes: Array
    paths: tuple[Path, ...]
    aspects: Array
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
        raise UsageError(
            f"{root}: no pictures in folders named after their classes ({', '.join(sorted(TRAINING_SUFFIXES))})"
        )
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


def split_off(files: Files, share: float, seed: int, group: str | None = None) -> tuple[Files, Files]:
    """Takes a validation split from the training files, of every class its share.

    Args:
        files: the training files.
        share: the part to take, above 0 and below 1; of each class at least one file is taken and one left.
        seed: the same seed takes the same files.
        group: a regular expression; files in whose names it finds the same text stay on one side. Without it each file
            is a group of its own.

    Returns:
        What is left for training, and the validation files.

    Raises:
        UsageError: the expression is none, or finds nothing in a file's name.
        VidcamError: a class has fewer than two files, or groups.
    """
    classes = np.array(files.classes)
    names = _groups(files.paths, group)
    order = np.random.default_rng(seed).permutation(len(files))
    taken: set[str] = set()
    for c in np.unique(classes):
        members = order[classes[order] == c]
        asked = min(len(members) - 1, max(1, round(share * len(members))))
        whole = list(dict.fromkeys(names[i] for i in members))
        if len(whole) < 2:
            what = "one picture" if len(members) == 1 else f"one group ({whole[0]})"
            raise VidcamError(f"{files.paths[members[0]].parent}: {what} is too few to train and to validate")
        count = sum(names[i] in taken for i in members)  # a patient may have pictures of several classes
        free = [name for name in whole if name not in taken]
        sizes = Counter(names[i] for i in members)
        for name in free[: len(free) - 1]:
            if count >= asked:
                break
            taken.add(name)
            count += sizes[name]
    chosen = np.array([name in taken for name in names])
    for c in np.unique(classes):
        if chosen[classes == c].all():
            first = next(p for p, k in zip(files.paths, files.classes, strict=True) if k == c)
            raise VidcamError(f"{first.parent}: all its groups are of other classes, too; give a val folder instead")
    return _subset(files, ~chosen), _subset(files, chosen)


def add_background(folder: Folder, background: Path, share: float, seed: int, group: str | None = None) -> Folder:
    """Adds pictures that show none of the classes as one more class, named as their folder is.

    Args:
        folder: what `discover` found, with `train` and `val`.
        background: the folder of pictures, of any depth.
        share: the part that goes to `val`.
        seed: the same seed takes the same files.
        group: see `split_off`.

    Returns:
        The folder with the class as the last one; `test` has no picture of it.

    Raises:
        UsageError: there is no such folder, it holds no pictures, or a class has its name already.
    """
    found = _pictures(background) if background.is_dir() else []
    name = background.resolve().name
    if not found:
        raise UsageError(f"--background {background}: no folder with pictures ({', '.join(sorted(TRAINING_SUFFIXES))})")
    if name in folder.labels:
        raise UsageError(f"--background {background}: the data hold a class {name} already; rename the folder")
    last = len(folder.labels)
    halves = split_off(Files(tuple(found), (last,) * len(found)), share, seed, group)
    splits = dict(folder.splits)
    for split, more in zip(("train", "val"), halves, strict=True):
        own = splits[split]
        splits[split] = Files(own.paths + more.paths, own.classes + more.classes)
    return Folder(folder.root, (*folder.labels, name), splits)


def read_pictures(
    files: Files,
    input_size: tuple[int, int],
    labels: Sequence[str],
    progress: StageProgress | None = None,
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
        fit: how pictures of another shape are brought to it.
        channels: 3 for RGB, 1 for grey.

    Returns:
        The pictures that could be read, in the order of the files.

    Raises:
        VidcamError: no picture of a class could be read.
    """
    width, height = input_size
    several = fit == "keep"
    pixels: Any = [None] * len(files) if several else _room((len(files), height, width, channels))
    aspects = np.ones(len(files), np.float32)

    def read(i: int) -> bool:
        try:
            picture = read_picture(files.paths[i])
        except VidcamError:
            return False
        pixels[i] = fit_frame(picture, input_size, fit, channels)[0]
        aspects[i] = picture.shape[1] / picture.shape[0]
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
        aspects=aspects[kept],
        unreadable=tuple(files.paths[i] for i in np.flatnonzero(~good)),
    )


def by_size(pixels: Array | Sequence[Array]) -> list[Array]:
    """Returns the indices of the pictures of each size, int64 (n,) each, in the order in which the sizes come."""
    if isinstance(pixels, np.ndarray):
        return [np.arange(len(pixels))]
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, picture in enumerate(pixels):
        groups.setdefault(picture.shape, []).append(i)
    return [np.array(members) for members in groups.values()]


def class_weights(classes: Array, count: int) -> Array:
    """Returns a weight for each class, float32 (count,): n / (count n_c), so that every class counts the same."""
    members = np.bincount(classes, minlength=count)
    return (len(classes) / (count * np.maximum(members, 1))).astype(np.float32)


def _groups(paths: Sequence[Path], pattern: str | None) -> list[str]:
    if pattern is None:
        return [str(path) for path in paths]
    try:
        found = [re.search(pattern, path.name) for path in paths]
    except re.error as error:
        raise UsageError(f"--group {pattern}: no regular expression ({error})") from error
    for path, match in zip(paths, found, strict=True):
        if match is None:
            raise UsageError(f"--group {pattern}: finds nothing in the name of {path}")
    return [match.group() for match in found if match is not None]


def _room(shape: tuple[int, ...]) -> Array:
    if int(np.prod(shape)) <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:  # the mapping keeps the file alive after its descriptor is closed
        return np.memmap(file, np.uint8, "w+", shape=shape)


def _folders(root: Path) -> list[Path]:
    return sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith((".", "_")))


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        f
        for f in folder.rglob("*")
        if f.suffix.lower() in TRAINING_SUFFIXES and not f.name.startswith(".") and f.is_file()
    )


def _files(classes: Mapping[str, list[Path]], labels: Sequence[str]) -> Files:
    pairs = [(path, i) for i, label in enumerate(labels) for path in classes[label]]
    return Files(tuple(p for p, _ in pairs), tuple(i for _, i in pairs))


def _subset(files: Files, chosen: Array) -> Files:
    keep = np.flatnonzero(chosen)
    return Files(tuple(files.paths[i] for i in keep), tuple(files.classes[i] for i in keep))
