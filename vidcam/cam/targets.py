"""What a map explains: from what a user says (`top`, an index, a label, several) to class indices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidcam._contrast import Contrast, rival_of
from vidcam.errors import UsageError

if TYPE_CHECKING:
    from vidcam.types import Array

_NAMED = 8
"""Classes that a message names at most."""
TOP = "top"
NEXT = "next"
"""The best of the classes that are not explained, in contrast to which the target is."""
CLIP_TOP = "clip-top"
"""The class that a whole clip shows most; whoever knows the clip puts the class in its place."""
Target = str | int | Sequence[str | int] | None
Layers = str | Sequence[str] | None
"""A path or name of a layer, several by comma or as a sequence, None to find it."""


def resolve_target(target: Target, labels: Sequence[str]) -> tuple[int, ...] | None:
    """Finds the classes that a target names.

    Args:
        target: `top` or None for each frame's best class; a class index; a label (upper and lower case, blanks and
            underscores are alike); a text of several by comma, or a sequence of them, whose logits are summed.
        labels: a name for each class.

    Returns:
        The class indices, or None for `top`.

    Raises:
        UsageError: a label is unknown (close ones are listed) or belongs to several classes (their indices are
            listed), an index is out of range, or nothing is named.
    """
    if target is None or target == TOP:
        return None
    if target == CLIP_TOP:
        raise UsageError("target clip-top is known at the end of a clip only; it goes with `vidcam run`")
    if isinstance(target, str):
        # A label may hold a comma itself; the whole text is tried first.
        parts: Sequence[str | int] = [target] if _matches(target, labels) else target.split(",")
    elif isinstance(target, Sequence):
        parts = target
    else:
        parts = [target]
    indices = tuple(dict.fromkeys(_index(part, labels) for part in parts))
    if not indices:
        raise UsageError("the target is empty; give `top`, a class index or a label")
    return indices


def resolve_rival(rival: Target, labels: Sequence[str]) -> tuple[int, ...] | None:
    """Finds the classes in contrast to which others are explained.

    Args:
        rival: as `resolve_target` takes classes, or `next` for each frame's runner-up.
        labels: a name for each class.

    Returns:
        The class indices, none where nothing is asked for, or None for `next`.

    Raises:
        UsageError: see `resolve_target`.
    """
    if rival is None:
        return ()
    if rival == NEXT and not _matches(NEXT, labels):
        return None
    if rival in (TOP, CLIP_TOP):
        raise UsageError(f"--rather-than {rival}: takes a class, or `next` for the best one beside the target")
    return resolve_target(rival, labels)


def selection_of(
    chosen: Sequence[int] | None,
    classes: int,
    *,
    against: bool = False,
    rival: Sequence[int] | None = (),
    gamma: float = 1.0,
) -> Array:
    """Says as a graph takes it which logits are explained.

    Args:
        chosen: what `resolve_target` returns.
        classes: how many there are.
        against: explain the negated logits.
        rival: what `resolve_rival` returns.
        gamma: how much the rivals count; of several each has its share.

    Returns:
        float32 (classes + 2,): a weight for each class, one for each picture's best class, and one for its runner-up.
    """
    import numpy as np

    selection = np.zeros(classes + 2, np.float32)
    selection[list([classes] if chosen is None else chosen)] = 1.0
    if rival is None:
        selection[classes + 1] = -gamma
    elif rival:
        selection[list(rival)] = -gamma / len(rival)
    return -selection if against else selection


def explained(
    chosen: tuple[int, ...] | None, rival: tuple[int, ...] | None, logits: Array
) -> tuple[tuple[int, ...], ...]:
    """Returns what the maps of pictures explain.

    Args:
        chosen: what `resolve_target` returns.
        rival: what `resolve_rival` returns.
        logits: (B, classes).

    Returns:
        For each picture its classes; a `Contrast` where they are explained rather than others.
    """
    found: list[tuple[int, ...]] = []
    for scores in logits:
        target = (int(scores.argmax()),) if chosen is None else chosen
        others = tuple(c for c in rival or () if c not in target)
        if rival is None:
            left = [c for c in range(len(scores)) if c not in target]
            others = (max(left, key=lambda c: float(scores[c])),) if left else ()
        found.append(Contrast(target, others) if others else target)
    return tuple(found)


def target_weights(selection: Array, logits: Array) -> Array:
    """Says how much each picture's logits weigh in what is explained, as a graph finds it.

    Args:
        selection: (classes + 2,), see `selection_of`.
        logits: (B, classes).

    Returns:
        (B, classes).
    """
    import numpy as np

    each = np.arange(len(logits))
    weights = np.tile(selection[:-2], (len(logits), 1))
    weights[each, logits.argmax(1)] += selection[-2]
    free = weights == 0
    runner_up = np.where(free, logits, -np.inf).argmax(1)
    weights[each, runner_up] += selection[-1] * free[each, runner_up]
    return weights


def alternatives(target: Target, labels: Sequence[str]) -> list[Target]:
    """Splits targets that are to be shown beside one another.

    Args:
        target: a target as `resolve_target` takes it, or a text of several by `/`.
        labels: a name for each class; one that holds a `/` itself is one target.

    Returns:
        The targets, at least one, each checked; `clip-top` stays as it is.

    Raises:
        UsageError: see `resolve_target`.
    """
    whole = not isinstance(target, str) or bool(_matches(target, labels))
    parts: list[Target] = [target] if whole else [part.strip() for part in str(target).split("/")]
    for part in parts:
        if part != CLIP_TOP:
            resolve_target(part, labels)
    return list({str(part): part for part in parts}.values())


def target_name(indices: Sequence[int], labels: Sequence[str]) -> str:
    """Returns the labels of a target, joined by ` + `; of a contrast, the others', too."""
    name = " + ".join(labels[i] for i in indices)
    rival = rival_of(indices)
    return f"{name} rather than {' + '.join(labels[i] for i in rival)}" if rival else name


