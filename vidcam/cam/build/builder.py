"""A Keras model to graphs for OpenVINO, each compared with TensorFlow's results once."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from vidcam._tensorflow import tf
from vidcam.cam.build.content import Content, traced_content
from vidcam.cam.build.convert import convert
from vidcam.cam.build.graph import Traced, trace
from vidcam.cam.build.network import Network
from vidcam.cam.methods import METHODS
from vidcam.cam.run import Pass, Unsupported
from vidcam.cam.run.graph import Facts, Graph
from vidcam.cam.run.openvino import OpenVINO
from vidcam.cam.targets import Layers
from vidcam.types import Array

COMPARED = ("gradcam", "hirescam")
"""The methods whose maps are compared: one averages the gradient, one takes it place by place."""
OTHER = 64
"""Pixels by which a second size differs that an open graph is compared at."""


class Builder:
    """Makes the graphs of a network; it is traced once, when that is needed.

    Args:
        network: the model.
        layer: see `vidcam.cam.build.graph.trace`.
    """

    def __init__(self, network: Network, layer: Layers) -> None:
        self._network = network
        self._layer = layer

    @property
    def open(self) -> bool:
        """Whether pictures may be of several sizes."""
        return None in self._network.shape

    @cached_property
    def traced(self) -> Traced:
        """The network, traced."""
        return trace(self._network, self._layer, frozen=False)

    @property
    def facts(self) -> Facts:
        """What is known about the network."""
        return self.traced.facts

    @cached_property
    def _content(self) -> Content:
        return traced_content(self.traced.function)

    def key(self) -> str | None:
        """Names the network by its operations and weights; None where that cannot be.

        Raises:
            Unsupported: OpenVINO cannot compute it.
        """
        return self._content.key()

    def build(self, height: int, width: int) -> Graph:
        """Makes the graph for pictures of any size where the network allows that, else for those of one size.

        Raises:
            Unsupported: OpenVINO cannot compute it; says why.
        """
        if self.open:
            try:
                return self._made(None, height, width)
            except Unsupported:  # what runs backwards may need to know rows and columns
                pass
        return self._made((height, width), height, width)

    def _made(self, size: tuple[int, int] | None, height: int, width: int) -> Graph:
        t = self.traced
        channels = self._network.shape[2]
        model = convert(self._content, (*(size or (None, None)), channels), t.facts.classes)
        sizes = [(height, width)] if size else [(height, width), (height, width + OTHER)]
        graph = Graph(t.facts, size, 0.0, model.clone)
        difference = max(self._difference(graph, (*s, channels)) for s in sizes)
        return Graph(t.facts, size, difference, model.clone)

    def _difference(self, graph: Graph, shape: tuple[int, int, int]) -> float:
        """Returns how far maps, logits and probabilities are from TensorFlow's, at most, of each one's maximum."""
        pictures, selection = examples(2, shape), np.zeros(graph.facts.classes + 2, np.float32)
        selection[-2:] = 1.0, -0.5  # the best class rather than the next
        want = [t.numpy() for t in self.traced.function(tf.constant(pictures), tf.constant(selection))]
        try:
            found = OpenVINO(lambda *_: graph, 2).run(pictures, selection)
        except RuntimeError as error:
            raise Unsupported(f"OpenVINO cannot compile it ({str(error).strip().splitlines()[-1].strip()})") from error
        return _difference(_compared(found), _compared(Pass(want[0], want[1], want[2::2], want[3::2])))


def _compared(one: Pass) -> list[Array]:
    maps = [METHODS[m].function(a, g) for m in COMPARED for a, g in zip(one.activations, one.gradients, strict=True)]
    return [one.logits, one.probabilities, *maps]


def examples(count: int, shape: tuple[int, int, int]) -> Array:
    """Returns pictures of patches and noise, always the same."""
    rng = np.random.default_rng(0)
    patches = rng.uniform(0, 255, (count, *(-(-n // 16) for n in shape[:2]), shape[2]))
    pictures = patches.repeat(16, 1)[:, : shape[0]].repeat(16, 2)[:, :, : shape[1]]
    made: Array = (pictures * 0.8 + rng.uniform(0, 51, pictures.shape)).astype(np.uint8)
    return made


def _difference(found: list[Array], expected: list[Array]) -> float:
    differences = []
    for a, b in zip(found, expected, strict=True):
        if a.shape != b.shape or (np.isfinite(a) != np.isfinite(b)).any():
            return float("inf")
        finite = np.isfinite(b)
        peak = float(np.abs(b[finite]).max(initial=0.0)) or 1.0
        differences.append(float(np.abs(a[finite] - b[finite]).max(initial=0.0)) / peak)
    return max(differences)
