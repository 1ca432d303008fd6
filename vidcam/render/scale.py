"""Maps over time: which raw value is hottest, and how quickly heat may change.

Scaling decides what a viewer believes, so it is a choice; `pipeline` says where a scene begins.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vidcam.errors import UsageError
from vidcam.render.flow import carried, held
from vidcam.render.heat import peak_of
from vidcam.render.look import Look, Normalization, parse_normalize
from vidcam.types import Array, Track

RELEASE = 2.0
"""Seconds in which the running maximum falls to 1/e."""
FORGET = 10.0
"""Seconds after which a target that was not explained again is begun anew."""
REMEMBERED = 0.95
"""Of the hottest value that a frame's own map speaks for, what others may reach from memory."""


class History:
    """A clip's maps over time, frame after frame: smoothed, held to what each frame itself shows, and scaled.

    There is one memory for each target, and it is that of the target's own maps: where the explained class changes, the
    new one's begins, or goes on from when it was explained last. What is remembered are the maps' positive parts. A new
    map counts with the weight 1 - exp(-dt / smooth), so that the result does not depend on the frame rate nor on even
    spacing; it lags behind by about `smooth` at most. Where the motion between the frames is known, memories are
    carried along it before they are averaged with, so that heat goes with what it lies on, and where it does not hold
    (what came into view) the map begins anew. All is forgotten at a scene cut, and a target's memory where its maps
    change their size. Maps that are not finite pass as they are and leave no trace.

    The hottest place of what is shown always has evidence in the frame's own map, and a frame without any shows none:
    heat that is only remembered stays below `REMEMBERED` of the hottest that is the frame's own.

    A history can be copied and pickled, so that a clip's next part can go on elsewhere; fed with the maps of the ten
    seconds before, a new one is the same within a level of 255.

    Args:
        normalize: see `parse_normalize`; not `clip`, whose peak `clip_peak` finds beforehand.
        smooth: the time constant in seconds, 0 for none.
        peak: the value of `fixed`.
    """

    def __init__(self, normalize: Normalization, smooth: float, peak: float | None = None) -> None:
        self._kind = normalize
        self._smooth = smooth
        self._fixed = peak or 0.0
        self._memories: dict[Hashable, _Memory] = {}

    def __call__(
        self,
        raw: Array,
        time: float,
        target: Hashable = (),
        *,
        cut: bool = False,
        motion: Array | None = None,
    ) -> tuple[Array, float]:
        """Takes the next map.

        Args:
            raw: (h, w), signed.
            time: seconds, not before the last one.
            target: what the map explains, and in which sense: all that must be the same for two maps to be averaged.
            cut: a scene begins here.
            motion: from the frame before to this one, see `vidcam.render.flow`; every memory moves so, and where it
                does not hold the map begins anew. None where nothing is known to move.

        Returns:
            The map to show (h, w), 0 or more, which callers must not write into, and the raw value that is hottest: 0
            where there has been no evidence yet.
        """
        if cut:
            self._memories.clear()
        if motion is not None:
            for memory in self._memories.values():
                memory.map = carried(memory.map, motion)
        if not np.isfinite(raw).all():
            known = self._memories.get(target)
            return raw, self._fixed if self._kind == "fixed" else 0.0 if known is None else known.peak
        own = np.maximum(raw, 0.0)
        memory = self._memory(own, time, target)
        if motion is not None:
            memory.map = own + held(motion, own.shape) * (memory.map - own)
        elapsed = max(0.0, time - memory.time)
        weight = -math.expm1(-elapsed / self._smooth) if self._smooth > 0.0 else 1.0
        memory.map = memory.map + np.float32(weight) * (own - memory.map)
        shown = _held(memory.map, own)
        largest = peak_of(shown)
        memory.peak, memory.time = max(largest, memory.peak * math.exp(-elapsed / RELEASE)), time
        if self._kind == "fixed":
            return _held(np.minimum(shown, self._fixed), own), self._fixed
        return shown, largest if self._kind == "frame" else memory.peak

    def catch_up(self, track: Track) -> None:
        """Takes all maps of a stretch that is drawn elsewhere, to go on behind it."""
        for row in rows_of(track):
            self(row[0], row[1], row[2], cut=row[3], motion=row[4])

    def _memory(self, own: Array, time: float, target: Hashable) -> _Memory:
        """Returns what is known of a target, made of its first map where nothing is."""
        memory = self._memories.get(target)
        if memory is None or memory.map.shape != own.shape:
            self._memories = {t: m for t, m in self._memories.items() if time - m.time < FORGET}
            memory = self._memories[target] = _Memory(own, time)
        return memory


@dataclass(slots=True)
class _Memory:
    """What is known of a target: its smoothed map as of a time, and the largest value, falling slowly."""

    map: Array
    time: float
    peak: float = 0.0


def _held(shown: Array, own: Array) -> Array:
    """Keeps places without evidence in the frame's own map below those that have some."""
    evident = own > 0.0
    hottest = shown[evident].max(initial=0.0)
    return np.where(evident, shown, np.minimum(shown, np.float32(REMEMBERED) * hottest))


def rows_of(track: Track) -> Iterator[tuple[Array, float, tuple[int, ...], bool, Array | None]]:
    """Yields of each frame of a track its map, time and target, whether a scene begins with it, and its motion."""
    cuts = [False] * len(track) if track.cuts is None else track.cuts.tolist()
    motions = [None] * len(track) if track.motions is None else list(track.motions)
    yield from zip(track.maps, track.times.tolist(), track.targets, cuts, motions, strict=True)


def clip_peak(parts: Iterable[Track], smooth: float) -> float:
    """Returns the largest value that a clip's smoothed maps reach, for `fixed`.

    Args:
        parts: the clip's maps, in one track or several, in order.
        smooth: seconds, see `History`.
    """
    history = History("frame", smooth)
    rows = (row for track in parts for row in rows_of(track))
    return max((history(raw, time, t, cut=cut, motion=m)[1] for raw, time, t, cut, m in rows), default=0.0)


def histories(look: Look, cells: int, tracks: Sequence[Track] = ()) -> list[History]:
    """Returns what smooths and scales each cell's maps.

    Args:
        look: how they are drawn.
        cells: how many there are.
        tracks: theirs, where the clip is known.

    Raises:
        UsageError: the look needs the clip, and it is not known.
    """
    kind, peak = parse_normalize(look.normalize)
    if kind != "clip":
        return [History(kind, look.smooth, peak) for _ in range(cells)]
    if not tracks:
        raise UsageError("normalize clip needs the whole clip first")
    return [History("fixed", look.smooth, clip_peak([track], look.smooth)) for track in tracks]
