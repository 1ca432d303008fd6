"""Looking into a model while its graph is traced: which layer made which tensor, where the logits and the last map are.

The user's model is only wrapped for the length of one call: each layer's `call` is shadowed on the instance and put
back in a `finally`. That works alike for Sequential, functional, nested and subclassed models. The graph itself says
the rest: the logits are what goes into the last softmax or sigmoid.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from vidcam._tensorflow import keras

End = Literal["softmax", "sigmoid", "linear"]
PASSING = ("Identity", "Cast", "Reshape", "Squeeze", "StopGradient", "PreventGradient")
"""Graph operations that hand on their first input's values."""

_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer: its path (`backbone/out_relu` in a nested model), its first input and its output."""

    path: str
    layer: Any
    input: Any
    output: Any


def walk_layers(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every layer below a model with its path, parents before children."""
    for layer in model._flatten_layers(include_self=False, recursive=False):
        path = f"{prefix}{layer.name}"
        yield path, layer
        yield from walk_layers(layer, f"{path}/")


def record(model: Any, x: Any) -> tuple[Any, list[Call]]:
    """Calls a model in inference mode and notes what every layer did.

    Args:
        model: the Keras model; as it was when the function returns or raises.
        x: its input.

    Returns:
        Its output and the calls in the order in which they ended, inner layers before the models they are in.
    """
    calls: list[Call] = []
    wrapped: list[tuple[Any, Any]] = []
    with _lock:
        try:
            for path, layer in walk_layers(model):
                if any(layer is other for other, _ in wrapped):
                    continue
                wrapped.append((layer, layer.__dict__.get("call")))
                _set(layer, _recording(path, layer, calls))
            # Functional models want their one input in the list or dictionary they were built with.
            structure = getattr(model, "_inputs_struct", None)
            output = model(x if structure is None else keras.tree.map_structure(lambda _: x, structure), training=False)
        finally:
            for layer, before in wrapped:
                if before is None:
                    object.__delattr__(layer, "call")
                else:
                    _set(layer, before)
    return output, calls


def _set(layer: Any, call: Any) -> None:
    # Past Keras' own __setattr__, which would track the function and refuse on locked layers.
    object.__setattr__(layer, "call", call)


def _recording(path: str, layer: Any, calls: list[Call]) -> Any:
    call = layer.call

    @functools.wraps(call)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        first = args[0] if args else next(iter(kwargs.values()), None)
        calls.append(Call(path, layer, first, output))
        return output

    return wrapper


def split_output(output: Any) -> tuple[Any, End]:
    """Finds the logits behind a model's output in its graph.

    Args:
        output: the model's symbolic output.

    Returns:
        The tensor that goes into the final softmax or sigmoid, and which of the two it is; the output itself and
        `linear` where there is neither.
    """
    tensor = output
    while tensor.op.type in PASSING:
        tensor = tensor.op.inputs[0]
    if tensor.op.type == "Softmax":
        return tensor.op.inputs[0], "softmax"
    if tensor.op.type == "Sigmoid":
        return tensor.op.inputs[0], "sigmoid"
    return output, "linear"


def ancestors(tensor: Any) -> set[Any]:
    """Returns references (`Tensor.ref()`) to all tensors that a symbolic tensor is computed from, and to itself."""
    seen = {tensor.ref()}
    stack = [tensor]
    while stack:
        for parent in stack.pop().op.inputs:
            if parent.ref() not in seen:
                seen.add(parent.ref())
                stack.append(parent)
    return seen


def is_map(tensor: Any) -> bool:
    """Tells whether a tensor has four axes and places: (B, h, w, K), larger than 1x1."""
    shape = getattr(tensor, "shape", None)
    return shape is not None and hasattr(tensor, "op") and len(shape) == 4 and tuple(shape[1:3]) != (1, 1)


def flattens(calls: list[Call]) -> bool:
    """Tells whether a model lays a map out as a vector, so that it runs at one input size only."""
    return any(
        isinstance(call.layer, keras.layers.Flatten | keras.layers.Reshape)
        and is_map(call.input)
        and not _lines_up(call)
        for call in calls
    )


def _lines_up(call: Call) -> bool:
    """Tells whether a layer brings (B, h, w, K) to (B, h w, K), whatever rows and columns there are."""
    shape = tuple(getattr(call.layer, "target_shape", ()))
    return len(shape) == 2 and shape == (-1, call.input.shape[-1])
