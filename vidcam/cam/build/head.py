"""The head of a network, read from its graph: what lies between a layer's map and the logits."""

from __future__ import annotations

import math
from typing import Any

from vidcam._tensorflow import tf
from vidcam.cam.build.choose import Candidate
from vidcam.cam.build.positions import Positions
from vidcam.cam.build.trace import PASSING, ancestors

ADDING = ("BiasAdd", "Add", "AddV2")
CASTING = ("Cast", "Identity")
"""What hands values on; half precision is averaged in float32."""


def pooled(target: Candidate, logits: Any) -> Any | None:
    """Finds the global average pooling that is all that the logits see of a map.

    Args:
        target: the layer.
        logits: the model's raw logits (B, C), symbolic.

    Returns:
        The pooled tensor, (B, K) or (B, 1, 1, K); None where the logits see more or other things of the map: a class
        token, or each step in time.
    """
    places = target.positions
    if len(target.outputs) > 1 or (places and places.folded):
        return None
    behind = ancestors(logits)
    tensor = target.outputs[0]
    others = _tokens_beside(tensor, places)
    while True:
        readers = [op for op in tensor.consumers() if any(out.ref() in behind for out in op.outputs)]
        if len(readers) != 1 or tensor.ref() == logits.ref():
            return None
        (op,) = readers
        if op.type == "Mean" and op.inputs[0].ref() == tensor.ref() and _pools_positions(op):
            return None if others else op.outputs[0]
        if others and _leaves_patches(op, places):
            others = False
        elif op.type not in CASTING and not _lines_up(op):
            return None
        tensor = op.outputs[0]


def _tokens_beside(tensor: Any, places: Positions | None) -> bool:
    """Tells whether a tensor holds class tokens, which a mean over all would take in."""
    if places is None or places.before is None:
        return False
    return bool(places.before) or tensor.shape[1] not in (None, math.prod(places.grid))


def _leaves_patches(op: Any, places: Positions | None) -> bool:
    """Tells whether an operation takes the class tokens away, and nothing else."""
    if op.type != "StridedSlice" or places is None or op.inputs[0].shape.rank != 3:
        return False
    begin = tf.get_static_value(op.inputs[1])
    kept = op.outputs[0].shape
    if begin is None or len(begin) < 2 or kept.rank != 3:
        return False
    return int(begin[1]) == places.before and kept[1] == math.prod(places.grid) and kept[2] == op.inputs[0].shape[2]


def has_pooled_head(target: Candidate, logits: Any) -> bool:
    """Tells whether between a map and the logits is a global average pooling, one dense layer and nothing else.

    That, or a 1x1 convolution in place of the dense layer, is what CAM is defined for (Zhou et al. 2016).

    Args:
        target: the layer.
        logits: the model's raw logits (B, C), symbolic.
    """
    mean = pooled(target, logits)
    tensor = _skip(logits)
    if tensor.op.type in ADDING:
        tensor = _skip(tensor.op.inputs[0])
    dense = tensor.op.type == "MatMul" and not tensor.op.get_attr("transpose_a")
    pointwise = tensor.op.type == "Conv2D" and tuple(tensor.op.inputs[1].shape[:2]) == (1, 1)
    return mean is not None and (dense or pointwise) and _skip(tensor.op.inputs[0]).ref() == mean.ref()


def _lines_up(op: Any) -> bool:
    """Tells whether an operation brings rows and columns to one axis, or back, and leaves the channels."""
    if op.type != "Reshape":
        return False
    shapes = op.inputs[0].shape, op.outputs[0].shape
    return all(s.rank is not None and s.rank >= 3 for s in shapes) and shapes[0][-1] == shapes[1][-1] is not None


def _skip(tensor: Any) -> Any:
    while tensor.op.type in PASSING:
        tensor = tensor.op.inputs[0]
    return tensor


def _pools_positions(op: Any) -> bool:
    axes, rank = tf.get_static_value(op.inputs[1]), op.inputs[0].shape.rank
    return axes is not None and sorted(int(a) % rank for a in axes.reshape(-1)) == list(range(1, rank - 1))
