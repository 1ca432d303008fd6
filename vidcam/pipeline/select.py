"""Which frames are explained: those that the output keeps, or fewer, whose maps are blended for the frames between."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from vidcam.pipeline.meter import Meter
from vidcam.pipeline.scenes import Scenes, glimpse
from vidcam.render.flow import Motion
from vidcam.types import Array, Explanation, Frame

Keeps = Callable[[Fraction, Fraction | None], bool] | None


@dataclass(frozen=True, slots=True)
class Selected:
    """A frame of the output.

    Attributes:
        frame: it lasts until the next one.
        cut: whether a scene begins with it, or with a frame since the last one that was left out.
        asked: whether it is explained itself; otherwise its map is blended from its neighbours'.
    """

    frame: Frame
    cut: bool
    asked: bool


class Selection:
    """Passes a source's frames on, but for those that nobody will see.

    Args:
        keeps: makes the rule by which the output keeps frames, anew for each pass; None where it keeps all.
        fps: explain at most so many frames a second; None for all. The first frame of a scene always is.
        meter: measures the looking.

    Attributes:
        read: frames that have come in this pass.
    """

    def __init__(self, keeps: Callable[[], Keeps] | None, fps: float | None, meter: Meter) -> None:
        self._keeps = keeps
        self._fps = None if fps is None else Fraction(fps).limit_denominator(1_000_000)
        self._meter = meter
        self.read = 0

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Selected]:
        """Takes a pass's frames; every one is looked at for cuts, and each that is kept lasts until the next."""
        keeps = self._keeps() if self._keeps else None
        scenes, cut, last_slot = Scenes(), False, -1
        waiting: Selected | None = None
        end: Fraction | None = None
        self.read = 0
        for frame in frames:
            self.read += 1
            with self._meter.stage("prepare"):
                cut = scenes.cut(glimpse(frame)) or cut
            end = None if frame.duration is None else frame.time + frame.duration
            if keeps is not None and not keeps(frame.time, frame.duration):
                continue
            if waiting is not None:
                yield _lasting(waiting, frame.time)
            slot = -1 if self._fps is None else math.floor(frame.time * self._fps)
            other = waiting is None or waiting.frame.size != frame.size
            waiting = Selected(frame, cut, self._fps is None or cut or other or slot != last_slot)
            last_slot, cut = slot, False
        if waiting is not None:
            yield _lasting(waiting, end)

    def every(self, frames: Iterable[Frame]) -> Iterator[Selected]:
        """Takes a pass's frames and passes all of them on, for networks that see time.

        Those that nobody will see are not asked for; whether a scene begins is said of each frame itself.
        """
        keeps = self._keeps() if self._keeps else None
        scenes = Scenes()
        self.read = 0
        for frame in frames:
            self.read += 1
            with self._meter.stage("prepare"):
                cut = scenes.cut(glimpse(frame))
            yield Selected(frame, cut, keeps is None or keeps(frame.time, frame.duration))


def _lasting(selected: Selected, end: Fraction | None) -> Selected:
    frame = selected.frame
    frame.duration = None if end is None else end - frame.time
    return selected


@dataclass(frozen=True, slots=True)
class Explained:
    """Frames, and what the model sees in them.

    Attributes:
        frames: in order.
        explanations: one for each cell; a row for each frame, or before `blended` for each that was asked for.
        cuts: whether a scene begins with each.
        motions: for each cell, of each frame, how the picture has moved since the one before, on its map's grid
            (`vidcam.render.flow`); empty where nobody looked.
        moves: for each cell, of each frame, the same, pixel by pixel; empty where the maps were kept.
        asked: whether each was explained itself; empty where all were.
    """

    frames: list[Frame]
    explanations: tuple[Explanation, ...]
    cuts: list[bool]
    motions: Sequence[Sequence[Array]] = ()
    moves: Sequence[Sequence[Motion]] = ()
    asked: Sequence[bool] = ()

    def motion(self, i: int, cell: int) -> Array | None:
        """Returns a frame's motion as a cell sees it, None where nobody looked."""
        return self.motions[cell][i] if len(self.motions) else None

    def is_own(self, i: int) -> bool:
        """Tells whether a frame was explained itself."""
        return self.asked[i] if self.asked else True


def blended(batches: Iterable[Explained]) -> Iterator[Explained]:
    """Gives frames that were not explained what lies between the explained ones before and after, in time.

    Maps, logits and probabilities run evenly from one to the other. Where the two explain different classes, each is
    held for the half of the time that is nearer to it; what is before a cut is held up to it.

    Args:
        batches: with rows for the frames that were asked for; the first frame was.

    Yields:
        Frames with a row each, in order; it waits for the next frame that was explained.
    """
    waiting: list[tuple[Frame, bool]] = []
    before: tuple[Fraction, tuple[Explanation, ...]] | None = None
    for batch in batches:
        own = [batch.is_own(i) for i in range(len(batch.frames))]
        if all(own) and not waiting:
            yield batch
            before = batch.frames[-1].time, _row(batch.explanations, -1)
            continue
        row = 0
        for frame, cut, asked in zip(batch.frames, batch.cuts, own, strict=True):
            if not asked:
                waiting.append((frame, cut))
                continue
            here = frame.time, _row(batch.explanations, row)
            row += 1
            if before is not None and waiting:
                yield _filled(waiting, before, before if cut or _moved(before, here) else here)
                waiting = []
            yield Explained([frame], here[1], [cut])
            before = here
    if before is not None and waiting:
        yield _filled(waiting, before, before)


_At = tuple[Fraction, tuple[Explanation, ...]]


def _moved(a: _At, b: _At) -> bool:
    return a[1][0].placement != b[1][0].placement


def _row(explanations: Sequence[Explanation], row: int) -> tuple[Explanation, ...]:
    one = slice(row, row + 1 or None)
    return tuple(
        replace(e, maps=e.maps[one], logits=e.logits[one], probabilities=e.probabilities[one], targets=e.targets[one])
        for e in explanations
    )


def _filled(waiting: Sequence[tuple[Frame, bool]], before: _At, after: _At) -> Explained:
    """Returns frames with what lies between two explained ones."""
    span = after[0] - before[0]
    shares = np.array([float((frame.time - before[0]) / span) if span else 0.0 for frame, _ in waiting], np.float32)
    cells = tuple(_between(a, b, shares) for a, b in zip(before[1], after[1], strict=True))
    return Explained([f for f, _ in waiting], cells, [cut for _, cut in waiting], asked=[False] * len(waiting))


def _between(a: Explanation, b: Explanation, shares: Array) -> Explanation:
    """Returns what lies between two explanations of a frame each, at shares of the way."""
    same = a.targets == b.targets
    way = shares if same else np.round(shares)
    targets = tuple((b if share > 0.5 else a).targets[0] for share in way.tolist())

    def mix(x: Array, y: Array) -> Array:
        weight = way.reshape(-1, *[1] * (x.ndim - 1))
        mixed: Array = x + weight * (y - x)
        return mixed

    return Explanation(
        mix(a.maps, b.maps), mix(a.logits, b.logits), mix(a.probabilities, b.probabilities), targets, a.placement
    )
