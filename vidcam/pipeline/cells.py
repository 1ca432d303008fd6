"""Which maps a picture shows: one, or a grid of methods and targets, each cell with its own map."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vidcam.cam import Explainer, alternatives, find_method
from vidcam.cam.explainer import check_method_options
from vidcam.cam.run import EngineName
from vidcam.cam.targets import Layers, Target
from vidcam.errors import UsageError
from vidcam.types import Classifier


@dataclass(frozen=True, slots=True)
class Cell:
    """One map: how it is made, and of which target."""

    explainer: Explainer
    target: Target


@dataclass(frozen=True, slots=True)
class Grid:
    """How cells are laid out and named.

    Attributes:
        columns: cells in a row.
        titles: a name for each cell, empty where there is one method only.
        targets: whether cells differ in their targets, which are named then, also without captions.
    """

    columns: int
    titles: tuple[str, ...]
    targets: bool

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
        if not (self.targets and self.titles[0]):
            return _square(len(cells) + 1), (-1, *cells)
        rows = [cells[i : i + self.columns] for i in range(0, len(cells), self.columns)]
        return self.columns + 1, tuple(i for n, row in enumerate(rows) for i in (None if n else -1, *row))


SINGLE = Grid(1, ("",), False)


def split_methods(
    method: str | Sequence[str], against: bool = False, top_channels: int | None = None
) -> tuple[str, ...]:
    """Reads the methods to show.

    Args:
        method: a name, several by comma, or a sequence of names.
        against: see `Explainer`.
        top_channels: see `Explainer`; one of the methods has to take it.

    Returns:
        The names, each once.

    Raises:
        UsageError: a method is unknown, there is none, or an option goes with none of them.
    """
    names = method.split(",") if isinstance(method, str) else method
    methods = [find_method(name.strip()) for name in names]
    if not methods:
        raise UsageError("no method is named; give one such as gradcam")
    takes = [m for m in methods if m.scored] or methods[:1]
    for m in methods:
        check_method_options(m, against, top_channels if m in takes else None)
    return tuple(dict.fromkeys(m.name for m in methods))


def make_cells(
    classifier: Classifier,
    target: Target,
    methods: Sequence[str],
    layer: Layers,
    *,
    batch_size: int,
    against: bool,
    top_channels: int | None,
    make: Callable[..., Explainer] = Explainer,
    engine: EngineName = "auto",
) -> tuple[list[Cell], Grid]:
    """Builds what a grid needs: an explainer for each method, of one network, every target under each.

    Args:
        classifier: what is explained.
        target: a target, or several by `/`; `clip-top` among them.
        methods: what `split_methods` returns.
        layer: see `Explainer`, as are the rest.
        batch_size: frames computed at once.
        against: show what speaks against the target.
        top_channels: for Score-CAM.
        make: makes an explainer.
        engine: what computes.

    Returns:
        The cells in reading order, and their layout: methods by row and targets by column where there are several of
        both, else as square as can be.
    """
    targets = alternatives(target, classifier.labels)
    cells, titles = [], []
    first: Explainer | None = None
    for name in methods:
        channels = top_channels if find_method(name).scored else None
        if first is None:
            options: dict[str, Any] = {"batch_size": batch_size, "engine": engine}
            explainer = first = make(classifier, name, layer, **options, against=against, top_channels=channels)
        else:  # all methods look at the same pass of the network
            explainer = first.by(name, top_channels=channels)
        cells += [Cell(explainer, t) for t in targets]
        titles += [explainer.method.title if len(methods) > 1 else ""] * len(targets)
    both = len(methods) > 1 and len(targets) > 1
    columns = len(targets) if both else _square(len(cells))
    return cells, Grid(columns, tuple(titles), len(targets) > 1)


def _square(count: int) -> int:
    """Returns the columns of a layout near to a square with few empty places; two and three cells make a row."""
    if count <= 3:
        return count
    side = math.isqrt(count - 1) + 1
    return min((side, side + 1), key=lambda columns: -count % columns)
