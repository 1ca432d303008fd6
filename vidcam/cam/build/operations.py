"""TensorFlow's backward operations in OpenVINO's plain ones, for heads with hidden layers, pooling and convolutions.

OpenVINO reads forward graphs; of the gradients it knows but one. Each function here takes the node of a TensorFlow
operation as OpenVINO's reader meets it, and returns the outputs that stand for the operation's. Rows and columns are
known when a graph is converted, the batch is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vidcam._openvino import load, ov
from vidcam.cam.build.shapes import OPERATIONS as SHAPES
from vidcam.cam.build.shapes import dimensions
from vidcam.types import Array

ops: Any = ov.opset13

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

Outputs = Any
"""A list of OpenVINO's outputs, one for each of the operation's."""


def extensions() -> list[Any]:
    """Returns what OpenVINO's reader of TensorFlow graphs has to be told."""
    extension = load("openvino.frontend.tensorflow").ConversionExtension
    return [extension(name, function) for name, function in OPERATIONS.items()]


def _like(value: float, x: Any) -> Any:
    return ops.convert_like(ops.constant(np.float32(value)), x)


def _relu_grad(node: Any) -> Outputs:
    dy, y = node.get_input(0), node.get_input(1)
    return ops.select(ops.greater(y, _like(0, y)), dy, _like(0, dy)).outputs()


def _relu6_grad(node: Any) -> Outputs:
    dy, y = node.get_input(0), node.get_input(1)
    inside = ops.logical_and(ops.greater(y, _like(0, y)), ops.less(y, _like(6, y)))
    return ops.select(inside, dy, _like(0, dy)).outputs()


def _leaky_relu_grad(node: Any) -> Outputs:
    dy, x = node.get_input(0), node.get_input(1)
    return ops.select(
        ops.greater(x, _like(0, x)), dy, ops.multiply(dy, _like(node.get_attribute("alpha"), dy))
    ).outputs()


def _elu_grad(node: Any) -> Outputs:
    dy, y = node.get_input(0), node.get_input(1)
    return ops.select(ops.less(y, _like(0, y)), ops.multiply(dy, ops.add(y, _like(1, y))), dy).outputs()


def _selu_grad(node: Any) -> Outputs:
    dy, y = node.get_input(0), node.get_input(1)
    below = ops.multiply(dy, ops.add(y, _like(SELU_ALPHA * SELU_SCALE, y)))
    return ops.select(ops.less(y, _like(0, y)), below, ops.multiply(dy, _like(SELU_SCALE, dy))).outputs()


def _softplus_grad(node: Any) -> Outputs:
    dy, x = node.get_input(0), node.get_input(1)
    return ops.multiply(dy, ops.sigmoid(x)).outputs()


def _softsign_grad(node: Any) -> Outputs:
    dy, x = node.get_input(0), node.get_input(1)
    root = ops.add(ops.abs(x), _like(1, x))
    return ops.divide(dy, ops.multiply(root, root)).outputs()


def _tanh_grad(node: Any) -> Outputs:
    y, dy = node.get_input(0), node.get_input(1)
    return ops.multiply(dy, ops.subtract(_like(1, y), ops.multiply(y, y))).outputs()


def _sigmoid_grad(node: Any) -> Outputs:
    y, dy = node.get_input(0), node.get_input(1)
    return ops.multiply(dy, ops.multiply(y, ops.subtract(_like(1, y), y))).outputs()


def _sqrt_grad(node: Any) -> Outputs:
    y, dy = node.get_input(0), node.get_input(1)
    return ops.divide(ops.multiply(dy, _like(0.5, dy)), y).outputs()


def _rsqrt_grad(node: Any) -> Outputs:
    y, dy = node.get_input(0), node.get_input(1)
    return ops.multiply(ops.multiply(dy, _like(-0.5, dy)), ops.multiply(y, ops.multiply(y, y))).outputs()


def _reciprocal_grad(node: Any) -> Outputs:
    y, dy = node.get_input(0), node.get_input(1)
    return ops.negative(ops.multiply(dy, ops.multiply(y, y))).outputs()


