"""The operations that Keras of TensorFlow 2.3 and older kept inside functional models, as a layer of Keras 3.

They are nodes of TensorFlow's graphs (`TensorFlowOpLayer`): an operation's kind, its attributes, and the inputs that
are constants. Importing this module imports TensorFlow and registers the layer with Keras.
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import Mapping
from typing import Any

from vidcam._tensorflow import keras, tf
from vidcam.models.keras2_operations import PACKAGE

SCALING = ("RealDiv", "Div", "Mul", "Sub", "Add", "AddV2", "BiasAdd")
"""Kinds by which `preprocess_input` scales pixels."""
NODE_KINDS = frozenset(
    [
        *(
            *SCALING,
            "Cast",
            "Identity",
            "ConcatV2",
            "Pack",
            "Unpack",
            "Split",
            "SplitV",
            "Reshape",
            "Transpose",
            "AddN",
        ),
        *("ReverseV2", "Squeeze", "ExpandDims", "StridedSlice", "Slice", "Pad", "PadV2", "MirrorPad", "GatherV2"),
        *("Neg", "Abs", "Square", "Sqrt", "Rsqrt", "Pow", "Exp", "Log", "Log1p", "FloorDiv", "FloorMod", "Floor"),
        *("Round", "Maximum", "Minimum", "SquaredDifference", "Reciprocal", "DivNoNan", "ClipByValue", "Tile"),
        *("Mean", "Sum", "Max", "Min", "Prod", "MatMul", "BatchMatMulV2", "Shape", "Relu", "Relu6", "LeakyRelu"),
        *("Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Softmax", "LogSoftmax", "AvgPool", "MaxPool"),
        *("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "DepthToSpace", "SpaceToDepth", "LRN"),
    ]
)
"""What a file may compute with: all of it makes numbers of tensors and does nothing else."""


@keras.saving.register_keras_serializable(PACKAGE)
class OldNode(keras.layers.Layer):  # type: ignore[misc]
    """A node of a TensorFlow graph as a layer.

    Args:
        kind: of the operation, one of `NODE_KINDS`.
        attributes: of the node, as Python's values.
        constants: inputs that are numbers, by their place among all inputs.
    """

    def __init__(self, kind: str, attributes: dict[str, Any], constants: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if kind not in NODE_KINDS:
            raise ValueError(f"the operation {kind} is none of those that a model file may compute with")
        self.kind, self.attributes, self.constants = kind, attributes, constants

    @property
    def scales(self) -> bool:
        """Whether it is of the kind by which `preprocess_input` scales pixels."""
        return self.kind in SCALING

    def call(self, *tensors: Any) -> Any:
        """Computes the node; the arguments are the inputs that are no constants, in their order."""
        inputs: list[Any] = list(tensors)
        for place in sorted(self.constants, key=int):
            inputs.insert(int(place), self.constants[place])
        if "N" in self.attributes:  # so many of the inputs are one list
            inputs = [inputs[: self.attributes["N"]], *inputs[self.attributes["N"] :]]
        operation = getattr(tf.raw_ops, self.kind)
        names = [name for name in inspect.signature(operation).parameters if name != "name"]
        chosen = {name: self.attributes[name] for name in names[len(inputs) :] if name in self.attributes}
        return operation(**dict(zip(names, inputs, strict=False)), **chosen)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments to make it again."""
        own = {"kind": self.kind, "attributes": self.attributes, "constants": self.constants}
        return {**super().get_config(), **own}


def attribute(value: Mapping[str, Any]) -> Any:
    """Returns an attribute of a node as a Python value.

    Args:
        value: as JSON holds it: `{"i": "2"}`, `{"type": "DT_FLOAT"}`, `{"list": {"i": ["1", "2"]}}`.

    Raises:
        ValueError: it is of another kind.
    """
    for kind, content in value.items():
        if kind == "list":
            return [attribute({inner: item}) for inner, items in content.items() for item in items]
        if kind == "type":
            return str(content).removeprefix("DT_").lower()
        if kind == "s":
            return base64.b64decode(content).decode()
        if kind in ("i", "f", "b"):
            return {"i": int, "f": float, "b": bool}[kind](content)
    raise ValueError(f"an attribute of the kind {', '.join(value) or 'none'}")
