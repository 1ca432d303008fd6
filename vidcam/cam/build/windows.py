"""Local pooling's windows backwards, in OpenVINO's operations; rows and columns are known, the batch is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vidcam._openvino import ov
from vidcam.types import Array


@dataclass(frozen=True, slots=True)
class Windows:
    """How a pooling's windows lie over rows and columns, of tensors (B, K, rows, columns).

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
    def of(cls, node: Any) -> Windows:
        """Reads how a pooling over an input of known size works."""
        shape, given = node.input_value(0).get_partial_shape(), node.get_attributes()
        size = tuple(shape[i].get_length() for i in (2, 3))
        count = tuple(node.output(0).get_partial_shape()[i].get_length() for i in (2, 3))
        kernel, stride = (tuple(int(v) for v in given[key]) for key in ("kernel", "strides"))
        before = tuple(int(v) for v in given["pads_begin"])
        reach = [s * (c - 1) + k for s, c, k in zip(stride, count, kernel, strict=True)]
        total = [max(r - n, 0) for r, n in zip(reach, size, strict=True)]
        if given["auto_pad"] == "same_upper":
            before = tuple(t // 2 for t in total)
        elif given["auto_pad"] == "same_lower":
            before = tuple(t - t // 2 for t in total)
        elif given["auto_pad"] == "valid":
            before = (0, 0)
        return cls(size, kernel, stride, count, before)  # type: ignore[arg-type]

    def places(self) -> list[tuple[int, int]]:
        """Returns the places in a window, row by row."""
        return [(i, j) for i in range(self.kernel[0]) for j in range(self.kernel[1])]

    def take(self, x: Any, place: tuple[int, int], fill: float) -> Any:
        """Returns from (B, K, rows, columns) what lies at one place of every window, (B, K, count, count)."""
        ops = ov.opset13
        last = [(c - 1) * s for c, s in zip(self.count, self.stride, strict=True)]
        after = [max(e + k - n - b, 0) for e, k, n, b in zip(last, self.kernel, self.size, self.before, strict=True)]
        if any(self.before) or any(after):
            x = ops.pad(x, [0, 0, *self.before], [0, 0, *after], "constant", _like(fill, x))
        ends = [p + e + 1 for p, e in zip(place, last, strict=True)]
        return ops.strided_slice(x, [0, 0, *place], [0, 0, *ends], [1, 1, *self.stride], [1, 1, 0, 0], [1, 1, 0, 0])

    def put(self, shares: dict[tuple[int, int], Any], channels: int) -> Any:
        """Adds up what each place of every window gives, (B, K, count, count) a place, to (B, K, rows, columns).

        The opposite of `take`: the places that are a whole number of strides apart make one grid, and the grids are
        interleaved.
        """
        ops = ov.opset13
        (sh, sw), reach = self.stride, [(k - 1) // s for k, s in zip(self.kernel, self.stride, strict=True)]
        rows, columns = (c + r for c, r in zip(self.count, reach, strict=True))
        first = next(iter(shares.values()))
        nothing = ops.multiply(first, _like(0, first))
        grids = []
        for phase in ((a, b) for a in range(sh) for b in range(sw)):
            total: Any = None
            for (i, j), share in shares.items():
                if (i % sh, j % sw) == phase:
                    moved = _pad(share, (i // sh, j // sw), (reach[0] - i // sh, reach[1] - j // sw))
                    total = moved if total is None else ops.add(total, moved)
            grids.append(_pad(nothing, (0, 0), (reach[0], reach[1])) if total is None else total)
        x = grids[0]
        if len(grids) > 1:
            x = ops.concat([ops.unsqueeze(grid, np.int64(2)) for grid in grids], 2)
            x = ops.reshape(x, np.array([0, channels, sh, sw, rows, columns]), True)
            x = ops.transpose(x, np.array([0, 1, 4, 2, 5, 3]))
            x = ops.reshape(x, np.array([0, channels, rows * sh, columns * sw]), True)
        missing = [b + n - r for b, n, r in zip(self.before, self.size, (rows * sh, columns * sw), strict=True)]
        x = _pad(x, (0, 0), (max(missing[0], 0), max(missing[1], 0)))
        ends = [b + n for b, n in zip(self.before, self.size, strict=True)]
        return ops.strided_slice(x, [0, 0, *self.before], [0, 0, *ends], [1] * 4, [1, 1, 0, 0], [1, 1, 0, 0])

    def pixels(self) -> Array:
        """Returns how many pixels of the input each window covers, float32 (count, count)."""
        along = []
        for n, k, s, c, b in zip(self.size, self.kernel, self.stride, self.count, self.before, strict=True):
            start = np.arange(c) * s - b
            along.append(np.minimum(start + k, n) - np.maximum(start, 0))
        return np.outer(*along).astype(np.float32)


def _like(value: Any, x: Any) -> Any:
    return ov.opset13.convert_like(ov.opset13.constant(np.asarray(value, np.float32)), x)


def _pad(x: Any, before: tuple[int, int], after: tuple[int, int]) -> Any:
    if not any((*before, *after)):
        return x
    return ov.opset13.pad(x, [0, 0, *before], [0, 0, *after], "constant", _like(0, x))


def max_pool_gradient(node: Any, dy: Any) -> Sequence[Any]:
    """Gives a window's gradient to its maximum, to the first in reading order of several, as TensorFlow does."""
    ops, x = ov.opset13, node.input_value(0)
    if isinstance(dy, list):  # its second output says where the maxima were
        dy = dy[0]
    windows = Windows.of(node)
    channels = x.get_partial_shape()[1].get_length()
    places = windows.places()
    best = windows.take(x, places[0], -np.inf)
    winner: Any = None
    for number, place in enumerate(places[1:], 1):
        other = windows.take(x, place, -np.inf)
        before = ops.constant(np.int32(0)) if winner is None else winner
        winner = ops.select(ops.greater(other, best), ops.constant(np.int32(number)), before)
        best = ops.maximum(best, other)
    if winner is None:  # windows of one pixel
        return [windows.put({places[0]: dy}, channels).output(0)]
    zero = _like(0, dy)
    shares = {
        place: ops.select(ops.equal(winner, ops.constant(np.int32(number))), dy, zero)
        for number, place in enumerate(places)
    }
    return [windows.put(shares, channels).output(0)]


def average_pool_gradient(node: Any, dy: Any) -> Sequence[Any]:
    """Spreads a window's gradient evenly over its pixels; padding counts where the pooling says so."""
    ops, x = ov.opset13, node.input_value(0)
    windows = Windows.of(node)
    channels = x.get_partial_shape()[1].get_length()
    area: Any = windows.pixels() if node.get_attributes()["exclude-pad"] else float(np.prod(windows.kernel))
    share = ops.multiply(dy, _like(1.0 / area, dy))
    if windows.count == (1, 1) and windows.kernel == windows.size and not any(windows.before):
        return [ops.broadcast(share, ops.shape_of(x)).output(0)]
    return [windows.put(dict.fromkeys(windows.places(), share), channels).output(0)]
