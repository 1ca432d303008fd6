"""Reading from TensorFlow's graph what the axes of every tensor are: which operation follows which rule of `axes`.

The graph is one that was traced for this alone, with every size known, the batch's, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vidcam._tensorflow import tf
from vidcam.cam.build import axes
from vidcam.cam.build.axes import Layout
from vidcam.cam.build.positions import PatchGrid, as_told

TRACED_PICTURES = 2
"""Pictures in the trace that is looked at: one would make an axis that nothing can be told of."""

Layouts = dict[Any, Layout | None]
"""`Tensor.ref()` -> its axes; None where they could not be followed, nothing at all for what is no part of the way."""
Inputs = list[Layout | None]
Shape = tuple[int, ...]
Rule = Callable[[Any, Inputs, Shape], Layout | None]


def follow(images: Any, grid: PatchGrid | None = None) -> Layouts:
    """Follows the axes of pictures through the graph that they are in.

    Args:
        images: the symbolic pictures (B, H, W, C) or clips (B, T, H, W, C), every size known.
        grid: rows and columns of the patches, where they are told.

    Returns:
        The layout of every tensor that is computed from them.
    """
    found: Layouts = {images.ref(): axes.image_layout(images.shape)}
    for op in images.graph.get_operations():
        if not any(x.ref() in found for x in op.inputs):
            continue
        inputs = [found.get(x.ref()) for x in op.inputs]
        for number, output in enumerate(op.outputs):
            if output.ref() in found:
                continue
            shape = tuple(output.shape) if output.shape.is_fully_defined() else None
            layout = None
            if shape is not None and any(x is not None for x in inputs):
                part = op.type in PARTS
                layout = _part(op, inputs, number, shape) if part else RULES.get(op.type, _other)(op, inputs, shape)
            found[output.ref()] = as_told(layout, shape or (), images.shape[0], grid)
    return found


def _static(op: Any, number: int) -> list[int] | None:
    value = tf.get_static_value(op.inputs[number])
    return None if value is None else [int(v) for v in value.reshape(-1)]


def _other(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    """An operation on elements; or one that is not known, whose axes are taken to keep their order."""
    known = [x for x in inputs if x is not None]
    sizes = [tuple(x.shape) for x, layout in zip(op.inputs, inputs, strict=True) if layout is not None]
    if all(_broadcasts(size, shape) for size in sizes):
        return axes.elementwise(inputs, shape)
    return axes.same_order(known[0], shape)


def _broadcasts(size: Shape, shape: Shape) -> bool:
    return len(size) <= len(shape) and all(a in (1, b) for a, b in zip(size[::-1], shape[::-1], strict=False))


def _reshape(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    return None if inputs[0] is None else axes.reshape(inputs[0], shape)


def _transpose(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    order = _static(op, 1)
    return None if inputs[0] is None or order is None else axes.transpose(inputs[0], order)


def _convolution(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    if inputs[0] is None:
        return None
    if str(op.get_attr("data_format"), "ascii") in ("NCHW", "NCDHW"):
        kept = axes.same_order(inputs[0], shape)
        return kept and (kept[0], axes.fresh("channel", shape[1]), *kept[2:])
    return axes.convolved(inputs[0], shape)


def _extraction(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    return None if inputs[0] is None else axes.convolved(inputs[0], shape)


def _transposed_convolution(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    return None if inputs[2] is None else axes.convolved(inputs[2], shape)


def _pooling(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    return None if inputs[0] is None else axes.same_order(inputs[0], shape)


def _matmul(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    names = ("transpose_a", "transpose_b") if op.type == "MatMul" else ("adj_x", "adj_y")
    return axes.matmul(inputs[0], inputs[1], shape, (op.get_attr(names[0]), op.get_attr(names[1])))


def _einsum(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    return axes.einsum(str(op.get_attr("equation"), "ascii"), inputs, shape)


def _reduction(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    over = _static(op, 1)
    return None if inputs[0] is None or over is None else axes.reduced(inputs[0], over, op.get_attr("keep_dims"))


def _concatenation(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    parts, axis = list(op.inputs)[:-1], _static(op, len(op.inputs) - 1)
    return None if axis is None else axes.concatenated(inputs[:-1], [p.shape[axis[0]] for p in parts], axis[0], shape)


def _pack(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    axis = op.get_attr("axis") % len(shape)
    kept = axes.elementwise(inputs, (*shape[:axis], *shape[axis + 1 :]))
    return (*kept[:axis], axes.fresh("channel", shape[axis]), *kept[axis:])


def _strided_slice(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    """A slice by plain bounds; where an axis goes or comes, what is left is in the same order."""
    start, stop, step = (_static(op, i) for i in (1, 2, 3))
    if inputs[0] is None or start is None or stop is None or step is None:
        return None
    masks = {n: op.get_attr(f"{n}_mask") for n in ("begin", "ellipsis", "new_axis", "shrink_axis")}
    sizes, at = tuple(op.inputs[0].shape), 0
    out: list[axes.Axis] = []
    for i in range(len(start)):
        bit = 1 << i
        if masks["ellipsis"] & bit:
            taken = sum(not masks["new_axis"] & (1 << j) for j in range(i + 1, len(start)))
            count = len(sizes) - at - taken
            out.extend(inputs[0][at : at + count])
            at += count
        elif masks["new_axis"] & bit:
            out.append(())
        else:
            if not masks["shrink_axis"] & bit:
                begin = 0 if masks["begin"] & bit else start[i] % sizes[at]
                out.append(axes.sliced(inputs[0][at], begin, step[i], shape[len(out)]))
            at += 1
    out.extend(inputs[0][at:])
    return tuple(out) if len(out) == len(shape) else None


def _slice(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    start = _static(op, 1)
    if inputs[0] is None or start is None:
        return None
    return tuple(axes.sliced(a, b, 1, n) for a, b, n in zip(inputs[0], start, shape, strict=True))


def _gather(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    """Chosen places along one axis are no longer in order."""
    axis = _static(op, 2)
    if inputs[0] is None or inputs[1] is not None or axis is None or op.get_attr("batch_dims"):
        return None
    at = axis[0] % len(inputs[0])
    chosen = [axes.fresh("channel", n) for n in op.inputs[1].shape]
    return (*inputs[0][:at], *chosen, *inputs[0][at + 1 :])


def _roll(op: Any, inputs: Inputs, shape: Shape) -> Layout | None:
    """Rolled rows are rows from another one on; rolled back they are what they were."""
    by, over = _static(op, 1), _static(op, 2)
    if inputs[0] is None or by is None or over is None:
        return None
    out = list(inputs[0])
    for shift, axis in zip(by, over, strict=True):
        out[axis] = axes.rolled(out[axis], shift)
    return tuple(out)


def _part(op: Any, inputs: Inputs, number: int, shape: Shape) -> Layout | None:
    """One of several outputs that an axis is cut into."""
    if op.type == "Unpack":
        axis = op.get_attr("axis") % (len(shape) + 1)
        return inputs[0] and (*inputs[0][:axis], *inputs[0][axis + 1 :])
    layout, where = (inputs[1], 0) if op.type == "Split" else (inputs[0], 2)
    at = _static(op, where)
    if layout is None or at is None:
        return None
    axis = at[0] % len(shape)
    start = sum(o.shape[axis] for o in op.outputs[:number])
    return (*layout[:axis], axes.sliced(layout[axis], start, 1, shape[axis]), *layout[axis + 1 :])


PARTS = ("Unpack", "Split", "SplitV")
RULES: dict[str, Rule] = {
    **dict.fromkeys(("Reshape", "Squeeze", "ExpandDims"), _reshape),
    **dict.fromkeys(("Conv2D", "Conv3D"), _convolution),
    **dict.fromkeys(("ExtractImagePatches", "ExtractVolumePatches"), _extraction),
    **dict.fromkeys(("Conv2DBackpropInput", "Conv3DBackpropInputV2"), _transposed_convolution),
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), _matmul),
    **dict.fromkeys(("Mean", "Sum", "Max", "Min", "Prod", "All", "Any"), _reduction),
    "Transpose": _transpose,
    "Einsum": _einsum,
    "ConcatV2": _concatenation,
    "Pack": _pack,
    "StridedSlice": _strided_slice,
    "Slice": _slice,
    "GatherV2": _gather,
    "Roll": _roll,
    "DepthwiseConv2dNative": _pooling,
}
"""Operation of TensorFlow -> how it is followed."""