def _plain(label: str) -> str:
    return " ".join(label.replace("_", " ").split()).casefold()


def _matches(label: str, labels: Sequence[str]) -> list[int]:
    plain = _plain(label)
    return [i for i, name in enumerate(labels) if _plain(name) == plain]


def _index(part: str | int, labels: Sequence[str]) -> int:
    text = str(part).strip()
    matches = _matches(text, labels) if isinstance(part, str) else []
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(
            f"target {text!r} is the label of several classes; name one by its index: {', '.join(map(str, matches))}"
        )
    try:
        index = int(text)
    except ValueError:
        raise UsageError(f"target {text!r} is no class of this model{_hint(text, labels)}") from None
    if not 0 <= index < len(labels):
        raise UsageError(f"target {index} is out of range; the model's classes are 0 to {len(labels) - 1}")
    return index


def _hint(text: str, labels: Sequence[str]) -> str:
    """Names classes that may be meant: those that hold the words first, those of kinds before others."""
    if len(labels) <= 12:
        return f"; its classes are {', '.join(labels)}"
    wanted = _words(text)
    holding = [label for label in dict.fromkeys(labels) if wanted and wanted <= _words(label)]
    holding.sort(key=lambda label: _words(_plain(label).split()[-1]) != _words(_plain(text).split()[-1]))
    plain = {_plain(label): label for label in labels}
    import difflib

    close = [plain[key] for key in difflib.get_close_matches(_plain(text), plain, n=5, cutoff=0.6)]
    named = list(dict.fromkeys([*holding[:_NAMED], *close]))[: max(len(holding[:_NAMED]), 5)]
    more = f" and {len(holding) - _NAMED} more" if len(holding) > _NAMED else ""
    return f"; close ones: {', '.join(named)}{more}" if named else f"; it has {len(labels)}, none close to that"


def _words(text: str) -> set[str]:
    """Returns a text's words without the s of a plural."""
    return {word if len(word) < 4 else word.removesuffix("s") for word in re.findall(r"\w+", _plain(text))}
