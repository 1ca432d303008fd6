"""`ClipExplainer`: networks that see time, (B, T, H, W, C), explained over a clip by windows that slide over it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar, Self

import numpy as np

from vidcam.cam.explainer import Explainer, explain_together
from vidcam.cam.methods import UNDEFINED_OVER_TIME
from vidcam.cam.moments import Moment, WindowMaps, moments
from vidcam.cam.run import EngineName
from vidcam.cam.targets import Layers, Target
from vidcam.cam.windows import Coming, Sampling, windows
from vidcam.errors import UsageError
from vidcam.types import Array, Classifier, Frame, Placement, Track


class ClipExplainer(Explainer):
    """Explains what a classifier of clips sees and where it looks, frame by frame.

    A method's definition is summed over space and time: Grad-CAM averages the gradient over both. Each window's map
    has steps in time as it has rows and columns; a frame's map is theirs at its own time, see `vidcam.cam.windows`.

    Args:
        classifier: what `vidcam.load_model` returns of a network that sees time.
        method: the class activation method, any but `scorecam` and `reciprocam`.
        layer: path or name of the layer to explain; None to find it.
        step: frames, as they are sampled, from one window to the next; None for half a window.
        fps: the rate at which the network was shown clips; None to take every frame.
        batch_size: how many windows are computed at once.
        against: see `vidcam.Explainer`, as are the others.
        rather_than: see there.
        gamma: see there.
        top_channels: of Score-CAM, which is not defined here.
        engine: see there.

    Raises:
        UsageError: the classifier takes pictures, there is no such layer, or an option is out of range.

    Example:
        >>> classifier = load_model("gestures.keras")
        >>> with open_source("clip.mp4") as source:
        ...     track = ClipExplainer(classifier, fps=10)(source)
        >>> run("clip.mp4", "overlay.mp4", track=track)
    """

    sees_time: ClassVar[bool] = True

    def __init__(
        self,
        classifier: Classifier,
        method: str = "gradcam",
        layer: Layers = None,
        *,
        step: int | None = None,
        fps: float | None = None,
        batch_size: int = 1,
        against: bool = False,
        rather_than: Target = None,
        gamma: float = 1.0,
        top_channels: int | None = None,
        engine: EngineName = "auto",
    ) -> None:
        if not classifier.frames:
            raise UsageError(f"{classifier.name}: takes one picture at a time; Explainer explains it")
        if classifier.fit == "keep":
            raise UsageError(f"{classifier.name}: takes clips of its own size only; use fit squash, pad or crop")
        self.sampling = Sampling.of(classifier.frames, step, fps)
        super().__init__(
            classifier,
            method,
            layer,
            batch_size=batch_size,
            against=against,
            rather_than=rather_than,
            gamma=gamma,
            top_channels=top_channels,
            engine=engine,
        )
        if len(self._runner.facts.layers) > 1:
            raise UsageError("of a network that sees time one layer is explained; several cannot be merged")

    def _choose(self, method: str, against: bool, top_channels: int | None) -> None:
        super()._choose(method, against, top_channels)
        if self.method.needs in UNDEFINED_OVER_TIME:
            raise UsageError(f"method {method} runs the network once more for each mask and is not defined over time")

    @property
    def steps(self) -> int:
        """How many steps in time a window's map has."""
        return self._runner.facts.steps

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of a map, found by a window of black pictures."""
        width, height = self.classifier.input_size
        black = np.zeros((self.sampling.length, height, width, self.classifier.channels), np.uint8)
        rows, columns = self.window(black).maps.shape[1:]
        return rows, columns

    def ready(self, width: int, height: int) -> None:
        """Builds what windows need, ahead of the first, whatever the size of the frames."""
        self._runner.prepare(self.classifier.input_size[1] * self.sampling.length, self.classifier.input_size[0])

    def begin(self, width: int, height: int) -> Self:
        self._runner.begin(self.classifier.input_size[1] * self.sampling.length, self.classifier.input_size[0])
        return self

    def window(self, clip: Array, target: Target = "top") -> WindowMaps:
        """Explains one window.

        Args:
            clip: uint8 (T, h, w, C), fitted to the network's input.
            target: what to explain, see `resolve_target`.

        Returns:
            What the network sees in it: maps (T', h', w').
        """
        return see_windows([(self, target)], [clip])[0][0]

    def classify_windows(self, clips: Sequence[Array]) -> list[tuple[WindowMaps, ...]]:
        """Classifies windows, without maps: what `see_windows` gives, but for empty maps and targets."""
        nothing = np.zeros((1, 1, 1), np.float32)
        return [
            (WindowMaps(nothing, *one, ()),) for one in zip(*self.predict([_folded(c) for c in clips]), strict=True)
        ]

    def moments(self, frames: Iterable[Frame], target: Target = "top", cuts: Collection[int] = ()) -> Iterator[Moment]:
        """Explains frames one after another, as far behind them as a window is long; memory does not grow.

        Args:
            frames: the clip.
            target: what to explain, see `resolve_target`.
            cuts: positions, counted from 0, of frames that begin a scene; no window reaches across.

        Yields:
            What the network sees in each frame; `importance` says how much of its windows' heat is the frame's.
        """
        coming = (
            Coming(True, lambda frame=frame: self.classifier.prepare(frame.rgb())[0], float(frame.time), n in cuts)  # type: ignore[misc]
            for n, frame in enumerate(frames)
        )
        seen = moments(
            windows(coming, self.sampling),
            self.sampling,
            lambda clips: see_windows([(self, target)], clips),
            self.batch_size,
        )
        return (moment for _, (moment,) in chain.from_iterable(seen))

    def __call__(  # type: ignore[override]
        self, frames: Iterable[Frame], target: Target = "top", cuts: Collection[int] = ()
    ) -> Track:
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
        sizes: set[tuple[int, int]] = set()

        def noted() -> Iterator[Frame]:
            for frame in frames:
                times.append(float(frame.time))
                indices.append(frame.index)
                sizes.add(frame.size)
                if len(sizes) > 1:
                    raise UsageError("the frames change their size; a track of maps holds one")
                yield frame

        seen = list(self.moments(noted(), target, cuts))
        if not seen:
            raise UsageError("there are no frames to explain")
        width, height = sizes.pop()
        _, placement = self.classifier.prepare(np.zeros((height, width, 3), np.uint8))
        return Track(
            times=np.array(times),
            indices=np.array(indices, dtype=np.int64),
            maps=np.stack([m.map for m in seen]),
            logits=np.stack([m.logits for m in seen]),
            probabilities=np.stack([m.probabilities for m in seen]),
            targets=tuple(m.target for m in seen),
            placement=placement,
            labels=self.classifier.labels,
            meta={
                "model": self.classifier.name,
                "layer": self.layer,
                "method": self.method.name,
                "target": str(target),
                **self.sampling.told(),
            },
            cuts=np.array([n in cuts for n in range(len(seen))]) if cuts else None,
            importance=np.array([m.importance for m in seen], np.float32),
        )


def explainer_for(
    classifier: Classifier, *options: Any, step: int | None = None, fps: float | None = None, **named: Any
) -> Explainer:
    """Makes the explainer that goes with a classifier: of pictures or, where it sees time, of clips.

    Args:
        classifier: what is explained.
        *options: see `Explainer`.
        step: see `ClipExplainer`, as is the next.
        fps: frames a second.
        **named: see `Explainer`.

    Raises:
        UsageError: an option is out of range or does not go with the classifier.
    """
    if classifier.frames:
        return ClipExplainer(classifier, *options, step=step, fps=fps, **named)
    for name, value in (("--clip-stride", step), ("--clip-fps", fps)):
        if value is not None:
            raise UsageError(f"{name} {value:g}: {classifier.name} takes one picture at a time; leave it out")
    return Explainer(classifier, *options, **named)


def see_windows(asked: Sequence[tuple[ClipExplainer, Target]], clips: Sequence[Array]) -> list[tuple[WindowMaps, ...]]:
    """Explains windows in several ways; what shares a network and a target shares its passes.

    Args:
        asked: explainers of one batch size, and what each explains.
        clips: the windows, uint8 (T, h, w, C) each, at least one.

    Returns:
        For each window what each of them sees in it.
    """
    folded = [_folded(clip) for clip in clips]
    height, width = folded[0].shape[:2]
    whole = (0.0, 0.0, float(width), float(height))
    ways = []
    for (explainer, _), e in zip(
        asked, explain_together(asked, folded, Placement((width, height), (width, height), whole, whole)), strict=True
    ):
        maps = e.maps.reshape(len(e.maps), explainer.steps, -1, e.maps.shape[2])
        ways.append([WindowMaps(*one) for one in zip(maps, e.logits, e.probabilities, e.targets, strict=True)])
    return list(zip(*ways, strict=True))


def _folded(clip: Array) -> Array:
    """Brings a window to the picture that engines take: its frames one under another."""
    return clip.reshape(-1, *clip.shape[2:])
