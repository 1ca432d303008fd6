"""What a Keras network tells of itself: which known network it is made from, and what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vidcam._tensorflow import keras
from vidcam.errors import Unsaid
from vidcam.models import zoo
from vidcam.models.preprocess import PREPROCESSING

OWN_SCALING = ("Rescaling", "Normalization")
SCALING_LAYERS = ("TrueDivide", "Divide", "Multiply", "Subtract")
BARE = {
    "mobilenet_v3_small": "tf",
    "mobilenet_v3_large": "tf",
    **dict.fromkeys((name for name in zoo.ZOO if name.startswith("efficientnet_v2")), "tf"),
    **dict.fromkeys((name for name in zoo.ZOO if name.startswith("efficientnet_b")), "torch"),
    **dict.fromkeys((name for name in zoo.ZOO if name.startswith("convnext")), "torch"),
}
"""What networks take that scale pixels themselves, when they are built without that: `include_preprocessing=False`."""
FUSED = "block1a_project_conv"
"""A layer's name that only EfficientNetV2 has among those with a `top_activation`."""


def walk(network: Any) -> Iterator[Any]:
    """Yields a model and every layer below it."""
    yield from network._flatten_layers(include_self=True, recursive=True)


def known_network(network: Any) -> str | None:
    """Returns the zoo network that a model is or is made from, by a layer name that only that kind has."""
    names = {layer.name for layer in walk(network)}
    found = next((name for name, entry in zoo.ZOO.items() if entry.layer in names), None)
    if found == "efficientnet_b0" and FUSED in names and "block1a_dwconv" not in names:
        return "efficientnet_v2_b0"
    return found


def scaling(network: Any, name: str, known: str | None) -> tuple[str, str]:
    """Finds the step from RGB 0..255 to what a model takes.

    Args:
        network: the Keras model.
        name: its name, for messages.
        known: see `known_network`.

    Returns:
        The step's name (`PREPROCESSING`), and how it is known, in a few words.

    Raises:
        UsageError: nothing tells.
    """
    own = next((layer for layer in walk(network) if type(layer).__name__ in OWN_SCALING), None)
    if own is not None:
        return "none", f"its layer {own.name}"
    if _starts_with_arithmetic(network):
        return "none", "the arithmetic it begins with"
    if known is not None:
        title = zoo.ZOO[known].class_name
        return BARE.get(known, zoo.ZOO[known].preprocess), f"{title}'s own, told by its layers"
    raise Unsaid(
        f"{name}: how its pictures were scaled in training cannot be seen from the file; say it with --preprocess "
        f"(preprocess=): {', '.join(PREPROCESSING)} (unit for pixels divided by 255)",
        "preprocess",
        "none",
    )


def _starts_with_arithmetic(network: Any) -> bool:
    """Tells whether a functional model scales its input by plain operations, as `preprocess_input(inputs)` does."""
    for operation in getattr(network, "operations", []):
        if hasattr(operation, "scales"):  # an operation of Keras 2, which is a layer in Keras 3
            if operation.scales:
                return True
        elif type(operation).__name__ in SCALING_LAYERS and not isinstance(operation, keras.layers.Layer):
            return True
        if getattr(operation, "weights", None):
            return False
    return False


def is_teachable(network: Any) -> bool:
    """Tells a network that Teachable Machine made by its build: MobileNetV2 pooled, then two dense layers."""
    parts = [type(part).__name__ for part in getattr(network, "layers", [])]
    if parts != ["Sequential", "Sequential"] or known_network(network) != "mobilenet_v2":
        return False
    backbone, head = ([type(layer).__name__ for layer in part.layers] for part in network.layers)
    return backbone[1:] == ["GlobalAveragePooling2D"] and head == ["Dense", "Dense"]
