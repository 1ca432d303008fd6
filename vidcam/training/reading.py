"""The pictures of one training: what is learnt from, what chooses the epoch, what is only measured on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vidcam.errors import UsageError
from vidcam.training.data import Files, Folder, Pictures, StageProgress, add_background, read_pictures, split_off
from vidcam.training.options import TrainingOptions


@dataclass(frozen=True, slots=True)
class Data:
    """The pictures of a training.

    Attributes:
        labels: the class names.
        train: what is learnt from.
        val: what decides when to stop.
        test: what is only evaluated on, None where the folder has none.
    """

    labels: tuple[str, ...]
    train: Pictures
    val: Pictures
    test: Pictures | None

    @property
    def splits(self) -> dict[str, Pictures]:
        """The splits that there are, by name, `test` last."""
        return {"train": self.train, "val": self.val, **({"test": self.test} if self.test is not None else {})}


def read_data(folder: Folder, options: TrainingOptions, progress: StageProgress | None = None) -> Data:
    """Splits and reads a data folder's pictures.

    Args:
        folder: what `discover` found.
        options: checked options.
        progress: told of every picture.

    Returns:
        The pictures, at the input size.

    Raises:
        UsageError: there is no training split.
        VidcamError: a class has no readable picture.
    """
    if "train" not in folder.splits:
        raise UsageError(f"{folder.root}: holds no train folder")
    splits: dict[str, Files] = dict(folder.splits)
    if "val" not in splits:
        splits["train"], splits["val"] = split_off(splits["train"], options.val_split, options.seed, options.group)
    folder = Folder(folder.root, folder.labels, splits)
    if options.background is not None:
        folder = add_background(folder, options.background, options.val_split, options.seed)
    assert options.input_size is not None
    read = {
        name: read_pictures(
            files,
            options.input_size,
            folder.labels,
            progress,
            f"reading {name}",
            fit="squash" if name == "train" else options.fit,
        )
        for name, files in folder.splits.items()
    }
    train = read["train"]
    if options.fit != "keep":  # squashed is how the network will see them
        width, height = options.input_size
        train = replace(train, aspects=np.full(len(train), width / height, np.float32))
    return Data(folder.labels, train, read["val"], read.get("test"))


def splits_as_used(data: Data, options: TrainingOptions, progress: StageProgress | None = None) -> dict[str, Pictures]:
    """Returns the splits as the finished model takes them: under `keep` it learns from other shapes than it is used on.

    Args:
        data: the pictures of the training.
        options: checked options.
        progress: told of every picture.
    """
    if options.fit != "keep":
        return data.splits
    assert options.input_size is not None
    files = Files(data.train.paths, tuple(data.train.classes.tolist()))
    train = read_pictures(files, options.input_size, data.labels, progress, "reading train again", fit=options.fit)
    return {**data.splits, "train": replace(train, unreadable=data.train.unreadable)}
