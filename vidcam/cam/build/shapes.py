"""TensorFlow's operations on shapes and slices in OpenVINO's plain ones, for what runs backwards."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from openvino import opset13 as ops

Outputs = Any
"""A list of OpenVINO's outputs, one for each of the operation's."""
Dimensions = list[int | None]
HANDING = ("Convert", "Squeeze", "Unsqueeze", "Reshape")
"""Operations that hand on the numbers of a shape, whatever they make of its own shape."""


def dimensions(shape: Any) -> Dimensions:
    """Returns the dimensions that a tensor of a shape will hold, None where it is not known yet.

    Raises:
        NotImplementedError: the shape is the result of another computation.
    """
    node = shape.get_node()
    kind = node.get_type_name()
    if kind in HANDING:
        return dimensions(node.input_value(0))
    if kind == "Constant":
        return [int(d) if d >= 0 else None for d in node.get_data().reshape(-1)]
    if kind == "ShapeOf":
        return [d.get_length() if d.is_static else None for d in node.input(0).get_partial_shape()]
    inputs = [node.input_value(i) for i in range(node.get_input_size())]
    if kind in ("Gather", "StridedSlice", "Slice"):
        return _chosen(kind, inputs)
    parts = [dimensions(x) for x in inputs[: 1 if kind == "ReduceProd" else None]]
    if kind == "Concat":
        return [d for part in parts for d in part]
    if kind == "Multiply":
        parts = [list(pair) for pair in zip(*parts, strict=True)]
    elif kind != "ReduceProd":
        raise NotImplementedError("a shape that depends on the pictures")
    return [None if None in part else math.prod(d for d in part if d is not None) for part in parts]


def _chosen(kind: str, inputs: list[Any]) -> Dimensions:
    """Returns the dimensions that are taken out of a shape."""
    known = dimensions(inputs[0])
    bounds = [_constant(x) for x in inputs[1 : 2 if kind == "Gather" else 4]]
    if kind == "Gather":
        return [known[i] for i in bounds[0]]
    step = _constant(inputs[3]) if len(inputs) > 3 else [1]
    begin, end = bounds[0][0], bounds[1][0]
    if step[0] != 1:
        raise NotImplementedError("a shape turned round")
    # Masks are read as the reader writes them: a begin of 0 and an end behind the last stand for open ones.
    return known[begin : end if end != 0 else None]


def _constant(x: Any) -> list[int]:
    node = x.get_node()
    if node.get_type_name() != "Constant":
        raise NotImplementedError("a shape that depends on the pictures")
    return [int(v) for v in node.get_data().reshape(-1)]


def _broadcast_gradient_args(node: Any) -> Outputs:
    """Returns the axes over which the gradients of two operands are summed, as a pair of vectors.

    Two dimensions that are both open are the same one: the batch.
    """
    first, second = (dimensions(node.get_input(i)) for i in range(2))
    rank = max(len(first), len(second))
    for known in (first, second):
        known[:0] = [1] * (rank - len(known))
    axes: tuple[list[int], list[int]] = ([], [])
    for axis, (a, b) in enumerate(zip(first, second, strict=True)):
        if a == 1 and b != 1:
            axes[0].append(axis)
        elif b == 1 and a != 1:
            axes[1].append(axis)
    return [ops.constant(np.array(a, np.int32)).output(0) for a in axes]


def _concat_offset(node: Any) -> Outputs:
    """Returns where each part of a concatenation begins, a vector a part."""
    shapes = [ops.convert(node.get_input(i), "i32") for i in range(1, node.get_input_size())]
    rank = shapes[0].output(0).get_partial_shape()[0].get_length()
    axis = ops.floor_mod(ops.convert(node.get_input(0), "i32"), ops.constant(np.int32(rank)))
    mask = ops.convert(ops.equal(ops.constant(np.arange(rank, dtype=np.int32)), axis), "i32")
    offset = ops.constant(np.zeros(rank, np.int32))
    found = []
    for shape in shapes:
        found.append(offset.output(0))
        offset = ops.add(offset, ops.multiply(shape, mask))
    return found


def _strided_slice_grad(node: Any) -> Outputs:
    """Puts a slice's gradient where the slice was taken, among zeros; by steps of one."""
    sizes = dimensions(node.get_input(0))
    begin, end, step = (_constant(node.get_input(i)) for i in (1, 2, 3))
    masks = {
        n: int(node.get_attribute(f"{n}_mask", 0)) for n in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    if masks["new_axis"] or any(s != 1 for s in step):
        raise NotImplementedError("a slice by steps, or with a new axis")
    before, after, gone, at = [0] * len(sizes), [0] * len(sizes), [], 0
    for i in range(len(begin)):
        bit = 1 << i
        if masks["ellipsis"] & bit:
            at += len(sizes) - len(begin) + 1
            continue
        size, shrunk = sizes[at], bool(masks["shrink_axis"] & bit)
        whole = masks["begin"] & bit and masks["end"] & bit and not shrunk
        if not whole:
            if size is None:
                raise NotImplementedError("a slice of an open axis")
            start = 0 if masks["begin"] & bit else begin[i] % size if begin[i] < size else size
            stop = start + 1 if shrunk else size if masks["end"] & bit else min(end[i] + size * (end[i] < 0), size)
            before[at], after[at] = start, size - stop
        gone += [at] if shrunk else []
        at += 1
    dy = node.get_input(4)
    if gone:
        dy = ops.unsqueeze(dy, ops.constant(np.array(gone, np.int64)))
    zero = ops.convert_like(ops.constant(np.float32(0)), dy)
    return ops.pad(dy, before, after, "constant", zero).outputs()


def _matrix_diagonal(node: Any) -> Outputs:
    """Makes a square matrix of a vector, as `tf.eye` is made."""
    x = node.get_input(0)
    (size,) = (d.get_length() for d in x.get_partial_shape())
    return ops.multiply(ops.convert_like(ops.constant(np.eye(size, dtype=np.float32)), x), x).outputs()


OPERATIONS: dict[str, Callable[[Any], Outputs]] = {
    "BroadcastGradientArgs": _broadcast_gradient_args,
    "ConcatOffset": _concat_offset,
    "StridedSliceGrad": _strided_slice_grad,
    "MatrixDiagV3": _matrix_diagonal,
}
"""Operation of TensorFlow -> function of its node."""
