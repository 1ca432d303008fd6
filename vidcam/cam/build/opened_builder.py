"""A network that OpenVINO reads to an explainer graph, and to what `vidcam inspect` shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from vidcam._openvino import last_words, ov
from vidcam.cam.build.names import find_layer
from vidcam.cam.build.opened import logits_of, scale_pixels, write_graph
from vidcam.cam.build.opened_layers import MapTensor, default_layer, find_layers, named
from vidcam.cam.run.graph import Facts, Graph
from vidcam.cam.run.openvino import OpenVINO
from vidcam.cam.targets import Layers
from vidcam.errors import UsageError
from vidcam.types import Array, Classifier

FAR = 1e-3
"""Of the largest logit, how far a picture's may be from what it gives beside itself, where it lies beside another."""


class Sight(NamedTuple):
    """What was found in a network: its parts, the layers that can be explained, and the ones that are."""

    model: Any
    images: Any
    logits: Any
    end: str
    layers: Mapping[str, MapTensor]
    targets: list[MapTensor]
    reason: str


def look_into(
    classifier: Classifier, height: int, width: int, layer: Layers = None, *, peek: bool = False, single: bool = False
) -> Sight:
    """Looks into a network.

    Args:
        classifier: of an `OpenNetwork`.
        height: of the pictures.
        width: of the pictures.
        layer: the layers to explain, None for the last with a map.
        peek: look at a clone, so that nothing is read again.
        single: take one picture at a time.

    Returns:
        Its parts, of a model of the caller's own.

    Raises:
        UsageError: nothing in it has positions that lead to its classes, or no layer of that name; it does not run at
            that size.
    """
    network = classifier.network
    model = network.peek().clone() if peek else network.read()
    images = scale_pixels(model, classifier.scaling, network.channels_first)
    model = ov.Model(model.get_results(), [images], "network")
    batch = ov.Dimension(1) if single else images.get_partial_shape()[0]
    try:
        model.reshape({"images": ov.PartialShape([batch, height, width, classifier.channels])})
    except RuntimeError as error:
        own = "other sizes" if network.size is None else f"{network.size[1]}x{network.size[0]} pixels"
        raise UsageError(f"{classifier.name}: does not run at {width}x{height} pixels; it takes {own}") from error
    logits, end = logits_of(model)
    found = find_layers(model, images, logits, getattr(classifier, "token_grid", None))
    candidates = named(found)
    chosen, reason = default_layer(found, classifier.name)
    targets = [chosen]
    if layer is not None:
        reason = "named by the model"
        # Names of layers may hold commas, and slashes of their own.
        parts = [layer] if isinstance(layer, str) and layer in candidates else layer
        parts = [part.strip() for part in parts.split(",")] if isinstance(parts, str) else parts
        targets = [find_layer(candidates, p, classifier.name) for p in parts]
    return Sight(model, images, logits, end, candidates, targets, reason)


class OpenBuilder:
    """Makes the graphs of a network that OpenVINO reads.

    Args:
        classifier: of an `OpenNetwork`.
        layer: the layers to explain, None for the last with a map.
    """

    def __init__(self, classifier: Classifier, layer: Layers) -> None:
        self._classifier = classifier
        self._layer = layer

    @property
    def open(self) -> bool:
        """Whether pictures may be of several sizes."""
        return self._classifier.network.size is None

    @cached_property
    def facts(self) -> Facts:
        """What is known about the network."""
        width, height = self._classifier.input_size
        return self._made(height, width, single=False).facts

    def key(self) -> str:
        """Names the network by its file."""
        return str(self._classifier.network.digest)

    def build(self, height: int, width: int) -> Graph:
        """Makes the graph for pictures of a size; one at a time where the network does not take several.

        Raises:
            UsageError: the network does not run at that size, or not at all.
        """
        graph = self._made(height, width, single=False)
        if self._takes_several(graph, height, width):
            return graph
        graph = self._made(height, width, single=True)
        try:
            OpenVINO(lambda *_: graph, 1).classify(self._pictures(height, width)[:1])
        except RuntimeError as error:
            raise UsageError(f"{self._classifier.name}: OpenVINO cannot compute it ({last_words(error)})") from error
        return graph

    def _made(self, height: int, width: int, *, single: bool) -> Graph:
        seen = look_into(self._classifier, height, width, self._layer, single=single)
        written = write_graph(seen.model, seen.logits, seen.end, seen.targets, seen.images)
        facts = Facts(
            layers=tuple(target.path for target in seen.targets),
            classes=written.classes,
            end=seen.end,
            pooled_head=written.pooled_head,
            without=written.without,
        )
        return Graph(facts, (height, width), 0.0, written.model.clone)

    def _takes_several(self, graph: Graph, height: int, width: int) -> bool:
        """Tells whether each of two pictures gives what it gives beside itself: compiled once, which takes longest."""
        pictures = self._pictures(height, width)
        engine = OpenVINO(lambda *_: graph, len(pictures))
        try:
            together = engine.classify(pictures)[0]
            alike = [engine.classify(np.stack([picture, picture]))[0] for picture in pictures]
        except RuntimeError:
            return False
        if any(len(logits) != len(pictures) for logits in (together, *alike)):
            return False
        peak = float(np.abs(alike).max()) or 1.0
        far = max(float(np.abs(logits - together[i]).max()) for i, logits in enumerate(alike))
        return not np.isfinite(alike).all() or far <= FAR * peak

    def _pictures(self, height: int, width: int) -> Array:
        shape = (2, height, width, self._classifier.channels)
        return np.random.default_rng(0).integers(0, 256, shape, np.uint8)
