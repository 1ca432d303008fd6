"""Which maps a picture shows: one, or a grid of models, methods and targets, each cell with its own map."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidcam.cam import Explainer, alternatives, find_method
from vidcam.cam.clips import explainer_for
from vidcam.cam.options import MapOptions
from vidcam.cam.targets import Target
from vidcam.errors import UsageError
from vidcam.types import Classifier


@dataclass(frozen=True, slots=True)
class GridCell:
    """One map: how it is made, and of which target."""

    explainer: Explainer
    target: Target


@dataclass(frozen=True, slots=True)
class Grid:
    """How cells are laid out and named.

    Attributes:
        columns: cells in a row.
        titles: a name for each cell, empty where there is one method of one model only.
        targets: whether cells differ in their targets, which are named then, also without captions.
        models: a name for each model where there are several; the first cells are theirs, one each in this order.
    """

    columns: int
    titles: tuple[str, ...]
    targets: bool
    models: tuple[str, ...] = ()

    @property
    def compared(self) -> int:
        """How many models there are."""
        return len(self.models) or 1

    def places(self, beside: bool) -> tuple[int, tuple[int | None, ...]]:
        """Lays the cells out.

        Args:
            beside: whether the frame as it is stands before them, once.

        Returns:
            How many places a row has, and what is in each: a cell's index, -1 for the frame, None for nothing.
        """
        cells = range(len(self.titles))
        if not beside:
            return self.columns, tuple(cells)
        rows = len(cells) > self.compared if self.models else self.targets and self.titles[0]
        if not rows:
            return _square(len(cells) + 1), (-1, *cells)
        lines = [cells[i : i + self.columns] for i in range(0, len(cells), self.columns)]
        return self.columns + 1, tuple(i for n, line in enumerate(lines) for i in (None if n else -1, *line))


SINGLE = Grid(1, ("",), False)


def make_cells(
    classifier: Classifier, how: MapOptions, batch_size: int, make: Callable[..., Explainer] = explainer_for
) -> tuple[list[GridCell], Grid]:
    """Builds what a grid needs: an explainer for each method, of one network, every target under each.

    Args:
        classifier: what is explained.
        how: how the maps are made.
        batch_size: frames computed at once.
        make: makes an explainer.

    Returns:
        The cells in reading order, and their layout: methods by row and targets by column where there are several of
        both, else as square as can be.

    Raises:
        UsageError: an option does not go with the classifier or the method.
    """
    if classifier.frames and how.explain_fps is not None:
        raise UsageError(
            f"--explain-fps {how.explain_fps:g}: {classifier.name} sees windows of {classifier.frames} frames, which "
            "give every frame its map; --clip-stride says how often one begins"
        )
    targets, methods = alternatives(how.target, classifier.labels), how.methods
    cells, titles = [], []
    first: Explainer | None = None
    for name in methods:
        channels = how.top_channels if find_method(name).scored else None
        if first is None:
            options: dict[str, Any] = {"batch_size": batch_size, "engine": how.engine, "against": how.against}
            options |= {"rather_than": how.rather_than, "gamma": how.gamma}
            shown = {"step": how.clip_stride, "fps": how.clip_fps}
            options |= {name: value for name, value in shown.items() if value is not None}
            explainer = first = make(classifier, name, how.layer, **options, top_channels=channels)
        else:  # all methods look at the same pass of the network
            explainer = first.by(name, top_channels=channels)
        cells += [GridCell(explainer, t) for t in targets]
        titles += [explainer.method.title if len(methods) > 1 else ""] * len(targets)
    both = len(methods) > 1 and len(targets) > 1
    columns = len(targets) if both else _square(len(cells))
    return cells, Grid(columns, tuple(titles), len(targets) > 1)


def make_model_cells(
    classifiers: Sequence[Classifier], how: MapOptions, batch_size: int, make: Callable[..., Explainer] = explainer_for
) -> tuple[list[GridCell], Grid]:
    """Builds what a picture of one or several models needs.

    Args:
        classifiers: what is explained, one at least.
        how: how the maps of each are made.
        batch_size: frames computed at once.
        make: makes an explainer.

    Returns:
        The cells in reading order, and their layout: of several models one column each where each has several methods
        or targets, else as square as can be.

    Raises:
        UsageError: models have different numbers of targets.
    """
    if len(classifiers) == 1:
        return make_cells(classifiers[0], how, batch_size, make)
    names = names_of_models(classifiers)
    made = [make_cells(classifier, how, batch_size, make) for classifier in classifiers]
    if len({len(cells) for cells, _ in made}) > 1:
        raise UsageError(f"target {how.target}: stands for one class of some of the models and for several of others")
    rows = range(len(made[0][0]))
    cells = [own[row] for row in rows for own, _ in made]
    titles = [
        ", ".join(t for t in (n, grid.titles[row]) if t)
        for row in rows
        for n, (_, grid) in zip(names, made, strict=True)
    ]
    columns = len(names) if len(rows) > 1 else _square(len(names))
    return cells, Grid(columns, tuple(titles), made[0][1].targets, names)


def names_of_models(classifiers: Sequence[Classifier]) -> tuple[str, ...]:
    """Names models, all differently: by their own names, their files' folders where these are alike, and numbers."""
    folders: dict[str, set[str]] = {}
    for c in classifiers:
        folders.setdefault(c.name, set()).add(Path(c.source).parent.name)
    apart = {name for name, found in folders.items() if len(found) > 1}
    names = [f"{Path(c.source).parent.name}/{c.name}".lstrip("/") if c.name in apart else c.name for c in classifiers]
    return tuple(f"{n} ({names[:i].count(n) + 1})" if names.count(n) > 1 else n for i, n in enumerate(names))


def _square(count: int) -> int:
    """Returns the columns of a layout near to a square with few empty places; two and three cells make a row."""
    if count <= 3:
        return count
    side = math.isqrt(count - 1) + 1
    return min((side, side + 1), key=lambda columns: -count % columns)
