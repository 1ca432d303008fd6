"""`.vidcam` files as classifiers: everything but the network itself is on their card, so nothing else is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidcam import _archive
from vidcam.errors import UsageError, VidcamError
from vidcam.models.card import classifier_of
from vidcam.models.classifier import Classifier
from vidcam.models.settle import checked_size, labels_of

FIXED = {
    "weights": "it has its own",
    "output": "its classes are chosen",
    "token_grid": "its maps are laid out",
    "clip_frames": "its windows are laid out",
    "custom_objects": "it holds no classes of its own",
    "unsafe": "it holds no code",
}
"""Options of `load_model` that do not go with a graph, and why."""


def open_graph(path: Path, options: Mapping[str, Any]) -> Classifier:
    """Opens a `.vidcam` file.

    Args:
        path: the file.
        options: `load_model`'s; those that are inside the graph already have to say the same.

    Returns:
        The classifier, without a network.

    Raises:
        UsageError: an option does not go with the file.
        VidcamError: the file is missing, damaged, or of a later version.
    """
    stored = _archive.read(path)
    try:
        classifier = classifier_of(stored.card, None, source=str(path), graph=stored)
        fixed, layer = stored.card["size"] != "any", ",".join(stored.card["layer"])
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise VidcamError(f"{path}: its card is damaged ({type(error).__name__}: {error})") from error
    if not stored.graph:
        raise VidcamError(f"{path}: holds a card, but no graph")
    for name, why in FIXED.items():
        if options.get(name):
            raise UsageError(f"{path}: --{name.replace('_', '-')} does not go with a {_archive.SUFFIX} file: {why}")
    for name, own in (("preprocess", classifier.preprocess), ("layer", layer)):
        if options.get(name) not in (None, own):
            raise UsageError(f"{path}: its {name} is {own} and lies in the graph; export it anew for {options[name]}")
    fit, input_size = options.get("fit") or classifier.fit, checked_size(options.get("input_size"))
    side = classifier.input_size
    if fixed and (fit == "keep" or input_size not in (None, side)):
        raise UsageError(f"{path}: its graph takes {side[0]}x{side[1]} pixels only, so neither another size nor keep")
    return replace(
        classifier,
        fit=fit,
        input_size=input_size or classifier.input_size,
        labels=labels_of(options.get("labels"), stored.card, len(classifier.labels)),
        labels_from="" if options.get("labels") is not None else classifier.labels_from,
    )
