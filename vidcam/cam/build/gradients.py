"""The gradient of one tensor of an OpenVINO graph with respect to another, written into the graph as operations.

Reverse-mode differentiation: a rule for each kind of operation that the heads of classifiers are made of. A rule takes
the operation's node and the gradient of its output, and gives the gradient of each of its inputs, None where that is
not wanted. Windows of local pooling are in `windows`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vidcam._openvino import ov
from vidcam.cam.build.windows import average_pool_gradient, max_pool_gradient

Rule = Callable[[Any, Any], Sequence[Any]]
"""(node, gradient of its output) -> gradients of its inputs."""


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
    gradients: dict[tuple[str, int], Any] = {_name(target): seed}
    for node in reversed(between):
        if _name(node.output(0)) == _name(source):
            continue
        if node.get_output_size() != 1:
            dy: Any = [gradients.get((node.get_name(), i)) for i in range(node.get_output_size())]
        else:
            dy = gradients.get(_name(node.output(0)))
            if dy is None:
                continue
        rule = RULES.get(node.get_type_name())
        if rule is None:
            raise NoRule(f"no gradient is known of {node.get_type_name()} ({node.get_friendly_name()})")
        wanted = {n.get_name() for n in between}
        for value, part in zip(node.input_values(), rule(node, dy), strict=False):
            if part is None or (value.get_node().get_name() not in wanted and _name(value) != _name(source)):
                continue
            known = gradients.get(_name(value))
            gradients[_name(value)] = part if known is None else _ops().add(known, part).output(0)
    if _name(source) not in gradients:
        raise NoRule("the classes do not depend on the layer")
    return gradients[_name(source)]


def _ops() -> Any:
    return ov.opset13


def _name(output: Any) -> tuple[str, int]:
    return output.get_node().get_name(), output.get_index()


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


def _like(value: float, x: Any) -> Any:
    return _ops().convert_like(_ops().constant(np.float32(value)), x)


def _shape(x: Any) -> list[int | None]:
    return [d.get_length() if d.is_static else None for d in x.get_partial_shape()]


def _constant(value: Any, what: str) -> Any:
    """Returns the numbers of an input that says how an operation works."""
    node = value.get_node()
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        raise NoRule(f"{what} depends on the picture")
    return node.get_data()


def _as_input(gradient: Any, x: Any) -> Any:
    """Lays a gradient out as an input is, whose elements are in the same order."""
    shape = _shape(x)
    if shape.count(None) <= 1:
        wanted = np.array([-1 if d is None else d for d in shape], np.int64)
        return _ops().reshape(gradient, wanted, False).output(0)
    return _ops().reshape(gradient, _ops().shape_of(x), False).output(0)


def _unspread(gradient: Any, x: Any) -> Any:
    """Sums a gradient over the axes along which an input was repeated to another's shape."""
    wide = _shape(gradient)
    own = [*[1] * (len(wide) - len(_shape(x))), *_shape(x)]
    axes = [i for i, (a, b) in enumerate(zip(wide, own, strict=True)) if b == 1 and a != 1]
    if axes:
        gradient = _ops().reduce_sum(gradient, np.array(axes, np.int64), True).output(0)
    return gradient if len(wide) == len(_shape(x)) else _as_input(gradient, x)


def _quantized(node: Any, dy: Any) -> Sequence[Any]:
    """Hands a gradient straight through the rounding to a quantisation's steps; what it cuts off has none."""
    ops = _ops()
    x, low, high = (node.input_value(i) for i in range(3))
    inside = ops.logical_and(ops.greater_equal(x, low), ops.less_equal(x, high))
    slope = ops.divide(
        ops.subtract(node.input_value(4), node.input_value(3)), ops.subtract(node.input_value(2), node.input_value(1))
    )
    return [ops.select(inside, ops.multiply(dy, slope), _like(0, dy)).output(0), *[None] * 4]


def _convert(node: Any, dy: Any) -> Sequence[Any]:
    return [_ops().convert_like(dy, node.input_value(0)).output(0)]


def _layout(node: Any, dy: Any) -> Sequence[Any]:
    return [_as_input(dy, node.input_value(0))]


def _transpose(node: Any, dy: Any) -> Sequence[Any]:
    order = [int(i) for i in _constant(node.input_value(1), "a transposition").reshape(-1)]
    order = order or list(range(len(_shape(dy))))[::-1]
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
    twice = ops.multiply(ops.multiply(dy, _like(2, dy)), ops.subtract(a, b))
    return [_unspread(twice.output(0), a), _unspread(ops.negative(twice).output(0), b)]


