"""Reading from OpenVINO's graph what the axes of every tensor are: which operation follows which rule of `axes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vidcam.cam.build import axes
from vidcam.cam.build.axes import Layout
from vidcam.cam.build.nodes import Name, Varies, integers, name_of, parts_of, sizes_of
from vidcam.cam.build.positions import PatchGrid, as_told

TRACED_PICTURES = 2
"""Pictures in the graph that is looked at: one would make an axis that nothing can be told of."""

Layouts = dict[Name, Layout | None]
"""Tensor -> its axes; None where they could not be followed, nothing at all for what is no part of the way."""
Inputs = list[Layout | None]
Shape = tuple[int, ...]
Rule = Callable[[Any, Inputs, Shape], Layout | None]


def follow(images: Any, nodes: list[Any], grid: PatchGrid | None = None) -> Layouts:
    """Follows the axes of pictures through a graph whose sizes are all known.

    Args:
        images: the pictures (B, H, W, C).
        nodes: the graph's, in the order of computation.
        grid: rows and columns of the patches, where they are told.

    Returns:
        The layout of every tensor that is computed from them.
    """
    found: Layouts = {name_of(images): axes.image_layout([n or 0 for n in sizes_of(images)])}
    batch = sizes_of(images)[0] or 0
    for node in nodes:
        kind, values = node.get_type_name(), [name_of(v) for v in node.input_values()]
        if kind == "ShapeOf" or not any(v in found for v in values):
            continue
        inputs = [found.get(v) for v in values]
        for number, output in enumerate(node.outputs()):
            sizes = [] if output.get_partial_shape().rank.is_dynamic else sizes_of(output)
            shape = tuple(n for n in sizes if n is not None)
            layout = None
            if len(shape) == len(sizes) and any(x is not None for x in inputs):
                try:
                    part = kind in PARTS
                    layout = (
                        _part(node, inputs, number, shape) if part else RULES.get(kind, _other)(node, inputs, shape)
                    )
                except Varies:
                    layout = None
            found[name_of(output)] = as_told(layout, shape, batch, grid)
    return found


def _other(node: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    """An operation on elements; or one that is not known, whose axes are taken to keep their order."""
    known = [(x, sizes_of(v)) for x, v in zip(inputs, node.input_values(), strict=True) if x is not None]
    if all(_broadcasts(size, shape) for _, size in known):
        return axes.elementwise([x for x, _ in known], shape)
    return axes.same_order(known[0][0], shape)


def _broadcasts(size: list[int | None], shape: Shape) -> bool:
    return len(size) <= len(shape) and all(a in (1, b) for a, b in zip(size[::-1], shape[::-1], strict=False))


def _reshape(node: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    return None if inputs[0] is None else axes.reshape(inputs[0], shape)


def _transpose(node: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    order = integers(node.input_value(1)) or list(range(len(shape)))[::-1]
    return None if inputs[0] is None else axes.transpose(inputs[0], order)


def _convolution(node: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    kept = None if inputs[0] is None else axes.same_order(inputs[0], shape)
    return kept and (kept[0], axes.fresh("channel", shape[1]), *kept[2:])


def _matmul(node: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    if len(shape) < 2:
        return None
    given = node.get_attributes()
    return axes.matmul(inputs[0], inputs[1], shape, (given["transpose_a"], given["transpose_b"]))


def _einsum(node: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    return axes.einsum(str(node.get_attributes()["equation"]), inputs, shape)


def _reduction(node: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    if inputs[0] is None:
        return None
    return axes.reduced(inputs[0], integers(node.input_value(1)), len(shape) == len(inputs[0]))


def _concatenation(node: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    axis = int(node.get_attributes()["axis"]) % len(shape)
    return axes.concatenated(inputs, [sizes_of(v)[axis] or 0 for v in node.input_values()], axis, shape)


def _slice(node: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    """A slice; a gathering of several, whose places are no longer in order."""
    layout = inputs[0]
    parts = None if layout is None else parts_of(node)
    if layout is None or parts is None:
        return _gathered(node, inputs)
    out: list[axes.Axis] = []
    at = 0
    for part in parts:
        if part.kind == "new":
            out.append(())
            continue
        if part.kind == "whole":
            out.append(layout[at])
        elif part.kind == "part":
            out.append(axes.sliced(layout[at], part.start, part.step, shape[len(out)]))
        at += 1
    return tuple(out)


def _gathered(node: Any, inputs: Inputs) -> Layout | None:
    if inputs[0] is None or inputs[1] is not None:
        return None
    at = integers(node.input_value(2))[0] % len(inputs[0])
    chosen = [axes.fresh("channel", n or 0) for n in sizes_of(node.input_value(1))]
    return (*inputs[0][:at], *chosen, *inputs[0][at + 1 :])


def _roll(node: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    """Rolled rows are rows from another one on; rolled back they are what they were."""
    if inputs[0] is None:
        return None
    out = list(inputs[0])
    by, over = (integers(node.input_value(i)) for i in (1, 2))
    for shift, axis in zip(by, over, strict=True):
        out[axis] = axes.rolled(out[axis], shift)
    return tuple(out)


def _part(node: Any, inputs: Inputs, number: int, shape: Shape) -> Layout | None:
    """One of several outputs that an axis is cut into."""
    if inputs[0] is None:
        return None
    axis = integers(node.input_value(1))[0] % len(shape)
    start = sum(sizes_of(output)[axis] or 0 for output in node.outputs()[:number])
    return (*inputs[0][:axis], axes.sliced(inputs[0][axis], start, 1, shape[axis]), *inputs[0][axis + 1 :])


PARTS = ("Split", "VariadicSplit")
RULES: dict[str, Rule] = {
    **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze"), _reshape),
    **dict.fromkeys(("Convolution", "GroupConvolution", "ConvolutionBackpropData"), _convolution),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2"), _reduction),
    **dict.fromkeys(("StridedSlice", "Slice", "Gather"), _slice),
    "Transpose": _transpose,
    "MatMul": _matmul,
    "Einsum": _einsum,
    "Concat": _concatenation,
    "Roll": _roll,
}
"""Operation of OpenVINO -> how it is followed."""
