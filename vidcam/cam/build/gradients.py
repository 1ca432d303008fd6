"""The gradient of one tensor of an OpenVINO graph with respect to another, written into the graph as operations.

Reverse-mode differentiation: a rule for each kind of operation that the heads of classifiers are made of. A rule takes
the operation's node and the gradient of its output, and gives the gradient of each of its inputs, None where that is
not wanted. Activations are in `slopes`, what moves numbers is in `moves`, windows of local pooling are in `windows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vidcam._openvino import ov
from vidcam.cam.build.moves import MOVES, unspread
from vidcam.cam.build.nodes import Name, NoRule, Varies, constant_of, name_of, sizes_of
from vidcam.cam.build.slopes import SLOPES, GradientRule, like
from vidcam.cam.build.windows import average_pool_gradient, max_pool_gradient


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
    """Returns the nodes on the ways from one tensor to another, in the order of computation, the source's first.

    What depends on a tensor's shape alone, such as a class token that is repeated for each picture, is on no way.
    """
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
            if name not in reached and node.get_type_name() != "ShapeOf":
                stack += [(value.get_node(), False) for value in node.input_values()]
    for node in order:
        if node.get_type_name() == "ShapeOf":
            continue
        if node.get_name() in reached or any(v.get_node().get_name() in on_way for v in node.input_values()):
            on_way[node.get_name()] = node
    return list(on_way.values())


def _quantized(node: Any, dy: Any) -> Sequence[Any]:
    """Hands a gradient straight through the rounding to a quantisation's steps; what it cuts off has none."""
    ops = _ops()
    x, low, high = (node.input_value(i) for i in range(3))
    inside = ops.logical_and(ops.greater_equal(x, low), ops.less_equal(x, high))
    slope = ops.divide(
        ops.subtract(node.input_value(4), node.input_value(3)), ops.subtract(node.input_value(2), node.input_value(1))
    )
    return [ops.select(inside, ops.multiply(dy, slope), like(0, dy)).output(0), *[None] * 4]


def _add(node: Any, dy: Any) -> Sequence[Any]:
    return [unspread(dy, x) for x in node.input_values()]


def _subtract(node: Any, dy: Any) -> Sequence[Any]:
    a, b = node.input_values()
    return [unspread(dy, a), unspread(_ops().negative(dy).output(0), b)]


def _multiply(node: Any, dy: Any) -> Sequence[Any]:
    a, b = node.input_values()
    ops = _ops()
    return [unspread(ops.multiply(dy, b).output(0), a), unspread(ops.multiply(dy, a).output(0), b)]


def _squared_difference(node: Any, dy: Any) -> Sequence[Any]:
    a, b = node.input_values()
    ops = _ops()
    twice = ops.multiply(ops.multiply(dy, like(2, dy)), ops.subtract(a, b))
    return [unspread(twice.output(0), a), unspread(ops.negative(twice).output(0), b)]


def _divide(node: Any, dy: Any) -> Sequence[Any]:
    a, b = node.input_values()
    ops = _ops()
    below = ops.divide(ops.negative(ops.multiply(dy, a)), ops.multiply(b, b)).output(0)
    return [unspread(ops.divide(dy, b).output(0), a), unspread(below, b)]


def _power(node: Any, dy: Any) -> Sequence[Any]:
    x, exponent = node.input_values()
    constant_of(exponent, "an exponent")
    ops = _ops()
    slope = ops.multiply(exponent, ops.power(x, ops.subtract(exponent, like(1, exponent))))
    return [unspread(ops.multiply(dy, slope).output(0), x), None]


def _greater(node: Any, dy: Any) -> Sequence[Any]:
    """Gives the gradient of a maximum or minimum to the input that it is taken from."""
    a, b = node.input_values()
    ops = _ops()
    first = ops.greater(a, b) if node.get_type_name() == "Maximum" else ops.less(a, b)
    zero = like(0, dy)
    parts = [ops.select(first, dy, zero), ops.select(first, zero, dy)]
    return [unspread(part.output(0), x) for part, x in zip(parts, (a, b), strict=True)]


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
    return [unspread(da.output(0), a), unspread(db.output(0), b)]


def _einsum(node: Any, dy: Any) -> Sequence[Any]:
    """A product of two, each of whose letters the other one or the result has."""
    equation = str(node.get_attributes()["equation"]).replace(" ", "")
    operands, _, result = equation.partition("->")
    letters, values = operands.split(","), node.input_values()
    if "." in equation or len(letters) != 2 or any(set(a) - set(b) - set(result) for a, b in (letters, letters[::-1])):
        raise NoRule(f"no gradient is known of Einsum {equation}")
    return [_ops().einsum([dy, values[1 - i]], f"{result},{letters[1 - i]}->{letters[i]}").output(0) for i in range(2)]


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


GRADIENT_RULES: dict[str, GradientRule] = {
    "FakeQuantize": _quantized,
    **dict.fromkeys(("Maximum", "Minimum"), _greater),
    **dict.fromkeys(("Convolution", "GroupConvolution"), _convolution),
    "Add": _add,
    "Subtract": _subtract,
    "Multiply": _multiply,
    "Divide": _divide,
    "Power": _power,
    "MatMul": _matmul,
    "Einsum": _einsum,
    "SquaredDifference": _squared_difference,
    "AvgPool": average_pool_gradient,
    "MaxPool": max_pool_gradient,
    "BatchNormInference": _batch_norm,
    "MVN": _normalize,
    "Softmax": _softmax,
    **MOVES,
    **SLOPES,
}
"""The name of an operation's type -> its rule."""
