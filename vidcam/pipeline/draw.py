"""The second half of a run: frames with their maps to pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vidcam._contrast import rival_of
from vidcam.cam import target_name
from vidcam.cam.targets import CLIP_TOP, TOP
from vidcam.media.resize import even_size
from vidcam.metrics.steadiness import Steadiness
from vidcam.pipeline.cells import SINGLE, Grid
from vidcam.pipeline.meter import Meter
from vidcam.pipeline.select import Explained
from vidcam.render import (
    History,
    Look,
    Picture,
    Timeline,
    cell_size,
    compose,
    compose_planes,
    draw_caption,
    draw_colorbar,
    scaled,
    suits_planes,
    tile,
)
from vidcam.render import histories as new_histories
from vidcam.types import Array, Explanation, Frame, Placement, Planes, Track


def on_planes(look: Look, grid: Grid) -> bool:
    """Tells whether pictures can be drawn on the planes that a video stores, without a way through RGB."""
    return look.view == "overlay" and len(grid.titles) == 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says about a frame: the classes that its map explains, and logits and probabilities (classes,)."""

    target: tuple[int, ...]
    logits: Array
    probabilities: Array


@dataclass(frozen=True, slots=True)
class Drawn:
    """A frame with its picture.

    Attributes:
        frame: without the picture it had.
        picture: RGB uint8 or planes.
        answers: what the model says about it, one for each cell.
        asked: whether it says so of this frame itself; else it lies between its neighbours.
    """

    frame: Frame
    picture: Picture
    answers: tuple[Answer, ...]
    asked: bool


@dataclass(frozen=True, slots=True)
class Drawer:
    """What is needed to draw any frame: the look, the class names, the cells and the history of each.

    Attributes:
        silent: for each cell the target of which it shows no heat, see `silent_target`.
        planes: whether frames that are stored as planes stay planes.
        width: of the pictures in pixels, None for that of the frames.
        steadiness: measures the first cell's heat as it is shown.
    """

    look: Look
    labels: Sequence[str]
    grid: Grid
    histories: Sequence[History]
    silent: Sequence[tuple[int, ...] | None]
    planes: bool = False
    width: int | None = None
    steadiness: Steadiness | None = None

    def heat(self, batch: Explained, i: int, cell: int) -> tuple[Array, float, bool]:
        """Returns a cell's map of a frame, to be asked for once a frame, the value that is hottest, and whether there
        is a class to show heat of."""
        e, time = batch.explanations[cell], float(batch.frames[i].time)
        raw, peak = self.histories[cell](e.maps[i], time, e.targets[i], cut=batch.cuts[i], motion=batch.motion(i))
        warm = e.targets[i] != self.silent[cell]
        if not warm:
            raw, peak = np.zeros_like(raw), 0.0
        if cell == 0 and self.steadiness is not None and batch.moves:
            shown = np.clip(raw / peak, 0.0, 1.0) if peak > 0 else np.zeros_like(raw)
            self.steadiness.add(batch.moves[i], [shown], batch.cuts[i])
        return raw, peak, warm

    def text(self, e: Explanation, i: int, title: str) -> str:
        """Returns what is written on a cell: the method where there are several, the target and its probability."""
        said = ""
        if self.look.caption:
            said = caption_text(e.targets[i], e.probabilities[i], self.labels)
        elif self.grid.targets:
            said = target_name(e.targets[i], self.labels)
        return f"{title}: {said}" if title and said else title or said


def draw(
    explained: Iterable[Explained],
    look: Look,
    labels: Sequence[str],
    grid: Grid = SINGLE,
    tracks: Sequence[Track] = (),
    *,
    histories: Sequence[History] = (),
    metas: Sequence[Mapping[str, str]] = (),
    planes: bool = False,
    width: int | None = None,
    meter: Meter | None = None,
    steadiness: Steadiness | None = None,
) -> Iterator[Drawn]:
    """Draws explained frames.

    Args:
        explained: batches in order.
        look: how they are drawn.
        labels: a name for each class.
        grid: how the cells are laid out and named.
        tracks: of each cell, where the clip is known; a look that `needs_clip` needs them.
        histories: of each cell, where drawing goes on from something; new ones by default.
        metas: the provenance of each cell's maps; where there is none, every target has heat.
        planes: whether frames that are stored as planes stay planes; not every look can be drawn so, see `on_planes`.
        width: of the pictures in pixels, None for that of the frames; what is written on them is drawn at that size.
        meter: measures the work.
        steadiness: measures the first cell's heat as it is shown, where the motion between frames was found.

    Yields:
        A picture for each frame, in order.
    """
    histories = histories or new_histories(look, len(grid.titles), tracks)
    silent = [silent_target(meta, labels) for meta in metas] or [None] * len(grid.titles)
    drawer = Drawer(look, labels, grid, histories, silent, planes, width, steadiness)
    meter = meter or Meter(False)
    timeline: Timeline | None = None
    for batch in explained:
        for i in range(len(batch.frames)):
            frame = batch.frames[i]
            with meter.stage("draw"):
                picture = _picture(batch, i, drawer)
                if look.view == "timeline" and not isinstance(picture, Planes):
                    if timeline is None:
                        size = (picture.shape[1], picture.shape[0])
                        neither = tracks[0].meta.get("neither")
                        timeline = Timeline(tracks[0].times, tracks[0].probabilities, labels, size, neither)
                    picture = timeline.under(picture, float(frame.time))
            # Every stage before this one may still hold the batch, and the encoder what it is given.
            frame = batch.frames[i] = frame.without_picture()
            answers = (Answer(e.targets[i], e.logits[i], e.probabilities[i]) for e in batch.explanations)
            yield Drawn(frame, picture, tuple(answers), batch.is_own(i))


