"""Names of classes: reading a label file, and what a model's classes are called where nobody says."""

from __future__ import annotations

import json
from pathlib import Path

from vidcam.errors import VidcamError


def read_labels(path: str | Path) -> tuple[str, ...]:
    """Reads class names, in the order of the model's outputs.

    Args:
        path: a text file with one name a line, each after its number or none (`0 Cat`, `1 Dog`); or JSON: a list of
            names, or an object from index to name (or from name to index, as Keras' `class_indices` is).

    Returns:
        The names.

    Raises:
        VidcamError: the file is missing, empty or malformed.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise VidcamError(f"labels {path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise VidcamError(f"labels {path}: cannot be read as text ({error})") from error
    labels = _from_json(path, text) if path.suffix.lower() == ".json" else tuple(text.strip().splitlines())
    if not labels:
        raise VidcamError(f"labels {path}: the file is empty; it needs one class name a line")
    return _without_numbers(tuple(label.strip() for label in labels))


def _without_numbers(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Takes the numbers off labels that are numbered in order, as Teachable Machine writes them."""
    parts = [label.split(maxsplit=1) for label in labels]
    if all(len(part) == 2 and part[0] == str(i) for i, part in enumerate(parts)):
        return tuple(part[1] for part in parts)
    return labels


def _from_json(path: Path, text: str) -> tuple[str, ...]:
    try:
        data = json.loads(text)
        if isinstance(data, list):
            return tuple(str(name) for name in data)
        if all(isinstance(value, int) for value in data.values()):
            data = {value: name for name, value in data.items()}
        by_index = {int(index): str(name) for index, name in data.items()}
        return tuple(by_index[i] for i in range(len(by_index)))
    except (ValueError, AttributeError, KeyError) as error:
        raise VidcamError(
            f"labels {path}: needs a JSON list of names, or an object of index to name without gaps"
        ) from error


def default_labels(classes: int) -> tuple[str, ...]:
    """Returns `class 0`, `class 1` ... for a model whose classes have no names."""
    return tuple(f"class {i}" for i in range(classes))
