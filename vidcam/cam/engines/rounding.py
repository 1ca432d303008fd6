"""Weights in bfloat16 whose rounding errors cancel.

A bfloat16 has eight bits, so each weight is off by up to 0.4 %. What lies in a filter's window is much alike, so its
output is off by nearly the sum of the errors; carried from weight to weight, they add up to the last one's only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vidcam.types import Array


def round_weights(model: Any) -> None:
    """Rounds the convolutions' weights of an `openvino.Model` to bfloat16, batch norms folded into them first."""
    from openvino import opset13 as ops
    from openvino._offline_transformations import apply_moc_transformations

    apply_moc_transformations(model, cf=False)
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind not in ("Convolution", "GroupConvolution"):
            continue
        weights = node.input_value(1).get_node()
        if weights.get_type_name() == "Constant":
            value = weights.get_data()
            filters = int(np.prod(value.shape[: 1 if kind == "Convolution" else 2]))
            rounded = round_rows(value.reshape(filters, -1)).reshape(value.shape)
            weights.output(0).replace(ops.constant(rounded).output(0))


def round_rows(rows: Array) -> Array:
    """Rounds each row such that its sum stays: every error is added to the next weight, from the largest on.

    Args:
        rows: float32 (filters, weights).

    Returns:
        The same shape, float32 that bfloat16 holds exactly.
    """
    order = np.argsort(-np.abs(rows), axis=1)
    columns = np.ascontiguousarray(np.take_along_axis(rows, order, 1).T)
    carried = np.zeros(len(rows), np.float32)
    for column in columns:
        wanted = column + carried
        column[:] = nearest(wanted)
        carried = wanted - column
    result = np.empty_like(rows)
    np.put_along_axis(result, order, columns.T, 1)
    return result


def nearest(values: Array) -> Array:
    """Returns the nearest bfloat16 of float32 values, ties to even, as float32."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
