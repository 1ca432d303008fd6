"""`Runner`: computes a classifier's network with the engine that was asked for, or the best that can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from vidcam._openvino import installed
from vidcam.cam.graphs import SAME, WRONG, Graphs, input_height, network_of
from vidcam.cam.run import Engine, EngineName, Pass, Unsupported, check_engine, gpu
from vidcam.cam.run.graph import Facts
from vidcam.cam.targets import Layers
from vidcam.errors import UsageError
from vidcam.types import Array, Classifier, OpenNetwork

T = TypeVar("T")


class Runner:
    """Computes a classifier's network on batches.

    `auto` stands for OpenVINO where it is installed, TensorFlow sees no GPU, and the network converts; else for
    TensorFlow. What decides is known after `prepare` or the first batch.

    Args:
        classifier: whose network it is.
        layer: the layers to explain; None for the classifier's own, or the last one with a map.
        weights: values to compute with instead of the model's own.
        engine: `auto`, `tensorflow` or `openvino`.
        batch_size: of whole batches.

    Attributes:
        note: why it is TensorFlow although OpenVINO is there, empty where there is nothing to tell.

    Raises:
        UsageError: the engine is unknown, not to be had, or cannot compute the network, or the layer is none of it.
    """

    def __init__(
        self,
        classifier: Classifier,
        layer: Layers,
        *,
        weights: Sequence[Array] | None,
        engine: EngineName,
        batch_size: int,
    ) -> None:
        self._classifier = classifier
        self._layer = layer
        self._weights = weights
        self._asked = check_engine(engine)
        self.note = ""
        opened = isinstance(classifier.network, OpenNetwork)
        if opened and engine == "tensorflow":
            raise UsageError(
                f"--engine tensorflow: {classifier.name} is {classifier.network.kind}, which OpenVINO computes; "
                "leave --engine out"
            )
        without = classifier.network is None  # a graph alone
        if opened or engine == "openvino" or (engine == "auto" and installed() and (without or not gpu())):
            from vidcam.cam.run.openvino import OpenVINO

            graphs = Graphs(classifier, layer, weights, WRONG if engine == "openvino" else SAME)
            self._engine: Engine = OpenVINO(graphs.at, batch_size)
            try:
                self.facts: Facts = graphs.facts
                if classifier.fit != "keep":
                    self.prepare(input_height(classifier), classifier.input_size[0])
            except Unsupported as error:
                self._fall_back(error)
        else:
            self._take_tensorflow()

    @property
    def name(self) -> str:
        """`tensorflow` or `openvino`."""
        return self._engine.name

    def prepare(self, height: int, width: int) -> None:
        """Makes ready for pictures of a size.

        Raises:
            UsageError: the engine that was asked for cannot compute the network.
        """
        self._try(lambda engine: engine.prepare(height, width))

    def begin(self, height: int, width: int) -> None:
        """Compiles for whole batches of a size that there was made ready for."""
        self._engine.begin(height, width)

    def run(self, images: Array, selection: Array) -> Pass:
        """See `vidcam.cam.run.Engine`, as for the rest."""
        return self._try(lambda engine: engine.run(images, selection))

    def classify(self, images: Array) -> tuple[Array, Array]:
        return self._try(lambda engine: engine.classify(images))

    def classify_masked(self, image: Array, masks: Array) -> Array:
        return self._try(lambda engine: engine.classify_masked(image, masks))

    def classify_features(self, features: Array, layer: int, size: tuple[int, int]) -> Array:
        return self._try(lambda engine: engine.classify_features(features, layer, size))

    def _try(self, compute: Callable[[Engine], T]) -> T:
        try:
            return compute(self._engine)
        except Unsupported as error:
            self._fall_back(error)
            return compute(self._engine)

    def _fall_back(self, error: Unsupported) -> None:
        name = self._classifier.name
        if isinstance(self._classifier.network, OpenNetwork):
            raise UsageError(f"{name}: {error}") from error
        if self._asked != "auto":
            raise UsageError(f"--engine {self._asked}: {name}: {error}; --engine tensorflow computes it") from error
        self._take_tensorflow()
        self.note = f"{name} runs on TensorFlow: {error}"

    def _take_tensorflow(self) -> None:
        from vidcam.cam.run.tensorflow import TensorFlow

        engine = TensorFlow(network_of(self._classifier, self._weights), self._layer or self._classifier.layer)
        self._engine, self.facts = engine, engine.facts
