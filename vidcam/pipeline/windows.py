"""Networks that see time on the way of a run: a source's frames to windows, and those to explained frames.

Every frame of the source is on the way, also those that the output leaves out: the network is shown what plays. A frame
waits for its windows without its picture, so that memory does not grow with their length.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from vidcam.cam.clips import ClipExplainer, see_windows
from vidcam.cam.moments import Moment, WindowMaps, moments
from vidcam.cam.windows import ClipWindow, Coming, WindowEvent, windows
from vidcam.pipeline.cells import GridCell
from vidcam.pipeline.explain import AHEAD, fitted
from vidcam.pipeline.meter import Meter
from vidcam.pipeline.select import Explained, Selected
from vidcam.pipeline.stages import Stages
from vidcam.render.flow import Motions
from vidcam.types import Array, Explanation, Frame, Placement

CHUNK = 64
"""Frames that are handed on together at most, where no window ends."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A frame that is explained: without its picture, how it was fitted, whether a scene begins with it or since the
    last one, and the motion since that on a map's grid."""

    frame: Frame
    placement: Placement
    cut: bool
    motion: Array | None


_Moments = list[tuple[_Asked, tuple[Moment, ...]]]


def explain_windows(
    stages: Stages, source: Iterable[Selected], cells: Sequence[GridCell], meter: Meter, *, moving: bool = True
) -> Iterator[Explained]:
    """Reads, fits and explains frames by the windows that hold them, in two threads.

    Args:
        stages: where the threads run.
        source: all frames of the source.
        cells: what explains them, and what; their explainers have one classifier that sees time, and one batch size.
        meter: measures the work.
        moving: whether motion is looked for.

    Returns:
        Batches of those frames that are asked for, in order, without their pictures.
    """
    asked = [(_of_clips(cell), cell.target) for cell in cells]
    first = asked[0][0]
    grid = first.grid if moving else None
    seen = _moments(stages, source, first, meter, see=lambda clips: see_windows(asked, clips), grid=grid)
    return stages.overlap(map(_explained, seen), AHEAD, "explain")


def predict_windows(
    stages: Stages, source: Iterable[Selected], cell: GridCell, meter: Meter
) -> Iterator[tuple[Frame, Array]]:
    """Reads, fits and classifies frames by the windows that hold them, without maps.

    Args:
        stages: where the threads run.
        source: all frames of the source.
        cell: its classifier and batch size are used.
        meter: measures the work.

    Yields:
        The last frame of some, and their probabilities (B, classes).
    """
    explainer = _of_clips(cell)
    for few in _moments(stages, source, explainer, meter, see=explainer.classify_windows, grid=None):
        yield few[-1][0].frame, np.stack([moment.probabilities for _, (moment,) in few])


def _of_clips(cell: GridCell) -> ClipExplainer:
    assert isinstance(cell.explainer, ClipExplainer)
    return cell.explainer


def _moments(
    stages: Stages,
    source: Iterable[Selected],
    explainer: ClipExplainer,
    meter: Meter,
    *,
    see: Callable[[Sequence[Array]], list[tuple[WindowMaps, ...]]],
    grid: tuple[int, int] | None,
) -> Iterator[_Moments]:
    """Fits frames in a thread and sees windows of them in the caller's."""
    steps = windows(_coming(source, explainer, meter, grid), explainer.sampling)
    chunks = stages.overlap(_chunks(steps), AHEAD, "prepare")

    def measured(clips: Sequence[Array]) -> list[tuple[WindowMaps, ...]]:
        with meter.stage("explain"):
            return see(clips)

    return moments(chain.from_iterable(chunks), explainer.sampling, measured, explainer.batch_size)


def _coming(
    source: Iterable[Selected], explainer: ClipExplainer, meter: Meter, grid: tuple[int, int] | None
) -> Iterator[Coming[_Asked]]:
    """Makes frames ready for windows; with a map's grid, finds their motion."""
    motions, cut = Motions(), False
    for one in source:
        frame, item = one.frame, None
        cut = cut or one.cut
        fit = functools.cache(functools.partial(fitted, frame, explainer.classifier))
        with meter.stage("prepare"):
            if one.asked:
                picture, placement = fit()
                motion = None if grid is None else motions(picture).on(grid)
                item, cut = _Asked(frame.without_picture(), placement, cut, motion), False
        yield Coming(item, functools.partial(_picture, fit, meter), float(frame.time), one.cut)


def _picture(fit: Callable[[], tuple[Array, Placement]], meter: Meter) -> Array:
    with meter.stage("prepare"):
        return fit()[0]


def _chunks(steps: Iterable[WindowEvent[_Asked]]) -> Iterator[list[WindowEvent[_Asked]]]:
    """Gathers what goes from thread to thread, up to a window or many frames."""
    chunk: list[WindowEvent[_Asked]] = []
    for step in steps:
        chunk.append(step)
        if isinstance(step, ClipWindow) or len(chunk) == CHUNK:
            yield chunk
            chunk = []
    yield chunk


def _explained(few: _Moments) -> Explained:
    """Brings frames with their moments to a batch."""
    placement = few[0][0].placement
    ways = zip(*(moments for _, moments in few), strict=True)
    explanations = tuple(
        Explanation(
            np.stack([m.map for m in way]),
            np.stack([m.logits for m in way]),
            np.stack([m.probabilities for m in way]),
            tuple(m.target for m in way),
            placement,
            np.array([m.importance for m in way], np.float32),
        )
        for way in ways
    )
    items = [item for item, _ in few]
    motions = [item.motion for item in items if item.motion is not None]
    of_cells = [motions] * len(explanations) if motions else []
    return Explained([item.frame for item in items], explanations, [item.cut for item in items], of_cells)
