"""The gradient of one tensor of an OpenVINO graph with respect to another, written into the graph as operations.

Reverse-mode differentiation: a rule for each kind of operation that the heads of classifiers are made of. A rule takes
the operation's node and the gradient of its output, and gives the gradient of each of its inputs, None where that is
not wanted. Activations are in `slopes`, windows of local pooling in `windows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vidcam._openvino import ov
from vidcam.cam.build.nodes import Name, Varies, constant_of, integers, name_of, parts_of, sizes_of
from vidcam.cam.build.slopes import SLOPES, GradientRule, like
from vidcam.cam.build.windows import average_pool_gradient, max_pool_gradient


class NoRule(Exception):  # noqa: N818 - a finding, which never reaches the user as an error
    """There is no exact gradient for an operation; says which."""


def differentiate(target: Any, source: Any, seed: Any) -> Any:
    """Writes the gradient of a tensor with respect to another.

    Args:
        target: the output that is differentiated.
        source: the output that it is differentiated with respect to; `target` is computed from it.
        seed: the gradient to begin with, of the target's shape.

    Returns:
        An output of the source's shape.

    Raises:
        NoRule: an operation between the two has no rule.
    """
    between = _between(target, source)
    gradients: dict[Name, Any] = {name_of(target): seed}
    for node in reversed(between):
        if name_of(node.output(0)) == name_of(source):
            continue
        if node.get_output_size() != 1:
            dy: Any = [gradients.get((node.get_name(), i)) for i in range(node.get_output_size())]
        else:
            dy = gradients.get(name_of(node.output(0)))
            if dy is None:
                continue
        rule = GRADIENT_RULES.get(node.get_type_name())
        if rule is None:
            raise NoRule(f"no gradient is known of {node.get_type_name()} ({node.get_friendly_name()})")
        wanted = {n.get_name() for n in between}
        try:
            parts = rule(node, dy)
        except Varies as error:
            raise NoRule(str(error)) from error
        for value, part in zip(node.input_values(), parts, strict=False):
            if part is None or (value.get_node().get_name() not in wanted and name_of(value) != name_of(source)):
                continue
            known = gradients.get(name_of(value))
            gradients[name_of(value)] = part if known is None else _ops().add(known, part).output(0)
    if name_of(source) not in gradients:
        raise NoRule("the classes do not depend on the layer")
    return gradients[name_of(source)]


def _ops() -> Any:
    return ov.opset13


def _between(target: Any, source: Any) -> list[Any]:
    """Returns the nodes on the ways from one tensor to another, in the order of computation, the source's first."""
    reached = {source.get_node().get_name()}
    on_way: dict[str, Any] = {}
    order: list[Any] = []
    seen: set[str] = set()
    stack = [(target.get_node(), False)]
    while stack:  # depth first, inputs before what reads them
        node, done = stack.pop()
        name = node.get_name()
        if done:
            order.append(node)
        elif name not in seen:
            seen.add(name)
            stack.append((node, True))
            if name not in reached:
                stack += [(value.get_node(), False) for value in node.input_values()]
    for node in order:
        if node.get_name() in reached or any(v.get_node().get_name() in on_way for v in node.input_values()):
            on_way[node.get_name()] = node
    return list(on_way.values())


def _as_input(gradient: Any, x: Any) -> Any:
    """Lays a gradient out as an input is, whose elements are in the same order."""
    shape = sizes_of(x)
    if shape.count(None) <= 1:
        wanted = np.array([-1 if d is None else d for d in shape], np.int64)
        return _ops().reshape(gradient, wanted, False).output(0)
    return _ops().reshape(gradient, _ops().shape_of(x), False).output(0)


def _unspread(gradient: Any, x: Any) -> Any:
    """Sums a gradient over the axes along which an input was repeated to another's shape."""
    wide = sizes_of(gradient)
    own = [*[1] * (len(wide) - len(sizes_of(x))), *sizes_of(x)]
    axes = [i for i, (a, b) in enumerate(zip(wide, own, strict=True)) if b == 1 and a != 1]
    if axes:
        gradient = _ops().reduce_sum(gradient, np.array(axes, np.int64), True).output(0)
    return gradient if len(wide) == len(sizes_of(x)) else _as_input(gradient, x)


def _quantized(node: Any, dy: Any) -> Sequence[Any]:
    """Hands a gradient straight through the rounding to a quantisation's steps; what it cuts off has none."""
    ops = _ops()
    x, low, high = (node.input_value(i) for i in range(3))
    inside = ops.logical_and(ops.greater_equal(x, low), ops.less_equal(x, high))
    slope = ops.divide(
        ops.subtract(node.input_value(4), node.input_value(3)), ops.subtract(node.input_value(2), node.input_value(1))
    )
    return [ops.select(inside, ops.multiply(dy, slope), like(0, dy)).output(0), *[None] * 4]


def _convert(node: Any, dy: Any) -> Sequence[Any]:
    return [_ops().convert_like(dy, node.input_value(0)).output(0)]


def _layout(node: Any, dy: Any) -> Sequence[Any]:
    return [_as_input(dy, node.input_value(0))]


