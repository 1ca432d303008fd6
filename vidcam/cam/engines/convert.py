"""A traced graph to OpenVINO's model of it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._tensorflow import tf
from vidcam.cam.engines import Unsupported
from vidcam.cam.engines.content import Content
from vidcam.types import Array

LARGE = 16 * 2**20
"""Bytes above which a weight is handed over instead of written into a graph."""


def convert(graph: Content, shape: tuple[int, int, int], rest: tuple[int, ...] = ()) -> Any:
    """Converts a traced graph for pictures of one size; the batch stays open.

    Args:
        graph: whose first argument are the pictures.
        shape: height, width and channels of the pictures.
        rest: the sizes of its other arguments, vectors.

    Returns:
        The `openvino.Model`.

    Raises:
        Unsupported: an operation has no counterpart; it is named.
    """
    from openvino import PartialShape
    from openvino.frontend import FrontEndManager

    from vidcam.cam.engines.operations import extensions

    frontend = FrontEndManager().load_by_framework("tf")
    for extension in extensions():
        frontend.add_extension(extension)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "graph.pb"
        file.write_bytes(_with_constants(graph).SerializeToString())
        try:
            read = frontend.load(str(file))
            read.override_all_outputs([read.get_place_by_tensor_name(name) for name in graph.outputs])
            for name, known in zip(graph.inputs, ([-1, *shape], *([n] for n in rest)), strict=True):
                read.set_partial_shape(read.get_place_by_tensor_name(name), PartialShape(known))
            model = frontend.convert(read)
        except Exception as error:
            raise Unsupported(_reason(str(error))) from error
    _fill(model, graph.weights)
    return model


def _with_constants(graph: Content) -> Any:
    """Returns the GraphDef with the weights in it, but for those that would make it huge: `_fill` puts them in."""
    whole = type(graph.graph)()
    whole.CopyFrom(graph.graph)
    for node in whole.node:
        value = graph.weights.get(f"{node.name}:0")
        if value is not None and value.nbytes <= LARGE:
            node.op = "Const"
            del node.attr["shape"]
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return whole


def _fill(model: Any, weights: dict[str, Array]) -> None:
    """Puts weights in the place of the parameters that stand for them."""
    import openvino

    for parameter in model.get_parameters():
        names = parameter.output(0).get_names() & weights.keys()
        if names:
            constant = openvino.op.Constant(np.ascontiguousarray(weights[names.pop()]), shared_memory=True)
            parameter.output(0).replace(constant.output(0))
            model.remove_parameter(parameter)


def _reason(message: str) -> str:
    """Brings OpenVINO's report to a few words."""
    mark = "No conversion rule found for operations: "
    for line in message.splitlines():
        if mark in line:
            return f"OpenVINO has no {line.split(mark)[1].strip()}"
    failed = re.search(r"-- (\w+) with a message:\s*NotImplementedError: (.*)", message)
    if failed:
        return f"OpenVINO cannot convert {failed[1]} ({failed[2].strip()})"
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return f"OpenVINO cannot convert it ({lines[-1][:120] if lines else 'no reason given'})"
