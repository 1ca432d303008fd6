"""Where the thing is in each clip of a batch: which boxes or masks go with which input.

What boxes and masks are is in `vidcam.metrics.regions`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from vidcam.batch.fingerprint import file_state
from vidcam.batch.inputs import Input
from vidcam.errors import UsageError, VidcamError


def with_things(inputs: Sequence[Input], boxes: Path | None, masks: Path | None) -> tuple[Input, ...]:
    """Finds the boxes or masks of inputs, which are called as the inputs are.

    Args:
        inputs: the clips.
        boxes: a folder with `NAME.csv` for the clip NAME, `a.mov.csv` or `a.csv` for `a.mov`, in the same folders.
        masks: a folder with a folder for each clip, `a.mov` or `a`; not beside `boxes`.

    Returns:
        The inputs with what was found; not every one needs to have something.

    Raises:
        UsageError: both are given, one is no folder, or nothing in it is called as a clip is.
    """
    if boxes is not None and masks is not None:
        raise UsageError("--boxes and --masks both say where the thing is; give one of them")
    folder = boxes or masks
    if folder is None:
        return tuple(inputs)
    option = "--boxes" if masks is None else "--masks"
    if not folder.is_dir():
        kind = "a file" if folder.exists() else "not there"
        raise UsageError(
            f"{option} {folder}: is {kind}; a batch takes a folder in which things are called as clips are"
        )
    folder = folder.absolute()
    found = tuple(
        replace(one, **{option[2:]: _of(one, folder, ".csv" if masks is None else "")})  # type: ignore[arg-type]
        for one in inputs
    )
    if not any(one.boxes or one.masks for one in found):
        first = inputs[0].name
        wanted = [name + (".csv" if masks is None else "/") for name in _names(inputs[0])]
        raise UsageError(
            f"{option} {folder}: holds nothing of these clips; of {first} it would be {' or '.join(wanted)}"
        )
    return found


def thing_fingerprint(boxes: Path | None, masks: Path | None) -> str | None:
    """Returns what tells whether a clip's boxes or masks have changed; None where it has none.

    Args:
        boxes: the file.
        masks: the folder.

    Raises:
        VidcamError: they cannot be read.
    """
    if boxes is not None:
        return file_state(boxes).sha256
    if masks is None:
        return None
    digest = hashlib.sha256()
    try:
        for file in sorted(masks.iterdir()):
            status = file.stat()
            digest.update(f"{file.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    except OSError as error:
        raise VidcamError(f"{masks}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def _of(one: Input, folder: Path, suffix: str) -> Path | None:
    candidates = (folder / (name + suffix) for name in _names(one))
    return next((c for c in candidates if (c.is_file() if suffix else c.is_dir())), None)


def _names(one: Input) -> list[str]:
    """Returns what an input is called: with its suffix and without, and of one that a list names several times also
    without what tells them apart."""
    own = PurePosixPath(one.name)
    names = (own, own.with_suffix(""), own.with_name(one.path.name), own.with_name(one.path.stem))
    return list(dict.fromkeys(name.as_posix() for name in names))
