"""A network that OpenVINO reads to an explainer graph, and to what `vidcam inspect` shows of it."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from vidcam._openvino import ov
from vidcam.cam.build.names import find_layer
from vidcam.cam.build.opened import (
    Layer,
    default_layer,
    layers_of,
    logits_of,
    named,
    scale_pixels,
    write_graph,
)
from vidcam.cam.run.graph import Facts, Graph
from vidcam.cam.run.openvino import OpenVINO
from vidcam.cam.targets import Layers
from vidcam.errors import UsageError
from vidcam.types import Classifier

FAR = 1e-3
"""Of the largest logit, how far two pictures together may be from each alone."""


class Sight(NamedTuple):
    """What was found in a network: its parts, the layers that can be explained, and the ones that are."""

    model: Any
    images: Any
    logits: Any
    end: str
    layers: dict[str, Layer]
    targets: list[Layer]
    reason: str


def look(classifier: Classifier, height: int, width: int, layer: Layers = None, *, peek: bool = False) -> Sight:
    """Looks into a network.

    Args:
        classifier: of an `OpenNetwork`.
        height: of the pictures.
        width: of the pictures.
        layer: the layers to explain, None for the last with a map.
        peek: look at a clone, so that nothing is read again.

    Returns:
        Its parts, of a model of the caller's own.

    Raises:
        UsageError: it has no convolution whose map leads to its classes, or no layer of that name.
    """
    network = classifier.network
    model = network.peek().clone() if peek else network.read()
    images = scale_pixels(model, classifier.scaling, network.channels_first)
    model = ov.Model(model.get_results(), [images], "network")
    batch = images.get_partial_shape()[0]
    try:
        model.reshape({"images": ov.PartialShape([batch, height, width, classifier.channels])})
    except RuntimeError as error:
        own = "other sizes" if network.size is None else f"{network.size[1]}x{network.size[0]} pixels"
        raise UsageError(f"{classifier.name}: does not run at {width}x{height} pixels; it takes {own}") from error
    logits, end = logits_of(model)
    found = layers_of(model, logits, network.channels_first)
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
        return self.build(height, width).facts

    def key(self) -> str:
        """Names the network by its file."""
        return str(self._classifier.network.digest)

    def build(self, height: int, width: int) -> Graph:
        """Makes the graph for pictures of a size.

        Raises:
            UsageError: the network does not run at that size, or one picture changes what it says of another.
        """
        seen = look(self._classifier, height, width, self._layer)
        written = write_graph(seen.model, seen.logits, seen.end, seen.targets, seen.images)
        facts = Facts(
            layers=tuple(target.path for target in seen.targets),
            classes=written.classes,
            end=seen.end,
            pooled_head=written.pooled_head,
            without=written.without,
        )
        graph = Graph(facts, (height, width), 0.0, written.model.clone)
        self._check_batch(graph, height, width)
        return graph

    def _check_batch(self, graph: Graph, height: int, width: int) -> None:
        """Checks that two pictures together give what each gives alone."""
        rng = np.random.default_rng(0)
        pictures = rng.integers(0, 256, (2, height, width, self._classifier.channels), np.uint8)
        engine = OpenVINO(lambda *_: graph, 2)
        try:
            together = engine.classify(pictures)[0]
            alone = np.concatenate([OpenVINO(lambda *_: graph, 1).classify(pictures[i : i + 1])[0] for i in range(2)])
        except RuntimeError as error:
            raise UsageError(
                f"{self._classifier.name}: OpenVINO cannot compute it for several pictures at once "
                f"({str(error).splitlines()[-1][:120]}); export it with an open batch dimension"
            ) from error
        peak = float(np.abs(alone).max()) or 1.0
        if np.isfinite(alone).all() and np.abs(together - alone).max() > FAR * peak:
            raise UsageError(
                f"{self._classifier.name}: one picture changes what it says of another; export it with an open batch "
                "dimension, or from PyTorch with dynamo=False"
            )
