"""The head of a network, read from its graph: what lies between a layer's map and the logits."""

from __future__ import annotations

from typing import Any

from vidcam._tensorflow import tf
from vidcam.cam.build.trace import PASSING, ancestors

ADDING = ("BiasAdd", "Add", "AddV2")
CASTING = ("Cast", "Identity")
"""What hands values on; half precision is averaged in float32."""


def pooled(activations: Any, logits: Any) -> Any | None:
    """Finds the global average pooling that is all that the logits see of a map.

    Args:
        activations: a layer's output (B, h, w, K), symbolic.
        logits: the model's raw logits (B, C), symbolic.

    Returns:
        The pooled tensor, (B, K) or (B, 1, 1, K); None where the logits see more or other things of the map.
    """
    behind = ancestors(logits)
    tensor = activations
    while True:
        readers = [op for op in tensor.consumers() if any(out.ref() in behind for out in op.outputs)]
        if len(readers) != 1 or tensor.ref() == logits.ref():
            return None
        (op,) = readers
        if op.type == "Mean" and op.inputs[0].ref() == tensor.ref() and _pools_positions(op):
            return op.outputs[0]
        if op.type not in CASTING:
            return None
        tensor = op.outputs[0]


def has_pooled_head(activations: Any, logits: Any) -> bool:
    """Tells whether between a map and the logits is a global average pooling, one dense layer and nothing else.

    That, or a 1x1 convolution in place of the dense layer, is what CAM is defined for (Zhou et al. 2016).

    Args:
        activations: a layer's output (B, h, w, K), symbolic.
        logits: the model's raw logits (B, C), symbolic.
    """
    mean = pooled(activations, logits)
    tensor = _skip(logits)
    if tensor.op.type in ADDING:
        tensor = _skip(tensor.op.inputs[0])
    dense = tensor.op.type == "MatMul" and not tensor.op.get_attr("transpose_a")
    pointwise = tensor.op.type == "Conv2D" and tuple(tensor.op.inputs[1].shape[:2]) == (1, 1)
    return mean is not None and (dense or pointwise) and _skip(tensor.op.inputs[0]).ref() == mean.ref()


def _skip(tensor: Any) -> Any:
    while tensor.op.type in PASSING:
        tensor = tensor.op.inputs[0]
    return tensor


def _pools_positions(op: Any) -> bool:
    axes = tf.get_static_value(op.inputs[1])
    return axes is not None and sorted(int(a) % 4 for a in axes.reshape(-1)) == [1, 2]
