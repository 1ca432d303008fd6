"""What the axes of a tensor stand for: the batch, time, rows, columns, tokens or channels; followed through operations.

A tensor of a vision transformer, (B, N, C), is a map if its N are the patches of a grid in their order; one of heads by
tokens, (B, heads, N, N), never is, though it has as many axes as a map. Which of the two a tensor is, its shape does
not say. Where its axes came from does, so they are followed from the picture on: each axis is a product of factors,
which a reshape cuts and joins, a transposition moves, a convolution replaces. The rules here know shapes only; whose
operation is which rule is said where a graph is read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

AxisKind = Literal["batch", "time", "row", "column", "token", "channel"]
PLACES = ("time", "row", "column", "token")
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Factor:
    """What an axis, or a part of it, counts.

    A reshape that cuts 14 rows into 7 windows of 2 makes two factors of one origin: `inner` 2 and size 7, then `inner`
    1 and size 2, so that the row is their index times `inner`, added up.

    Attributes:
        kind: what is counted.
        size: how many.
        origin: a number that factors cut from one axis share.
        inner: what one step along this factor is, in steps of the whole.
        extent: of the whole.
        grid: of tokens, the factors (time,) row, column of those that are patches.
        before: of tokens, how many come before the patches: class and register tokens.
        shift: by how much the places are rolled around.
    """

    kind: AxisKind
    size: int
    origin: int
    inner: int = 1
    extent: int = 0
    grid: tuple[Factor, ...] = ()
    before: int = 0
    shift: int = 0

    @property
    def whole(self) -> bool:
        """Whether it is the coarse part: each step a place of the whole picture, in order."""
        return self.inner * self.size == self.extent and not self.shift


Axis = tuple[Factor, ...]
"""From the outermost factor to the innermost; none for an axis of one."""
Layout = tuple[Axis, ...]
Shape = Sequence[int]


def fresh(kind: AxisKind, size: int, *, grid: tuple[Factor, ...] = (), before: int = 0) -> Axis:
    """Returns an axis that nothing was known of before."""
    if size == 1 and kind != "token":
        return ()
    return (Factor(kind, size, next(_numbers), 1, size, grid, before),)


def image_layout(shape: Shape) -> Layout:
    """Returns the axes of pictures (B, H, W, C) or clips (B, T, H, W, C)."""
    kinds: list[AxisKind] = ["batch", *(["time"] if len(shape) == 5 else []), "row", "column", "channel"]  # type: ignore[list-item]
    return tuple(fresh(kind, size) for kind, size in zip(kinds, shape, strict=True))


def kind_of(axis: Axis) -> AxisKind:
    """Returns what an axis counts as a whole: places go before channels, and the first of several kinds counts."""
    kinds = [f.kind for f in axis]
    return next((k for k in kinds if k in PLACES), kinds[0] if kinds else "channel")


def size_of(axis: Axis) -> int:
    return math.prod(f.size for f in axis)


def _joined(axis: Axis) -> Axis:
    """Joins neighbours that were cut from one another."""
    out: list[Factor] = []
    for f in axis:
        last = out[-1] if out else None
        if last is not None and last.origin == f.origin and (last.inner, last.shift) == (f.inner * f.size, f.shift):
            out[-1] = replace(last, size=last.size * f.size, inner=f.inner)
        else:
            out.append(f)
    return tuple(out)


def reshape(layout: Layout, shape: Shape) -> Layout | None:
    """Follows a reshape.

    Args:
        layout: of the input.
        shape: of the output.

    Returns:
        The output's layout; None where a new axis cuts through what is no multiple of it.
    """
    left = [f for axis in layout for f in axis if f.size > 1]
    out: list[Axis] = []
    for size in shape:
        axis: list[Factor] = []
        need = size
        while need > 1:
            if not left:
                return None
            f = left.pop(0)
            if need % f.size == 0:
                axis.append(f)
                need //= f.size
            elif f.size % need == 0 and f.kind != "token":
                rest = f.size // need
                axis.append(replace(f, size=need, inner=f.inner * rest))
                left.insert(0, replace(f, size=rest))
                need = 1
            else:
                return None
        out.append(_joined(tuple(axis)))
    return None if left else tuple(out)


def transpose(layout: Layout, order: Sequence[int]) -> Layout:
    """Follows a transposition."""
    return tuple(layout[i] for i in order)


def elementwise(layouts: Sequence[Layout | None], shape: Shape) -> Layout:
    """Follows an operation on elements, with broadcasting.

    Args:
        layouts: of the operands; None for constants.
        shape: of the result.

    Returns:
        Its layout: along each axis what an operand has there, one that counts places before one that does not.
    """
    out: list[Axis] = []
    for i, size in enumerate(shape):
        at = i - len(shape)
        found = [x[at] for x in layouts if x is not None and len(x) >= -at and size_of(x[at]) == size]
        best = next((a for a in found if kind_of(a) in PLACES), found[0] if found else None)
        out.append(fresh("channel", size) if best is None else best)
    return tuple(out)


def same_order(layout: Layout, shape: Shape) -> Layout | None:
    """Follows an operation that keeps the order of places along each axis: convolution, pooling, padding, a slice.

    Args:
        layout: of the input.
        shape: of the output, with as many axes.

    Returns:
        The output's layout; None where the number of axes differs.
    """
    if len(layout) != len(shape):
        return None
    return tuple(_resized(axis, size) for axis, size in zip(layout, shape, strict=True))


def _resized(axis: Axis, size: int) -> Axis:
    if size_of(axis) == size:
        return axis
    kind = kind_of(axis)
    several = len([f for f in axis if f.kind in PLACES]) > 1 or (axis and not axis[0].whole)
    return fresh("channel" if several or kind == "token" else kind, size)


def convolved(layout: Layout, shape: Shape) -> Layout | None:
    """Follows a convolution with channels last: places keep their order, channels are new."""
    out = same_order(layout, shape)
    return out and (*out[:-1], fresh("channel", shape[-1]))


def reduced(layout: Layout, axes: Sequence[int], keep: bool) -> Layout:
    """Follows a mean, sum or maximum over axes."""
    gone = {a % len(layout) for a in axes}
    return tuple(() if i in gone else axis for i, axis in enumerate(layout) if keep or i not in gone)


def matmul(a: Layout | None, b: Layout | None, shape: Shape, flip: tuple[bool, bool] = (False, False)) -> Layout:
    """Follows a (batched) matrix product.

    Args:
        a: the first operand's layout, None for a constant.
        b: the second's.
        shape: of the product.
        flip: which of the two is transposed first.

    Returns:
        The product's layout: rows of the first, columns of the second, the axes before as `elementwise`.
    """
    lead = [x[:-2] if x is not None else None for x in (a, b)]
    row = fresh("channel", shape[-2]) if a is None else a[-1 if flip[0] else -2]
    column = fresh("channel", shape[-1]) if b is None else b[-2 if flip[1] else -1]
    return (*elementwise(lead, shape[:-2]), row, column)


def einsum(equation: str, layouts: Sequence[Layout | None], shape: Shape) -> Layout | None:
    """Follows `einsum`; an ellipsis is not followed."""
    if "." in equation or "->" not in equation:
        return None
    operands, result = equation.replace(" ", "").split("->")
    axes: dict[str, Axis] = {}
    for letters, layout in zip(operands.split(","), layouts, strict=True):
        for letter, axis in zip(letters, layout or (), strict=False):
            if letter not in axes or (kind_of(axis) in PLACES and kind_of(axes[letter]) not in PLACES):
                axes[letter] = axis
    return tuple(axes.get(c, fresh("channel", n)) for c, n in zip(result, shape, strict=True))


def concatenated(layouts: Sequence[Layout | None], sizes: Sequence[int], axis: int, shape: Shape) -> Layout:
    """Follows a concatenation.

    Args:
        layouts: of the parts, None for constants.
        sizes: of the parts along the axis.
        axis: along which they are joined.
        shape: of the result.

    Returns:
        Its layout. Class tokens beside a grid's patches make an axis of tokens.
    """
    axis %= len(shape)
    rest = elementwise([x and (*x[:axis], (), *x[axis + 1 :]) for x in layouts], (*shape[:axis], 1, *shape[axis + 1 :]))
    parts = [() if x is None else x[axis] for x in layouts]
    joined = _joined_parts(parts, sizes, shape[axis])
    return (*rest[:axis], joined, *rest[axis + 1 :])


def _joined_parts(parts: Sequence[Axis], sizes: Sequence[int], size: int) -> Axis:
    with_places = [i for i, p in enumerate(parts) if p and kind_of(p) in PLACES]
    if not with_places:
        return fresh("channel", size)
    kinds = {kind_of(parts[i]) for i in with_places}
    grids = [i for i in with_places if patches(parts[i]) is not None]
    if len(grids) == 1 and len(with_places) == 1:
        before, grid = patches(parts[grids[0]]) or (0, ())
        return fresh("token", size, grid=grid, before=before + sum(sizes[: grids[0]]))
    # Rows rolled around, or padded by parts of themselves.
    alike = len(kinds) == 1 and len(with_places) == len(parts) and all(len(parts[i]) == 1 for i in with_places)
    return fresh(kinds.pop(), size) if alike and "token" not in kinds else fresh("channel", size)


def sliced(axis: Axis, start: int, step: int, size: int) -> Axis:
    """Follows a slice along one axis: of tokens, those that are patches may be left alone.

    Args:
        axis: what it was.
        start: the first index taken.
        step: from one to the next.
        size: how many are taken.

    Returns:
        The axis of the slice.
    """
    if size_of(axis) == size and step == 1:
        return axis
    if len(axis) == 1 and axis[0].kind == "token" and step == 1:
        f = axis[0]
        count = size_of(f.grid)
        if start <= f.before and start + size >= f.before + count:
            if size == count:
                return f.grid
            return fresh("token", size, grid=f.grid, before=f.before - start)
    return _resized(axis, size)


def rolled(axis: Axis, shift: int) -> Axis:
    """Follows a roll: what was at the end comes first, until it is rolled back.

    Args:
        axis: what it was.
        shift: by how much.

    Returns:
        The axis, no longer whole unless it is rolled back to where it was.
    """
    if len(axis) != 1 or axis[0].kind not in PLACES:
        return axis if not axis or axis[0].kind == "channel" else fresh("channel", size_of(axis))
    f = axis[0]
    return (replace(f, shift=(f.shift + shift) % f.size),)


def patches(axis: Axis) -> tuple[int, tuple[Factor, ...]] | None:
    """Finds a grid in an axis of tokens.

    Args:
        axis: of a tensor (B, N, C).

    Returns:
        How many tokens come before the patches, and the patches' factors: row and column, or time, row and column,
        each whole and in this order. None where the axis is no such.
    """
    if len(axis) == 1 and axis[0].kind == "token":
        return axis[0].before, axis[0].grid
    kinds = [f.kind for f in axis]
    if kinds in (["row", "column"], ["time", "row", "column"]) and all(f.whole for f in axis):
        return 0, axis
    return None
