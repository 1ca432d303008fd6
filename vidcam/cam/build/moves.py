"""The gradients of what moves numbers without changing them, in OpenVINO's operations: rules of `gradients`.

Reshaping, transposing, repeating, reducing, joining, cutting, choosing and padding: their gradients are moved back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vidcam._openvino import ov
from vidcam.cam.build.nodes import NoRule, constant_of, integers, parts_of, sizes_of
from vidcam.cam.build.slopes import GradientRule, like


def _ops() -> Any:
    return ov.opset13


def _as_input(gradient: Any, x: Any) -> Any:
    """Lays a gradient out as an input is, whose elements are in the same order."""
    shape = sizes_of(x)
    if shape.count(None) <= 1:
        wanted = np.array([-1 if d is None else d for d in shape], np.int64)
        return _ops().reshape(gradient, wanted, False).output(0)
    return _ops().reshape(gradient, _ops().shape_of(x), False).output(0)


def unspread(gradient: Any, x: Any) -> Any:
    """Sums a gradient over the axes along which an input was repeated to another's shape."""
    wide = sizes_of(gradient)
    own = [*[1] * (len(wide) - len(sizes_of(x))), *sizes_of(x)]
    axes = [i for i, (a, b) in enumerate(zip(wide, own, strict=True)) if b == 1 and a != 1]
    if axes:
        gradient = _ops().reduce_sum(gradient, np.array(axes, np.int64), True).output(0)
    return gradient if len(wide) == len(sizes_of(x)) else _as_input(gradient, x)


def _convert(node: Any, dy: Any) -> Sequence[Any]:
    return [_ops().convert_like(dy, node.input_value(0)).output(0)]


def _layout(node: Any, dy: Any) -> Sequence[Any]:
    return [_as_input(dy, node.input_value(0))]


def _transpose(node: Any, dy: Any) -> Sequence[Any]:
    order = integers(node.input_value(1), "a transposition")
    order = order or list(range(len(sizes_of(dy))))[::-1]
    return [_ops().transpose(dy, np.argsort(order).astype(np.int64)).output(0)]


def _axes(node: Any, rank: int) -> list[int]:
    return sorted(i % rank for i in integers(node.input_value(1), "the axes of a mean"))


def _kept(node: Any, value: Any, axes: list[int]) -> Any:
    """Gives what a reduction made its axes back, each of length 1."""
    if node.get_attributes().get("keep_dims"):
        return value
    return _ops().unsqueeze(value, np.array(axes, np.int64)).output(0)


def _reduce(node: Any, dy: Any) -> Sequence[Any]:
    x = node.input_value(0)
    shape, ops = sizes_of(x), _ops()
    axes = _axes(node, len(shape))
    dy = _kept(node, dy, axes)
    if node.get_type_name() == "ReduceMax":
        peak = _kept(node, node.output(0), axes)
        return [ops.select(ops.equal(x, peak), dy, like(0, dy)).output(0), None]
    if node.get_type_name() == "ReduceMean":
        count = 1
        for axis in axes:
            length = shape[axis]
            if length is None:
                raise NoRule("no gradient is known of a mean over a size that is open")
            count *= length
        dy = ops.multiply(dy, like(1 / count, dy)).output(0)
    return [ops.broadcast(dy, ops.shape_of(x)).output(0), None]


def _concat(node: Any, dy: Any) -> Sequence[Any]:
    axis = int(node.get_attributes()["axis"])
    lengths = [sizes_of(x)[axis] for x in node.input_values()]
    if None in lengths:
        raise NoRule("no gradient is known of a concatenation of open sizes")
    parts = _ops().variadic_split(dy, np.int64(axis), np.array(lengths, np.int64))
    return list(parts.outputs())


def _split(node: Any, dy: list[Any]) -> Sequence[Any]:
    ops = _ops()
    axis = integers(node.input_value(1), "the axis of a split")[0]
    parts = [ops.multiply(o, like(0, o)).output(0) if d is None else d for d, o in zip(dy, node.outputs(), strict=True)]
    return [ops.concat(parts, axis).output(0)]


def _slice(node: Any, dy: Any) -> Sequence[Any]:
    """Gives each part its place back, for slices that leave nothing out in between."""
    ops, x, parts = _ops(), node.input_value(0), parts_of(node)
    if parts is None:
        return _gather(node, dy)
    if any(part.step != 1 for part in parts):
        raise NoRule("no gradient is known of a slice with steps")
    new = [i for i, part in enumerate(p for p in parts if p.kind != "one") if part.kind == "new"]
    own = [part for part in parts if part.kind != "new"]
    gone = [i for i, part in enumerate(own) if part.kind == "one"]
    dy = ops.squeeze(dy, np.array(new, np.int64)).output(0) if new else dy
    dy = ops.unsqueeze(dy, np.array(gone, np.int64)).output(0) if gone else dy
    before, after = np.zeros(len(own), np.int64), np.zeros(len(own), np.int64)
    for axis, (part, whole, taken) in enumerate(zip(own, sizes_of(x), sizes_of(dy), strict=True)):
        if part.kind == "whole" or (part.start == 0 and whole is None and taken is None):
            continue
        if whole is None or taken is None:
            raise NoRule("no gradient is known of a slice of an open size")
        before[axis] = part.start
        after[axis] = whole - taken - part.start
    padded = ops.pad(dy, before, after, "constant", like(0, dy))
    return [padded.output(0), *[None] * (node.get_input_size() - 1)]


def _gather(node: Any, dy: Any) -> Sequence[Any]:
    """Puts what was gathered in another order back in its own."""
    x, chosen, (axis,) = node.input_value(0), integers(node.input_value(1)), integers(node.input_value(2))
    if sorted(chosen) != list(range(sizes_of(x)[axis] or 0)):
        raise NoRule("no gradient is known of a gathering of some")
    back = _ops().gather(_as_input(dy, x), np.argsort(chosen), np.int64(axis))
    return [back.output(0), None, None]


def _pad(node: Any, dy: Any) -> Sequence[Any]:
    if node.get_attributes()["pad_mode"] != "constant":
        raise NoRule("no gradient is known of padding that repeats")
    before, after = (constant_of(node.input_value(i), "a padding").astype(np.int64) for i in (1, 2))
    ends = np.where(after > 0, -after, np.iinfo(np.int64).max)
    axes = np.arange(len(before))
    return [_ops().slice(dy, before, ends, np.ones_like(before), axes).output(0)]


def _broadcast(node: Any, dy: Any) -> Sequence[Any]:
    return [unspread(dy, node.input_value(0))]


def _select(node: Any, dy: Any) -> Sequence[Any]:
    condition, a, b = node.input_values()
    ops, zero = _ops(), like(0, dy)
    return [
        None,
        unspread(ops.select(condition, dy, zero).output(0), a),
        unspread(ops.select(condition, zero, dy).output(0), b),
    ]


MOVES: dict[str, GradientRule] = {
    **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze"), _layout),
    **dict.fromkeys(("Convert", "ConvertLike"), _convert),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax"), _reduce),
    **dict.fromkeys(("Split", "VariadicSplit"), _split),
    **dict.fromkeys(("StridedSlice", "Slice", "Gather"), _slice),
    "Transpose": _transpose,
    "Concat": _concat,
    "Pad": _pad,
    "Broadcast": _broadcast,
    "Select": _select,
}
"""The name of an operation's type -> its rule."""
