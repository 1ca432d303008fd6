"""The first half of a run: frames of a source to frames with their maps, computed or out of a track."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from vidcam.cam import Explainer
from vidcam.cam.explainer import explain_together
from vidcam.errors import VidcamError
from vidcam.pipeline.cells import Cell
from vidcam.pipeline.meter import Meter
from vidcam.pipeline.scenes import Scenes
from vidcam.pipeline.stages import Stages
from vidcam.render import suits_planes
from vidcam.render.flow import Motion, Motions
from vidcam.types import Array, Classifier, Explanation, Frame, Placement, Track

Keep = Literal["rgb", "planes", "nothing"]
AHEAD = 1
"""Batches that may wait between two stages."""
SAME_TIME = 1e-3
"""Seconds by which the time of a kept map may be off that of its frame."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Frames of one size, fitted to the model's input, for each whether a scene begins with it, and how it moved."""

    frames: list[Frame]
    inputs: list[Array]
    placement: Placement
    cuts: list[bool]
    motions: list[Motion]


@dataclass(frozen=True, slots=True)
class Explained:
    """Frames, what the model sees in them (an explanation for each cell), where scenes begin, and what moved.

    Attributes:
        cuts: for each frame whether a scene begins with it.
        motions: for each frame how the picture has moved since the one before, on a map's grid (`vidcam.render.flow`);
            empty where nobody looked.
        moves: for each frame the same, pixel by pixel; empty where the maps were kept.
    """

    frames: list[Frame]
    explanations: tuple[Explanation, ...]
    cuts: list[bool]
    motions: Sequence[Array] = ()
    moves: Sequence[Motion] = ()

    def motion(self, i: int) -> Array | None:
        """Returns a frame's motion, None where nobody looked."""
        return self.motions[i] if len(self.motions) else None


def prepare(
    source: Iterable[Frame],
    classifier: Classifier,
    batch_size: int,
    meter: Meter,
    *,
    keep: Keep = "nothing",
    begin: Fraction | None = None,
) -> Iterator[Prepared]:
    """Fits frames to the model's input and gathers them into batches.

    A batch ends early where the frames' size changes.

    Args:
        source: the frames.
        classifier: whose input they are fitted to.
        batch_size: frames in a batch.
        meter: measures the work.
        keep: what the frames keep of their pictures: what they are drawn on afterwards. Planes where there are some.
        begin: seconds; frames before are looked at for cuts only.

    Yields:
        The batches in order.
    """
    batch: Prepared | None = None
    scenes, motions = Scenes(), Motions()
    for frame in source:
        with meter.stage("prepare"):
            if keep != "planes":
                frame.planes = None
            fitted, placement = classifier.prepare(frame.rgb())
            if suits_planes(placement):
                frame.release()
            cut, motion = scenes.cut(fitted), motions(fitted)
        if begin is not None and frame.time < begin:
            continue
        if batch is not None and (placement != batch.placement or len(batch.frames) == batch_size):
            yield batch
            batch = None
        if batch is None:
            batch = Prepared([], [], placement, [], [])
        batch.frames.append(frame.without_picture() if keep == "nothing" else frame)
        batch.inputs.append(fitted)
        batch.cuts.append(cut)
        batch.motions.append(motion)
    if batch is not None:
        yield batch


def explain(
    stages: Stages,
    source: Iterable[Frame],
    cells: Sequence[Cell],
    meter: Meter,
    *,
    keep: Keep = "nothing",
    begin: Fraction | None = None,
) -> Iterator[Explained]:
    """Reads, fits and explains frames, in two threads.

    Args:
        stages: where the threads run.
        source: the frames.
        cells: what explains them, and what; their explainers have one classifier and batch size.
        meter: measures the work.
        keep: see `prepare`.
        begin: see `prepare`.

    Returns:
        Batches of explained frames, in order.
    """
    first = cells[0].explainer
    prepared = prepare(source, first.classifier, first.batch_size, meter, keep=keep, begin=begin)
    batches = stages.overlap(prepared, AHEAD, "prepare")

    def explained() -> Iterator[Explained]:
        for b in batches:
            with meter.stage("explain"):
                asked = [(cell.explainer, cell.target) for cell in cells]
                explanations = explain_together(asked, b.inputs, b.placement)
                motions = [motion.on(explanations[0].maps.shape[1:]) for motion in b.motions]
            yield Explained(b.frames, explanations, b.cuts, motions, b.motions)

    return stages.overlap(explained(), AHEAD, "explain")


def predict(stages: Stages, source: Iterable[Frame], explainer: Explainer, meter: Meter) -> Iterator[Array]:
    """Reads, fits and classifies frames, without maps.

    Args:
        stages: where the threads run.
        source: the frames.
        explainer: its classifier and batch size are used.
        meter: measures the work.

    Yields:
        Each batch's probabilities (B, classes).
    """
    prepared = prepare(source, explainer.classifier, explainer.batch_size, meter)
    for batch in stages.overlap(prepared, AHEAD, "prepare"):
        with meter.stage("explain"):
            probabilities = explainer.predict(batch.inputs)[1]
        yield probabilities


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
    times, cuts = first.times, np.zeros(len(first), bool) if first.cuts is None else first.cuts
    row = shown = 0
    last = -1
    before: Frame | None = None
    for frame in source:
        reached = row
        while reached < len(times) and times[reached] < frame.time - SAME_TIME:
            reached += 1
        # Rows may be passed over with the frames that a stride leaves out, and before the first one.
        unknown = before is not None and reached - row >= frame.index - before.index
        if unknown or frame.size != first.placement.frame:
            size = "x".join(map(str, first.placement.frame))
            raise VidcamError(
                f"the maps are of another clip: {size} pixels, a frame at {times[min(row, len(times) - 1)]:.3f} s; "
                f"this one: {frame.size[0]}x{frame.size[1]}, {float(frame.time):.3f} s"
            )
        row, before = reached, frame
        if row < len(times) and times[row] <= frame.time + SAME_TIME:
            follows = first.motions is not None and row == last + 1
            motions = list(first.motions[row : row + 1]) if follows and first.motions is not None else []
            yield Explained([frame], tuple(_row(track, row) for track in tracks), [bool(cuts[row])], motions)
            last, row, shown = row, row + 1, shown + 1
        if row == len(times):
            break
    if before is not None and not shown:
        raise VidcamError(
            f"the maps hold no frame of what is asked for: they are of {times[0]:.2f} to {times[-1]:.2f} s"
        )


def _row(track: Track, row: int) -> Explanation:
    one = slice(row, row + 1)
    return Explanation(
        track.maps[one], track.logits[one], track.probabilities[one], track.targets[one], track.placement
    )