def _transpose(node: Any, dy: Any) -> Sequence[Any]:
    order = integers(node.input_value(1), "a transposition")
    order = order or list(range(len(sizes_of(dy))))[::-1]
    return [_ops().transpose(dy, np.argsort(order).astype(np.int64)).output(0)]


def _add(node: Any, dy: Any) -> Sequence[Any]:
    return [_unspread(dy, x) for x in node.input_values()]


def _subtract(node: Any, dy: Any) -> Sequence[Any]:
    a, b = node.input_values()
    return [_unspread(dy, a), _unspread(_ops().negative(dy).output(0), b)]


def _multiply(node: Any, dy: Any) -> Sequence[Any]:
    a, b = node.input_values()
    ops = _ops()
    return [_unspread(ops.multiply(dy, b).output(0), a), _unspread(ops.multiply(dy, a).output(0), b)]


def _squared_difference(node: Any, dy: Any) -> Sequence[Any]:
    a, b = node.input_values()
    ops = _ops()
    twice = ops.multiply(ops.multiply(dy, like(2, dy)), ops.subtract(a, b))
    return [_unspread(twice.output(0), a), _unspread(ops.negative(twice).output(0), b)]


def _divide(node: Any, dy: Any) -> Sequence[Any]:
    a, b = node.input_values()
    ops = _ops()
    below = ops.divide(ops.negative(ops.multiply(dy, a)), ops.multiply(b, b)).output(0)
    return [_unspread(ops.divide(dy, b).output(0), a), _unspread(below, b)]


def _power(node: Any, dy: Any) -> Sequence[Any]:
    x, exponent = node.input_values()
    constant_of(exponent, "an exponent")
    ops = _ops()
    slope = ops.multiply(exponent, ops.power(x, ops.subtract(exponent, like(1, exponent))))
    return [_unspread(ops.multiply(dy, slope).output(0), x), None]


def _greater(node: Any, dy: Any) -> Sequence[Any]:
    """Gives the gradient of a maximum or minimum to the input that it is taken from."""
    a, b = node.input_values()
    ops = _ops()
    first = ops.greater(a, b) if node.get_type_name() == "Maximum" else ops.less(a, b)
    zero = like(0, dy)
    parts = [ops.select(first, dy, zero), ops.select(first, zero, dy)]
    return [_unspread(part.output(0), x) for part, x in zip(parts, (a, b), strict=True)]


def _matmul(node: Any, dy: Any) -> Sequence[Any]:
    a, b = node.input_values()
    ta, tb = node.get_attributes()["transpose_a"], node.get_attributes()["transpose_b"]
    ops = _ops()
    if len(sizes_of(a)) < 2 or len(sizes_of(b)) < 2:
        raise NoRule("no gradient is known of a product with a vector")
    # Both negated: a matrix that two products share, OpenVINO 2026.4 transposes in both or in neither.
    minus, shared = ops.negative(dy), ops.negative(b)
    da = ops.matmul(shared, minus, tb, True) if ta else ops.matmul(minus, shared, False, not tb)
    db = ops.matmul(dy, a, True, ta) if tb else ops.matmul(a, dy, not ta, False)
    return [_unspread(da.output(0), a), _unspread(db.output(0), b)]


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


def _einsum(node: Any, dy: Any) -> Sequence[Any]:
    """A product of two, each of whose letters the other one or the result has."""
    equation = str(node.get_attributes()["equation"]).replace(" ", "")
    operands, _, result = equation.partition("->")
    letters, values = operands.split(","), node.input_values()
    if "." in equation or len(letters) != 2 or any(set(a) - set(b) - set(result) for a, b in (letters, letters[::-1])):
        raise NoRule(f"no gradient is known of Einsum {equation}")
    return [_ops().einsum([dy, values[1 - i]], f"{result},{letters[1 - i]}->{letters[i]}").output(0) for i in range(2)]


def _pad(node: Any, dy: Any) -> Sequence[Any]:
    if node.get_attributes()["pad_mode"] != "constant":
        raise NoRule("no gradient is known of padding that repeats")
    before, after = (constant_of(node.input_value(i), "a padding").astype(np.int64) for i in (1, 2))
    ends = np.where(after > 0, -after, np.iinfo(np.int64).max)
    axes = np.arange(len(before))
    return [_ops().slice(dy, before, ends, np.ones_like(before), axes).output(0)]


