"""What a traced graph computes, as data: its operations without TensorFlow's variables, its weights' values, a key.

A graph that reads its weights as variables is traced and looked at in a fraction of the time that one with constants
takes, and holds no second copy of them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from vidcam._tensorflow import tf
from vidcam.cam.run import Unsupported
from vidcam.types import Array


@dataclass(frozen=True, slots=True)
class Content:
    """A traced graph.

    Attributes:
        graph: the GraphDef; what it reads from outside is a placeholder each.
        inputs: the names of the arguments' tensors.
        outputs: the names of the results' tensors.
        weights: the names of the other placeholders' tensors, and their values.
    """

    graph: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: dict[str, Array]

    def key(self) -> str | None:
        """Says what the graph computes: its operations in their order, and its weights.

        Names are left out, as they count how often a process has traced something.

        Returns:
            A hexadecimal digest; None where the graph calls functions by name.
        """
        if self.graph.library.function:
            return None
        numbers = {node.name: str(i) for i, node in enumerate(self.graph.node)}
        digest = hashlib.sha256()
        for node in self.graph.node:
            inputs = [re.sub(r"^(\^?)([^:]*)", lambda m: m[1] + numbers[m[2]], name) for name in node.input]
            chosen = [(k, node.attr[k].SerializeToString(deterministic=True)) for k in sorted(node.attr) if k[0] != "_"]
            digest.update(repr((node.op, inputs, chosen)).encode())
        digest.update(repr([numbers[name.split(":")[0]] for name in self.outputs]).encode())
        for name, value in self.weights.items():
            digest.update(repr((numbers[name.split(":")[0]], value.shape, value.dtype.str)).encode())
            digest.update(np.ascontiguousarray(value).data)
        return digest.hexdigest()


def traced_content(concrete: Any) -> Content:
    """Takes a traced graph apart.

    Args:
        concrete: a concrete function; its variables are read now.

    Returns:
        Its operations and weights.

    Raises:
        Unsupported: it is more than one graph, computes in half precision, or reads something that is no number.
    """
    if not hasattr(concrete, "graph"):
        raise Unsupported("it takes several graphs")
    if any(t.dtype in (tf.float16, tf.bfloat16) for op in concrete.graph.get_operations() for t in op.outputs):
        raise Unsupported("it computes in half precision itself")
    graph = concrete.graph.as_graph_def()
    outside = {id(v.handle): v for v in concrete.graph.variables}
    values: dict[str, Array] = {}
    for value, placeholder in concrete.graph.captures:
        read = outside.get(id(value), value)
        if read is value and value.dtype == tf.resource:
            raise Unsupported("it reads something beside its weights")
        values[placeholder.op.name] = read.numpy()
    weights: dict[str, Array] = {}
    resources = {p.op.name for _, p in concrete.graph.captures if p.dtype == tf.resource}
    for node in graph.node:
        source = node.input[0] if node.op == "ReadVariableOp" else node.name
        if source not in values or node.name in resources:
            continue
        value = values[source]
        node.op = "Placeholder"
        del node.input[:]
        node.attr.clear()
        node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
        node.attr["shape"].shape.CopyFrom(tf.TensorShape(value.shape).as_proto())
        weights[f"{node.name}:0"] = value
    read = [node for node in graph.node if node.name not in resources]
    del graph.node[:]
    graph.node.extend(read)
    arguments = concrete.inputs[: len(concrete.inputs) - len(concrete.captured_inputs)]
    return Content(graph, tuple(t.name for t in arguments), tuple(t.name for t in concrete.outputs), weights)
