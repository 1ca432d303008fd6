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
        inputs: for each view, of each frame that is asked for, uint8 (h, w, channels).
        placements: for each view how these were fitted; none where no frame is asked for.
        motions: for each view, of each of these, how the picture has moved since the one before; none where nobody
            asks.
    """

    selected: list[Selected]
    inputs: list[list[Array]]
    placements: list[Placement]
    motions: list[list[Motion]]


def views_of(classifiers: Sequence[Classifier]) -> list[Classifier]:
    """Returns a classifier for each way of fitting frames, those with the largest input first."""
    alike = {_view(c): c for c in reversed(classifiers)}
    return sorted(alike.values(), key=lambda c: -c.input_size[0] * c.input_size[1])


def _view(c: Classifier) -> tuple[tuple[int, int], str, int]:
    return c.input_size, c.fit, c.channels


def prepare(
    source: Iterable[Selected],
    views: Sequence[Classifier],
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
        views: to whose inputs they are fitted.
        batch_size: frames in a batch.
        meter: measures the work.
        keep: what the frames keep of their pictures: what they are drawn on afterwards. `planes` gives up RGB where
            there are some; `rgb` gives up nothing.
        begin: seconds; frames before are looked at for what has moved only.
        moving: whether motion is looked for; it can be where every frame is asked for.

    Yields:
        The batches in order.
    """
    batch: Prepared | None = None
    motions = [Motions() for _ in views]
    for one in source:
        frame, inputs = one.frame, []
        with meter.stage("prepare"):
            if one.asked:
                inputs = [fitted(frame, classifier) for classifier in views]
            if inputs:
                if keep == "planes" and all(suits_planes(placement) for _, placement in inputs):
                    frame.release()
                moves = _moves(motions, inputs) if moving else []
        if begin is not None and frame.time < begin:
            continue
        if batch is not None and (len(batch.selected) == batch_size or frame.size != batch.selected[0].frame.size):
            yield batch
            batch = None
        batch = batch or Prepared([], [[] for _ in views], [], [[] for _ in views])
        batch.selected.append(replace(one, frame=frame.without_picture()) if keep == "nothing" else one)
        if inputs:
            batch.placements[:] = [placement for _, placement in inputs]
            for known, (x, _) in zip(batch.inputs, inputs, strict=True):
                known.append(x)
            for moved, motion in zip(batch.motions, moves, strict=False):
                moved.append(motion)
    if batch is not None:
        yield batch


def _moves(motions: Sequence[Motions], inputs: Sequence[tuple[Array, Placement]]) -> list[Motion]:
    """Finds how a picture has moved, once for all views of the same part of it."""
    found: list[Motion] = []
    for view, (x, placement) in enumerate(inputs):
        same = next((v for v in range(view) if _covers_alike(inputs[v][1], placement)), None)
        found.append(motions[view](x) if same is None else found[same])
    return found


def _covers_alike(a: Placement, b: Placement) -> bool:
    """Tells whether two inputs hold the same part of the frame, and nothing else."""
    whole = all(p.target == (0.0, 0.0, *p.input) for p in (a, b))
    return whole and a.source == b.source


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
        cells: what explains them, and what; their explainers have one batch size.
        meter: measures the work.
        keep: see `prepare`, as are the next two.
        begin: where explaining begins.
        moving: whether motion is looked for.

    Returns:
        Batches of explained frames, in order.
    """
    views = views_of([cell.explainer.classifier for cell in cells])
    size = cells[0].explainer.batch_size
    batches = stages.overlap(
        prepare(source, views, size, meter, keep=keep, begin=begin, moving=moving), AHEAD, "prepare"
    )
    keys = [_view(view) for view in views]
    of_cell = [keys.index(_view(cell.explainer.classifier)) for cell in cells]

    def explained() -> Iterator[Explained]:
        for b in batches:
            explanations: tuple[Explanation, ...] = ()
            motions: list[list[Array]] = []
            with meter.stage("explain"):
                if b.placements:
                    explanations = _explanations(cells, of_cell, b)
                if b.motions[0]:
                    motions = _on_grids([b.motions[view] for view in of_cell], explanations)
            moves = [b.motions[view] for view in of_cell] if motions else []
            frames, cuts = [one.frame for one in b.selected], [one.cut for one in b.selected]
            yield Explained(frames, explanations, cuts, motions, moves, asked=[one.asked for one in b.selected])

    return stages.overlap(blended(explained()), AHEAD, "explain")


def _explanations(cells: Sequence[GridCell], of_cell: Sequence[int], batch: Prepared) -> tuple[Explanation, ...]:
    """Explains a batch in every cell's way; cells of one view are explained together."""
    found: dict[int, Explanation] = {}
    for view in dict.fromkeys(of_cell):
        own = [i for i, other in enumerate(of_cell) if other == view]
        asked = [(cells[i].explainer, cells[i].target) for i in own]
        found |= zip(own, explain_together(asked, batch.inputs[view], batch.placements[view]), strict=True)
    return tuple(found[i] for i in range(len(cells)))


def _on_grids(moves: Sequence[Sequence[Motion]], explanations: Sequence[Explanation]) -> list[list[Array]]:
    """Returns for each cell the frames' motions on its map's grid, found once for cells that see alike."""
    known: dict[tuple[int, tuple[int, ...]], Array] = {}
    found = []
    for own, explanation in zip(moves, explanations, strict=True):
        shape = explanation.maps.shape[1:]
        for motion in own:
            if (id(motion), shape) not in known:
                known[id(motion), shape] = motion.on(shape)
        found.append([known[id(motion), shape] for motion in own])
    return found


def predict(
    stages: Stages, source: Iterable[Selected], explainers: Sequence[Explainer], meter: Meter
) -> Iterator[tuple[Frame, list[Array]]]:
    """Reads, fits and classifies frames, without maps.

    Args:
        stages: where the threads run.
        source: the frames.
        explainers: one for each model; their classifiers and batch size are used.
        meter: measures the work.

    Yields:
        Each batch's last frame, and by each explainer the probabilities (B, classes) of those that are asked for; none
        where no frame is.
    """
    views = views_of([explainer.classifier for explainer in explainers])
    keys = [_view(view) for view in views]
    for batch in stages.overlap(
        prepare(source, views, explainers[0].batch_size, meter, moving=False), AHEAD, "prepare"
    ):
        with meter.stage("explain"):
            inputs = [batch.inputs[keys.index(_view(e.classifier))] for e in explainers]
            probabilities = [e.predict(x)[1] for e, x in zip(explainers, inputs, strict=True) if x]
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
    seen = _Seen([track.placement for track in tracks]) if moving else None
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
            follows = row == last + 1
            motions = [[t.motions[row]] for t in tracks if t.motions is not None] if follows else []
            moves = [[motion] for motion in seen(frame)] if seen else []
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


class _Seen:
    """How frames move whose maps are kept, as each cell saw them; found once for cells that see alike.

    Args:
        placements: how frames were fitted for each cell.
    """

    def __init__(self, placements: Sequence[Placement]) -> None:
        self._placements = placements
        self._first = [next(i for i, q in enumerate(placements) if q == p or _covers_alike(p, q)) for p in placements]
        self._motions = {i: Motions() for i in self._first}

    def __call__(self, frame: Frame) -> list[Motion]:
        """Takes the next frame, and returns its motion for each cell."""
        found = {i: motions(_fitted_again(frame, self._placements[i])) for i, motions in self._motions.items()}
        return [found[i] for i in self._first]


def _fitted_again(frame: Frame, placement: Placement) -> Array:
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
