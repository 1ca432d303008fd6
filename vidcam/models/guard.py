"""What is checked of a model file before memory is spent on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vidcam.errors import VidcamError
from vidcam.models.files import ModelFile

LARGEST = 2**28
"""Numbers in one tensor of a network for one picture; a gigabyte of them."""
GRAPH, NODE, INITIALIZER, ATTRIBUTE = 7, 1, 5, 5
TENSORS, GRAPHS = (5, 10), (6, 11)
"""Numbers of an ONNX attribute's fields that are tensors, and that are graphs."""
EXTERNAL, KEY, VALUE = 13, 1, 2
DEPTH = 16


def check_source(file: ModelFile) -> None:
    """Refuses an ONNX file whose weights lie outside its folder.

    Raises:
        VidcamError: they do, or the file is damaged.
    """
    if file.kind != "onnx":
        return
    try:
        data = memoryview(np.memmap(file.path, np.uint8, "r").data)  # mapped, not read: files may be large
        locations = {_text(place) for graph in _fields(data, GRAPH) for place in _locations(graph, DEPTH)}
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
    for tensor in _fields(graph, INITIALIZER):
        yield from _outside(tensor)
    for node in _fields(graph, NODE):
        for attribute in _fields(node, ATTRIBUTE):
            for number in TENSORS:
                for tensor in _fields(attribute, number):
                    yield from _outside(tensor)
            for number in GRAPHS:
                for inner in _fields(attribute, number):
                    yield from _locations(inner, depth - 1)


def _outside(tensor: Any) -> Iterator[Any]:
    for entry in _fields(tensor, EXTERNAL):
        if any(_text(key) == "location" for key in _fields(entry, KEY)):
            yield from _fields(entry, VALUE)


def _text(data: Any) -> str:
    return bytes(data).decode("utf-8", "replace")


def _fields(message: Any, wanted: int) -> Iterator[Any]:
    """Yields a protocol buffer's parts of a number that have a length; lengths beyond its end raise."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            length, at = _varint(message, at)
            if at + length > end:
                raise ValueError("it is cut short")
            if tag >> 3 == wanted:
                yield message[at : at + length]
            at += length
        else:
            raise ValueError("it is no protocol buffer")
    if at > end:
        raise ValueError("it is cut short")


def _varint(message: Any, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("it is no protocol buffer")


def check_size(model: Any, name: str) -> None:
    """Refuses a network whose tensors are too large to be computed.

    Raises:
        VidcamError: one is.
    """
    for node in model.get_ordered_ops():
        for output in node.outputs():
            count = 1
            for dimension in output.get_partial_shape() if output.get_partial_shape().rank.is_static else []:
                count *= dimension.get_length() if dimension.is_static else 1
            if count > LARGEST:
                raise VidcamError(
                    f"{name}: {node.get_type_name()} gives {count:,} numbers for a picture, more than any classifier; "
                    "the file is damaged"
                )