def _divide(node: Any, dy: Any) -> Sequence[Any]:
    a, b = node.input_values()
    ops = _ops()
    below = ops.divide(ops.negative(ops.multiply(dy, a)), ops.multiply(b, b)).output(0)
    return [_unspread(ops.divide(dy, b).output(0), a), _unspread(below, b)]


def _power(node: Any, dy: Any) -> Sequence[Any]:
    x, exponent = node.input_values()
    _constant(exponent, "an exponent")
    ops = _ops()
    slope = ops.multiply(exponent, ops.power(x, ops.subtract(exponent, _like(1, exponent))))
    return [_unspread(ops.multiply(dy, slope).output(0), x), None]


def _greater(node: Any, dy: Any) -> Sequence[Any]:
    """Gives the gradient of a maximum or minimum to the input that it is taken from."""
    a, b = node.input_values()
    ops = _ops()
    first = ops.greater(a, b) if node.get_type_name() == "Maximum" else ops.less(a, b)
    zero = _like(0, dy)
    parts = [ops.select(first, dy, zero), ops.select(first, zero, dy)]
    return [_unspread(part.output(0), x) for part, x in zip(parts, (a, b), strict=True)]


def _matmul(node: Any, dy: Any) -> Sequence[Any]:
    a, b = node.input_values()
    ta, tb = node.get_attributes()["transpose_a"], node.get_attributes()["transpose_b"]
    ops = _ops()
    if len(_shape(a)) < 2 or len(_shape(b)) < 2:
        raise NoRule("no gradient is known of a product with a vector")
    da = ops.matmul(b, dy, tb, True) if ta else ops.matmul(dy, b, False, not tb)
    db = ops.matmul(dy, a, True, ta) if tb else ops.matmul(a, dy, not ta, False)
    return [_unspread(da.output(0), a), _unspread(db.output(0), b)]


def _axes(node: Any, rank: int) -> list[int]:
    return sorted(int(i) % rank for i in _constant(node.input_value(1), "the axes of a mean").reshape(-1))


def _kept(node: Any, value: Any, axes: list[int]) -> Any:
    """Gives what a reduction made its axes back, each of length 1."""
    if node.get_attributes().get("keep_dims"):
        return value
    return _ops().unsqueeze(value, np.array(axes, np.int64)).output(0)


def _reduce(node: Any, dy: Any) -> Sequence[Any]:
    x = node.input_value(0)
    shape, ops = _shape(x), _ops()
    axes = _axes(node, len(shape))
    dy = _kept(node, dy, axes)
    if node.get_type_name() == "ReduceMax":
        peak = _kept(node, node.output(0), axes)
        return [ops.select(ops.equal(x, peak), dy, _like(0, dy)).output(0), None]
    if node.get_type_name() == "ReduceMean":
        count = 1
        for axis in axes:
            length = shape[axis]
            if length is None:
                raise NoRule("no gradient is known of a mean over a size that is open")
            count *= length
        dy = ops.multiply(dy, _like(1 / count, dy)).output(0)
    return [ops.broadcast(dy, ops.shape_of(x)).output(0), None]


def _concat(node: Any, dy: Any) -> Sequence[Any]:
    axis = int(node.get_attributes()["axis"])
    lengths = [_shape(x)[axis] for x in node.input_values()]
    if None in lengths:
        raise NoRule("no gradient is known of a concatenation of open sizes")
    parts = _ops().variadic_split(dy, np.int64(axis), np.array(lengths, np.int64))
    return list(parts.outputs())


def _split(node: Any, dy: list[Any]) -> Sequence[Any]:
    ops = _ops()
    axis = int(_constant(node.input_value(1), "the axis of a split").reshape(-1)[0])
    parts = [
        ops.multiply(o, _like(0, o)).output(0) if d is None else d for d, o in zip(dy, node.outputs(), strict=True)
    ]
    return [ops.concat(parts, axis).output(0)]


