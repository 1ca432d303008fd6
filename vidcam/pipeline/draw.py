"""The second half of a run: frames with their maps to pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vidcam._contrast import rival_of
from vidcam.cam import target_name
from vidcam.cam.targets import CLIP_TOP, TOP
from vidcam.media.resize import even_size
from vidcam.metrics.regions import Region
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
    draw_outline,
    moved,
    scaled,
    shape_of,
    shrunk_to_rgb,
    suits_planes,
    tile,
    tile_planes,
)
from vidcam.render import histories as new_histories
from vidcam.render.grid import GRID_PIXELS
from vidcam.types import Array, Frame, Placement, Planes, Track

MODEL_PIXELS = 640 * 360
"""What the cells of several models together may have, where the frame itself is not larger."""


def on_planes(look: Look, grid: Grid) -> bool:
    """Tells whether pictures can be drawn on the planes that a video stores, without a way through RGB."""
    return look.view == "overlay" and (len(grid.titles) == 1 or bool(grid.models))


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
        labels: of each cell, a name for each class.
        silent: for each cell the target of which it shows no heat, see `silent_target`.
        planes: whether frames that are stored as planes stay planes.
        width: of the pictures in pixels, None for that of the frames.
        steadiness: measure the first cells' heat as it is shown, one each.
        strips: drawn under the pictures.
        region: where the thing is, where its outline is drawn.
    """

    look: Look
    labels: Sequence[Sequence[str]]
    grid: Grid
    histories: Sequence[History]
    silent: Sequence[tuple[int, ...] | None]
    planes: bool = False
    width: int | None = None
    steadiness: Sequence[Steadiness] = ()
    strips: Strips | None = None
    region: Region | None = None

    def heat(self, batch: Explained, i: int, cell: int) -> tuple[Array, float, bool]:
        """Returns a cell's map of a frame, to be asked for once a frame, the value that is hottest, and whether there
        is a class to show heat of."""
        e, time = batch.explanations[cell], float(batch.frames[i].time)
        raw, peak = self.histories[cell](e.maps[i], time, e.targets[i], cut=batch.cuts[i], motion=batch.motion(i, cell))
        warm = e.targets[i] != self.silent[cell]
        if not warm:
            raw, peak = np.zeros_like(raw), 0.0
        if cell < len(self.steadiness) and batch.moves:
            shown = np.clip(raw / peak, 0.0, 1.0) if peak > 0 else np.zeros_like(raw)
            self.steadiness[cell].add(batch.moves[cell][i], [shown], batch.cuts[i])
        return raw, peak, warm

    def text(self, batch: Explained, i: int, cell: int) -> str:
        """Returns what is written on a cell: model and method where there are several, the target and its
        probability."""
        e, title, labels, said = batch.explanations[cell], self.grid.titles[cell], self.labels[cell], ""
        if self.look.caption:
            said = caption_text(e.targets[i], e.probabilities[i], labels)
        elif self.grid.targets:
            said = target_name(e.targets[i], labels)
        return f"{title}: {said}" if title and said else title or said


class Strips:
    """Classes over time under pictures, each drawn once when the pictures' size is known.

    Args:
        tracks: the clip's, of each cell.
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._tracks = tracks
        self._made: dict[int, Timeline] = {}

    def under(self, cell: int, picture: Array, time: float) -> Array:
        """Puts a cell's strip under a picture."""
        if cell not in self._made:
            t = self._tracks[cell]
            size = (picture.shape[1], picture.shape[0])
            self._made[cell] = Timeline(t.times, t.probabilities, t.labels, size, t.meta.get("neither"))
        return self._made[cell].under(picture, time)


def draw(
    explained: Iterable[Explained],
    look: Look,
    labels: Sequence[Sequence[str]],
    grid: Grid = SINGLE,
    tracks: Sequence[Track] = (),
    *,
    histories: Sequence[History] = (),
    metas: Sequence[Mapping[str, str]] = (),
    planes: bool = False,
    width: int | None = None,
    meter: Meter | None = None,
    steadiness: Sequence[Steadiness] = (),
    region: Region | None = None,
) -> Iterator[Drawn]:
    """Draws explained frames.

    Args:
        explained: batches in order.
        look: how they are drawn.
        labels: of each cell, a name for each class.
        grid: how the cells are laid out and named.
        tracks: of each cell, where the clip is known; a look that `needs_clip` needs them.
        histories: of each cell, where drawing goes on from something; new ones by default.
        metas: the provenance of each cell's maps; where there is none, every target has heat.
        planes: whether frames that are stored as planes stay planes; not every look can be drawn so, see `on_planes`.
        width: of the pictures in pixels, None for that of the frames; what is written on them is drawn at that size.
        meter: measures the work.
        steadiness: measure the first cells' heat as it is shown, one each, where the motion between frames was found.
        region: where the thing is, for a look with its outline.

    Yields:
        A picture for each frame, in order.
    """
    histories = histories or new_histories(look, len(grid.titles), tracks)
    silent = [silent_target(m, own) for m, own in zip(metas, labels, strict=False)] or [None] * len(grid.titles)
    strips = Strips(tracks) if look.view == "timeline" else None
    drawer = Drawer(look, labels, grid, histories, silent, planes, width, steadiness, strips, region)
    meter = meter or Meter(False)
    for batch in explained:
        for i in range(len(batch.frames)):
            frame = batch.frames[i]
            with meter.stage("draw"):
                picture = _picture(batch, i, drawer)
            # Every stage before this one may still hold the batch, and the encoder what it is given.
            frame = batch.frames[i] = frame.without_picture()
            answers = (Answer(e.targets[i], e.logits[i], e.probabilities[i]) for e in batch.explanations)
            yield Drawn(frame, picture, tuple(answers), batch.is_own(i))


