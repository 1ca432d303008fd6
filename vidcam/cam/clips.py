"""`ClipExplainer`: networks that see time, (B, T, H, W, C), explained over a clip by windows that slide over it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import numpy as np

from vidcam.cam.explainer import check_head, check_method_options
from vidcam.cam.graphs import network_of
from vidcam.cam.methods import find_method
from vidcam.cam.run.tensorflow import TensorFlow
from vidcam.cam.targets import Target, explained, resolve_rival, resolve_target, selection_of
from vidcam.cam.windows import Moment, Sampling, Seen, Sliding
from vidcam.errors import UsageError
from vidcam.types import Array, Classifier, Frame, Placement, Track

UNDEFINED = ("scores", "positions")
"""What methods need that is not to be had of a clip."""


class ClipExplainer:
    """Explains what a classifier of clips sees and where it looks, frame by frame.

    A method's definition is summed over space and time: Grad-CAM averages the gradient over both. Each window's map
    has steps in time as it has rows and columns; a frame's map is theirs at its own time, see `vidcam.cam.windows`.

    Args:
        classifier: what `vidcam.load_model(..., clips=True)` returns.
        method: the class activation method, any but `scorecam` and `reciprocam`.
        layer: path or name of the layer to explain; None to find it.
        step: frames, as they are sampled, from one window to the next; None for half a window.
        fps: the rate at which the network was shown clips; None to take every frame.
        against: show what speaks against the target.
        rather_than: see `vidcam.Explainer`, as is the next.
        gamma: how much the classes of `rather_than` count.

    Raises:
        UsageError: the classifier takes pictures, there is no such layer, or an option is out of range.

    Example:
        >>> classifier = load_model("gestures.keras", clips=True)
        >>> with open_source("clip.mp4") as source:
        ...     track = ClipExplainer(classifier, fps=10)(source)
        >>> run("clip.mp4", "overlay.mp4", track=track)
    """

    def __init__(
        self,
        classifier: Classifier,
        method: str = "gradcam",
        layer: str | None = None,
        *,
        step: int | None = None,
        fps: float | None = None,
        against: bool = False,
        rather_than: Target = None,
        gamma: float = 1.0,
    ) -> None:
        frames = getattr(classifier, "frames", 0)
        if not frames:
            raise UsageError(f"{classifier.name}: takes one picture at a time; Explainer explains it")
        if classifier.fit == "keep":
            raise UsageError(f"{classifier.name}: takes clips of its own size only; use fit squash, pad or crop")
        self.classifier = classifier
        self.method = find_method(method)
        check_method_options(self.method, against, None, rather_than)
        if self.method.needs in UNDEFINED:
            raise UsageError(f"method {method} runs the network once more for each mask and is not defined over time")
        self.sampling = Sampling.of(frames, step, fps)
        self.against = against
        self.gamma = gamma
        self._rival = resolve_rival(rather_than, classifier.labels)
        self._engine = TensorFlow(network_of(classifier), layer or classifier.layer)
        if len(self._engine.facts.layers) > 1:
            raise UsageError("of a network that sees time one layer is explained; several cannot be merged")
        check_head(self.method, self._engine.facts)

    @property
    def layer(self) -> str:
        """The path of the layer that is explained."""
        return self._engine.facts.layers[0]

    def window(self, clip: Array, target: Target = "top") -> Seen:
        """Explains one window.

        Args:
            clip: uint8 (T, h, w, C), fitted to the network's input.
            target: what to explain, see `resolve_target`.

        Returns:
            What the network sees in it: maps (T', h', w').
        """
        classes, steps = self._engine.facts.classes, self._engine.facts.steps
        chosen = resolve_target(target, self.classifier.labels)
        selection = selection_of(chosen, classes, against=self.against, rival=self._rival, gamma=self.gamma)
        seen = self._engine.run(clip.reshape(1, -1, *clip.shape[2:]), selection)
        (activations,), (gradient,) = seen.activations, seen.gradients
        strip = self.method.function(*((activations, gradient) if self.method.targeted else (activations,)))[0]
        (told,) = explained(chosen, self._rival, seen.logits)
        maps = strip.reshape(steps, -1, strip.shape[-1]).astype(np.float32)
        return Seen(maps, seen.logits[0], seen.probabilities[0], told)

    def moments(self, frames: Iterable[Frame], target: Target = "top", cuts: Collection[int] = ()) -> Iterator[Moment]:
        """Explains frames one after another, as far behind them as a window is long; memory does not grow.

        Args:
            frames: the clip.
            target: what to explain, see `resolve_target`.
            cuts: positions, counted from 0, of frames that begin a scene; no window reaches across.

        Yields:
            What the network sees in each frame; `share` says how much of its windows' heat is the frame's.
        """
        sliding = Sliding(self.sampling, lambda clip: self.window(clip, target))
        for number, frame in enumerate(frames):
            picture, _ = self.classifier.prepare(frame.rgb())
            yield from sliding.add(picture, float(frame.time), number in cuts)
        yield from sliding.finish()

    def __call__(self, frames: Iterable[Frame], target: Target = "top", cuts: Collection[int] = ()) -> Track:
        """Explains a clip.

        Args:
            frames: such as `vidcam.media.open_source` gives, of one size.
            target: what to explain, see `resolve_target`.
            cuts: see `moments`.

        Returns:
            The clip's maps and predictions, to be saved, or drawn by `vidcam.run(..., track=...)`.

        Raises:
            UsageError: there is no frame, or their size changes.
        """
        times: list[float] = []
        indices: list[int] = []
        places: list[Placement] = []

        def noted() -> Iterator[Frame]:
            for frame in frames:
                _, placement = self.classifier.prepare(frame.rgb())
                if places and placement != places[0]:
                    raise UsageError("the frames change their size; a track of maps holds one")
                places[:] = [placement]
                times.append(float(frame.time))
                indices.append(frame.index)
                yield frame

        seen = list(self.moments(noted(), target, cuts))
        if not seen:
            raise UsageError("there are no frames to explain")
        return Track(
            times=np.array(times),
            indices=np.array(indices, dtype=np.int64),
            maps=np.stack([m.map for m in seen]),
            logits=np.stack([m.logits for m in seen]),
            probabilities=np.stack([m.probabilities for m in seen]),
            targets=tuple(m.target for m in seen),
            placement=places[0],
            labels=self.classifier.labels,
            meta={
                "model": self.classifier.name,
                "layer": self.layer,
                "method": self.method.name,
                "target": str(target),
                "window": f"{self.sampling.length} frames, a new one every {self.sampling.step}",
                **({"clip_fps": f"{self.sampling.fps:g}"} if self.sampling.fps else {}),
            },
            cuts=np.array([n in cuts for n in range(len(seen))]) if cuts else None,
        )