def _picture(batch: Explained, i: int, drawer: Drawer) -> Picture:
    """Draws all cells of a frame."""
    frame, look, grid = batch.frames[i], drawer.look, drawer.grid
    placement = batch.explanations[0].placement
    if drawer.planes and frame.planes is not None:
        picture, placed = scaled(frame.planes, placement, _even(placement.frame, drawer.width))
        if isinstance(picture, Planes) and suits_planes(placed):
            return _picture_of_planes(picture, placed, batch, i, drawer)
    beside = look.view == "side-by-side"
    columns, places = grid.places(beside)
    count = len(places) if len(grid.titles) > 1 else 1
    size = cell_size(placement.frame, count, columns, drawer.width)
    rgb, placement = scaled(frame.rgb(), placement, size)
    assert not isinstance(rgb, Planes)
    cells = []
    for cell, (explanation, title) in enumerate(zip(batch.explanations, grid.titles, strict=True)):
        raw, peak, warm = drawer.heat(batch, i, cell)
        picture = compose(
            rgb,
            raw,
            placement,
            peak,
            view="overlay" if beside else look.view,
            colormap=look.colormap,
            alpha=look.alpha,
            opacity=look.opacity,
        )
        if look.colorbar and warm:
            draw_colorbar(picture, look.colormap, peak)
        draw_caption(picture, drawer.text(explanation, i, title), faint=not warm)
        cells.append(picture)
    return tile([None if n is None else rgb if n < 0 else cells[n] for n in places], columns, drawer.width)


def _even(frame: tuple[int, int], width: int | None) -> tuple[int, int]:
    """Returns the (width, height) of pictures on planes."""
    return frame if width is None else even_size(frame, width)


def _picture_of_planes(frame: Planes, placement: Placement, batch: Explained, i: int, drawer: Drawer) -> Planes:
    """Draws a frame's one cell on the planes that the source stores."""
    look, explanation = drawer.look, batch.explanations[0]
    raw, peak, warm = drawer.heat(batch, i, 0)
    picture = compose_planes(
        frame,
        raw,
        placement,
        peak,
        colormap=look.colormap,
        alpha=look.alpha,
        opacity=look.opacity,
    )
    if look.colorbar and warm:
        draw_colorbar(picture, look.colormap, peak)
    draw_caption(picture, drawer.text(explanation, i, drawer.grid.titles[0]), faint=not warm)
    return picture


def silent_target(meta: Mapping[str, str], labels: Sequence[str]) -> tuple[int, ...] | None:
    """Returns the target of which no heat is shown, None where every one has some.

    That a picture shows none of the classes is no thing at a place. Who asks for that class by name sees its map.

    Args:
        meta: the provenance of the maps.
        labels: a name for each class.
    """
    neither = meta.get("neither")
    follows = meta.get("target", TOP) in (TOP, CLIP_TOP)
    return (labels.index(neither),) if follows and neither in labels else None


def caption_text(target: Sequence[int], probabilities: Array, labels: Sequence[str]) -> str:
    """Returns a target's classes, each with its probability in percent; of a contrast, the others', too."""
    sides = [
        ", ".join(f"{labels[i]} {percent(float(probabilities[i]))}" for i in s) for s in (target, rival_of(target))
    ]
    return " rather than ".join(side for side in sides if side)


def percent(probability: float) -> str:
    """Returns a probability in percent; below ten a decimal tells 0.4 from nothing."""
    value = 100 * probability
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.1f} %"
