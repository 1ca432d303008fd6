"""`Explainer`: frames in, explanations out. It owns the batches, the targets and what a method makes of a pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import ClassVar, Self

import numpy as np

from vidcam.cam.merge import merge
from vidcam.cam.methods import Method, find_method
from vidcam.cam.run import EngineName, Pass
from vidcam.cam.run.graph import Facts
from vidcam.cam.run.scores import masked_scores, position_scores
from vidcam.cam.runner import Runner
from vidcam.cam.targets import Layers, Target, explained, resolve_rival, resolve_target, selection_of, target_weights
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
        rather_than: explain the target in contrast to classes, or to `next`, each frame's best one beside the target:
            its logit less `gamma` times theirs (Finer-CAM, CVPR 2025). None for the target alone.
        gamma: how much the classes of `rather_than` count; of several each has its share.
        top_channels: for Score-CAM, how many channels get a forward pass, those with the greatest variance; None for
            all.
        weights: values to compute with instead of the model's own, one array for each of `model.weights`; the model
            stays as it is.
        engine: `tensorflow`, `openvino`, or `auto`: OpenVINO where it is installed, TensorFlow sees no GPU, and every
            operation of the network has a counterpart.

    Raises:
        UsageError: the method is unknown or not defined for this network, the layer is none of it, an option does not
            go with the method, or the engine cannot be had or does not know an operation.
    """

    sees_time: ClassVar[bool] = False
    """Whether it explains classifiers that see time."""
    method: Method

    def __init__(
        self,
        classifier: Classifier,
        method: str = "gradcam",
        layer: Layers = None,
        *,
        batch_size: int = 8,
        against: bool = False,
        rather_than: Target = None,
        gamma: float = 1.0,
        top_channels: int | None = None,
        weights: Sequence[Array] | None = None,
        engine: EngineName = "auto",
    ) -> None:
        if not hasattr(classifier, "prepare"):
            raise UsageError("Explainer takes a Classifier; make one of a Keras model with vidcam.load_model(model)")
        if classifier.frames and not self.sees_time:
            raise UsageError(
                f"{classifier.name}: sees {classifier.frames} frames at a time; `vidcam run` and `vidcam batch` "
                "explain it, in Python ClipExplainer"
            )
        if batch_size < 1:
            raise UsageError(f"batch size {batch_size} is out of range; it is at least 1")
        self.classifier = classifier
        self.batch_size = batch_size
        self.rather_than = rather_than
        self.gamma = gamma
        self._rival = resolve_rival(rather_than, classifier.labels)
        self._choose(method, against, top_channels)
        self._runner = Runner(classifier, layer, weights=weights, engine=engine, batch_size=batch_size)
        self._settle()

    def by(self, method: str, *, against: bool | None = None, top_channels: int | None = None) -> Self:
        """Returns an explainer by another method that shares this one's network; nothing is built again.

        Args:
            method: its name.
            against: see `Explainer`; None for this one's choice.
            top_channels: see `Explainer`.

        Raises:
            UsageError: the method is unknown or not defined for this network, or an option does not go with it.
        """
        other = copy(self)
        other._choose(method, self.against if against is None else against, top_channels)
        other._settle()
        return other

    def _settle(self) -> None:
        """Checks that the method is defined for the network; where Grad-CAM is not, Recipro-CAM takes its place."""
        without = self._runner.facts.without
        self._instead = ""
        if without and self.method.name == "gradcam":
            self.method = find_method("reciprocam")
            self._instead = f"{self.method.title} instead of Grad-CAM: {without}"
        check_head(self.method, self._runner.facts)

    def _choose(self, method: str, against: bool, top_channels: int | None) -> None:
        self.method = find_method(method)
        check_method_options(self.method, against, top_channels, self.rather_than)
        self.against = against
        self.top_channels = top_channels

    @property
    def layer(self) -> str:
        """The path of the layer that is explained; of several, by comma."""
        return ",".join(self._runner.facts.layers)

    @property
    def engine(self) -> str:
        """`tensorflow` or `openvino`: what computes; certain once pictures of a size are made `ready` for."""
        return self._runner.name

    @property
    def note(self) -> str:
        """Why another engine or method computes than was to be expected; empty where there is nothing to tell."""
        return "; ".join(text for text in (self._runner.note, self._instead) if text)

    def ready(self, width: int, height: int) -> None:
        """Builds what frames of a size need, ahead of the first.

        Args:
            width: of the frames in pixels.
            height: of the frames in pixels.

        Raises:
            UsageError: the engine that was asked for does not know an operation.
        """
        fitted, _ = self.classifier.prepare(np.zeros((height, width, 3), np.uint8))
        self._runner.prepare(*fitted.shape[:2])

    def begin(self, width: int, height: int) -> Self:
        """Compiles for whole batches of a size, which the first would wait for: in another thread, while it is read."""
        fitted, _ = self.classifier.prepare(np.zeros((height, width, 3), np.uint8))
        self._runner.begin(*fitted.shape[:2])
        return self

    def predict(self, inputs: Sequence[Array]) -> tuple[Array, Array]:
        """Classifies pictures that `Classifier.prepare` has fitted already, without maps.

        Args:
            inputs: uint8 (h, w, channels) each, of one size, at least one.

        Returns:
            logits and probabilities, float32 (B, classes).
        """
        parts = [self._runner.classify(images) for images in self._batches(inputs)]
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
        return explain_together([(self, target)], inputs, placement)[0]

    def _batches(self, inputs: Sequence[Array]) -> Iterable[Array]:
        for start in range(0, len(inputs), self.batch_size):
            yield np.stack(inputs[start : start + self.batch_size])

    def _selection(self, target: Target) -> Array:
        chosen = resolve_target(target, self.classifier.labels)
        if self._rival and chosen and set(chosen) & set(self._rival):
            both = ", ".join(self.classifier.labels[i] for i in chosen if i in self._rival)
            raise UsageError(f"--rather-than {self.rather_than}: {both} is explained already; name another class")
        return selection_of(
            chosen, self._runner.facts.classes, against=self.against, rival=self._rival, gamma=self.gamma
        )

    def _maps(self, images: Array, seen: Pass, selection: Array) -> Array:
        """Makes the method's maps (B, h, w) of a pass."""
        if self.method.scored:
            weights = target_weights(selection, seen.logits)
            needed = [masked_scores(self._runner, images, a, weights, self.top_channels) for a in seen.activations]
        elif self.method.needs == "positions":
            weights, size = target_weights(selection, seen.logits), (images.shape[1], images.shape[2])
            needed = [position_scores(self._runner, size, i, a, weights) for i, a in enumerate(seen.activations)]
        elif self.method.targeted:
            needed = list(seen.gradients)
        else:
            needed = list(seen.activations)
        given = [(a, n) if self.method.targeted else (a,) for a, n in zip(seen.activations, needed, strict=True)]
        return merge([self.method.function(*arrays) for arrays in given])


