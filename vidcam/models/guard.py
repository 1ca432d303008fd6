"""What is checked of a model file before memory is spent on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vidcam.errors import VidcamError
from vidcam.models.bundle import check_bundle
from vidcam.models.files import ModelFile
from vidcam.models.protocol import fields

LARGEST_TENSOR = 2**28
"""Numbers in one tensor of a network for one picture; a gigabyte of them."""
GRAPH, NODE, INITIALIZER, ATTRIBUTE = 7, 1, 5, 5
TENSORS, GRAPHS = (5, 10), (6, 11)
"""Numbers of an ONNX attribute's fields that are tensors, and that are graphs."""
EXTERNAL, KEY, VALUE = 13, 1, 2
DEPTH = 16


def check_source(file: ModelFile) -> None:
    """Refuses an ONNX file whose weights lie outside its folder, and a SavedModel whose table of weights is damaged.

    Raises:
        VidcamError: it is one of these, or the file is damaged.
    """
    if file.kind == "saved_model":
        try:
            check_bundle(file.path / "variables")
        except (ValueError, OSError) as error:
            raise VidcamError(f"{file.named}: cannot be read as SavedModel; it is damaged ({error})") from error
    if file.kind != "onnx":
        return
    try:
        data = memoryview(np.memmap(file.path, np.uint8, "r").data)  # mapped, not read: files may be large
        locations = {_text(place) for graph in fields(data, GRAPH) for place in _locations(graph, DEPTH)}
    except (ValueError, IndexError, OSError) as error:
        raise VidcamError(f"{file.named}: not an ONNX model, or a damaged one ({error})") from error
    folder = file.path.parent.resolve()
    for location in sorted(locations):
        place = (folder / location).resolve()
        if Path(location).is_absolute() or not place.is_relative_to(folder):
            raise VidcamError(
                f"{file.named}: its weights are to be read from {location!r}, outside its folder; refused"
            )
        if not place.is_file():
            raise VidcamError(f"{file.named}: its weights are in {location}, which is not beside it")


def _locations(graph: Any, depth: int) -> Iterator[Any]:
    """Yields the names of the files that a graph's tensors lie in."""
    if depth == 0:
        raise ValueError("graphs in graphs without end")
    for tensor in fields(graph, INITIALIZER):
        yield from _outside(tensor)
    for node in fields(graph, NODE):
        for attribute in fields(node, ATTRIBUTE):
            for number in TENSORS:
                for tensor in fields(attribute, number):
                    yield from _outside(tensor)
            for number in GRAPHS:
                for inner in fields(attribute, number):
                    yield from _locations(inner, depth - 1)


def _outside(tensor: Any) -> Iterator[Any]:
    for entry in fields(tensor, EXTERNAL):
        if any(_text(key) == "location" for key in fields(entry, KEY)):
            yield from fields(entry, VALUE)


def _text(data: Any) -> str:
    return bytes(data).decode("utf-8", "replace")


def check_tensors(model: Any, name: str) -> None:
    """Refuses a network whose tensors are too large to be computed.

    Raises:
        VidcamError: one is.
    """
    for node in model.get_ordered_ops():
        for output in node.outputs():
            count = 1
            for dimension in output.get_partial_shape() if output.get_partial_shape().rank.is_static else []:
                count *= dimension.get_length() if dimension.is_static else 1
            if count > LARGEST_TENSOR:
                raise VidcamError(
                    f"{name}: {node.get_type_name()} gives {count:,} numbers for a picture, more than any classifier; "
                    "the file is damaged"
                )
