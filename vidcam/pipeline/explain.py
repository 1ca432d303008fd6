"""The first half of a run: frames of a source to frames with their maps, computed or out of a track."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vidcam.cam import Explainer
from vidcam.errors import VidcamError
from vidcam.media import Source
from vidcam.pipeline.cells import Cell
from vidcam.pipeline.scenes import Scenes
from vidcam.pipeline.stages import Stages, Watch
from vidcam.types import Array, Classifier, Explanation, Frame, Placement, Track

AHEAD = 2
"""Batches that may wait between two stages."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Frames of one size, fitted to the model's input, and for each whether a scene begins with it."""

    frames: list[Frame]
    inputs: list[Array]
    placement: Placement
    cuts: list[bool]


@dataclass(frozen=True, slots=True)
class Explained:
    """Frames, whether a scene begins with each, and what the model sees in them: an explanation for each cell."""

    frames: list[Frame]
    explanations: tuple[Explanation, ...]
    cuts: list[bool]


def prepare(source: Iterable[Frame], classifier: Classifier, batch_size: int) -> Iterator[Prepared]:
    """Fits frames to the model's input and gathers them into batches.

    A batch ends early where the frames' size changes.

    Args:
        source: the frames.
        classifier: whose input they are fitted to.
        batch_size: frames in a batch.

    Yields:
        The batches in order.
    """
    batch: Prepared | None = None
    scenes = Scenes()
    for frame in source:
        fitted, placement = classifier.prepare(frame.rgb())
        if batch is not None and (placement != batch.placement or len(batch.frames) == batch_size):
            yield batch
            batch = None
        if batch is None:
            batch = Prepared([], [], placement, [])
        batch.frames.append(frame)
        batch.inputs.append(fitted)
        batch.cuts.append(scenes.cut(fitted))
    if batch is not None:
        yield batch


def explain(stages: Stages, source: Iterable[Frame], cells: Sequence[Cell]) -> Iterator[Explained]:
    """Reads, fits and explains frames, in two threads.

    Args:
        stages: where the threads run.
        source: the frames.
        cells: what explains them, and what; their explainers have one classifier and batch size.

    Returns:
        Batches of explained frames, in order.
    """
    first = cells[0].explainer
    batches = stages.overlap(prepare(source, first.classifier, first.batch_size), AHEAD, "read", _watch(source))

    def explained() -> Iterator[Explained]:
        for b in batches:
            maps = tuple(cell.explainer.explain_inputs(b.inputs, b.placement, cell.target) for cell in cells)
            yield Explained(b.frames, maps, b.cuts)

    return stages.overlap(explained(), AHEAD, "explain")


def predict(stages: Stages, source: Iterable[Frame], explainer: Explainer) -> Iterator[Array]:
    """Reads, fits and classifies frames, without maps.

    Args:
        stages: where the threads run.
        source: the frames.
        explainer: its classifier and batch size are used.

    Yields:
        Each batch's probabilities (B, classes).
    """
    for batch in stages.overlap(
        prepare(source, explainer.classifier, explainer.batch_size), AHEAD, "read", _watch(source)
    ):
        yield explainer.predict(batch.inputs)[1]


def _watch(source: Iterable[Frame]) -> Watch | None:
    """A decoder that hangs in a damaged file is given up."""
    if not isinstance(source, Source):
        return None
    return Watch(lambda: source.pulse, f"{source.info.path}: reading it makes no progress any more; given up")


def replay(source: Iterable[Frame], tracks: Sequence[Track]) -> Iterator[Explained]:
    """Gives a source's frames the maps that tracks hold of them.

    Args:
        source: the frames; those that the tracks do not hold are left out.
        tracks: one for each cell, of the same frames.

    Yields:
        The explained frames one by one, in order.

    Raises:
        VidcamError: the tracks are of another source.
    """
    first = tracks[0]
    rows = {int(index): row for row, index in enumerate(first.indices)}
    last = int(first.indices[-1])
    cuts = np.zeros(len(first), bool) if first.cuts is None else first.cuts
    for frame in source:
        row = rows.get(frame.index)
        if row is not None:
            if frame.size != first.placement.frame or abs(float(frame.time) - first.times[row]) > 1e-3:
                size = "x".join(map(str, first.placement.frame))
                raise VidcamError(
                    f"the maps are of another clip: {size} pixels, frame {frame.index} at {first.times[row]:.3f} s; "
                    f"this one: {frame.size[0]}x{frame.size[1]}, {float(frame.time):.3f} s"
                )
            yield Explained([frame], tuple(_row(track, row) for track in tracks), [bool(cuts[row])])
        if frame.index >= last:
            return


def _row(track: Track, row: int) -> Explanation:
    one = slice(row, row + 1)
    return Explanation(
        track.maps[one], track.logits[one], track.probabilities[one], track.targets[one], track.placement
    )