def _strided_slice(node: Any, dy: Any) -> Sequence[Any]:
    """Gives each part its place back, for slices that leave nothing out in between."""
    _, begin, _, steps = node.input_values()
    a, shape, ops = node.get_attributes(), _shape(node.input_value(0)), _ops()
    starts = [int(v) for v in _constant(begin, "a slice").reshape(-1)]
    if any(_constant(steps, "a slice").reshape(-1) != 1) or any(a["new_axis_mask"]):
        raise NoRule("no gradient is known of a slice with steps")
    flags = {key: [*a[key], *[0] * len(starts)] for key in ("begin_mask", "end_mask", "shrink_axis_mask")}
    parts = [(s, *(flags[key][i] for key in flags)) for i, s in enumerate(starts)]
    open_ = (0, 1, 1, 0)
    at = list(a["ellipsis_mask"]).index(1) if 1 in a["ellipsis_mask"] else len(parts)
    parts = [*parts[:at], *[open_] * (len(shape) - len(parts) + (at < len(parts))), *parts[at + 1 :]]
    shrunk = [axis for axis, part in enumerate(parts) if part[3]]
    dy = ops.unsqueeze(dy, np.array(shrunk, np.int64)).output(0) if shrunk else dy
    before, after = np.zeros(len(shape), np.int64), np.zeros(len(shape), np.int64)
    for axis, (start, from_start, to_end, one) in enumerate(parts):
        if from_start and to_end and not one:
            continue
        whole, part = shape[axis], _shape(dy)[axis]
        if whole is None or part is None:
            raise NoRule("no gradient is known of a slice of an open size")
        before[axis] = 0 if from_start and not one else start % whole
        after[axis] = whole - part - before[axis]
    padded = ops.pad(dy, before, after, "constant", _like(0, dy))
    return [padded.output(0), None, None, None]


def _pad(node: Any, dy: Any) -> Sequence[Any]:
    if node.get_attributes()["pad_mode"] != "constant":
        raise NoRule("no gradient is known of padding that repeats")
    before, after = (_constant(node.input_value(i), "a padding").reshape(-1).astype(np.int64) for i in (1, 2))
    ends = np.where(after > 0, -after, np.iinfo(np.int64).max)
    axes = np.arange(len(before))
    return [_ops().slice(dy, before, ends, np.ones_like(before), axes).output(0)]


def _convolution(node: Any, dy: Any) -> Sequence[Any]:
    x, kernel = node.input_values()
    ops, a = _ops(), node.get_attributes()
    groups = node.get_type_name() == "GroupConvolution"
    sizes: Any = _shape(kernel)[-2:]
    strides, dilations = a["strides"], a["dilations"]
    if len(_shape(x)) != 4:
        raise NoRule("no gradient is known of a convolution of one or three dimensions")
    if not groups and sizes == [1, 1] and list(strides) == [1, 1] and not any((*a["pads_begin"], *a["pads_end"])):
        back = ops.transpose(kernel, np.array([1, 0, 2, 3]))
        return [ops.convolution(dy, back, [1, 1], [0, 0], [0, 0], [1, 1]).output(0), None]
    inside, outside, sizes = _known(_shape(x)[2:]), _known(_shape(node.output(0))[2:]), _known(sizes)
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
    epsilon = _like(node.get_attributes()["epsilon"], variance)
    scale = ops.divide(gamma, ops.sqrt(ops.add(variance, epsilon)))
    axes = np.arange(1, len(_shape(dy)) - 1)
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
    epsilon = _like(a["eps"], variance)
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
    ops, zero = _ops(), _like(0, dy)
    return [
        None,
        _unspread(ops.select(condition, dy, zero).output(0), a),
        _unspread(ops.select(condition, zero, dy).output(0), b),
    ]


def _inside(x: Any, low: float, high: float) -> Any:
    ops = _ops()
    return ops.logical_and(ops.greater(x, _like(low, x)), ops.less(x, _like(high, x)))


def _slope(function: Callable[[Any, Any, Any], Any]) -> Rule:
    """Makes a rule of a function of (node, input, output) to the slope of an activation."""

    def rule(node: Any, dy: Any) -> Sequence[Any]:
        slope = function(node, node.input_value(0), node.output(0))
        return [_ops().multiply(dy, slope).output(0), *[None] * (node.get_input_size() - 1)]

    return rule


def _step(condition: Callable[[Any, Any], Any]) -> Rule:
    """Makes a rule of a condition of (node, input) under which an activation hands on what it gets, else nothing."""

    def rule(node: Any, dy: Any) -> Sequence[Any]:
        return [_ops().select(condition(node, node.input_value(0)), dy, _like(0, dy)).output(0)]

    return rule


def _swish(node: Any, x: Any, y: Any) -> Any:
    ops = _ops()
    beta = node.input_value(1) if node.get_input_size() > 1 else _like(1, x)
    gate = ops.sigmoid(ops.multiply(x, beta))
    return ops.add(gate, ops.multiply(ops.multiply(beta, y), ops.subtract(_like(1, gate), gate)))


def _hard_swish(node: Any, x: Any, y: Any) -> Any:
    ops = _ops()
    within = ops.add(ops.multiply(x, _like(1 / 3, x)), _like(0.5, x))
    above = ops.convert_like(ops.greater_equal(x, _like(3, x)), x)
    return ops.select(_inside(x, -3, 3), within, above)


