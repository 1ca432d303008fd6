"""A traced graph to OpenVINO's model of it, with the names of inputs and outputs that docs/format.md says."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._openvino import ov
from vidcam._tensorflow import tf
from vidcam.cam.build.content import Content
from vidcam.cam.build.network import SCALED
from vidcam.cam.run import Unsupported
from vidcam.types import Array

INPUTS = ("images", "selection")
OUTPUTS = ("logits", "probabilities")
LARGE_WEIGHT = 16 * 2**20
"""Bytes above which a weight is handed over instead of written into a graph."""


def convert(graph: Content, shape: tuple[int | None, int | None, int], classes: int) -> Any:
    """Converts a traced graph; the batch stays open.

    Args:
        graph: of what `vidcam.cam.build.graph.trace` traces.
        shape: height, width and channels of the pictures, None where they stay open.
        classes: as shown.

    Returns:
        The `openvino.Model`.

    Raises:
        Unsupported: an operation has no counterpart; it is named.
    """
    from vidcam.cam.build.operations import extensions

    frontend = ov.frontend.FrontEndManager().load_by_framework("tf")
    for extension in extensions():
        frontend.add_extension(extension)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "graph.pb"
        file.write_bytes(_with_constants(graph).SerializeToString())
        try:
            read = frontend.load(str(file))
            read.override_all_outputs([read.get_place_by_tensor_name(name) for name in graph.outputs])
            sizes = [-1 if n is None else n for n in (None, *shape)]
            for name, known in zip(graph.inputs, (sizes, [classes + 2]), strict=True):
                read.set_partial_shape(read.get_place_by_tensor_name(name), ov.PartialShape(known))
            model = frontend.convert(read)
        except Exception as error:
            raise Unsupported(_reason(str(error))) from error
    _fill(model, graph.weights)
    _skip_sums_of_nothing(model)
    _part_matrices(model)
    _name(model)
    return model


def _skip_sums_of_nothing(model: Any) -> None:
    """Takes out sums over no axis, which gradients are full of and which OpenVINO 2026.4 cannot always compile."""
    for node in model.get_ordered_ops():
        if node.get_type_name() != "ReduceSum":
            continue
        axes = node.input_value(1).get_node()
        if axes.get_type_name() == "Constant" and axes.get_output_shape(0) == ov.Shape([0]):
            node.output(0).replace(node.input_value(0))


def _part_matrices(model: Any) -> None:
    """Gives what multiplies by a transposed matrix that others share one of its own, the other way round.

    OpenVINO 2026.4 multiplies by the shared one as if it were not transposed.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul" or not node.get_attributes()["transpose_b"]:
            continue
        matrix = node.input_value(1)
        if matrix.get_node().get_type_name() != "Constant" or len(matrix.get_target_inputs()) < 2:
            continue
        own = ov.opset13.constant(np.ascontiguousarray(np.swapaxes(matrix.get_node().get_data(), -1, -2)))
        product = ov.opset13.matmul(node.input_value(0), own, node.get_attributes()["transpose_a"], False)
        node.output(0).replace(product.output(0))


def _name(model: Any) -> None:
    """Gives inputs and outputs, and the scaled pictures, their names and no others."""
    for node in model.get_ordered_ops():
        for output in node.outputs():
            scaled = {name.split(":")[0] for name in output.get_names()} & {SCALED}
            output.get_tensor().set_names(scaled)
    for tensor, name in zip(model.inputs, INPUTS, strict=True):
        tensor.get_tensor().add_names({name})
        tensor.get_node().set_friendly_name(name)
    layers = (len(model.outputs) - 2) // 2
    numbered = [f"{name}.{i}" if i else name for i in range(layers) for name in ("activations", "gradient")]
    for tensor, name in zip(model.outputs, (*OUTPUTS, *numbered), strict=True):
        tensor.get_tensor().add_names({name})
        tensor.get_node().set_friendly_name(name)


def _with_constants(graph: Content) -> Any:
    """Returns the GraphDef with the weights in it, but for those that would make it huge: `_fill` puts them in."""
    whole = type(graph.graph)()
    whole.CopyFrom(graph.graph)
    for node in whole.node:
        value = graph.weights.get(f"{node.name}:0")
        if value is not None and value.nbytes <= LARGE_WEIGHT:
            node.op = "Const"
            del node.attr["shape"]
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return whole


def _fill(model: Any, weights: dict[str, Array]) -> None:
    """Puts weights in the place of the parameters that stand for them."""

    for parameter in model.get_parameters():
        names = parameter.output(0).get_names() & weights.keys()
        if names:
            constant = ov.op.Constant(np.ascontiguousarray(weights[names.pop()]), shared_memory=True)
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
