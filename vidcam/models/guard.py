"""What is checked of a model file before memory is spent on it."""

from __future__ import annotations

from typing import Any

from vidcam.errors import VidcamError
from vidcam.models.files import ModelFile

LARGEST = 2**28
"""Numbers in one tensor of a network for one picture; a gigabyte of them."""


def check_source(file: ModelFile) -> None:
    """Refuses a file that points outside its folder, or that declares more than it holds.

    Raises:
        VidcamError: it does.
    """


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
