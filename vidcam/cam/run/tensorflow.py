"""TensorFlow as an engine: a network as it is, wherever OpenVINO is missing, cannot, or would be slower."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from vidcam._tensorflow import tf
from vidcam.cam.build.graph import trace, trace_head, trace_masked
from vidcam.cam.build.network import Network, freeze, image_spec
from vidcam.cam.run import Pass
from vidcam.cam.targets import Layers
from vidcam.errors import UsageError
from vidcam.types import Array


class TensorFlow:
    """Computes a network with its weights as constants; see `vidcam.cam.run.Engine`.

    Args:
        network: the model.
        layer: see `vidcam.cam.build.graph.trace`.
        dtype: of the pictures.
    """

    name = "tensorflow"

    def __init__(self, network: Network, layer: Layers, dtype: str = "uint8") -> None:
        self._network = network
        self._traced = trace(network, layer, dtype=dtype)
        self.facts = self._traced.facts

    @cached_property
    def _forward(self) -> Callable[[Any], Any]:
        network = self._network.with_values()
        return freeze(lambda images: network.trace(images)[1:3], [image_spec(network.shape, "uint8")])

    @cached_property
    def _masked(self) -> Callable[[Any, Any], Any]:
        return trace_masked(self._network)

    @cached_property
    def _heads(self) -> dict[int, Callable[[Any], Any]]:
        return {}

    def prepare(self, height: int, width: int) -> None:
        """Needs nothing: one graph computes pictures of every size."""

    def begin(self, height: int, width: int) -> None:
        """Needs nothing, either."""

    def run(self, images: Array, selection: Array) -> Pass:
        outputs = [t.numpy() for t in self._traced.function(tf.constant(images), tf.constant(selection))]
        return Pass(outputs[0], outputs[1], outputs[2::2], outputs[3::2])

    def classify(self, images: Array) -> tuple[Array, Array]:
        logits, probabilities = self._forward(tf.constant(images))
        return logits.numpy(), probabilities.numpy()

    def classify_masked(self, image: Array, masks: Array) -> Array:
        logits: Array = self._masked(tf.constant(image), tf.constant(masks.astype(np.float32)))[0].numpy()
        return logits

    def classify_features(self, features: Array, layer: int, size: tuple[int, int]) -> Array:
        if layer not in self._heads:
            self._heads[layer] = trace_head(self._traced, layer)
        try:
            logits: Array = self._heads[layer](tf.constant(features))[0].numpy()
        except tf.errors.InvalidArgumentError as error:
            if "images" not in str(error):
                raise
            raise UsageError(  # the pictures are asked for
                "method reciprocam cannot be used for this layer: the classes depend on more than its map"
            ) from error
        return logits