def _convolution(node: Any, dy: Any) -> Sequence[Any]:
    x, kernel = node.input_values()
    ops, a = _ops(), node.get_attributes()
    groups = node.get_type_name() == "GroupConvolution"
    sizes: Any = sizes_of(kernel)[-2:]
    strides, dilations = a["strides"], a["dilations"]
    if len(sizes_of(x)) != 4:
        raise NoRule("no gradient is known of a convolution of one or three dimensions")
    if not groups and sizes == [1, 1] and list(strides) == [1, 1] and not any((*a["pads_begin"], *a["pads_end"])):
        back = ops.transpose(kernel, np.array([1, 0, 2, 3]))
        return [ops.convolution(dy, back, [1, 1], [0, 0], [0, 0], [1, 1]).output(0), None]
    inside, outside, sizes = _known(sizes_of(x)[2:]), _known(sizes_of(node.output(0))[2:]), _known(sizes)
    begin = [int(p) for p in a["pads_begin"]]
    full = [s * (c - 1) + (k - 1) * d + 1 for s, c, k, d in zip(strides, outside, sizes, dilations, strict=True)]
    if a["auto_pad"] in ("same_upper", "same_lower"):
        total = [max(f - n, 0) for f, n in zip(full, inside, strict=True)]
        begin = [t // 2 if a["auto_pad"] == "same_upper" else t - t // 2 for t in total]
    elif a["auto_pad"] == "valid":
        begin = [0, 0]
    end = [max(f - b - n, 0) for f, b, n in zip(full, begin, inside, strict=True)]
    missing = [n - (f - b - e) for n, f, b, e in zip(inside, full, begin, end, strict=True)]
    backwards = ops.group_convolution_backprop_data if groups else ops.convolution_backprop_data
    # Both negated: with a kernel that a convolution forward shares, OpenVINO 2026.4 computes something else.
    gradient = backwards(
        ops.negative(dy),
        ops.negative(kernel),
        strides=list(strides),
        pads_begin=begin,
        pads_end=end,
        dilations=list(dilations),
        output_padding=missing,
    )
    return [gradient.output(0), None]


def _known(shape: list[int | None]) -> list[int]:
    if None in shape:
        raise NoRule("no gradient is known of a convolution of open size")
    return [d for d in shape if d is not None]


def _batch_norm(node: Any, dy: Any) -> Sequence[Any]:
    _, gamma, _, _, variance = node.input_values()
    ops = _ops()
    epsilon = like(node.get_attributes()["epsilon"], variance)
    scale = ops.divide(gamma, ops.sqrt(ops.add(variance, epsilon)))
    axes = np.arange(1, len(sizes_of(dy)) - 1)
    return [ops.multiply(dy, ops.unsqueeze(scale, axes)).output(0), None, None, None, None]


def _normalize(node: Any, dy: Any) -> Sequence[Any]:
    """A layer's normalisation to mean 0, and to deviation 1 where it asks for that."""
    x, axes = node.input_values()
    ops, a = _ops(), node.get_attributes()
    even = ops.subtract(dy, ops.reduce_mean(dy, axes, True))
    if not a["normalize_variance"]:
        return [even.output(0), None]
    y = node.output(0)
    centred = ops.subtract(x, ops.reduce_mean(x, axes, True))
    variance = ops.reduce_mean(ops.multiply(centred, centred), axes, True)
    epsilon = like(a["eps"], variance)
    if str(a["eps_mode"]).lower().endswith("outside_sqrt"):
        deviation = ops.add(ops.sqrt(variance), epsilon)
    else:
        deviation = ops.sqrt(ops.add(variance, epsilon))
    along = ops.multiply(y, ops.reduce_mean(ops.multiply(dy, y), axes, True))
    return [ops.divide(ops.subtract(even, along), deviation).output(0), None]


def _softmax(node: Any, dy: Any) -> Sequence[Any]:
    ops, y = _ops(), node.output(0)
    axis = np.array([int(node.get_attributes()["axis"])], np.int64)
    mean = ops.reduce_sum(ops.multiply(dy, y), axis, True)
    return [ops.multiply(y, ops.subtract(dy, mean)).output(0)]


def _broadcast(node: Any, dy: Any) -> Sequence[Any]:
    return [_unspread(dy, node.input_value(0))]


def _select(node: Any, dy: Any) -> Sequence[Any]:
    condition, a, b = node.input_values()
    ops, zero = _ops(), like(0, dy)
    return [
        None,
        _unspread(ops.select(condition, dy, zero).output(0), a),
        _unspread(ops.select(condition, zero, dy).output(0), b),
    ]


GRADIENT_RULES: dict[str, GradientRule] = {
    "FakeQuantize": _quantized,
    **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze"), _layout),
    **dict.fromkeys(("Maximum", "Minimum"), _greater),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax"), _reduce),
    **dict.fromkeys(("Split", "VariadicSplit"), _split),
    **dict.fromkeys(("StridedSlice", "Slice", "Gather"), _slice),
    **dict.fromkeys(("Convolution", "GroupConvolution"), _convolution),
    "Convert": _convert,
    "ConvertLike": _convert,
    "Transpose": _transpose,
    "Add": _add,
    "Subtract": _subtract,
    "Multiply": _multiply,
    "Divide": _divide,
    "Power": _power,
    "MatMul": _matmul,
    "Concat": _concat,
    "Pad": _pad,
    "Einsum": _einsum,
    "SquaredDifference": _squared_difference,
    "AvgPool": average_pool_gradient,
    "MaxPool": max_pool_gradient,
    "BatchNormInference": _batch_norm,
    "MVN": _normalize,
    "Softmax": _softmax,
    "Broadcast": _broadcast,
    "Select": _select,
    **SLOPES,
}
"""The name of an operation's type -> its rule."""
