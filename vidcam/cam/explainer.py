"""`Explainer`: frames in, explanations out. It owns the graphs, the batches and the targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from vidcam._tensorflow import input_shape
from vidcam.cam.engines import Engine, Precision, check_engine
from vidcam.cam.engines.runner import Runner
from vidcam.cam.graph import build, build_forward
from vidcam.cam.methods import Method, find_method
from vidcam.cam.targets import Target, resolve_target
from vidcam.cam.trace import Layers
from vidcam.errors import UsageError
from vidcam.types import Array, Classifier, Explanation, Placement


class Explainer:
    """Explains what a classifier sees and where it looks.

    Args:
        classifier: what `vidcam.load_model` returns. Its weights are taken as they are now.
        method: the class activation method (`vidcam.cam.METHODS`).
        layer: path or name of the layer to explain; several by comma or as a sequence, whose maps are merged; None for
            the classifier's own, or the last one with a map.
        batch_size: how many frames are computed at once.
        against: show what speaks against the target: its negated logit is explained. For CAM, Grad-CAM, HiResCAM and
            XGrad-CAM that is the negated map.
        top_channels: for Score-CAM, how many channels get a forward pass, those with the greatest variance; None for
            all.
        weights: values to compute with instead of the model's own, one array for each of `model.weights`; the model
            stays as it is.
        engine: `tensorflow`, `openvino` (the extra `vidcam[openvino]`), or `auto`: OpenVINO where it is installed,
            TensorFlow sees no GPU, and every operation of the graph has a counterpart.
        precision: `float32`, or `bf16` on OpenVINO, on processors that have it: up to twice as fast; maps differ by
            some percent of their maximum, and frames whose top class is not certain are computed again in float32.

    Raises:
        UsageError: the method is unknown or not defined for this network, the layer is none of it, an option does not
            go with the method, or the engine cannot be had or does not know an operation.
    """

    def __init__(
        self,
        classifier: Classifier,
        method: str = "gradcam",
        layer: Layers = None,
        *,
        batch_size: int = 8,
        against: bool = False,
        top_channels: int | None = None,
        weights: Sequence[Array] | None = None,
        engine: Engine = "auto",
        precision: Precision = "float32",
    ) -> None:
        if not hasattr(classifier, "prepare"):
            raise UsageError("Explainer takes a Classifier; make one of a Keras model with vidcam.load_model(model)")
        if batch_size < 1:
            raise UsageError(f"batch size {batch_size} is out of range; it is at least 1")
        self.classifier = classifier
        self.method = find_method(method)
        check_method_options(self.method, against, top_channels)
        self.batch_size = batch_size
        self.against = against
        self.top_channels = top_channels
        self._asked = check_engine(engine, precision)
        self._classifier_graph: dict[str, Any] = {
            "name": classifier.name, "scale": classifier.scale, "shape": self._shape(), "weights": weights,
        }  # fmt: skip
        self._forward: Runner | None = None
        trace = partial(
            build,
            classifier.model,
            self.method,
            layer=layer or classifier.layer,
            against=against,
            top_channels=top_channels,
            **self._classifier_graph,
        )

        def function(frozen: bool) -> Any:
            graph = trace(frozen=frozen)
            self.layer, self._classes = graph.layer, graph.classes
            return graph.function

        self._maps = self._runner(function, lambda: (self._classes,))

    def _runner(self, trace: Callable[[bool], Any], rest: Callable[[], tuple[int, ...]]) -> Runner:
        c = self.classifier
        return Runner(
            trace,
            keep=self._classifier_graph["weights"] is None,
            what=f"{self.method.title} of {c.name}",
            engine=self._asked[0],
            precision=self._asked[1],
            batch_size=self.batch_size,
            shape=self._classifier_graph["shape"],
            rest=rest,
        )

    @property
    def engine(self) -> str:
        """`tensorflow` or `openvino`: what computes the maps; certain once pictures of a size are made `ready` for."""
        return self._maps.engine

    @property
    def precision(self) -> str:
        """`float32` or `bf16`."""
        return self._maps.precision

    @property
    def note(self) -> str:
        """Why TensorFlow computes the maps although OpenVINO is there; empty where there is nothing to tell."""
        return self._maps.note

    def ready(self, width: int, height: int) -> None:
        """Builds what frames of a size need, ahead of the first.

        Args:
            width: of the frames in pixels.
            height: of the frames in pixels.

        Raises:
            UsageError: the engine that was asked for does not know an operation.
        """
        fitted, _ = self.classifier.prepare(np.zeros((height, width, 3), np.uint8))
        self._maps.prepare(*fitted.shape[:2])

    def _shape(self) -> tuple[int | None, int | None, int]:
        """Returns the images' (height, width, channels); None where they vary, or where the model has to refuse."""
        c = self.classifier
        own = input_shape(c.model)
        fixed = (c.input_size[1], c.input_size[0])
        at_own_size = c.fit != "keep" and (own is None or own[1:3] in (fixed, (None, None)))
        return (*fixed, c.channels) if at_own_size else (None, None, c.channels)

    def predict(self, inputs: Sequence[Array]) -> tuple[Array, Array]:
        """Classifies pictures that `Classifier.prepare` has fitted already, without maps.

        Args:
            inputs: uint8 (h, w, channels) each, of one size, at least one.

        Returns:
            logits and probabilities, float32 (B, classes).
        """
        if self._forward is None:
            trace = partial(build_forward, self.classifier.model, **self._classifier_graph)
            self._forward = self._runner(lambda frozen: trace(frozen=frozen), tuple)
        parts = [
            self._forward(np.stack(inputs[start : start + self.batch_size]))
            for start in range(0, len(inputs), self.batch_size)
        ]
        logits, probabilities = (np.concatenate(p).astype(np.float32) for p in zip(*parts, strict=True))
        return logits, probabilities

    def __call__(self, frames: Array | Sequence[Array], target: Target = "top") -> Explanation:
        """Explains frames.

        Args:
            frames: RGB uint8, (B, H, W, 3) or a sequence of (H, W, 3) of one size; one (H, W, 3) is a batch of one.
            target: what to explain, see `resolve_target`.

        Returns:
            The explanation, as many maps as frames.

        Raises:
            UsageError: a frame is no RGB uint8 picture, sizes differ, or the target is unknown.
        """
        if isinstance(frames, np.ndarray) and frames.ndim == 3:
            frames = frames[np.newaxis]
        fitted = [self.classifier.prepare(_checked(frame)) for frame in frames]
        if not fitted:
            raise UsageError("there are no frames to explain")
        placement = fitted[0][1]
        if any(other != placement for _, other in fitted):
            raise UsageError("the frames of one call have one size; explain frames of another size in another call")
        return self.explain_inputs([x for x, _ in fitted], placement, target)

    def explain_inputs(self, inputs: Sequence[Array], placement: Placement, target: Target = "top") -> Explanation:
        """Explains pictures that `Classifier.prepare` has fitted already.

        Args:
            inputs: uint8 (h, w, channels) each, at least one.
            placement: how they were fitted.
            target: what to explain, see `resolve_target`.

        Returns:
            The explanation, as many maps as inputs.
        """
        chosen = resolve_target(target, self.classifier.labels)
        selection = np.zeros(self._classes, np.float32)
        selection[list(chosen or ())] = 1.0
        parts = [
            self._maps(np.stack(inputs[start : start + self.batch_size]), selection)
            for start in range(0, len(inputs), self.batch_size)
        ]
        maps, logits, probabilities = (np.concatenate(p).astype(np.float32) for p in zip(*parts, strict=True))
        top = ((int(i),) for i in logits.argmax(axis=1))
        targets: tuple[tuple[int, ...], ...] = tuple(top) if chosen is None else (chosen,) * len(inputs)
        return Explanation(maps, logits, probabilities, targets, placement)


def _checked(frame: Array) -> Array:
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        what = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise UsageError(f"a frame is RGB uint8 (height, width, 3); this one is {what}")
    return frame


def check_method_options(method: Method, against: bool, top_channels: int | None) -> None:
    """Checks the options that not every method has.

    Raises:
        UsageError: an option does not go with the method, or is out of range.
    """
    if against and not method.targeted:
        raise UsageError(f"method {method.name} explains no class, so nothing speaks against one; leave --against out")
    if top_channels is not None and "scores" not in method.needs:
        raise UsageError(f"--top-channels goes with scorecam; method {method.name} takes all channels at once")
    if top_channels is not None and top_channels < 1:
        raise UsageError(f"--top-channels {top_channels} is out of range; it is at least 1")
