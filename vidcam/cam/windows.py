"""Windows that slide over a clip, for networks that see time: which frames a window shows, and a frame's map from them.

A clip is sampled: every frame is a sample, or, at a rate, every so many-th of a second is, with the frame that is on
the screen then. Windows of as many samples as the network takes begin every `step` samples, and one more ends with
the last sample. No window reaches across a cut: what follows a cut is a clip of its own. One that is shorter than a
window is filled up with its last frame. At a rate, a frame that stands longer than a window ends its scene, too.

A frame lies in several windows. Its map is their maps at its own place in time, weighted to the middles of the windows,
and so are its logits and probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vidcam.errors import UsageError
from vidcam.types import Array

NEAR = 0.1
"""Samples by which a frame may miss the time of one and still be it: containers round times to milliseconds."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a network that sees time is shown a clip.

    Attributes:
        length: frames in a window.
        step: samples from one window to the next, at most `length`.
        fps: samples a second; None to take every frame, whatever the times say.
    """

    length: int
    step: int
    fps: float | None = None

    @classmethod
    def of(cls, length: int, step: int | None = None, fps: float | None = None) -> Sampling:
        """Checks the choice of a step and a rate.

        Args:
            length: frames in a window.
            step: samples from one window to the next; None for half a window.
            fps: samples a second; None for every frame.

        Raises:
            UsageError: one is out of range.
        """
        step = max(1, length // 2) if step is None else step
        if not 1 <= step <= length:
            raise UsageError(
                f"--clip-stride {step} is out of range: windows are of {length} frames, and one begins at most that "
                "many after the other"
            )
        if fps is not None and not 0 < fps <= 1000:
            raise UsageError(f"--clip-fps {fps:g} is out of range; it is more than 0 and at most 1000")
        return cls(length, step, fps)


@dataclass(frozen=True, slots=True)
class Seen:
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
        share: how much of its windows' heat the frame has: 1 if all of a window's frames have the same.
    """

    map: Array
    logits: Array
    probabilities: Array
    target: tuple[int, ...]
    share: float


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


def shares(maps: Array) -> Array:
    """Returns how much of a window's heat each step has, over what it would have if all had the same.

    Args:
        maps: raw maps (T', h, w).

    Returns:
        float64 (T',), of mean 1; all 1 where there is no heat.
    """
    heat = np.maximum(np.nan_to_num(maps), 0.0).sum(axis=(1, 2), dtype=np.float64)
    mean = heat.mean()
    return heat / mean if mean > 0 else np.ones(len(maps))


class Sliding:
    """Slides windows over a clip as its frames come.

    It holds as many pictures as a window has samples, and what the last windows gave.

    Args:
        sampling: how the network is shown a clip.
        explain: of a window's pictures, uint8 (T, h, w, C), to what the network sees in it.
    """

    def __init__(self, sampling: Sampling, explain: Callable[[Array], Seen]) -> None:
        self._sampling = sampling
        self._explain = explain
        self._begin()

    def _begin(self) -> None:
        self._samples: list[Array] = []  # from sample `_first` on
        self._first = 0
        self._start = 0  # of the next window
        self._waiting: list[float] = []  # places of the frames that have no map yet
        self._windows: list[tuple[int, Seen]] = []
        self._frames = 0
        self._began = 0.0
        self._last: Array | None = None

    def add(self, picture: Array, time: float, cut: bool = False) -> list[Moment]:
        """Takes the next frame.

        Args:
            picture: uint8 (h, w, C), fitted to the network's input.
            time: seconds.
            cut: whether a scene begins with it.

        Returns:
            What is certain now: the moments of the frames that came longest ago, in order.
        """
        done = self.finish() if cut or self._place(time) - self._count > self._sampling.length else []
        if not self._frames:
            self._began = time
        place = self._place(time)
        while self._count < place - NEAR and self._last is not None:
            self._sample(self._last)
        if self._count <= place + NEAR:
            self._sample(picture)
        self._last = picture
        self._frames += 1
        self._waiting.append(place)
        return [*done, *self._certain(self._start - self._sampling.step + 0.5)]

    def finish(self) -> list[Moment]:
        """Ends the clip, or its scene.

        Returns:
            The moments of the frames that are left.
        """
        if not self._frames:
            return []
        length = self._sampling.length
        last = self._samples[-1]
        if self._count < length:
            self._see(0, [*self._samples, *[last] * (length - self._count)])
        elif self._windows[-1][0] != self._count - length:
            self._see(self._count - length, self._samples[-length:])
        done = self._certain(float("inf"))
        self._begin()
        return done

    def _place(self, time: float) -> float:
        """Returns where a frame that comes now lies, in samples from the scene's first."""
        fps = self._sampling.fps
        return float(self._frames) if fps is None or not self._frames else (time - self._began) * fps

    @property
    def _count(self) -> int:
        """How many samples there have been."""
        return self._first + len(self._samples)

    def _sample(self, picture: Array) -> None:
        self._samples.append(picture)
        length = self._sampling.length
        if len(self._samples) > length:
            self._samples.pop(0)
            self._first += 1
        if self._count == self._start + length:
            self._see(self._start, self._samples)
            self._start += self._sampling.step

    def _see(self, start: int, samples: list[Array]) -> None:
        self._windows.append((start, self._explain(np.stack(samples))))

    def _certain(self, before: float) -> list[Moment]:
        """Gives the frames before a place, that no window to come holds, their moments."""
        done = []
        while self._waiting and self._waiting[0] < before and self._windows:
            done.append(self._moment(self._waiting.pop(0)))
        oldest = self._waiting[0] if self._waiting else float("inf")
        while len(self._windows) > 1 and self._windows[0][0] + self._sampling.length <= oldest:
            self._windows.pop(0)
        return done

    def _moment(self, place: float) -> Moment:
        length = self._sampling.length
        holding = [(s, seen) for s, seen in self._windows if s - NEAR <= place <= s + length - 1 + NEAR]
        # Between the last sample of one window and the first of the next, and behind a scene's last.
        holding = holding or [(s, seen) for s, seen in self._windows if s - 1 < place < s + length]
        return blend([(min(max(place - s, 0.0), length - 1.0), seen) for s, seen in holding], length)


def blend(windows: list[tuple[float, Seen]], length: int) -> Moment:
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
    share = [float(at_place(shares(seen.maps), place, length)) for place, seen in windows]
    return Moment(
        np.einsum("n,nhw->hw", weights, np.stack(maps)).astype(np.float32),
        logits.astype(np.float32),
        probabilities.astype(np.float32),
        target,
        float(np.dot(weights, share)),
    )
