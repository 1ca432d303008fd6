"""What can be explained of a classifier: its layers with a map, the one that is chosen, the methods its head allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from vidcam._tensorflow import tf
from vidcam.cam.build.choose import Candidate, choose_layer, default_layer, explainable, laid_out
from vidcam.cam.build.head import has_pooled_head
from vidcam.cam.build.network import image_spec
from vidcam.cam.build.trace import End
from vidcam.cam.graphs import network_of
from vidcam.cam.methods import METHODS
from vidcam.types import Classifier, OpenNetwork


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
        UsageError: nothing in it has positions that lead to its classes, or no layer of the name that it was given.
    """
    width, height = classifier.input_size
    if isinstance(classifier.model, OpenNetwork):
        return _dissect_opened(classifier, height, width)
    network = network_of(classifier)
    found: list[Candidate] = []
    facts: dict[str, Any] = {}

    def look(images: Any) -> Any:
        forward = network.trace(images)
        choice = explainable(network, forward)
        chosen, reason = choose_layer(choice, classifier.layer, classifier.name), "named by the model"
        if classifier.layer is None:
            chosen, reason = default_layer(choice)
        pooled = has_pooled_head(chosen, forward.raw)
        methods = tuple(m.name for m in METHODS.values() if m.needs != "pooled head" or pooled)
        found.extend(choice.candidates.values())
        facts.update(chosen=chosen.path, reason=reason, end=forward.end, methods=methods)
        # Rows and columns may be open.
        return tuple(tf.shape(laid_out(c.outputs, c.positions, network, images))[1:] for c in found)

    concrete = tf.function(look, input_signature=[image_spec(network.shape, "uint8")], autograph=False)
    shapes = concrete(tf.zeros((1, height, width, classifier.channels), "uint8"))
    layers = (
        Layer(c.path, type(c.layer).__name__, tuple(s.numpy().tolist())) for c, s in zip(found, shapes, strict=True)
    )
    return Anatomy(layers=tuple(layers), **facts)


def _dissect_opened(classifier: Classifier, height: int, width: int) -> Anatomy:
    from vidcam.cam.build.opened_builder import look
    from vidcam.cam.graphs import Graphs

    seen = look(classifier, height, width, classifier.layer, peek=True)
    facts = Graphs(classifier, None, None, 1.0).facts
    methods = [m.name for m in METHODS.values() if m.needs != "pooled head" or facts.pooled_head]
    if facts.without:
        methods = [m for m in methods if METHODS[m].needs != "gradient"]
    return Anatomy(
        layers=tuple(Layer(layer.path, layer.kind, layer.shape) for layer in seen.layers.values()),
        chosen=facts.layers[0],
        reason=seen.reason,
        end=cast(End, seen.end),
        methods=tuple(methods),
    )
