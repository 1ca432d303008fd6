"""Looking into a model while its graph is traced: which layer made which tensor, where the logits and the last map are.

The user's model is only wrapped for the length of one call: each layer's `call` is shadowed on the instance and put
back in a `finally`. That works alike for Sequential, functional, nested and subclassed models. The graph itself says
the rest: the logits are what goes into the last softmax or sigmoid.
"""

from __future__ import annotations

import difflib
import functools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vidcam._tensorflow import keras
from vidcam.cam.targets import Layers
from vidcam.errors import UsageError

End = Literal["softmax", "sigmoid", "linear"]
LOCAL_POOLING = ("MaxPooling2D", "AveragePooling2D")
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


def explainable(calls: list[Call], logits: Any) -> dict[str, Call]:
    """Lists the layers that a class activation map can be made from, in the order of the forward pass.

    Those are the layers from the first convolution on whose output has positions and channels, (B, h, w, K) larger
    than 1x1, and leads to the logits. A layer called several times counts with its last call.

    Args:
        calls: what `record` noted.
        logits: the model's logits.

    Returns:
        Path -> call.
    """
    behind = ancestors(logits)
    found: dict[str, Call] = {}
    convolved = False
    for call in calls:
        convolved = convolved or any(len(w.shape) >= 3 for w in getattr(call.layer, "weights", []))
        if convolved and _is_map(call.output) and call.output.ref() in behind:
            found.pop(call.path, None)
            found[call.path] = call
    return found


def _is_map(tensor: Any) -> bool:
    shape = getattr(tensor, "shape", None)
    return shape is not None and hasattr(tensor, "op") and len(shape) == 4 and tuple(shape[1:3]) != (1, 1)


def default_layer(candidates: dict[str, Call]) -> tuple[Call, str]:
    """Chooses the layer to explain: the last one with a map, before the pooling that follows it.

    Pooling throws positions away that the layer before it still has (VGG16: 14x14 instead of 7x7).

    Args:
        candidates: what `explainable` lists, not empty.

    Returns:
        The call, and the reason in a few words.
    """
    by_output: dict[Any, Call] = {}
    for call in candidates.values():  # layers that hand their input on, and the models around a layer, come later
        by_output.setdefault(call.output.ref(), call)
    call = by_output[next(reversed(candidates.values())).output.ref()]
    reason = "the last layer with a map before the logits"
    while type(call.layer).__name__ in LOCAL_POOLING and call.input.ref() in by_output:
        reason = f"the input of the pooling {call.path}, the last layer with a map before the logits"
        call = by_output[call.input.ref()]
    return call, reason


def choose_layers(candidates: dict[str, Call], layer: Layers, model_name: str) -> list[Call]:
    """Finds the layers a user names, or the default one.

    Args:
        candidates: what `explainable` lists.
        layer: a path or the name of one layer; several by comma or as a sequence; None for the default one.
        model_name: for messages.

    Returns:
        The layers' calls, each once.

    Raises:
        UsageError: see `choose_layer`.
    """
    if isinstance(layer, str):
        layer = [layer] if layer in candidates else [part.strip() for part in layer.split(",")]
    names: Sequence[str | None] = layer or [None]
    calls = [choose_layer(candidates, name, model_name) for name in names]
    return list({call.path: call for call in calls}.values())


def choose_layer(candidates: dict[str, Call], layer: str | None, model_name: str) -> Call:
    """Finds the layer a user names, or the default one.

    Args:
        candidates: what `explainable` lists.
        layer: a path, the name of one layer, or None.
        model_name: for messages.

    Returns:
        The layer's call.

    Raises:
        UsageError: there is no layer with a map at all, or none of that name (close ones are listed), or several.
    """
    if not candidates:
        raise UsageError(
            f"{model_name}: has no convolution whose map leads to its classes; vidcam explains convolutional networks"
        )
    if layer is None:
        return default_layer(candidates)[0]
    matches = [path for path in candidates if path == layer or path.rsplit("/", 1)[-1] == layer]
    if layer in candidates:
        matches = [layer]
    if len(matches) == 1:
        return candidates[matches[0]]
    if matches:
        raise UsageError(f"layer {layer!r} is in {model_name} several times; name one: {', '.join(matches)}")
    close = difflib.get_close_matches(layer, candidates, n=4, cutoff=0.5)
    last = [path for path in list(candidates)[-4:] if path not in close]
    raise UsageError(
        f"layer {layer!r} is no layer of {model_name} that a map can be made from; "
        f"candidates: {', '.join([*close, *last])} ({len(candidates)} in all)"
    )


def flattens(calls: list[Call]) -> bool:
    """Tells whether a model lays a map out as a vector, so that it runs at one input size only."""
    return any(
        isinstance(call.layer, keras.layers.Flatten | keras.layers.Reshape) and _is_map(call.input) for call in calls
    )
