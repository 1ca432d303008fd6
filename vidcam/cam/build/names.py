"""From what a user calls a layer to the layer."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from vidcam.errors import UsageError

T = TypeVar("T")


def find_layer(candidates: Mapping[str, T], layer: str, model_name: str) -> T:
    """Finds the layer that a user names.

    Args:
        candidates: path -> layer, of those that a map can be made from.
        layer: a path, or the name of one layer.
        model_name: for messages.

    Returns:
        The layer.

    Raises:
        UsageError: there is none of that name (close ones are listed), or several.
    """
    matches = [path for path in candidates if path == layer or path.rsplit("/", 1)[-1] == layer]
    if layer in candidates:
        matches = [layer]
    if len(matches) == 1:
        return candidates[matches[0]]
    if matches:
        raise UsageError(f"layer {layer!r} is in {model_name} several times; name one: {', '.join(matches)}")
    close = difflib.get_close_matches(layer, candidates, n=4, cutoff=0.5)
    last = [path for path in list(candidates)[-4:] if path not in close]
    raise UsageError(
        f"layer {layer!r} is no layer of {model_name} that a map can be made from; "
        f"candidates: {', '.join([*close, *last])} ({len(candidates)} in all)"
    )
