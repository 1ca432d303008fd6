"""A classifier's card: what is known of it beside its network, as plain JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidcam.errors import UsageError
from vidcam.models.classifier import Classifier
from vidcam.types import FITS


def card_of(classifier: Classifier) -> dict[str, Any]:
    """Returns what a card says of a classifier; docs/format.md explains each entry."""
    c = classifier
    return {
        "name": c.name,
        "labels": list(c.labels),
        "channels": c.channels,
        "input_size": list(c.input_size),
        "fit": c.fit,
        "preprocess": c.preprocess,
        "preprocess_from": c.preprocess_from,
        "labels_from": c.labels_from,
        "own_layer": c.layer,
        **({"token_grid": list(c.token_grid)} if c.token_grid else {}),
        **({"clip_frames": c.frames} if c.frames else {}),
        "neither": None if c.neither is None else {"class": c.neither},
    }


def classifier_of(card: Mapping[str, Any], network: Any, **more: Any) -> Classifier:
    """Makes a classifier of a card.

    Args:
        card: what `card_of` returned.
        network: the `keras.Model`, or what loads it.
        **more: other attributes of the classifier.

    Returns:
        The classifier.

    Raises:
        KeyError, TypeError, ValueError: the card lacks something.
    """
    width, height = (int(n) for n in card["input_size"])
    labels = tuple(str(label) for label in card["labels"])
    grid = card.get("token_grid")
    channels, fit = int(card["channels"]), card["fit"]
    if channels not in (1, 3) or fit not in FITS or min(width, height) < 1 or len(labels) < 2:
        raise ValueError("the card says what cannot be")
    return Classifier(
        network,
        name=str(card["name"]),
        preprocess=str(card["preprocess"]),
        preprocess_from=str(card["preprocess_from"]),
        labels_from=str(card["labels_from"]),
        input_size=(width, height),
        channels=channels,
        fit=fit,
        labels=labels,
        layer=card.get("own_layer"),
        token_grid=(int(grid[0]), int(grid[1])) if grid else None,
        frames=int(card.get("clip_frames", 0)),
        neither=neither_of(card, len(labels)),
        **more,
    )


def neither_of(card: Mapping[str, Any], classes: int) -> int | None:
    """Returns the class that stands for none of the others, None where there is none.

    Args:
        card: whose entry `neither` is null or missing, or an object: `{"class": 2}` for the output of that index.
        classes: how many there are.

    Raises:
        UsageError: the entry is of another form, or there is no such class.
    """
    entry = card.get("neither")
    if entry is None:
        return None
    index = entry.get("class") if isinstance(entry, Mapping) else None
    if not isinstance(index, int) or not 0 <= index < classes:
        raise UsageError(f'the card\'s "neither" is {entry!r}; it is null or {{"class": index}}, 0 to {classes - 1}')
    return index
