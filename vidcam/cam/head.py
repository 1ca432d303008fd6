"""The head of a network, read from its graph: the weights of a global-average-pooling + dense head, for CAM."""

from __future__ import annotations

from typing import Any

from vidcam._tensorflow import tf
from vidcam.cam.trace import PASSING
from vidcam.errors import UsageError

ADDING = ("BiasAdd", "Add", "AddV2")


def dense_weights(activations: Any, logits: Any) -> Any:
    """Finds the dense weights between pooled activations and logits.

    Args:
        activations: the target layer's output (B, h, w, K), symbolic.
        logits: the model's raw logits (B, C), symbolic.

    Returns:
        The weights as a tensor (K, C).

    Raises:
        UsageError: between the two is anything but a global average pooling and one dense layer (or a 1x1
            convolution), which is what CAM is defined for (Zhou et al. 2016).
    """
    tensor = _skip(logits)
    if tensor.op.type in ADDING:
        tensor = _skip(tensor.op.inputs[0])
    if tensor.op.type == "MatMul" and not tensor.op.get_attr("transpose_a"):
        weights = tensor.op.inputs[1]
        if tensor.op.get_attr("transpose_b"):
            weights = tf.transpose(weights)
    elif tensor.op.type == "Conv2D" and tuple(tensor.op.inputs[1].shape[:2]) == (1, 1):
        weights = tf.squeeze(tensor.op.inputs[1], axis=(0, 1))
    else:
        raise _other_head()
    pooled = _skip(tensor.op.inputs[0])
    if pooled.op.type != "Mean" or not _pools_positions(pooled.op):
        raise _other_head()
    source = pooled.op.inputs[0]
    while source is not activations and source.op.type in ("Cast", "Identity"):  # half precision is averaged in float32
        source = source.op.inputs[0]
    if source is not activations:
        raise _other_head()
    return weights


def _skip(tensor: Any) -> Any:
    while tensor.op.type in PASSING:
        tensor = tensor.op.inputs[0]
    return tensor


def _pools_positions(op: Any) -> bool:
    axes = tf.get_static_value(op.inputs[1])
    return axes is not None and sorted(int(a) % 4 for a in axes.reshape(-1)) == [1, 2]


def _other_head() -> UsageError:
    return UsageError(
        "method cam needs a head of global average pooling and one dense layer right behind the target layer; "
        "this model has another, use --method gradcam (method='gradcam')"
    )
