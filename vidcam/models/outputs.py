"""What a Keras model takes and gives, and which of several outputs gives the classes."""

from __future__ import annotations

import math
from typing import Any

from vidcam._tensorflow import keras
from vidcam.errors import NoClassifier, Unsaid, UsageError


def with_one_output(network: Any, output: str | int | None, name: str) -> Any:
    """Returns a Keras model of the one output that gives the classes.

    Args:
        network: the model, which stays as it is.
        output: the name or index of the output, None where it need not be said.
        name: of the model, for messages.

    Returns:
        The model itself where it has one output, else a new one of the same layers.

    Raises:
        Unsaid: there are several, and none is named.
        UsageError: there is none of that name.
    """
    given = getattr(network, "_outputs_struct", None)  # of functional models; others have one output
    if not isinstance(given, dict | list | tuple):
        if output is None or str(output) in ("0", *getattr(network, "output_names", ())):
            return network
        raise UsageError(f"{name}: has no output {str(output)!r}; it gives one")
    tensors, names = network.outputs, _names(network, given)
    told = ", ".join(f"{n} {tuple(t.shape)}" for n, t in zip(names, tensors, strict=True))
    chosen = str(output) if output is not None else "0" if len(tensors) == 1 else None
    if chosen is None:
        lists = [i for i, t in enumerate(tensors) if len(t.shape) == 2] or list(range(len(tensors)))
        guess = max(lists, key=lambda i: math.prod(n or 1 for n in tensors[i].shape[1:]))
        raise Unsaid(
            f"{name}: gives {len(tensors)} outputs ({told}); name the one of the classes with --model-output (output=)",
            "output",
            names[guess],
        )
    if chosen not in names and not (chosen.isdecimal() and int(chosen) < len(tensors)):
        raise UsageError(f"{name}: has no output {chosen!r}; it gives {told}")
    tensor = tensors[names.index(chosen) if chosen in names else int(chosen)]
    return keras.Model(network.inputs, tensor, name=network.name)


def no_classifier(network: Any, message: str) -> NoClassifier:
    """Returns the error that says why a Keras model is not explained, with its inputs and outputs where it knows them.

    Args:
        network: the model.
        message: why.
    """
    inputs, outputs = (
        [
            f"{t.name} {'x'.join('?' if n is None else str(n) for n in t.shape)}"
            for t in getattr(network, name, None) or ()
        ]
        for name in ("inputs", "outputs")
    )
    return NoClassifier(message, "Keras", inputs, outputs)


def _names(network: Any, given: Any) -> list[str]:
    """Returns what each output goes by: its key, or its layer's name where no other has that."""
    if isinstance(given, dict):
        return [str(key) for key in sorted(given)]
    names = [str(name) for name in network.output_names]
    return names if len(set(names)) == len(network.outputs) else [str(i) for i in range(len(network.outputs))]