def _gelu(node: Any, x: Any, y: Any) -> Any:
    ops = _ops()
    if "tanh" in str(node.get_attributes().get("approximation_mode", "erf")).lower():
        root = float(np.sqrt(2 / np.pi))
        cubed = ops.multiply(ops.multiply(x, x), x)
        t = ops.tanh(ops.multiply(_like(root, x), ops.add(x, ops.multiply(_like(0.044715, x), cubed))))
        inner = ops.add(_like(root, x), ops.multiply(_like(3 * 0.044715 * root, x), ops.multiply(x, x)))
        bent = ops.multiply(ops.multiply(x, ops.subtract(_like(1, t), ops.multiply(t, t))), inner)
        return ops.multiply(_like(0.5, x), ops.add(ops.add(_like(1, t), t), bent))
    phi = ops.multiply(_like(0.5, x), ops.add(_like(1, x), ops.erf(ops.multiply(x, _like(float(np.sqrt(0.5)), x)))))
    bell = ops.multiply(
        _like(float(1 / np.sqrt(2 * np.pi)), x), ops.exp(ops.multiply(_like(-0.5, x), ops.multiply(x, x)))
    )
    return ops.add(phi, ops.multiply(x, bell))


def _prelu(node: Any, dy: Any) -> Sequence[Any]:
    x, slope = node.input_values()
    ops = _ops()
    if _shape(slope) not in ([], [1]):  # one for each channel
        slope = _as_channels(slope, len(_shape(x)))
    return [ops.select(ops.greater(x, _like(0, x)), dy, ops.multiply(dy, slope)).output(0), None]


def _as_channels(vector: Any, rank: int) -> Any:
    shape = _shape(vector)
    return vector if len(shape) == rank else _ops().reshape(vector, np.array([1, -1] + [1] * (rank - 2)), False)


def _elu(node: Any, x: Any, y: Any) -> Any:
    ops = _ops()
    alpha = _like(node.get_attributes()["alpha"], y)
    return ops.select(ops.less(x, _like(0, x)), ops.add(y, alpha), _like(1, y))


def _selu(node: Any, x: Any, y: Any) -> Any:
    ops = _ops()
    alpha, scale = (ops.convert_like(node.input_value(i), y) for i in (1, 2))
    return ops.select(ops.less(x, _like(0, x)), ops.add(y, ops.multiply(alpha, scale)), scale)


RULES: dict[str, Rule] = {
    "FakeQuantize": _quantized,
    **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze"), _layout),
    **dict.fromkeys(("Maximum", "Minimum"), _greater),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax"), _reduce),
    **dict.fromkeys(("Split", "VariadicSplit"), _split),
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
    "StridedSlice": _strided_slice,
    "SquaredDifference": _squared_difference,
    "AvgPool": average_pool_gradient,
    "MaxPool": max_pool_gradient,
    "BatchNormInference": _batch_norm,
    "MVN": _normalize,
    "Softmax": _softmax,
    "Broadcast": _broadcast,
    "Select": _select,
    "PRelu": _prelu,
    "Relu": _step(lambda _, x: _ops().greater(x, _like(0, x))),
    "Clamp": _step(lambda n, x: _inside(x, n.get_attributes()["min"], n.get_attributes()["max"])),
    "Negative": _slope(lambda _, x, y: _like(-1, y)),
    "Abs": _slope(lambda _, x, y: _ops().sign(x)),
    "Exp": _slope(lambda _, x, y: y),
    "Log": _slope(lambda _, x, y: _ops().divide(_like(1, x), x)),
    "Sqrt": _slope(lambda _, x, y: _ops().divide(_like(0.5, y), y)),
    "Sigmoid": _slope(lambda _, x, y: _ops().multiply(y, _ops().subtract(_like(1, y), y))),
    "Tanh": _slope(lambda _, x, y: _ops().subtract(_like(1, y), _ops().multiply(y, y))),
    "SoftPlus": _slope(lambda _, x, y: _ops().sigmoid(x)),
    "Erf": _slope(
        lambda _, x, y: _ops().multiply(
            _like(float(2 / np.sqrt(np.pi)), x), _ops().exp(_ops().negative(_ops().multiply(x, x)))
        )
    ),
    "Elu": _slope(_elu),
    "Selu": _slope(_selu),
    "Swish": _slope(_swish),
    "HSwish": _slope(_hard_swish),
    "HSigmoid": _slope(lambda _, x, y: _ops().select(_inside(x, -3, 3), _like(1 / 6, x), _like(0, x))),
    "HardSigmoid": _slope(
        lambda n, x, y: _ops().select(_inside(y, 0, 1), _ops().convert_like(n.input_value(1), x), _like(0, x))
    ),
    "Gelu": _slope(_gelu),
}
"""The name of an operation's type -> its rule."""
