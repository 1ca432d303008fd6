"""What makes an output what it is, as values to compare: the content of files, the model, the options."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidcam.errors import VidcamError
from vidcam.models.zoo import BUNDLED


@dataclass(frozen=True, slots=True)
class FileState:
    """A file at a moment.

    Attributes:
        size: bytes.
        modified: when its content was last written, nanoseconds.
        changed: when anything about it was last changed, nanoseconds.
        sha256: of its content, hexadecimal.
    """

    size: int
    modified: int
    changed: int
    sha256: str

    def untouched(self, path: Path) -> bool:
        """Tells by its times whether a file is still as it was, without reading it; False where it is not there."""
        try:
            status = path.stat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns, status.st_ctime_ns) == (self.size, self.modified, self.changed)


def file_state(path: Path) -> FileState:
    """Reads a file and says what it holds.

    Raises:
        VidcamError: it is missing, no file, or cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise VidcamError(f"{path}: is no file")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            # Of the file that was read, should the name stand for another by now.
            status = os.fstat(file.fileno())
    except FileNotFoundError:
        raise VidcamError(f"{path}: no such file") from None
    except OSError as error:
        raise VidcamError(f"{path}: cannot be read: {error.strerror}") from None
    return FileState(status.st_size, status.st_mtime_ns, status.st_ctime_ns, digest)


def model_fingerprint(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Says which model `load_model` would load from arguments, by the content of the files they name.

    Args:
        arguments: `load_model`'s.

    Returns:
        Plain JSON. A network by name, whose weights Keras downloads, is known by its name.

    Raises:
        VidcamError: a file is missing or cannot be read.
    """
    model = str(arguments["model"])
    file = BUNDLED.get(model, Path(model))
    found: dict[str, Any] = {"name": file.name if file.exists() else model}
    if file.is_file():
        found["file"] = file_state(file).sha256
    elif file.is_dir():
        parts = sorted(part for part in file.rglob("*") if part.is_file())
        found["files"] = {part.relative_to(file).as_posix(): file_state(part).sha256 for part in parts}
    for name, value in arguments.items():
        if name == "model" or value is None:
            continue
        # A path by its content, wherever it lies.
        found[name] = file_state(value).sha256 if isinstance(value, Path) else value
    return from_json(found)


def models_fingerprint(models: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Says which models would be loaded: of one as `model_fingerprint` does, of several with that of each.

    Args:
        models: for each `load_model`'s arguments.

    Raises:
        VidcamError: a file is missing or cannot be read.
    """
    found = [model_fingerprint(model) for model in models]
    return found[0] if len(found) == 1 else {"name": " and ".join(one["name"] for one in found), "models": found}


def from_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a value as it comes back from a JSON file, to compare with one that did."""
    made: dict[str, Any] = json.loads(json.dumps(dict(value)))
    return made
