"""The slopes of activations, in OpenVINO's operations: rules of `gradients` for what works on each number alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vidcam._openvino import ov
from vidcam.cam.build.nodes import sizes_of

GradientRule = Callable[[Any, Any], Sequence[Any]]
"""(node, gradient of its output) -> gradients of its inputs."""


def _ops() -> Any:
    return ov.opset13


def like(value: float, x: Any) -> Any:
    """Returns a number of a tensor's type."""
    return _ops().convert_like(_ops().constant(np.float32(value)), x)


def _inside(x: Any, low: float, high: float) -> Any:
    ops = _ops()
    return ops.logical_and(ops.greater(x, like(low, x)), ops.less(x, like(high, x)))


def _slope(function: Callable[[Any, Any, Any], Any]) -> GradientRule:
    """Makes a rule of a function of (node, input, output) to the slope of an activation."""

    def rule(node: Any, dy: Any) -> Sequence[Any]:
        slope = function(node, node.input_value(0), node.output(0))
        return [_ops().multiply(dy, slope).output(0), *[None] * (node.get_input_size() - 1)]

    return rule


def _step(condition: Callable[[Any, Any], Any]) -> GradientRule:
    """Makes a rule of a condition of (node, input) under which an activation hands on what it gets, else nothing."""

    def rule(node: Any, dy: Any) -> Sequence[Any]:
        return [_ops().select(condition(node, node.input_value(0)), dy, like(0, dy)).output(0)]

    return rule


def _swish(node: Any, x: Any, y: Any) -> Any:
    ops = _ops()
    beta = node.input_value(1) if node.get_input_size() > 1 else like(1, x)
    gate = ops.sigmoid(ops.multiply(x, beta))
    return ops.add(gate, ops.multiply(ops.multiply(beta, y), ops.subtract(like(1, gate), gate)))


def _hard_swish(node: Any, x: Any, y: Any) -> Any:
    ops = _ops()
    within = ops.add(ops.multiply(x, like(1 / 3, x)), like(0.5, x))
    above = ops.convert_like(ops.greater_equal(x, like(3, x)), x)
    return ops.select(_inside(x, -3, 3), within, above)


def _gelu(node: Any, x: Any, y: Any) -> Any:
    ops = _ops()
    if "tanh" in str(node.get_attributes().get("approximation_mode", "erf")).lower():
        root = float(np.sqrt(2 / np.pi))
        cubed = ops.multiply(ops.multiply(x, x), x)
        t = ops.tanh(ops.multiply(like(root, x), ops.add(x, ops.multiply(like(0.044715, x), cubed))))
        inner = ops.add(like(root, x), ops.multiply(like(3 * 0.044715 * root, x), ops.multiply(x, x)))
        bent = ops.multiply(ops.multiply(x, ops.subtract(like(1, t), ops.multiply(t, t))), inner)
        return ops.multiply(like(0.5, x), ops.add(ops.add(like(1, t), t), bent))
    phi = ops.multiply(like(0.5, x), ops.add(like(1, x), ops.erf(ops.multiply(x, like(float(np.sqrt(0.5)), x)))))
    bell = ops.multiply(
        like(float(1 / np.sqrt(2 * np.pi)), x), ops.exp(ops.multiply(like(-0.5, x), ops.multiply(x, x)))
    )
    return ops.add(phi, ops.multiply(x, bell))


def _prelu(node: Any, dy: Any) -> Sequence[Any]:
    x, slope = node.input_values()
    ops = _ops()
    if sizes_of(slope) not in ([], [1]):  # one for each channel
        slope = _as_channels(slope, len(sizes_of(x)))
    return [ops.select(ops.greater(x, like(0, x)), dy, ops.multiply(dy, slope)).output(0), None]


def _as_channels(vector: Any, rank: int) -> Any:
    shape = sizes_of(vector)
    return vector if len(shape) == rank else _ops().reshape(vector, np.array([1, -1] + [1] * (rank - 2)), False)


def _elu(node: Any, x: Any, y: Any) -> Any:
    ops = _ops()
    alpha = like(node.get_attributes()["alpha"], y)
    return ops.select(ops.less(x, like(0, x)), ops.add(y, alpha), like(1, y))


def _selu(node: Any, x: Any, y: Any) -> Any:
    ops = _ops()
    alpha, scale = (ops.convert_like(node.input_value(i), y) for i in (1, 2))
    return ops.select(ops.less(x, like(0, x)), ops.add(y, ops.multiply(alpha, scale)), scale)


SLOPES: dict[str, GradientRule] = {
    "PRelu": _prelu,
    "Relu": _step(lambda _, x: _ops().greater(x, like(0, x))),
    "Clamp": _step(lambda n, x: _inside(x, n.get_attributes()["min"], n.get_attributes()["max"])),
    "Negative": _slope(lambda _, x, y: like(-1, y)),
    "Abs": _slope(lambda _, x, y: _ops().sign(x)),
    "Exp": _slope(lambda _, x, y: y),
    "Log": _slope(lambda _, x, y: _ops().divide(like(1, x), x)),
    "Sqrt": _slope(lambda _, x, y: _ops().divide(like(0.5, y), y)),
    "Sigmoid": _slope(lambda _, x, y: _ops().multiply(y, _ops().subtract(like(1, y), y))),
    "Tanh": _slope(lambda _, x, y: _ops().subtract(like(1, y), _ops().multiply(y, y))),
    "SoftPlus": _slope(lambda _, x, y: _ops().sigmoid(x)),
    "Erf": _slope(
        lambda _, x, y: _ops().multiply(
            like(float(2 / np.sqrt(np.pi)), x), _ops().exp(_ops().negative(_ops().multiply(x, x)))
        )
    ),
    "Elu": _slope(_elu),
    "Selu": _slope(_selu),
    "Swish": _slope(_swish),
    "HSwish": _slope(_hard_swish),
    "HSigmoid": _slope(lambda _, x, y: _ops().select(_inside(x, -3, 3), like(1 / 6, x), like(0, x))),
    "HardSigmoid": _slope(
        lambda n, x, y: _ops().select(_inside(y, 0, 1), _ops().convert_like(n.input_value(1), x), like(0, x))
    ),
    "Gelu": _slope(_gelu),
}
"""The name of an activation's type -> its rule."""
