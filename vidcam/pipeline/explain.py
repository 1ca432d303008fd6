"""The first half of a run: frames of a source to frames with their maps, computed or out of a track."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np

from vidcam.cam import Explainer
from vidcam.cam.explainer import explain_together
from vidcam.errors import VidcamError
from vidcam.models.fit import fit_planes, fit_rgb, place, shrinks_planes
from vidcam.pipeline.cells import GridCell
from vidcam.pipeline.meter import Meter
from vidcam.pipeline.select import Explained, Selected, blended
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
    """Frames of one size, and of those that are to be explained what the model takes.

    Attributes:
        selected: the frames.
        inputs: uint8 (h, w, channels) for each that is asked for.
        placements: how each of these was fitted: all alike.
        motions: how the picture has moved since the one before; none where nobody asks.
    """

    selected: list[Selected]
    inputs: list[Array]
    placements: list[Placement]
    motions: list[Motion]


def prepare(
    source: Iterable[Selected],
    classifier: Classifier,
    batch_size: int,
    meter: Meter,
    *,
    keep: Keep = "nothing",
    begin: Fraction | None = None,
    moving: bool = True,
) -> Iterator[Prepared]:
    """Fits frames to the model's input and gathers them into batches.

    A batch ends early where the frames' size changes.

    Args:
        source: the frames.
        classifier: whose input they are fitted to.
        batch_size: frames in a batch.
        meter: measures the work.
        keep: what the frames keep of their pictures: what they are drawn on afterwards. Planes where there are some.
        begin: seconds; frames before are looked at for what has moved only.
        moving: whether motion is looked for; it can be where every frame is asked for.

    Yields:
        The batches in order.
    """
    batch: Prepared | None = None
    motions = Motions()
    for one in source:
        frame, placement = one.frame, None
        with meter.stage("prepare"):
            if one.asked:
                picture, placement = fitted(frame, classifier)
            if keep != "planes":
                frame.planes = None
            if placement is not None:
                if suits_planes(placement):
                    frame.release()
                motion = motions(picture) if moving else None
        if begin is not None and frame.time < begin:
            continue
        if batch is not None and (len(batch.selected) == batch_size or frame.size != batch.selected[0].frame.size):
            yield batch
            batch = None
        batch = batch or Prepared([], [], [], [])
        batch.selected.append(replace(one, frame=frame.without_picture()) if keep == "nothing" else one)
        if placement is not None:
            batch.inputs.append(picture)
            batch.placements.append(placement)
            if motion is not None:
                batch.motions.append(motion)
    if batch is not None:
        yield batch


def fitted(frame: Frame, classifier: Classifier) -> tuple[Array, Placement]:
    """Fits a frame to the model's input, from its planes where it has some and they shrink."""
    if frame.planes is not None:
        placement = place(frame.size, classifier.input_size, classifier.fit)
        if shrinks_planes(placement):
            return fit_planes(frame.planes, placement, classifier.channels), placement
    return classifier.prepare(frame.rgb())


def explain(
    stages: Stages,
    source: Iterable[Selected],
    cells: Sequence[GridCell],
    meter: Meter,
    *,
    keep: Keep = "nothing",
    begin: Fraction | None = None,
    moving: bool = True,
) -> Iterator[Explained]:
    """Reads, fits and explains frames, in two threads.

    Args:
        stages: where the threads run.
        source: the frames.
        cells: what explains them, and what; their explainers have one classifier and batch size.
        meter: measures the work.
        keep: see `prepare`, as are the next two.
        begin: where explaining begins.
        moving: whether motion is looked for.

    Returns:
        Batches of explained frames, in order.
    """
    first = cells[0].explainer
    prepared = prepare(source, first.classifier, first.batch_size, meter, keep=keep, begin=begin, moving=moving)
    batches = stages.overlap(prepared, AHEAD, "prepare")

    def explained() -> Iterator[Explained]:
        asked = [(cell.explainer, cell.target) for cell in cells]
        for b in batches:
            with meter.stage("explain"):
                explanations = explain_together(asked, b.inputs, b.placements[0]) if b.inputs else ()
                motions = [motion.on(explanations[0].maps.shape[1:]) for motion in b.motions]
            frames, cuts = [one.frame for one in b.selected], [one.cut for one in b.selected]
            yield Explained(frames, explanations, cuts, motions, b.motions, asked=[one.asked for one in b.selected])

    return stages.overlap(blended(explained()), AHEAD, "explain")


def predict(
    stages: Stages, source: Iterable[Selected], explainer: Explainer, meter: Meter
) -> Iterator[tuple[Frame, Array]]:
    """Reads, fits and classifies frames, without maps.

    Args:
        stages: where the threads run.
        source: the frames.
        explainer: its classifier and batch size are used.
        meter: measures the work.

    Yields:
        Each batch's last frame, and the probabilities (B, classes) of those that are asked for.
    """
    prepared = prepare(source, explainer.classifier, explainer.batch_size, meter, moving=False)
    for batch in stages.overlap(prepared, AHEAD, "prepare"):
        with meter.stage("explain"):
            probabilities = explainer.predict(batch.inputs)[1] if batch.inputs else np.empty((0, 0), np.float32)
        yield batch.selected[-1].frame, probabilities


def replay(source: Iterable[Frame], tracks: Sequence[Track], *, moving: bool = False) -> Iterator[Explained]:
    """Gives a source's frames the maps that tracks hold of them.

    Args:
        source: the frames; those that the tracks do not hold are left out.
        tracks: one for each cell, of the same frames.
        moving: whether motion is looked for pixel by pixel, to measure by; maps are carried along what the tracks hold.

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
    waiting: Explained | None = None
    pixels = Motions() if moving else None
    # Where the track holds fewer frames than the source, each lasts until the next; the last no longer than any other.
    end = times[-1] + float(np.diff(times).max(initial=0.0)) - SAME_TIME
    for frame in source:
        if row == len(times) and frame.time >= end:
            break
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
            if waiting is not None:
                yield waiting
            follows = first.motions is not None and row == last + 1
            motions = list(first.motions[row : row + 1]) if follows and first.motions is not None else []
            moves = [pixels(_seen(frame, first.placement))] if pixels else []
            waiting = Explained([frame], tuple(_row(track, row) for track in tracks), [bool(cuts[row])], motions, moves)
            last, row, shown = row, row + 1, shown + 1
        elif waiting is not None:
            held = waiting.frames[0]
            held.duration = None if frame.duration is None else frame.time + frame.duration - held.time
    if waiting is not None:
        yield waiting
    if before is not None and not shown:
        raise VidcamError(
            f"the maps hold no frame of what is asked for: they are of {times[0]:.2f} to {times[-1]:.2f} s"
        )


def _seen(frame: Frame, placement: Placement) -> Array:
    """Returns what a model was shown of a frame."""
    if frame.planes is not None and shrinks_planes(placement):
        return fit_planes(frame.planes, placement)
    fitted = fit_rgb(frame.rgb(), placement)
    if suits_planes(placement):
        frame.release()
    return fitted


def _row(track: Track, row: int) -> Explanation:
    one = slice(row, row + 1)
    importance = None if track.importance is None else track.importance[one]
    maps, logits, probabilities = track.maps[one], track.logits[one], track.probabilities[one]
    return Explanation(maps, logits, probabilities, track.targets[one], track.placement, importance)