def explain_together(
    asked: Sequence[tuple[Explainer, Target]], inputs: Sequence[Array], placement: Placement
) -> tuple[Explanation, ...]:
    """Explains one batch in several ways; what shares a network and a target shares its passes.

    Args:
        asked: explainers of one batch size, and what each explains.
        inputs: uint8 (h, w, channels) each, at least one.
        placement: how they were fitted.

    Returns:
        An explanation for each, as many maps as inputs.
    """
    selections = [explainer._selection(target) for explainer, target in asked]
    parts: list[list[tuple[Array, Array, Array]]] = [[] for _ in asked]
    for images in asked[0][0]._batches(inputs):
        passes: dict[tuple[int, bytes], Pass] = {}
        for part, (explainer, _), selection in zip(parts, asked, selections, strict=True):
            key = (id(explainer._runner), selection.tobytes())
            if key not in passes:
                passes[key] = explainer._runner.run(images, selection)
            seen = passes[key]
            part.append((explainer._maps(images, seen, selection), seen.logits, seen.probabilities))
    return tuple(
        _explanation(part, resolve_target(target, explainer.classifier.labels), explainer._rival, placement)
        for part, (explainer, target) in zip(parts, asked, strict=True)
    )


def _explanation(
    parts: Sequence[tuple[Array, Array, Array]],
    chosen: tuple[int, ...] | None,
    rival: tuple[int, ...] | None,
    placement: Placement,
) -> Explanation:
    maps, logits, probabilities = (np.concatenate(p).astype(np.float32) for p in zip(*parts, strict=True))
    return Explanation(maps, logits, probabilities, explained(chosen, rival, logits), placement)


def _checked(frame: Array) -> Array:
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        what = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise UsageError(f"a frame is RGB uint8 (height, width, 3); this one is {what}")
    return frame


def check_method_options(method: Method, against: bool, top_channels: int | None, rather_than: Target = None) -> None:
    """Checks the options that not every method has.

    Raises:
        UsageError: an option does not go with the method, or is out of range.
    """
    if against and not method.targeted:
        raise UsageError(f"method {method.name} explains no class, so nothing speaks against one; leave --against out")
    if rather_than is not None and not method.targeted:
        raise UsageError(
            f"method {method.name} explains no class, so none rather than another; leave --rather-than out"
        )
    if top_channels is not None and not method.scored:
        raise UsageError(f"--top-channels goes with scorecam; method {method.name} takes all channels at once")
    if top_channels is not None and top_channels < 1:
        raise UsageError(f"--top-channels {top_channels} is out of range; it is at least 1")


def check_head(method: Method, facts: Facts) -> None:
    """Checks that a method is defined for a network.

    Raises:
        UsageError: it is not.
    """
    if method.needs in ("pooled head", "gradient") and facts.without:
        raise UsageError(f"method {method.name} needs a gradient, and there is none: {facts.without}")
    if method.needs == "pooled head" and not facts.pooled_head:
        raise UsageError(
            f"method {method.name} needs a head of global average pooling and one dense layer right behind the target "
            "layer; this model has another, use --method gradcam (method='gradcam')"
        )
