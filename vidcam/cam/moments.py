"""A frame's map from the windows that hold it, for networks that see time.

A frame lies in several windows. Its map is their maps at its own place in time, weighted to the middles of the windows,
and so are its logits and probabilities.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np

from vidcam.cam.windows import NEAR, ClipWindow, Sampling, T, Waiting, WindowEvent
from vidcam.types import Array


@dataclass(frozen=True, slots=True)
class WindowMaps:
    """What a network sees in one window.

    Attributes:
        maps: raw maps over time, float32 (T', h, w); T' may be less than the window's frames.
        logits: float32 (classes,).
        probabilities: float32 (classes,).
        target: the class indices that the maps explain.
    """

    maps: Array
    logits: Array
    probabilities: Array
    target: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """What a network sees in one frame of a clip.

    Attributes:
        map: raw map, float32 (h, w).
        logits: float32 (classes,).
        probabilities: float32 (classes,).
        target: the class indices that the map explains.
        importance: how much of its windows' heat the frame has: 1 if all of a window's frames have the same.
    """

    map: Array
    logits: Array
    probabilities: Array
    target: tuple[int, ...]
    importance: float


def weight(place: float, length: int) -> float:
    """Returns what a window counts for a frame at a place in it: 1 in the middle, less to the ends, never 0.

    Args:
        place: in samples from the window's first one.
        length: samples in a window.
    """
    return 1.0 - abs(2.0 * place - (length - 1)) / (length + 1)


def at_place(steps: Array, place: float, length: int) -> Array:
    """Takes from what goes over a window's time what is at one place: linear, half-step centres, as maps in space.

    Args:
        steps: (T', ...).
        place: in samples from the window's first one.
        length: samples in the window, whole of which the steps cover.

    Returns:
        (...).
    """
    count = len(steps)
    x = min(max((place + 0.5) * count / length - 0.5, 0.0), count - 1.0)
    low = int(x)
    high = min(low + 1, count - 1)
    mixed: Array = steps[low] * (1.0 - (x - low)) + steps[high] * (x - low)
    return mixed.astype(steps.dtype)


def step_shares(maps: Array) -> Array:
    """Returns how much of a window's heat each step has, over what it would have if all had the same.

    Args:
        maps: raw maps (T', h, w).

    Returns:
        float64 (T',), of mean 1; all 1 where there is no heat.
    """
    heat = np.maximum(np.nan_to_num(maps), 0.0).sum(axis=(1, 2), dtype=np.float64)
    mean = heat.mean()
    return heat / mean if mean > 0 else np.ones(len(maps))


See = Callable[[Sequence[Array]], Sequence[tuple[WindowMaps, ...]]]
"""From the pictures of windows to what the network sees in each, in one way or several."""


def moments(
    steps: Iterable[WindowEvent[T]], sampling: Sampling, see: See, batch: int = 1
) -> Iterator[list[tuple[T, tuple[Moment, ...]]]]:
    """Makes what the network sees in frames of what it sees in windows.

    Args:
        steps: what `windows` yields.
        sampling: how the network is shown a clip.
        see: explains windows.
        batch: how many at once.

    Yields:
        Frames with their moments, one for each way in which windows are seen, in order: those that nobody asks for left
        out.
    """
    blender = _Blender[T](sampling)
    held: list[WindowEvent[T]] = []
    due = 0
    for step in steps:
        held.append(step)
        due += isinstance(step, ClipWindow)
        if due in (0, batch):
            yield from blender.go_on(held, see)
            held, due = [], 0
    yield from blender.go_on(held, see)


class _Blender(Generic[T]):
    """Holds frames that wait, and what the last windows gave."""

    def __init__(self, sampling: Sampling) -> None:
        self._length = sampling.length
        self._waiting: deque[Waiting[T]] = deque()
        self._windows: deque[tuple[int, tuple[WindowMaps, ...]]] = deque()

    def go_on(self, steps: Sequence[WindowEvent[T]], see: See) -> Iterator[list[tuple[T, tuple[Moment, ...]]]]:
        pictures = [step.pictures for step in steps if isinstance(step, ClipWindow)]
        seen = iter(see(pictures) if pictures else ())
        for step in steps:
            if isinstance(step, ClipWindow):
                self._windows.append((step.start, next(seen)))
            elif isinstance(step, Waiting):
                self._waiting.append(step)
            else:
                done = self._certain(step.before)
                if done:
                    yield done
                if step.before == float("inf"):
                    self._windows.clear()

    def _certain(self, before: float) -> list[tuple[T, tuple[Moment, ...]]]:
        """Gives the frames before a place their moments."""
        done = []
        while self._waiting and self._waiting[0].place < before and self._windows:
            frame = self._waiting.popleft()
            if frame.item is not None:
                done.append((frame.item, self._moments(frame.place)))
        oldest = self._waiting[0].place if self._waiting else float("inf")
        while len(self._windows) > 1 and self._windows[0][0] + self._length <= oldest:
            self._windows.popleft()
        return done

    def _moments(self, place: float) -> tuple[Moment, ...]:
        length = self._length
        holding = [(s, seen) for s, seen in self._windows if s - NEAR <= place <= s + length - 1 + NEAR]
        # Between the last sample of one window and the first of the next, and behind a scene's last.
        holding = holding or [(s, seen) for s, seen in self._windows if s - 1 < place < s + length]
        places = [min(max(place - s, 0.0), length - 1.0) for s, _ in holding]
        ways = zip(*(seen for _, seen in holding), strict=True)
        return tuple(merge_windows(list(zip(places, way, strict=True)), length) for way in ways)


def merge_windows(windows: list[tuple[float, WindowMaps]], length: int) -> Moment:
    """Makes one frame's map and prediction of the windows that hold it.

    The windows may explain different classes, where each explains its own best. The frame's class is then the one of
    theirs that is most probable, and its map is made of the windows that explain that.

    Args:
        windows: the frame's place in each, and what the network sees there; at least one.
        length: samples in a window.

    Returns:
        The frame's moment.
    """
    weights = np.array([weight(place, length) for place, _ in windows])
    weights /= weights.sum()
    logits, probabilities = (
        np.einsum("n,nc->c", weights, np.stack([getattr(seen, name) for _, seen in windows]))
        for name in ("logits", "probabilities")
    )
    target = max(dict.fromkeys(seen.target for _, seen in windows), key=lambda t: float(logits[list(t)].sum()))
    alike = np.array([seen.target == target for _, seen in windows])
    weights = np.where(alike, weights, 0.0) / weights[alike].sum()
    maps = [at_place(seen.maps, place, length) for place, seen in windows]
    heat = [float(at_place(step_shares(seen.maps), place, length)) for place, seen in windows]
    return Moment(
        np.einsum("n,nhw->hw", weights, np.stack(maps)).astype(np.float32),
        logits.astype(np.float32),
        probabilities.astype(np.float32),
        target,
        float(np.dot(weights, heat)),
    )
