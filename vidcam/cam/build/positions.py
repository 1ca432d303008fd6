"""From a tensor's axes to what it is: a map, attention, or neither."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vidcam.cam.build.axes import PLACES, Axis, Factor, Layout, fresh, patches, size_of
from vidcam.errors import UsageError

PatchGrid = tuple[int, int]
EXTRA = 16
"""Class and register tokens beside the patches, at most, where a grid is only told."""


@dataclass(frozen=True, slots=True)
class Positions:
    """How a tensor is a map.

    Attributes:
        grid: rows and columns; time steps before them in a network that sees time.
        before: of tokens (B, N, C), how many come before the patches; None for a tensor that has rows and columns as
            axes.
        folded: whether time is part of the batch axis, (B * T, rows, columns, channels).
    """

    grid: tuple[int, ...]
    before: int | None = None
    folded: bool = False


def positions(layout: Layout | None) -> Positions | None:
    """Tells whether a tensor is a map, and how.

    Args:
        layout: the tensor's, None for one that could not be followed.

    Returns:
        Its positions; None where it is no map: attention's tensors, windows, vectors.
    """
    if layout is None or len(layout) not in (3, 4, 5):
        return None
    batch, *places, channels = layout
    folded = [f.kind for f in batch] == ["batch", "time"]
    if [f.kind for f in batch] not in (["batch"], []) and not folded:  # an axis of one picture has no factor
        return None
    time = (batch[1],) if folded else ()
    before: int | None = None
    if len(places) == 1:
        found = patches(places[0])
        if found is None:
            return None
        before, grid = found
    else:
        names = ("time", "row", "column")[-len(places) :]
        grid = tuple(f for axis in places for f in axis)
        if not all([f.kind for f in axis] in ([], [name]) for axis, name in zip(places, names, strict=True)):
            return None
    if not all(f.whole for f in grid) or not _apart(channels, grid):
        return None
    sizes = tuple(map(size_of, places)) if before is None else tuple(f.size for f in grid)
    return Positions((*(f.size for f in time), *sizes), before, folded) if math.prod(sizes[-2:]) > 1 else None


def _apart(channels: Axis, grid: Sequence[Factor]) -> bool:
    """Tells whether channels hold no place but the ones inside of a patch."""
    by_origin = {f.origin: f for f in grid}
    for f in channels:
        if f.kind not in PLACES:
            continue
        whole = by_origin.get(f.origin)
        if whole is None or f.inner * f.size > whole.inner:
            return False
    return True


def attends(layout: Layout | None) -> str:
    """Tells whether a tensor holds attention: places by places.

    Args:
        layout: the tensor's.

    Returns:
        `windows` where places are in the axes before, `all` where all see all, empty where it is none.
    """
    if layout is None or len(layout) < 3:
        return ""
    rows, columns = ([f for f in axis if f.kind in PLACES] for axis in layout[-2:])
    if not rows or not columns:
        return ""
    same = {f.origin for f in rows} & {f.origin for f in columns}
    if not same and not all(len(a) > 1 or a[0].kind == "token" for a in (rows, columns)):
        return ""  # a picture's rows and columns
    lead = [f for axis in layout[:-2] for f in axis]
    return "windows" if any(f.kind in ("row", "column") for f in lead) else "all"


def as_told(layout: Layout | None, shape: Sequence[int], batch: int, grid: PatchGrid | None) -> Layout | None:
    """Takes a list of as many tokens as a grid has, whose places are lost, as that grid.

    From there on its axes are followed as others are, so that attention is known as such.

    Args:
        layout: of a tensor, as it was followed.
        shape: of the tensor.
        batch: how many pictures there are.
        grid: rows and columns of the patches; None where nothing is told.

    Returns:
        The tensor's layout.
    """
    extra = shape[1] - math.prod(grid) if grid is not None and len(shape) == 3 and shape[0] == batch else -1
    if grid is None or not 0 <= extra <= EXTRA or any(f.kind in PLACES for axis in layout or () for f in axis):
        return layout
    patch = (*fresh("row", grid[0]), *fresh("column", grid[1]))
    line = fresh("token", shape[1], grid=patch, before=extra) if extra else patch
    return (fresh("batch", batch), line, fresh("channel", shape[2]))


def no_such_grid(grid: PatchGrid, lines: Collection[int]) -> UsageError:
    """Returns the error of a grid that was told and that no list of tokens is of; `lines` are their lengths."""
    told = f"the layers have {', '.join(map(str, sorted(lines)))}" if lines else "no layer has tokens at all"
    count = math.prod(grid)
    return UsageError(f"--token-grid {grid[0]}x{grid[1]}: no layer has {count} tokens, or up to {EXTRA} more; {told}")