_At = tuple[Explained, int, int]
"""A cell of a frame: its batch, its number in that, and the cell's."""


def _picture(batch: Explained, i: int, drawer: Drawer) -> Picture:
    """Draws all cells of a frame."""
    frame, look, grid, width = batch.frames[i], drawer.look, drawer.grid, drawer.width
    whole = batch.explanations[0].placement.frame
    columns, places = grid.places(look.view == "side-by-side")
    count = len(places) if len(grid.titles) > 1 else 1
    # Several models are to cost no more than their networks: their cells share the pixels of one picture.
    size = cell_size(whole, count, columns, width, pixels=MODEL_PIXELS if grid.models else GRID_PIXELS)
    if drawer.planes and frame.planes is not None:
        even = size if width is None else even_size(whole, max(2, width // columns))
        placements = [moved(e.placement, even, step=2) for e in batch.explanations]
        if all(suits_planes(placement) for placement in placements):
            picture = scaled(frame.planes, even)
            assert isinstance(picture, Planes)
            cells = [_cell_of_planes(picture, p, drawer, (batch, i, cell)) for cell, p in enumerate(placements)]
            return tile_planes([cells[n] for n in places if n is not None], columns, width)
    rgb = _rgb(frame, size)
    pictures = [_cell(rgb, moved(e.placement, size), drawer, (batch, i, n)) for n, e in enumerate(batch.explanations)]
    picture = tile([None if n is None else rgb if n < 0 else pictures[n] for n in places], columns, width)
    if drawer.strips is not None and not grid.models:
        picture = drawer.strips.under(0, picture, float(frame.time))
    return picture


def _rgb(frame: Frame, size: tuple[int, int]) -> Array:
    """Returns a frame in RGB at a size."""
    if frame.planes is not None and size != frame.size and size[0] <= frame.size[0] and size[1] <= frame.size[1]:
        return shrunk_to_rgb(frame.planes, size)
    rgb = scaled(frame.rgb(), size)
    assert not isinstance(rgb, Planes)
    return rgb


def _cell(rgb: Array, placement: Placement, drawer: Drawer, at: _At) -> Array:
    """Draws one cell of a frame."""
    look, grid = drawer.look, drawer.grid
    raw, peak, warm = drawer.heat(*at)
    picture = compose(
        rgb,
        raw,
        placement,
        peak,
        view="overlay" if look.view == "side-by-side" else look.view,
        colormap=look.colormap,
        alpha=look.alpha,
        opacity=look.opacity,
    )
    _write(picture, drawer, at, peak if warm else None)
    if drawer.strips is not None and grid.models:  # each has classes of its own
        batch, i, cell = at
        picture = drawer.strips.under(cell, picture, float(batch.frames[i].time))
    return picture


def _cell_of_planes(frame: Planes, placement: Placement, drawer: Drawer, at: _At) -> Planes:
    """Draws one cell of a frame on the planes that the source stores."""
    look = drawer.look
    raw, peak, warm = drawer.heat(*at)
    picture = compose_planes(
        frame,
        raw,
        placement,
        peak,
        colormap=look.colormap,
        alpha=look.alpha,
        opacity=look.opacity,
    )
    _write(picture, drawer, at, peak if warm else None)
    return picture


def _write(picture: Picture, drawer: Drawer, at: _At, peak: float | None) -> None:
    """Writes on a cell what there is to say of it; without a peak there is nothing to see."""
    batch, i, cell = at
    if drawer.region is not None:
        frame, (height, width) = batch.frames[i], shape_of(picture)
        whole = batch.explanations[cell].placement.frame
        inside = drawer.region.mask(frame.index, float(frame.time), whole, (width, height))
        if inside is not None:
            draw_outline(picture, inside)
    if drawer.look.colorbar and peak is not None:
        draw_colorbar(picture, drawer.look.colormap, peak)
    draw_caption(picture, drawer.text(*at), faint=peak is None)


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
