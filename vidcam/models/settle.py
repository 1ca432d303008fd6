"""Options of a classifier, checked against what its network or card says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidcam.errors import Unsaid, UsageError
from vidcam.models import zoo
from vidcam.models.labels import default_labels, read_labels

GUESSED_SIZE = (224, 224)
"""(width, height) in pixels at which a network of any size is looked at."""
GUESSED_FRAMES = 16
"""With how many frames a network of clips of any length is looked at."""


def any_size(name: str) -> Unsaid:
    """Returns the error for a network that takes pictures of any size and does not say which."""
    message = f"{name}: takes pictures of any size; say which with --input-size (input_size=)"
    return Unsaid(message, "input_size", GUESSED_SIZE)


def checked_size(input_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """Returns a (width, height) that was given as a side or as that, None where nothing was.

    Raises:
        UsageError: it is out of range.
    """
    if input_size is None:
        return None
    width, height = (input_size, input_size) if isinstance(input_size, int) else input_size
    if min(width, height) < 8 or max(width, height) > 8192:
        raise UsageError(f"input size {width}x{height} is out of range; sides are 8 to 8192 pixels")
    return int(width), int(height)


def clip_length(name: str, own: int | None, told: int | None) -> int:
    """Returns how many frames a network that sees time is shown at once.

    Args:
        name: the network's.
        own: how many it takes, None for any number.
        told: what the user says.

    Raises:
        UsageError: it is not said, or the network takes another number.
    """
    if told is not None and (told < 1 or own not in (None, told)):
        which = f"{name} takes {own}" if own else "it is at least 1"
        raise UsageError(f"--clip-frames {told} (clip_frames=) is out of range; {which}")
    if own is None and told is None:
        raise Unsaid(
            f"{name}: takes clips of any number of frames; say with --clip-frames (clip_frames=) how many it was "
            "trained on",
            "clip_frames",
            GUESSED_FRAMES,
        )
    return int(own or told or 0)


def labels_of(
    given: str | Path | tuple[str, ...] | list[str] | None,
    card: Mapping[str, Any],
    classes: int,
    *,
    imagenet: bool = False,
) -> tuple[str, ...]:
    """Returns a name for each class: what was given, what the card says, ImageNet's, or numbers.

    Raises:
        UsageError: there are more or fewer names than classes.
        VidcamError: a file of labels cannot be read.
    """
    if given is not None:
        labels = read_labels(given) if isinstance(given, str | Path) else tuple(given)
    elif "labels" in card:
        labels = tuple(card["labels"])
    else:
        labels = zoo.imagenet_labels() if imagenet else default_labels(classes)
    if len(labels) != classes:
        raise UsageError(f"{len(labels)} labels were given, but the model has {classes} classes")
    return labels