@dataclass(frozen=True, slots=True)
class Windows:
    """How windows of one size lie over rows and columns.

    Attributes:
        size: rows and columns of the input.
        kernel: of a window.
        stride: from one window to the next.
        count: windows in a column and in a row.
        before: rows and columns of padding before the input.
    """

    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    count: tuple[int, int]
    before: tuple[int, int]

    @classmethod
    def of(cls, node: Any, size: tuple[int, int], kernel: Sequence[int], dilation: Sequence[int] = (1, 1)) -> Windows:
        """Reads strides and padding of a pooling or convolution over an input of known size."""
        padding = node.get_attribute("padding")
        if padding not in ("SAME", "VALID") or node.get_attribute("data_format", "NHWC") != "NHWC":
            raise NotImplementedError(f"padding {padding} or channels first")
        stride = tuple(node.get_attribute("strides")[1:3])
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        same = padding == "SAME"
        count = [-(-n // s) if same else (n - r) // s + 1 for n, s, r in zip(size, stride, reach, strict=True)]
        total = [max((c - 1) * s + r - n, 0) for c, s, r, n in zip(count, stride, reach, size, strict=True)]
        before = [t // 2 if same else 0 for t in total]
        pairs = [(int(a), int(b)) for a, b in (size, kernel, stride, count, before)]
        return cls(*pairs)

    def places(self) -> list[tuple[int, int]]:
        """Returns the places in a window, row by row."""
        return [(i, j) for i in range(self.kernel[0]) for j in range(self.kernel[1])]

    def take(self, x: Any, place: tuple[int, int], fill: float) -> Any:
        """Returns from (B, H, W, K) what lies at one place of every window, (B, count, count, K)."""
        last = [(c - 1) * s for c, s in zip(self.count, self.stride, strict=True)]
        after = [max(e + k - n - b, 0) for e, k, n, b in zip(last, self.kernel, self.size, self.before, strict=True)]
        if any(self.before) or any(after):
            x = ops.pad(x, [0, *self.before, 0], [0, *after, 0], "constant", _like(fill, x))
        ends = [p + e + 1 for p, e in zip(place, last, strict=True)]
        return ops.strided_slice(x, [0, *place, 0], [0, *ends, 0], [1, *self.stride, 1], [1, 0, 0, 1], [1, 0, 0, 1])

    def put(self, shares: dict[tuple[int, int], Any], channels: int) -> Any:
        """Adds up what each place of every window gives, (B, count, count, K) a place, to (B, H, W, K).

        The opposite of `take`: the places that are a whole number of strides apart make one grid, and the grids are
        interleaved.
        """
        (sh, sw), reach = self.stride, [(k - 1) // s for k, s in zip(self.kernel, self.stride, strict=True)]
        rows, columns = (c + r for c, r in zip(self.count, reach, strict=True))
        nothing = ops.multiply(next(iter(shares.values())), _like(0, next(iter(shares.values()))))
        grids = []
        for phase in ((a, b) for a in range(sh) for b in range(sw)):
            total: Any = None
            for (i, j), share in shares.items():
                if (i % sh, j % sw) == phase:
                    total = _sum(total, _pad(share, (i // sh, j // sw), (reach[0] - i // sh, reach[1] - j // sw)))
            grids.append(_pad(nothing, (0, 0), (reach[0], reach[1])) if total is None else total)
        x = ops.concat(grids, 3) if len(grids) > 1 else grids[0]
        if len(grids) > 1:
            x = ops.reshape(x, np.array([0, rows, columns, sh, sw, channels]), True)
            x = ops.transpose(x, np.array([0, 1, 3, 2, 4, 5]))
            x = ops.reshape(x, np.array([0, rows * sh, columns * sw, channels]), True)
        missing = [b + n - r for b, n, r in zip(self.before, self.size, (rows * sh, columns * sw), strict=True)]
        x = _pad(x, (0, 0), (max(missing[0], 0), max(missing[1], 0)))
        ends = [b + n for b, n in zip(self.before, self.size, strict=True)]
        return ops.strided_slice(x, [0, *self.before, 0], [0, *ends, 0], [1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1])


def _sum(a: Any, b: Any) -> Any:
    return b if a is None else ops.add(a, b)


def _pad(x: Any, before: tuple[int, int], after: tuple[int, int]) -> Any:
    if not any((*before, *after)):
        return x
    return ops.pad(x, [0, *before, 0], [0, *after, 0], "constant", _like(0, x))


def _known(*dimensions: int | None) -> tuple[int, ...]:
    if None in dimensions:
        raise NotImplementedError("pictures of open size")
    return tuple(int(d) for d in dimensions if d is not None)


def _static(x: Any) -> tuple[int, int, int]:
    """Returns the rows, columns and channels of a tensor."""
    shape = x.get_partial_shape()
    height, width, channels = _known(*(shape[i].get_length() if shape[i].is_static else None for i in (1, 2, 3)))
    return height, width, channels


def _max_pool_grad(node: Any) -> Outputs:
    """Gives a window's gradient to its maximum, to the first in reading order of several, as TensorFlow does."""
    x, dy = node.get_input(0), node.get_input(2)
    height, width, channels = _static(x)
    windows = Windows.of(node, (height, width), node.get_attribute("ksize")[1:3])
    places = windows.places()
    best = windows.take(x, places[0], -np.inf)
    winner: Any = None
    for number, place in enumerate(places[1:], 1):
        other = windows.take(x, place, -np.inf)
        better = ops.greater(other, best)
        before = ops.constant(np.int32(0)) if winner is None else winner
        winner = ops.select(better, ops.constant(np.int32(number)), before)
        best = ops.maximum(best, other)
    if winner is None:  # windows of one pixel
        return windows.put({places[0]: dy}, channels).outputs()
    zero = _like(0, dy)
    shares = {
        place: ops.select(ops.equal(winner, ops.constant(np.int32(number))), dy, zero)
        for number, place in enumerate(places)
    }
    return windows.put(shares, channels).outputs()


def _avg_pool_grad(node: Any) -> Outputs:
    """Spreads a window's gradient evenly over its pixels; padding does not count."""
    dy = node.get_input(1)
    _, height, width, channels = dimensions(node.get_input(0))
    size = _known(height, width, channels)
    windows = Windows.of(node, (size[0], size[1]), node.get_attribute("ksize")[1:3])
    share = ops.multiply(dy, ops.convert_like(ops.constant(1.0 / _pixels(windows)), dy))
    return windows.put(dict.fromkeys(windows.places(), share), size[2]).outputs()


def _pixels(windows: Windows) -> Array:
    """Returns how many pixels of the input each window covers, float32 (count, count, 1)."""
    along = []
    for n, k, s, c, b in zip(windows.size, windows.kernel, windows.stride, windows.count, windows.before, strict=True):
        start = np.arange(c) * s - b
        along.append(np.minimum(start + k, n) - np.maximum(start, 0))
    return np.outer(*along)[..., np.newaxis].astype(np.float32)


def _conv_grad(node: Any) -> Outputs:
    """The gradient of a convolution with respect to its input: a transposed convolution."""
    kernel = ops.transpose(node.get_input(1), np.array([3, 2, 0, 1]))
    return _transposed(node, ops.convolution_backprop_data, kernel)


def _depthwise_grad(node: Any) -> Outputs:
    """The gradient of a depthwise convolution with respect to its input: a transposed convolution by groups."""
    weights = node.get_input(1)
    # (kh, kw, K, M) -> groups K, M in, 1 out, kh, kw
    kernel = ops.unsqueeze(ops.transpose(weights, np.array([2, 3, 0, 1])), ops.constant(np.int64(2)))
    return _transposed(node, ops.group_convolution_backprop_data, kernel)


def _transposed(node: Any, convolution: Callable[..., Any], kernel: Any) -> Outputs:
    dy = node.get_input(2)
    _, height, width, _ = dimensions(node.get_input(0))
    size = _known(height, width)
    kh, kw = (d.get_length() for d in list(node.get_input(1).get_partial_shape())[:2])
    dilation = [int(d) for d in node.get_attribute("dilations", [1, 1, 1, 1])[1:3]]
    windows = Windows.of(node, (size[0], size[1]), (kh, kw), dilation)
    full = [
        s * (c - 1) + (k - 1) * d + 1
        for s, c, k, d in zip(windows.stride, windows.count, (kh, kw), dilation, strict=True)
    ]
    after = [max(f - b - n, 0) for f, b, n in zip(full, windows.before, windows.size, strict=True)]
    missing = [n - (f - b - a) for n, f, b, a in zip(windows.size, full, windows.before, after, strict=True)]
    # Both negated: with a kernel that a convolution forward shares, OpenVINO 2026.4 computes something else.
    x = convolution(
        ops.negative(ops.transpose(dy, np.array([0, 3, 1, 2]))),
        ops.negative(kernel),
        strides=list(windows.stride),
        pads_begin=list(windows.before),
        pads_end=after,
        dilations=dilation,
        output_padding=missing,
    )
    return ops.transpose(x, np.array([0, 2, 3, 1])).outputs()


OPERATIONS: dict[str, Callable[[Any], Outputs]] = {
    "ReluGrad": _relu_grad,
    "Relu6Grad": _relu6_grad,
    "LeakyReluGrad": _leaky_relu_grad,
    "EluGrad": _elu_grad,
    "SeluGrad": _selu_grad,
    "SoftplusGrad": _softplus_grad,
    "SoftsignGrad": _softsign_grad,
    "TanhGrad": _tanh_grad,
    "SigmoidGrad": _sigmoid_grad,
    "SqrtGrad": _sqrt_grad,
    "RsqrtGrad": _rsqrt_grad,
    "ReciprocalGrad": _reciprocal_grad,
    "MaxPoolGrad": _max_pool_grad,
    "AvgPoolGrad": _avg_pool_grad,
    "Conv2DBackpropInput": _conv_grad,
    "DepthwiseConv2dNativeBackpropInput": _depthwise_grad,
    **SHAPES,
}
"""Operation of TensorFlow -> function of its node."""
