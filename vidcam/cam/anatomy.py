"""What can be explained of a classifier: its layers with a map, the one that is chosen, the methods its head allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vidcam._tensorflow import tf
from vidcam.cam.head import dense_weights
from vidcam.cam.methods import METHODS
from vidcam.cam.network import Network, image_spec
from vidcam.cam.trace import End, choose_layer, default_layer, explainable
from vidcam.errors import UsageError
from vidcam.types import Classifier


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that a map can be made from.

    Attributes:
        path: what `--layer` takes.
        kind: the name of its class.
        shape: rows, columns and channels of its map at the classifier's own input size.
    """

    path: str
    kind: str
    shape: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A classifier as vidcam sees it.

    Attributes:
        layers: those with a map, in the order of the forward pass.
        chosen: the path of the one that is explained.
        reason: why that one.
        end: what the network ends with.
        methods: the names of the methods that are defined for it.
    """

    layers: tuple[Layer, ...]
    chosen: str
    reason: str
    end: End
    methods: tuple[str, ...]


def dissect(classifier: Classifier) -> Anatomy:
    """Looks into a classifier, without any picture.

    Args:
        classifier: what `vidcam.load_model` returns.

    Returns:
        What can be explained of it.

    Raises:
        UsageError: it has no convolution whose map leads to its classes, or no layer of the name that it was given.
    """
    width, height = classifier.input_size
    shape = (height, width, classifier.channels)
    network = Network(classifier.model, classifier.name, classifier.scale, shape)
    found: list[Anatomy] = []

    def look(images: Any) -> Any:
        raw, logits, _, calls, end = network.trace(images)
        candidates = explainable(calls, raw)
        call, reason = choose_layer(candidates, classifier.layer, classifier.name), "named by the model"
        if classifier.layer is None:
            call, reason = default_layer(candidates)
        methods = [m for m in METHODS.values() if "weights" not in m.needs or _has_dense_head(call.output, raw)]
        found.append(
            Anatomy(
                layers=tuple(
                    Layer(c.path, type(c.layer).__name__, tuple(c.output.shape[1:])) for c in candidates.values()
                ),
                chosen=call.path,
                reason=reason,
                end=end,
                methods=tuple(m.name for m in methods),
            )
        )
        return logits

    tf.function(look, input_signature=[image_spec(shape, "uint8")], autograph=False).get_concrete_function()
    return found[-1]


def _has_dense_head(activations: Any, raw: Any) -> bool:
    try:
        dense_weights(activations, raw)
    except UsageError:
        return False
    return True
