"""Where a classifier's graphs come from: its own file, those that were kept, or the Keras model."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vidcam import _cache
from vidcam.cam.run import Unsupported
from vidcam.cam.run.graph import Facts, Graph, facts_on, stored_graph
from vidcam.cam.targets import Layers
from vidcam.errors import UsageError, VidcamError
from vidcam.types import Array, Classifier, OpenNetwork

if TYPE_CHECKING:
    from vidcam.cam.build.builder import Builder
    from vidcam.cam.build.network import Network
    from vidcam.cam.build.opened_builder import OpenBuilder

SAME, WRONG = 1e-4, 5e-2
"""Of an output's maximum, how far a converted graph may be from TensorFlow's: to be taken without being asked for, and
at all. Rounding alone makes 1e-5 or less; where gradients pass many layers, those that switch at 0 or at a window's
maximum turn rounding into more."""
FACTS = "-facts"
"""Ends the name of an entry that says what is known of a network whose graphs are of one size each."""


class Graphs:
    """The graphs of a classifier for OpenVINO.

    Args:
        classifier: whose network it is.
        layer: the layers to explain; None for the classifier's own, or the last one with a map.
        weights: values to compute with instead of the model's own.
        limit: how far a graph's results may be from TensorFlow's.
    """

    def __init__(self, classifier: Classifier, layer: Layers, weights: Sequence[Array] | None, limit: float) -> None:
        self._classifier = classifier
        self._layer = layer or classifier.layer
        self._weights = weights
        self._limit = limit
        self._found: dict[tuple[int, int] | None, Graph] = {}

    def at(self, height: int, width: int) -> Graph:
        """Returns the graph that takes pictures of a size.

        Raises:
            Unsupported: OpenVINO cannot compute the network.
        """
        for size in (None, (height, width)):
            if size in self._found:
                return self._found[size]
        graph = self._kept(height, width) or self._made(height, width)
        if not graph.difference <= self._limit:
            raise Unsupported(f"OpenVINO's result differs from TensorFlow's by {graph.difference:.1g} of the maximum")
        self._found[graph.size] = graph
        return graph

    @functools.cached_property
    def facts(self) -> Facts:
        """What is known about the network.

        Raises:
            Unsupported: OpenVINO cannot compute the network.
        """
        width, height = self._classifier.input_size[0], input_height(self._classifier)
        graph = next(iter(self._found.values()), None) or self._kept(height, width)
        if graph is not None:
            return graph.facts
        stored = _cache.load(f"{self._key}{FACTS}") if self._key else None
        if stored is not None:
            return facts_on(stored.card)
        network = self._classifier.network
        if isinstance(network, OpenNetwork) and network.size is not None:
            return self.at(height, width).facts  # of the one graph that there will be
        return self._builder.facts

    def _kept(self, height: int, width: int) -> Graph | None:
        """Looks for a graph without tracing the network: its own file's, or one that was kept under its name."""
        own = self._own
        if own is not None and own.size in (None, (height, width)):
            return own
        return None if self._key is None else _load(self._key, height, width)

    @functools.cached_property
    def _own(self) -> Graph | None:
        """The graph of the classifier's own file, where that explains the layer."""
        c = self._classifier
        if c.graph is None or self._weights is not None:
            return None
        try:
            graph = stored_graph(c.graph)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[-100:]
            raise VidcamError(f"{c.source}: its graph is damaged ({type(error).__name__}: {reason})") from error
        return graph if _text(self._layer) in (None, ",".join(graph.facts.layers)) else None

    @functools.cached_property
    def _key(self) -> str | None:
        """Names the network's graphs where the network has a name."""
        return None if self._weights is not None else graph_name(self._classifier, self._layer)

    def _made(self, height: int, width: int) -> Graph:
        builder = self._builder
        key = self._key
        if key is None and self._weights is None:
            key = _named(builder.key())
            graph = None if key is None else _load(key, height, width)
            if graph is not None:
                return graph
        graph = builder.build(height, width)
        stored = None
        if key is not None:
            stored = _cache.store(_entry(key, graph.size), graph.card(), graph.model())
            if graph.size is not None and builder.open:
                _cache.store(f"{key}{FACTS}", graph.card())
        return graph if stored is None else stored_graph(stored)  # its weights mapped, not held

    @functools.cached_property
    def _builder(self) -> Builder | OpenBuilder:
        if isinstance(self._classifier.network, OpenNetwork):
            if self._weights is not None:
                raise UsageError(f"{self._classifier.name}: other weights can be computed with in Keras models only")
            from vidcam.cam.build.opened_builder import OpenBuilder

            return OpenBuilder(self._classifier, self._layer)
        from vidcam.cam.build.builder import Builder

        return Builder(network_of(self._classifier, self._weights), self._layer)


def input_height(classifier: Classifier) -> int:
    """Returns the height of what the network is given; a window's frames come in one picture, one under another."""
    return classifier.input_size[1] * max(1, classifier.frames)


def network_of(classifier: Classifier, weights: Sequence[Array] | None = None) -> Network:
    """Returns a classifier's Keras model as it is traced, with other values for its weights or not."""
    from vidcam._tensorflow import input_shape
    from vidcam.cam.build.network import Network

    c = classifier
    own = input_shape(c.model) if not c.frames else None
    fixed = (c.input_size[1], c.input_size[0])
    # Open where sizes vary, and where the model has to refuse.
    at_own_size = c.fit != "keep" and (own is None or own[1:3] in (fixed, (None, None)))
    shape = (*(fixed if at_own_size else (None, None)), c.channels)
    if c.frames:
        shape = (input_height(c), fixed[1], c.channels)
    return Network(
        c.model, c.name, c.scale, shape, weights, size=fixed, grid=getattr(c, "token_grid", None), frames=c.frames
    )


def graph_name(classifier: Classifier, layer: Layers) -> str | None:
    """Names the graphs of a classifier that explain a layer; None where its network has no name."""
    c = classifier
    if isinstance(c.network, OpenNetwork):
        grid = getattr(c, "token_grid", None)
        return _named([c.network.digest, c.preprocess, c.channels, _text(layer), grid])
    return None if c.identity is None else _named([c.identity, c.preprocess, c.channels, _text(layer)])


def _text(layer: Layers) -> str | None:
    return layer if isinstance(layer, str | None) else ",".join(layer)


def _named(content: Any) -> str | None:
    """Names a network by its content and all that makes a graph of it."""
    if content is None:
        return None
    return hashlib.sha256(json.dumps([content, makers()]).encode()).hexdigest()[:40]


@functools.cache
def makers() -> tuple[str, list[tuple[str, str]]]:
    """Returns what graphs are made by: vidcam's own code, and the versions of the libraries."""
    import importlib.metadata
    from pathlib import Path

    own = hashlib.sha256()
    here = Path(__file__).parent
    for file in sorted([*here.glob("build/*.py"), *here.glob("run/graph.py")]):
        own.update(file.read_bytes())
    versions = []
    for library in ("openvino", "tensorflow", "keras"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append((library, importlib.metadata.version(library)))
    return own.hexdigest(), versions


def _entry(key: str, size: tuple[int, int] | None) -> str:
    return key if size is None else f"{key}-{size[0]}x{size[1]}"


def _load(key: str, height: int, width: int) -> Graph | None:
    for size in (None, (height, width)):
        stored = _cache.load(_entry(key, size))
        if stored is not None:
            try:
                return stored_graph(stored)
            except (KeyError, TypeError, ValueError, RuntimeError):  # has the right checksums and is yet not to be read
                _cache.remove(_entry(key, size))
    return None
